"""A run's replays: how they stand, and which of its dead letters they have settled.

Law kept here: nothing twice: a letter that any of them, or a replay of one of them, loaded or left
in doubt, is settled.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from bulkload.errors import BulkloadError
from bulkload.journal import readers
from bulkload.rundir import RunDir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

State: TypeAlias = Literal["gone", "unreadable", "not begun", "not ended", "ended"]


def replays(run: RunDir) -> Iterator[tuple[RunDir, State]]:
    """Those that were made of a run; one that is "not begun" was killed before it could send
    anything, an "unreadable" one is damaged or another version's.
    """
    for path in readers.replays(run):
        child = RunDir(Path(path))
        yield child, _state(child)


def _state(child: RunDir) -> State:
    if not child.path.is_dir():
        return "gone"
    try:
        if not readers.is_committed(child):
            return "not begun"
        return "ended" if readers.facts(child).get("complete") else "not ended"
    except BulkloadError:
        return "unreadable"


def settled(
    run: RunDir,
    met: Callable[[RunDir, RunDir, State], None],
    above: frozenset[Path] = frozenset(),
) -> set[int]:
    """Ordinals of `run`'s letters that a replay which has ended settled. `met` is told each replay,
    with the run that it is of, and may raise. `above`: where that run and those that it is a replay
    of are kept.
    """
    found: set[int] = set()
    above |= {run.path.resolve()}
    for child, state in replays(run):
        if child.path.resolve() in above:
            continue  # somebody copied a run into the place of its replay
        met(child, run, state)
        if state != "ended":
            continue
        unsettled = readers.dead_ordinals(child) - settled(child, met, above)
        limit = readers.facts(child)["options"].get("limit")  # a pilot: it read none behind it
        found |= {
            up
            for here, up in readers.lineage(child).items()
            if here not in unsettled and (limit is None or here < limit)
        }
    return found
