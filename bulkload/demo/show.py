"""The demo's course: sandbox up, load, SIGKILL, resume, then the books are compared.

Everything is the real thing: the loader is its own process, killed by the kernel; the
verdict comes from what the sandbox holds, not from what the loader says of itself.
"""

from __future__ import annotations

import json
import math
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.request import urlopen

from bulkload.demo import mailbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.console import Console

MESSAGES = 6_000
BATCH = 20
FAULTS = ("429=1%", "423=1%", "503=1%", "reset-after=0.5%", "slow=1%")
KILL_AT = 0.4
PATIENCE_S = 120


class Verdict(NamedTuple):
    """What the books say. `lost`, `twice` and `untied` must be 0."""

    created: int
    dead: int
    doubt_there: int
    doubt_absent: int
    lost: int
    twice: int
    untied: int

    @property
    def holds(self) -> bool:
        return self.lost == self.twice == self.untied == 0


def run(folder: Path, console: Console) -> bool:
    """The whole demo in `folder`, which is new. Returns whether the verdict holds."""
    mbox, run_dir = folder / "mail.mbox", folder / "run"
    made = mailbox.write(mbox, MESSAGES)
    console.print(
        f"[bold]1.[/] A mailbox: {mbox}, {made.total:,} messages in six charsets, "
        f"{mbox.stat().st_size / 1e6:.1f} MB; {made.undated} have no date, {made.too_long} are "
        f"longer than HubSpot takes, {made.twice} are copies of others."
    )
    contacts = folder / "contacts.txt"
    known = {address for _, address in mailbox.PEOPLE} - {mailbox.MINE, mailbox.STRANGER}
    contacts.write_text("".join(f"{address}\n" for address in sorted(known)))
    with _sandbox(folder, contacts) as url:
        console.print(
            f"[bold]2.[/] An embedded HubSpot on {url}: 190 calls in ten seconds, and trouble "
            f"on purpose: {', '.join(FAULTS)}. It has {len(known)} contacts."
        )
        load = [
            "load", str(mbox), "--run", str(run_dir), "--base-url", url,
            "--batch-size", str(BATCH), "--mine", mailbox.MINE, "--no-progress", "--quiet",
        ]  # fmt: skip
        console.print(f"[bold]3.[/] bulkload load {shlex.quote(str(mbox))} …")
        with _process(load, folder, "load.log") as loader:
            at = _watch(url, loader, console, KILL_AT * made.total / BATCH)
            loader.kill()
            loader.wait()
        console.print(
            f"[bold]4.[/] SIGKILL to the loader after {at:,} calls: no goodbye, no flush."
        )
        resume = ["resume", str(run_dir), "--no-progress", "--quiet", "--json"]
        console.print(f"[bold]5.[/] bulkload resume {shlex.quote(str(run_dir))} …")
        with _process(resume, folder, "resume.log", subprocess.PIPE) as resumed:
            assert resumed.stdout is not None
            _watch(url, resumed, console)
            ended = json.loads(resumed.stdout.read() or b"{}")
        if resumed.returncode not in (0, 1):
            console.print(
                f"[red]The resume ended with exit code {resumed.returncode}:[/] "
                f"{folder / 'resume.log'}"
            )
            return False
        people = {each["id"]: each["email"] for each in _lines(url, "contacts")}
        verdict = compare(made, _lines(url, "emails"), _letters(run_dir), _doubts(run_dir), people)
    _show(console, run_dir, ended, verdict)
    return verdict.holds


def compare(
    made: mailbox.Made,
    emails: list[dict[str, Any]],
    letters: list[dict[str, Any]],
    doubts: list[dict[str, Any]],
    people: dict[str, str],
) -> Verdict:
    """Pure: the sandbox's books against what went in. The laws, as two numbers."""
    created = Counter(email["properties"].get("hs_email_subject", "") for email in emails)
    twice = sum(count - 1 for count in created.values() if count > 1)
    doubtful = {doubt["ordinal"] for doubt in doubts}
    dead = {letter["ordinal"] for letter in letters}
    there = lost = 0
    by_number = {int(subject.rpartition("#")[2]): subject for subject in made.good}
    for number in range(made.total):
        subject = by_number.get(number)
        if subject is not None and subject in created:
            there += number in doubtful
        elif number not in doubtful and number not in dead:
            lost += 1
    lost -= made.twice  # copies: the first of each is looked for by its subject
    untied = sum(_tied(email, people) != _wanted(email, people) for email in emails)
    return Verdict(
        sum(created.values()), len(dead), there, len(doubtful) - there, lost, twice, untied
    )


def _tied(email: dict[str, Any], people: dict[str, str]) -> set[str]:
    return {people[contact] for contact in email["contacts"]}


def _wanted(email: dict[str, Any], people: dict[str, str]) -> set[str]:
    """Of those who stand in it, all that have a contact."""
    headers = json.loads(email["properties"].get("hs_email_headers", "{}"))
    named = (headers.get("from"), *headers.get("to", ()))
    return {who["email"] for who in named if who}.intersection(people.values())


def _show(console: Console, run_dir: Path, ended: dict[str, Any], verdict: Verdict) -> None:
    where = shlex.quote(str(run_dir))
    console.print(
        f"[bold]6.[/] The embedded HubSpot's own books hold {verdict.created:,} emails. What the "
        "run says of its records:"
    )
    _row(
        console,
        ended["loaded"],
        "loaded: each is in the books, once, and tied to its people's contacts",
    )
    _row(console, ended["skipped"], "skipped: copies of a message that is loaded")
    if ended["in_doubt"]:
        _row(
            console,
            ended["in_doubt"],
            f"in doubt: sent, and their answers were lost, in the kill and by the faults. "
            f"{verdict.doubt_there:,} are in the books, {verdict.doubt_absent:,} are not; the run "
            "can't know which, so it lists each and sends none again in silence",
        )
    _row(console, verdict.dead, "dead letters, each with its reason:")
    reasons: dict[str, list[str]] = {}
    for letter in _letters(run_dir):
        told = f"{letter['reason']}: {_short(letter['message'])}"
        reasons.setdefault(re.sub(r"\d+", "#", told), []).append(told)
    for alike in sorted(reasons.values(), key=len, reverse=True)[:4]:
        console.print(f"            {len(alike)} × {alike[0]}", markup=False, soft_wrap=True)
    colour = "green" if verdict.holds else "red"
    console.print(
        f"\n[bold {colour}]{verdict.lost} lost, {verdict.twice} twice, {verdict.untied} tied to "
        f"the wrong people[/], {ended['in_doubt']} in doubt: every message is loaded, or a dead "
        "letter with its reason. What was under way at the kill was looked up by its key\n",
        soft_wrap=True,
    )
    console.print("What a person would type next:")
    for command, what in (
        (f"bulkload status {where}", "how the run stands"),
        (f"bulkload status {where} --letters", "each refused record, with the reason"),
        (f"bulkload undo {where} --dry-run", "what it would take to undo it all"),
        ("bulkload load YOUR.mbox --limit 100", "a pilot on your own account"),
    ):
        console.print(f"  {command}\n      {what}", markup=False, highlight=False, soft_wrap=True)


def _row(console: Console, count: int, meaning: str) -> None:
    console.print(f"  {count:>7,}  {meaning}", markup=False, soft_wrap=True)


def _short(message: str) -> str:
    """A message without the record's number, so that equal reasons are counted together."""
    words = message.partition(": ")[2] if message.startswith("message ") else message
    start = words.find('"message":"')
    if start >= 0:
        words = words[start + 11 :].partition('","')[0]
    return words[:110]


@contextmanager
def _sandbox(folder: Path, contacts: Path) -> Iterator[str]:
    arguments = ["sandbox", "--port", "0", "--seed", "11", "--latency", "60"]
    arguments += ["--contacts", str(contacts)]
    arguments += [word for fault in FAULTS for word in ("--fault", fault)]
    with _process(arguments, folder, "sandbox.log", subprocess.PIPE) as server:
        assert server.stdout is not None
        try:
            line = server.stdout.readline().decode()
            if "http://" not in line:
                raise RuntimeError(f"the sandbox did not start: see {folder / 'sandbox.log'}")
            yield "http://" + line.strip().rpartition("http://")[2]
        finally:
            server.terminate()


@contextmanager
def _process(
    arguments: list[str], folder: Path, log: str, out: int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """One of our commands as a process of its own; it does not outlive the block."""
    environment = os.environ | {"HUBSPOT_ACCESS_TOKEN": "demo-token", "PYTHONUNBUFFERED": "1"}
    process = None
    try:
        with (folder / log).open("ab") as words, _unbroken():
            process = subprocess.Popen(
                [sys.executable, "-m", "bulkload", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=words if out is None else out,
                stderr=words,
                env=environment,
            )
        yield process
        process.wait(PATIENCE_S)
    finally:
        if process is not None and process.poll() is None:
            process.kill()
            process.wait()
        if process is not None and process.stdout is not None:
            process.stdout.close()


@contextmanager
def _unbroken() -> Iterator[None]:
    """A signal waits until it is over: who is cut while a process begins does not know it."""
    waiting: list[int] = []
    before = [
        (number, signal.signal(number, lambda number, _: waiting.append(number)))
        for number in (signal.SIGINT, signal.SIGTERM)
    ]
    try:
        yield
    finally:
        for each, does in before:
            signal.signal(each, does)
        for number in waiting[:1]:
            signal.raise_signal(number)


def _watch(
    url: str, loader: subprocess.Popen[bytes], console: Console, calls: float = math.inf
) -> int:
    """Show what the sandbox has, until it saw so many calls or the loader ended."""
    until = time.monotonic() + PATIENCE_S
    with console.status("…") as status:
        while time.monotonic() < until:
            with urlopen(f"{url}/_sandbox/books") as answer:
                books = json.load(answer)
            seen = int(books["creates_seen"])
            if seen >= calls or loader.poll() is not None:
                return seen
            status.update(f"{books['emails']:,} emails in the embedded HubSpot, {seen:,} calls")
            time.sleep(0.1)
    raise RuntimeError(f"the loader made no progress in {PATIENCE_S} s")


def _lines(url: str, which: str) -> list[dict[str, Any]]:
    with urlopen(f"{url}/_sandbox/{which}") as answer:
        return [json.loads(line) for line in answer]


def _letters(run_dir: Path) -> list[dict[str, Any]]:
    with (run_dir / "dead-letters.ndjson").open("rb") as file:
        return [json.loads(line) for line in file]


def _doubts(run_dir: Path) -> list[dict[str, Any]]:
    from bulkload.runs.inquiry import doubts

    return list(doubts(run_dir))
