"""`resolve`: what a run holds in doubt is settled after the fact, and nothing new is read.

Law kept here: nothing twice. By key or by search as in mid-run; the user's own word counts for
the records that it names, and for no others.
"""

from __future__ import annotations

import asyncio
import shlex
from typing import TYPE_CHECKING, Any

from bulkload.errors import RefusedToStart
from bulkload.handed import OWN, refuse_without
from bulkload.journal import readers
from bulkload.journal.journal import Journal
from bulkload.options import Options
from bulkload.ordinals import Covered, Ticked
from bulkload.runs.beginning import refuse_undone
from bulkload.runs.call import Access, Call
from bulkload.runs.inquiry import existing
from bulkload.runs.leftover import Word
from bulkload.runs.life import carry_on
from bulkload.runs.sourcing import reopened
from bulkload.runs.summary import Summary, standing

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from bulkload.events import Observer
    from bulkload.rundir import RunDir
    from bulkload.sources.own import OwnSource


async def resolve(
    run: str | Path,
    *own: OwnSource,
    there: bool | None = None,
    chosen: Collection[int] | Covered | None = None,
    changes: dict[str, Any] | None = None,
    token: str | None = None,
    token_file: str | Path | None = None,
    oauth_file: str | Path | None = None,
    ca_file: str | Path | None = None,
    observers: Sequence[Observer] = (),
    interrupt: asyncio.Event | None = None,
) -> Summary:
    """Settle what a run holds in doubt: by its key property, else by search.

    What is not at the remote is sent again. `own`: the run's sources of a program's own, again.
    `there`: by the user's word instead: the records `chosen` (ordinals; default: all of them) are
    at the remote, or are not and are sent again. Nothing new is read; that they are there needs no
    source, and is believed too of what was under way when the run was cut, where all of that is
    named.

    Raises RefusedToStart where there is nothing to settle, and as `resume` does.
    """
    directory = existing(run)
    access = Access.of(token, token_file, oauth_file, ca_file)
    call = Call(access, tuple(observers), interrupt)
    with directory.locked():
        facts = readers.facts(directory)
        refuse_undone(directory, facts)
        options = Options.from_json(facts["options"]).changed(changes or {})
        if options.in_doubt == "hold" and there is None:
            options = options.changed({"in_doubt": "verify"})
        held, sources = await asyncio.to_thread(_held, directory)
        if there:
            cut = readers.ordinals_under_way(directory)
            if chosen is None or all(each in chosen for each in cut):
                for each in cut:
                    held.tick(each)
        word = None
        if there is not None:
            sure = Covered((at, at) for at in held if chosen is None or at in chosen)
            if not sure:
                raise RefusedToStart(
                    f"{directory.path}: none of these records is in doubt; list those that are: "
                    f"bulkload doubts {shlex.quote(str(directory.path))}"
                )
            word = Word(there, sure)
            if there:
                await _believe(directory, sure)
                return standing(directory, readers.facts(directory), locked=True)
        elif not held and not readers.under_way(directory):
            return standing(directory, facts, locked=True)
        _refuse_without(facts, own, sources)
        access.check()
        opened = await asyncio.to_thread(reopened, directory, facts, own)
        return await carry_on(directory, opened, options, call, resolving=True, word=word)


def _held(directory: RunDir) -> tuple[Ticked, set[int]]:
    """The records in doubt, and the sources that they are of."""
    held, sources = Ticked(), set[int]()
    for ordinal, source in readers.doubted(directory):
        held.tick(ordinal)
        sources.add(source)
    return held, sources


async def _believe(directory: RunDir, chosen: Covered) -> None:
    """By the user's word these records are at the remote. The lock is held."""
    journal = Journal.of(directory, on_full=lambda _: None)
    try:
        await journal.believe(chosen)
        if journal.facts.get("whole") and not (await journal.state()).open:
            await journal.finish()
    finally:
        await journal.close()


def _refuse_without(facts: dict[str, Any], own: Sequence[OwnSource], doubted: set[int]) -> None:
    """Those of a program's own that are settled are opened late: too late for a refusal."""
    given = {source.name for source in own}
    for number in sorted(doubted):
        described = facts["sources"][number]
        if described["format"] in OWN and described["name"] not in given:
            raise refuse_without(described["name"])
