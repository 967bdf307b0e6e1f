"""A run's replays: how they stand, and which of its dead letters they have settled.

Law kept here: nothing twice: a letter that any of them, or a replay of one of them, loaded or left
in doubt, is settled; one that was loaded and undone is to be sent again. Memory is bounded: letters
may be as many as records, and cost some bits each.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from bulkload.errors import BulkloadError
from bulkload.journal import readers, undo
from bulkload.ordinals import Ticked
from bulkload.rundir import RunDir

State: TypeAlias = Literal[
    "gone", "unreadable", "not begun", "not ended", "ended", "undone", "partly undone"
]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def replays(run: RunDir) -> Iterator[tuple[RunDir, State]]:
    """Those that were made of a run; one that is "not begun" was killed before it could send
    anything, an "unreadable" one is damaged or another version's; of a "partly undone" one it can't
    be known which records are still there.
    """
    for path in readers.replays(run):
        child = _found(run, Path(path))
        yield child, _state(child)


def _found(run: RunDir, path: Path) -> RunDir:
    """Where a replay was kept, else beside the run, as where both were moved."""
    kept, beside = RunDir(path), RunDir(run.path.resolve().parent / path.name)
    if not kept.path.is_dir() and beside.path.is_dir():
        with suppress(BulkloadError):
            of = readers.facts(beside).get("replays") if readers.is_committed(beside) else None
            if of == readers.facts(run)["run_id"]:
                return beside
    return kept


def _state(child: RunDir) -> State:
    if not child.path.is_dir():
        return "gone"
    try:
        if not readers.is_committed(child):
            return "not begun"
        facts = readers.facts(child)
        if undone := facts.get("undo"):
            # What could not be archived makes no double where the remote refuses a second one.
            sure = facts.get("marks") or not undo.settled(child).failed
            return "undone" if undone == "done" and sure else "partly undone"
        return "ended" if facts.get("complete") else "not ended"
    except BulkloadError:
        return "unreadable"


def settled(
    run: RunDir,
    met: Callable[[RunDir, RunDir, State], None],
    above: frozenset[Path] = frozenset(),
) -> Ticked:
    """Ordinals of `run`'s letters that a replay which has ended settled; of one that was undone
    those that it left in doubt, or a replay of it settled. `met` is told each replay, with the run
    that it is of, and may raise. `above`: where that run and those that it is a replay of are kept.
    Blocking.
    """
    found = Ticked()
    above |= {run.path.resolve()}
    for child, state in replays(run):
        if child.path.resolve() in above:
            continue  # somebody copied a run into the place of its replay
        met(child, run, state)
        if state not in ("ended", "undone"):
            continue
        below = settled(child, met, above)
        limit = readers.facts(child)["options"].get("limit")  # a pilot: it read none behind it
        for each in readers.lineage(child):
            if limit is not None and each.ordinal >= limit:
                break
            there = each.in_doubt if state == "undone" else not each.dead
            if there or each.ordinal in below:
                found.tick(each.letter)
    return found
