"""What there is to know of a run from its journal alone, live or after the fact. Changes nothing.

It imports nothing that loads: who asks often, as a shell's loop does, is not to wait for it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulkload.errors import BulkloadError, RefusedToStart
from bulkload.journal import readers
from bulkload.rundir import RUNS, RunDir, name_for
from bulkload.runs import lineage
from bulkload.runs.summary import Process, Summary, standing

_OUTCOMES = ("read", *readers.Counts._fields)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


def existing(run: str | Path) -> RunDir:
    """The directory of a committed run, by its path, that of a file in it, or its name below
    `RUNS`. Raises RefusedToStart where there is none.
    """
    given = Path(run)
    directory = RunDir(given.parent if given.is_file() else given)
    below = () if given.is_absolute() else (RUNS / given, RUNS / name_for(given.name))
    for found in (directory, *map(RunDir, below)):
        if found.path.is_dir() and readers.is_committed(found):
            return found
    if given.is_file() or not directory.path.is_dir():
        raise RefusedToStart(
            f"{run}: there is no such run directory. Those in {RUNS}/: bulkload status"
        )
    raise RefusedToStart(
        f"{run}: no run was begun here (no journal.db with a run in it); start one with "
        "bulkload load"
    )


def runs(folder: Path = RUNS) -> Iterator[tuple[Path, Summary | BulkloadError]]:
    """Those in a folder, the one that began last at the end; why one can't be read instead of how
    it stands.
    """
    found: list[tuple[float, Path, Summary | BulkloadError]] = []
    for path in folder.iterdir() if folder.is_dir() else ():
        directory, began = RunDir(path), 0.0
        stands: Summary | BulkloadError
        try:
            if not (path.is_dir() and readers.is_committed(directory)):
                continue
            facts = readers.facts(directory)
            began, stands = facts["created"], standing(directory, facts)
        except BulkloadError as error:
            stands = error
        found.append((began, path, stands))
    for _, path, stands in sorted(found, key=itemgetter(0, 1)):
        yield path, stands


def status(run: str | Path) -> Summary:
    """How a run stands, from its journal alone: live, or after the fact. Changes nothing.

    `exit_code` 3 where it has not ended. Counts of calls and times are those of the process that
    ended last. Raises RefusedToStart or StoppedForGood.
    """
    directory = existing(run)
    stands = standing(directory, readers.facts(directory))
    kept = _kept(directory, stands)
    if stands.resume and (why := kept.get("stopped")):
        stands = replace(stands, stopped=why)
    of_process: dict[str, Any] = {name: kept.get(name) for name in Process._fields}
    return replace(stands, **of_process)


def _kept(directory: RunDir, stands: Summary) -> dict[str, Any]:
    """What the last process kept as it ended; nothing where another one was at work since."""
    try:
        kept = json.loads(directory.summary.read_bytes())
    except (OSError, ValueError):
        kept = {}
    same = isinstance(kept, dict) and all(kept.get(n) == getattr(stands, n) for n in _OUTCOMES)
    return kept if same else {}


def under_way(run: str | Path) -> int:
    """Records whose call has no recorded answer: sent now, or when the run was cut."""
    return readers.under_way(existing(run))


def doubts(run: str | Path) -> Iterator[dict[str, Any]]:
    """The records in doubt, each with its place and when its batch was sent."""
    yield from _named(existing(run), readers.doubts)


def letters(run: str | Path) -> Iterator[dict[str, Any]]:
    """The dead letters that no replay settled, without their records: each with its place, and why
    it is one.
    """
    directory = existing(run)
    settled = lineage.settled(directory, lambda *_: None)
    for each in _named(directory, readers.letters):
        if each["ordinal"] not in settled:
            yield each


def skipped(run: str | Path) -> Iterator[dict[str, Any]]:
    """The records that were left out, each with its place and why; those that a filter left out one
    after the other together.
    """
    yield from _named(existing(run), readers.skips)


def _named(
    directory: RunDir, listed: Callable[[RunDir], Iterable[dict[str, Any]]]
) -> Iterator[dict[str, Any]]:
    """With the names of their sources, and the run's."""
    facts = readers.facts(directory)
    names = [source["name"] for source in facts["sources"]]
    for each in listed(directory):
        yield {**each, "source": names[each["source"]], "run": facts["run_id"]}
