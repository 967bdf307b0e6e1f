"""Dead letters: mended where they stand, sent again, and never twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.acceptance.harness import Cli, Sandbox, letters, ndjson

FAST = ("--json", "--no-progress", "--rate-limit", "100000/1s")


def load_with_bad(cli: Cli, remote: Sandbox, folder: Path) -> Path:
    """200 records, of which those that end in 7 name a property that does not exist."""
    source = ndjson(folder / "in.ndjson", 200, wrong_name=lambda n: "1" if n % 10 == 7 else None)
    ended = cli(
        "load", source, "--run", "run", "--base-url", remote.url, "--max-dead-letters", "100%",
        *FAST, code=1,
    )  # fmt: skip
    assert ended.summary()["dead_lettered"] == 20
    return folder / "run"


def mend(run: Path, which: Callable[[dict[str, Any]], bool]) -> None:
    changed = letters(run)
    for letter in changed:
        if which(letter):
            del letter["record"]["properties"]["wrong_name"]
    lines = "".join(json.dumps(letter) + "\n" for letter in changed)
    (run / "dead-letters.ndjson").write_text(lines)


def test_mended_letters_are_loaded_and_not_sent_by_the_next_replay(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none")
    run = load_with_bad(cli, remote, tmp_path)
    mend(run, lambda letter: letter["ordinal"] < 100)
    first = cli("replay", "run", *FAST, code=1).summary()
    assert (first["loaded"], first["dead_lettered"]) == (10, 10)
    again = letters(Path(tmp_path, first["run"]))
    assert {letter["origin"]["ordinal"] for letter in again} == set(range(107, 200, 10))
    mend(run, lambda letter: letter["ordinal"] >= 100)
    second = cli("replay", "run", *FAST, code=0).summary()
    assert (second["read"], second["loaded"]) == (10, 10)
    created = remote.subjects()
    assert (len(created), created.total()) == (200, 200)
    nothing = cli("replay", "run", *FAST, code=2)
    assert "no dead letter to send" in nothing.err


def test_a_replay_of_a_replay_counts_for_the_first_run_too(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none")
    run = load_with_bad(cli, remote, tmp_path)
    child = Path(tmp_path, cli("replay", "run", *FAST, code=1).summary()["run"])
    mend(child, lambda _: True)
    assert cli("replay", child, *FAST, code=0).summary()["loaded"] == 20
    mend(run, lambda _: True)
    assert "no dead letter to send" in cli("replay", "run", *FAST, code=2).err
    assert remote.subjects().total() == 200


def test_a_letter_file_elsewhere_is_a_source_too(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none")
    run = load_with_bad(cli, remote, tmp_path)
    mend(run, lambda _: True)
    copy = tmp_path / "mended.ndjson"
    copy.write_bytes((run / "dead-letters.ndjson").read_bytes())
    ended = cli("replay", copy, "--base-url", remote.url, *FAST, code=0).summary()
    assert ended["loaded"] == 20


def test_an_edited_letter_file_is_set_aside_by_a_resume_never_cut(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none")
    source = ndjson(tmp_path / "in.ndjson", 2_000, wrong_name=lambda n: "1" if n < 1500 else None)
    cli("load", source, "--run", "run", "--base-url", remote.url, "--max-in-flight", 1, *FAST,
        code=3)  # fmt: skip
    edited = tmp_path / "run" / "dead-letters.ndjson"
    before = letters(tmp_path / "run")
    edited.write_text("mine\n" + edited.read_text())
    ended = cli("resume", "run", "--max-dead-letters", "100%", "--json", code=1)
    assert "had been edited" in ended.err
    aside = tmp_path / "run" / "dead-letters.edited-1.ndjson"
    assert aside.read_text().startswith("mine\n")
    now = letters(tmp_path / "run")
    assert now[: len(before)] == before
    assert len(now) == 1_500


def test_an_unfinished_replay_has_to_be_resumed_first(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none", "--token", "pat-test-3f9d1c")
    load_with_bad(cli, remote, tmp_path)
    cli.environment["HUBSPOT_ACCESS_TOKEN"] = "pat-wrong"
    stopped = cli("replay", "run", *FAST, code=3).summary()
    cli.environment["HUBSPOT_ACCESS_TOKEN"] = "pat-test-3f9d1c"
    refused = cli("replay", "run", *FAST, code=2)
    assert "has not ended" in refused.err
    assert "run-replay-1" in refused.err
    cli(*str(stopped["resume"]).split()[1:], "--json", code=1)


def test_a_letter_that_stands_in_the_file_twice_is_sent_once(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none")
    run = load_with_bad(cli, remote, tmp_path)
    mend(run, lambda _: True)
    file = run / "dead-letters.ndjson"
    file.write_text(file.read_text() * 2)
    ended = cli("replay", "run", *FAST, code=0)
    assert ended.summary()["loaded"] == 20
    assert "20 stand in the file twice" in ended.err
    assert remote.subjects().total() == 200


def test_a_letter_file_that_is_gone_is_written_anew_from_the_journal(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none")
    run = load_with_bad(cli, remote, tmp_path)
    before = letters(run)
    (run / "dead-letters.ndjson").unlink()
    assert cli("replay", "run", *FAST, code=1).summary()["dead_lettered"] == 20
    assert letters(run) == before
