"""The moving part of an undo: look → intend → archive → settle, a portion at a time.

Laws kept here: written before said; kill it anywhere: an intent that is open is archived again,
which does nothing to what is archived already, and a settled one is never looked at again, so
the counts are exact. What a read does not show may be gone, or too new for reads: it counts as
gone already and is archived all the same, so that nothing is left behind.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar

from bulkload import events
from bulkload.calls import hold
from bulkload.errors import BulkloadError, StoppedResumable
from bulkload.hubspot import archive, files, replies
from bulkload.journal.portions import Portion
from bulkload.model import MAX_INPUTS
from bulkload.pipeline.workers import all_done

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from bulkload.calls.calling import Caller
    from bulkload.hubspot.client import Sent
    from bulkload.journal.portions import Settled
    from bulkload.runs.runlog import RunLog

P = TypeVar("P", bound=Portion)


class Ledger(Protocol[P]):
    """Where portions come from, and where it is written what becomes of them."""

    async def next(self) -> P | None: ...
    async def intend(self, portion: P) -> None: ...
    async def settle(self, portion: P, refused: Collection[str]) -> None: ...


class Removed(NamedTuple):
    """What a portion came to: whom the remote refuses alone, and why; the places of those that
    turned out not to have been there.
    """

    refused: Mapping[str, str]
    gone: frozenset[int] = frozenset()


class Way(Protocol):
    """How one kind of thing is removed. `noun`: one of them, in words."""

    @property
    def noun(self) -> str: ...

    async def look(self, ids: tuple[str, ...]) -> frozenset[int]:
        """The places of those that are not there."""
        ...

    async def remove(self, portion: Portion, *, first: bool) -> Removed:
        """Remove all of it. `first`: no call for it can have left before."""
        ...


class Archiving(Generic[P]):
    """`run` returns when everything is settled or drained (`caller.stopped`).

    `settled`: ids whose fate is known, counted after it is durable. `before`: what was settled of
    other kinds.
    """

    def __init__(
        self,
        caller: Caller,
        ledger: Ledger[P],
        way: Way,
        settled: Settled,
        tell: events.Announcer,
        log: RunLog,
        *,
        before: int = 0,
    ) -> None:
        self._caller = caller
        self._ledger = ledger
        self._way = way
        self.settled = settled
        self._tell = tell
        self._log = log
        self._before = before
        self._pulling = asyncio.Lock()

    async def run(self, in_flight: int) -> None:
        """Raises what is nobody's to retry: a damaged journal, a bug."""
        await all_done(self._work() for _ in range(in_flight))

    async def _work(self) -> None:
        try:
            while (portion := await self._next()) is not None:
                await self._carry(portion)
        except hold.Drained:
            return
        except BulkloadError as error:  # the journal's disk: the others still settle
            self._caller.drain(error)

    async def _next(self) -> P | None:
        async with self._pulling:
            self._caller.go_on()
            return await self._ledger.next()

    async def _carry(self, portion: P) -> None:
        first = portion.gone is None
        if first:
            portion = replace(portion, gone=await self._way.look(portion.ids))
            self._caller.go_on()
            await self._ledger.intend(portion)
        refused, gone = await self._way.remove(portion, first=first)
        if gone:
            portion = replace(portion, gone=gone.union(portion.gone or ()))
        shown = portion.shown
        failed = sum(each in refused for each in shown)
        if failed == MAX_INPUTS and not self.settled.archived:
            why = next(iter(refused.values()))
            told = f"the remote refuses to archive any of {failed} {self._way.noun}s ({why})"
            self._caller.drain(StoppedResumable(told))
            return  # not settled: it is nobody's fault, and the next undo tries it again
        for each, why in refused.items():
            self._log.write(f"{self._way.noun} {each}: the remote refuses to archive it ({why})")
        await self._ledger.settle(portion, refused)
        self.settled = self.settled.plus(len(shown) - failed, len(portion.ids) - len(shown), failed)
        done = self._before + sum(self.settled)
        self._tell(events.Settled(loaded=len(portion.ids), batches=1, consumed=done))


class ByBatch:
    """A hundred in one call: emails, and contacts. `may`: for the words of a 403."""

    def __init__(
        self,
        noun: str,
        caller: Caller,
        read: Callable[[bytes], Awaitable[Sent]],
        archives: Callable[[bytes], Awaitable[Sent]],
        may: str,
    ) -> None:
        self.noun = noun
        self._caller = caller
        self._read = read
        self._archive = archives
        self._may = may

    async def look(self, ids: tuple[str, ...]) -> frozenset[int]:
        """Not there, or standing before in the same portion."""
        send = partial(self._read, archive.read_request(ids))
        judge = partial(archive.judge_read, ids, may=self._may)
        there = set((await self._caller.ask(send, judge, read=True)).ids)
        gone = set()
        for place, each in enumerate(ids):
            if each in there:
                there.remove(each)
            else:
                gone.add(place)
        return frozenset(gone)

    async def remove(self, portion: Portion, *, first: bool) -> Removed:
        del first  # it was looked at
        shown, refused = frozenset(portion.shown), dict[str, str]()
        parts = deque([tuple(dict.fromkeys(portion.ids))])
        while parts:
            part = parts.popleft()
            send = partial(self._archive, archive.request(part))
            judged = await self._caller.ask(send, partial(archive.judge, may=self._may))
            if isinstance(judged, archive.NotArchived):
                narrowed = archive.narrow(part, shown)
                parts.extend(narrowed.parts)
                refused |= dict.fromkeys(narrowed.failed, judged.why)
        return Removed(refused)


class OneByOne:
    """A call for each: files. Nobody looks before: the answer tells what was gone."""

    noun = "file"

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def look(self, ids: tuple[str, ...]) -> frozenset[int]:
        del ids
        return frozenset()

    async def remove(self, portion: Portion, *, first: bool) -> Removed:
        refused, gone = dict[str, str](), set[int]()
        for place, file in enumerate(portion.ids):
            lost = not first  # a deletion may have been carried out whose answer is not known

            def judge(reply: replies.Reply) -> files.Deleted | files.Refused | replies.Trouble:
                nonlocal lost
                judged = files.judge_delete(reply)
                lost = lost or isinstance(judged, replies.Doubtful)
                return judged

            send = partial(self._caller.sink.delete_file, file)
            judged: files.Deleted | files.Refused = await self._caller.ask(send, judge)
            if isinstance(judged, files.Refused):
                refused[file] = f"{judged.because.status} {judged.because.category}"
            elif judged.before and not lost:
                gone.add(place)
        return Removed(refused, frozenset(gone))
