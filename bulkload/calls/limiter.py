"""The rate limit: slots in a window are the guarantee, aiolimiter is the pace.

Law kept here: in no rolling window of the remote do more requests arrive than it allows.
We don't see arrivals. A request arrived after it was sent and before the remote began to
work on it, so its slot comes back one window after the latest moment at which it can have
arrived, and there are only as many slots as there is room. Pacing spreads the calls; alone it
lets a burst through after a stall between pace and send (a slow fsync), which slots don't.

No timer per request: arrivals are a heap that the next caller looks at.
"""

from __future__ import annotations

import asyncio
import heapq
from contextlib import suppress
from typing import TYPE_CHECKING

from aiolimiter import AsyncLimiter

from bulkload.calls.room import RateLimit, Room

if TYPE_CHECKING:
    from collections.abc import Callable

GUARD_S = 0.005
"""Added to the window: the remote's clock and ours tick in different grains."""

LOOK_AGAIN_S = 0.2
"""So often room that time alone widens is looked at."""

AHEAD, AHEAD_OF_OTHERS = 1.25, 1.06
"""The pace beside the rate: what a stall left unused is made up for. Where others use the limit
too the pace is nearer to it: what we leave unused for a moment they may take.
"""

STEP = 0.015
"""The pace follows a room that moves in steps of this size."""


class Limiter:
    """Slots and pace. Creates wait for it one at a time (the turnstile's lock), reads beside."""

    def __init__(self, room: Room | RateLimit, clock: Callable[[], float] | None = None) -> None:
        self.room = Room(room) if isinstance(room, RateLimit) else room
        self._clock = clock or asyncio.get_running_loop().time
        self._out = 0
        self._arrived: list[float] = []
        self._returned = asyncio.Event()
        self._per_second = self._wanted()
        self._pace = _pace(self._per_second)

    @property
    def under_way(self) -> int:
        """Slots of calls that have not ended."""
        return self._out

    @property
    def used(self) -> int:
        """Slots that are taken: by calls under way, and by those the window still remembers."""
        self._forget(self._clock())
        return self._out + len(self._arrived)

    @property
    def waits(self) -> bool:
        """Whether `acquire` would have to wait now."""
        full = self.used >= self.room.calls(self._clock())
        return full or self._is_off_pace or not self._pace.has_capacity()

    async def acquire(self) -> float:
        """Wait for a slot and for the pace. Returns the seconds it took."""
        began = self._clock()
        while not self._take():
            self._returned.clear()
            with suppress(TimeoutError):
                # Not `wait_for`: one that is cancelled as it ends goes on as if nothing were.
                async with asyncio.timeout(self._next(self._clock())):
                    await self._returned.wait()
        try:
            await self._follow()
            await self._pace.acquire()
        except BaseException:
            self.give_back()
            raise
        return self._clock() - began

    def give_back(self) -> None:
        """Nothing was sent: the slot is free at once."""
        self._out -= 1
        self._returned.set()

    def spend(self, arrived_by: float) -> None:
        """A request went out that has arrived by `arrived_by` (loop time) at the latest."""
        self._out -= 1
        heapq.heappush(self._arrived, arrived_by)
        self._returned.set()

    def end(self, sent_at: float, arrived_by: float) -> None:
        """A call ended: spent if anything of it left (`sent_at`), else given back."""
        if sent_at:
            self.spend(max(sent_at, arrived_by))
        else:
            self.give_back()

    def take_recent(self, count: int) -> None:
        """Slots that an earlier life of this run still occupies, for a window from now."""
        now = self._clock()
        for _ in range(count):
            heapq.heappush(self._arrived, now)

    def wake(self) -> None:
        """Whoever waits looks again: the room may be another now."""
        self._returned.set()

    def _take(self) -> bool:
        now = self._clock()
        self._forget(now)
        if self._out + len(self._arrived) >= self.room.calls(now):
            return False
        self._out += 1
        return True

    def _forget(self, now: float) -> None:
        before = now - self.room.limit.window_s - GUARD_S
        while self._arrived and self._arrived[0] <= before:
            heapq.heappop(self._arrived)

    def _next(self, now: float) -> float | None:
        """Seconds until another slot may be free; None: only an answer can free one."""
        delay = None
        if self._arrived:
            delay = max(self._arrived[0] + self.room.limit.window_s + GUARD_S - now, 0.0)
        if self.room.reduced:
            delay = LOOK_AGAIN_S if delay is None else min(delay, LOOK_AGAIN_S)
        return delay

    def _wanted(self) -> float:
        """Calls a second. The slots keep the number; the pace only spreads them."""
        ahead = AHEAD_OF_OTHERS if self.room.reduced else AHEAD
        return ahead * self.room.calls(self._clock()) / self.room.limit.window_s

    @property
    def _is_off_pace(self) -> bool:
        return abs(self._wanted() - self._per_second) > STEP * self._per_second

    async def _follow(self) -> None:
        if self._is_off_pace:
            self._per_second = self._wanted()
            self._pace = _pace(self._per_second)
            # A new one would let a burst through: it begins as if that had been.
            await self._pace.acquire(self._pace.max_rate)


def _pace(per_second: float) -> AsyncLimiter:
    """Aiolimiter refuses less than one call a period, so slow limits get a longer period."""
    return AsyncLimiter(per_second, 1) if per_second >= 1 else AsyncLimiter(1, 1 / per_second)
