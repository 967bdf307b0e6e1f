"""Records and their people where a run ends early: what was asked for, and who waited for it.

What a remote that is well or ill does to them is the simulation's; here are the ends that a seed
does not aim at. The real pipeline, an empty journal in memory, in virtual time.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, cast

import orjson
import pytest

from bulkload import events
from bulkload.calls.limiter import Limiter
from bulkload.calls.room import RateLimit
from bulkload.errors import StoppedResumable
from bulkload.hubspot.client import Sent
from bulkload.hubspot.remoteclock import RemoteClock
from bulkload.journal import journal as journals
from bulkload.journal import people as journaled
from bulkload.journal import readers
from bulkload.journal.journal import Journal
from bulkload.model import Address
from bulkload.pipeline.parts import Parts, Policy, Tally
from bulkload.pipeline.pipeline import Pipeline
from bulkload.records.batching import batches
from bulkload.records.letters import LetterWriter
from bulkload.records.people import People
from tests.clock import run_virtual
from tests.making import entry, open_traffic, reply
from tests.moods import Inline

if TYPE_CHECKING:
    from bulkload.batch import Batch
    from bulkload.hubspot.replies import Reply
    from bulkload.hubspot.sink import Sink

Answer = Callable[[list[Any]], Awaitable["Reply"]]
DENIED = reply(403, {"category": "MISSING_SCOPES", "message": "no"})
ENDED = reply(401, {"category": "EXPIRED_AUTHENTICATION", "message": "no"})


async def nobody(inputs: list[Any]) -> Reply:
    """A portal without contacts."""
    error = {"category": "OBJECT_NOT_FOUND", "context": {"ids": [one["id"] for one in inputs]}}
    return reply(207, {"status": "COMPLETE", "results": [], "errors": [error]})


async def somebody(inputs: list[Any]) -> Reply:
    """Everybody has a contact: that of n@x.org is 500 + n."""
    results = [
        {"id": str(500 + int(one["id"].partition("@")[0])), "properties": {"email": one["id"]}}
        for one in inputs
    ]
    return reply(200, {"status": "COMPLETE", "results": results})


async def hangs(inputs: list[Any]) -> Reply:
    """No answer, for longer than any test lasts."""
    await asyncio.sleep(3600)
    return await somebody(inputs)


@dataclass
class Remote:
    """A scripted sink: `look` answers reads of contacts, `make` upserts. Creates take a second."""

    look: Answer
    make: Answer = nobody
    created: list[dict[str, Any]] = field(default_factory=list)

    async def create(self, request: bytes) -> Sent:
        inputs = orjson.loads(request)["inputs"]
        await asyncio.sleep(1)
        self.created += inputs
        results = [
            {"id": f"7{one['objectWriteTraceId'][1:]}", "objectWriteTraceId": trace}
            for one in inputs
            if (trace := one["objectWriteTraceId"])
        ]
        return sent(reply(201, {"status": "COMPLETE", "results": results}))

    async def read_contacts(self, request: bytes) -> Sent:
        return sent(await self.look(orjson.loads(request)["inputs"]))

    async def upsert_contacts(self, request: bytes) -> Sent:
        return sent(await self.make(orjson.loads(request)["inputs"]))

    async def probe(self) -> Sent:
        return sent(reply(200))


def sent(answer: Reply) -> Sent:
    now = asyncio.get_running_loop().time()
    return Sent(answer, now, now)


@dataclass
class Ran:
    tally: Tally
    stopped: Exception | None
    counts: readers.Counts
    open: dict[str, tuple[float, float]]
    raised: BaseException | None
    left: set[asyncio.Task[Any]]
    """Of what the pipeline began, what still runs."""


def load(
    remote: Remote, count: int, *, policy: Policy | None = None, cancel_after: float | None = None
) -> Ran:
    """Records 0, 1, …: record n is about n@x.org; every tenth about nobody."""

    async def runs() -> Ran:
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
            journals.lay_out(database, {"run_id": "r"})
            writer: Any = Inline(database)
            journal = Journal(writer, readers.facts_of(database), readers.counts_of(database))
            tally, tell = Tally(), events.Announcer(())

            async def offload(pull: Callable[[], list[Batch]]) -> list[Batch]:
                return pull()

            limiter = Limiter(RateLimit(1_000_000, 1))
            clock = RemoteClock(asyncio.get_running_loop().time)
            parts = Parts(
                cast("Sink", remote), journal, open_traffic(limiter, clock),
                LetterWriter("r", [""]), Random(1), tell, lambda: 0, offload,
            )  # fmt: skip
            people = People(partial(journaled.look, database))
            read = batches(
                (about(n) for n in range(count)), max_records=5, max_bytes=1 << 20,
                known=people.knows,
            )  # fmt: skip
            before = asyncio.all_tasks()
            moving = Pipeline(parts, policy or Policy(in_flight=4), read, tally, people=people)
            running = asyncio.create_task(moving.run())
            if cancel_after is not None:
                asyncio.get_running_loop().call_later(cancel_after, running.cancel)
            (raised,) = await asyncio.gather(running, return_exceptions=True)
            assert limiter.under_way == 0
            return Ran(
                tally, moving.stopped, readers.counts_of(database), await journal.people.open(),
                raised, asyncio.all_tasks() - before,
            )  # fmt: skip

    return run_virtual(runs())


def about(n: int) -> Any:
    whom = (Address(f"{n}@x.org"),) if n % 10 else ()
    return entry(n)._replace(people=whom)


def test_each_record_is_tied_to_its_contact() -> None:
    remote = Remote(somebody)
    ran = load(remote, 40)
    assert (ran.tally.loaded, ran.stopped, ran.raised, ran.left) == (40, None, None, set())
    tied = {
        one["objectWriteTraceId"]: [each["to"]["id"] for each in one["associations"]]
        for one in remote.created
    }
    assert tied == {f"t{n}": [str(500 + n)] if n % 10 else [] for n in range(40)}


def test_a_token_without_the_scope_ends_the_run_in_good_order() -> None:
    """In mid-run: what is under way is settled, and the scope is named."""
    looked = 0

    async def look(inputs: list[Any]) -> Reply:
        nonlocal looked
        looked += 1
        if looked == 1:
            return await somebody(inputs)
        await asyncio.sleep(3)
        return DENIED

    ran = load(Remote(look), 60)
    assert isinstance(ran.stopped, StoppedResumable)
    assert "crm.objects.contacts.read" in str(ran.stopped)
    assert 0 < ran.tally.loaded < 60
    assert ran.counts.loaded == ran.tally.loaded == ran.tally.read
    assert (ran.raised, ran.left) == (None, set())


def test_a_token_that_may_not_make_contacts_leaves_them_open() -> None:
    async def make(_: list[Any]) -> Reply:
        return DENIED

    ran = load(Remote(nobody, make), 9, policy=Policy(in_flight=4, unknown_contacts="create"))
    assert "crm.objects.contacts.write" in str(ran.stopped)
    assert ran.tally.dead == 0
    assert ran.open.keys() == {f"{n}@x.org" for n in range(1, 9)}


@pytest.mark.parametrize("tokens", [1, 2])
def test_a_token_that_is_refused_is_told_to_who_waits(tokens: int) -> None:
    """And by nobody else: an exception that nobody took would be a warning, which fails."""

    async def look(_: list[Any]) -> Reply:
        await asyncio.sleep(tokens)
        return ENDED

    ran = load(Remote(look), 40, policy=Policy(in_flight=tokens))
    assert isinstance(ran.stopped, StoppedResumable)
    assert "token" in str(ran.stopped)
    assert ran.tally.dead == ran.tally.doubt == 0
    assert (ran.raised, ran.left) == (None, set())


def test_who_is_asked_for_ahead_is_not_asked_for_after_the_end() -> None:
    """A bug ends the run while a look-up is under way: it is ended too."""

    class Broken(Remote):
        async def create(self, request: bytes) -> Sent:
            raise ZeroDivisionError(request)

    ran = load(Broken(hangs), 40)
    assert isinstance(ran.raised, ZeroDivisionError)
    assert ran.left == set()


def test_a_run_that_is_cancelled_leaves_nothing_behind() -> None:
    looked = 0

    async def look(inputs: list[Any]) -> Reply:
        nonlocal looked
        looked += 1
        return await (somebody if looked == 1 else hangs)(inputs)

    ran = load(Remote(look), 40, cancel_after=5.0)
    assert isinstance(ran.raised, asyncio.CancelledError)
    assert ran.left == set()
    assert ran.tally.read == ran.counts.loaded > 0


def test_records_wait_for_a_look_up_that_takes_long() -> None:
    async def late(inputs: list[Any]) -> Reply:
        await asyncio.sleep(30)
        return await somebody(inputs)

    ran = load(Remote(late), 40)
    assert (ran.tally.loaded, ran.stopped, ran.left) == (40, None, set())


def test_an_address_that_is_not_shown_is_asked_for_alone() -> None:
    """The remote finds contacts by addresses that it does not show: whose each is must be told."""

    async def look(inputs: list[Any]) -> Reply:
        found = await somebody(inputs)
        answer = orjson.loads(found.body)
        for one in answer["results"]:
            one["properties"]["email"] = f"first{one['id']}@x.org"
        return reply(200, answer)

    remote = Remote(look)
    assert load(remote, 9).tally.loaded == 9
    tied = {
        one["objectWriteTraceId"]: {each["to"]["id"] for each in one["associations"]}
        for one in remote.created
    }
    assert tied == {f"t{n}": {str(500 + n)} if n else set() for n in range(9)}


def test_a_remote_that_never_says_what_it_made_is_not_asked_for_ever() -> None:
    """It may have made them: an undo looks for what is left open."""

    async def make(_: list[Any]) -> Reply:
        return reply(200, {"status": "COMPLETE", "results": []})

    ran = load(Remote(nobody, make), 9, policy=Policy(in_flight=4, unknown_contacts="create"))
    assert (ran.tally.loaded, ran.stopped, ran.raised) == (9, None, None)
    assert ran.open.keys() == {f"{n}@x.org" for n in range(1, 9)}
