"""What earlier lives of a run left behind: batches whose answer nobody lived to see, and records
that are held in doubt.

Law kept here: it is looked at before anything new is sent.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from bulkload import events, verdict
from bulkload.errors import StoppedForGood
from bulkload.hubspot import wire
from bulkload.journal.settlement import Settlement
from bulkload.pipeline.loads import Load, Question
from bulkload.protocols import Numbered

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from bulkload.batch import Batch
    from bulkload.journal.journal import Journal
    from bulkload.journal.settlement import Open, State
    from bulkload.model import Position
    from bulkload.ordinals import Covered
    from bulkload.pipeline.parts import Tally
    from bulkload.protocols import Source

WHY = "the process ended before the answer was settled"


class Word(NamedTuple):
    """What the user says of records that are held in doubt: these are there, or are not."""

    there: bool
    chosen: Covered


class Leftover:
    """For one life of a run. `rebuild` reads an attempt's batch again from its sources."""

    def __init__(
        self,
        sources: Sequence[Source],
        journal: Journal,
        rebuild: Callable[[Open], Awaitable[Batch]],
        tally: Tally,
        tell: events.Announcer,
    ) -> None:
        self._sources = sources
        self._journal = journal
        self._rebuild = rebuild
        self._tally = tally
        self._tell = tell

    async def look(self, means: verdict.Means, word: Word | None) -> tuple[State, list[Load]]:
        """(what is spoken for, and where to go on; what has to be asked for or sent again).

        Raises StoppedForGood where a batch reads differently now.
        """
        journal = self._journal
        await self._refuse_moved(*(await journal.state()).seek)
        if word is None and means != "hold" and self._tally.doubt:
            await self._reopen(None, means)
        state = await journal.state()
        left = await self._open(state.open, means)
        if word is not None:
            # After what a kill left open was looked at: that is not what the user speaks of.
            await self._reopen(word.chosen, "resend")
            known = {load.attempt for load in left}
            named = (await journal.state()).open
            left += await self._open((each for each in named if each.id not in known), "resend")
        return state, left

    async def _refuse_moved(self, low: int, first: int, start: Position | None) -> None:
        """What was settled is known by its number, which has to be that of the same record yet."""
        for number, known in (await self._journal.places(low)).items():
            source = self._sources[number]
            if not isinstance(source, Numbered):
                continue
            moved = await asyncio.to_thread(
                source.moved, known, whole=number > first or start is None
            )
            if moved is not None:
                raise StoppedForGood(
                    f"{source.name}: what was its {source.noun} {moved.number:,} has another "
                    "number now, or is gone: some came or went among those that were loaded last, "
                    "so which of them are loaded can't be told any more. Load it as another run, "
                    "after an undo of this one; with the portal's key property that is not needed"
                )

    async def _reopen(self, chosen: Covered | None, means: verdict.Means) -> None:
        for opened in await self._journal.doubted(chosen):
            await self._again(opened)  # what can't be read again stays in doubt
        again = await self._journal.reopen_doubts(chosen)
        self._tally.doubt -= again
        what = "are sent again, at your word" if means == "resend" else "are looked for"
        self._tell(events.Said(f"{again:,} records in doubt {what}"))

    async def _open(self, left_open: Iterable[Open], means: verdict.Means) -> list[Load]:
        """Of attempts without an outcome: those to be asked for or, by the user's word, sent again.
        The others are settled as in doubt.
        """
        left = []
        for opened in left_open:
            batch = replace(await self._again(opened), attempt=opened.nth)
            load = Load(batch, attempt=opened.id, tries=1, since=opened.since, until=opened.until)
            match verdict.decide("unknown", means, doubted=True):
                case "send again":
                    left.append(load)
                case "ask":
                    left.append(replace(load, question=Question(0, WHY, doubted=True)))
                case _:
                    settled = Settlement(0, WHY, doubtful=batch.entries)
                    await self._journal.settle(opened.id, settled)
                    self._tally.doubt += len(batch.entries)
                    self._tell(events.Settled(in_doubt=len(batch.entries)))
        return left

    async def _again(self, opened: Open) -> Batch:
        batch = await self._rebuild(opened)
        if opened.digest and wire.digest(batch) != opened.digest:
            source = self._sources[opened.source]
            raise StoppedForGood(
                f"{source.name}: a batch in doubt (from {source.noun} {opened.position.number}) "
                "reads differently now. The source changed, or this version maps it otherwise; put "
                "the old one back, then resume"
            )
        return batch
