"""A remote with moods, in virtual time: how it fails, for whom and for how long, is told at once.

The real pipeline and journal work against it. What reached it and when is kept, as the sandbox
keeps it; it takes no note of the rate limit, which the tests hold against what it kept.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import sqlite3
from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import orjson

from bulkload import events
from bulkload.calls.limiter import Limiter
from bulkload.calls.room import RateLimit
from bulkload.hubspot.client import Sent
from bulkload.hubspot.lookup import Marks
from bulkload.hubspot.remoteclock import RemoteClock
from bulkload.hubspot.replies import Reply
from bulkload.journal import attempts, readers
from bulkload.journal import journal as journals
from bulkload.journal.journal import Journal
from bulkload.pipeline.parts import Parts, Policy, Tally
from bulkload.pipeline.pipeline import Pipeline
from bulkload.records.batching import batches
from bulkload.records.letters import LetterWriter
from tests.clock import run_virtual
from tests.making import entry, keyed, open_traffic, reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulkload.batch import Batch

EPOCH = 1_767_225_600.0
MARKS = Marks("bulkload_key", "bulkload_run")
LIMIT = RateLimit(190, 10)
GONE = Reply(0, {}, b"", left=True, whole=False, trouble="reset")
NO_ANSWER = GONE._replace(trouble="no answer in time (answer)")
NOT_LEFT = GONE._replace(left=False, trouble="connect: Connection refused")


class Inline:
    """A journal's writer without a thread, which a virtual clock could not see."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    async def write(self, write: Callable[[sqlite3.Connection], Any]) -> Any:
        self.connection.execute("BEGIN")
        result = write(self.connection)
        self.connection.execute("COMMIT")
        await asyncio.sleep(0.004)
        return result

    async def stop(self) -> None:
        """Nothing to close."""


class Down(NamedTuple):
    """From `begin` to `end`, in seconds from the start: all calls fail, or those of some kinds."""

    begin: float
    end: float
    kind: str
    strikes: tuple[str, ...] = ("create", "read", "probe")


@dataclass
class Call:
    """One that reached the remote. `ended` inf: still under way."""

    t: float
    kind: str
    records: int = 1
    ended: float = math.inf
    status: int = 0


@dataclass
class Moody:
    """`poison`: ordinals that make a create fail, as `poison_as` says; `blips`: the share of
    creates that are answered by a 503 each, by chance, and made nothing of.
    """

    downs: tuple[Down, ...] = ()
    poison: frozenset[int] = frozenset()
    poison_as: str = "503"
    blips: float = 0.0
    latency: float = 0.3
    timeout: float = 60.0
    random: Random = field(default_factory=lambda: Random(1))
    calls: list[Call] = field(default_factory=list)
    books: dict[str, str] = field(default_factory=dict)
    made: list[int] = field(default_factory=list)
    began: float = 0.0

    def now(self) -> float:
        return asyncio.get_running_loop().time() - self.began

    def under_way(self) -> int:
        return sum(call.ended == math.inf for call in self.calls)

    async def create(self, request: bytes) -> Sent:
        inputs = orjson.loads(request)["inputs"]
        call = Call(self.now(), "create", len(inputs))
        ordinals = [int(each["objectWriteTraceId"][1:]) for each in inputs]
        kind = self._mood("create")
        if not kind and self.poison.intersection(ordinals):
            kind = self.poison_as
        elif not kind and self.random.random() < self.blips:
            kind = "503"
        return await self._call(call, kind, lambda: self._make(inputs, ordinals, call))

    async def read(self, request: bytes) -> Sent:
        asked = [each["id"] for each in orjson.loads(request)["inputs"]]
        call = Call(self.now(), "read", len(asked))
        return await self._call(call, self._mood("read"), lambda: self._show(asked))

    async def probe(self) -> Sent:
        return await self._call(Call(self.now(), "probe"), self._mood("probe"), lambda: reply(200))

    def _mood(self, kind: str) -> str:
        now = self.now()
        for down in self.downs:
            if down.begin <= now < down.end and kind in down.strikes:
                return down.kind
        return ""

    async def _call(self, call: Call, kind: str, answer: Callable[[], Reply]) -> Sent:
        loop = asyncio.get_running_loop()
        sent_at, took = loop.time(), self.latency * math.exp(self.random.gauss(0, 0.5))
        ends = next((d.end for d in self.downs if d.begin <= call.t < d.end), math.inf)
        self.calls.append(call)
        try:
            if kind == "refuse":
                await asyncio.sleep(0.001)
                return Sent(NOT_LEFT, 0.0, loop.time())
            if kind == "stall":
                await asyncio.sleep(min(self.timeout, ends - call.t))
                return Sent(NO_ANSWER, sent_at, loop.time())
            await asyncio.sleep(took)
            said = answer() if not kind else _trouble(kind, ends - self.now())
            call.status = said.status
            return Sent(said, sent_at, loop.time())
        finally:
            call.ended = self.now()

    def _make(self, inputs: list[Any], ordinals: list[int], call: Call) -> Reply:
        traces = [each["objectWriteTraceId"] for each in inputs]
        for each, ordinal in zip(inputs, ordinals, strict=True):
            key = each["properties"].get("bulkload_key", "")
            assert not key or key not in self.books, "sent again though it is there"
            self.books[key] = str(1000 + ordinal)
            self.made.append(ordinal)
        results = [{"id": str(1000 + n), "objectWriteTraceId": f"{t}"}
                   for n, t in zip(ordinals, traces, strict=True)]  # fmt: skip
        times = {"startedAt": stamp(self.began + call.t), "completedAt": stamp()}
        return reply(201, {"status": "COMPLETE", "results": results, **times})

    def _show(self, asked: list[str]) -> Reply:
        there = [key for key in asked if key in self.books]
        results = [
            {
                "id": self.books[key],
                "properties": {"bulkload_key": key, "bulkload_run": "r"},
                "createdAt": stamp(),
                "archived": False,
            }
            for key in there
        ]
        missing = [key for key in asked if key not in self.books]
        errors = [{"category": "OBJECT_NOT_FOUND", "context": {"ids": missing}}] if missing else []
        body = {"status": "COMPLETE", "results": results, "errors": errors}
        return reply(207 if errors else 200, body | {"completedAt": stamp()})


def stamp(at: float | None = None) -> str:
    at = asyncio.get_running_loop().time() if at is None else at
    return datetime.fromtimestamp(EPOCH + at, UTC).isoformat(timespec="milliseconds")


def _trouble(kind: str, left: float) -> Reply:
    if kind == "html":
        return reply(502, b"<html>Bad Gateway")
    if kind == "reset":
        return GONE
    if kind == "477":
        return reply(477, {"category": "MIGRATION_IN_PROGRESS"}, Retry_After=str(math.ceil(left)))
    return reply(int(kind), {"category": "TROUBLE", "message": "no"})


@dataclass
class Ran:
    """A run that has ended."""

    remote: Moody
    tally: Tally
    stopped: Exception | None
    told: list[tuple[float, events.Event]]
    connection: sqlite3.Connection
    seconds: float

    def ordinals(self, table: str) -> set[int]:
        return {n for (n,) in self.connection.execute(f"SELECT ordinal FROM {table}")}

    @property
    def open(self) -> int:
        return len(attempts.state(self.connection).open)

    @property
    def creates(self) -> list[float]:
        return [call.t for call in self.remote.calls if call.kind == "create"]

    def rate(self, begin: float, seconds: float = 10.0) -> float:
        """Creates from `begin` on, as a share of what the limit allows."""
        moments = self.creates
        counted = bisect_left(moments, begin + seconds) - bisect_left(moments, begin)
        return counted / seconds / (LIMIT.calls / LIMIT.window_s)

    def letters(self) -> dict[int, dict[str, Any]]:
        rows = self.connection.execute("SELECT ordinal, line FROM letter")
        return {ordinal: orjson.loads(line) for ordinal, line in rows}


def at_a_time(calls: list[Call]) -> int:
    """The most calls that were under way together."""
    edges = [(call.t, 1) for call in calls] + [(call.ended, -1) for call in calls]
    return max(itertools.accumulate(change for _, change in sorted(edges)), default=0)


def policy(means: Any = "key", in_flight: int = 20, **more: Any) -> Policy:
    marks = {"marks": MARKS, "run": "r"} if means == "key" else {}
    return Policy(in_flight, means, **{"max_outage_s": None, **marks, **more})


def run(
    remote: Moody,
    count: int,
    size: int = 100,
    given: Policy | None = None,
    *,
    started: Callable[[Pipeline], None] = lambda _: None,
    limit: RateLimit = LIMIT,
) -> Ran:
    """Load `count` records in batches of `size`."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    journals.lay_out(connection, {"run_id": "r"})
    tally, told = Tally(), list[tuple[float, events.Event]]()
    follows = given or policy()
    make = (lambda n: keyed(n, "r")) if follows.means == "key" else entry

    async def offload(pull: Callable[[], list[Batch]]) -> list[Batch]:
        return pull()

    async def runs() -> Ran:
        loop = asyncio.get_running_loop()
        remote.began = loop.time()
        parts = Parts(
            cast("Any", remote),
            Journal(cast("Any", Inline(connection)), {}, readers.counts_of(connection)),
            open_traffic(Limiter(limit), RemoteClock(loop.time)),
            LetterWriter("r", ["a.ndjson"]),
            Random(1),
            events.Announcer((lambda event: told.append((remote.now(), event)),)),
            lambda: 0,
            offload,
        )
        parts.traffic.remote.observe({}, loop.time(), loop.time(), stamp())  # as a preflight would
        grouped = batches(map(make, range(count)), max_records=size, max_bytes=1 << 20)
        moving = Pipeline(parts, follows, grouped, tally)
        started(moving)
        await moving.run()
        assert parts.traffic.limiter.under_way == 0, "slots leak"
        return Ran(remote, tally, moving.stopped, told, connection, remote.now())

    return run_virtual(runs())
