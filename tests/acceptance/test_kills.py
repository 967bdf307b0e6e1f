"""Kill it anywhere: SIGKILL at random moments, resume, and the books against what went in."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.harness import Cli, Sandbox, ndjson, until

KILLS = 20
RECORDS = 50_000
IN_FLIGHT, BATCH = 8, 50


def test_twenty_kills_lose_nothing_and_make_nothing_twice(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--bare", "--rate-limit", "none", "--latency", "30", "--seed", "5")
    source = ndjson(tmp_path / "in.ndjson", RECORDS)
    draw = random.Random(20)
    words: list[object] = ["load", source, "--run", "run", "--base-url", remote.url]
    words += ["--batch-size", BATCH, "--max-in-flight", IN_FLIGHT, "--rate-limit", "100000/1s"]
    killed = 0
    for _ in range(KILLS):
        seen = int(remote.books()["creates_seen"])
        with cli.start(*words, "--no-progress", "--json") as process:
            # At random: from before the first call to well into the stream of them.
            target = seen + draw.choice([0, 1, draw.randrange(2, 45)])
            until(lambda p=process, t=target: (  # type: ignore[misc]  # bound at once
                p.poll() is not None or int(remote.books()["creates_seen"]) >= t
            ))  # fmt: skip
            time.sleep(draw.random() * 0.03)
            killed += process.poll() is None
            process.kill()
            process.communicate()
        if (tmp_path / "run" / "journal.db").exists() and cli("status", "run").code != 2:
            words = ["resume", "run"]
    assert killed == KILLS
    ended = cli(*words, "--no-progress", "--json")
    summary = ended.summary()
    assert ended.code == (1 if summary["in_doubt"] else 0)
    assert summary["read"] == RECORDS
    created = remote.subjects()
    assert max(created.values()) == 1, "made twice"
    listed = [json.loads(line) for line in cli("doubts", "run", "--json").out.splitlines()]
    doubtful = {f"s {doubt['ordinal']}" for doubt in listed}
    assert len(doubtful) == len(listed) == summary["in_doubt"]
    assert len(doubtful) <= IN_FLIGHT * BATCH * KILLS
    assert {f"s {n}" for n in range(RECORDS)} - set(created) <= doubtful, "lost"
    assert summary["loaded"] == len(set(created) - doubtful)
    for doubt in listed:
        assert doubt["position"]["number"] == doubt["ordinal"] + 1


def test_resend_sends_what_was_in_flight_again_and_loses_nothing(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--bare", "--rate-limit", "none", "--fault", "stall=100%")
    source = ndjson(tmp_path / "in.ndjson", 1_000)
    with cli.start(
        "load", source, "--run", "run", "--base-url", remote.url, "--max-in-flight", 3
    ) as process:
        until(lambda: int(remote.books()["creates_seen"]) >= 3)
        process.kill()
        process.communicate()
    remote.faults(faults={})
    cut = cli("doubts", "run", code=1)
    assert "300 records are under way" in cut.err
    assert "300 records were under way" in cli("status", "run", code=3).out
    ended = cli("resume", "run", "--in-doubt", "resend", "--json", "--no-progress", code=0)
    assert ended.summary()["loaded"] == 1_000
    assert set(remote.subjects()) == {f"s {n}" for n in range(1_000)}


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_the_intent_is_synced_before_the_request_leaves(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none")
    source = ndjson(tmp_path / "in.ndjson", 10)
    trace = tmp_path / "trace"
    command = ["strace", "-f", "-y", "-s", "60", "-e", "trace=fdatasync,fsync,sendto,write,sendmsg"]
    command += ["-o", str(trace), sys.executable, "-m", "bulkload", "load", str(source)]
    command += ["--run", "run", "--base-url", remote.url, "--no-progress"]
    subprocess.run(
        command, cwd=tmp_path, env=cli.environment, check=True, timeout=100, capture_output=True
    )
    lines = trace.read_text(errors="replace").splitlines()
    sent = next(n for n, line in enumerate(lines) if "POST /crm/v3/objects/emails/batch" in line)
    account = next(n for n, line in enumerate(lines) if "GET /account-info" in line)
    synced = [n for n, line in enumerate(lines) if "sync(" in line and "journal.db-wal" in line]
    assert any(account < n < sent for n in synced), "no sync of the journal before the send"
    assert any(n > sent for n in synced), "no sync of the outcome after the send"


def test_what_was_held_in_doubt_is_sent_again_at_the_users_word(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--bare", "--rate-limit", "none", "--fault", "503=20%", "--seed", "4")
    source = ndjson(tmp_path / "in.ndjson", 3_000)
    fast = ("--rate-limit", "100000/1s", "--json", "--no-progress")
    held = cli("load", source, "--run", "run", "--base-url", remote.url, *fast, code=1).summary()
    assert held["in_doubt"] > 0
    assert cli("resume", "run", "--json", code=1).summary()["in_doubt"] == held["in_doubt"]
    remote.faults(faults={})
    ended = cli("resume", "run", "--in-doubt", "resend", "--json", code=0)
    assert f"{held['in_doubt']:,} records in doubt are sent again" in ended.err
    assert ended.summary()["loaded"] == 3_000
    created = remote.subjects()
    assert (len(created), created.total()) == (3_000, 3_000)
