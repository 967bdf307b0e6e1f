"""Before the first batch, against a remote that answers by a script: whose portal, what marks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, cast

import orjson
import pytest

from bulkload import events
from bulkload.calls import retry
from bulkload.calls.limiter import Limiter
from bulkload.calls.quota import Quota
from bulkload.calls.retry import Backoff
from bulkload.calls.room import RateLimit
from bulkload.errors import RefusedToStart, StoppedForGood, StoppedResumable
from bulkload.hubspot import owners, paths
from bulkload.hubspot.client import Sent
from bulkload.hubspot.lookup import Marks
from bulkload.hubspot.remoteclock import RemoteClock
from bulkload.hubspot.replies import Reply
from bulkload.runs.preflight import KEY, RUN, TRIES, Preflight
from bulkload.zone import Zone
from tests.clock import run_virtual
from tests.making import open_traffic, reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bulkload.hubspot.client import Client

UNIQUE = reply(200, {"name": KEY, "hasUniqueValue": True})
PLAIN = reply(200, {"name": RUN, "hasUniqueValue": False})
NONE = reply(404, {"status": "error", "category": "OBJECT_NOT_FOUND", "message": "no such"})
HTML = reply(404, b"<html>not found</html>")
FORBIDDEN = reply(403, {"category": "MISSING_SCOPES"})
DOWN = reply(503, b"<html>")
EXPIRED = reply(401, {"category": "EXPIRED_AUTHENTICATION"})
LATER = reply(429, {"policyName": "SECONDLY"})
GONE = Reply(0, {}, b"", left=False, whole=False, trouble="refused")
NOBODY = reply(
    207,
    {"results": [], "errors": [], "completedAt": "2026-01-01T00:00:10.000Z"},
)


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "PROBE", Backoff(0.001, 0.001, 0.001))


@dataclass
class Remote:
    """Answers by path: each answer of a list once, the last one for ever."""

    answers: dict[str, list[Reply]]
    asked: list[str] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    base_url: str = "https://remote.test"

    async def get(self, path: str) -> Sent:
        name = path.removeprefix(paths.PROPERTY)
        self.asked.append(name)
        await asyncio.sleep(0)
        left = self.answers[name]
        answered = left.pop(0) if len(left) > 1 else left[0]
        now = asyncio.get_running_loop().time()
        return Sent(answered, now if answered.left else 0.0, now)

    async def post(self, path: str, body: bytes) -> Sent:
        self.bodies.append(orjson.loads(body))
        return await self.get(path)


@dataclass
class Asked:
    """What came of it: the answer, what was said, and the limiter afterwards."""

    answer: Any
    said: list[str]
    told: list[events.Event]
    remote: RemoteClock


def ask(
    remote: Remote,
    call: Callable[[Preflight], Awaitable[Any]],
    *,
    max_outage_s: float | None = 5.0,
    interrupted: bool = False,
    stop: bool = False,
) -> Asked:
    async def asks() -> Asked:
        told: list[events.Event] = []
        clock = RemoteClock(asyncio.get_running_loop().time)
        limiter = Limiter(RateLimit(1_000_000, 1))
        interrupt = asyncio.Event()
        if interrupted:
            interrupt.set()
        preflight = Preflight(
            cast("Client", remote),
            open_traffic(limiter, clock, most_s=max_outage_s, stop=stop),
            events.Announcer((told.append,)),
            Random(1),
            max_outage_s,
            interrupt,
        )
        async with asyncio.timeout(10):
            answer = await call(preflight)
        assert limiter.under_way == 0, "slots leak"
        said = [each.text for each in told if isinstance(each, events.Said)]
        return Asked(answer, said, told, clock)

    return asyncio.run(asks())


def marks(wanted: str | None = None, /, **answers: Reply | list[Reply]) -> Asked:
    """`answers` by property; a read by key finds nobody."""
    listed = {n: a if isinstance(a, list) else [a] for n, a in answers.items()}
    remote = Remote({paths.READ: [NOBODY], **listed})
    return ask(remote, lambda preflight: preflight.marks(wanted))


def test_where_the_portal_has_both_properties_they_are_used_unasked() -> None:
    found = marks(bulkload_key=UNIQUE, bulkload_run=PLAIN)
    assert found.answer == Marks(KEY, RUN)
    assert found.said == []


@pytest.mark.parametrize("run", [NONE, HTML, FORBIDDEN, DOWN], ids=["404", "HTML", "403", "503"])
def test_without_the_run_property_the_key_is_used_alone_and_the_clock_is_read(run: Reply) -> None:
    found = marks(bulkload_key=UNIQUE, bulkload_run=run)
    assert found.answer == Marks(KEY)
    assert found.remote.at_least() is not None


def test_the_clock_is_read_by_a_read_of_a_key_that_nobody_has() -> None:
    remote = Remote({KEY: [UNIQUE], RUN: [NONE], paths.READ: [NOBODY]})
    ask(remote, lambda preflight: preflight.marks(None))
    (body,) = remote.bodies
    assert body["idProperty"] == KEY
    assert [len(each["id"]) for each in body["inputs"]] == [64]


@pytest.mark.parametrize("read", [DOWN, GONE, FORBIDDEN, reply(200, b"<html>")], ids=str)
def test_a_clock_that_cant_be_read_stops_nobody(read: Reply) -> None:
    remote = Remote({KEY: [UNIQUE], RUN: [NONE], paths.READ: [read]})
    assert ask(remote, lambda preflight: preflight.marks(None)).answer == Marks(KEY)


@pytest.mark.parametrize("key", [NONE, reply(200, {"name": KEY, "hasUniqueValue": False})])
def test_where_the_portal_has_no_such_key_the_run_goes_without(key: Reply) -> None:
    found = marks(bulkload_key=key)
    assert found.answer is None
    assert found.said == []


@pytest.mark.parametrize("odd", ["true", 1, None, []], ids=str)
def test_a_property_is_unique_only_where_the_portal_says_so(odd: Any) -> None:
    assert marks(bulkload_key=reply(200, {"name": KEY, "hasUniqueValue": odd})).answer is None


@pytest.mark.parametrize(
    "key", [HTML, FORBIDDEN, DOWN, reply(200, b"<html>"), reply(200, {}), reply(400, {})], ids=str
)
def test_where_the_portal_does_not_say_the_run_goes_without_and_says_so(key: Reply) -> None:
    found = marks(bulkload_key=key)
    assert found.answer is None
    (said,) = found.said
    assert KEY in said


def test_a_key_that_the_user_named_is_used_with_the_run_property() -> None:
    mine = reply(200, {"name": "my_ref", "hasUniqueValue": True})
    found = marks("my_ref", my_ref=mine, bulkload_run=PLAIN)
    assert found.answer == Marks("my_ref", RUN)
    assert found.said == []


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (NONE, "no such property"),
        (reply(200, {"name": "my_ref", "hasUniqueValue": False}), "without unique values"),
    ],
)
def test_a_key_that_the_user_named_and_the_portal_has_not_refuses_to_start(
    answer: Reply, why: str
) -> None:
    with pytest.raises(RefusedToStart, match=why) as refused:
        marks("my_ref", my_ref=answer)
    assert "--key-property my_ref" in str(refused.value)


def named(answer: Reply) -> Asked:
    options = {"--thread-property": "thread", "--label-property": None}
    return ask(Remote({"thread": [answer]}), lambda preflight: preflight.named(options))


def test_a_property_that_an_option_names_and_the_portal_has_not_refuses_to_start() -> None:
    with pytest.raises(RefusedToStart, match=r"--thread-property thread: .* no such property"):
        named(NONE)


@pytest.mark.parametrize("answer", [PLAIN, HTML, FORBIDDEN, DOWN], ids=str)
def test_a_property_that_is_there_or_not_told_of_stops_nobody(answer: Reply) -> None:
    assert named(answer).said == []


@pytest.mark.parametrize("answer", [HTML, FORBIDDEN, DOWN, reply(200, {})], ids=str)
def test_where_the_portal_does_not_say_the_user_is_taken_at_his_word(answer: Reply) -> None:
    found = marks("my_ref", my_ref=answer, bulkload_run=PLAIN)
    assert found.answer == Marks("my_ref", RUN)
    (said,) = found.said
    assert "my_ref" in said
    assert "at your word" in said


@pytest.mark.parametrize("wanted", [None, KEY])
def test_a_token_that_is_not_accepted_stops_resumable(wanted: str | None) -> None:
    with pytest.raises(StoppedResumable, match="HUBSPOT_ACCESS_TOKEN"):
        marks(wanted, bulkload_key=EXPIRED)


@pytest.mark.parametrize("trouble", [DOWN, reply(500), LATER, reply(477), GONE], ids=str)
def test_a_short_trouble_is_waited_out(trouble: Reply) -> None:
    found = marks(bulkload_key=[trouble, trouble, UNIQUE], bulkload_run=[trouble, PLAIN])
    assert found.answer == Marks(KEY, RUN)
    assert sum(isinstance(each, events.Held) for each in found.told) == 2
    assert sum(isinstance(each, events.Released) for each in found.told) == 2


def test_server_errors_are_asked_again_so_often_and_then_are_an_answer() -> None:
    remote = Remote({KEY: [DOWN]})
    assert ask(remote, lambda preflight: preflight.marks(None)).answer is None
    assert TRIES <= len(remote.asked) <= 10


@pytest.mark.parametrize("trouble", [LATER, GONE, reply(423)], ids=["429", "refused", "423"])
def test_a_remote_that_cant_be_asked_in_time_stops_resumable(trouble: Reply) -> None:
    remote = Remote({KEY: [trouble]})
    with pytest.raises(StoppedResumable, match="--max-outage"):
        ask(remote, lambda preflight: preflight.marks(None), max_outage_s=0.05)


def test_a_used_up_day_stops_resumable_at_once() -> None:
    remote = Remote({KEY: [reply(429, {"policyName": "DAILY"})]})
    with pytest.raises(StoppedResumable, match="used up"):
        ask(remote, lambda preflight: preflight.marks(None), max_outage_s=None, stop=True)
    assert len(remote.asked) == 1


def test_an_interrupt_ends_the_wait() -> None:
    remote = Remote({KEY: [GONE]})
    with pytest.raises(StoppedResumable, match="interrupted"):
        ask(remote, lambda preflight: preflight.marks(None), max_outage_s=None, interrupted=True)


def test_an_interrupt_gives_up_a_read_that_is_not_answered() -> None:
    async def asks() -> None:
        interrupt = asyncio.Event()

        class Mute(Remote):
            async def get(self, path: str) -> Sent:
                interrupt.set()
                await asyncio.Event().wait()
                raise AssertionError(path)

        limiter = Limiter(RateLimit(1_000_000, 1))
        traffic = open_traffic(limiter, RemoteClock(asyncio.get_running_loop().time))
        remote, tell = cast("Client", Mute({})), events.Announcer()
        preflight = Preflight(remote, traffic, tell, Random(1), None, interrupt)
        async with asyncio.timeout(10):
            with pytest.raises(StoppedResumable, match="interrupted"):
                await preflight.account(None)
        assert limiter.under_way == 0, "slots leak"

    asyncio.run(asks())


def still_there(of: Marks, /, **answers: Reply | list[Reply]) -> Remote:
    listed = {n: a if isinstance(a, list) else [a] for n, a in answers.items()}
    remote = Remote({paths.READ: [NOBODY], **listed})
    ask(remote, lambda preflight: preflight.still_there(of))
    return remote


def test_a_resume_looks_whether_the_marks_are_still_there() -> None:
    remote = still_there(Marks(KEY, RUN), bulkload_key=UNIQUE, bulkload_run=PLAIN)
    assert remote.asked == [KEY, RUN]


def test_a_resume_without_a_run_property_asks_for_the_key_and_for_the_clock() -> None:
    remote = still_there(Marks("my_ref"), my_ref=UNIQUE)
    assert sorted(remote.asked) == sorted(["my_ref", paths.READ])


@pytest.mark.parametrize(
    ("key", "run", "name"),
    [
        (NONE, PLAIN, KEY),
        (reply(200, {"name": KEY, "hasUniqueValue": False}), PLAIN, KEY),
        (UNIQUE, NONE, RUN),
    ],
    ids=["key gone", "not unique", "run gone"],
)
def test_marks_that_are_gone_stop_resumable_and_are_named(
    key: Reply, run: Reply, name: str
) -> None:
    with pytest.raises(StoppedResumable, match=name):
        still_there(Marks(KEY, RUN), bulkload_key=key, bulkload_run=run)


@pytest.mark.parametrize("answer", [HTML, FORBIDDEN, DOWN, reply(200, {})], ids=str)
def test_a_remote_that_does_not_say_is_no_reason_to_stop(answer: Reply) -> None:
    still_there(Marks(KEY, RUN), bulkload_key=answer, bulkload_run=answer)


def test_a_resume_with_a_token_that_is_not_accepted_stops_resumable() -> None:
    with pytest.raises(StoppedResumable, match="HUBSPOT_ACCESS_TOKEN"):
        still_there(Marks(KEY, RUN), bulkload_key=EXPIRED, bulkload_run=PLAIN)


def portal(bound: str | None, *answers: Reply, **more: Any) -> Asked:
    remote = Remote({paths.ACCOUNT: [*answers]})
    return ask(remote, lambda preflight: preflight.account(bound), **more)


@pytest.mark.parametrize("bound", [None, "7"])
def test_the_portal_of_the_token_is_the_runs(bound: str | None) -> None:
    found = portal(bound, reply(200, {"portalId": 7}))
    assert (found.answer.portal, found.said) == ("7", [])


def test_another_portal_stops_for_good() -> None:
    with pytest.raises(StoppedForGood, match=r"portal 8.*portal 7"):
        portal("7", reply(200, {"portalId": 8}))


@pytest.mark.parametrize("bound", [None, "7"])
def test_a_portal_that_is_not_told_is_a_warning(bound: str | None) -> None:
    found = portal(bound, HTML)
    assert found.answer.portal == (bound or "")
    (said,) = found.said
    assert "did not say which portal this is" in said


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_may_nothing_stops_resumable(status: int) -> None:
    with pytest.raises(StoppedResumable):
        portal(None, reply(status))


def test_a_resume_waits_for_its_portal_longer_than_a_new_run() -> None:
    many = [DOWN] * (2 * TRIES + 1)
    found = portal("7", *many, reply(200, {"portalId": 7}))
    assert (found.answer.portal, found.said) == ("7", [])
    given_up = portal(None, *many, reply(200, {"portalId": 7}))
    assert given_up.answer.portal == ""


@pytest.mark.parametrize("trouble", [DOWN, LATER, GONE], ids=["503", "429", "refused"])
@pytest.mark.parametrize("what", ["contacts", "owners"])
def test_a_wait_for_what_a_run_may_read_is_told(what: str, trouble: Reply) -> None:
    remote = Remote(
        {
            paths.CONTACTS_READ: [trouble, trouble, NOBODY],
            owners.page_path(archived=False, after=""): [trouble, reply(200, {"results": []})],
            owners.page_path(archived=True, after=""): [reply(200, {"results": []})],
        }
    )
    asks = Preflight.people if what == "contacts" else Preflight.owners
    found = ask(remote, asks)
    kinds = [type(each) for each in found.told if isinstance(each, events.Held | events.Released)]
    assert kinds[0] is events.Held
    assert kinds.count(events.Released) == 1
    assert kinds[-1] is events.Released


def test_a_night_in_the_middle_of_an_outage_is_none_of_it() -> None:
    async def asks() -> None:
        loop = asyncio.get_running_loop()
        began, quota = loop.time(), Quota(Zone.of("UTC"), random=Random(1))

        def wall() -> float:
            return 90_001.0 + loop.time() - began  # an hour after midnight

        class Failing(Remote):
            async def get(self, path: str) -> Sent:
                if not self.asked:
                    quota.refused(wall())  # as another call saw
                return await super().get(path)

        remote = Failing({paths.ACCOUNT: [GONE, GONE, reply(200, {"portalId": 7})]})
        limiter = Limiter(RateLimit(1_000_000, 1))
        traffic = open_traffic(limiter, RemoteClock(loop.time), quota=quota, wall=wall)
        preflight = Preflight(
            cast("Client", remote), traffic, events.Announcer(), Random(1), 3600.0, asyncio.Event()
        )
        assert (await preflight.account("7")).portal == "7"
        assert loop.time() - began > 80_000.0

    run_virtual(asks())
