"""Without a key: what search proves, and what stays in doubt, by the books.

These wait for the time in which a call may still be carried out: a minute and its time limit.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.harness import Cli, Sandbox, ndjson, until
from tests.acceptance.test_nothing_twice import FAST, FAULTS, killed_often

VERIFY = ("--in-doubt", "verify", "--timeout", "1.5")


@pytest.mark.parametrize(("lag", "normalise"), [(1, ()), (5, ("--normalise",))])
def test_verify_leaves_in_doubt_only_what_is_truly_alike(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path, lag: int, normalise: tuple[str, ...]
) -> None:
    remote = sandbox(
        "--bare", "--rate-limit", "none", "--latency", "30", "--search-lag", str(lag),
        "--seed", str(lag), *normalise, *FAULTS,
    )  # fmt: skip
    count = 12_000
    source = ndjson(tmp_path / "in.ndjson", count, hs_email_text=lambda n: f"text {n} ")
    twins = source.read_text().splitlines(keepends=True)[5_000:5_040]
    with source.open("a") as file:
        file.writelines(twins)
    words: list[object] = ["load", source, "--run", "run", "--base-url", remote.url, *VERIFY]
    summary = killed_often(cli, remote, words, kills=4, calm=lag > 1)
    assert summary["read"] == count + 40
    created = remote.subjects()
    alike = {f"s {n}" for n in range(5_000, 5_040)}
    assert {s for s, times in created.items() if times > 1} <= alike
    assert max(created.values()) <= 2, "made twice"
    doubts = [json.loads(line) for line in cli("doubts", "run", "--json").out.splitlines()]
    # The very last call of a run has nothing newer that would prove its record absent.
    assert len(doubts) <= 40 + 1
    missing = {f"s {n}" for n in range(count)} - created.keys()
    assert missing <= {f"s {d['ordinal'] % count}" for d in doubts}, "lost"
    assert summary["loaded"] + len(doubts) == count + 40


def test_resolve_finds_what_was_held_and_holds_what_it_cannot_prove(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--bare", "--rate-limit", "none", "--search-lag", "1")
    remote.faults(faults={"reset-after": 0.15, "503": 0.15})
    source = ndjson(tmp_path / "in.ndjson", 2_000)
    load = ("load", source, "--run", "run", "--base-url", remote.url, "--timeout", 1, *FAST)
    held = cli(*load, "--batch-size", 20, code=1).summary()
    made = remote.subjects()
    assert held["loaded"] < len(made) < 2_000
    remote.faults(faults={})
    # Somebody makes a record meanwhile, so long after the wait as clocks may be apart (two looks
    # are further): it proves that search has caught up.
    with cli.start("resolve", "run", *FAST) as resolving:
        until(lambda: remote.books()["requests"].get("/crm/v3/objects/emails/search", 0) >= 3, 90)
        ndjson(tmp_path / "more.ndjson", 1, hs_email_subject=lambda _: "newer")
        cli("load", "more.ndjson", "--base-url", remote.url, code=0)
        out, err = resolving.communicate(timeout=110)
    ended = json.loads(out)
    assert resolving.returncode == 0, err
    assert (ended["loaded"], ended["in_doubt"]) == (2_000, 0)
    created = remote.subjects()
    assert created.total() == 2_001
    assert len(created) == 2_001


def test_resolve_by_the_users_word(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--bare", "--rate-limit", "none", "--fault", "503=100%")
    ndjson(tmp_path / "in.ndjson", 10)
    load = ("load", "in.ndjson", "--run", "run", "--base-url", remote.url, *FAST)
    assert cli(*load, "--max-in-flight", 1, code=1).summary()["in_doubt"] == 10
    remote.faults(faults={})
    assert "--as takes the records" in cli("resolve", "run", "3", code=2).err
    assert "--as takes the records" in cli("resolve", "run", "--as", "absent", code=2).err
    assert "no records" in cli("resolve", "run", "--as", "absent", "x", code=2).err
    assert "bulkload doubts" in cli("resolve", "run", "--as", "absent", "99", code=2).err
    ended = cli("resolve", "run", "--as", "loaded", "0-2", *FAST, code=1).summary()
    assert (ended["loaded"], ended["in_doubt"]) == (3, 7)
    ended = cli("resolve", "run", "--as", "absent", "3", "5-6", *FAST, code=1).summary()
    assert (ended["loaded"], ended["in_doubt"]) == (6, 4)
    assert remote.subjects().keys() == {"s 3", "s 5", "s 6"}
    ended = cli("resolve", "run", "--as", "absent", "--all", *FAST, code=0).summary()
    assert (ended["loaded"], ended["in_doubt"]) == (10, 0)
    assert remote.subjects().total() == 7
    assert cli("resolve", "run", *FAST, code=0).summary()["loaded"] == 10, "nothing is left to do"


def test_resolve_with_a_key_settles_a_killed_run_and_reads_nothing_new(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none", "--fault", "stall=100%")
    source = ndjson(tmp_path / "in.ndjson", 1_000)
    with cli.start(
        "load", source, "--run", "run", "--base-url", remote.url, "--max-in-flight", 4, *FAST
    ) as process:
        until(lambda: int(remote.books()["creates_seen"]) >= 4)
        process.kill()
        process.communicate()
    remote.faults(faults={})
    ended = cli("resolve", "run", *FAST, code=3)
    assert ended.summary()["loaded"] == 400
    assert "bulkload resume run" in ended.err
    assert remote.subjects().total() == 400
    assert cli("resume", "run", *FAST, code=0).summary()["loaded"] == 1_000
    assert remote.subjects().total() == 1_000


def test_doubts_whose_source_is_gone_stay_what_they_are(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--bare", "--rate-limit", "none", "--fault", "503=30%", "--seed", "3")
    source = ndjson(tmp_path / "in.ndjson", 40)
    load = ("load", source, "--run", "run", "--base-url", remote.url, "--batch-size", 10)
    before = cli(*load, "--max-in-flight", 1, *FAST, code=1).summary()
    assert 0 < before["in_doubt"] < 40
    remote.faults(faults={})
    source.rename(tmp_path / "away")
    assert "in.ndjson" in cli("resolve", "run", "--as", "absent", "--all", code=3).out
    after = cli("status", "run", "--json", code=1).summary()
    assert after["in_doubt"] == before["in_doubt"]
    (tmp_path / "away").rename(source)
    with cli.start("resolve", "run", "--as", "absent", "--all", *FAST) as resolving:
        remote.faults(faults={"stall": 1.0})
        until(lambda: remote.books()["requests"].get("/crm/v3/objects/emails/batch/create", 0) > 4)
        resolving.kill()
        resolving.communicate()
    ended = cli("resolve", "run", "--as", "loaded", "--all", *FAST, code=0).summary()
    assert (ended["loaded"], ended["in_doubt"]) == (40, 0), "the run is whole again"


def test_a_killed_run_whose_source_is_gone_can_be_undone(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--bare", "--rate-limit", "none", "--latency", "200")
    source = ndjson(tmp_path / "in.ndjson", 2_000)
    with cli.start(
        "load", source, "--run", "run", "--base-url", remote.url, "--max-in-flight", 1, *FAST
    ) as process:
        until(lambda: len(remote.emails()) >= 200 and remote.arrivals()[-1]["ended"] is None)
        process.kill()
        process.communicate()
    source.unlink()
    refused = cli("undo", "run", "--yes", code=2)
    assert "bulkload resolve run --as loaded --all leaves what became of them to you" in refused.err
    cli("resolve", "run", code=2)
    believed = cli("resolve", "run", "--as", "loaded", "--all", *FAST, code=3).summary()
    assert believed["in_doubt"] == 0
    undone = cli("undo", "run", "--yes", "--json", code=0)
    assert json.loads(undone.out)["archived"] == believed["loaded"] - 100
    assert "100 records count as loaded, and what ids they have is not known" in undone.err
