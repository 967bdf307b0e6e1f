"""Loads against the sandbox, as a user runs them: what arrives, what is refused, what is said."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.harness import Cli, Sandbox, letters, ndjson, until

FAST = ("--rate-limit", "100000/1s", "--json", "--no-progress")


def make_bad(number: int) -> dict[str, Any]:
    """Six kinds of what HubSpot refuses, one record in a hundred; else a good record."""
    properties: dict[str, Any] = {
        "hs_timestamp": str(1_700_000_000_000 + number),
        "hs_email_subject": f"s {number}",
        "hs_email_text": "x" * 300,
    }
    if number % 100 == 37:
        match number // 100 % 6:
            case 0:
                properties["no_such_property"] = "1"
            case 1:
                properties["hs_email_direction"] = "SIDEWAYS"
            case 2:
                del properties["hs_timestamp"]
            case 3:
                properties["hs_timestamp"] = "not a date"
            case 4:
                properties["hubspot_owner_id"] = "abc"
            case _:
                properties["hs_email_headers"] = "{not json"
    return properties


NAMED = [
    "no_such_property",
    "hs_email_direction",
    "hs_timestamp",
    "hs_timestamp",
    "hubspot_owner_id",
    "hs_email_headers",
]


def write_bad(path: Path, count: int) -> Path:
    with path.open("w") as file:
        for number in range(count):
            file.write(json.dumps({"properties": make_bad(number)}) + "\n")
    return path


def hold_against_good_set(run: Path, remote: Sandbox, count: int) -> None:
    bad = {number for number in range(count) if number % 100 == 37}
    good = {f"s {number}" for number in range(count) if number not in bad}
    created = remote.subjects()
    assert set(created) == good
    assert max(created.values()) == 1
    found = letters(run)
    assert [letter["ordinal"] for letter in sorted(found, key=lambda e: int(e["ordinal"]))] == (
        sorted(bad)
    )
    for letter in found:
        assert letter["reason"] == "rejected"
        assert NAMED[letter["ordinal"] // 100 % 6] in letter["message"]
        assert letter["position"]["number"] == letter["ordinal"] + 1
        assert letter["record"]["properties"] == make_bad(letter["ordinal"])


def test_bad_records_and_trouble_leave_exactly_the_good_set(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox(
        "--rate-limit", "none", "--fault", "503=2%", "--fault", "reset-before=1%", "--seed", "3"
    )
    source = write_bad(tmp_path / "in.ndjson", 30_000)
    ended = cli(
        "load", source, "--run", "run", "--base-url", remote.url, "--in-doubt", "resend", *FAST,
        code=1,
    )  # fmt: skip
    summary = ended.summary()
    assert summary["loaded"] == 29_700
    assert summary["dead_lettered"] == 300
    assert summary["retries"] > 0
    hold_against_good_set(tmp_path / "run", remote, 30_000)


def test_a_portal_that_labels_nothing_is_narrowed_to_the_bad_records(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none", "--no-trace-ids", "--status-200")
    source = write_bad(tmp_path / "in.ndjson", 1_500)
    ended = cli("load", source, "--run", "run", "--base-url", remote.url, *FAST, code=1)
    assert ended.summary()["loaded"] == 1_485
    hold_against_good_set(tmp_path / "run", remote, 1_500)


def test_a_batch_too_large_for_the_remote_is_split(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none", "--max-body", "4000")
    source = ndjson(
        tmp_path / "in.ndjson", 60, hs_email_text=lambda n: "y" * (5000 if n == 31 else 150)
    )
    ended = cli("load", source, "--run", "run", "--base-url", remote.url, *FAST, code=1)
    assert ended.summary()["loaded"] == 59
    (letter,) = letters(tmp_path / "run")
    assert (letter["ordinal"], letter["status"]) == (31, 413)
    assert len(remote.subjects()) == 59


def test_every_throttle_is_waited_out_and_nothing_is_blamed_on_a_record(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "20/1s", "--fault", "429=10%", "--fault", "423=2%")
    source = ndjson(tmp_path / "in.ndjson", 3_000)
    ended = cli("load", source, "--run", "run", "--base-url", remote.url, *FAST, code=0)
    summary = ended.summary()
    assert summary["loaded"] == 3_000
    assert summary["throttled"] > 0
    assert remote.subjects().total() == 3_000


@pytest.mark.parametrize("kind", ["503", "html", "reset", "477"])
def test_an_outage_dead_letters_nothing_and_doubts_no_more_than_was_in_flight(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path, kind: str
) -> None:
    remote = sandbox(
        "--bare", "--rate-limit", "none", "--latency", "20", "--outage", f"0.4+2.5:{kind}"
    )
    source = ndjson(tmp_path / "in.ndjson", 12_000)
    ended = cli(
        "load", source, "--run", "run", "--base-url", remote.url, "--max-in-flight", "4",
        "--rate-limit", "60/1s", "--json", "--no-progress",
    )  # fmt: skip
    summary = ended.summary()
    assert ended.code == (1 if summary["in_doubt"] else 0)
    assert summary["dead_lettered"] == 0
    assert summary["in_doubt"] <= 4 * 100
    assert summary["read"] == 12_000
    listed = cli("doubts", "run", "--json").out.splitlines()
    assert len(listed) == summary["in_doubt"]
    created = remote.subjects()
    assert max(created.values()) == 1
    missing = {f"s {n}" for n in range(12_000)} - set(created)
    assert missing <= {f"s {json.loads(line)['ordinal']}" for line in listed}


def test_an_outage_without_end_stops_resumable(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none", "--outage", "0.0+600:477")
    source = ndjson(tmp_path / "in.ndjson", 300)
    ended = cli(
        "load", source, "--run", "run", "--base-url", remote.url, "--max-outage", "1", *FAST,
        code=3,
    )  # fmt: skip
    assert "--max-outage" in ended.err
    assert ended.summary()["resume"] == "bulkload resume run"
    healthy = sandbox("--rate-limit", "none")
    again = cli("resume", "run", "--base-url", healthy.url, *FAST[2:], code=0)
    assert again.summary()["loaded"] == 300


def test_a_signal_drains_and_prints_the_command_that_resumes(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none", "--latency", "60")
    source = ndjson(tmp_path / "in.ndjson", 20_000)
    with cli.start(
        "load", source, "--run", "run", "--base-url", remote.url, "--max-in-flight", "4",
        "--rate-limit", "1000/1s", "--no-progress",
    ) as process:  # fmt: skip
        until(lambda: int(remote.books()["emails"]) > 1_000)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert b"bulkload resume run" in out
    assert b"finishing what is in flight" in err
    status = cli("status", "run", "--json", code=3).summary()
    assert status["in_doubt"] == status["dead_lettered"] == 0
    assert status["loaded"] == remote.books()["emails"]
    assert cli("resume", "run", *FAST, code=0).summary()["loaded"] == 20_000
    created = remote.subjects()
    assert (len(created), created.total()) == (20_000, 20_000)


def test_a_second_signal_aborts_at_once(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--bare", "--rate-limit", "none", "--fault", "stall=100%")
    source = ndjson(tmp_path / "in.ndjson", 500)
    with cli.start(
        "load", source, "--run", "run", "--base-url", remote.url, "--no-progress"
    ) as process:
        until(lambda: int(remote.books()["creates_seen"]) >= 5)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        while b"once more aborts" not in process.stderr.readline():
            pass

        def aborted() -> bool:
            process.send_signal(signal.SIGINT)  # what comes at once is the first one again
            return process.poll() is not None

        until(aborted, 20)
        process.communicate()
    assert process.returncode == 3
    remote.faults(faults={})
    ended = cli("resume", "run", *FAST, code=1).summary()
    assert ended["in_doubt"] == 500


def test_stdin_is_spooled_so_that_it_can_be_resumed(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none")
    source = ndjson(tmp_path / "in.ndjson", 250)
    with source.open("rb") as stdin:
        ended = cli(
            "load", "-", "--run", "run", "--base-url", remote.url, *FAST, stdin=stdin, code=0
        )
    assert ended.summary()["loaded"] == 250
    assert (tmp_path / "run" / "stdin.ndjson").read_bytes() == source.read_bytes()


def test_several_sources_and_formats_in_one_run(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none")
    ndjson(tmp_path / "a.ndjson", 120)
    (tmp_path / "b.csv").write_text(
        "hs_timestamp,hs_email_subject\n1700000000000,row one\n1700000000001,row two\nragged\n"
    )
    (tmp_path / "c.mbox").write_text(
        "From a@b.c Mon Jan  6 10:00:00 2020\nFrom: a@b.c\nSubject: in a box\n"
        "Date: Mon, 6 Jan 2020 10:00:00 +0000\n\nhello\n"
    )
    ended = cli(
        "load", "a.ndjson", "*.csv", "c.mbox", "--run", "run", "--base-url", remote.url, *FAST,
        code=1,
    )  # fmt: skip
    assert ended.summary()["loaded"] == 123
    (letter,) = letters(tmp_path / "run")
    assert letter["reason"] == "unreadable"
    assert letter["source"].endswith("b.csv")
    subjects = remote.subjects()
    assert {"row one", "row two", "in a box"} <= set(subjects)


def test_a_pilot_loads_the_first_records_only(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none")
    source = ndjson(tmp_path / "in.ndjson", 500)
    ended = cli(
        "load", source, "--limit", "7", "--run", "run", "--base-url", remote.url, *FAST, code=0
    )
    assert ended.summary()["loaded"] == 7
    assert set(remote.subjects()) == {f"s {n}" for n in range(7)}


def test_too_many_dead_letters_stop_the_run_resumable(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none")
    source = ndjson(tmp_path / "in.ndjson", 9_000, wrong_name=lambda n: "1" if n >= 1_000 else None)
    ended = cli(
        "load", source, "--run", "run", "--base-url", remote.url, "--max-in-flight", "2", *FAST,
        code=3,
    )  # fmt: skip
    summary = ended.summary()
    assert "--max-dead-letters" in ended.err
    assert summary["dead_lettered"] < 2_000
    more = cli("resume", "run", "--max-dead-letters", "100%", *FAST[2:], code=1).summary()
    assert (more["loaded"], more["dead_lettered"]) == (1_000, 8_000)


def test_run_files_are_private_and_hold_no_token(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none", "--fault", "503=20%")
    source = write_bad(tmp_path / "in.ndjson", 3_000)
    cli("load", source, "--run", "run", "--base-url", remote.url, "-v", *FAST)
    for path in (tmp_path / "run").iterdir():
        assert path.stat().st_mode & 0o077 == 0, path
        content = path.read_bytes()
        assert b"pat-test-3f9d1c" not in content, path
        if path.suffix == ".log":
            assert b"SIDEWAYS" not in content


def test_the_token_is_not_in_the_process_list(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--latency", "100")
    secret = tmp_path / "token"
    secret.write_text("pat-from-a-file\n")
    del cli.environment["HUBSPOT_ACCESS_TOKEN"]
    source = ndjson(tmp_path / "in.ndjson", 1_000)
    with cli.start(
        "load", source, "--run", "run", "--base-url", remote.url, "--token-file", secret
    ) as process:
        until(lambda: int(remote.books()["creates_seen"]) > 1)
        listed = subprocess.run(
            ["cat", f"/proc/{process.pid}/cmdline"], capture_output=True, check=False
        ).stdout
        process.communicate(timeout=60)
    assert b"pat-from-a-file" not in listed
    assert process.returncode == 0


def test_settings_files_come_after_flags_and_environment(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--bare", "--rate-limit", "none")
    (tmp_path / "bulkload.toml").write_text(
        f'base-url = "{remote.url}"\nbatch-size = 50\nlimit = 40\n'
    )
    cli.environment["BULKLOAD_LIMIT"] = "30"
    source = ndjson(tmp_path / "in.ndjson", 100)
    assert cli("load", source, "--run", "a", "--json", code=0).summary()["loaded"] == 30
    assert (
        cli("load", source, "--run", "b", "--limit", 20, "--json", code=0).summary()["loaded"] == 20
    )
