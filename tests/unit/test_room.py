"""What the account leaves us is used, hardly less, and what others take is not fought for."""

from __future__ import annotations

import asyncio
import math
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.limiter import Limiter
from bulkload.room import RateLimit, Room, Told
from tests.clock import run_virtual

FULL = RateLimit(190, 10.0)


@dataclass
class Remote:
    """A rolling window that others use too: `limits` and `others` are (since, calls a window)."""

    limits: list[tuple[float, int]]
    others: list[tuple[float, float]]
    window_s: float = 10.0
    tells: bool = True
    admitted: deque[float] = field(default_factory=deque)
    taken: float = 0.0
    ours: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)

    def _at(self, steps: list[tuple[float, float]] | list[tuple[float, int]], now: float) -> float:
        return [value for since, value in steps if since <= now][-1]

    def arrives(self, now: float) -> tuple[bool, Told | None]:
        limit = int(self._at(self.limits, now))
        while self.taken <= now:
            rate = self._at(self.others, self.taken) / self.window_s
            if rate:
                self._forget(self.taken)
                if len(self.admitted) < self._at(self.limits, self.taken):
                    self.admitted.append(self.taken)
            self.taken += 1 / rate if rate else 0.05
        self._forget(now)
        free = len(self.admitted) < limit
        if free:
            self.admitted.append(now)
            self.ours.append(now)
        else:
            self.refused.append(now)
        left = max(limit - len(self.admitted), 0)
        return free, Told(limit, self.window_s, left) if self.tells else None

    def _forget(self, now: float) -> None:
        while self.admitted and now - self.admitted[0] >= self.window_s:
            self.admitted.popleft()

    def count(self, begin: float, end: float) -> int:
        return bisect_left(self.ours, end) - bisect_left(self.ours, begin)

    def refusals(self, begin: float, end: float) -> int:
        return sum(begin <= moment < end for moment in self.refused)


async def load(remote: Remote, room: Room, seconds: float, *, in_flight: int = 20) -> None:
    """Workers that call for so long, under a limiter that learns from the answers."""
    loop, random = asyncio.get_running_loop(), Random(7)
    limiter, turnstile = Limiter(room), asyncio.Lock()
    zero = loop.time()

    async def work() -> None:
        failures = 0
        while loop.time() - zero < seconds:
            async with turnstile:
                await limiter.acquire()
            await asyncio.sleep(0.004)  # the intent is written
            used, sent_at = limiter.used, loop.time()
            await asyncio.sleep(random.uniform(0.005, 0.045))
            admitted, told = remote.arrives(loop.time() - zero)
            at_work = random.lognormvariate(math.log(0.3), 0.5) if admitted else 0.0
            await asyncio.sleep(at_work)
            await asyncio.sleep(random.uniform(0.005, 0.045))
            now = loop.time()
            limiter.end(sent_at, now - at_work)
            if told is not None:
                room.learn(told, used, sent_at, now)
            if not admitted:
                failures += 1
                room.refused(sent_at, now)
            limiter.widened()

    await asyncio.gather(*(work() for _ in range(in_flight)))


def test_alone_the_whole_limit_is_used_and_never_more() -> None:
    remote = Remote([(0, 190)], [(0, 0)])
    run_virtual(load(remote, Room(), 70))
    assert not remote.refused
    assert remote.count(10, 60) >= 0.98 * 950


@pytest.mark.parametrize("tells", [True, False], ids=["told", "blind"])
def test_others_take_their_part_and_give_it_back(tells: bool) -> None:
    remote = Remote([(0, 190)], [(0, 0), (40, 60), (100, 0)], tells=tells)
    run_virtual(load(remote, Room(FULL), 150))
    used = [remote.count(t, t + 10) for t in range(0, 150, 10)]
    assert remote.refusals(40, 110) <= 0.02 * (remote.count(40, 110) + remote.refusals(40, 110))
    if tells:
        assert all(count >= 0.95 * 130 for count in used[6:10]), used
        assert all(count >= 0.95 * 190 for count in used[12:]), used


def test_a_limit_that_changes_is_followed() -> None:
    remote = Remote([(0, 100), (40, 190), (90, 100)], [(0, 0)])
    run_virtual(load(remote, Room(), 130))
    used = [remote.count(t, t + 10) for t in range(0, 130, 10)]
    assert all(count >= 95 for count in used[1:4]), used
    assert all(count >= 0.95 * 190 for count in used[6:9]), used
    assert all(count >= 95 for count in used[11:]), used
    assert len(remote.refused) <= 20


def test_a_window_that_others_have_just_used_costs_a_few_refusals() -> None:
    remote = Remote([(0, 190)], [(0, 0)])
    remote.admitted.extend(-i / 19 for i in range(185, 0, -1))
    room = Room()
    _, told = remote.arrives(0)  # the one call that asks whose portal it is
    assert told is not None
    room.learn(told, 1, 999.9, 1000.0)
    run_virtual(load(remote, room, 40))
    assert len(remote.refused) <= 3
    assert remote.count(20, 40) >= 0.97 * 380


def test_half_of_the_limit_leaves_half() -> None:
    remote = Remote([(0, 190)], [(0, 0)])
    run_virtual(load(remote, Room(None, 0.5), 60))
    assert not remote.refused
    assert 0.96 * 475 <= remote.count(10, 60) <= 476


def test_the_users_bound_is_kept_where_the_remote_allows_more() -> None:
    room = Room(RateLimit(50, 10.0))
    room.learn(Told(190, 10.0, 189), 1, 1.0, 1.1)
    assert room.limit == (50, 10.0)
    assert room.calls(1.1) == 50
    room.learn(Told(30, 10.0, 20), 10, 2.0, 2.1)
    assert room.calls(2.1) == 30


def test_a_bound_by_another_window_is_the_users_own_business() -> None:
    room = Room(RateLimit(5, 1.0))
    room.learn(Told(190, 10.0, 0), 1, 1.0, 1.1)
    assert room.limit == (5, 1.0)
    assert room.calls(1.1) == 5


@given(
    st.lists(
        st.tuples(
            st.floats(0, 30), st.integers(1, 300), st.integers(0, 300), st.integers(0, 300),
            st.booleans(),
        ),
        max_size=30,
    ),
    st.sampled_from([None, FULL, RateLimit(5, 1.0)]),
    st.floats(0.01, 1),
)  # fmt: skip
def test_it_never_allows_more_than_the_limit_nor_less_than_one_call(
    answers: list[tuple[float, int, int, int, bool]], most: RateLimit | None, share: float
) -> None:
    room, now = Room(most, share), 0.0
    for pause, calls, remaining, used, refused in answers:
        now += pause
        room.learn(Told(calls, 10.0, remaining), used, now, now)
        if refused:
            room.refused(now, now)
        assert 1 <= room.calls(now) <= max(int(room.limit.calls * share), 1)
        if most is not None:
            assert room.limit.calls <= most.calls
        # Care wears off, and what others used is forgotten.
        assert room.calls(now + 200) == max(int(room.limit.calls * share), 1)
