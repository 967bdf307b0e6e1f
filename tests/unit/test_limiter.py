"""In no rolling window do more requests arrive than the remote allows; hardly fewer do."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkload.calls.limiter import Limiter
from bulkload.calls.room import RateLimit
from tests.clock import run_virtual

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random


def worst(arrivals: list[float], window: float) -> int:
    """Most arrivals in any half-open window."""
    arrivals = sorted(arrivals)
    most = first = 0
    for last, moment in enumerate(arrivals):
        while arrivals[first] <= moment - window:
            first += 1
        most = max(most, last - first + 1)
    return most


async def load(
    limit: RateLimit,
    calls: int,
    *,
    in_flight: int,
    stall: Callable[[], float],
    way: Callable[[], tuple[float, float, float]],
    fails: Callable[[], bool] = lambda: False,
) -> list[float]:
    """`calls` calls by `in_flight` workers; when each arrived at the remote.

    `stall`: between acquire and send. `way`: there, at work, and back, in seconds. `fails`:
    whether nothing is sent.
    """
    loop = asyncio.get_running_loop()
    limiter, turnstile = Limiter(limit), asyncio.Lock()
    arrivals: list[float] = []
    left = iter(range(calls))

    async def work() -> None:
        for _ in left:
            async with turnstile:
                await limiter.acquire()
            await asyncio.sleep(stall())
            if fails():
                limiter.give_back()
                continue
            sent = loop.time()
            there, at_work, back = way()
            await asyncio.sleep(there)
            arrivals.append(loop.time())
            await asyncio.sleep(at_work)
            await asyncio.sleep(back)
            limiter.spend(max(sent, loop.time() - at_work))

    await asyncio.gather(*(work() for _ in range(in_flight)))
    return arrivals


LIMITS = st.builds(RateLimit, st.integers(1, 30), st.sampled_from([0.5, 1.0, 4.0, 10.0]))


@settings(deadline=None, max_examples=60)
@given(
    LIMITS, st.integers(1, 15), st.floats(0, 4), st.floats(0, 3), st.randoms(use_true_random=False)
)
def test_no_window_holds_more_than_the_limit_whatever_the_way_there(
    limit: RateLimit, in_flight: int, stalls: float, latency: float, random: Random
) -> None:
    arrivals = run_virtual(
        load(
            limit,
            limit.calls * 6,
            in_flight=in_flight,
            stall=lambda: random.choice([0, 0, 0, stalls * random.random()]),
            way=lambda: (
                latency * random.random(),
                latency * random.random(),
                latency * random.random(),
            ),
            fails=lambda: random.random() < 0.1,
        )
    )
    assert worst(arrivals, limit.window_s) <= limit.calls


def test_no_window_holds_more_after_a_disk_that_stood_still() -> None:
    limit = RateLimit(190, 10)
    stalls = iter([*[0.0] * 400, *[3.0] * 60, *[0.0] * 10_000])
    arrivals = run_virtual(
        load(
            limit,
            1500,
            in_flight=60,
            stall=lambda: next(stalls),
            way=lambda: (0.05, 0.1, 0.05),
        )
    )
    assert worst(arrivals, 10) <= 190


@pytest.mark.parametrize(
    ("limit", "calls"),
    [(RateLimit(190, 10), 5000), (RateLimit(5, 1), 500), (RateLimit(1, 4), 100)],
    ids=str,
)
def test_steady_work_uses_nearly_all_that_is_allowed(limit: RateLimit, calls: int) -> None:
    arrivals = run_virtual(
        load(
            limit,
            calls,
            in_flight=40,
            stall=lambda: 0.005,
            way=lambda: (0.04, 0.12, 0.04),
        )
    )
    used = (len(arrivals) - 1) / (max(arrivals) - min(arrivals))
    assert worst(arrivals, limit.window_s) <= limit.calls
    assert used * limit.window_s / limit.calls >= 0.97 * (1 - 0.24 / limit.window_s)


def test_less_than_one_call_a_second_is_a_rate_too() -> None:
    async def four() -> list[float]:
        limiter, loop = Limiter(RateLimit(1, 4)), asyncio.get_running_loop()
        moments = []
        for _ in range(4):
            await limiter.acquire()
            moments.append(loop.time())
            limiter.spend(loop.time())
        return moments

    moments = run_virtual(four())
    gaps = [b - a for a, b in pairwise(moments)]
    assert all(4 <= gap < 4.1 for gap in gaps)


def test_a_slot_in_flight_does_not_come_back_by_itself() -> None:
    async def unanswered() -> None:
        limiter = Limiter(RateLimit(2, 1))
        await limiter.acquire()
        await limiter.acquire()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(limiter.acquire(), 1000)
        limiter.spend(asyncio.get_running_loop().time())
        waited = await asyncio.wait_for(limiter.acquire(), 1000)
        assert 1 <= waited <= 1.1

    run_virtual(unanswered())


def test_what_was_given_back_is_free_at_once() -> None:
    async def gives() -> None:
        limiter = Limiter(RateLimit(1, 1000))
        loop = asyncio.get_running_loop()
        limiter._pace.max_rate = 1e9  # the slots alone
        limiter._pace._rate_per_sec = 1e9
        await limiter.acquire()
        loop.call_later(5, limiter.give_back)
        assert 5 <= await limiter.acquire() < 5.1

    run_virtual(gives())


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0, 1)), max_size=30))
def test_a_cancelled_acquire_leaks_no_slot(cancels: list[tuple[float, float]]) -> None:
    async def cancelled() -> None:
        limit = RateLimit(4, 1)
        limiter = Limiter(limit)
        held = 0
        for patience, pause in cancels:
            try:
                async with asyncio.timeout(patience):
                    await limiter.acquire()
                    held += 1
            except TimeoutError:
                pass
            await asyncio.sleep(pause)
            if held == limit.calls:
                for _ in range(held):
                    limiter.give_back()
                held = 0
        for _ in range(limit.calls - held):
            await asyncio.wait_for(limiter.acquire(), 10)
        assert limiter._out == limit.calls
        assert not limiter._arrived

    run_virtual(cancelled())


def test_an_earlier_life_still_holds_its_slots() -> None:
    async def resumed() -> None:
        limiter = Limiter(RateLimit(3, 10))
        limiter.take_recent(50)
        assert 10 <= await limiter.acquire() < 10.1

    run_virtual(resumed())


def test_a_limit_out_of_reach_costs_no_time() -> None:
    async def fast() -> float:
        limiter, loop = Limiter(RateLimit(1_000_000, 1)), asyncio.get_running_loop()
        began = loop.time()
        for _ in range(5000):
            await limiter.acquire()
            limiter.spend(loop.time())
        return loop.time() - began

    assert run_virtual(fast()) < 0.01
