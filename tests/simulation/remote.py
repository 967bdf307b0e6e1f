"""A model of the remote in virtual time: what it has, how it answers, how it fails.

It outlives the process that calls it: a request that left arrives, and may be carried out
after its caller died. It stands where `hubspot.client.Client` stands, so all that is above the
socket is real. What it does in a run is drawn from one generator.

What the model promises, since the product is built on it: a call is carried out at the latest
`quiet` after its time limit; a refusal of a record is always the same; what search shows is in
the order of creation; a unique property is unique at every instant.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from bulkload.hubspot import paths
from bulkload.hubspot.client import Sent
from bulkload.hubspot.replies import Reply
from tests.simulation.people import KINDS, bare, ties

if TYPE_CHECKING:
    from random import Random

    from tests.simulation.laws import Laws
    from tests.simulation.people import Contacts

KEY, RUN = "bulkload_key", "bulkload_run"
READ_FAULTS = ("refused", "reset", "error", "stall", "busy", "cut")
CREATE_FAULTS = (*READ_FAULTS, "late", "silent", "pending")
REFUSING = ("207", "named", "nobody", "quoting")
"""How a batch with inputs that can't be made is answered."""

LATE_S = 50.0
"""A call is carried out at the latest so long after its time limit."""

HEALS_S = 100.0
"""So long after the weather is calm a record makes the remote fail: else, where it is the last
one, that is an outage without end."""

EPOCH = 1_700_000_000.0
"""Virtual time 0 by our wall clock."""

Answer = tuple[int, dict[str, Any]]


class Weather(NamedTuple):
    """What the remote is like in one run. Seconds throughout; `ahead`: its clock against ours,
    `apart`: by how much that of one of its servers is before the others', `set`: when all are set,
    and by how much.
    """

    trouble: float
    faults: tuple[str, ...]
    outages: tuple[tuple[float, float, str], ...]
    calm: float
    latency: float
    work: float
    lag: float
    search_lag: float
    timeout: float
    ahead: float
    echo: bool
    fine: bool
    refusing: tuple[str, ...]
    has_key: bool
    has_run: bool
    apart: float
    set: tuple[float, float]

    @classmethod
    def drawn(cls, random: Random, mode: str) -> Weather:
        """Each run has faults of its own: few kinds at a time reach deeper states."""
        faults = tuple(f for f in CREATE_FAULTS if random.random() < 0.4)
        at, outages = 0.0, []
        for _ in range(random.choice((0, 0, 1, 1, 2))):
            at += random.expovariate(1 / 5)
            long = random.expovariate(1 / random.choice((1, 5, 60)))
            outages.append((at, at + long, random.choice(("refused", "error", "stall", "reset"))))
            at += long
        return cls(
            trouble=random.choice((0.0, 0.03, 0.1, 0.3, 0.6)) if faults else 0.0,
            faults=faults,
            outages=tuple(outages),
            calm=at + random.choice((5, 30, 120)),
            latency=random.choice((0.001, 0.05, 0.5)),
            work=random.choice((0.001, 0.2, 2.0)),
            lag=random.choice((0.0, 0.0, 0.5, 4.0)),
            search_lag=random.choice((0.0, 1.0, 20.0, 150.0)),
            timeout=random.choice((2.0, 10.0)),
            ahead=random.uniform(-3000, 3000),
            echo=random.random() < 0.6,
            fine=random.random() < 0.7,
            refusing=tuple(r for r in REFUSING if random.random() < 0.5) or ("207",),
            has_key=mode.startswith("key"),
            has_run=mode == "key+run",
            apart=random.choice((0.0, 0.0, 0.05, 0.9)),
            set=(random.uniform(0, 60), random.choice((0.0, 0.0, -0.9, 0.9))),
        )


@dataclass(slots=True)
class Made:
    """A record at the remote. `ordinal` -1: another client made it. Times by our clock."""

    id: str
    ordinal: int
    properties: dict[str, str]
    created: float
    readable: float
    searchable: float
    archived: bool = False


@dataclass(slots=True)
class _Call:
    """A call under way: when it is carried out, if it is; what it is answered then."""

    answer: Answer | None = None


@dataclass
class Remote:
    """Stands where a `Client` stands. `now` is the time of whoever lives; `laws` watch."""

    random: Random
    weather: Weather
    laws: Laws
    now: Callable[[], float]
    say: Callable[[str], None]
    base_url: str = "https://model"
    people: Contacts | None = None
    books: dict[str, Made] = field(default_factory=dict)
    keys: dict[str, Made] = field(default_factory=dict)
    _due: list[tuple[float, int, Callable[[float], None]]] = field(default_factory=list)
    _count: int = 0
    _moment: float = 0.0
    """When what happens now was due: nobody need have called since."""

    async def post(self, path: str, body: bytes) -> Sent:
        asked = orjson.loads(body)
        if path == paths.CREATE:
            return await self._create(asked["inputs"], body)
        if path == paths.SEARCH:
            return await self._call(self._fault(READ_FAULTS), "search", lambda: self._search(asked))
        if path in KINDS:
            return await self._of_contacts(KINDS[path], asked)
        archived = path == paths.READ_ARCHIVED
        fault = self._fault(READ_FAULTS)
        return await self._call(fault, "read", lambda: self._read(asked, archived=archived))

    async def get(self, path: str) -> Sent:
        if path == paths.PROBE:
            return await self._call(self._fault(READ_FAULTS), "probe", lambda: (200, {}))
        fault = self._fault(())
        fault = "busy" if fault in ("error", "stall") else fault  # else it would go on without
        return await self._call(fault, "preflight", lambda: self._preflight(path))

    def advance(self) -> None:
        """Let happen what is due by now."""
        while self._due and self._due[0][0] <= self.now():
            self._happen()

    def settle_down(self) -> None:
        """The run is over: what is still under way happens."""
        while self._due:
            self._happen()

    def _happen(self) -> None:
        self._moment, _, happen = heapq.heappop(self._due)
        happen(self._moment)

    def was_there(self, key: str, *, archived: bool) -> None:
        """Another client made a record with this key before the run began."""
        made = self._make(-1, {KEY: key, RUN: "another"}, self.now() - 5000.0)
        made.readable, made.archived = made.created, archived

    def later(self, at: float, happen: Callable[[float], None]) -> None:
        self._count += 1
        heapq.heappush(self._due, (at, self._count, happen))

    def _fault(self, kinds: tuple[str, ...]) -> str:
        now, weather = self.now(), self.weather
        for begin, end, fault in weather.outages:
            if begin <= now - 1000.0 < end:
                return fault
        draw = self.random.random()
        mine = [f for f in weather.faults if f in kinds]
        if now - 1000.0 > weather.calm or draw >= weather.trouble or not mine:
            return ""
        return self.random.choice(mine)

    async def _create(self, inputs: list[Any], body: bytes) -> Sent:
        ordinals = [ordinal_of(one) for one in inputs]
        left = self.laws.leaves(ordinals, body if self.people is None else bare(inputs))
        if self.laws.people is not None:
            self.laws.people.create_leaves(inputs, ordinals)
        fault = self._fault(CREATE_FAULTS)
        ill = self.now() - 1000.0 < self.weather.calm + HEALS_S
        if ill and fault != "refused" and any("poison" in one["properties"] for one in inputs):
            fault = "poison"
        self.say(f"create {ordinals} {'trial ' if left.trial else ''}{fault}")
        kind = "create" if left.fresh else "resend"
        sent = await self._call(fault, kind, lambda: self._carry_out(inputs, fault))
        self.laws.comes_back(ordinals, sent.reply, left)
        return sent

    async def _of_contacts(self, kind: str, asked: dict[str, Any]) -> Sent:
        people, laws, inputs = self.people, self.laws.people, asked["inputs"]
        assert people is not None
        assert laws is not None
        laws.leaves(kind, inputs)
        fault = self._fault(CREATE_FAULTS if kind == "upsert" else READ_FAULTS)
        self.say(f"{kind} {[one['id'] for one in inputs]} {fault}")
        sent = await self._call(
            fault, kind, lambda: people.answer(kind, asked, fault, self._moment)
        )
        laws.comes_back(kind, inputs, sent.reply)
        return sent

    async def _call(self, fault: str, kind: str, carry: Callable[[], Answer]) -> Sent:
        """A call leaves, arrives, is carried out, and its answer comes back; or not."""
        random, weather, falls = self.random, self.weather, self.laws.falls
        await asyncio.sleep(random.uniform(0, weather.latency))
        if fault == "refused":
            none = Reply(0, {}, b"", left=False, whole=False, trouble="connect: refused")
            return self._back(kind, Sent(none, 0.0, self.now()), falls)
        sent_at = self.now()
        arrives = sent_at + random.uniform(0, weather.latency)
        carried: float | None = arrives + random.uniform(0, weather.work)
        assert carried is not None
        ends = carried + random.uniform(0, weather.latency)
        limit = sent_at + weather.timeout
        status = 0
        if fault == "busy":
            carried, status = None, random.choice((429, 429, 423, 477))
        elif fault in ("error", "poison", "reset", "late"):
            status = 0 if fault == "reset" else random.choice((500, 502, 503, 504, 521))
            if fault == "late":
                carried = ends + random.uniform(0.1, LATE_S)
            elif fault == "poison" or random.random() < 0.5:
                carried = None
        elif fault == "stall":
            carried = random.choice((None, carried, random.uniform(arrives, limit + LATE_S)))
            ends = limit
        if ends > limit:
            ends, fault = limit, "stall"
        call = _Call()
        life = self.laws.life
        self.later(arrives, lambda at: self.laws.arrived(kind, at, life))
        if carried is not None:
            self.later(carried, lambda _: setattr(call, "answer", carry()))
        await asyncio.sleep(ends - self.now())
        self.advance()
        reply = self._reply(fault, status, call.answer, arrives, carried)
        return self._back(kind, Sent(reply, sent_at, self.now()), falls)

    def _back(self, kind: str, sent: Sent, falls: int) -> Sent:
        reply = sent.reply
        self.say(f"{kind} → {reply.status or reply.trouble} {reply.body[:150]!r}")
        if kind in ("read", "probe", "search", *KINDS.values()):
            self.laws.read_came_back(kind, reply, falls)
        return sent

    def _reply(
        self, fault: str, status: int, answer: Answer | None, arrived: float, carried: float | None
    ) -> Reply:
        random = self.random
        headers = {"Date": formatdate(self._wall(self.now()), usegmt=True)}
        if fault == "busy":
            if random.random() < 0.5:
                headers["Retry-After"] = str(random.choice((1, 3, 11)))
            return Reply(status, headers, b'{"category":"RATE_LIMITS"}')
        if fault in ("reset", "stall") or (fault in ("error", "late", "poison") and not status):
            return Reply(0, {}, b"", left=True, whole=False, trouble=fault)
        if fault in ("error", "late", "poison"):
            return Reply(status, headers, b"<html>" if random.random() < 0.5 else b"{}")
        assert answer is not None
        status, body = answer
        if carried is not None and self.weather.fine and "results" in body:
            times = {"startedAt": self.iso(arrived), "completedAt": self.iso(carried)}
            body = {**body, **times}
        raw = orjson.dumps(body)
        if status == 400 and random.random() < 0.1:
            raw = b"<html>"  # of somebody between us
        if fault == "cut":
            if random.random() < 0.5:
                return Reply(status, headers, b"", whole=False, trouble="cut off")
            return Reply(status if status < 300 else 200, headers, raw[: len(raw) // 2])
        return Reply(status, headers, raw)

    def _wall(self, at: float) -> float:
        weather, since = self.weather, at - 1000.0
        other = int(since * 1000) % 7 == 0  # it answers one call in so many
        jump = weather.set[1] if since >= weather.set[0] else 0.0
        return EPOCH + at + weather.ahead + jump + weather.apart * other

    def iso(self, at: float) -> str:
        moment = datetime.fromtimestamp(self._wall(at), UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _make(self, ordinal: int, properties: dict[str, str], now: float) -> Made:
        last = max((m.searchable for m in self.books.values()), default=0.0)
        seen = now + self.random.uniform(0, self.weather.lag)
        found = max(last, now + self.random.uniform(0, self.weather.search_lag))
        made = Made(str(7000 + len(self.books)), ordinal, properties, now, seen, found)
        self.books[made.id] = made
        if self.weather.has_key:
            self.keys[properties[KEY]] = made
        self.say(f"  made {ordinal} as {made.id}")
        return made

    def _make_of(self, one: Any, now: float) -> Made:
        made = self._make(ordinal_of(one), one["properties"], now)
        if self.people is not None:
            self.people.ties[made.id] = ties(one)
        return made

    def _carry_out(self, inputs: list[Any], fault: str) -> Answer:
        """Judge a batch and make what can be made."""
        random, now = self.random, self._moment
        problems = [self._problem(one, inputs[:n]) for n, one in enumerate(inputs)]
        errors = [(one, *p) for one, p in zip(inputs, problems, strict=True) if p]
        style = "207" if fault in ("silent", "pending") else random.choice(self.weather.refusing)
        if errors and style != "207":
            one, category, message, quoted = errors[0]
            named = {"context": {"objectWriteTraceId": [one["objectWriteTraceId"]]}}
            status = random.choice((409, 400)) if category == "CONFLICT" else 400
            text = quoted if style == "quoting" else message
            said = {"status": "error", "category": category, "message": text}
            return status, {**said, **(named if style == "named" else {})}
        results = []
        for one, problem in zip(inputs, problems, strict=True):
            if problem:
                continue
            if fault in ("silent", "pending") and random.random() < 0.5:
                self._in_silence(one, fault)
                continue
            results.append(self._shown(self._make_of(one, now), one))
        random.shuffle(results)
        listed = [
            {
                "status": "error",
                "category": category,
                "message": random.choice((message, quoted)),
                "context": {"objectWriteTraceId": [one["objectWriteTraceId"]]},
            }
            for one, category, message, quoted in errors
        ]
        body: dict[str, Any] = {"status": "COMPLETE", "results": results}
        if fault == "pending":
            body["status"] = "PENDING"
        if listed:
            body |= {"errors": listed, "numErrors": len(listed)}
        return (207 if listed or fault == "silent" else random.choice((200, 201))), body

    def _in_silence(self, one: Any, fault: str) -> None:
        """Made and not said, or made later, or never."""

        def make(_: float) -> None:
            if not self._problem(one, ()):
                self._make_of(one, self._moment)

        if self.random.random() < 0.6:
            delay = self.random.uniform(0, self.weather.timeout) if fault == "pending" else 0.0
            self.later(self._moment + delay, make)

    def _problem(self, one: Any, before: Any) -> tuple[str, str, str] | None:
        """(category, what is said, what is said with the value quoted) where it can't be made."""
        properties = one["properties"]
        if "colour" in properties:
            value = properties["colour"]
            flaw = {"isValid": False, "error": "INVALID_OPTION", "name": "colour", "message": value}
            quoted = f"Property values were not valid: {orjson.dumps([flaw]).decode()}"
            return "VALIDATION_ERROR", "a value is not one of the allowed options", quoted
        if self.people is not None and (gone := self.people.problem(one)) is not None:
            return gone
        if not self.weather.has_key:
            return None
        key = properties[KEY]
        holder = self.keys.get(key)
        if holder is None and not any(b["properties"][KEY] == key for b in before):
            return None
        by = f"{holder.id if holder else 'another input'} already has that value."
        category = self.random.choice(("CONFLICT", "VALIDATION_ERROR"))
        return category, by, f"Cannot set propertyName={KEY}, value={key}. {by}"

    def _shown(self, made: Made, one: Any) -> dict[str, Any]:
        shown = {"id": made.id, "properties": made.properties, "createdAt": self.iso(made.created)}
        if self.weather.echo:
            shown["objectWriteTraceId"] = one["objectWriteTraceId"]
        return shown

    def _preflight(self, path: str) -> Answer:
        if path == paths.ACCOUNT:
            return 200, {"portalId": 1}
        name = path.rpartition("/")[2]
        there = (name == KEY and self.weather.has_key) or (name == RUN and self.weather.has_run)
        if not there:
            return 404, {"status": "error", "category": "OBJECT_NOT_FOUND"}
        return 200, {"name": name, "hasUniqueValue": name == KEY}

    def _read(self, asked: dict[str, Any], *, archived: bool) -> Answer:
        by = self.keys if asked.get("idProperty") == KEY else self.books
        results, missing = [], []
        for name in [one["id"] for one in asked["inputs"]]:
            made = by.get(name)
            if made is None or made.readable > self._moment or made.archived != archived:
                missing.append(name)
                continue
            shown = {n: made.properties.get(n) for n in asked["properties"]}
            created = self.iso(made.created)
            results.append(
                {"id": made.id, "properties": shown, "createdAt": created, "archived": archived}
            )
        body: dict[str, Any] = {"status": "COMPLETE", "results": results}
        if missing:
            error = {"category": "OBJECT_NOT_FOUND", "message": "no", "context": {"ids": missing}}
            body |= {"errors": [error], "numErrors": 1}
        return (207 if missing else 200), body

    def _search(self, asked: dict[str, Any]) -> Answer:
        def fits(values: dict[str, str], test: dict[str, Any]) -> bool:
            mine = values.get(test["propertyName"], "")
            if test["operator"] == "IN":
                return mine in test["values"]
            assert test["operator"] == "GTE", test
            return bool(mine) and int(mine) >= int(test["value"])

        found = []
        for made in self.books.values():
            created = int(self._wall(made.created) * 1000)
            values = {**made.properties, "hs_createdate": str(created)}
            groups = [group["filters"] for group in asked["filterGroups"]]
            if made.searchable <= self._moment and any(
                all(fits(values, test) for test in group) for group in groups
            ):
                found.append((created, made))
        down = any(sort["direction"] == "DESCENDING" for sort in asked["sorts"])
        found.sort(key=lambda pair: pair[0], reverse=down)
        after, limit = int(asked.get("after") or 0), asked["limit"]
        results = [
            {
                "id": made.id,
                "properties": {n: made.properties.get(n) for n in asked["properties"]},
                "createdAt": self.iso(made.created),
            }
            for _, made in found[after : after + limit]
        ]
        body: dict[str, Any] = {"total": len(found), "results": results}
        if after + limit < len(found):
            body["paging"] = {"next": {"after": str(after + limit)}}
        return 200, body


def ordinal_of(one: Any) -> int:
    """The run's own trace ids end in the record's ordinal."""
    return int(one["objectWriteTraceId"].rpartition("-")[2])
