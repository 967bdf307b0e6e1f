"""The day's calls: slept through or stopped at when they are used up, and never more than the share
of them that is ours. No record is to blame for it.
"""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import time
from collections.abc import Callable

import pytest

from tests.acceptance.harness import Cli, Sandbox, ndjson, until

Start = Callable[..., Sandbox]
IN_FLIGHT, BATCH, RECORDS = 4, 10, 3_000
"""Three hundred calls, and a few for a preflight."""


def loading(cli: Cli, remote: Sandbox, *words: object) -> list[object]:
    source = ndjson(cli.folder / "in.ndjson", RECORDS)
    return [
        "load", source, "--run", "run", "--base-url", remote.url, "--batch-size", BATCH,
        "--max-in-flight", IN_FLIGHT, "--rate-limit", "1000/1s", *words,
    ]  # fmt: skip


def end(process: subprocess.Popen[bytes], code: int) -> tuple[str, str]:
    with process:
        try:
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == code, (out, err)
    assert b"Traceback" not in err
    return out.decode(), err.decode()


def arrived(remote: Sandbox) -> int:
    return len(remote.arrivals())


def used_up(remote: Sandbox) -> bool:
    """No call has come for a while, and some have."""
    before = arrived(remote)
    time.sleep(0.4)
    return 20 < before == arrived(remote)


def check(remote: Sandbox) -> None:
    created = remote.subjects()
    assert (len(created), created.total()) == (RECORDS, RECORDS)


def test_a_day_that_is_used_up_is_waited_for_and_the_run_goes_on(cli: Cli, sandbox: Start) -> None:
    remote = sandbox("--rate-limit", "none", "--daily-limit", "200", "--daily-reset", "12")
    ended = cli(*loading(cli, remote, "--json"), code=0)
    found = ended.summary()
    assert (found["loaded"], found["dead_lettered"], found["in_doubt"]) == (RECORDS, 0, 0)
    assert found["elapsed_s"] > 8, "it did wait"
    assert remote.books()["statuses"].get("429", 0) <= IN_FLIGHT
    assert ended.err.count("the account's calls for today are used up (200): goes on at") == 1
    assert ended.err.count("the day's calls are there again") == 1
    log = (cli.folder / "run" / "run.log").read_text()
    assert log.count("calls for today are used up") == log.count("are there again") == 1
    check(remote)


def test_a_run_that_is_to_stop_is_resumed_by_the_command_that_it_printed(
    cli: Cli, sandbox: Start
) -> None:
    remote = sandbox("--rate-limit", "none", "--daily-limit", "200", "--daily-reset", "600")
    ended = cli(*loading(cli, remote, "--on-quota", "stop"), code=3)
    assert "used up (200): resume after" in ended.out
    (line,) = [line for line in ended.out.splitlines() if line.startswith("Go on with it:")]
    program, *command = shlex.split(line.partition(":")[2])
    assert program == "bulkload"
    too_early = cli(*command, "--json", code=3).summary()
    assert (too_early["dead_lettered"], too_early["in_doubt"]) == (0, 0)
    assert 0 < too_early["loaded"] < RECORDS
    assert remote.books()["statuses"]["429"] <= IN_FLIGHT + 1
    remote.limits(daily_reset=1)
    time.sleep(1.1)
    found = cli(*command, "--json", code=0).summary()
    assert (found["loaded"], found["dead_lettered"], found["in_doubt"]) == (RECORDS, 0, 0)
    check(remote)


@pytest.mark.parametrize("share", ["60", "6%"])
def test_no_more_than_the_share_is_used_however_often_the_run_is_resumed(
    cli: Cli, sandbox: Start, share: str
) -> None:
    remote = sandbox(
        "--rate-limit", "none", "--daily-limit", "1000", "--daily-reset", "600", "--latency", "20"
    )
    words = loading(cli, remote, "--daily-share", share, "--on-quota", "stop", "--no-progress")
    process = cli.start(*words, "--rate-limit", "20/1s")
    until(lambda: arrived(remote) > 15)
    process.send_signal(signal.SIGTERM)
    end(process, 3)
    process = cli.start("resume", "run", "--rate-limit", "20/1s", "--no-progress")
    until(lambda: arrived(remote) > 30)
    process.kill()
    process.communicate()
    stopped = cli("resume", "run", "--rate-limit", "1000/1s", "--json", code=3)
    assert "this run's share of the day's calls is used up (60 of 1,000)" in stopped.err
    assert 55 <= arrived(remote) <= 60
    again = cli("resume", "run", "--json", code=3).summary()
    assert arrived(remote) <= 60
    assert again["dead_lettered"] == 0
    assert "429" not in remote.books()["statuses"]
    more = ("--daily-share", "100%", "--rate-limit", "1000/1s")
    found = cli("resume", "run", *more, "--json", code=0).summary()
    assert (found["loaded"], found["in_doubt"]) == (RECORDS, 0)
    check(remote)


def test_an_undo_takes_no_more_than_the_run_left_of_its_share(cli: Cli, sandbox: Start) -> None:
    remote = sandbox("--rate-limit", "none", "--daily-limit", "1000", "--daily-reset", "600")
    words = loading(cli, remote, "--daily-share", "60", "--on-quota", "stop", "--no-progress")
    cli(*words, "--batch-size", 100, code=0)
    assert 30 <= arrived(remote) < 45
    stopped = cli("undo", "run", "--yes", "--no-progress", code=3)
    assert "this run's share of the day's calls is used up (60 of 1,000)" in stopped.out
    assert 55 <= arrived(remote) <= 60
    again = json.loads(cli("undo", "run", "--yes", "--json", code=3).out)
    assert 0 < again["archived"] < RECORDS
    assert arrived(remote) <= 60
    more = ("--daily-share", "100%")
    found = json.loads(cli("undo", "run", "--yes", "--json", *more, code=0).out)
    assert (found["archived"], found["already_gone"]) == (RECORDS, 0)
    assert all(email["archived"] for email in remote.emails())


def test_ctrl_c_ends_the_wait_for_the_day_at_once(cli: Cli, sandbox: Start) -> None:
    remote = sandbox("--rate-limit", "none", "--daily-limit", "100", "--daily-reset", "600")
    process = cli.start(*loading(cli, remote))
    until(lambda: used_up(remote))
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = end(process, 3)
    assert time.monotonic() - began < 5.0
    assert "used up (100): goes on at" in err
    assert "bulkload resume run" in out
    assert "in doubt" not in out
    assert "dead letters" not in out
    remote.limits(daily_limit=1000)
    assert cli("resume", "run", "--json", code=0).summary()["loaded"] == RECORDS
    check(remote)


def test_a_process_that_was_stopped_over_the_reset_goes_on(cli: Cli, sandbox: Start) -> None:
    began = time.monotonic()
    remote = sandbox("--rate-limit", "none", "--daily-limit", "200", "--daily-reset", "10")
    process = cli.start(*loading(cli, remote, "--json"))
    until(lambda: used_up(remote))
    process.send_signal(signal.SIGSTOP)
    time.sleep(max(began + 18.0 - time.monotonic(), 0.0))
    made = remote.books()["emails"]
    process.send_signal(signal.SIGCONT)
    resumed_at = time.monotonic()
    out, _ = end(process, 0)
    assert time.monotonic() - resumed_at < 10.0
    assert made < RECORDS
    found = json.loads(out)
    assert (found["loaded"], found["dead_lettered"], found["in_doubt"]) == (RECORDS, 0, 0)
    check(remote)
