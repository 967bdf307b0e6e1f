"""A new run's beginning: where it is kept, and its first commit.

Law kept here: a run is committed, with all that a resume needs, before anything is sent; what does
not come so far leaves nothing that a resume is told of.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shlex
import time
from contextlib import contextmanager, suppress
from functools import partial
from glob import glob
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from bulkload.errors import RefusedToStart, StoppedForGood, StoppedResumable
from bulkload.journal import journal as journals
from bulkload.journal import readers
from bulkload.rundir import RUNS, RunDir, name_for
from bulkload.runs.sourcing import keep
from bulkload.runs.summary import UNCLEAR, standing
from bulkload.sources.own import OwnSource
from bulkload.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from bulkload.options import Options
    from bulkload.protocols import Source

V = TypeVar("V")


def default_run(sources: Sequence[str | OwnSource]) -> Path:
    """bulkload-runs/ and a name made of the first source's."""
    if not sources:
        raise RefusedToStart("no source: name at least one file or folder, or - for stdin")
    name = name_for(_named(sources[0]))
    return RUNS / (name if len(sources) == 1 else f"{name}-and-{len(sources) - 1}-more")


def own_place(run: str | Path, sources: Sequence[str | OwnSource] = ()) -> Path:
    """Where the user wants the run kept: not among what is loaded."""
    if not str(run):
        raise RefusedToStart("--run takes a directory: it is empty")
    place = os.path.realpath(run)
    named = (source for source in sources if isinstance(source, str) and "://" not in source)
    for each in chain.from_iterable({source, *glob(source)} for source in named):  # noqa: PTH207  # as the user named them
        if os.path.realpath(each) == place and os.path.lexists(each):
            raise RefusedToStart(f"--run {run}: is a source; name another directory for the run")
    return Path(run)


def _named(source: str | OwnSource) -> str:
    """What a source is called in a file's name; of an address without who asks, and by what."""
    if isinstance(source, OwnSource):
        return source.name
    if source == "-":
        return "stdin"
    if "://" in source:
        parts = urlsplit(source)
        return PurePosixPath(parts.path).name or parts.hostname or parts.scheme
    return Path(source).name or Path(source).resolve().name


def taken(directory: RunDir, *, locked: bool) -> RefusedToStart:
    """What can be done where a run is already, as it stands; nothing that would be refused."""
    where = shlex.quote(str(directory.path))
    stands = standing(directory, readers.facts(directory), locked=locked)
    steps = []
    if stands.undo == "begun":
        steps.append(f"go on with its undo: bulkload undo {where}")
    elif stands.resume:
        steps.append(f"go on with it: {stands.resume}")
    elif stands.exit_code == 4:
        steps.append(f"take away what it made, since it can't go on: bulkload undo {where}")
    elif stands.exit_code == 3 and not stands.undo:
        steps.append(f"wait for the process that works on it: bulkload status {where}")
    states = {each.state: shlex.quote(each.run) for each in stands.replays}
    if "not ended" in states:
        steps.append(f"go on with its replay: bulkload resume {states['not ended']}")
    if "partly undone" in states:
        steps.append(f"go on with the undo of its replay: bulkload undo {states['partly undone']}")
    if stands.letters_left and not stands.undo and not states.keys() & UNCLEAR:
        steps.append(f"send its dead letters again: bulkload replay {where}")
    keys = ", with another --key-property where what is archived keeps its keys" * bool(stands.undo)
    steps.append(f"load the source once more, as another run: --again{keys}")
    return RefusedToStart(f"{directory.path}: this run exists. You can\n  " + "\n  ".join(steps))


def free(directory: RunDir) -> RunDir:
    first, number = directory.path, 1
    while readers.is_committed(directory):
        number += 1
        directory = RunDir(first.with_name(f"{first.name}-{number}"))
    return directory


@contextmanager
def uncommitted(directory: RunDir) -> Iterator[None]:
    """A new run that is refused before anything was sent leaves a directory that is free."""
    try:
        yield
    except RefusedToStart:
        sweep(directory)
        raise


def sweep(directory: RunDir) -> None:
    """What a process that was killed before its run was committed left behind."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        with suppress(FileNotFoundError):
            os.unlink(f"{directory.journal}{suffix}")  # noqa: PTH108  # one name, four endings


async def beside(work: Callable[[], V]) -> V:
    """In a thread. Who is cancelled waits for its end: till then what it writes is its own."""
    working = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.wait([working])
        raise


async def start(
    directory: RunDir,
    sources: Sequence[Source],
    options: Options,
    lineage: Iterable[tuple[int, int]] = (),
    **more: Any,
) -> None:
    """Commit a new run: from here on it can be resumed."""
    try:
        directory.lay_ballast()
        with unbegun_by_source():
            kept = await asyncio.to_thread(keep, directory, sources)
        facts = {
            "run_id": secrets.token_hex(5),
            "made_by": __version__,
            "created": time.time(),
            "options": options.as_json(),
            **kept,
            **more,
        }
        await beside(partial(journals.create, directory, facts, lineage))
    except (OSError, StoppedResumable) as error:
        raise unbegun(directory, error) from None


@contextmanager
def unbegun_by_source() -> Iterator[None]:
    """A source's trouble, where no run is there yet that could be resumed."""
    try:
        yield
    except (StoppedResumable, StoppedForGood) as error:
        said = re.split(
            r"[.;,] (?:Resume when|Put it back|Put the old one)|, then resume", str(error)
        )[0]
        raise RefusedToStart(
            f"{said.rstrip('.')}. Nothing was sent, and no run was begun: run it again once it can "
            "be read"
        ) from error


def unbegun(directory: RunDir, error: OSError | StoppedResumable) -> RefusedToStart:
    """The disk's trouble, where no run is there yet that could be resumed."""
    why = error.strerror if isinstance(error, OSError) else error
    return RefusedToStart(
        f"{directory.path}: the run can't be begun ({why}); nothing was sent. "
        "Make room, or give another place with --run DIR"
    )


def refuse_undone(directory: RunDir, facts: dict[str, Any]) -> None:
    """What was archived on purpose is not made again by going on with it."""
    if undone := facts.get("undo"):
        state = "was undone" if undone == "done" else "is being undone"
        raise RefusedToStart(
            f"{directory.path}: this run {state}: what it made is archived. Load the source as "
            "another run: bulkload load SOURCE --again (with another --key-property, where what is "
            "archived keeps its keys)"
        )
