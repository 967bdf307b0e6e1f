"""`bulkload check` as a user has it: what it says is what a load then does."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks import mail as made_up
from bulkload.demo import mailbox
from tests.acceptance.harness import Cli, Sandbox, ndjson, until

MAPPING = ("--mine", "example.com")


def check(cli: Cli, *words: object, code: int | None = None) -> dict[str, Any]:
    ended = cli("check", *words, "--json", "--no-progress", code=code)
    told: dict[str, Any] = json.loads(ended.out)
    assert told["exit_code"] == ended.code
    assert told["read"] == told["would_load"] + told["would_dead_letter"] + told["skipped"]
    return told


def content(remote: Sandbox) -> list[Any]:
    """What the records are, whatever ids they have, and to whom they are tied."""
    kept = [
        (
            {n: v for n, v in email["properties"].items() if n.startswith("hs_email_") or n in (
                "hs_timestamp", "bulkload_key")},
            email.get("associations"),
        )
        for email in remote.emails()
    ]  # fmt: skip
    return sorted(kept, key=lambda each: json.dumps(each, sort_keys=True))


def below(pid: int) -> list[int]:
    """The processes that a process started, in whichever thread."""
    found: list[int] = []
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # a thread that ended meanwhile
            found += map(int, thread.read_text().split())
    return found


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A mailbox with undated and too long messages, drafts, broken ones, and some twice."""
    path, more = tmp_path / "mixed.mbox", tmp_path / "more.mbox"
    mailbox.write(path, 250)
    made_up.write(more, 250)
    draft = b"From a@example.com Mon Jan  1 10:00:00 2018\nX-Gmail-Labels: Drafts\n"
    head = b"From: a@example.com\nTo: b@example.org\nDate: Mon, 1 Jan 2018 10:00:00 +0000\n\nx\n\n"
    twice = more.read_bytes()[:200_000].rpartition(b"\n\nFrom ")[0] + b"\n\n"
    path.write_bytes(path.read_bytes() + more.read_bytes() + draft + head + twice)
    return path


def test_a_load_does_what_a_check_said(
    cli: Cli, sandbox: Callable[..., Sandbox], mixed: Path
) -> None:
    remote = sandbox("--rate-limit", "none", "--contacts", "50")
    told = check(cli, mixed, *MAPPING, "--base-url", remote.url, code=1)
    assert told["asked_portal"]
    assert remote.books()["emails"] == 0
    loaded = cli(
        "load", mixed, *MAPPING, "--run", "run", "--base-url", remote.url, "--json", code=1
    ).summary()
    assert loaded["read"] == told["read"]
    assert loaded["loaded"] == told["would_load"] > 300
    assert loaded["dead_lettered"] == told["would_dead_letter"] > 0
    assert loaded["skipped"] == told["skipped"] > 20
    assert told["skipped_by"]["draft"] == 1
    assert told["skipped_by"]["duplicate"] > 10
    creates = [call for call in remote.arrivals() if call["path"].endswith("emails/batch/create")]
    assert len(creates) == told["calls_by"]["create emails"]


def test_mapped_records_load_as_the_mailbox_does(
    cli: Cli, sandbox: Callable[..., Sandbox], mixed: Path, tmp_path: Path
) -> None:
    straight, through = sandbox("--rate-limit", "none"), sandbox("--rate-limit", "none")
    told = check(cli, mixed, *MAPPING, "--offline", "--mapped", "mapped.ndjson", code=1)
    cli("load", mixed, *MAPPING, "--run", "one", "--base-url", straight.url, code=1)
    cli("load", "mapped.ndjson", "--run", "two", "--base-url", through.url, code=0)
    assert through.books()["emails"] == told["would_load"]
    assert content(through) == content(straight)


def test_a_portal_is_asked_what_it_would_refuse(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "150/10s", "--daily-limit", "5000")
    source = ndjson(
        tmp_path / "rows.ndjson",
        300,
        nowhere=lambda n: "x" if n < 7 else None,
        hs_email_direction=lambda n: "SIDEWAYS" if n == 20 else "EMAIL",
        hs_object_id=lambda n: "1" if n == 30 else None,
        hs_timestamp=lambda n: "" if n == 40 else "1700000000000",
    )
    told = check(cli, source, "--base-url", remote.url, code=1)
    assert told["would_dead_letter"] == 10
    assert {(each["name"], each["count"]) for each in told["properties"]} == {
        ("nowhere", 7), ("hs_email_direction", 1), ("hs_object_id", 1), ("hs_timestamp", 1),
    }  # fmt: skip
    assert told["rate"] == "150/10s"
    assert told["days"] == 1
    loaded = cli(
        "load", source, "--run", "run", "--base-url", remote.url, "--json", code=1
    ).summary()
    assert loaded["dead_lettered"] == 10
    offline = check(cli, source, "--offline", code=1)
    assert offline["would_load"] == 299  # hs_timestamp is required of all
    assert not offline["asked_portal"]


def test_contacts_are_looked_up_a_hundred_a_call(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    path = tmp_path / "people.mbox"
    with path.open("w") as file:
        for number in range(300):
            file.write(
                f"From x Mon Jan  1 10:00:00 2018\nFrom: contact{number}@example.com\n"
                f"To: me@ours.example.net\nDate: Mon, 1 Jan 2018 10:00:00 +0000\n"
                f"Message-ID: <{number}@x>\n\nhello\n\n"
            )
    remote = sandbox("--contacts", "120")
    told = check(cli, path, "--mine", "ours.example.net", "--base-url", remote.url, code=0)
    contacts = told["contacts"]
    assert (contacts["addresses"], contacts["found"], contacts["missing"]) == (300, 120, 180)
    assert "contact0@example.com" in contacts["first_missing"]
    reads = [c for c in remote.arrivals() if c["path"].endswith("contacts/batch/read")]
    assert len(reads) == told["calls_by"]["look up contacts"] == 3


def test_a_portal_that_does_not_answer_stops_nothing(cli: Cli, mixed: Path) -> None:
    told = check(cli, mixed, *MAPPING, "--base-url", "http://127.0.0.1:9", code=1)
    assert told["would_load"] > 300
    assert any("did not tell" in each for each in told["said"])


def test_the_words_for_a_person(cli: Cli, mixed: Path) -> None:
    ended = cli("check", mixed, *MAPPING, "--offline", "--sample", "2", code=1)
    for words in ("records read", "would be loaded", "first: ", "At 190/10s", "hs_email_subject"):
        assert words in ended.out
    assert "\x1b" not in ended.out


def test_ctrl_c_says_what_is_known(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "large.mbox"
    made_up.write(path, 12_000)
    with cli.start("check", path, *MAPPING, "--offline", "--json") as process:
        until(lambda: bool(below(process.pid)))  # it is under way
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    told = json.loads(out)
    assert process.returncode == told["exit_code"] == 3
    assert 0 < told["read"] < 12_000
    assert "interrupted" in told["stopped"]
    assert b"Traceback" not in err


def test_its_processes_end_when_it_is_killed(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "large.mbox"
    made_up.write(path, 12_000)
    with cli.start("check", path, *MAPPING, "--offline", "--jobs", "2") as process:
        until(lambda: len(below(process.pid)) == 2)
        children = below(process.pid)
        process.kill()
        process.communicate()
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))
