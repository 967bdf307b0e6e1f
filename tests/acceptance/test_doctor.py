"""The doctor against the sandbox: what it says, what it mends, and what it leaves behind."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from bulkload.runs.learnt import Learnt, keep
from tests.acceptance.harness import TOKEN, UNPRIVILEGED, Cli, Ended, Sandbox, ndjson, until

Start = Callable[..., Sandbox]
AT = "2026-01-02T03:04:05+00:00"
CHECKS = [
    "remote", "token", "scopes", "portal", "time zone", "rate limit", "daily quota",
    "key property", "run property", "unique values", "trace ids", "read after create",
    "search after create", "archived keys", "association types", "workflows", "clock", "proxy",
    "disk space", "disk sync",
]  # fmt: skip


@pytest.fixture
def state(cli: Cli) -> Path:
    return cli.folder / "state" / "bulkload" / "portals"


def report(ended: Ended) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ended.out)
    assert list(found) == ["portal", "checks", "learnt", "exit_code"]
    assert found["exit_code"] == ended.code
    assert ended.out.count("\n") == 1
    return found


def states(ended: Ended) -> dict[str, str]:
    return {check["name"]: check["state"] for check in report(ended)["checks"]}


def says(ended: Ended, name: str) -> str:
    return str(next(c["says"] for c in report(ended)["checks"] if c["name"] == name))


def left(remote: Sandbox) -> int:
    return sum(not email["archived"] for email in remote.emails())


def test_a_table_of_all_checks_changes_nothing(cli: Cli, sandbox: Start) -> None:
    remote = sandbox("--bare")
    ended = cli("doctor", "--base-url", remote.url, code=0)
    lines = [line for line in ended.out.splitlines() if not line.startswith("  ")]
    assert [line[6:26].strip() for line in lines] == CHECKS
    assert {line[:4].strip() for line in lines} == {"ok", "warn"}
    assert "no bulkload_key" in ended.out
    assert "→ bulkload doctor --fix" in ended.out
    assert "\x1b" not in ended.out
    assert ended.err == ""
    assert remote.emails() == []
    assert os.listdir(cli.folder) == []


def test_json_is_one_object(cli: Cli, sandbox: Start) -> None:
    found = report(cli("doctor", "--base-url", sandbox().url, "--json", code=0))
    assert found["portal"] == "62515"
    assert [check["name"] for check in found["checks"]] == CHECKS
    assert found["learnt"] == {}


def test_fix_makes_the_properties_and_a_second_run_is_content(cli: Cli, sandbox: Start) -> None:
    remote = sandbox("--bare")
    words = ("doctor", "--base-url", remote.url, "--json")
    assert states(cli(*words, code=0))["key property"] == "warn"
    assert "just made" in says(cli(*words, "--fix", code=0), "key property")
    again = cli(*words, code=0)
    names = ("key property", "run property", "unique values")
    assert [states(again)[name] for name in names] == ["ok"] * 3
    made = remote.books()["requests"]["/crm/v3/properties/emails"]
    cli(*words, "--fix", code=0)
    assert remote.books()["requests"]["/crm/v3/properties/emails"] == made + 1  # it only looked


def test_what_can_not_be_made_fails_with_what_to_do(cli: Cli, sandbox: Start) -> None:
    url = sandbox("--bare", "--no-unique").url
    ended = cli("doctor", "--base-url", url, "--fix", code=1)
    assert "fail  key property" in ended.out
    assert "make it by hand" in ended.out


def test_fix_never_changes_what_is_there(cli: Cli, sandbox: Start) -> None:
    remote = sandbox("--bare")
    path = f"{remote.url}/crm/v3/properties/emails"
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    theirs = {"name": "bulkload_key", "label": "theirs", "type": "string", "fieldType": "text"}
    body = json.dumps({**theirs, "groupName": "email"}).encode()
    with urlopen(Request(path, body, headers, method="POST")):
        pass
    ended = cli("doctor", "--base-url", remote.url, "--fix", "--json", code=1)
    assert "without unique values" in says(ended, "key property")
    assert states(ended)["run property"] == "ok"
    with urlopen(Request(f"{path}/bulkload_key", headers=headers)) as answer:
        left_alone = json.load(answer)
    assert left_alone["label"] == "theirs"
    assert left_alone["hasUniqueValue"] is False


def test_probes_learn_what_the_portal_does_and_leave_nothing(
    cli: Cli, sandbox: Start, state: Path
) -> None:
    remote = sandbox("--search-lag", 1.5, "--read-lag", 0.5)
    words = ("doctor", "--base-url", remote.url, "--json")
    ended = cli(*words, "--probe", code=0)
    assert "making a few probe emails in the portal" in ended.err
    learnt = report(ended)["learnt"]
    assert 0.2 <= learnt["read_lag_s"] <= 3
    assert 0.9 <= learnt["search_lag_s"] <= 5
    facts = ("echoes_trace_id", "archived_keeps_key", "unique_emails")
    assert [learnt[name] for name in facts] == [True, True, True]
    assert len(remote.emails()) == 2
    assert left(remote) == 0
    assert {len(email["properties"]["bulkload_key"]) for email in remote.emails()} == {64}
    (kept,) = state.iterdir()
    assert json.loads(kept.read_bytes()) == learnt
    later = cli(*words, code=0)
    assert report(later)["learnt"] == learnt
    assert "(seen on " in says(later, "search after create")
    assert len(remote.emails()) == 2
    kept.write_bytes(b"{")
    assert "damaged: ignored" in cli(*words, code=0).err


def test_probes_tell_a_portal_of_another_kind(cli: Cli, sandbox: Start) -> None:
    remote = sandbox("--archived-free-keys", "--no-trace-ids", "--conflict-category", "CONFLICT")
    ended = cli("doctor", "--base-url", remote.url, "--json", "--probe", code=0)
    learnt = report(ended)["learnt"]
    facts = ("echoes_trace_id", "archived_keeps_key", "unique_emails")
    assert [learnt[name] for name in facts] == [False, False, True]
    assert "(CONFLICT)" in says(ended, "unique values")
    assert (len(remote.emails()), left(remote)) == (3, 0)


@pytest.mark.parametrize(
    "flags",
    [
        ("--fault", "reset-after=100%"),
        ("--fault", "503-after=100%", "--read-lag", 1),
        ("--fault", "silent-207=100%", "--bare", "--search-lag", 1),
        ("--fault", "truncate=100%", "--bare"),
    ],
)
def test_probes_whose_answer_was_lost_are_found_and_archived(
    cli: Cli, sandbox: Start, flags: tuple[object, ...]
) -> None:
    remote = sandbox(*flags)
    ended = cli("doctor", "--base-url", remote.url, "--json", "--probe", code=1)
    assert states(ended)["probes"] == "fail"
    assert "may be left" not in says(ended, "probes")
    assert len(remote.emails()) > 0
    assert left(remote) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_the_middle_archives_the_probes(
    cli: Cli, sandbox: Start, number: signal.Signals
) -> None:
    remote = sandbox("--search-lag", "1000")
    with cli.start("doctor", "--base-url", remote.url, "--json", "--probe") as process:
        until(lambda: remote.books()["requests"].get("/crm/v3/objects/emails/search", 0) > 1)
        assert left(remote) == 2
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    ended = Ended(process.returncode, out.decode(), err.decode())
    assert ended.code == 3
    assert "Traceback" not in ended.err
    assert left(remote) == 0
    assert states(ended)["probes"] == "fail"
    assert says(ended, "probes") == "not all could be found out: interrupted"
    assert report(ended)["learnt"]["unique_emails"] is True  # what is known is told, and kept


def test_a_signal_while_a_create_is_under_way_leaves_nothing(cli: Cli, sandbox: Start) -> None:
    remote = sandbox("--latency", 700)
    with cli.start("doctor", "--base-url", remote.url, "--json", "--probe") as process:
        until(lambda: remote.books()["creates_seen"] == 1)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    ended = Ended(process.returncode, out.decode(), err.decode())
    assert ended.code == 3
    assert len(remote.emails()) > 0
    assert left(remote) == 0


def test_probes_that_can_not_be_archived_are_named(cli: Cli, sandbox: Start) -> None:
    remote = sandbox("--search-lag", "1000")
    with cli.start("doctor", "--base-url", remote.url, "--json", "--probe") as process:
        until(lambda: remote.books()["requests"].get("/crm/v3/objects/emails/search", 0) > 1)
        ids = {email["id"] for email in remote.emails()}
        remote.faults(outages=["0+1000:503"])
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    ended = Ended(process.returncode, out.decode(), err.decode())
    assert all(each in says(ended, "probes") for each in ids)
    assert "could not be archived" in says(ended, "probes")
    assert all(each in ended.err for each in ids)  # said when they were made: a kill -9 tells too


def test_a_token_that_is_refused_is_exit_3(cli: Cli, sandbox: Start) -> None:
    ended = cli("doctor", "--base-url", sandbox("--token", "pat-other").url, code=3)
    assert "does not accept the token" in ended.out
    assert "ok    disk sync" in ended.out  # what is known is told


def test_a_remote_that_is_not_there_is_exit_3(cli: Cli) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        ended = cli("doctor", "--base-url", f"http://127.0.0.1:{taken.getsockname()[1]}", code=3)
    assert "could not be reached: " in ended.out
    assert "Connection refused" in ended.out


def test_a_remote_that_is_none_of_hubspots_is_exit_3(cli: Cli, sandbox: Start) -> None:
    ended = cli("doctor", "--base-url", sandbox().url + "/elsewhere", code=3)
    assert "nothing was answered as HubSpot does" in ended.out


def test_an_oauth_token_is_told_from_a_private_apps(cli: Cli, sandbox: Start) -> None:
    cli.environment["HUBSPOT_ACCESS_TOKEN"] = "CJ-oauth"
    remote = sandbox("--token", "CJ-oauth", "--token-life", 600)
    ended = cli("doctor", "--base-url", remote.url, "--json", "-v", code=0)
    assert says(ended, "token").startswith("of an OAuth app")
    assert "CJ-oauth" not in ended.out + ended.err


def test_a_day_that_is_used_up_is_told(cli: Cli, sandbox: Start) -> None:
    ended = cli("doctor", "--base-url", sandbox("--daily-limit", 3).url, "--json", code=1)
    assert states(ended)["daily quota"] == "fail"


def test_clocks_that_disagree_are_told(cli: Cli, sandbox: Start) -> None:
    ended = cli("doctor", "--base-url", sandbox("--clock-skew", 40).url, "--json", code=0)
    assert "or more behind the remote's" in says(ended, "clock")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--base-url", "ftp://x"), "--base-url"),
        (("--token-file", "nowhere"), "nowhere"),
        (("--timeout", "0"), "--timeout"),
        (("--timeout", "nan"), "--timeout"),
        (("--no-such",), "--no-such"),
    ],
)
def test_a_mistake_is_exit_2_and_asks_nothing(cli: Cli, words: tuple[str, ...], told: str) -> None:
    cli.environment["BULKLOAD_BASE_URL"] = "http://127.0.0.1:9"
    ended = cli("doctor", *words, code=2)
    assert told in ended.err
    assert ended.out == ""


def test_a_proxys_login_is_never_shown(cli: Cli) -> None:
    cli.environment["HTTPS_PROXY"] = "http://ada:pa55word@127.0.0.1:9"
    cli.environment["NO_PROXY"] = ""
    for words in (("--json",), ("-v",)):
        ended = cli("doctor", "--base-url", "https://hubspot.invalid", *words, code=3)
        assert "calls go through 127.0.0.1:9" in ended.out
        assert "pa55word" not in ended.out + ended.err
        assert "ada" not in ended.out + ended.err


def test_a_folder_that_can_not_be_written_fails(cli: Cli, sandbox: Start) -> None:
    if not UNPRIVILEGED and os.geteuid() == 0:
        pytest.skip("root writes everywhere")
    locked = cli.folder / "locked"
    locked.mkdir(mode=0o500)
    words = ("doctor", "--base-url", sandbox().url, "--runs", locked / "runs", "--json")
    ended = cli(*words, code=1, unprivileged=True)
    assert states(ended)["disk space"] == "fail"
    assert "Permission denied" in says(ended, "disk space")


def test_nobody_needs_to_listen(cli: Cli, sandbox: Start) -> None:
    with cli.start("doctor", "--base-url", sandbox().url) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(60) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    ours, theirs = pty.openpty()
    yield ours, theirs
    os.close(ours)


def test_a_terminal_gets_colours(cli: Cli, sandbox: Start, terminal: tuple[int, int]) -> None:
    import subprocess
    import sys

    ours, theirs = terminal
    with subprocess.Popen(
        [sys.executable, "-m", "bulkload", "doctor", "--base-url", sandbox().url],
        cwd=cli.folder,
        env={**cli.environment, "TERM": "xterm", "COLUMNS": "100"},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.PIPE,
    ) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            shown += part
        assert process.wait(60) == 0
    assert b"\x1b[" in shown
    assert b"workflows" in shown
    assert TOKEN.encode() not in shown


def test_a_load_goes_without_a_key_that_the_portal_was_seen_not_to_hold_to(
    cli: Cli, sandbox: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", cli.environment["XDG_STATE_HOME"])
    remote = sandbox()
    assert keep("62515", Learnt(unique_emails=False, at=AT), remote.url) == ""
    source = ndjson(cli.folder / "in.ndjson", 3)
    ended = cli("load", source, "--run", "run", "--base-url", remote.url, code=0)
    assert f"unique values do not hold here, saw doctor {AT}" in ended.err
    assert all("bulkload_key" not in email["properties"] for email in remote.emails())


def test_what_was_kept_and_is_damaged_is_said_and_ignored(
    cli: Cli, sandbox: Start, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", cli.environment["XDG_STATE_HOME"])
    remote = sandbox()
    assert keep("62515", Learnt(read_lag_s=20.0, at=AT), remote.url) == ""
    (kept,) = state.iterdir()
    kept.write_bytes(b"{")
    source = ndjson(cli.folder / "in.ndjson", 3)
    ended = cli("load", source, "--run", "run", "--base-url", remote.url, code=0)
    assert "is damaged: ignored" in ended.err
