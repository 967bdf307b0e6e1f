"""A replay is begun, or nothing of it is left; why it could not begin is said in its words."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from bulkload import replay
from bulkload.afterwards import replaying
from bulkload.errors import RefusedToStart
from bulkload.journal import journal as journals
from bulkload.journal import schema
from bulkload.options import Options
from bulkload.records.rules import Rules
from bulkload.rundir import RunDir
from bulkload.runs import lineage
from tests.making import FACTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LETTER = b'{"run":"r","ordinal":3,"record":{"properties":{"hs_timestamp":"1700000000000"}}}\n'


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    made = RunDir(tmp_path / "run")
    made.create()
    rules = Rules().as_json()
    journals.create(made, {**FACTS, "options": Options().as_json(), "rules": rules})
    made.letters.write_bytes(LETTER)
    return made


def full(*_: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def locked(run: RunDir, _path: Path) -> None:
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = sqlite3.SQLITE_BUSY
    raise schema.damaged(run.journal, error)


@pytest.mark.parametrize(
    ("where", "what", "fails", "why"),
    [
        (replaying, "private", full, "No space left"),
        (replaying, "_name", full, "No space left"),
        (journals, "register_replay", locked, "database is locked"),
        (RunDir, "lay_ballast", full, "No space left"),
        (journals, "create", full, "No space left"),
    ],
)
def test_what_keeps_it_from_beginning_refuses_it_and_leaves_nothing(
    run: RunDir,
    monkeypatch: pytest.MonkeyPatch,
    where: object,
    what: str,
    fails: Callable[..., None],
    why: str,
) -> None:
    """But a directory that the run knows of: it would be missed by the next replay."""
    child = run.path.with_name("run-replay-1")
    with monkeypatch.context() as patched:
        patched.setattr(where, what, fails)
        said = f"can't be begun .*{why}.*; nothing was sent"
        with pytest.raises(RefusedToStart, match=said) as told:
            asyncio.run(replay(run.path, token="x"))
    assert "resume" not in str(told.value)
    known = [state for _, state in lineage.replays(run)]
    assert known in ([], ["not begun"])
    left = {path.name for path in child.iterdir()} if child.exists() else set()
    assert left <= {"run.lock"}
    assert lineage.settled(run, replaying._refuse) == set()


def test_a_mark_of_an_editor_is_no_part_of_a_letter(run: RunDir, tmp_path: Path) -> None:
    """A letter that is not known again would be sent by each replay."""
    run.letters.write_bytes(b"\xef\xbb\xbf" + LETTER)
    spooled = replaying._spool(run.letters, tmp_path / "spool", "r", set())
    assert (spooled.sent, spooled.lineage) == (1, [(0, 3)])
    assert (tmp_path / "spool").read_bytes() == LETTER
