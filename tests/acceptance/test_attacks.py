"""What an attack on the laws found: each case here was lost, stuck or said wrongly once."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.harness import Cli, Sandbox, letters, ndjson, until


def _hot_journal(folder: Path) -> None:
    """journal.db as a kill leaves it between its first page and the end of that transaction."""
    made = folder / "made.db"
    connection = sqlite3.connect(made, isolation_level=None)
    connection.execute("PRAGMA cache_size=1")
    connection.execute("BEGIN EXCLUSIVE")
    connection.execute("CREATE TABLE t (x)")
    connection.executemany("INSERT INTO t VALUES (?)", [(bytes(5_000),)] * 50)
    (folder / "run").mkdir()
    (folder / "run" / "journal.db").write_bytes(made.read_bytes()[:4096])
    shutil.copy(f"{made}-journal", folder / "run" / "journal.db-journal")
    connection.close()


def test_a_kill_while_the_journal_file_is_made_leaves_no_directory_that_is_stuck(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox()
    source = ndjson(tmp_path / "in.ndjson", 10)
    _hot_journal(tmp_path)
    cli("status", "run", code=2)
    ended = cli("load", source, "--run", "run", "--base-url", remote.url, "--json", code=0)
    assert ended.summary()["loaded"] == 10


def test_what_lies_behind_the_limit_of_a_replay_is_for_the_next(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox()
    source = ndjson(tmp_path / "in.ndjson", 20, hs_email_status=lambda _: "NOPE")
    cli("load", source, "--run", "run", "--base-url", remote.url, code=1)
    mended = (tmp_path / "run" / "dead-letters.ndjson").read_text().replace("NOPE", "SENT")
    (tmp_path / "run" / "dead-letters.ndjson").write_text(mended)
    cli("replay", "run", "--limit", 5, code=0)
    assert cli("replay", "run", "--json", code=0).summary()["loaded"] == 15
    assert remote.subjects() == {f"s {n}": 1 for n in range(20)}


def _slow(remote: Sandbox, *sources: Path) -> list[object]:
    words: list[object] = ["load", *sources, "--run", "run", "--base-url", remote.url, "--json"]
    return [*words, "--rate-limit", "40/1s", "--max-in-flight", 2, "--no-progress"]


def test_a_file_that_is_cut_while_it_is_read_does_not_end_as_settled(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none")
    source = ndjson(tmp_path / "in.ndjson", 15_000)
    whole = source.read_bytes()
    with cli.start(*_slow(remote, source)) as process:
        until(lambda: int(remote.books()["creates_seen"]) >= 2)
        os.truncate(source, len(whole) // 2)
        _, err = process.communicate()
    assert process.returncode == 4
    assert b"changed while it was read" in err
    source.write_bytes(whole)
    ended = cli("resume", "run", "--rate-limit", "100000/1s", "--json")
    assert ended.summary()["read"] == 15_000


def test_a_later_source_that_is_gone_stops_resumable(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--bare", "--rate-limit", "none")
    first, second = ndjson(tmp_path / "a.ndjson", 4_000), ndjson(tmp_path / "b.ndjson", 50)
    with cli.start(*_slow(remote, first, second)) as process:
        until(lambda: int(remote.books()["creates_seen"]) >= 2)
        second.rename(tmp_path / "away")
        process.communicate()
    assert process.returncode == 3
    (tmp_path / "away").rename(second)
    ended = cli("resume", "run", "--rate-limit", "100000/1s", "--json", code=0)
    assert ended.summary()["loaded"] == 4_050


def test_too_many_open_files_is_no_fault_of_a_message(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none", "--latency", "100")
    (tmp_path / "mail").mkdir()
    for number in range(600):
        text = f"Date: Mon, 6 Jan 2020 10:00:00 +0000\nSubject: s {number}\n\nhello\n"
        (tmp_path / "mail" / f"{number:05}.eml").write_text(text)
    with cli.start(
        "load", "mail", "--run", "run", "--base-url", remote.url, "--batch-size", 2,
        "--max-in-flight", 40, "--rate-limit", "100000/1s", "--no-progress",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24)),
    ) as process:  # fmt: skip
        process.communicate()
    assert process.returncode == 3
    assert not letters(tmp_path / "run")
    assert cli("resume", "run", "--json", code=0).summary()["loaded"] == 600


@pytest.mark.parametrize("stream", ["stderr", "stdout"])
def test_a_signal_drains_also_where_nobody_reads_what_is_said(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path, stream: str
) -> None:
    remote = sandbox("--rate-limit", "none")
    with cli.start(*_slow(remote, ndjson(tmp_path / "in.ndjson", 50_000))) as process:
        until(lambda: int(remote.books()["creates_seen"]) >= 2)
        getattr(process, stream).close()
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(5)
        finally:
            process.kill()
    assert code == 3


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("call", ["pwrite64:error=ENOSPC:when=1", "fdatasync:error=EIO:when=5"])
def test_a_disk_that_fails_at_the_start_refuses_in_words(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path, call: str
) -> None:
    remote = sandbox()
    words = ["load", str(ndjson(tmp_path / "in.ndjson", 10)), "--run", "run"]
    command = ["strace", "-f", "-o", "/dev/null", "-e", f"inject={call}", sys.executable]
    done = subprocess.run(
        [*command, "-m", "bulkload", *words, "--base-url", remote.url, "--json"],
        cwd=tmp_path, env=cli.environment, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 2, 3)
    if done.returncode == 3:  # once it had begun: what the disk said is not dropped
        assert "is full" in done.stderr
        cli("resume", "run", code=0)
        assert remote.subjects().total() == 10


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_the_letters_are_on_the_disk_before_the_run_is_complete(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox()
    source = ndjson(tmp_path / "in.ndjson", 10, hs_email_status=lambda _: "NOPE")
    trace = tmp_path / "trace"
    command = ["strace", "-f", "-y", "-e", "trace=fsync,fdatasync", "-o", str(trace)]
    subprocess.run(
        [*command, sys.executable, "-m", "bulkload", "load", str(source), "--run", "run",
         "--base-url", remote.url, "--no-progress"],
        cwd=tmp_path, env=cli.environment, timeout=100, capture_output=True, check=False,
    )  # fmt: skip
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["dead_lettered"] == 10
    lines = trace.read_text(errors="replace").splitlines()
    synced = [n for n, line in enumerate(lines) if "dead-letters.ndjson" in line]
    assert synced, "the letters were never synced"
    assert any("journal.db-wal" in line for line in lines[synced[-1] :]), "complete came first"


@pytest.mark.parametrize("portal", ["--bare", "--only-key"])
def test_a_lone_poison_record_does_not_keep_the_only_worker_from_all_others(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path, portal: str
) -> None:
    remote = sandbox(portal, "--poison", "^s 5$")
    source = ndjson(tmp_path / "in.ndjson", 30)
    ended = cli(
        "load", source, "--run", "run", "--base-url", remote.url, "--json", "--in-doubt", "resend",
        "--max-in-flight", 1, "--batch-size", 1, "--max-attempts", 3, "--max-outage", 15,
        "--timeout", 1, code=1,
    )  # fmt: skip
    assert ended.summary()["loaded"] == 29
    if portal == "--bare":
        (doubt,) = cli("doubts", "run", "--json", code=1).out.splitlines()
        assert json.loads(doubt)["ordinal"] == 5
        return
    # The key tells that it was never made, so a letter can't lead to a double.
    (letter,) = letters(tmp_path / "run")
    assert (letter["ordinal"], letter["reason"]) == (5, "undeliverable")
    assert "others went through" in letter["message"]
