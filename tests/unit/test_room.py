"""What the account leaves us is used, hardly less, and what others take is not fought for."""

from __future__ import annotations

import asyncio
import math
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass, field
from random import Random
from statistics import mean
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.calls.arrival import Arrival
from bulkload.calls.limiter import Limiter
from bulkload.calls.room import RateLimit, Room, both
from bulkload.hubspot.ratelimits import Told
from tests.clock import run_virtual

if TYPE_CHECKING:
    from collections.abc import Callable

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

    def refused_share(self, begin: float, end: float) -> float:
        refused = self.refusals(begin, end)
        return refused / (refused + self.count(begin, end))

    def windows(self, begin: float, end: float) -> list[int]:
        """Ours in each window that lies in [begin, end): calls come in clusters, so no window
        alone says what is used.
        """
        steps = int((end - begin - self.window_s) / 0.02) + 1
        moments = [begin + 0.02 * step for step in range(steps)]
        return [self.count(moment, moment + self.window_s) for moment in moments]

    def use(self, begin: float, end: float, calls: int) -> float:
        """The mean window, as a share of `calls`."""
        return mean(self.windows(begin, end)) / calls


@dataclass
class Way:
    """How long things take: `latency` is the median of a lognormal, half of it at work; `stalls`
    are when the disk stands still for two seconds. `times`: answers tell when the work was done.
    """

    seed: int = 7
    latency: float = 0.3
    jitter: float = 0.04
    times: bool = True
    stalls: tuple[float, ...] = ()
    ahead: Callable[[float], float] = lambda _now: 5000.0
    """The remote's clock before ours."""

    def __post_init__(self) -> None:
        self.random = Random(self.seed)

    def disk(self, now: float) -> float:
        """How long a write takes that is asked for now."""
        ends = [begin + 2 - now for begin in self.stalls if begin <= now < begin + 2]
        return max(ends, default=0.004)

    def forth(self) -> float:
        return 0.001 + self.random.uniform(0, self.jitter)

    def answer(self) -> float:
        return self.random.lognormvariate(math.log(self.latency), 0.5)


async def load(
    remote: Remote, room: Room, seconds: float, way: Way | None = None, *, in_flight: int = 20
) -> None:
    """Workers that call for so long, under a limiter that learns from the answers."""
    loop, way = asyncio.get_running_loop(), way or Way()
    limiter, turnstile, arrival = Limiter(room), asyncio.Lock(), Arrival()
    zero = loop.time()

    def passed() -> float:
        return loop.time() - zero

    async def work() -> None:
        while passed() < seconds:
            async with turnstile:
                await limiter.acquire()
            await asyncio.sleep(way.disk(passed()))  # the intent is written
            used, sent_at = limiter.used, loop.time()
            await asyncio.sleep(way.forth())
            admitted, told = remote.arrives(passed())
            came, slow = loop.time(), way.answer() if admitted else 0.0
            await asyncio.sleep(slow * 0.6)
            worked = loop.time() - came if way.times and admitted else 0.0
            completed = loop.time() + way.ahead(passed())
            await asyncio.sleep(slow * 0.4 + way.forth())
            now = loop.time()
            by = arrival.by(sent_at, now, worked, completed if worked else None)
            assert by >= came
            limiter.end(sent_at, by)
            if told is not None:
                room.learn(told, used, sent_at, now)
            if not admitted:
                room.refused(sent_at, now)
            limiter.wake()
            await asyncio.sleep(way.disk(passed()))  # the outcome is written

    await asyncio.gather(*(work() for _ in range(in_flight)))


@pytest.mark.parametrize(
    ("way", "least"),
    [
        (Way(), 0.98),
        (Way(seed=8, jitter=0.2), 0.97),
        (Way(times=False), 0.96),
        (Way(stalls=(5, 25, 45, 65)), 0.98),
        (Way(stalls=(8, 23, 38, 53, 68)), 0.97),
        (Way(latency=0.05), 0.98),
        (Way(latency=0.7), 0.98),
    ],
    ids=[
        "as it is", "jitter", "no times", "stalls every 20 s", "stalls every 15 s", "quick", "slow",
    ],
)  # fmt: skip
def test_alone_nearly_the_whole_limit_is_used_and_never_more(way: Way, least: float) -> None:
    remote = Remote([(0, 190)], [(0, 0)])
    run_virtual(load(remote, Room(), 75, way))
    assert not remote.refused
    begin = remote.ours[0] + 10
    assert remote.use(begin, begin + 60, 190) >= least


@pytest.mark.parametrize("seed", range(4))
def test_others_take_their_part_and_give_it_back(seed: int) -> None:
    remote = Remote([(0, 190)], [(0, 0), (40, 60), (100, 0)])
    run_virtual(load(remote, Room(FULL), 150, Way(seed)))
    assert remote.refused_share(40, 150) < 0.02
    assert remote.use(60, 100, 130) >= 0.95
    assert min(remote.windows(60, 100)) >= 0.9 * 130
    assert remote.use(120, 150, 190) >= 0.95
    assert remote.use(10, 40, 190) >= 0.98


def test_others_are_met_by_fewer_calls_where_nothing_is_told() -> None:
    remote = Remote([(0, 190)], [(0, 0), (40, 60), (100, 0)], tells=False)
    run_virtual(load(remote, Room(FULL), 150))
    assert remote.refused_share(40, 110) < 0.02


def test_a_limit_that_changes_is_followed() -> None:
    remote = Remote([(0, 100), (40, 190), (90, 100)], [(0, 0)])
    run_virtual(load(remote, Room(), 130))
    assert remote.use(10, 40, 100) >= 0.98
    assert remote.use(60, 90, 190) >= 0.98
    assert remote.use(110, 130, 100) >= 0.98
    assert not [moment for moment in remote.refused if moment < 90]
    assert len(remote.refused) <= 20


@pytest.mark.parametrize(
    "ahead",
    [
        lambda now: -0.9 if now > 33 else 0.0,
        lambda now: 3600.0 if now > 33 else 0.0,
        lambda now: 5e-5 * now,
        lambda now: -5e-5 * now,
        lambda now: 0.01 * (int(now * 1000) % 3),
    ],
    ids=["set back", "set ahead", "too fast", "too slow", "three clocks"],
)
def test_the_remotes_clock_may_be_set_or_drift_or_be_many(ahead: Callable[[float], float]) -> None:
    remote = Remote([(0, 190)], [(0, 0)])
    run_virtual(load(remote, Room(), 75, Way(ahead=ahead)))
    assert remote.use(10, 70, 190) >= 0.98


def test_a_window_that_others_have_just_used_costs_a_few_refusals() -> None:
    remote = Remote([(0, 190)], [(0, 0)])
    remote.admitted.extend(-i / 19 for i in range(185, 0, -1))
    room = Room()
    _, told = remote.arrives(0)  # the one call that asks whose portal it is
    assert told is not None
    room.learn(told, 1, 999.9, 1000.0)
    run_virtual(load(remote, room, 40))
    assert len(remote.refused) <= 3
    assert remote.use(20, 40, 190) >= 0.98


def test_half_of_the_limit_leaves_half() -> None:
    remote = Remote([(0, 190)], [(0, 0)])
    run_virtual(load(remote, Room(None, 0.5), 60))
    assert not remote.refused
    assert max(remote.windows(0, 60)) <= 95
    assert remote.use(10, 60, 95) >= 0.98


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


LIMITS = st.builds(RateLimit, st.integers(1, 2_000), st.sampled_from([0.5, 1.0, 4.0, 10.0, 3600.0]))


@given(LIMITS, LIMITS)
def test_one_limit_keeps_two_of_different_windows(most: RateLimit, told: RateLimit) -> None:
    kept = both(most, told)
    assert kept.calls >= 1
    for limit in (most, told):
        assert kept.calls * math.ceil(limit.window_s / kept.window_s) <= limit.calls


@pytest.mark.parametrize(
    ("most", "wanted"),
    [
        (RateLimit(100, 1.0), RateLimit(19, 1.0)),
        (RateLimit(5, 1.0), RateLimit(5, 1.0)),
        (RateLimit(2, 400.0), RateLimit(2, 400.0)),
        (RateLimit(1000, 60.0), RateLimit(166, 10.0)),
    ],
)
def test_a_bound_of_the_users_never_goes_over_the_accounts_limit(
    most: RateLimit, wanted: RateLimit
) -> None:
    room = Room(most)
    room.learn(Told(190, 10.0, 100), 1, 0.0, 1.0)
    assert room.limit == wanted
