"""What a worker carries next: what is open since an earlier life of the run, what was struck, what
was set aside, else a batch as it is read.

Laws kept here: memory is bounded: nothing is read before someone waits to carry it; what may be
poison holds up nobody: it goes behind the rest, and is not what tries the remote after an outage
unless there is nothing else.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from bulkload.batch import Batch
from bulkload.pipeline.loads import Load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from bulkload.calls.hold import Gate
    from bulkload.pipeline.associating import Associating
    from bulkload.pipeline.counting import Ledger
    from bulkload.pipeline.parts import Parts
    from bulkload.pipeline.quarantine import Quarantine
    from bulkload.pipeline.verification import Aside


MOMENT_S = 0.01
"""A source that is slower is waited for by one, while others send what came before."""


class Pulled(NamedTuple):
    """`struck`: the one load is out of the quarantine, whose `done` is called after it."""

    loads: Sequence[Load]
    struck: bool = False


class Batches:
    """What is read, several at a time. For one thread at a time. `clock`: in seconds."""

    def __init__(self, batches: Iterator[Batch], clock: Callable[[], float]) -> None:
        self._batches = batches
        self._clock = clock
        self._failure: Exception | None = None

    def several(self, wanted: int) -> list[Batch]:
        """Up to `wanted`, as many as come in a moment, and one at least; none at the end. What
        fails is raised once all that came before it was given out.
        """
        if self._failure is not None:
            raise self._failure
        found: list[Batch] = []
        until = self._clock() + MOMENT_S
        try:
            for batch in self._batches:
                found.append(batch)
                if len(found) >= wanted or self._clock() > until:
                    break
        except Exception as error:
            if not found:
                raise
            self._failure = error
        return found


class Intake:
    """For the workers of one run. `doubted` go first; `aside` where batches are searched for."""

    def __init__(
        self,
        parts: Parts,
        batches: Iterator[Batch],
        doubted: Iterable[Load],
        gate: Gate,
        ledger: Ledger,
        quarantine: Quarantine,
        aside: Aside | None,
        associating: Associating,
    ) -> None:
        self._parts = parts
        self._batches = Batches(batches, asyncio.get_running_loop().time)
        self._read: deque[Batch] = deque()
        self._waiting = 0
        self._doubted = deque(doubted)
        self._gate = gate
        self._ledger = ledger
        self._quarantine = quarantine
        self._aside = aside
        self._associating = associating
        self._reading = asyncio.Lock()
        self._all_read = False

    async def next(self) -> Pulled | None:
        """None where everything is read and settled. Raises Drained."""
        quarantine, aside = self._quarantine, self._aside
        while True:
            self._gate.go_on()
            if self._doubted:
                return Pulled([self._doubted.popleft()])
            if (struck := self._struck()) is not None:
                return Pulled([struck], struck=True)
            if aside is not None:
                await aside.room()
                if (load := aside.ready()) is not None:
                    return Pulled([load])
            if not (self._all_read or quarantine.crowded):
                fresh = await self._fresh()
                if fresh is not None:
                    return fresh
            elif quarantine.empty:
                more = None if aside is None else await aside.next()
                return None if more is None else Pulled([more])
            else:
                await quarantine.change()

    def _struck(self) -> Load | None:
        last = self._all_read or self._quarantine.crowded
        return self._quarantine.take(last=last) if last or self._gate.is_open else None

    async def _fresh(self) -> Pulled | None:
        """A batch as it was read; None where there is none left."""
        self._waiting += 1
        try:
            async with self._reading:
                self._gate.go_on()
                if not self._read:
                    # One hop to the reading thread for all who wait: each costs two switches.
                    wanted = self._waiting
                    self._read.extend(
                        await self._parts.offload(lambda: self._batches.several(wanted))
                    )
                batch = self._read.popleft() if self._read else None
                if batch is not None:
                    self._associating.expect(batch.asks)
        finally:
            self._waiting -= 1
        if batch is None:
            self._all_read = True
            return None
        if batch.letters or batch.skips:
            await self._parts.journal.bury(batch.letters, batch.skips)
            self._ledger.count(dead=len(batch.letters), skipped=len(batch.skips))
        if not batch.plain:
            self._ledger.leave_out(sum([entry.files for entry in batch.entries]))
        if not batch.entries:
            return Pulled(())
        load = Load(Batch(batch.entries))
        return Pulled([load] if self._aside is None else self._aside.keep_back(load))
