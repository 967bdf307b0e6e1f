"""Tokens that end in mid-run: replaced for everybody at once where there is another one, and the
end of the run, resumable, where there is none. No record is ever to blame for it.
"""

from __future__ import annotations

import json
import math
import shlex
import signal
import subprocess
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from tests.acceptance.harness import Cli, Sandbox, ndjson, until

Start = Callable[..., Sandbox]
QUIET = ("--no-progress", "--json")
FIRST, IN_FLIGHT, BATCH = "refresh-first-4f1d", 4, 10


def oauth_file(cli: Cli, refresh: str = FIRST) -> Path:
    del cli.environment["HUBSPOT_ACCESS_TOKEN"]
    path = cli.folder / "oauth.json"
    return write_oauth(path, refresh)


def write_oauth(path: Path, refresh: str) -> Path:
    members = {"client_id": "me", "client_secret": "hush-81c2", "refresh_token": refresh}
    path.write_text(json.dumps(members))
    path.chmod(0o600)
    return path


def token_file(cli: Cli) -> Path:
    del cli.environment["HUBSPOT_ACCESS_TOKEN"]
    path = cli.folder / "token"
    path.write_text("token-one\n")
    return path


def oauth_sandbox(sandbox: Start, life: float, *more: object) -> Sandbox:
    """It knows no other token than those that are fetched with the right words."""
    return sandbox(
        "--token", "none-but-fetched-ones", "--token-life", life, "--refresh-token", FIRST,
        "--client-id", "me", "--client-secret", "hush-81c2", "--rate-limit", "none",
        "--latency", "30", *more,
    )  # fmt: skip


def start(cli: Cli, remote: Sandbox, records: int, *words: object) -> subprocess.Popen[bytes]:
    """About thirty calls a second, so that a load takes a while."""
    source = ndjson(cli.folder / "in.ndjson", records)
    return cli.start(
        "load", source, "--run", "run", "--base-url", remote.url, "--batch-size", BATCH,
        "--max-in-flight", IN_FLIGHT, "--rate-limit", "30/1s", *QUIET, *words,
    )  # fmt: skip


def end(process: subprocess.Popen[bytes], code: int) -> tuple[dict[str, Any], str]:
    """(the summary, what was said)."""
    with process:
        try:
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == code, (out, err)
    assert b"Traceback" not in err
    return json.loads(out), err.decode()


def resumed(cli: Cli, records: int, *words: object, rate: str = "100000/1s") -> None:
    found = cli("resume", "run", "--rate-limit", rate, *QUIET, *words, code=0).summary()
    assert (found["loaded"], found["read"]) == (records, records)


def check(remote: Sandbox, records: int) -> None:
    """Everything is there, and nothing twice."""
    created = remote.subjects()
    assert (len(created), created.total()) == (records, records)


def post(remote: Sandbox, path: str, body: bytes = b"") -> Any:
    with urlopen(Request(remote.url + path, body, method="POST")) as answer:
        return json.loads(answer.read() or b"null")


def loaded(remote: Sandbox) -> int:
    return int(remote.books()["emails"])


def refreshes(remote: Sandbox) -> list[tuple[float, int]]:
    """(when, how it was answered) of each."""
    calls = remote.arrivals()
    return [(call["t"], call["status"]) for call in calls if call["path"] == "/oauth/v1/token"]


def test_a_token_is_refreshed_once_a_life_and_before_its_end(cli: Cli, sandbox: Start) -> None:
    remote = oauth_sandbox(sandbox, 4)
    process = start(cli, remote, 4_500, "--oauth-file", oauth_file(cli))
    found, _ = end(process, 0)
    assert (found["loaded"], found["dead_lettered"], found["retries"]) == (4_500, 0, 0)
    books, took = remote.books(), found["elapsed_s"]
    assert took > 3 * 4
    # A life is over for us a tenth before its end.
    assert math.floor(took / 4) <= books["refreshes"] <= math.ceil(took / 3.6)
    moments = [at for at, _ in refreshes(remote)]
    assert min(later - at for at, later in pairwise(moments)) > 3.0
    assert books["unauthorized"] == 0
    check(remote, 4_500)


def test_a_token_that_ends_unforeseen_costs_no_more_401s_than_were_in_flight(
    cli: Cli, sandbox: Start
) -> None:
    remote = oauth_sandbox(sandbox, 600)
    process = start(cli, remote, 2_000, "--oauth-file", oauth_file(cli))
    until(lambda: loaded(remote) > 500)
    post(remote, "/_sandbox/expire")
    found, _ = end(process, 0)  # a token just fetched is not fetched again before ten seconds
    books = remote.books()
    assert (found["loaded"], found["dead_lettered"], found["in_doubt"]) == (2_000, 0, 0)
    assert books["refreshes"] == 2
    assert 1 <= books["unauthorized"] <= IN_FLIGHT
    check(remote, 2_000)


def test_a_rotated_refresh_token_is_written_back_and_a_resume_uses_it(
    cli: Cli, sandbox: Start
) -> None:
    remote = oauth_sandbox(sandbox, 4, "--rotate-refresh-tokens")
    file = oauth_file(cli)
    process = start(cli, remote, 3_000, "--oauth-file", file)
    until(lambda: int(remote.books()["refreshes"]) >= 2)
    process.send_signal(signal.SIGTERM)
    end(process, 3)
    kept = json.loads(file.read_text())
    assert kept["refresh_token"] != FIRST
    assert kept["client_secret"] == "hush-81c2"
    assert file.stat().st_mode & 0o777 == 0o600
    before = remote.books()["refreshes"]
    resumed(cli, 3_000, "--oauth-file", file)
    assert remote.books()["refreshes"] > before
    assert {status for _, status in refreshes(remote)} == {200}
    check(remote, 3_000)


def test_a_refresh_that_is_answered_503_for_a_while_holds_everybody(
    cli: Cli, sandbox: Start
) -> None:
    remote = oauth_sandbox(sandbox, 4)
    process = start(cli, remote, 3_000, "--oauth-file", oauth_file(cli))
    until(lambda: loaded(remote) > 300)
    # Long enough that the token ends within, and a probe that needs the next comes before its end.
    post(remote, "/_sandbox/outage", b'{"kind": "503", "seconds": 12}')
    found, _ = end(process, 0)
    assert (found["loaded"], found["dead_lettered"], found["in_doubt"]) == (3_000, 0, 0)
    answered = [status for _, status in refreshes(remote)]
    assert 1 <= answered.count(503) <= 12
    assert answered[-1] == 200
    assert remote.books()["unauthorized"] == 0
    check(remote, 3_000)


def test_a_refused_refresh_token_stops_resumable_and_says_what_to_do(
    cli: Cli, sandbox: Start
) -> None:
    remote = oauth_sandbox(sandbox, 4, "--rotate-refresh-tokens")
    file = oauth_file(cli)
    process = start(cli, remote, 3_000, "--oauth-file", file)
    until(lambda: loaded(remote) > 300)
    # Somebody else uses the refresh token: ours is dead.
    stolen = {"grant_type": "refresh_token", **json.loads(file.read_text())}
    fresh = post(remote, "/oauth/v1/token", urlencode(stolen).encode())
    found, said = end(process, 3)
    assert (found["dead_lettered"], found["in_doubt"]) == (0, 0)
    assert 0 < found["loaded"] < 3_000
    assert "BAD_REFRESH_TOKEN" in said
    assert "authorise the app again" in said
    assert str(file) in said
    write_oauth(file, fresh["refresh_token"])
    # The command that it printed knows where the token comes from.
    program, _, run, *flags = shlex.split(found["resume"])
    assert (program, run) == ("bulkload", "run")
    resumed(cli, 3_000, *flags)
    check(remote, 3_000)


def test_a_token_file_that_is_rewritten_after_a_401_lets_everybody_go_on(
    cli: Cli, sandbox: Start
) -> None:
    remote = sandbox("--rate-limit", "none", "--latency", "30")
    file = token_file(cli)
    process = start(cli, remote, 2_000, "--token-file", file)
    until(lambda: loaded(remote) > 500)
    post(remote, "/_sandbox/expire")
    until(lambda: int(remote.books()["unauthorized"]) > 0)
    time.sleep(0.5)  # what was in flight has ended
    held = remote.books()
    time.sleep(2.0)
    assert remote.books() == held, "nobody calls"
    assert held["unauthorized"] <= IN_FLIGHT
    file.write_text("token-two\n")
    found, _ = end(process, 0)
    assert (found["loaded"], found["dead_lettered"], found["in_doubt"]) == (2_000, 0, 0)
    assert remote.books()["unauthorized"] == held["unauthorized"]
    check(remote, 2_000)


def test_a_token_file_that_is_rewritten_ahead_of_the_end_costs_no_401(
    cli: Cli, sandbox: Start
) -> None:
    remote = sandbox("--rate-limit", "none", "--token-life", "6", "--latency", "30")
    file = token_file(cli)
    process = start(cli, remote, 3_000, "--token-file", file)
    until(lambda: loaded(remote) > 300)
    file.write_text("token-two\n")
    time.sleep(5.0)
    file.write_text("token-three\n")
    found, _ = end(process, 0)
    assert found["elapsed_s"] > 7
    assert (found["loaded"], found["retries"]) == (3_000, 0)
    assert remote.books()["unauthorized"] == 0


def test_ctrl_c_ends_the_wait_for_a_token_at_once(cli: Cli, sandbox: Start) -> None:
    remote = sandbox("--rate-limit", "none", "--latency", "30")
    file = token_file(cli)
    process = start(cli, remote, 2_000, "--token-file", file)
    until(lambda: loaded(remote) > 300)
    post(remote, "/_sandbox/expire")
    until(lambda: int(remote.books()["unauthorized"]) > 0)
    time.sleep(1.0)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    found, _ = end(process, 3)
    assert time.monotonic() - began < 5.0
    assert (found["dead_lettered"], found["in_doubt"]) == (0, 0)
    assert found["stopped"].startswith("interrupted")
    file.write_text("token-two\n")
    resumed(cli, 2_000, "--token-file", file)
    check(remote, 2_000)


def test_a_token_of_the_environment_that_ends_stops_the_run_at_once(
    cli: Cli, sandbox: Start
) -> None:
    remote = sandbox("--rate-limit", "none", "--latency", "30")
    process = start(cli, remote, 2_000)
    until(lambda: loaded(remote) > 300)
    post(remote, "/_sandbox/expire")
    began = time.monotonic()
    found, said = end(process, 3)
    assert time.monotonic() - began < 5.0
    assert (found["dead_lettered"], found["in_doubt"]) == (0, 0)
    assert found["resume"] == "bulkload resume run"
    assert "HUBSPOT_ACCESS_TOKEN" in said
    assert 1 <= remote.books()["unauthorized"] <= IN_FLIGHT
    cli.environment["HUBSPOT_ACCESS_TOKEN"] = "pat-another-9a"
    resumed(cli, 2_000)
    check(remote, 2_000)


def test_a_token_that_lacks_a_scope_stops_the_run_and_the_scope_is_named(
    cli: Cli, sandbox: Start
) -> None:
    remote = sandbox("--rate-limit", "none", "--missing-scope")
    found, said = end(start(cli, remote, 300), 3)
    assert (found["loaded"], found["dead_lettered"], found["in_doubt"]) == (0, 0, 0)
    assert "crm.objects.contacts.write" in said
    assert remote.books()["creates_seen"] == 0
    assert remote.books()["statuses"]["403"] <= 2 * IN_FLIGHT
    granted = sandbox("--rate-limit", "none")
    resumed(cli, 300, "--base-url", granted.url)
    check(granted, 300)
