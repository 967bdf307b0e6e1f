"""The rate limit: n slots a window are the guarantee, aiolimiter is the pace.

Law kept here: in no rolling window of the remote do more requests arrive than it allows.
We don't see arrivals. A request arrived after it was sent and before the remote began to
work on it, so its slot comes back one window after the latest moment at which it can have
arrived, and there are only as many slots as the limit. Pacing spreads the calls; alone it
lets a burst through after a stall between pace and send (a slow fsync), which slots don't.

No timer per request: release times are a heap that the next caller looks at.
"""

from __future__ import annotations

import asyncio
import heapq
import re
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from aiolimiter import AsyncLimiter

if TYPE_CHECKING:
    from collections.abc import Callable

GUARD_S = 0.005
"""Added to the window: the remote's clock and ours tick in different grains."""


class RateLimit(NamedTuple):
    """`calls` requests in any rolling window of `window_s` seconds."""

    calls: int
    window_s: float

    @classmethod
    def parse(cls, text: str) -> RateLimit:
        """Text such as 190/10s → RateLimit(190, 10.0). Raises ValueError with what was expected."""
        match = re.fullmatch(r"\s*(\d{1,9})\s*/\s*(\d{1,9}(?:\.\d{1,9})?)\s*s?\s*", text)
        if not match or int(match[1]) < 1 or float(match[2]) <= 0:
            raise ValueError(f"{text!r} is not a rate: give calls/seconds, such as 190/10s")
        return cls(int(match[1]), float(match[2]))

    def __str__(self) -> str:
        return f"{self.calls}/{self.window_s:g}s"


class Limiter:
    """Slots and pace. `acquire` is called by one caller at a time (the turnstile's lock)."""

    def __init__(self, limit: RateLimit, clock: Callable[[], float] | None = None) -> None:
        self.limit = limit
        self._clock = clock or asyncio.get_running_loop().time
        self._free = limit.calls
        self._coming: list[float] = []
        self._returned = asyncio.Event()
        per_second = limit.calls / limit.window_s
        # aiolimiter refuses less than one call a period, so slow limits get a longer period.
        self._pace = (
            AsyncLimiter(per_second, 1) if per_second >= 1 else AsyncLimiter(1, 1 / per_second)
        )

    async def acquire(self) -> float:
        """Wait for a slot and for the pace. Returns the seconds it took."""
        began = self._clock()
        while not self._take():
            self._returned.clear()
            delay = self._coming[0] - self._clock() if self._coming else None
            with suppress(TimeoutError):
                await asyncio.wait_for(self._returned.wait(), delay)
        try:
            await self._pace.acquire()
        except asyncio.CancelledError:
            self.give_back()
            raise
        return self._clock() - began

    def give_back(self) -> None:
        """Nothing was sent: the slot is free at once."""
        self._free += 1
        self._returned.set()

    def spend(self, arrived_by: float) -> None:
        """A request went out that has arrived by `arrived_by` (loop time) at the latest."""
        heapq.heappush(self._coming, arrived_by + self.limit.window_s + GUARD_S)
        self._returned.set()

    def end(self, sent_at: float, arrived_by: float) -> None:
        """A call ended: spent if anything of it left (`sent_at`), else given back."""
        if sent_at:
            self.spend(max(sent_at, arrived_by))
        else:
            self.give_back()

    def take_recent(self, count: int, until: float) -> None:
        """Slots that an earlier life of this run still occupies, until loop time `until`."""
        for _ in range(min(count, self._free)):
            self._free -= 1
            heapq.heappush(self._coming, until)

    def _take(self) -> bool:
        now = self._clock()
        while self._coming and self._coming[0] <= now:
            heapq.heappop(self._coming)
            self._free += 1
        if self._free == 0:
            return False
        self._free -= 1
        return True
