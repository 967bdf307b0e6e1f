"""Batches that failed again while others went through: sent behind the rest, few at a time.

Laws kept here: the remote's trouble is not the record's, and one record's is not the others': what
may be poison holds up nobody. Memory is bounded: where much has gathered here, nothing new is read.
"""

from __future__ import annotations

import asyncio
import heapq
from itertools import count
from typing import TYPE_CHECKING

from bulkload.calls.retry import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from bulkload.pipeline.loads import Load

AGAIN = Backoff(base=0.5, cap=30.0, floor=0.1)
"""The wait before what failed is sent again."""

MOST_BYTES = 64 << 20
"""Most that the bodies of what waits here weigh before nothing new is read."""

LOAD_BYTES = 2_000
"""What a load weighs beside them."""


class Quarantine:
    """For the workers of one run. `workers`: how many there are."""

    def __init__(self, clock: Callable[[], float], random: Random, workers: int) -> None:
        self._clock = clock
        self._random = random
        self._few = max(workers // 4, 1)
        self._waiting: list[tuple[float, int, Load]] = []
        self._number = count()
        self._under_way = 0
        self._weight = 0
        self._changed = asyncio.Event()

    def add(self, load: Load, delay: float | None = None) -> None:
        """To be sent again after `delay` seconds, else with a jitter that grows with its strikes.

        What was split off is sent at once: it has not failed itself.
        """
        if delay is None:
            delay = AGAIN.delay(load.strikes, self._random) if load.strikes else 0.0
        heapq.heappush(self._waiting, (self._clock() + delay, next(self._number), load))
        self._weight += _weight(load)
        self.notify()

    def take(self, *, last: bool) -> Load | None:
        """One that is due, where few of them are under way; `done` is called after it.

        `last`: there is nothing else to send, so as many may go as there are workers.
        """
        few = self._under_way < self._few or last
        if not (self._waiting and few and self._waiting[0][0] <= self._clock()):
            return None
        self._under_way += 1
        load = heapq.heappop(self._waiting)[2]
        self._weight -= _weight(load)
        return load

    def done(self) -> None:
        self._under_way -= 1
        self.notify()

    @property
    def crowded(self) -> bool:
        """Whether so much has gathered that nothing new may be read.

        By weight, since what waits longest is many records alone, whose last look takes minutes.
        """
        return self._weight >= MOST_BYTES

    @property
    def empty(self) -> bool:
        return not self._waiting and not self._under_way

    def notify(self) -> None:
        """Whoever waits looks again."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def change(self) -> None:
        """Until one is due, or another worker has done something here."""
        left = max(self._waiting[0][0] - self._clock(), 0.0) + 0.001 if self._waiting else None
        if self._under_way >= self._few and left is not None and left < 0.01:
            left = None  # it is due and may not go: somebody has to be done first
        try:
            async with asyncio.timeout(left):
                await self._changed.wait()
        except TimeoutError:
            pass


def _weight(load: Load) -> int:
    return LOAD_BYTES + load.batch.weight
