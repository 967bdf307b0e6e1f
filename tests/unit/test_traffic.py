"""A call that waits for its turn ends with the run, and then holds no slot."""

from __future__ import annotations

import asyncio

import pytest

from bulkload.hold import Drained, Gate
from bulkload.hubspot.remoteclock import RemoteClock
from bulkload.limiter import Limiter
from bulkload.room import RateLimit
from tests.clock import run_virtual
from tests.making import open_traffic


@pytest.mark.parametrize("limit", [RateLimit(1, 3600), RateLimit(2, 400)], ids=["slot", "pace"])
def test_who_waits_hears_that_the_run_has_ended(limit: RateLimit) -> None:
    async def ends() -> float:
        loop = asyncio.get_running_loop()
        limiter, gate, began = Limiter(limit), Gate(loop.time), loop.time()
        traffic = open_traffic(limiter, RemoteClock(loop.time))
        assert await traffic.acquire(gate.pause) < 1
        loop.call_later(5, limiter.wake)
        loop.call_later(9, gate.shut)
        with pytest.raises(Drained):
            await traffic.acquire(gate.pause)
        assert limiter.used == 1
        return loop.time() - began

    assert 9 <= run_virtual(ends()) < 9.1


def test_a_slot_that_comes_in_time_is_taken() -> None:
    async def waits() -> tuple[float, int]:
        loop = asyncio.get_running_loop()
        limiter, gate = Limiter(RateLimit(1, 100)), Gate(loop.time)
        traffic = open_traffic(limiter, RemoteClock(loop.time))
        await traffic.acquire(gate.pause)
        loop.call_later(5, limiter.spend, loop.time())
        waited = await traffic.acquire(gate.pause)
        return waited, limiter.used

    waited, used = run_virtual(waits())
    assert 100 <= waited < 101
    assert used == 1
