"""Nothing lost, nothing twice: faults, lost answers and twenty kills, and the books afterwards."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.harness import Cli, Sandbox, letters, ndjson, until

RECORDS = 50_000
KILLS = 20
FAULTS = ("--fault", "reset-after=5%", "--fault", "504-after=3%", "--fault", "503=3%")
FAST = ("--rate-limit", "100000/1s", "--no-progress", "--json")


def killed_often(
    cli: Cli,
    remote: Sandbox,
    words: list[object],
    *,
    kills: int = KILLS,
    seed: int = 7,
    calm: bool = False,
    patience: float = 300,
) -> dict[str, Any]:
    """Load, killed at random so many times and resumed each time; the last summary.

    `calm`: the remote has no faults in the last life.
    """
    draw = random.Random(seed)
    for _ in range(kills):
        seen = int(remote.books()["creates_seen"])
        with cli.start(*words, *FAST) as process:
            target = seen + draw.choice([0, 1, draw.randrange(2, 40)])
            until(lambda p=process, t=target: (  # type: ignore[misc]  # bound at once
                p.poll() is not None or int(remote.books()["creates_seen"]) >= t
            ))  # fmt: skip
            time.sleep(draw.random() * 0.05)
            assert process.poll() is None, "it ended before it was killed"
            process.kill()
            process.communicate()
        if cli("status", "run").code != 2:
            words = ["resume", "run"]
    if calm:
        remote.faults(faults={})
    return cli(*words, *FAST, patience=patience).summary()


@pytest.mark.parametrize(
    "portal", [(), ("--only-key",), ("--only-key", "--read-lag", "1")], ids=str
)
def test_with_a_key_nothing_is_lost_made_twice_or_in_doubt(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path, portal: tuple[str, ...]
) -> None:
    remote = sandbox(*portal, "--rate-limit", "none", "--latency", "50", "--seed", "3", *FAULTS)
    source = ndjson(tmp_path / "in.ndjson", RECORDS)
    words: list[object] = ["load", source, "--run", "run", "--base-url", remote.url]
    summary = killed_often(cli, remote, words)
    assert summary["exit_code"] == 0
    assert (summary["loaded"], summary["in_doubt"], summary["existing"]) == (RECORDS, 0, 0)
    created = remote.subjects()
    assert len(created) == created.total() == RECORDS
    assert cli("doubts", "run", code=0).out == ""
    struck = remote.books()["faults"]
    assert min(struck.get(kind, 0) for kind in ("reset-after", "504-after", "503")) > 3


@pytest.mark.parametrize("portal", [(), ("--only-key",), ("--no-trace-ids",)], ids=str)
def test_a_source_that_was_loaded_before_makes_nothing(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path, portal: tuple[str, ...]
) -> None:
    remote = sandbox(*portal, "--rate-limit", "none")
    ndjson(tmp_path / "in.ndjson", 1_000)
    lines = (tmp_path / "in.ndjson").read_text().splitlines(keepends=True)
    load = ("load", "--base-url", remote.url, *FAST)
    first = cli(*load, "in.ndjson", "--run", "one", code=0).summary()
    assert first["loaded"] == 1_000
    second = cli(*load, "in.ndjson", "--run", "two", code=0).summary()
    assert (second["loaded"], second["existing"]) == (0, 1_000)
    # An overlapping export under another name, with a record twice.
    more = [line.replace('"s ', '"t ') for line in lines[:50]]
    (tmp_path / "other.ndjson").write_text("".join(lines[900:] + more + lines[:1] + more[:1]))
    third = cli(*load, "other.ndjson", "--run", "three", code=0).summary()
    assert (third["loaded"], third["existing"], third["skipped"]) == (50, 101, 1)
    assert remote.books()["emails"] == 1_050


def test_a_record_twice_in_a_run_is_skipped_the_second_time_however_far_apart(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--only-key", "--rate-limit", "none")
    ndjson(tmp_path / "in.ndjson", 12_000)
    lines = (tmp_path / "in.ndjson").read_text().splitlines(keepends=True)
    (tmp_path / "in.ndjson").write_text("".join([*lines, *lines[:150], *lines[-150:]]))
    ended = cli("load", "in.ndjson", "--base-url", remote.url, *FAST, "--max-in-flight", 4, code=0)
    assert ended.summary()["loaded"] == 12_000
    assert ended.summary()["skipped"] == 300
    assert remote.books()["emails"] == 12_000


@pytest.mark.parametrize("category", ["VALIDATION_ERROR", "CONFLICT"])
def test_an_archived_record_that_holds_its_key_is_a_letter_that_says_so(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path, category: str
) -> None:
    remote = sandbox("--rate-limit", "none", "--conflict-category", category)
    ndjson(tmp_path / "in.ndjson", 150)
    load = ("load", "in.ndjson", "--base-url", remote.url, *FAST)
    cli(*load, "--run", "one", code=0)
    cli("undo", "one", "--yes", code=0)
    again = cli(*load, "--run", "two", "--max-dead-letters", "100%", code=1).summary()
    assert again["dead_lettered"] == 150
    for letter in letters(tmp_path / "two"):
        assert "archived, still holds its key" in letter["message"]
        assert letter["reason"] == "rejected"


def test_the_key_stays_through_a_rename_an_edit_and_a_replay(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none")
    ndjson(
        tmp_path / "in.ndjson", 20,
        hs_email_direction=lambda n: "NOWHERE" if n == 7 else "EMAIL",
    )  # fmt: skip
    load = ("load", "--base-url", remote.url, *FAST)
    assert cli(*load, "in.ndjson", "--run", "one", code=1).summary()["dead_lettered"] == 1
    file = tmp_path / "one" / "dead-letters.ndjson"
    (letter,) = letters(tmp_path / "one")
    assert len(letter["key"]) == 64
    file.write_text(file.read_text().replace("NOWHERE", "EMAIL"))
    assert cli("replay", "one", *FAST, code=0).summary()["loaded"] == 1
    keys = {e["properties"]["hs_email_subject"]: e["properties"]["bulkload_key"]
            for e in remote.emails()}  # fmt: skip
    assert keys["s 7"] == letter["key"]
    (tmp_path / "in.ndjson").rename(tmp_path / "renamed.ndjson")
    last = cli(*load, "renamed.ndjson", "--run", "two", code=1).summary()
    assert (last["loaded"], last["existing"], last["dead_lettered"]) == (0, 19, 1)
    assert letters(tmp_path / "two")[0]["key"] == letter["key"]
    assert cli("replay", "one", *FAST, code=2).err, "it was loaded by the replay before"
    runs = Counter(e["properties"]["bulkload_run"] for e in remote.emails())
    assert sorted(runs.values()) == [1, 19]


def test_a_key_from_a_field_names_a_row_whatever_else_changes(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none")
    (tmp_path / "a.csv").write_text(
        "hs_timestamp,hs_email_subject\n" + "".join(f"17000000000{n:02},s {n}\n" for n in range(50))
    )
    (tmp_path / "b.ndjson").write_text(
        "".join(
            json.dumps({"hs_timestamp": f"17000000001{n:02}", "hs_email_subject": f"s {n}"}) + "\n"
            for n in range(40, 60)
        )
        + '{"hs_timestamp":"17"}\n'
    )
    load = ("load", "--base-url", remote.url, "--key", "hs_email_subject", *FAST)
    assert cli(*load, "a.csv", code=0).summary()["loaded"] == 50
    second = cli(*load, "b.ndjson", "--run", "b", code=1).summary()
    assert (second["loaded"], second["existing"], second["dead_lettered"]) == (10, 10, 1)
    (letter,) = letters(tmp_path / "b")
    assert "hs_email_subject" in letter["message"]
    assert letter["reason"] == "unmappable"


@pytest.mark.parametrize(
    ("name", "why"),
    [("hs_email_subject", "without unique values"), ("no_such_thing", "no such property")],
)
def test_a_key_property_that_the_portal_has_not_is_refused_and_leaves_no_run(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path, name: str, why: str
) -> None:
    remote = sandbox()
    ndjson(tmp_path / "in.ndjson", 5)
    load = ("load", "in.ndjson", "--base-url", remote.url, *FAST)
    refused = cli(*load, "--key-property", name, code=2).err
    assert why in refused
    assert remote.books()["emails"] == 0
    assert cli(*load, code=0).summary()["loaded"] == 5


def test_an_outage_with_a_key_leaves_no_doubt(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none", "--latency", "30", "--outage", "0.5+3:503")
    source = ndjson(tmp_path / "in.ndjson", 30_000)
    ended = cli("load", source, "--base-url", remote.url, *FAST, code=0).summary()
    assert ended["loaded"] == 30_000
    assert remote.subjects().total() == 30_000
    assert remote.books()["faults"]["outage-503"] < 60, "it is asked by one read at a time"


def test_without_a_key_each_record_that_is_missing_is_listed(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--bare", "--rate-limit", "none", "--latency", "50", "--seed", "3", *FAULTS)
    source = ndjson(tmp_path / "in.ndjson", RECORDS)
    words: list[object] = ["load", source, "--run", "run", "--base-url", remote.url]
    summary = killed_often(cli, remote, words)
    created = remote.subjects()
    assert max(created.values()) == 1, "made twice"
    listed = [json.loads(line) for line in cli("doubts", "run", "--json", code=1).out.splitlines()]
    doubtful = {f"s {doubt['ordinal']}" for doubt in listed}
    assert len(doubtful) == len(listed) == summary["in_doubt"]
    assert {f"s {n}" for n in range(RECORDS)} - created.keys() <= doubtful, "lost"
    assert summary["loaded"] == len(created.keys() - doubtful)
    assert {"batch", "doubtful_since", "sent_at", "attempts", "note"} <= listed[0].keys()
