"""`load` and `resume`: the public API, and what comes before a run can go on.

Laws kept here: same source, or no resume; a run is committed, with all that a resume
needs, before anything is sent.
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
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from bulkload.errors import RefusedToStart, StoppedForGood, StoppedResumable
from bulkload.journal import journal as journals
from bulkload.journal import readers
from bulkload.options import Options
from bulkload.records.deciding import decide, outdated
from bulkload.rundir import RUNS, RunDir, name_for
from bulkload.runs.call import Access, Call
from bulkload.runs.inquiry import existing
from bulkload.runs.life import carry_on
from bulkload.runs.sourcing import keep, refuse_mixed, reopened
from bulkload.runs.summary import UNCLEAR, Summary, standing
from bulkload.sources.detect import kept as specs_of
from bulkload.sources.detect import named, opened_all
from bulkload.sources.own import OwnSource
from bulkload.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from bulkload.events import Observer
    from bulkload.protocols import Source
    from bulkload.records.rules import Rules

V = TypeVar("V")


async def load(
    *sources: str | os.PathLike[str] | OwnSource,
    run: str | Path | None = None,
    options: Options | None = None,
    again: bool = False,
    token: str | None = None,
    token_file: str | Path | None = None,
    oauth_file: str | Path | None = None,
    ca_file: str | Path | None = None,
    observers: Sequence[Observer] = (),
    interrupt: asyncio.Event | None = None,
) -> Summary:
    """Load `sources` (paths, globs, addresses, "-" for stdin, sources of your own) as a new run.

    `run` is its directory (default: bulkload-runs/ and the source's name); a committed run
    that is there already refuses, unless `again` picks another name. `token`: the access
    token, else `token_file`, else HUBSPOT_ACCESS_TOKEN. Set `interrupt` to drain.

    Returns a Summary, also for a run that stopped early (`stopped`, `exit_code` 3 or 4).
    Raises RefusedToStart where nothing was sent: bad options, sources or token.
    """
    options, given = options or Options(), named(sources)
    access = Access.of(token, token_file, oauth_file, ca_file)
    call = Call(access, tuple(observers), interrupt)
    access.check()
    directory = RunDir(default_run(given) if run is None else own_place(run, given))
    if again:
        directory = _free(directory)
    elif readers.is_committed(directory):
        raise _exists(directory, locked=False)
    # What can be refused is refused before anything is left on the disk; stdin has to be
    # kept there first.
    ready = None if "-" in given else await asyncio.to_thread(_prepare, given, options)
    directory.create()
    with directory.locked():
        if readers.is_committed(directory):
            raise _exists(directory, locked=True)
        sweep(directory)
        if ready is None:
            ready = await asyncio.to_thread(_prepare, given, options, directory.path)
        rules, specs = ready.rules.as_json(), specs_of(given)
        await start(directory, ready.sources, options, rules=rules, specs=specs)
        with uncommitted(directory):
            return await carry_on(directory, ready.sources, options, call, ready.said)


def _warnings(sources: Sequence[Source]) -> Iterator[str]:
    letters = [source.name for source in sources if source.format == "letters"]
    if not letters:
        return
    yield (
        f"{letters[0]}: dead letters, loaded as a source like any other; what a replay loaded "
        "of them is loaded again. bulkload replay knows, and leaves those out"
    )


class _Ready(NamedTuple):
    sources: list[Source]
    rules: Rules
    said: tuple[str, ...]


def _prepare(
    given: Sequence[str | OwnSource], options: Options, spool: Path | None = None
) -> _Ready:
    said: list[str] = []
    with unbegun_by_source():
        opened = opened_all(given, options.asked(), spool_dir=spool, say=said.append)
        decided = decide(options, opened)
    return _Ready(opened, decided.rules, (*said, *decided.said, *_warnings(opened)))


async def resume(
    run: str | Path,
    *own: OwnSource,
    changes: dict[str, Any] | None = None,
    token: str | None = None,
    token_file: str | Path | None = None,
    oauth_file: str | Path | None = None,
    ca_file: str | Path | None = None,
    observers: Sequence[Observer] = (),
    interrupt: asyncio.Event | None = None,
) -> Summary:
    """Go on with a run. `own`: its sources of a program's own, again. `changes`: options given
    again; those that may not change refuse.

    Raises RefusedToStart, or StoppedForGood where a source or the journal is not the one that the
    run is bound to. Where the account is not, it returns (`exit_code` 4).
    """
    directory = existing(run)
    access = Access.of(token, token_file, oauth_file, ca_file)
    call = Call(access, tuple(observers), interrupt)
    with directory.locked():
        facts = readers.facts(directory)
        options = Options.from_json(facts["options"]).changed(changes or {})
        stands = await asyncio.to_thread(standing, directory, facts, locked=True)
        refuse_undone(directory, facts)
        refuse_mixed(directory, facts)
        settles = facts.get("marks") or options.in_doubt != "hold"
        if facts.get("complete") and not (stands.in_doubt and settles):
            return stands
        access.check()
        opened = await asyncio.to_thread(reopened, directory, facts, own)
        said = await asyncio.to_thread(outdated, options, facts["rules"])
        return await carry_on(directory, opened, options, call, said)


def refuse_undone(directory: RunDir, facts: dict[str, Any]) -> None:
    """What was archived on purpose is not made again by going on with it."""
    if undone := facts.get("undo"):
        state = "was undone" if undone == "done" else "is being undone"
        raise RefusedToStart(
            f"{directory.path}: this run {state}: what it made is archived. Load the source as "
            "another run: bulkload load SOURCE --again (with another --key-property, where what is "
            "archived keeps its keys)"
        )


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


def _exists(directory: RunDir, *, locked: bool) -> RefusedToStart:
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


def _free(directory: RunDir) -> RunDir:
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
