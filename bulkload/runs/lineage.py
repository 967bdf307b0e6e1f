"""A run's family: its replays and theirs, and the runs that it is a replay of; which dead letters
any of them have settled.

Law kept here: nothing twice. A letter is settled where any replay of the family loaded it or left
it in doubt, whichever run of the family it is read from; one that was loaded and undone is to be
sent again, but for what the undo had to leave. Memory is bounded: letters may be as many as
records, and cost some bits each.
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
    "gone", "unreadable", "not begun", "not ended", "ended", "undone", "partly undone", "lost"
]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Met: TypeAlias = Callable[[RunDir, RunDir, State], None]


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


def parent(run: RunDir) -> tuple[RunDir, bool] | None:
    """The run whose letters a replay sent, and whether it is there; None: it is no replay, or one
    of a file of no known run.
    """
    facts = readers.facts(run)
    of, at = facts.get("replays"), facts.get("replays_at")
    if of is None or at is None:
        return None
    kept = Path(at)
    for found in (RunDir(kept), RunDir(run.path.resolve().with_name(kept.name))):
        with suppress(BulkloadError):
            there = found.path.is_dir() and readers.is_committed(found)
            if there and readers.facts(found)["run_id"] == of:
                return found, True
    return RunDir(kept), False


def first(run: RunDir) -> RunDir:
    """The run that all of a family come from, as far up as they are there: who holds its lock and
    knows them all is the only one that begins a replay of any.
    """
    seen = {run.path.resolve()}
    while (above := parent(run)) is not None and above[1] and above[0].path.resolve() not in seen:
        run = above[0]
        seen.add(run.path.resolve())
    return run


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


def settled(run: RunDir, met: Met) -> Ticked:
    """Ordinals of `run`'s letters that a replay of its family settled. `met` is told each replay of
    it, and of what is above it each other one that has letters of its own, with the run that it is
    of; it may raise. "lost" is a run that it is a replay of itself: what others of that did can't
    be known. Blocking.
    """
    found = settled_below(run, met)
    for each in _settled_beside(run, met, None, frozenset()):
        found.tick(each)
    return found


def settled_below(
    run: RunDir,
    met: Met,
    above: frozenset[Path] = frozenset(),
    of: Ticked | None = None,
    but: Path | None = None,
) -> Ticked:
    """Ordinals of `run`'s letters that a replay of it which has ended settled; of one that was
    undone those that it left in doubt, has no id of, or a replay of it settled. Blocking.

    `above`: where that run and those that it is a replay of are kept. `of`: only of those letters;
    a replay that has none of them is passed over, as is the one that is kept at `but`.
    """
    found = Ticked()
    above |= {run.path.resolve()}
    for child, state in replays(run):
        if child.path.resolve() in above:
            continue  # somebody copied a run into the place of its replay
        if but is not None and _is(child, state, but):
            continue
        known = state not in ("gone", "unreadable", "not begun")
        if of is not None and known and not any(each.letter in of for each in _again(child)):
            continue
        met(child, run, state)
        if state not in ("ended", "undone"):
            continue
        only = None
        if of is not None:
            only = Ticked(each.ordinal for each in _again(child) if each.letter in of)
        below = settled_below(child, met, above, only)
        left = Ticked(readers.nameless(child) if state == "undone" else ())
        for each in _again(child):
            still = each.in_doubt or each.ordinal in left
            there = still if state == "undone" else not each.dead
            if there or each.ordinal in below:
                found.tick(each.letter)
    return found


def _settled_beside(
    run: RunDir, met: Met, letters: Ticked | None, seen: frozenset[Path]
) -> Iterator[int]:
    """Of those letters of a run, None: of all, what replays settled that are none of it, but of a
    run above it.
    """
    here = run.path.resolve()
    if here in seen or (known := parent(run)) is None:
        return

    def asked() -> Iterator[readers.Again]:
        for each in readers.lineage(run):
            if each.dead if letters is None else each.ordinal in letters:
                yield each

    above, there = known
    wanted = Ticked(each.letter for each in asked())
    if not wanted:
        return
    if not there:
        met(above, run, "lost")
        return
    found = settled_below(above, met, of=wanted, but=here)
    for letter in _settled_beside(above, met, wanted, seen | {here}):
        found.tick(letter)
    for each in asked():
        if each.letter in found:
            yield each.ordinal


def _is(child: RunDir, state: State, place: Path) -> bool:
    """Whether a replay that a run remembers is the one that is kept there, perhaps moved since."""
    return child.path.resolve() == place or (state == "gone" and child.path.name == place.name)


def _again(child: RunDir) -> Iterator[readers.Again]:
    """Its records, but for those that a pilot did not read."""
    limit = readers.facts(child)["options"].get("limit")
    for each in readers.lineage(child):
        if limit is not None and each.ordinal >= limit:
            return
        yield each
