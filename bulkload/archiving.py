"""The moving part of an undo: look → intend → archive → settle, a hundred ids at a time.

Laws kept here: written before said; kill it anywhere: an intent that is open is archived again,
which does nothing to what is archived already, and a settled one is never looked at again, so
the counts are exact. What a read does not show may be gone, or too new for reads: it counts as
gone already and is archived all the same, so that nothing is left behind.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from bulkload import events, hold
from bulkload.errors import BulkloadError, StoppedResumable
from bulkload.hubspot import archive
from bulkload.journal.undo import Settled
from bulkload.model import MAX_INPUTS

if TYPE_CHECKING:
    from bulkload.calling import Caller
    from bulkload.journal.undo import Portion, UndoJournal
    from bulkload.runlog import RunLog


class Archiving:
    """`run` returns when everything is settled or drained (`caller.stopped`).

    `settled`: ids whose fate is known, counted after it is durable.
    """

    def __init__(
        self,
        caller: Caller,
        journal: UndoJournal,
        settled: Settled,
        tell: events.Announcer,
        log: RunLog,
    ) -> None:
        self._caller = caller
        self._journal = journal
        self.settled = settled
        self._tell = tell
        self._log = log
        self._pulling = asyncio.Lock()

    async def run(self, in_flight: int) -> None:
        """Raises what is nobody's to retry: a damaged journal, a bug."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(in_flight):
                    group.create_task(self._work())
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
        if self._caller.stopped is None:
            await self._journal.finish()

    async def _work(self) -> None:
        try:
            while (portion := await self._next()) is not None:
                await self._carry(portion)
        except hold.Drained:
            return
        except BulkloadError as error:  # the journal's disk: the others still settle
            self._caller.drain(error)

    async def _next(self) -> Portion | None:
        async with self._pulling:
            self._caller.go_on()
            return await self._journal.next()

    async def _carry(self, portion: Portion) -> None:
        if portion.gone is None:
            portion = portion._replace(gone=await self._look(portion.ids))
            self._caller.go_on()
            await self._journal.intend(portion)
        shown = portion.shown
        refused = await self._archive(portion)
        failed = sum(each in refused for each in shown)
        if failed == MAX_INPUTS and not self.settled.archived:
            why = next(iter(refused.values()))
            told = f"the remote refuses to archive any of {failed} records ({why})"
            self._caller.drain(StoppedResumable(told))
            return  # not settled: it is nobody's fault, and the next undo tries it again
        for each, why in refused.items():
            self._log.write(f"record {each}: the remote refuses to archive it ({why})")
        await self._journal.settle(portion, failed=failed)
        archived, gone, before = self.settled
        self.settled = Settled(
            archived + len(shown) - failed,
            gone + len(portion.ids) - len(shown),
            before + failed,
        )
        done = sum(self.settled)
        self._tell(events.Settled(loaded=len(portion.ids), batches=1, consumed=done))

    async def _look(self, ids: tuple[str, ...]) -> frozenset[int]:
        """The places of those that are not there, or stand before in the same portion."""
        send = partial(self._caller.sink.read, archive.read_request(ids))
        there = set((await self._caller.ask(send, partial(archive.judge_read, ids))).ids)
        gone = set()
        for place, each in enumerate(ids):
            if each in there:
                there.remove(each)
            else:
                gone.add(place)
        return frozenset(gone)

    async def _archive(self, portion: Portion) -> dict[str, str]:
        """Archive all of it. Returns those that the remote refuses alone, and why."""
        shown, refused = frozenset(portion.shown), dict[str, str]()
        parts = deque([tuple(dict.fromkeys(portion.ids))])
        while parts:
            part = parts.popleft()
            send = partial(self._caller.sink.archive, archive.request(part))
            judged = await self._caller.ask(send, archive.judge)
            if isinstance(judged, archive.Refused):
                narrowed = archive.narrow(part, shown)
                parts.extend(narrowed.parts)
                refused |= dict.fromkeys(narrowed.failed, judged.why)
        return refused
