"""Faults that no code of ours can fake: the disk's, the kernel's stops, a clock that is set,
damaged files.

strace makes the disk fail, so the product needs no hook for it. With a key nothing is lost, made
twice or left in doubt; without one nothing is made twice, and what may be missing is listed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bulkload.journal.schema import PAGE_BYTES
from tests.acceptance.harness import Cli, Ended, Sandbox, ndjson, until

FAST = ("--rate-limit", "100000/1s", "--no-progress", "--json")
IN_FLIGHT, BATCH, MANY = 4, 20, 16
RUN = "run"
PORTALS = pytest.mark.parametrize("portal", ["--bare", ""], ids=["without-key", "with-key"])

needs_strace = pytest.mark.skipif(
    shutil.which("strace") is None, reason="strace is not installed: apt-get install strace"
)


def flags(portal: str) -> list[str]:
    return [portal] if portal else []


def loading(remote: Sandbox, source: Path, in_flight: int = IN_FLIGHT) -> list[object]:
    words: list[object] = ["load", source, "--run", RUN, "--base-url", remote.url]
    return [*words, "--batch-size", BATCH, "--max-in-flight", in_flight]


def failing(fault: str, *more: str, into: object = "/dev/null") -> list[str]:
    """Through strace, which makes system calls fail. `when` counts the calls of each thread."""
    words = ["strace", "-f", "-o", str(into), "-e", f"inject={fault}", *more]
    if "trace=" not in " ".join(more):
        words += ["-e", f"trace={fault.partition(':')[0]}"]
    # It stops at no other call then; but a signal that is injected never comes.
    return [*words, "--seccomp-bpf"] if "signal=" not in fault else words


def check_books(
    cli: Cli,
    remote: Sandbox,
    summary: dict[str, Any],
    *,
    keyed: bool,
    cuts: int = 1,
    run: str = RUN,
) -> None:
    """Against what went in: the records of ndjson(), as many as the run read."""
    created = remote.subjects()
    everything = {f"s {number}" for number in range(summary["read"])}
    assert max(created.values()) == 1, "made twice"
    assert summary["existing"] == summary["dead_lettered"] == summary["skipped"] == 0
    if keyed:
        assert set(created) == everything, "lost"
        assert (summary["loaded"], summary["in_doubt"]) == (len(everything), 0)
        return
    listed = [json.loads(line) for line in cli("doubts", run, "--json").out.splitlines()]
    doubtful = {f"s {doubt['ordinal']}" for doubt in listed}
    assert len(doubtful) == len(listed) == summary["in_doubt"]
    assert everything - set(created) <= doubtful, "lost"
    assert summary["loaded"] == len(set(created) - doubtful)
    assert len(doubtful) <= IN_FLIGHT * BATCH * cuts


# The disk


@needs_strace
@PORTALS
def test_killed_at_any_sync_of_the_disk(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path, portal: str
) -> None:
    remote = sandbox(*flags(portal), "--rate-limit", "none", "--latency", "3")
    words = load = loading(remote, ndjson(tmp_path / "in.ndjson", 3_000))
    whens = (14, 17, 8, 11, 22)
    for when in whens:
        through = failing(f"fdatasync:signal=KILL:when={when}")
        assert cli(*words, *FAST, through=through).code == -signal.SIGKILL
        if words == load and cli("status", RUN).code != 2:
            words = ["resume", RUN]
    assert words != load
    assert remote.books()["creates_seen"] >= 10, "no kill was in the midst of it"
    summary = cli(*words, *FAST).summary()
    assert summary["read"] == 3_000
    check_books(cli, remote, summary, keyed=not portal, cuts=len(whens))


BROKEN = (
    "fdatasync:error=EIO:when=10",
    "fdatasync:error=EIO:when=5",
    "fdatasync:error=ENOSPC:when=6+",
    "pwrite64:error=EIO:when=15",
    "fdatasync:error=EIO:when=12+",
)


@needs_strace
@PORTALS
def test_a_disk_that_breaks_in_mid_run_stops_it_resumable(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path, portal: str
) -> None:
    remote = sandbox(*flags(portal), "--rate-limit", "none", "--latency", "3")
    words = loading(remote, ndjson(tmp_path / "in.ndjson", 3_000))
    for fault in BROKEN:
        stopped = cli(*words, *FAST, through=failing(fault, *log(tmp_path)), code=3)
        assert "the journal can't be written" in stopped.err, fault
        assert f"Go on with it: bulkload resume {RUN}" in stopped.err
        words = ["resume", RUN]
    assert remote.books()["creates_seen"] >= 10, "no fault was in the midst of it"
    summary = cli(*words, *FAST).summary()
    assert summary["read"] == 3_000
    check_books(cli, remote, summary, keyed=not portal, cuts=len(BROKEN))


def log(folder: Path) -> tuple[str, str]:
    """What makes strace look at the calls on the journal's log alone."""
    return "-P", str(folder / RUN / "journal.db-wal")


SETTLED = "is full. What was in flight is settled"


@needs_strace
@PORTALS
def test_a_disk_that_is_full_for_a_moment_settles_what_is_in_flight(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path, portal: str
) -> None:
    remote = sandbox(*flags(portal), "--rate-limit", "none", "--latency", "3")
    words = loading(remote, ndjson(tmp_path / "in.ndjson", 1_000))
    through = failing("pwrite64:error=ENOSPC:when=40", *log(tmp_path))
    assert SETTLED in cli(*words, *FAST, through=through, code=3).err
    assert not (tmp_path / RUN / "ballast").exists()
    assert "under way" not in cli("status", RUN, code=3).out
    assert cli("resume", RUN, *FAST, code=0).summary()["loaded"] == 1_000
    assert remote.subjects() == {f"s {n}": 1 for n in range(1_000)}


@needs_strace
def test_a_disk_that_stays_full_does_not_say_that_what_was_in_flight_is_settled(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none", "--latency", "3")
    words = loading(remote, ndjson(tmp_path / "in.ndjson", 1_000))
    through = failing("pwrite64:error=ENOSPC:when=40+", *log(tmp_path))
    stopped = cli(*words, *FAST, through=through, code=3)
    left = cli("status", RUN, code=3).out
    ended = cli("resume", RUN, *FAST, code=0).summary()
    assert ended["loaded"] == remote.subjects().total() == 1_000
    assert "journal can't be written" in stopped.err or "records were under way" not in left
    assert SETTLED not in stopped.err or "records were under way" not in left


@needs_strace
def test_a_disk_that_is_full_while_a_resume_looks_at_doubts_stops_it(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--bare", "--rate-limit", "none", "--latency", "30")
    words = loading(remote, ndjson(tmp_path / "in.ndjson", 1_000))
    assert cli(*words, *FAST, through=failing("fdatasync:signal=KILL:when=12")).code != 0
    assert "under way" in cli("status", RUN, code=3).out
    through = failing("pwrite64:error=ENOSPC:when=2", *log(tmp_path))
    stopped = cli("resume", RUN, *FAST, through=through)
    assert not (tmp_path / RUN / "ballast").exists(), "the fault did not strike"
    assert stopped.code == 3, "it goes on, without ballast"
    assert "is full" in stopped.err


@needs_strace
@PORTALS
def test_a_replay_that_is_killed_at_syncs_of_the_disk(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path, portal: str
) -> None:
    remote = sandbox(*flags(portal), "--rate-limit", "none", "--latency", "3")
    source = ndjson(tmp_path / "in.ndjson", 800, hs_email_status=lambda _: "NOPE")
    cli(*loading(remote, source), *FAST, "--max-dead-letters", "100%", code=1)
    file = tmp_path / RUN / "dead-letters.ndjson"
    file.write_text(file.read_text().replace("NOPE", "SENT"))
    again = f"{RUN}-replay-1"
    words: list[object] = ["replay", RUN]
    for when in (2, 11, 5):
        through = failing(f"fdatasync:signal=KILL:when={when}")
        assert cli(*words, *FAST, through=through).code == -signal.SIGKILL
        if words[0] == "replay" and cli("status", again).code != 2:
            words = ["resume", again]
    assert words[0] == "resume"
    summary = cli(*words, *FAST).summary()
    assert summary["read"] == 800
    # In the order of the letters, which is that of the answers: no subject is its ordinal here.
    created = remote.subjects()
    assert max(created.values()) == 1
    assert 800 - len(created) <= summary["in_doubt"] <= (0 if not portal else 3 * IN_FLIGHT * BATCH)
    assert cli("doubts", again, "--json").out.count("\n") == summary["in_doubt"]


# Written before said


class Call(NamedTuple):
    """A system call as strace shows it: on what, which bytes, and the lines where it began and
    ended.
    """

    name: str
    file: str
    content: bytes
    began: int
    ended: int
    result: str


def traced(trace: Path) -> Iterator[Call]:
    begun: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(trace.read_text().splitlines()):
        thread, _, text = line.partition(" ")
        began, text = number, text.strip()
        if text.endswith("<unfinished ...>"):
            begun[thread] = number, text.removesuffix("<unfinished ...>")
            continue
        if text.startswith("<... "):
            began, start = begun.pop(thread)
            text = start + text.partition("resumed>")[2]
        if found := re.match(r"(\w+)\(\d+<([^>]*)>(.*) = (-?\d+)", text):
            name, file, rest, result = found.groups()
            content = "".join(re.findall(r'"((?:\\x[0-9a-f]{2})*)"', rest))
            yield Call(name, _unhex(file), _bytes(content), began, number, result)


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def _unhex(text: str) -> str:
    return _bytes(text).decode() if text.startswith("\\x") else text


def digest(body: bytes) -> bytes:
    """As the journal has it."""
    return zlib.crc32(body).to_bytes(4, "big") + len(body).to_bytes(4, "big")


@needs_strace
def test_every_intent_is_on_the_disk_before_its_send_and_every_outcome_before_its_letter(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    """For each create that left: the page that holds the digest of this very body was written to
    the log, and after that a sync of the log began and returned, before the first byte left. For
    each letter the same of its line. Each sync takes 10 ms: who does not wait for it comes first.
    """
    remote = sandbox("--rate-limit", "none", "--latency", "20")
    source = ndjson(
        tmp_path / "in.ndjson", 600, hs_email_status=lambda n: "NOPE" if n % 50 == 7 else None
    )
    trace = tmp_path / "trace"
    through = failing(
        "fdatasync:delay_enter=10000", "-y", "-xx", "-s", "1000000",
        "-e", "trace=fdatasync,fsync,pwrite64,write,writev,sendto,sendmsg", into=trace,
    )  # fmt: skip
    cli(*loading(remote, source), *FAST, through=through, code=1)
    seen = list(traced(trace))
    logged = [each for each in seen if each.file.endswith("/journal.db-wal")]
    synced = [each for each in logged if each.name in ("fdatasync", "fsync")]

    def durable(what: bytes) -> int:
        written = next(each for each in logged if each.name == "pwrite64" and what in each.content)
        return next(s.ended for s in synced if s.began > written.ended and s.result == "0")

    streams = defaultdict(list)
    for each in seen:
        if each.file.startswith(("TCP", "socket")):
            streams[each.file].append(each)
    sent = 0
    for stream in streams.values():
        content = b"".join(each.content for each in stream)
        began = [each.began for each in stream for _ in each.content]
        for head in re.finditer(rb"POST \S+/emails/batch/create .*?\r\n\r\n", content, re.DOTALL):
            length = re.search(rb"content-length: (\d+)", head[0], re.IGNORECASE)
            assert length
            body = content[head.end() : head.end() + int(length[1])]
            assert durable(digest(body)) < began[head.start()]
            sent += 1
    assert sent == remote.books()["creates_seen"] == 30
    letters = [(e.began, line) for e in seen if e.file.endswith("/dead-letters.ndjson")
               for line in e.content.splitlines()]  # fmt: skip
    assert len(letters) == 12
    assert all(durable(line) < began for began, line in letters)


# The kernel's stops


@PORTALS
@pytest.mark.parametrize("which", ["loader", "remote"])
def test_stopped_for_longer_than_every_time_limit(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path, portal: str, which: str
) -> None:
    remote = sandbox(*flags(portal), "--latency", "150", "--fault", "slow=10%", "--slow-by", "1.4")
    source = ndjson(tmp_path / "in.ndjson", 220 * BATCH)
    with cli.start(
        *loading(remote, source, MANY),
        "--timeout",
        2,
        "--rate-limit",
        "190/10s",
        "--no-progress",
        "--json",
    ) as process:
        until(lambda: int(remote.books()["creates_seen"]) >= 20)
        stopped = process if which == "loader" else remote.process
        stopped.send_signal(signal.SIGSTOP)
        time.sleep(6)
        stopped.send_signal(signal.SIGCONT)
        out, err = process.communicate()
    summary = Ended(process.returncode, out.decode(), err.decode()).summary()
    assert b"Traceback" not in err
    assert summary["read"] == 220 * BATCH
    check_books(cli, remote, summary, keyed=not portal, cuts=MANY // IN_FLIGHT)
    # What lay in the remote's sockets counts when it goes on, after its callers gave it up and
    # with it the slot.
    most = 0 if which == "loader" else MANY
    assert remote.books()["statuses"].get("429", 0) <= most


# Damage


@pytest.fixture
def cut_and_ended(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> tuple[Sandbox, Path, Path]:
    """A run that was killed, the same one at its end, and where they were loaded to."""
    remote = sandbox("--rate-limit", "none", "--latency", "10")
    source = ndjson(
        tmp_path / "in.ndjson", 4_000, hs_email_status=lambda n: "NOPE" if n % 500 == 7 else None
    )
    with cli.start("load", source, "--run", RUN, "--base-url", remote.url, *FAST) as process:
        until(lambda: int(remote.books()["creates_seen"]) >= 25)
        process.kill()
        process.communicate()
    time.sleep(0.2)  # what was in flight still arrives
    shutil.copytree(tmp_path / RUN, tmp_path / "cut")
    cli("resume", RUN, *FAST, code=1)
    return remote, tmp_path / "cut", tmp_path / RUN


def damage(run: Path, kind: str) -> None:
    """All pages are brought into journal.db first. `page`: one in the middle, with ids on it."""
    journal = run / "journal.db"
    with closing(sqlite3.connect(journal)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        rows = connection.execute("SELECT ids FROM attempt WHERE loaded > 50 ORDER BY id")
        ids = [row[0].encode() for row in rows]
    content = bytearray(journal.read_bytes())
    match kind:
        case "page":
            at = content.index(ids[len(ids) // 2][:500]) // PAGE_BYTES * PAGE_BYTES
            content[at : at + PAGE_BYTES] = bytes(range(256)) * (PAGE_BYTES // 256)
        case "half":
            del content[len(content) // PAGE_BYTES // 2 * PAGE_BYTES :]
        case "header":
            content[:100] = bytes(100)
    journal.write_bytes(content)


def books(remote: Sandbox) -> Any:
    found = remote.books()
    return found["creates_seen"], found["emails"], found["archived"]


@pytest.mark.parametrize("kind", ["page", "half", "header"])
def test_a_damaged_journal_is_named_and_nothing_is_sent(
    cli: Cli, cut_and_ended: tuple[Sandbox, Path, Path], kind: str
) -> None:
    remote, cut, ended = cut_and_ended
    damage(cut, kind)
    damage(ended, kind)
    before = books(remote)
    for words in (
        ("resume", cut.name, "--no-progress"),
        ("status", cut.name),
        ("status", ended.name),
        ("undo", ended.name, "--yes", "--no-progress"),
    ):
        refused = cli(*words, code=4)
        assert f"{words[1]}/journal.db: the journal is damaged" in refused.err
        assert "Keep the directory" in refused.err
        assert refused.out == ""
    # Readers look at no more than they need: what they say is told from pages that are whole.
    assert cli("doubts", ended.name).code in ((0, 4) if kind == "page" else (4,))
    assert books(remote) == before


@pytest.mark.parametrize(
    "kind",
    [
        "half", "header",
        "page",
    ],
)  # fmt: skip
def test_a_damaged_journal_is_not_replayed(
    cli: Cli, cut_and_ended: tuple[Sandbox, Path, Path], kind: str
) -> None:
    remote, _, ended = cut_and_ended
    damage(ended, kind)
    before = books(remote)
    refused = cli("replay", ended.name, "--no-progress")
    assert books(remote) == before
    assert refused.code == 4
    assert "the journal is damaged" in refused.err


def test_a_log_that_lost_its_end_is_an_older_commit_and_loses_nothing_with_a_key(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none", "--latency", "10")
    words = loading(remote, ndjson(tmp_path / "in.ndjson", 2_000))
    with cli.start(*words, *FAST) as process:
        until(lambda: int(remote.books()["creates_seen"]) >= 50)
        process.kill()
        process.communicate()
    log = tmp_path / RUN / "journal.db-wal"
    os.truncate(log, log.stat().st_size // 2)
    summary = cli("resume", RUN, *FAST, code=0).summary()
    assert (summary["loaded"] + summary["skipped"], summary["in_doubt"]) == (2_000, 0)
    assert remote.subjects() == {f"s {n}": 1 for n in range(2_000)}


def test_a_journal_of_no_bytes_beside_its_log_is_damage_and_no_place_for_a_new_run(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--bare", "--rate-limit", "none", "--latency", "10")
    words = loading(remote, ndjson(tmp_path / "in.ndjson", 400))
    with cli.start(*words, *FAST) as process:
        until(lambda: int(remote.books()["creates_seen"]) >= 10)
        process.kill()
        process.communicate()
    os.truncate(tmp_path / RUN / "journal.db", 0)
    assert (tmp_path / RUN / "journal.db-wal").stat().st_size > 0
    again = cli(*words, *FAST)
    assert max(remote.subjects().values()) == 1, "made twice"
    assert again.code == 4


# The clock

CLOCK = """
struct timespec { long seconds; long nanoseconds; };
extern void *dlsym(void *, const char *);
extern char *getenv(const char *);
extern int open(const char *, int, ...);
extern long read(int, void *, unsigned long);
extern int close(int);
extern long strtol(const char *, char **, int);

int clock_gettime(int clock, struct timespec *found)
{
    static int (*real)(int, struct timespec *);
    char text[32] = {0};
    int file, failed;

    if (!real)
        real = (int (*)(int, struct timespec *))dlsym((void *)-1L, "clock_gettime");
    failed = real(clock, found);
    if (failed || clock)
        return failed;
    file = open(getenv("WALL_CLOCK_OFFSET"), 0);
    if (read(file, text, sizeof text - 1) > 0)
        found->seconds += strtol(text, 0, 10);
    close(file);
    return 0;
}
"""
"""The wall clock of one process, set by a file. libfaketime would do it, but the one of the
distributions lets clock_nanosleep fail, on which time.sleep() rests.
"""

COMPILER = next(filter(None, map(shutil.which, ("cc", "gcc", "clang", "tcc"))), "")
needs_compiler = pytest.mark.skipif(
    not COMPILER, reason="a C compiler is not installed: apt-get install tcc"
)


class WallClock:
    """What processes with its `environment` take for the time; their monotonic clock is true."""

    def __init__(self, folder: Path) -> None:
        source, library = folder / "clock.c", folder / "clock.so"
        source.write_text(CLOCK)
        subprocess.run([COMPILER, "-shared", "-fPIC", "-o", library, source], check=True)
        self._offset = folder / "offset"
        self.environment = {"LD_PRELOAD": str(library), "WALL_CLOCK_OFFSET": str(self._offset)}
        self.jump(0)

    def jump(self, hours: int) -> None:
        """So far from the true time. In one step: it may be read at any moment."""
        new = self._offset.with_suffix(".new")
        new.write_text(str(hours * 3600))
        new.replace(self._offset)


@needs_compiler
@pytest.mark.parametrize("portal", ["--bare", "--only-key"])
def test_a_clock_that_jumps_by_hours_decides_nothing(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path, portal: str
) -> None:
    """With --only-key the remote's date of creation alone tells whose a record is."""
    remote = sandbox(
        portal, "--rate-limit", "none", "--latency", "30", "--seed", "5",
        "--fault", "reset-after=6%", "--fault", "504-after=6%",
    )  # fmt: skip
    clock = WallClock(tmp_path)
    words = loading(remote, ndjson(tmp_path / "in.ndjson", 6_000), MANY)
    for jumps in ((3, -2, 5), (-7, 0, -9), (26, -26)):
        with cli.start(*words, *FAST, environment=clock.environment) as process:
            for hours in jumps:
                seen = int(remote.books()["creates_seen"])
                until(lambda p=process, s=seen: (  # type: ignore[misc]  # bound at once
                    p.poll() is not None or int(remote.books()["creates_seen"]) >= s + 20
                ))  # fmt: skip
                clock.jump(hours)
            time.sleep(0.05)
            assert process.poll() is None
            process.kill()
            process.communicate()
        words = ["resume", RUN]
    clock.jump(-30)
    summary = cli(*words, *FAST, environment=clock.environment).summary()
    with closing(sqlite3.connect(tmp_path / RUN / "journal.db")) as journal:
        (span,) = journal.execute("SELECT max(sent_at) - min(sent_at) FROM attempt").fetchone()
    assert span > 50 * 3600, "its clock did not jump"
    faults = remote.books()["faults"]
    assert min(faults["reset-after"], faults["504-after"]) > 3
    assert summary["read"] == 6_000
    lost = sum(faults.values()) + 3 * MANY
    check_books(cli, remote, summary, keyed=portal == "--only-key", cuts=lost // IN_FLIGHT + 1)


@needs_compiler
@pytest.mark.parametrize("hours", [3, -3])
def test_the_rate_limit_is_kept_when_the_clock_jumps_in_mid_run(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path, hours: int
) -> None:
    remote = sandbox("--rate-limit", "40/2s")
    clock = WallClock(tmp_path)
    words = [*loading(remote, ndjson(tmp_path / "in.ndjson", 2_000)), "--rate-limit", "40/2s"]
    with cli.start(*words, "--no-progress", environment=clock.environment) as process:
        until(lambda: int(remote.books()["creates_seen"]) >= 35)
        clock.jump(hours)
        process.communicate()
    assert process.returncode == 0
    assert "429" not in remote.books()["statuses"]


@needs_compiler
@pytest.mark.parametrize(("hours", "most"), [(-3, 4), (3, 30)])
def test_a_clock_that_jumps_between_a_kill_and_the_resume_hardly_breaks_the_rate_limit(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path, hours: int, most: int
) -> None:
    """The slots of the earlier life are told by the wall clock. Set back, all of its calls hold
    theirs, but for the few reads that no journal knows; set forward, they are forgotten, and what
    is left is the pace: about a second's calls too many, here 20, and what they are sent again.
    """
    remote = sandbox("--rate-limit", "40/2s")
    clock = WallClock(tmp_path)
    words = [*loading(remote, ndjson(tmp_path / "in.ndjson", 2_200)), "--rate-limit", "40/2s"]
    with cli.start(*words, environment=clock.environment) as process:
        until(lambda: int(remote.books()["creates_seen"]) >= 60)
        process.kill()
        process.communicate()
    clock.jump(hours)
    cli("resume", RUN, "--no-progress", code=0, environment=clock.environment)
    assert remote.books()["statuses"].get("429", 0) <= most
