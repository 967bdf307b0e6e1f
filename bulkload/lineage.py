"""A run's replays: how they stand, and which of its dead letters they have settled.

Law kept here: nothing twice: a letter that any of them, or a replay of one of them, loaded or left
in doubt, is settled.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from bulkload.journal import readers
from bulkload.rundir import RunDir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

State: TypeAlias = Literal["gone", "not begun", "not ended", "ended"]


def replays(run: RunDir) -> Iterator[tuple[RunDir, State]]:
    """Those that were made of a run; one that is "not begun" was killed before it could send
    anything. Raises StoppedForGood where one is damaged, or another version's.
    """
    for path in readers.replays(run):
        child = RunDir(Path(path))
        if not child.path.is_dir():
            yield child, "gone"
        elif not readers.is_committed(child):
            yield child, "not begun"
        else:
            yield child, "ended" if readers.facts(child).get("complete") else "not ended"


def settled(run: RunDir, met: Callable[[RunDir, RunDir, State], None]) -> set[int]:
    """Ordinals of `run`'s letters that a replay which has ended settled. `met` is told each replay,
    with the run that it is of, and may raise.
    """
    found: set[int] = set()
    for child, state in replays(run):
        met(child, run, state)
        if state != "ended":
            continue
        unsettled = readers.dead_ordinals(child) - settled(child, met)
        limit = readers.facts(child)["options"].get("limit")  # a pilot: it read none behind it
        found |= {
            up
            for here, up in readers.lineage(child).items()
            if here not in unsettled and (limit is None or here < limit)
        }
    return found
