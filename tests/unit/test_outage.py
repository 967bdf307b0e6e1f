"""The remote's trouble: how long everybody waits, who asks, what was a blip, when it is enough."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING, Any, cast

import pytest

from bulkload import events
from bulkload.calls.hold import Drained, Gate
from bulkload.calls.limiter import Limiter
from bulkload.calls.outage import Outage
from bulkload.calls.quota import Quota
from bulkload.calls.room import RateLimit
from bulkload.hubspot.client import Sent
from bulkload.hubspot.remoteclock import RemoteClock
from bulkload.hubspot.replies import Reply, TryLater
from bulkload.zone import Zone
from tests.clock import run_virtual
from tests.making import open_traffic, reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from bulkload.errors import StoppedResumable

WIDEST = 8
DAY_S = 86_400.0


class Remote:
    """Answers reads by a script; a number is how long one hangs before it is answered."""

    def __init__(self, *script: Reply | float) -> None:
        self.script: Iterator[Reply | float] = iter(script)
        self.asked: list[float] = []
        self.under_way = self.most = 0

    async def probe(self) -> Sent:
        loop = asyncio.get_running_loop()
        self.asked.append(loop.time())
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            said = next(self.script, reply(200))
            await asyncio.sleep(said if isinstance(said, float) else 0.1)
            answer = reply(200) if isinstance(said, float) else said
            return Sent(answer, loop.time() if answer.left else 0.0, loop.time())
        finally:
            self.under_way -= 1


class Made:
    """An outage with all that it needs. `told`: what observers heard. Its day began an hour before
    it, at midnight.
    """

    def __init__(
        self,
        remote: Remote,
        *,
        most_s: float | None = None,
        free: bool = False,
        rate: RateLimit | None = None,
        credentials: Any = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()

        def wall() -> float:
            return DAY_S + 3600.0 + loop.time() - began

        self.wall = wall
        self.quota = Quota(Zone.of("UTC"), random=Random(1))
        self.remote, self.told = remote, list[events.Event]()
        self.stopped: list[StoppedResumable] = []
        self.traffic = traffic = open_traffic(
            Limiter(rate or RateLimit(1000, 1)), RemoteClock(loop.time),
            wall=wall, quota=self.quota, credentials=credentials,
        )  # fmt: skip
        self.gate = Gate(loop.time, WIDEST, traffic.idle_s)
        self.outage = Outage(
            self.gate, cast("Any", remote), traffic, Random(1),
            events.Announcer((self.told.append,)), most_s, self.drain, free=free,
        )  # fmt: skip

    def drain(self, why: StoppedResumable) -> None:
        self.stopped.append(why)
        self.gate.shut()


def virtually(test: Callable[[], Awaitable[None]]) -> None:
    async def runs() -> None:
        await test()

    run_virtual(runs())


@pytest.mark.parametrize(
    ("free", "blip", "script", "went"),
    [
        (True, True, (), True),
        (False, True, (), False),
        (True, False, (), False),
        (True, True, (reply(503),), False),
    ],
    ids=["a blip", "it would cost a doubt", "failed before, or late", "the first read failed"],
)
def test_only_a_blip_of_which_a_doubt_is_free_opens_for_all_at_once(
    free: bool, blip: bool, script: tuple[Reply, ...], went: bool
) -> None:
    async def test() -> None:
        made = Made(Remote(*script), free=free)
        assert made.outage.begin(trial=False)
        await made.outage.recover("503", blip=blip)
        assert [made.gate.enter() for _ in range(3)] == (
            ["normal"] * 3 if went else ["trial", None, None]
        )
        assert (events.Released() in made.told) is went

    virtually(test)


def test_a_second_blip_with_nothing_in_between_is_an_outage_of_creates() -> None:
    async def test() -> None:
        made = Made(Remote(), free=True)
        made.outage.begin(trial=False)
        await made.outage.recover("503", blip=True)
        assert made.gate.enter() == "normal"
        made.outage.begin(trial=False)
        await made.outage.recover("503", blip=True)
        assert [made.gate.enter(), made.gate.enter()] == ["trial", None]
        made.outage.over(trial=True)
        made.outage.begin(trial=False)
        await made.outage.recover("503", blip=True)
        assert made.gate.enter() == "normal", "one went through since"

    virtually(test)


def test_probes_go_one_at_a_time_five_seconds_apart_and_after_ten_minutes_ten() -> None:
    async def test() -> None:
        remote = Remote(*[reply(503)] * 500)
        made = Made(remote)
        began = asyncio.get_running_loop().time()
        made.outage.begin(trial=False)
        await made.outage.recover("503")
        waits = [(b - began, b - a) for a, b in zip(remote.asked, remote.asked[1:], strict=False)]
        early = [wait for at, wait in waits if at < 600]
        late = [wait for at, wait in waits[6:] if at > 611]
        assert remote.most == 1
        assert 3.0 < max(early) < 5.2
        assert 5.0 < min(late) <= max(late) < 10.2
        assert max(early[:2]) < 1.2, "the first are asked soon"

    virtually(test)


def test_a_probe_that_hangs_is_given_up_and_another_asks() -> None:
    async def test() -> None:
        remote = Remote(1000.0, 1000.0)
        made = Made(remote)
        made.outage.begin(trial=False)
        began = asyncio.get_running_loop().time()
        await made.outage.recover("stall")
        assert len(remote.asked) == 3
        assert asyncio.get_running_loop().time() - began < 2 * 5.0 + 3.0

    virtually(test)


def test_a_probe_honours_what_the_remote_says_of_its_return() -> None:
    async def test() -> None:
        remote = Remote(reply(503, Retry_After="40"))
        made = Made(remote)
        made.outage.begin(trial=False)
        await made.outage.recover("503", 20.0)
        first, second = remote.asked
        assert second - first > 40.0
        assert first - 1000.0 >= 20.0

    virtually(test)


@pytest.mark.parametrize(("free", "most"), [(True, 5.0), (False, 60.0)])
def test_creates_that_fail_while_reads_are_answered_are_tried_ever_more_seldom(
    free: bool, most: float
) -> None:
    async def test() -> None:
        remote = Remote()
        made = Made(remote, free=free)
        made.gate.fail()
        made.gate.answered()
        waits = []
        for _ in range(40):
            assert made.gate.enter() == "trial"
            assert made.outage.begin(trial=True)
            began = asyncio.get_running_loop().time()
            await made.outage.recover("503")
            waits.append(asyncio.get_running_loop().time() - began)
            made.gate.leave()
        assert max(waits[:2]) < 1.3
        assert most / 2 < max(waits) < 2 * max(most, 5.0) + 0.3
        if free:
            assert max(waits) < 10.3

    virtually(test)


def test_a_lock_that_is_said_again_and_again_is_asked_about_ever_more_seldom() -> None:
    async def test() -> None:
        made = Made(Remote())
        waits = []
        for _ in range(300):
            now = asyncio.get_running_loop().time()
            sent = Sent(reply(423), now, now + 0.1)
            made.outage.hold(TryLater("423", 2.0, throttled=False), sent, trial=True)
            held = made.gate._until - now
            waits.append(held)
            await asyncio.sleep(held + 0.1)
            assert made.gate.enter() == "trial"
            made.gate.leave()
        assert min(waits) == pytest.approx(2.0)
        assert 4.0 < max(waits[:100]) <= 5.0
        assert 5.0 < max(waits[-20:]) <= 10.0
        made.outage.over(trial=True)
        assert made.gate.enter() == "normal"
        assert made.gate.enter() == "normal"
        assert made.gate.enter() is None, "what was long down is loaded again in steps"

    virtually(test)


@pytest.mark.parametrize("how", ["hours asked for", "probes fail"])
def test_patience_ends_an_outage_resumable(how: str) -> None:
    async def test() -> None:
        script = [reply(503)] * 1000
        made = Made(Remote(*script), most_s=100.0)
        loop = asyncio.get_running_loop()
        began = loop.time()
        if how == "hours asked for":
            made.outage.hold(
                TryLater("477", 7200.0, throttled=False),
                Sent(reply(477), began, began),
                trial=False,
            )
            with pytest.raises(Drained):
                await made.gate.wait()
        else:
            made.outage.begin(trial=False)
            with pytest.raises(Drained):
                await made.outage.recover("503")
        assert 100.0 <= loop.time() - began < 106.0
        assert len(made.stopped) == 1
        assert "--max-outage 100" in str(made.stopped[0])

    virtually(test)


def test_patience_without_end_outlasts_a_week() -> None:
    async def test() -> None:
        made = Made(Remote(*[reply(503)] * 100_000), most_s=None)
        made.outage.begin(trial=False)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(100_000.0):
                await made.outage.recover("503")
        assert made.stopped == []

    virtually(test)


def test_reads_that_wait_behind_an_outage_do_not_all_come_at_once() -> None:
    async def test() -> None:
        remote = Remote(reply(503), *[reply(200)] * 30)
        made = Made(remote)
        made.outage.begin(trial=False)
        waiting = [asyncio.ensure_future(made.outage.read(remote.probe)) for _ in range(20)]
        await made.outage.recover("503")
        await asyncio.sleep(0.55)
        assert remote.most == 1, "beside the create that tries there is one read at a time"
        assert made.gate.enter() == "trial"
        made.outage.over(trial=True)
        await asyncio.sleep(0.25)
        assert 1 < remote.most <= 3
        for _ in range(WIDEST):
            made.outage.over(trial=False)
        await asyncio.gather(*waiting)
        assert remote.most > 3

    virtually(test)


def test_a_probe_that_meets_a_used_up_day_ends_the_outage_and_a_night_does_not_count() -> None:
    async def test() -> None:
        made = Made(Remote(reply(503), reply(429, {"policyName": "DAILY"})), most_s=60.0)
        assert made.outage.begin(trial=False)
        answer = await made.outage.recover("503")
        assert answer.reply.status == 429
        assert made.gate.down_for() == 0.0
        await asyncio.sleep(36_000)
        made.outage.check("503")
        assert made.stopped == []
        assert made.gate.enter() == "trial"

    virtually(test)


class LateToken:
    """Refused, and the next one takes two hours."""

    number, patience_s, warning = 1, 0.0, None

    def due(self) -> bool:
        return False

    async def renew(self, number: int) -> bool:
        await asyncio.sleep(7200.0)
        self.number = number + 1
        return True


@pytest.mark.parametrize("what", ["the day", "a token", "a slot"])
def test_what_a_probe_waits_for_before_it_may_leave_is_no_outage(what: str) -> None:
    async def test() -> None:
        rate = RateLimit(1, 7200) if what == "a slot" else None
        credentials = LateToken() if what == "a token" else None
        made = Made(Remote(reply(503)), most_s=3600.0, rate=rate, credentials=credentials)
        now = began = asyncio.get_running_loop().time()
        if what == "a slot":
            await made.traffic.call(Remote().probe, made.gate.pause)
        assert made.outage.begin(trial=False)
        if what == "the day":
            made.quota.refused(made.wall())
        elif what == "a token":
            made.traffic.refused(Sent(reply(401), now, now, 1), "401")
        await made.outage.recover("503")
        assert asyncio.get_running_loop().time() - began > 7200.0
        assert made.stopped == []
        assert made.gate.down_for() < 60.0

    virtually(test)


def test_a_night_between_the_probe_that_was_answered_and_the_trial_is_no_outage() -> None:
    async def test() -> None:
        made = Made(Remote(*[reply(200), reply(503)]), most_s=3600.0)
        made.outage.begin(trial=False)
        await made.outage.recover("503")
        made.quota.refused(made.wall())  # as another call showed, which nobody here saw
        await made.traffic.acquire(made.gate.pause)
        assert made.gate.enter() == "trial"
        assert made.outage.begin(trial=True)
        await made.outage.recover("503")
        assert made.stopped == []

    virtually(test)


def test_patience_ends_a_wait_that_the_remote_asked_for_later_by_what_was_a_night_of_it() -> None:
    async def test() -> None:
        made = Made(Remote(), most_s=3600.0)
        loop = asyncio.get_running_loop()
        began = loop.time()
        asked = TryLater("477", 100 * 3600.0, throttled=False)
        made.outage.hold(asked, Sent(reply(477), began, began), trial=False)
        made.quota.refused(made.wall())
        search = asyncio.create_task(made.traffic.allowed(made.gate.pause))
        with pytest.raises(Drained):
            await made.gate.wait()
        assert loop.time() - began == pytest.approx(24 * 3600.0, abs=60.0)
        assert len(made.stopped) == 1
        await search

    virtually(test)
