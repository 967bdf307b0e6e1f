"""Batches in doubt without a key: set aside, and looked for by search when nothing is under way.

Each waits until its call can't be carried out any more, by a monotonic clock that a resume
starts anew, and the run goes on meanwhile. Then search is asked, twice; what was found is
loaded, and what is proved absent is sent again. Search proves absence only once it shows a
record that was made after the wait ended: where none is made any more, one record that was kept
back is sent, the canary.

Laws kept here: nothing twice (what can't be proved stays in doubt); memory is bounded (while
too much is set aside, nothing new is read).
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bulkload import events
from bulkload.calls import hold
from bulkload.hubspot import searching
from bulkload.pipeline import answering
from bulkload.pipeline.searches import Searches, properties_of
from bulkload.pipeline.verifying import weigh

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from bulkload.batch import Batch, Entry
    from bulkload.calls.outage import Outage
    from bulkload.pipeline.loads import Load, Step
    from bulkload.pipeline.parts import Parts, Policy
    from bulkload.pipeline.verifying import Sighting

MOST_BYTES = 64 << 20
"""Most that the bodies of what is set aside weigh before reading waits."""

BETWEEN_S = 1.5
"""Between two looks that must agree."""

LOOK_AGAIN_S = 3.0
"""Between two tries to prove the same."""

GIVE_UP_S = 600.0
"""So long search may lag behind what is known to be there."""

ALIKE_S = 15.0
"""So long a record alike that is in flight is waited for."""

NOTHING_NEWER_S = 30.0
"""So long it is asked for something newer where this run makes nothing more."""


@dataclass(slots=True, eq=False)
class _Waiting:
    """A batch that was set aside. `due`: when it is looked for next, by our clock.

    `ended`: when its wait was over, by our clock; `newer_than`: the remote's then, at most.
    """

    load: Load
    due: float
    stamps: list[int | None]
    ended: float | None = None
    newer_than: float | None = None


class Aside:
    """What is set aside, and the one that looks for it (`run`).

    `settle` writes a step down and returns what is to be sent next; `claimed`: which of these
    ids this run has tied to a record, or to a batch; `in_flight`: the batches under way now.
    """

    def __init__(
        self,
        parts: Parts,
        outage: Outage,
        policy: Policy,
        settle: Callable[[Load, Step], Awaitable[list[Load]]],
        in_flight: Callable[[], Iterable[Batch]],
    ) -> None:
        self._parts, self._outage, self._policy = parts, outage, policy
        self._settle, self._in_flight = settle, in_flight
        self._quiet_s = policy.quiet_s
        self._clock = asyncio.get_running_loop().time
        self._searches = Searches(parts, outage)
        self._waiting: list[_Waiting] = []
        self._ready: deque[Load] = deque()
        self._canary: Load | None = None
        self._idle = self._weight = 0
        self._over = self._told = False
        self._shown = 0.0
        self._made_at = 0.0
        self._changed = asyncio.Event()

    def add(self, load: Load) -> None:
        """Set a batch in doubt aside."""
        sent = (properties_of(entry).get(searching.TIMESTAMP, "") for entry in load.batch.entries)
        stamps = [searching.milliseconds(stamp) for stamp in sent]
        self._waiting.append(_Waiting(load, self._clock() + self._quiet_s, stamps))
        self._weight += load.batch.weight
        self.notify()

    def keep_back(self, load: Load) -> list[Load]:
        """Keep one record as the canary, if none is kept. Returns what may go."""
        if self._canary is not None or len(load.batch.entries) < 2:
            return [load]
        rest, last = load.batch.split(len(load.batch.entries) - 1)
        self._canary = replace(load, batch=last)
        return [replace(load, batch=rest)]

    def made(self, sent_at: float) -> None:
        """A create that left at `sent_at` was answered: there is something as new as that."""
        self._made_at = max(self._made_at, sent_at)

    def notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def room(self) -> None:
        """Until no more is set aside than memory allows, or some of it is to be sent."""
        self._idle += 1
        try:
            while self._weight > MOST_BYTES and not self._ready:
                if self._outage.gate.is_shut:
                    raise hold.Drained
                await self._changed.wait()
        finally:
            self._idle -= 1

    def ready(self) -> Load | None:
        """What is to be sent, if there is anything now."""
        return self._ready.popleft() if self._ready else None

    async def next(self) -> Load | None:
        """When all is read: what is to be sent yet; None once nothing can come. Raises Drained."""
        self._idle += 1
        try:
            while not self._over:
                if self._outage.gate.is_shut:
                    raise hold.Drained
                if self._ready:
                    return self._ready.popleft()
                if self._is_idle and not self._waiting:
                    if self._canary is None:
                        self._over = True
                        self.notify()
                        break
                    self._send_canary()
                    continue
                self._tell_of_the_wait()
                await self._changed.wait()
            return None
        finally:
            self._idle -= 1

    def _tell_of_the_wait(self) -> None:
        """Once: minutes without a call look like a hang."""
        if self._told or not self._is_idle or not self._waiting:
            return
        self._told = True
        records = sum(len(each.load.batch.entries) for each in self._waiting)
        left = max(each.due for each in self._waiting) - self._clock()
        self._parts.tell(
            events.Said(
                f"all is read. The answers for {records:,} records were lost: search is asked for "
                f"them in {max(left, 0):.0f} s, when no call can be under way any more"
            )
        )

    @property
    def _is_idle(self) -> bool:
        """Whether no worker carries anything, or has anything to carry."""
        return self._idle == self._policy.in_flight and not self._ready

    def _send_canary(self) -> None:
        if self._canary is not None:
            self._ready.append(self._canary)
            self._canary = None
            self.notify()

    async def run(self) -> None:
        """Look for what is due, until all is over or drained."""
        while not self._over and not self._outage.gate.is_shut:
            now = self._clock()
            due = min((each.due for each in self._waiting), default=None)
            if due is not None and due <= now:
                with suppress(hold.Drained):
                    await self._look_for(self._group(now))
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(None if due is None else due - now):
                    await self._changed.wait()

    def _group(self, now: float) -> list[_Waiting]:
        """As many of those that are due as one search can ask for."""
        group: list[_Waiting] = []
        room = searching.MAX_TIMESTAMPS
        for each in sorted(self._waiting, key=lambda each: each.due):
            room -= len(each.load.batch.entries)
            if each.due > now or (room < 0 and group):
                break
            if each.ended is None:
                # As of when it was due, however late it is looked at: what was made since counts.
                most = self._parts.traffic.remote.at_most()
                each.ended = each.due
                each.newer_than = None if most is None else most - (now - each.due)
            group.append(each)
        return group

    async def _look_for(self, group: list[_Waiting]) -> None:
        """Two looks at a group, and what they prove together."""
        ends = [each.newer_than for each in group if each.newer_than is not None]
        if ends and max(ends) > self._shown:
            newest = await self._searches.page(searching.newest(min(ends)))
            self._shown = max([self._shown, *(r.created or 0.0 for r in newest.results)])
        first = await self._look(group)
        await self._outage.gate.pause(BETWEEN_S)
        second = await self._look(group)
        for each, one, two in zip(group, first, second, strict=True):
            seen = {
                a.ordinal: a if a == b else a._replace(decision="unclear", id="")
                for a, b in zip(one, two, strict=True)
            }
            unclear = any(sighting.decision == "unclear" for sighting in seen.values())
            if unclear and not self._in_vain(each):
                each.due = self._clock() + LOOK_AGAIN_S
                continue
            step = answering.sighted(
                each.load, seen, self._policy, self._parts.letters, self._outage.gate.successes
            )
            kept_back = self._canary is None and len(self._waiting) > 1
            left = await self._settle(each.load, step.parted() if kept_back else step)
            self._waiting.remove(each)  # not before: it would look as if nothing could come
            self._weight -= each.load.batch.weight
            if kept_back and self._canary is None and left:
                self._canary = left.pop()
            self._ready.extend(left)
            self.notify()

    def _in_vain(self, each: _Waiting) -> bool:
        """Whether waiting longer would make nothing clearer."""
        if each.newer_than is None or each.load.since is None or each.ended is None:
            return True  # the remote shows no clock: newer and older can't be told apart
        waited = self._clock() - each.ended
        if self._fresh(each):
            return waited > ALIKE_S
        if self._made_at > each.ended:
            return waited > GIVE_UP_S
        if self._is_idle and self._canary is not None:
            self._send_canary()
            return False
        return self._is_idle and waited > NOTHING_NEWER_S

    def _fresh(self, each: _Waiting) -> bool:
        """Whether search shows something that was made after the wait was over."""
        return each.newer_than is not None and self._shown > each.newer_than

    async def _look(self, group: list[_Waiting]) -> list[list[Sighting]]:
        results, whole = await self._searches.alike([each.load for each in group])
        begun = [each.load.since for each in group if each.load.since is not None]
        claimed = await self._parts.journal.claimed(
            {result.id for result in results}, min(begun) - self._quiet_s if begun else None
        )
        flying = [properties_of(entry) for batch in self._in_flight() for entry in batch.entries]
        doubted: dict[int | None, list[tuple[_Waiting, Entry]]] = {}
        for each in self._waiting:
            for entry, stamp in zip(each.load.batch.entries, each.stamps, strict=True):
                doubted.setdefault(stamp, []).append((each, entry))
        looks = []
        for each in group:
            since = each.load.since
            others = [
                properties_of(entry)
                for stamp in set(each.stamps)
                for other, entry in doubted[stamp]
                if other is not each
            ]
            since_then = [r for r in results if since is not None and (r.created or 0.0) >= since]
            looks.append(
                weigh(
                    each.load.batch.entries,
                    since_then,
                    claimed=claimed,
                    others=[*others, *flying],
                    fresh=whole and since is not None and self._fresh(each),
                )
            )
        return looks
