"""A user's mistakes and a machine's troubles: a clear message, the exit code, nothing lost.

Each message names the file or the setting and the next step; `Cli` checks that there is no
traceback and no token in it.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance.harness import Cli, Sandbox, letters, ndjson, until

FAST = ("--json", "--no-progress", "--rate-limit", "100000/1s")
NOWHERE = "http://127.0.0.1:9"


needs_permissions = pytest.mark.skipif(
    os.geteuid() == 0 and shutil.which("setpriv") is None,
    reason="root can't be told to respect permissions without setpriv",
)


def make(tmp_path: Path, name: str, content: bytes) -> str:
    (tmp_path / name).write_bytes(content)
    return name


@pytest.mark.parametrize(
    ("name", "content", "wanted"),
    [
        ("empty.ndjson", b"", "empty"),
        ("noise.dat", b"neither mail nor a table\n" * 9, "--format"),
        ("binary.ndjson", b"\x00\x01\x02\xff" * 100, "binary.ndjson"),
        ("utf16.ndjson", '{"a":"b"}\n'.encode("utf-16"), "UTF-16"),
        ("object.json", b'{\n  "results": [{"hs_timestamp":"1"}]\n}', "jq"),
        ("headless.csv", b"hs_timestamp,,,a\n1,2,3,4\n", "names 2 of its 4 columns"),
        ("one-line.csv", b"1,2,3," * 200_000, "no header of a table"),
        ("no-message.mbox", b"this is no mbox\n" * 3, "no-message.mbox"),
    ],
)
def test_a_source_that_cannot_be_one_is_refused_by_name(
    cli: Cli, tmp_path: Path, name: str, content: bytes, wanted: str
) -> None:
    make(tmp_path, name, content)
    ended = cli("load", name, "--run", "run", "--base-url", NOWHERE, code=2)
    assert name in ended.err
    assert wanted in ended.err
    assert not (tmp_path / "run").exists()


def test_missing_things_are_named(cli: Cli, tmp_path: Path) -> None:
    assert "gone.mbox" in cli("load", "gone.mbox", "--base-url", NOWHERE, code=2).err
    assert "*.nothing" in cli("load", "*.nothing", "--base-url", NOWHERE, code=2).err
    (tmp_path / "folder").mkdir()
    assert "folder" in cli("load", "folder", "--base-url", NOWHERE, code=2).err
    assert "Usage" in cli("load", code=2).err
    assert "no such run" in cli("resume", "gone", code=2).err
    assert "no such run" in cli("status", "gone", code=2).err
    assert "gone" in cli("replay", "gone", code=2).err
    ndjson(tmp_path / "in.ndjson", 1)
    assert "unknown" in cli("load", "in.ndjson", "--format", "unknown", code=2).err
    assert "rate" in cli("load", "in.ndjson", "--rate-limit", "fast", code=2).err
    assert "--batch-size" in cli("load", "in.ndjson", "--batch-size", 101, code=2).err
    assert "--max-outage" in cli("load", "in.ndjson", "--max-outage", "soon", code=2).err
    assert "--max-dead-letters" in cli("load", "in.ndjson", "--max-dead-letters", "x", code=2).err
    assert "--base-url" in cli("load", "in.ndjson", "--base-url", "hubspot", code=2).err
    make(tmp_path, "bulkload.toml", b'rate-limt = "100/10s"')
    assert "rate-limt" in cli("load", "in.ndjson", code=2).err
    make(tmp_path, "bulkload.toml", b'token = "secret"')
    assert "token-file" in cli("load", "in.ndjson", code=2).err
    make(tmp_path, "bulkload.toml", b"not = [toml")
    assert "bulkload.toml" in cli("load", "in.ndjson", code=2).err


def test_no_token_names_both_ways_to_give_one(cli: Cli, tmp_path: Path) -> None:
    del cli.environment["HUBSPOT_ACCESS_TOKEN"]
    source = ndjson(tmp_path / "in.ndjson", 1)
    err = cli("load", source, "--base-url", NOWHERE, code=2).err
    assert "HUBSPOT_ACCESS_TOKEN" in err
    assert "--token-file" in err
    err = cli("load", source, "--base-url", NOWHERE, "--token-file", "gone", code=2).err
    assert "gone" in err


def test_a_wrong_token_stops_at_once_and_sends_nothing_after(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--token", "the-right-one")
    source = ndjson(tmp_path / "in.ndjson", 500)
    ended = cli("load", source, "--run", "run", "--base-url", remote.url, *FAST, code=3)
    assert "HUBSPOT_ACCESS_TOKEN" in ended.err
    assert remote.books()["creates_seen"] == 0
    cli.environment["HUBSPOT_ACCESS_TOKEN"] = "the-right-one"
    assert cli("resume", "run", "--json", code=0).summary()["loaded"] == 500


def test_a_token_that_expires_in_mid_run_stops_resumable(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none", "--latency", "20", "--fault", "401=3%")
    source = ndjson(tmp_path / "in.ndjson", 20_000)
    ended = cli("load", source, "--run", "run", "--base-url", remote.url, *FAST, code=3)
    assert ended.summary()["dead_lettered"] == 0
    remote.faults(faults={})
    assert cli("resume", "run", "--json", code=0).summary()["loaded"] == 20_000
    assert remote.subjects().total() == 20_000


def test_a_used_up_daily_quota_stops_resumable(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none", "--daily-limit", "30")
    source = ndjson(tmp_path / "in.ndjson", 5_000)
    words = ("--run", "run", "--base-url", remote.url, "--on-quota", "stop")
    ended = cli("load", source, *words, *FAST, code=3)
    assert "resume after" in ended.err
    summary = ended.summary()
    assert summary["dead_lettered"] == summary["in_doubt"] == 0
    assert summary["loaded"] == remote.books()["emails"]
    assert "resume after" in cli("resume", "run", "--json", code=3).err
    other = sandbox("--rate-limit", "none")
    more = cli("resume", "run", "--base-url", other.url, "--json", code=0).summary()
    assert more["loaded"] == 5_000


def test_missing_scopes_are_named(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--missing-scope")
    source = ndjson(tmp_path / "in.ndjson", 5)
    ended = cli("load", source, "--run", "run", "--base-url", remote.url, *FAST, code=3)
    assert "crm.objects.contacts.write" in ended.err
    assert ended.summary()["dead_lettered"] == 0


def test_a_url_that_refuses_the_connection_stops_resumable(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        source = ndjson(tmp_path / "in.ndjson", 50)
        ended = cli(
            "load", source, "--run", "run", "--base-url", url, "--max-outage", "0.5", *FAST, code=3
        )
    assert url in ended.err
    assert ended.summary()["read"] == 0
    remote = sandbox()
    more = cli("resume", "run", "--base-url", remote.url, "--json", code=0).summary()
    assert more["loaded"] == 50


def test_lines_that_are_no_records_are_letters_with_their_place(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--bare", "--rate-limit", "none")
    good = b'{"hs_timestamp":"1700000000000","hs_email_subject":"good"}'
    lines = [
        b"\xef\xbb\xbf" + good,
        b"",
        b'{"hs_timestamp": broken',
        b"[1, 2]",
        b'{"hs_timestamp":"1","hs_email_text":{"nested":1}}',
        b'{"hs_timestamp":"1","hs_email_text":"\xff\xfe"}',
        b"{}",
        b"   ",
        good + b"\r",
    ]
    make(tmp_path, "in.ndjson", b"\n".join(lines))
    ended = cli(
        "load", "in.ndjson", "--run", "run", "--base-url", remote.url,
        "--max-dead-letters", "100%", *FAST, code=1,
    )  # fmt: skip
    assert ended.summary()["loaded"] == 2
    assert [letter["position"]["number"] for letter in letters(tmp_path / "run")] == [3, 4, 5, 6, 7]
    assert {letter["reason"] for letter in letters(tmp_path / "run")} == {
        "unreadable",
        "unmappable",
    }


def test_a_huge_line_is_a_letter_and_is_never_held(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none")
    source = ndjson(tmp_path / "in.ndjson", 10)
    with source.open("ab") as file:
        for _ in range(200):
            file.write(b"x" * (1 << 20))
        file.write(b'\n{"hs_timestamp":"17","hs_email_subject":"after"}\n')
    words = ("load", source, "--run", "run", "--base-url", remote.url, *FAST, "--quiet")
    peak = 0
    with cli.start(*words) as process:
        # What the kernel tells at its end counts the memory of whoever started it, too.
        while process.poll() is None:
            told = Path(f"/proc/{process.pid}/status").read_text()
            peak = max([peak, *map(int, re.findall(r"VmHWM:\s+(\d+) kB", told))])
            time.sleep(0.005)
    assert process.returncode == 1
    (letter,) = letters(tmp_path / "run")
    assert letter["reason"] == "unreadable"
    assert letter["record"] is None
    assert letter["position"]["number"] == 11
    assert "after" in remote.subjects()
    assert len(remote.subjects()) == 11
    assert 10_000 < peak < 170_000, "kilobytes"


def test_ragged_rows_are_letters(cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path) -> None:
    remote = sandbox("--rate-limit", "none")
    make(
        tmp_path,
        "in.csv",
        b'hs_timestamp,hs_email_subject,hs_email_text\r\n17,"a, ""quoted""","two\r\nlines"\r\n'
        b"17,short\r\n17,too,long,by,far\r\n17,last,row\r\n",
    )
    ended = cli("load", "in.csv", "--run", "run", "--base-url", remote.url, *FAST, code=1)
    assert ended.summary()["loaded"] == 2
    assert set(remote.subjects()) == {'a, "quoted"', "last"}
    assert all("3" in letter["message"] for letter in letters(tmp_path / "run"))


def test_a_cut_gzip_loads_what_can_be_read_and_says_where_it_ends(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none")
    source = ndjson(tmp_path / "in.ndjson", 5_000, hs_email_text=lambda n: os.urandom(40).hex())
    packed = gzip.compress(source.read_bytes())
    make(tmp_path, "cut.ndjson.gz", packed[: len(packed) // 2])
    ended = cli(
        "load", "cut.ndjson.gz", "--run", "run", "--base-url", remote.url, *FAST, code=1
    ).summary()
    assert 0 < ended["loaded"] < 5_000
    assert 1 <= ended["dead_lettered"] <= 2
    assert remote.subjects().total() == ended["loaded"]


@needs_permissions
def test_an_unreadable_file_is_refused(cli: Cli, tmp_path: Path) -> None:
    source = ndjson(tmp_path / "in.ndjson", 1)
    source.chmod(0)
    ended = cli("load", source, "--base-url", NOWHERE, unprivileged=True, code=2)
    assert "in.ndjson" in ended.err


@needs_permissions
def test_an_unreadable_message_in_a_folder_is_a_letter(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox()
    (tmp_path / "mail").mkdir()
    for name in ("a.eml", "b.eml", "c.eml"):
        make(
            tmp_path, f"mail/{name}",
            b"Date: Mon, 6 Jan 2020 10:00:00 +0000\nSubject: %s\n\nhello\n" % name.encode(),
        )  # fmt: skip
    (tmp_path / "mail" / "b.eml").chmod(0)
    ended = cli(
        "load", "mail", "--run", "run", "--base-url", remote.url, *FAST, unprivileged=True, code=1
    )
    assert ended.summary()["loaded"] == 2
    (letter,) = letters(tmp_path / "run")
    assert letter["reason"] == "unreadable"
    assert "b.eml" in json.dumps(letter["position"])


def test_another_portal_at_resume_stops_for_good(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    first = sandbox("--rate-limit", "none", "--fault", "401=100%")
    other = sandbox("--portal-id", "999")
    source = ndjson(tmp_path / "in.ndjson", 500)
    cli("load", source, "--run", "run", "--base-url", first.url, *FAST, code=3)
    ended = cli("resume", "run", "--base-url", other.url, "--json", code=4)
    assert "999" in ended.err
    assert "62515" in ended.err
    assert other.books()["creates_seen"] == 0


def test_a_changed_source_at_resume_stops_for_good(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none", "--fault", "401=100%")
    source = ndjson(tmp_path / "in.ndjson", 500)
    cli("load", source, "--run", "run", "--base-url", remote.url, *FAST, code=3)
    source.write_bytes(source.read_bytes()[:-10])
    ended = cli("resume", "run", "--json", code=4)
    assert "in.ndjson" in ended.err
    assert "size" in ended.err
    source.unlink()
    assert "in.ndjson" in cli("resume", "run", "--json", code=2).err


def test_options_that_may_not_change_are_refused_at_resume(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none", "--fault", "401=100%")
    source = ndjson(tmp_path / "in.ndjson", 500)
    cli("load", source, "--run", "run", "--base-url", remote.url, *FAST, code=3)
    assert "--batch-size" in cli("resume", "run", "--batch-size", 7, code=2).err
    remote.faults(faults={})
    ended = cli("resume", "run", "--batch-size", 100, "--max-in-flight", 2, "--json", code=0)
    assert ended.summary()["loaded"] == 500


def test_a_run_that_exists_offers_what_to_do(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--bare", "--rate-limit", "none")
    ndjson(tmp_path / "in.ndjson", 5)
    words = ("load", "in.ndjson", "--base-url", remote.url, *FAST)
    assert cli(*words, code=0).summary()["run"] == "bulkload-runs/in.ndjson"
    refused = cli(*words, code=2).err
    assert "--again" in refused
    assert "bulkload resume" not in refused, "there is nothing to go on with"
    assert cli(*words, "--again", code=0).summary()["run"] == "bulkload-runs/in.ndjson-2"
    third = cli(*words, "--again", code=0).summary()["run"]
    assert third == "bulkload-runs/in.ndjson-3"
    assert cli("resume", "bulkload-runs/in.ndjson", "--json", code=0).summary()["loaded"] == 5
    assert remote.books()["emails"] == 15


def test_a_locked_run_says_who_holds_it(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--fault", "stall=100%")
    source = ndjson(tmp_path / "in.ndjson", 500)
    with cli.start("load", source, "--run", "run", "--base-url", remote.url) as process:
        until(lambda: int(remote.books()["creates_seen"]) > 0)
        ended = cli("resume", "run", code=2)
        assert str(process.pid) in ended.err
        assert f"process {process.pid} works on it" in cli("status", "run", code=3).out
        process.kill()
        process.communicate()
    assert "bulkload resume run" in cli("status", "run", code=3).out


@needs_permissions
def test_a_folder_that_is_not_writable_is_named(cli: Cli, tmp_path: Path) -> None:
    source = ndjson(tmp_path / "in.ndjson", 5)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    ended = cli(
        "load", source, "--run", closed / "run", "--base-url", NOWHERE, unprivileged=True, code=2
    )
    assert "closed" in ended.err
    assert "--run" in ended.err


@needs_permissions
def test_a_run_that_became_read_only_is_named(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none", "--fault", "401=100%")
    source = ndjson(tmp_path / "in.ndjson", 500)
    cli("load", source, "--run", "run", "--base-url", remote.url, *FAST, code=3)
    remote.faults(faults={})
    for path in (tmp_path / "run").iterdir():
        path.chmod(0o400)
    (tmp_path / "run").chmod(0o500)
    ended = cli("resume", "run", unprivileged=True)
    assert ended.code in (2, 3)
    assert "run" in ended.err
    assert remote.books()["emails"] == 0
    (tmp_path / "run").chmod(0o700)
    for path in (tmp_path / "run").iterdir():
        path.chmod(0o600)
    assert cli("resume", "run", "--json", code=0).summary()["loaded"] == 500


def test_a_run_directory_that_is_a_file_is_named(cli: Cli, tmp_path: Path) -> None:
    source = ndjson(tmp_path / "in.ndjson", 5)
    make(tmp_path, "taken", b"a file")
    ended = cli("load", source, "--run", "taken", "--base-url", NOWHERE, code=2)
    assert "taken" in ended.err
    assert (tmp_path / "taken").read_bytes() == b"a file"


def test_a_damaged_journal_stops_for_good(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none", "--fault", "401=2%", "--seed", "2")
    source = ndjson(tmp_path / "in.ndjson", 30_000)
    cli("load", source, "--run", "run", "--base-url", remote.url, *FAST, code=3)
    journal = tmp_path / "run" / "journal.db"
    content = bytearray(journal.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    journal.write_bytes(content)
    calls = remote.books()["creates_seen"]
    for words in (("resume", "run"), ("status", "run"), ("replay", "run")):
        ended = cli(*words, code=4)
        assert "journal.db" in ended.err
    assert remote.books()["creates_seen"] == calls


def test_a_run_killed_before_it_was_committed_is_reused(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none")
    source = ndjson(tmp_path / "in.ndjson", 5)
    (tmp_path / "run").mkdir()
    make(tmp_path / "run", "journal.db", b"")
    make(tmp_path / "run", "run.lock", b"12345")
    assert "no run was begun" in cli("resume", "run", code=2).err
    ended = cli("load", source, "--run", "run", "--base-url", remote.url, *FAST, code=0)
    assert ended.summary()["loaded"] == 5


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    """A disk of 12 MiB, mounted for the test: needs root."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    return tmp_path / "disk"


def test_a_full_disk_drains_and_loses_nothing(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path, small_disk: Path
) -> None:
    small_disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "bulkload-test", small_disk],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("this machine does not let a test mount a disk")
    try:
        remote = sandbox("--rate-limit", "none")
        source = ndjson(
            tmp_path / "in.ndjson", 20_000,
            wrong_name=lambda n: "x" * 4000 if n % 2 else None,
        )  # fmt: skip
        run = small_disk / "run"
        ended = cli(
            "load", source, "--run", run, "--base-url", remote.url,
            "--max-dead-letters", "100%", "--max-in-flight", 4, *FAST, code=3,
        )  # fmt: skip
        assert "full" in ended.err
        partly = cli("status", run, "--json", code=3).summary()
        assert partly["in_doubt"] == 0
        assert partly["loaded"] == remote.books()["emails"]
        subprocess.run(["mount", "-o", "remount,size=500m", small_disk], check=True)
        more = cli("resume", run, "--json", code=1).summary()
        assert (more["loaded"], more["dead_lettered"], more["in_doubt"]) == (10_000, 10_000, 0)
        assert len(letters(run)) == 10_000
        assert remote.subjects().total() == 10_000
    finally:
        subprocess.run(["umount", small_disk], check=True)


def test_a_stopped_process_wakes_up_to_a_settled_run(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none", "--latency", "40")
    source = ndjson(tmp_path / "in.ndjson", 6_000)
    with cli.start(
        "load", source, "--run", "run", "--base-url", remote.url, "--timeout", "1", *FAST
    ) as process:
        until(lambda: int(remote.books()["creates_seen"]) > 5)
        process.send_signal(signal.SIGSTOP)
        # Longer than every time-out of the run: only real time can pass for a stopped process.
        time.sleep(2.5)
        process.send_signal(signal.SIGCONT)
        out, _ = process.communicate(timeout=60)
    summary = json.loads(out)
    assert summary["read"] == 6_000
    created = remote.subjects()
    assert max(created.values()) == 1
    doubts = cli("doubts", "run", "--json").out.splitlines()
    assert len(created) >= 6_000 - len(doubts)


def test_what_is_nearly_right_is_answered_with_what_may_be_meant(cli: Cli, tmp_path: Path) -> None:
    ended = cli("lod", "x", code=2)
    assert "Did you mean load?" in ended.err
    make(tmp_path, "bulkload.toml", b"batch-sise = 5\n")
    make(tmp_path, "a.csv", b"id,a\n1,2\n")
    ended = cli("load", "a.csv", code=2)
    assert "there is no setting batch-sise" in ended.err
    assert "Did you mean batch-size?" in ended.err


def test_a_variable_that_is_nearly_a_setting_is_told(cli: Cli) -> None:
    near = {"BULKLOAD_RATELIMIT": "1/1s", "BULKLOAD_SOMETHING_ELSE": "1"}
    ended = cli("resume", "nowhere", environment=near, code=2)
    assert "BULKLOAD_RATELIMIT: there is no such setting" in ended.err
    assert "Did you mean BULKLOAD_RATE_LIMIT?" in ended.err
    assert "ELSE" not in ended.err


def test_the_help_of_a_resume_shows_what_may_change(cli: Cli) -> None:
    shown = cli("resume", "--help", code=0).out
    assert "--rate-limit" in shown
    assert "as it was" in shown
    assert "--batch-size" not in shown


def test_a_key_that_no_row_has_is_refused_before_anything_is_sent(cli: Cli, tmp_path: Path) -> None:
    make(tmp_path, "a.csv", b"id,hs_timestamp\n1,2\n")
    ended = cli("load", "a.csv", "--key", "ids", "--base-url", NOWHERE, code=2)
    assert "--key ids: a.csv has no such column; it has id, hs_timestamp" in ended.err


@pytest.mark.parametrize(("run", "wanted"), [("", "is empty"), ("mail", "is a source")])
def test_a_run_is_kept_among_nothing_else(cli: Cli, tmp_path: Path, run: str, wanted: str) -> None:
    (tmp_path / "mail").mkdir()
    make(tmp_path, "mail/a.eml", b"Subject: x\n\n")
    ended = cli("load", "mail", "--run", run, "--base-url", NOWHERE, code=2)
    assert f"--run {run}" in ended.err
    assert wanted in ended.err
    assert [path.name for path in (tmp_path / "mail").iterdir()] == ["a.eml"]


@pytest.mark.parametrize("url", ["ftp://x", "127.0.0.1:8711", "http://"])
def test_an_address_of_no_use_leaves_nothing(cli: Cli, tmp_path: Path, url: str) -> None:
    ndjson(tmp_path / "in.ndjson", 1)
    assert "give --base-url as" in cli("load", "in.ndjson", "--base-url", url, code=2).err
    assert not (tmp_path / "bulkload-runs").exists()


def test_times_that_look_like_seconds_are_said_before_they_are_loaded(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox()
    source = ndjson(tmp_path / "in.ndjson", 3, hs_timestamp=lambda _: "1700000000")
    told = cli("load", source, "--run", "run", "--base-url", remote.url, code=0).err
    assert "3 of 3 records have an hs_timestamp of 1970 to 1974" in told


def test_settings_are_named_as_the_flags_are(cli: Cli, tmp_path: Path) -> None:
    ndjson(tmp_path / "in.ndjson", 1)
    make(tmp_path, "bulkload.toml", b"json = true\noffline = true\n")
    assert "no setting offline" in cli("check", "in.ndjson", code=2).err
    make(tmp_path, "bulkload.toml", b"json = true\n")
    assert json.loads(cli("check", "in.ndjson", "--offline", code=0).out)["would_load"] == 1
    make(tmp_path, "bulkload.toml", b"jsn = true\n")
    assert "Did you mean json?" in cli("check", "in.ndjson", code=2).err


def test_a_plain_export_is_not_replayed(cli: Cli, tmp_path: Path) -> None:
    ndjson(tmp_path / "in.ndjson", 2)
    ended = cli("replay", "in.ndjson", "--base-url", NOWHERE, code=2)
    assert "none of its lines is a dead letter" in ended.err
    assert "bulkload load in.ndjson" in ended.err


def test_a_demo_that_has_no_place_says_so(cli: Cli, tmp_path: Path) -> None:
    make(tmp_path, "bulkload-runs", b"no folder")
    ended = cli("demo", code=2)
    assert "bulkload-runs/demo-1: can't be made" in ended.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is always full")
@pytest.mark.parametrize("buffered", ["", "1"])
@pytest.mark.parametrize("words", [("status",), ("sources",), ("map", "a.csv"), ("check", "a.csv")])
def test_an_output_that_cant_be_written_is_no_traceback(
    cli: Cli, tmp_path: Path, words: tuple[str, ...], buffered: str
) -> None:
    make(tmp_path, "a.csv", b"id,hs_timestamp\n1,1700000000000\n")
    with open("/dev/full", "wb") as full:  # a device
        ended = cli(*words, stdout=full, environment={"PYTHONUNBUFFERED": buffered})
    assert ended.code in (0, 2)
    assert "No space left on device" in ended.err


@pytest.mark.parametrize("words", [("status",), ("sources",), ("map", "a.csv")])
def test_a_closed_stdout_is_no_failure(cli: Cli, tmp_path: Path, words: tuple[str, ...]) -> None:
    make(tmp_path, "a.csv", b"id,hs_timestamp\n1,1700000000000\n")
    ended = cli(*words, through=("sh", "-c", '"$@" >&-', "sh"))
    assert ended.code == 0, ended.err


@pytest.mark.parametrize("closing", ["2>&-", ">&-", "<&- >&- 2>&-"])
def test_a_command_works_whatever_was_closed_before_it(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path, closing: str
) -> None:
    remote = sandbox()
    ndjson(tmp_path / "in.ndjson", 3)
    shell = ("sh", "-c", f'"$@" {closing}', "sh")
    cli("load", "in.ndjson", "--run", "run", "--base-url", remote.url, code=0, through=shell)
    assert remote.books()["emails"] == 3
    cli("check", "in.ndjson", "--base-url", remote.url, code=0, through=shell)
    cli("undo", "run", code=2, through=shell)  # nobody can be asked


def test_a_name_that_no_disk_holds_is_named(cli: Cli) -> None:
    ended = cli("status", "x" * 300, code=2)
    assert "too long" in ended.err


def test_a_message_that_went_away_is_named(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none")
    (tmp_path / "mail").mkdir()
    for name in "abc":
        make(tmp_path, f"mail/{name}.eml", b"From: a@b.c\nX-Date: none\n\nx\n")
    load = ("load", "mail", "--run", "run", "--base-url", remote.url, "--max-dead-letters", "0")
    cli(*load, code=3)
    (tmp_path / "mail" / "b.eml").unlink()
    assert "1 of its messages are gone, as b.eml" in cli("resume", "run", code=4).err


def test_a_table_on_stdin_is_not_taken_for_lines_of_json(cli: Cli, tmp_path: Path) -> None:
    make(tmp_path, "in.csv", b"hs_timestamp,a\n1,2\n")
    with (tmp_path / "in.csv").open("rb") as stdin:
        ended = cli("load", "-", "--run", "run", "--base-url", NOWHERE, stdin=stdin, code=2)
    assert "Say which with --format" in ended.err
    make(tmp_path, "in.parquet", b"PAR1" + bytes(99))
    with (tmp_path / "in.parquet").open("rb") as stdin:
        ended = cli("load", "-", "--run", "run", "--base-url", NOWHERE, stdin=stdin, code=2)
    assert "stdin can't hold parquet" in ended.err
