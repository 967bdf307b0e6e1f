"""`load` and `resume`: the public API.

Law kept here: same source, or no resume.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

from bulkload.journal import readers
from bulkload.options import Options
from bulkload.records.deciding import decide, outdated
from bulkload.rundir import RunDir
from bulkload.runs.beginning import (
    default_run,
    free,
    own_place,
    refuse_undone,
    start,
    sweep,
    taken,
    unbegun_by_source,
    uncommitted,
)
from bulkload.runs.call import Access, Call
from bulkload.runs.inquiry import existing
from bulkload.runs.life import carry_on
from bulkload.runs.sourcing import refuse_mixed, reopened
from bulkload.runs.summary import Summary, standing
from bulkload.sources.detect import kept as specs_of
from bulkload.sources.detect import named, opened_all

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from bulkload.events import Observer
    from bulkload.protocols import Source
    from bulkload.records.rules import Rules
    from bulkload.sources.own import OwnSource


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
        directory = free(directory)
    elif readers.is_committed(directory):
        raise taken(directory, locked=False)
    # What can be refused is refused before anything is left on the disk; stdin has to be
    # kept there first.
    ready = None if "-" in given else await asyncio.to_thread(_prepare, given, options)
    directory.create()
    with directory.locked():
        if readers.is_committed(directory):
            raise taken(directory, locked=True)
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
