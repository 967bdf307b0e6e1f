"""What there is to know of a run from its journal alone, live or after the fact. Changes nothing.

It imports nothing that loads: who asks often, as a shell's loop does, is not to wait for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulkload.errors import RefusedToStart
from bulkload.journal import readers
from bulkload.rundir import RunDir
from bulkload.summary import Summary, standing

if TYPE_CHECKING:
    from collections.abc import Iterator


def existing(run: str | Path) -> RunDir:
    """The directory of a committed run. Raises RefusedToStart where there is none."""
    directory = RunDir(Path(run))
    if directory.path.is_file():
        directory = RunDir(directory.path.parent)
    if not directory.path.is_dir():
        raise RefusedToStart(f"{run}: there is no such run directory")
    if not readers.is_committed(directory):
        raise RefusedToStart(
            f"{run}: no run was begun here (no journal.db with a run in it); start one with "
            "bulkload load"
        )
    return directory


def status(run: str | Path) -> Summary:
    """How a run stands, from its journal alone: live, or after the fact. Changes nothing.

    `exit_code` 3 where it has not ended. Raises RefusedToStart or StoppedForGood.
    """
    directory = existing(run)
    return standing(directory, readers.facts(directory))


def under_way(run: str | Path) -> int:
    """Records whose call has no recorded answer: sent now, or when the run was cut."""
    return readers.under_way(existing(run))


def doubts(run: str | Path) -> Iterator[dict[str, Any]]:
    """The records in doubt, each with its place and when its batch was sent."""
    directory = existing(run)
    facts = readers.facts(directory)
    names = [source["name"] for source in facts["sources"]]
    for doubt in readers.doubts(directory):
        yield {**doubt, "source": names[doubt["source"]], "run": facts["run_id"]}
