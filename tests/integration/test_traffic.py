"""What every call waits for, on a virtual clock: the day first, then a token, then a slot."""

from __future__ import annotations

import asyncio
import json
import math
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from bulkload import events
from bulkload.calls.hold import Drained, Gate
from bulkload.calls.limiter import Limiter
from bulkload.calls.quota import GRACE_S, JITTER_S, STEP_S, Quota
from bulkload.calls.room import RateLimit
from bulkload.calls.share import Share
from bulkload.calls.traffic import IN_A_ROW, Traffic
from bulkload.errors import StoppedResumable
from bulkload.hubspot.auth import PATIENCE_S, RenewalTrouble, Token, TokenFile
from bulkload.hubspot.client import Sent
from bulkload.hubspot.oauth import OAuth
from bulkload.hubspot.ratelimits import Daily
from bulkload.hubspot.remoteclock import RemoteClock
from bulkload.pipeline.searches import Searches
from bulkload.zone import Zone
from tests.clock import run_virtual
from tests.making import open_traffic, reply

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping
    from pathlib import Path

    from bulkload.hubspot.replies import Reply

    Play = Callable[["Stage"], Coroutine[Any, Any, None]]

NOON = 1_790_000_000.0 - 1_790_000_000.0 % 86_400 + 43_200
MIDNIGHT = NOON + 43_200
UTC = Zone.of("UTC")
WIDE = RateLimit(1000, 1.0)
DAILY = reply(429, {"policyName": "DAILY"})


class Renewing:
    """Credentials that are played: what each renewal brings, and how long that takes.

    True: another token; False: there is none to be had; a trouble is raised.
    """

    warning: str | None = None

    def __init__(
        self,
        brings: Iterable[bool | RenewalTrouble] = (),
        *,
        takes: float = 0.1,
        patience_s: float = 0.0,
    ) -> None:
        self.number = 1
        self.patience_s = patience_s
        self.asked: list[float] = []
        self.is_due = False
        self._brings = iter(brings)
        self._takes = takes

    def reveal(self) -> str:
        return f"token {self.number}"

    def due(self) -> bool:
        return self.is_due

    async def fresh(self) -> None:
        await self._renewed()

    async def renew(self, number: int) -> bool:
        return number != self.number or await self._renewed()

    async def close(self) -> None:
        pass

    async def _renewed(self) -> bool:
        self.asked.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self._takes)
        found = next(self._brings)
        if isinstance(found, RenewalTrouble):
            raise found
        self.number += found
        self.is_due = False
        return found


class Stage:
    """A Traffic whose wall clock runs with the loop's, and can be set."""

    def __init__(
        self,
        credentials: Any = None,
        *,
        share: str | None = None,
        rate: RateLimit = WIDE,
        **more: Any,
    ) -> None:
        self.clock = asyncio.get_running_loop().time
        self.began = self.clock()
        self.set_by = 0.0
        self.told: list[events.Event] = []
        self.limiter = Limiter(rate)
        self.quota = Quota(UTC, Share.parse(share) if share else None, random=Random(1))
        self.gate = Gate(self.clock)
        self.credentials: Any = credentials or Token("x")
        self.traffic: Traffic = open_traffic(
            self.limiter, RemoteClock(self.clock), events.Announcer((self.told.append,)),
            credentials=self.credentials, quota=self.quota, wall=self.wall, **more,
        )  # fmt: skip
        self.left: list[tuple[float, int]] = []

    def wall(self) -> float:
        return NOON + self.clock() - self.began + self.set_by

    @property
    def spent(self) -> float:
        return self.clock() - self.began

    def sent(self, answer: Reply, token: int | None = None) -> Sent:
        now = self.clock()
        return Sent(answer, now, now, self.credentials.number if token is None else token)

    async def call(self, answer: Reply | None = None) -> Sent:
        """A read. Its answer comes after a tenth of a second."""

        async def send() -> Sent:
            self.left.append((self.spent, self.credentials.number))
            left_at, number = self.clock(), self.credentials.number
            await asyncio.sleep(0.1)
            return Sent(answer or reply(200), left_at, self.clock(), number)

        return await self.traffic.call(send, self.gate.pause)

    async def use_up(self) -> None:
        """The day, as the remote says it."""
        await self.call(DAILY)
        self.left.clear()

    def of(self, *kinds: type[events.Event]) -> list[events.Event]:
        return [event for event in self.told if isinstance(event, kinds)]


def played(play: Play, make: Callable[[], Any] | None = None, **more: Any) -> None:
    async def run() -> None:
        async with asyncio.timeout(10 * 86_400):  # a wait without end ends here
            await play(Stage(make() if make else None, **more))

    run_virtual(run())


async def refused(stage: Stage) -> None:
    """A 401 for the token that holds."""
    assert stage.traffic.refused(stage.sent(reply(401)), "the token was refused")


# The order


def test_a_call_waits_for_the_day_then_for_a_token_then_for_a_slot() -> None:
    async def play(stage: Stage) -> None:
        await stage.call()  # the window is full now
        await stage.use_up()
        stage.credentials.is_due = True
        await stage.call()
        (left_at, number), (fetched_at,) = stage.left[0], stage.credentials.asked
        over = MIDNIGHT - NOON
        assert over < fetched_at - stage.began < over + GRACE_S + JITTER_S + 1
        assert left_at > fetched_at - stage.began
        assert number == 2

    played(play, lambda: Renewing([True], takes=5.0), rate=RateLimit(2, 10.0))


def test_a_slot_is_not_held_while_the_day_or_a_token_is_waited_for() -> None:
    async def play(stage: Stage) -> None:
        stage.credentials.is_due = True
        call = asyncio.create_task(stage.call())
        await asyncio.sleep(2.0)
        assert (stage.limiter.under_way, stage.quota.own) == (0, 0)
        await call
        assert stage.quota.own == 1

    played(play, lambda: Renewing([True], takes=5.0))


def test_a_slot_is_given_back_where_the_token_became_due_meanwhile() -> None:
    async def play(stage: Stage) -> None:
        await asyncio.gather(stage.call(), stage.call())
        call = asyncio.create_task(stage.call())  # waits for a slot: 10 s
        await asyncio.sleep(5.0)
        stage.credentials.is_due = True
        await asyncio.sleep(8.0)
        assert stage.limiter.under_way == 0  # the token takes 20 s
        assert len(stage.left) == 2
        await call
        assert stage.left[-1][1] == 2
        assert (stage.limiter.under_way, stage.quota.own) == (0, 3)

    played(play, lambda: Renewing([True], takes=20.0), rate=RateLimit(2, 10.0))


def test_a_slot_is_given_back_where_the_day_was_used_up_meanwhile() -> None:
    async def play(stage: Stage) -> None:
        await asyncio.gather(stage.call(), stage.call())
        call = asyncio.create_task(stage.call())
        await asyncio.sleep(5.0)
        stage.quota.learn(Daily(1000, 0), stage.wall())
        await asyncio.sleep(8.0)
        assert (stage.limiter.under_way, stage.quota.own) == (0, 2)
        await call
        assert stage.left[-1][0] > MIDNIGHT - NOON

    played(play, rate=RateLimit(2, 10.0))


def test_no_call_of_many_at_once_goes_beyond_the_share() -> None:
    async def play(stage: Stage) -> None:
        calls = [asyncio.create_task(stage.call()) for _ in range(25)]
        await asyncio.sleep(3600.0)
        assert len(stage.left) == 10
        await asyncio.gather(*calls)
        days = [math.floor((at + 43_200) / 86_400) for at, _ in stage.left]
        assert [days.count(day) for day in (0, 1, 2)] == [10, 10, 5]

    played(play, share="10")


def test_a_search_is_one_of_the_days_calls_too() -> None:
    async def play(stage: Stage) -> None:
        for _ in range(10):
            await stage.traffic.allowed(stage.gate.pause)
        call = asyncio.create_task(stage.call())
        await asyncio.sleep(60.0)
        assert not stage.left
        await call

    played(play, share="10")


@pytest.mark.parametrize("how", ["nothing left", "drained"])
def test_a_search_that_never_left_is_none_of_the_days_calls(how: str) -> None:
    async def play(stage: Stage) -> None:
        tried = 0

        async def search(request: bytes) -> Sent:
            nonlocal tried
            tried += 1
            if how == "nothing left" and tried <= 3:
                return Sent(reply(0)._replace(left=False, whole=False), 0.0, stage.clock())
            return stage.sent(reply(200, {"total": 0, "results": []}))

        async def met(*_: object) -> None:
            pass

        parts: Any = SimpleNamespace(sink=SimpleNamespace(search=search), traffic=stage.traffic)
        searches = Searches(parts, cast("Any", SimpleNamespace(gate=stage.gate, met=met)))
        if how == "drained":
            stage.gate.fail()
            asked = asyncio.create_task(searches.page(b""))
            await asyncio.sleep(1.0)
            stage.gate.shut()
            with pytest.raises(Drained):
                await asked
        else:
            await searches.page(b"")
        assert (tried, stage.quota.own) == ((0, 0) if how == "drained" else (4, 1))

    played(play, share="10")


# The token


def granted(access: str, life: float, refresh: str = "refresh") -> Reply:
    members = {"access_token": access, "refresh_token": refresh, "expires_in": life}
    return reply(200, members)


def by_oauth(tmp_path: Path, *answers: Reply, takes: float = 0.5) -> tuple[OAuth, list[str]]:
    path, forms, left = tmp_path / "oauth.json", list[str](), iter(answers)
    members = {"client_id": "id", "client_secret": "secret", "refresh_token": "refresh"}
    path.write_text(json.dumps(members))
    path.chmod(0o600)

    async def post_form(_: str, form: Mapping[str, str]) -> Reply:
        forms.append(form["refresh_token"])
        await asyncio.sleep(takes)
        return next(left)

    return OAuth(path, post_form), forms


def test_twenty_callers_at_a_tokens_end_make_one_refresh(tmp_path: Path) -> None:
    async def run() -> None:
        credentials, forms = by_oauth(tmp_path, *(granted(f"t{n}", 20) for n in range(9)))
        stage = Stage(credentials)
        for life in range(4):
            answers = await asyncio.gather(*(stage.call() for _ in range(20)))
            assert {sent.token for sent in answers} == {life + 1}
            assert len(forms) == life + 1
            await asyncio.sleep(18.1)  # a tenth of its life before the token's end
        assert not stage.of(events.Held, events.Released), "nobody noticed"

    run_virtual(run())


def test_twenty_calls_that_are_refused_at_once_make_one_renewal() -> None:
    async def play(stage: Stage) -> None:
        first = await asyncio.gather(*(stage.call(reply(401)) for _ in range(20)))
        known = [stage.traffic.refused(sent, "no") for sent in first]
        assert known == [True] + [False] * 19
        await asyncio.gather(*(stage.call() for _ in range(20)))
        assert len(stage.credentials.asked) == 1
        assert {number for _, number in stage.left[20:]} == {2}

    played(play, lambda: Renewing([True], takes=3.0))


def test_a_late_401_of_an_older_token_changes_nothing() -> None:
    async def play(stage: Stage) -> None:
        stage.credentials.number = 3
        assert not stage.traffic.refused(stage.sent(reply(401), token=2), "late")
        assert not stage.traffic.refused(stage.sent(reply(401), token=1), "later")
        await stage.call()
        assert stage.spent < 1.0
        assert (stage.credentials.asked, stage.told) == ([], [])

    played(play, Renewing)


def test_a_refusal_that_no_waiting_mends_stops_at_once() -> None:
    async def play(stage: Stage) -> None:
        await refused(stage)
        with pytest.raises(StoppedResumable, match="authorise the app again"):
            await stage.call()
        assert stage.spent < 1.0

    hopeless = RenewalTrouble("authorise the app again", hopeless=True)
    played(play, lambda: Renewing([hopeless]), most_s=None)


def test_a_token_that_nobody_renews_stops_at_once() -> None:
    async def play(stage: Stage) -> None:
        await stage.call()
        await refused(stage)
        with pytest.raises(StoppedResumable, match="the token was refused"):
            await stage.call()
        assert stage.spent < 1.0
        assert not stage.of(events.Held)

    played(play, most_s=3600.0)


@pytest.mark.parametrize("after", [None, 4.0, 100.0])
def test_trouble_with_a_renewal_is_borne_so_long_and_no_longer(after: float | None) -> None:
    async def play(stage: Stage) -> None:
        await refused(stage)
        with pytest.raises(StoppedResumable, match="no way to it; gave up after 60 s"):
            await stage.call()
        assert 60.0 <= stage.spent < 61.0
        assert len(stage.of(events.Held)) == 1
        assert not stage.of(events.Released)

    def troubles() -> Iterable[RenewalTrouble]:
        while True:
            yield RenewalTrouble("no way to it", after=after)

    played(play, lambda: Renewing(troubles()), most_s=60.0)


def test_trouble_with_a_renewal_holds_everybody_then_they_go_on() -> None:
    async def play(stage: Stage) -> None:
        await refused(stage)
        await asyncio.gather(*(stage.call() for _ in range(20)))
        assert {number for _, number in stage.left} == {2}
        assert stage.credentials.asked[-1] - stage.began > 3 * 7.0
        told = stage.of(events.Held, events.Released)
        assert told == [events.Held(None, "no way to it"), events.Released()]

    brings = [RenewalTrouble("no way to it", after=7.0)] * 3
    played(play, lambda: Renewing([*brings, True]), most_s=None)


@pytest.mark.parametrize(
    ("accepted", "most", "least"),
    [(True, None, PATIENCE_S), (True, 25.0, 25.0), (False, None, 0.0)],
)
def test_a_token_file_is_waited_for_a_minute_if_its_token_was_ever_accepted(
    tmp_path: Path, accepted: bool, most: float | None, least: float
) -> None:
    path = tmp_path / "token"
    path.write_text("first")

    async def play(stage: Stage) -> None:
        if accepted:
            await stage.call()
        await refused(stage)
        with pytest.raises(StoppedResumable, match="the token was refused"):
            await stage.call()
        assert least <= stage.spent < least + 2.0

    played(play, lambda: TokenFile(path), most_s=most)


def test_a_token_file_that_is_rewritten_after_a_401_lets_everybody_go_on(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("first")

    async def play(stage: Stage) -> None:
        await stage.call()
        await refused(stage)
        calls = [asyncio.create_task(stage.call()) for _ in range(5)]
        await asyncio.sleep(30.0)
        assert len(stage.left) == 1
        path.write_text("second")
        await asyncio.gather(*calls)
        assert stage.spent < 32.0
        assert {number for _, number in stage.left[1:]} == {2}
        assert len(stage.of(events.Held)) == len(stage.of(events.Released)) == 1

    played(play, lambda: TokenFile(path))


def test_a_token_file_that_changed_is_read_before_its_token_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("first")

    async def play(stage: Stage) -> None:
        await stage.call()
        path.write_text("second")
        await asyncio.sleep(1.0)
        await stage.call()
        assert stage.credentials.reveal() == "second"
        assert stage.left[-1][1] == 2

    played(play, lambda: TokenFile(path))


def test_three_tokens_in_a_row_that_are_refused_stop_it() -> None:
    async def play(stage: Stage) -> None:
        for _ in range(IN_A_ROW - 1):
            await refused(stage)
            await stage.call(reply(401))
        await refused(stage)
        with pytest.raises(StoppedResumable, match="3 tokens in a row"):
            await stage.call()
        assert stage.credentials.number == IN_A_ROW

    played(play, lambda: Renewing([True] * 9))


def test_a_token_that_is_accepted_begins_the_row_anew() -> None:
    async def play(stage: Stage) -> None:
        for _ in range(3 * IN_A_ROW):
            await refused(stage)
            await stage.call()

    played(play, lambda: Renewing([True] * 9))


def test_a_warning_of_the_credentials_is_told_once() -> None:
    async def play(stage: Stage) -> None:
        stage.credentials.warning = "the new refresh token can't be written"
        for _ in range(3):
            stage.credentials.is_due = True
            await asyncio.gather(*(stage.call() for _ in range(3)))
        assert stage.told == [events.Said("the new refresh token can't be written")]

    played(play, lambda: Renewing([True] * 3))


# Its end


async def cut_short(stage: Stage, waits: int, after: float) -> None:
    calls = [asyncio.ensure_future(stage.call()) for _ in range(waits)]
    await asyncio.sleep(after)
    before = stage.clock()
    stage.gate.shut()
    ended = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(each) for each in ended} == {Drained}
    assert stage.clock() - before < 0.01
    assert (stage.limiter.under_way, stage.left) == (0, [])


def test_an_interrupt_ends_the_wait_for_a_token_though_a_refresh_hangs() -> None:
    async def play(stage: Stage) -> None:
        stage.credentials.is_due = True
        await cut_short(stage, 20, after=3.0)

    played(play, lambda: Renewing([True], takes=5000.0))


def test_an_interrupt_ends_the_wait_between_two_tries_of_a_refresh() -> None:
    async def play(stage: Stage) -> None:
        await refused(stage)
        await cut_short(stage, 20, after=3.0)
        assert len(stage.of(events.Held)) == 1

    played(play, lambda: Renewing([RenewalTrouble("no", after=50.0)] * 9))


def test_an_interrupt_ends_the_wait_for_the_day() -> None:
    async def play(stage: Stage) -> None:
        await stage.use_up()
        await cut_short(stage, 20, after=300.0)
        assert not stage.of(events.Renewed)

    played(play)


def test_what_a_cut_short_refresh_brings_is_kept(tmp_path: Path) -> None:
    async def run() -> None:
        credentials, _ = by_oauth(tmp_path, granted("t", 20, "rotated"), takes=8.0)
        stage = Stage(credentials)
        await cut_short(stage, 3, after=1.0)
        await credentials.close()
        kept = json.loads((tmp_path / "oauth.json").read_text())
        assert kept["refresh_token"] == "rotated"

    run_virtual(run())


# The day


def left(calls: int) -> Reply:
    """An answer that says how many calls the day has left."""
    names = ("X_HubSpot_RateLimit_Daily", "X_HubSpot_RateLimit_Daily_Remaining")
    return reply(200, **dict(zip(names, ("650000", str(calls)), strict=True)))


def test_a_day_that_is_used_up_is_slept_until_its_reset_and_told_once() -> None:
    async def play(stage: Stage) -> None:
        stage.quota.settle_in(UTC, stage.wall())
        await stage.use_up()
        await asyncio.gather(*(stage.call() for _ in range(20)))
        first = min(at for at, _ in stage.left)
        over = MIDNIGHT - NOON
        assert over + GRACE_S <= first <= over + GRACE_S + JITTER_S + 1
        waits = stage.of(events.Quota)
        looks = over / STEP_S
        assert looks - 1 <= len(waits) <= looks + 3, "one tells, at each look, not twenty"
        assert len({wait.words for wait in waits if isinstance(wait, events.Quota)}) == 1
        assert len(stage.of(events.Renewed)) == 1

    played(play)


def test_a_day_that_is_used_up_stops_the_run_where_that_is_asked_for() -> None:
    async def play(stage: Stage) -> None:
        await stage.use_up()
        with pytest.raises(StoppedResumable, match="resume after 00:00 UTC, in 12 h"):
            await stage.call()
        assert stage.spent < 1.0
        assert not stage.of(events.Quota, events.Renewed)

    played(play, stop=True)


@pytest.mark.parametrize(("hours", "late_s"), [(11.9, STEP_S), (20.0, STEP_S)])
def test_a_wall_clock_set_on_is_noticed_within_a_step(hours: float, late_s: float) -> None:
    async def play(stage: Stage) -> None:
        await stage.use_up()
        call = asyncio.create_task(stage.call())
        await asyncio.sleep(100.0)
        stage.set_by = 3600 * hours  # a machine that was suspended sees the same
        remains = max(MIDNIGHT - stage.wall(), 0.0)
        before = stage.spent
        await call
        assert stage.left[0][0] - before <= remains + GRACE_S + JITTER_S + late_s + 1

    played(play)


def test_a_wall_clock_set_back_does_not_make_the_wait_longer_than_a_day() -> None:
    async def play(stage: Stage) -> None:
        await stage.use_up()
        call = asyncio.create_task(stage.call(DAILY))
        await asyncio.sleep(100.0)
        stage.set_by = -5 * 86_400.0
        before = stage.spent
        await call
        assert stage.left[0][0] - before < 2 * STEP_S, "it looks at once"
        await stage.call()
        assert stage.left[1][0] < 2 * 86_400.0

    played(play)


def test_after_a_reset_that_came_early_the_headers_let_everybody_go() -> None:
    async def play(stage: Stage) -> None:
        await stage.call(left(5))
        await stage.use_up()
        call = asyncio.create_task(stage.call())
        await asyncio.sleep(100.0)
        # An answer to what was still under way shows the new day.
        stage.traffic.heard(stage.sent(left(649_990)))
        await call
        assert stage.left[0][0] < 100.0 + 2 * STEP_S

    played(play)


@pytest.mark.parametrize("late", [DAILY, left(0)], ids=["refused", "none left"])
def test_an_answer_of_the_day_before_says_nothing_of_the_new_one(late: Reply) -> None:
    async def play(stage: Stage) -> None:
        await asyncio.sleep(MIDNIGHT - NOON - 1.0)
        asked = stage.sent(late)
        await asyncio.sleep(30.0)  # the process was stopped
        stage.traffic.heard(asked)
        await stage.call()
        assert not stage.of(events.Quota)

    played(play)


def test_how_the_day_stands_is_told_now_and_then() -> None:
    async def play(stage: Stage) -> None:
        for _ in range(300):
            await stage.call(left(500))
        assert 8 <= len(stage.of(events.Today)) <= 12

    played(play)


@pytest.mark.parametrize("share", ["10", "0.00154%"])
def test_what_an_earlier_life_used_of_the_share_is_not_used_again(share: str) -> None:
    async def play(stage: Stage) -> None:
        for _ in range(6):
            await stage.call(left(5000))
        kept = stage.quota.kept(stage.wall())
        later = Stage(share=share)
        later.set_by = 60.0
        since = later.quota.recall(kept, later.wall())
        assert since == kept[0], "what left after it is counted beside it"
        for _ in range(4):
            await later.call()
        call = asyncio.create_task(later.call())
        await asyncio.sleep(3600.0)
        assert len(later.left) == 4
        await call

    played(play, share=share)


def test_what_was_used_yesterday_does_not_count_today() -> None:
    async def play(stage: Stage) -> None:
        await stage.call()
        kept = stage.quota.kept(stage.wall())
        for set_by in (86_400.0, -86_400.0):
            later = Stage(share="10")
            later.set_by = set_by
            began = later.quota.day_began(later.wall())
            assert later.quota.recall(kept, later.wall()) == began
            assert later.quota.own == 0

    played(play, share="10")


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
