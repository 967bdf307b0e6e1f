"""The real pipeline and a real journal, against a remote that answers by a script."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from math import inf
from random import Random
from typing import TYPE_CHECKING, Any, cast

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulkload import events, ordinals
from bulkload.batch import Batch, Entry
from bulkload.calls import outage, retry
from bulkload.calls.limiter import Limiter
from bulkload.calls.retry import PROBE, TRIAL, Backoff
from bulkload.calls.room import RateLimit
from bulkload.errors import StoppedForGood, StoppedResumable
from bulkload.hubspot import replies, wire
from bulkload.hubspot.client import Sent
from bulkload.hubspot.lookup import Marks
from bulkload.hubspot.remoteclock import RemoteClock
from bulkload.hubspot.replies import Reply
from bulkload.journal import attempts, readers, schema
from bulkload.journal import journal as journals
from bulkload.journal.journal import Journal
from bulkload.pipeline import asking, pipeline, quarantine
from bulkload.pipeline.answering import ASKS
from bulkload.pipeline.parts import Parts, Policy, Tally
from bulkload.pipeline.pipeline import Pipeline
from bulkload.records.batching import batches
from bulkload.records.letters import LetterWriter
from bulkload.rundir import RunDir
from tests.clock import run_virtual
from tests.making import entry, fault, key_of, keyed, letter, open_traffic, reply
from tests.moods import Inline

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from bulkload.hubspot.sink import Sink

    Traces = list[str]
    Answer = Callable[[Traces], Reply]

NO_WAIT = Backoff(0.0, 0.0, 0.0)


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outage, "THROTTLED", NO_WAIT)
    monkeypatch.setattr(outage, "TRIAL", NO_WAIT)
    monkeypatch.setattr(retry, "PROBE", NO_WAIT)
    monkeypatch.setattr(quarantine, "AGAIN", NO_WAIT)
    monkeypatch.setattr(asking, "ASK_AGAIN", Backoff(0.002, 0.002, 0.002))
    monkeypatch.setattr(pipeline, "SHOWN_S", 0.0)
    monkeypatch.setattr("bulkload.journal.writer.GAP_S", 0.0)


def all_made(traces: Traces) -> Reply:
    results = [{"id": f"id-{t}", "objectWriteTraceId": t} for t in traces]
    return reply(201, {"status": "COMPLETE", "results": results})


GONE = Reply(0, {}, b"", left=True, whole=False, trouble="reset")
NOT_LEFT = GONE._replace(left=False)

UNLIMITED = RateLimit(1_000_000, 1)


@dataclass
class Remote:
    """A scripted sink. `answer` judges each create; what it makes is counted by trace id."""

    answer: Answer
    sent: list[Traces] = field(default_factory=list)
    made: Counter[str] = field(default_factory=Counter)
    probes: int = 0
    under_way: int = 0
    before: Callable[[], Awaitable[None]] | None = None
    probed: Callable[[], Reply] = lambda: reply(200)

    async def create(self, request: bytes) -> Sent:
        traces = [i["objectWriteTraceId"] for i in orjson.loads(request)["inputs"]]
        self.sent.append(traces)
        await asyncio.sleep(0)
        if self.before is not None:
            await self.before()
        answered = self.answer(traces)
        if 200 <= answered.status < 300:
            self.made.update(
                r["objectWriteTraceId"] for r in orjson.loads(answered.body)["results"]
            )
        now = asyncio.get_running_loop().time()
        return Sent(answered, now if answered.left else 0.0, now)

    async def probe(self) -> Sent:
        self.probes += 1
        await asyncio.sleep(0)
        now = asyncio.get_running_loop().time()
        return Sent(self.probed(), now, now)


@dataclass
class Ran:
    """A run that has ended: its remote, its tally, and what another reader of it finds."""

    run: RunDir
    remote: Remote
    tally: Tally
    stopped: Exception | None
    told: list[events.Event]
    limiter: Limiter

    @property
    def letters(self) -> dict[int, dict[str, Any]]:
        lines = self.run.letters.read_bytes().splitlines()
        return {letter_["ordinal"]: letter_ for letter_ in map(orjson.loads, lines)}

    @property
    def doubts(self) -> set[int]:
        return {d["ordinal"] for d in readers.doubts(self.run)}

    def asked(self, query: str) -> list[Any]:
        with closing(schema.read_only(self.run.journal)) as connection:
            return connection.execute(query).fetchall()

    @property
    def existing(self) -> set[int]:
        rows = self.asked("SELECT existing_covers FROM attempt WHERE existing > 0")
        return {n for (covers,) in rows for n in ordinals.unpack(covers)}

    @property
    def skipped(self) -> set[int]:
        return {n for (n,) in self.asked("SELECT ordinal FROM skip")}

    @property
    def loaded(self) -> set[int]:
        with closing(schema.read_only(self.run.journal)) as connection:
            state = attempts.state(connection)
        last = max((o for b in self.remote.sent for o in map(ordinal, b)), default=0) + 50
        found = {n for n in range(last) if n in state.covered}
        return found - self.doubts - self.letters.keys() - self.existing - self.skipped

    @property
    def open(self) -> int:
        with closing(schema.read_only(self.run.journal)) as connection:
            return len(attempts.state(connection).open)


def ordinal(trace: str) -> int:
    return int(trace[1:])


def load(
    path: Path,
    remote: Remote,
    count: int,
    *,
    size: int = 10,
    policy: Policy | None = None,
    read: Iterator[Any] | None = None,
    started: Callable[[Pipeline], None] = lambda _: None,
    stop: bool = False,
    limit: RateLimit = UNLIMITED,
) -> Ran:
    async def runs() -> Ran:
        run = RunDir(path)
        run.create()
        journals.create(run, {"run_id": "r"})
        journal = Journal.of(run, on_full=lambda _: None)
        told: list[events.Event] = []
        tally = Tally()

        async def offload(pull: Callable[[], list[Batch]]) -> list[Batch]:
            return pull()

        parts = Parts(
            cast("Sink", remote),
            journal,
            open_traffic(
                Limiter(limit),
                RemoteClock(asyncio.get_running_loop().time),
                stop=stop,
            ),
            LetterWriter("r", ["a.ndjson"]),
            Random(1),
            events.Announcer((told.append,)),
            lambda: 0,
            offload,
        )
        listed = read if read is not None else (entry(n) for n in range(count))
        grouped = batches(listed, max_records=size, max_bytes=1 << 20)
        moving = Pipeline(parts, policy or Policy(in_flight=4), grouped, tally)
        started(moving)
        try:
            async with asyncio.timeout(20):
                await moving.run()
        finally:
            await journal.close()
        return Ran(run, remote, tally, moving.stopped, told, parts.traffic.limiter)

    return asyncio.run(runs())


def law_one(ran: Ran, count: int) -> None:
    """Every record is in exactly one place, and the counts add up to what was read."""
    tally = ran.tally
    assert tally.read == count
    places = [ran.loaded, ran.existing, set(ran.letters), ran.doubts, ran.skipped]
    assert sorted(n for place in places for n in place) == list(range(count))
    told = (tally.loaded, tally.existing, tally.dead, tally.doubt, tally.skipped)
    assert tuple(map(len, places)) == told
    counts = readers.counts(ran.run)
    assert counts[:5] == told


def test_a_quiet_remote_takes_everything_once(tmp_path: Path) -> None:
    ran = load(tmp_path / "r", Remote(all_made), 95)
    law_one(ran, 95)
    assert ran.tally.loaded == 95
    assert ran.stopped is None
    assert set(ran.remote.made.values()) == {1}
    assert ran.tally.requests == len(ran.remote.sent) == 10
    assert ran.open == 0


def test_records_that_never_were_sent_are_settled_too(tmp_path: Path) -> None:
    listed = [letter(n, b'{"ordinal":%d}' % n) if n % 3 else entry(n) for n in range(30)]
    ran = load(tmp_path / "r", Remote(all_made), 30, read=iter(listed))
    law_one(ran, 30)
    assert (ran.tally.loaded, ran.tally.dead) == (10, 20)


@pytest.mark.parametrize("bad", [{3}, {0, 9}, {5, 17, 23}, set(range(20)), set(range(25))], ids=str)
def test_a_400_that_names_nobody_is_narrowed_to_the_bad_ones(tmp_path: Path, bad: set[int]) -> None:
    def answer(traces: Traces) -> Reply:
        if bad & set(map(ordinal, traces)):
            return reply(400, {"category": "VALIDATION_ERROR", "message": "no"})
        return all_made(traces)

    ran = load(tmp_path / "r", Remote(answer), 25)
    law_one(ran, 25)
    assert ran.letters.keys() == bad
    assert set(ran.remote.made.values()) <= {1}
    for found in ran.letters.values():
        assert (found["reason"], found["status"], found["message"]) == ("rejected", 400, "no")


def test_a_400_that_names_a_column_costs_few_calls(tmp_path: Path) -> None:
    bad = "t42"

    def answer(traces: Traces) -> Reply:
        if bad not in traces:
            return all_made(traces)
        request = wire.body(Batch(tuple(entry(ordinal(t)) for t in traces)))
        column = request.index(b's42"')
        return reply(400, {"message": f"Invalid input JSON on line 1, column {column}"})

    ran = load(tmp_path / "r", Remote(answer), 100, size=100)
    law_one(ran, 100)
    assert ran.letters.keys() == {42}
    assert len(ran.remote.sent) == 3


def test_a_partial_answer_settles_each_record_by_itself(tmp_path: Path) -> None:
    def answer(traces: Traces) -> Reply:
        results = [{"id": t, "objectWriteTraceId": t} for t in traces if ordinal(t) % 3 == 0]
        errors = [fault(ordinal(t), correlationId="c") for t in traces if ordinal(t) % 3 == 1]
        return reply(207, {"results": results, "errors": errors})

    ran = load(tmp_path / "r", Remote(answer), 30)
    law_one(ran, 30)
    assert ran.loaded == set(range(0, 30, 3))
    assert ran.letters.keys() == set(range(1, 30, 3))
    assert ran.doubts == set(range(2, 30, 3))
    assert ran.letters[1]["correlation_id"] == "c"


def test_what_is_too_large_is_split_until_it_fits(tmp_path: Path) -> None:
    def answer(traces: Traces) -> Reply:
        if len(traces) > 3 or "t7" in traces:
            return reply(413, b"<html>")
        return all_made(traces)

    ran = load(tmp_path / "r", Remote(answer), 20)
    law_one(ran, 20)
    assert ran.letters.keys() == {7}, "what is too large alone is its own fault"
    assert ran.tally.loaded == 19


def test_a_429_holds_everybody_and_costs_nobody_an_outcome(tmp_path: Path) -> None:
    moments: list[float] = []
    held: list[float] = []

    def answer(traces: Traces) -> Reply:
        now = asyncio.get_running_loop().time()
        moments.append(now)
        if len(moments) == 3:
            held.append(now)
            return reply(429, {"policyName": "SECONDLY"}, Retry_After="0.3")
        return all_made(traces)

    ran = load(tmp_path / "r", Remote(answer), 200)
    law_one(ran, 200)
    assert ran.tally.loaded == 200
    assert (ran.tally.throttled, ran.tally.retries) == (1, 1)
    quiet = [m for m in moments if held[0] + 0.05 < m < held[0] + 0.29]
    assert quiet == []


@pytest.mark.parametrize("status", [423, 429, 477])
def test_who_is_told_to_come_later_comes_again(
    tmp_path: Path, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(replies.LATER, 423, 0.0)
    failed: Counter[str] = Counter()

    def answer(traces: Traces) -> Reply:
        failed[traces[0]] += 1
        if failed[traces[0]] <= 3:
            return reply(status, Retry_After="0")
        return all_made(traces)

    ran = load(tmp_path / "r", Remote(answer), 40)
    law_one(ran, 40)
    assert ran.tally.loaded == 40
    assert ran.tally.throttled == (12 if status == 429 else 0)


@pytest.mark.parametrize("trouble", [reply(503), reply(500, b"<html>"), GONE])
def test_in_hold_mode_an_outage_puts_in_doubt_what_was_in_flight_and_no_more(
    tmp_path: Path, trouble: Reply
) -> None:
    remote = Remote(all_made)
    downs: list[int] = []

    def answer(traces: Traces) -> Reply:
        if len(remote.sent) >= 3 and not downs and remote.probes < 5:
            return trouble
        return all_made(traces)

    def probed() -> Reply:
        if remote.probes < 5:
            return reply(503)
        downs.append(1)
        return reply(200)

    remote.answer, remote.probed = answer, probed
    ran = load(tmp_path / "r", remote, 300)
    law_one(ran, 300)
    assert 0 < ran.tally.doubt <= 4 * 10
    assert not {f"t{n}" for n in ran.doubts} & remote.made.keys()
    assert all(Counter(t for b in remote.sent for t in b)[f"t{n}"] == 1 for n in ran.doubts)
    assert remote.probes == 5
    assert set(remote.made.values()) == {1}


def test_an_intent_that_was_being_written_when_the_gate_shut_is_withdrawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = Remote(all_made)
    intents: list[int] = []
    asked_by_then: list[int] = []
    intend = Journal.intend

    async def slow(journal: Journal, *given: Any) -> int:
        intents.append(attempt := await intend(journal, *given))
        if 1 < len(intents) <= 4:
            while not remote.probes:  # the first has failed by then
                await asyncio.sleep(0.001)
        return attempt

    async def before() -> None:
        while len(intents) < 4:
            await asyncio.sleep(0.001)

    def answer(traces: Traces) -> Reply:
        asked_by_then.append(remote.probes)
        return reply(503) if len(asked_by_then) == 1 else all_made(traces)

    monkeypatch.setattr(Journal, "intend", slow)
    remote.answer, remote.before = answer, before
    remote.probed = lambda: reply(503 if remote.probes < 20 else 200)
    ran = load(tmp_path / "r", remote, 100)
    law_one(ran, 100)
    assert asked_by_then[0] == 0
    assert min(asked_by_then[1:]) >= 20
    assert ran.tally.doubt == 10
    assert ran.open == 0


def test_an_outage_of_creates_alone_costs_one_record_a_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = Remote(all_made)
    remote.answer = lambda traces: reply(503) if len(remote.sent) < 30 else all_made(traces)
    waits: list[int] = []

    class Counts(Backoff):
        def delay(self, failures: int, random: Random) -> float:
            waits.append(failures)
            return 0.0

    monkeypatch.setattr(outage, "TRIAL", Counts())
    ran = load(tmp_path / "r", remote, 300)
    law_one(ran, 300)
    tried = [b for b in remote.sent[4:29] if len(b) == 1]
    assert len(tried) >= 20
    assert ran.tally.doubt <= 4 * 10 + len(tried)
    assert waits == sorted(waits), "each failed try waits longer than the one before"
    assert waits[-1] >= 20


def test_in_resend_mode_what_was_in_doubt_is_sent_again(tmp_path: Path) -> None:
    failed: set[str] = set()

    def answer(traces: Traces) -> Reply:
        if traces[0] not in failed and len(failed) < 3:
            failed.add(traces[0])
            return reply(503)
        return all_made(traces)

    ran = load(tmp_path / "r", Remote(answer), 100, policy=Policy(4, "resend"))
    law_one(ran, 100)
    assert ran.tally.loaded == 100
    assert ran.open == 0


def test_where_nothing_left_nothing_is_in_doubt(tmp_path: Path) -> None:
    failed: set[str] = set()

    def answer(traces: Traces) -> Reply:
        if traces[0] not in failed and len(failed) < 5:
            failed.add(traces[0])
            return NOT_LEFT
        return all_made(traces)

    ran = load(tmp_path / "r", Remote(answer), 100)
    law_one(ran, 100)
    assert (ran.tally.loaded, ran.tally.doubt) == (100, 0)
    assert 10 <= ran.tally.requests <= 15  # one that tries the remote goes alone
    with closing(schema.read_only(ran.run.journal)) as connection:
        assert connection.execute("SELECT max(nth) FROM attempt").fetchone() == (1,)


def test_a_doubt_outlives_the_calls_after_it_that_made_nothing(tmp_path: Path) -> None:
    replies = iter([reply(503), NOT_LEFT, reply(429, Retry_After="0"), reply(401)])
    ran = load(tmp_path / "r", Remote(lambda _: next(replies)), 5, policy=Policy(1, "resend", 99))
    assert isinstance(ran.stopped, StoppedResumable)
    assert ran.open == 1, "a resume that does not resend must still find it in doubt"
    with closing(schema.read_only(ran.run.journal)) as connection:
        rows = connection.execute("SELECT sent_at, doubtful_since FROM attempt").fetchall()
    assert rows[-1][1] == rows[0][0]


@pytest.mark.parametrize("status", [401, 403, 307, 404])
def test_a_denial_stops_resumable_and_blames_no_record(tmp_path: Path, status: int) -> None:
    remote = Remote(all_made)
    remote.answer = lambda traces: reply(status) if len(remote.sent) > 5 else all_made(traces)
    ran = load(tmp_path / "r", remote, 200)
    assert isinstance(ran.stopped, StoppedResumable)
    assert (ran.tally.dead, ran.tally.doubt, ran.open) == (0, 0, 0)
    assert ran.tally.loaded == len(ran.remote.made) == len(ran.loaded)
    assert len(remote.sent) <= 5 + 4


@pytest.mark.parametrize("at", [0, 6, 50, 99])
@pytest.mark.parametrize("size", [10, 100])
def test_poison_is_narrowed_to_the_one_record_and_stays_a_doubt(
    tmp_path: Path, at: int, size: int
) -> None:
    bad = f"t{at}"
    remote = Remote(lambda traces: reply(502) if bad in traces else all_made(traces))
    ran = load(tmp_path / "r", remote, 100, size=size, policy=Policy(4, "resend"))
    law_one(ran, 100)
    assert ran.stopped is None
    # One of the tries may have made it: a letter would have it made again by a replay.
    assert (ran.doubts, ran.letters) == ({at}, {})
    assert ran.tally.loaded == 99
    assert sum(bad in traces for traces in remote.sent) <= 20


def test_poison_in_several_batches_at_once_ends_too(tmp_path: Path) -> None:
    bad = {"t3", "t13", "t23", "t33"}
    remote = Remote(lambda traces: reply(502) if bad & {*traces} else all_made(traces))
    ran = load(tmp_path / "r", remote, 40, policy=Policy(4, "resend"))
    law_one(ran, 40)
    assert {f"t{n}" for n in ran.doubts} == bad


@pytest.mark.parametrize("in_doubt", ["hold", "resend"])
def test_an_outage_makes_no_dead_letter_and_ends_resumable(tmp_path: Path, in_doubt: Any) -> None:
    remote = Remote(lambda _: reply(503))
    ran = load(tmp_path / "r", remote, 300, policy=Policy(4, in_doubt, 5, max_outage_s=0.15))
    assert isinstance(ran.stopped, StoppedResumable)
    assert "--max-outage" in str(ran.stopped)
    assert ran.tally.dead == ran.tally.loaded == 0
    assert ran.letters == {}


def test_a_wait_longer_than_the_runs_patience_is_not_waited_out(tmp_path: Path) -> None:
    for number, status in enumerate((429, 477)):
        remote = Remote(lambda _, status=status: reply(status, Retry_After="7200"))  # type: ignore[misc]
        policy = Policy(4, max_outage_s=0.1)
        ran = load(tmp_path / str(number), remote, 100, policy=policy)
        assert isinstance(ran.stopped, StoppedResumable)
        assert (ran.tally.read, ran.open) == (0, 0)
        assert len(remote.sent) <= 4


def test_a_used_up_day_stops_resumable_at_once(tmp_path: Path) -> None:
    remote = Remote(lambda _: reply(429, {"policyName": "DAILY"}))
    ran = load(tmp_path / "r", remote, 100, stop=True)
    assert isinstance(ran.stopped, StoppedResumable)
    assert (ran.tally.read, ran.open) == (0, 0)
    assert len(remote.sent) <= 4


def test_a_silent_answer_is_in_doubt_or_sent_again_as_the_user_said(tmp_path: Path) -> None:
    def silent(traces: Traces) -> Reply:
        return reply(207, {"status": "COMPLETE", "results": [], "numErrors": 0, "errors": []})

    held = load(tmp_path / "hold", Remote(silent), 20)
    law_one(held, 20)
    assert held.doubts == set(range(20))
    assert len(held.remote.sent) == 2

    later = Remote(all_made)
    later.answer = lambda traces: silent(traces) if len(later.sent) <= 2 else all_made(traces)
    ran = load(tmp_path / "resend", later, 20, policy=Policy(1, "resend"))
    law_one(ran, 20)
    assert ran.tally.loaded == 20

    never = load(tmp_path / "never", Remote(silent), 20, policy=Policy(1, "resend", 3))
    law_one(never, 20)
    assert never.doubts == set(range(20))


def test_a_part_that_is_sent_again_is_kept_by_its_own_digest(tmp_path: Path) -> None:
    first = {"results": [{"id": "1", "objectWriteTraceId": "t0"}]}
    replies = iter([reply(207, first), reply(401)])
    ran = load(tmp_path / "r", Remote(lambda _: next(replies)), 3, policy=Policy(1, "resend"))
    with closing(schema.read_only(ran.run.journal)) as connection:
        (opened,) = attempts.state(connection).open
    part = Batch((entry(1), entry(2)))
    assert (opened.covers, opened.digest) == ("1-2", wire.digest(part))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 12), st.sampled_from(["hold", "resend"]), st.integers(1, 6))
def test_a_drain_finishes_what_is_in_flight_and_starts_nothing(
    tmp_path_factory: pytest.TempPathFactory, after: int, in_doubt: Any, in_flight: int
) -> None:
    remote = Remote(all_made)
    running: list[Pipeline] = []
    sent_at_drain: list[int] = []

    def answer(traces: Traces) -> Reply:
        if len(remote.sent) >= after and not sent_at_drain:
            sent_at_drain.append(len(remote.sent))
            running[0].drain(StoppedResumable("told"))
        return all_made(traces)

    remote.answer = answer
    path = tmp_path_factory.mktemp("drain") / "r"
    policy = Policy(in_flight, in_doubt)
    ran = load(path, remote, 200, policy=policy, started=running.append)
    assert str(ran.stopped) == "told"
    assert len(remote.sent) <= sent_at_drain[0] + in_flight
    assert ran.open == 0
    assert ran.tally.loaded == len(remote.made) == len(ran.loaded)
    assert {f"t{n}" for n in ran.loaded} == remote.made.keys()


def test_too_many_dead_letters_stop_the_run_resumable(tmp_path: Path) -> None:
    def answer(traces: Traces) -> Reply:
        return reply(207, {"results": [], "errors": [fault(*map(ordinal, traces))]})

    counted = load(
        tmp_path / "a",
        Remote(answer),
        200,
        policy=Policy(2, max_dead_share=None, max_dead_count=30),
    )
    assert isinstance(counted.stopped, StoppedResumable)
    assert 30 < counted.tally.dead <= 60
    shared = load(tmp_path / "b", Remote(answer), 3000, size=100, policy=Policy(2))
    assert isinstance(shared.stopped, StoppedResumable)
    assert 1000 <= shared.tally.dead <= 1300


def test_a_source_that_breaks_leaves_nothing_in_flight_unsettled(tmp_path: Path) -> None:
    def breaks() -> Iterator[Entry]:
        yield from (entry(n) for n in range(45))
        raise StoppedForGood("the disk of the source")

    ran = load(tmp_path / "r", Remote(all_made), 0, read=breaks())
    assert isinstance(ran.stopped, StoppedForGood)
    assert ran.open == 0
    assert ran.tally.loaded == len(ran.remote.made) == 40


FATES = st.sampled_from(
    ["made", "400", "413", "429", "423", "477", "503", "gone", "not-left", "silent", "html",
     "mixed", "pending", "truncated"]
)  # fmt: skip


def by_fate(fate: str, traces: Traces) -> Reply:
    if fate == "mixed":
        return reply(
            207,
            {
                "results": [{"id": t, "objectWriteTraceId": t} for t in traces[::3]],
                "errors": [fault(*map(ordinal, traces[1::3]))] if traces[1::3] else [],
            },
        )
    simple = {
        "400": reply(400, {"message": "no"}),
        "413": reply(413),
        "429": reply(429, Retry_After="0"),
        "423": reply(423),
        "477": reply(477, Retry_After="0"),
        "503": reply(503),
        "gone": GONE,
        "not-left": NOT_LEFT,
        "silent": reply(207, {"results": []}),
        "html": reply(400, b"<html>"),
        "pending": reply(202, {"status": "PENDING", "results": []}),
        "truncated": Reply(503, {}, b"", whole=False),
    }
    return simple[fate] if fate in simple else all_made(traces)


@settings(
    deadline=None,
    max_examples=80,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(FATES, max_size=40),
    st.integers(1, 60),
    st.integers(1, 12),
    st.integers(1, 5),
    st.sampled_from(["hold", "resend"]),
)
def test_whatever_the_remote_answers_the_counts_add_up(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
    fates: list[str],
    count: int,
    size: int,
    in_flight: int,
    in_doubt: Any,
) -> None:
    monkeypatch.setitem(replies.LATER, 423, 0.0)
    script = iter(fates)
    remote = Remote(lambda traces: by_fate(next(script, "made"), traces))
    path = tmp_path_factory.mktemp("any") / "r"
    policy = Policy(in_flight, in_doubt, 3, max_dead_share=None)
    ran = load(path, remote, count, size=size, policy=policy)
    law_one(ran, count)
    assert ran.stopped is None
    assert ran.open == 0
    assert ran.limiter.under_way == 0, "slots leak"
    made = {ordinal(t) for t in remote.made}
    assert ran.loaded <= made
    if in_doubt == "hold":
        assert set(remote.made.values()) <= {1}, "made twice in silence"
        assert ran.loaded == made


EPOCH = 1_767_225_600.0
LATE_S = 0.01
MARKS, KEY_ONLY = Marks("bulkload_key", "bulkload_run"), Marks("bulkload_key")


def stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


@dataclass
class Held:
    """A record in the remote's books. No read shows it before `shown`."""

    id: str
    run: str
    created: float
    archived: bool = False
    shown: float = 0.0


@dataclass
class Keyed(Remote):
    """A remote that refuses a second record with the same key, and can be read by it.

    `fate` of each create: made (judged and answered), lost (judged, the answer is not seen), late
    (judged `LATE_S` after it came), crossing (judged just before the next create comes), gone
    (nothing came of it), any other as `by_fate` says.
    `weather` of each read: None where it is answered from the books. `whole`: a conflict refuses
    the whole batch; `words` say it of a key and its holder's id. `lag`: seconds until a new record
    is shown. `shows_run`: whether the portal has the property for it.
    """

    answer: Answer = all_made
    fate: Callable[[Traces], str] = lambda _: "made"
    weather: Callable[[], Reply | None] = lambda: None
    whole: bool = False
    words: str = "propertyName=bulkload_key, value={}}} on object 9. {} already has that value."
    lag: float = 0.0
    shows_run: bool = True
    books: dict[str, Held] = field(default_factory=dict)
    late: list[tuple[float, Any]] = field(default_factory=list)
    crossing: list[Any] = field(default_factory=list)
    story: list[str] = field(default_factory=list)
    searched: list[str] = field(default_factory=list)
    reading: int = 0
    most_reading: int = 0
    last: int = 1000

    def hold(self, number: int, run: str = "another", **more: Any) -> None:
        """Somebody has the key of record `number` already."""
        self.last += 1
        self.books[key_of(number)] = Held(str(self.last), run, EPOCH - 1000, **more)

    @property
    def ours(self) -> set[int]:
        return {int(key, 16) for key, held in self.books.items() if held.run == "r"}

    async def create(self, request: bytes) -> Sent:
        inputs = orjson.loads(request)["inputs"]
        traces = [each["objectWriteTraceId"] for each in inputs]
        self.sent.append(traces)
        self.story.append("create")
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.sleep(0)
        self._catch_up()
        while self.crossing:
            self._judge(self.crossing.pop())
        fate = self.fate(traces)
        if fate == "late":
            self.late.append((loop.time() + LATE_S, inputs))
        elif fate == "crossing":
            self.crossing.append(inputs)
        elif fate == "half lost":
            self._judge(inputs[::2])
        judged = self._judge(inputs) if fate in ("made", "lost") else None
        if fate == "made" and judged is not None:
            answered = judged
        else:
            lost = fate in ("lost", "late", "crossing", "gone", "half lost")
            answered = GONE if lost else by_fate(fate, traces)
        return Sent(answered, began if answered.left else 0.0, loop.time())

    def _catch_up(self) -> None:
        while self.late and self.late[0][0] <= asyncio.get_running_loop().time():
            due, inputs = self.late.pop(0)
            self._judge(inputs, due)

    def _judge(self, inputs: list[Any], at: float | None = None) -> Reply:
        taken, results = [], []
        now = EPOCH + (asyncio.get_running_loop().time() if at is None else at)
        fresh: dict[str, Held] = {}
        for each in inputs:
            key = each["properties"]["bulkload_key"]
            if (held := self.books.get(key, fresh.get(key))) is not None:
                said = {"category": "CONFLICT", "message": self.words.format(key, held.id)}
                taken.append(fault(ordinal(each["objectWriteTraceId"]), **said))
                continue
            self.last += 1
            run = each["properties"].get("bulkload_run", "r")
            fresh[key] = Held(str(self.last), run, now, shown=now + self.lag)
            results.append({"id": str(self.last), "objectWriteTraceId": each["objectWriteTraceId"]})
        if taken and self.whole:
            return reply(400, {"category": "VALIDATION_ERROR", "message": taken[0]["message"]})
        self.books.update(fresh)
        self.made.update(r["objectWriteTraceId"] for r in results)
        body = {"status": "COMPLETE", "results": results, "errors": taken}
        return reply(207 if taken else 201, body | {"completedAt": stamp(now)})

    async def read(self, request: bytes) -> Sent:
        return await self._read(request, archived=False)

    async def read_archived(self, request: bytes) -> Sent:
        return await self._read(request, archived=True)

    async def _read(self, request: bytes, *, archived: bool) -> Sent:
        loop = asyncio.get_running_loop()
        began = loop.time()
        self.reading += 1
        self.most_reading = max(self.most_reading, self.reading)
        await asyncio.sleep(0.002)
        self.reading -= 1
        self._catch_up()
        asked = orjson.loads(request)
        answered = self.weather()
        self.story.append("read" if answered is None else f"read {answered.status}")
        if answered is None:
            answered = self._look(asked, archived=archived)
        return Sent(answered, began if answered.left else 0.0, loop.time())

    def _look(self, asked: dict[str, Any], *, archived: bool) -> Reply:
        names = [each["id"] for each in asked["inputs"]]
        now = EPOCH + asyncio.get_running_loop().time()
        self.searched.append("archived" if archived else "live")
        by_id = {held.id: key for key, held in self.books.items()}
        results, missing = [], []
        for name in names:
            key = name if "idProperty" in asked else by_id.get(name, "")
            held = self.books.get(key)
            if held is None or held.archived is not archived or held.shown > now:
                missing.append(name)
            else:
                properties = {"bulkload_key": key}
                if self.shows_run:
                    properties["bulkload_run"] = held.run
                results.append({
                    "id": held.id, "properties": properties, "archived": held.archived,
                    "createdAt": stamp(held.created),
                })  # fmt: skip
        errors = [{"category": "OBJECT_NOT_FOUND", "context": {"ids": missing}}] if missing else []
        body = {"status": "COMPLETE", "results": results, "errors": errors}
        return reply(207 if errors else 200, body | {"completedAt": stamp(now)})


def by_key(in_flight: int = 4, **more: Any) -> Policy:
    given = {"marks": MARKS, "run": "r", "max_dead_share": None, "quiet_s": 0.05, **more}
    return Policy(in_flight, "key", **given)


def load_keyed(
    path: Path,
    remote: Keyed,
    count: int,
    *,
    size: int = 10,
    policy: Policy | None = None,
    keys: dict[int, int] | None = None,
    stop: bool = False,
) -> Ran:
    """`keys`: records that have the key of another number than their own."""
    policy = policy or by_key()
    remote.shows_run = policy.marks is not None and bool(policy.marks.run)
    run = "r" if remote.shows_run else ""
    twice = keys or {}
    read = (keyed(n, run, key_of(twice.get(n, n))) for n in range(count))

    def started(pipeline: Pipeline) -> None:
        # As a preflight would have seen it.
        now = asyncio.get_running_loop().time()
        pipeline._parts.traffic.remote.observe({}, now, now, stamp(EPOCH + now))

    return load(
        path, remote, count, size=size, policy=policy, read=read, started=started, stop=stop
    )


def fates(*first: str) -> Callable[[Traces], str]:
    """These one after another, then all is made."""
    script = iter(first)
    return lambda _: next(script, "made")


def weathers(*first: Reply | None) -> Callable[[], Reply | None]:
    script = iter(first)
    return lambda: next(script, None)


def law_two(ran: Ran) -> None:
    """What the remote has of this run's making is loaded, and nothing else is."""
    assert isinstance(ran.remote, Keyed)
    assert ran.loaded == ran.remote.ours
    assert set(ran.remote.made.values()) <= {1}
    assert ran.doubts == set()
    assert ran.open == 0


BOTH_WAYS = pytest.mark.parametrize("marks", [MARKS, KEY_ONLY], ids=["run", "no run"])


@BOTH_WAYS
def test_by_key_a_reset_after_the_commit_is_loaded_and_not_sent_again(
    tmp_path: Path, marks: Marks
) -> None:
    remote = Keyed(fate=fates("made", "lost", "made", "lost"))
    ran = load_keyed(tmp_path / "r", remote, 60, policy=by_key(marks=marks))
    law_one(ran, 60)
    law_two(ran)
    assert ran.tally.loaded == 60
    assert len(remote.sent) == 6
    assert remote.probes == 0, "the batch's own read is the probe"


@BOTH_WAYS
@pytest.mark.parametrize("trouble", ["gone", "503", "silent", "pending", "truncated", "half lost"])
def test_by_key_what_was_not_made_is_sent_again(tmp_path: Path, trouble: str, marks: Marks) -> None:
    remote = Keyed(fate=fates("made", trouble, trouble))
    ran = load_keyed(tmp_path / "r", remote, 60, policy=by_key(marks=marks))
    law_one(ran, 60)
    law_two(ran)
    assert ran.tally.loaded == 60
    assert ran.tally.retries == 2


@BOTH_WAYS
@pytest.mark.parametrize("lag", [0, 0.005, 0.015])
@pytest.mark.parametrize("whole", [False, True])
def test_a_call_that_is_carried_out_late_and_shown_later_is_a_conflict_and_then_loaded(
    tmp_path: Path, marks: Marks, lag: float, whole: bool
) -> None:
    remote = Keyed(fate=fates("crossing"), lag=lag, whole=whole)
    ran = load_keyed(tmp_path / "r", remote, 10, policy=by_key(1, marks=marks))
    law_one(ran, 10)
    law_two(ran)
    assert ran.tally.loaded == 10
    if not (whole and lag):  # there it names one key only, and the others are not shown either
        assert len(remote.sent) == 2
    assert len(remote.searched) >= 2
    if not lag:
        assert len(remote.searched) == 2
    assert set(remote.made.values()) == {1}


@BOTH_WAYS
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("words", [None, "A record with this unique value exists"])
@pytest.mark.parametrize("first", ["made", "lost", "gone"])
def test_what_another_made_exists_and_is_not_loaded(
    tmp_path: Path, marks: Marks, whole: bool, words: str | None, first: str
) -> None:
    remote = Keyed(fate=fates(first), whole=whole)
    remote.words = words or remote.words
    for number in (3, 4, 17):
        remote.hold(number)
    ran = load_keyed(tmp_path / "r", remote, 30, policy=by_key(marks=marks))
    law_one(ran, 30)
    law_two(ran)
    assert ran.existing == {3, 4, 17}
    assert (ran.tally.loaded, ran.letters) == (27, {})
    rows = ran.asked("SELECT existing_ids FROM attempt WHERE existing > 0")
    ids = {made for (listed,) in rows for made in listed.split(",")}
    assert ids == {remote.books[key_of(n)].id for n in (3, 4, 17)}


@BOTH_WAYS
def test_a_key_that_a_record_of_this_run_has_makes_a_duplicate(
    tmp_path: Path, marks: Marks
) -> None:
    remote = Keyed()
    policy = by_key(1, marks=marks)
    ran = load_keyed(tmp_path / "r", remote, 30, policy=policy, keys={9: 2, 25: 4})
    law_one(ran, 30)
    assert ran.skipped == {9, 25}
    assert ran.tally.loaded == 28 == len(remote.ours)
    rows = dict(ran.asked("SELECT ordinal, id FROM skip"))
    assert rows == {9: remote.books[key_of(2)].id, 25: remote.books[key_of(4)].id}


@BOTH_WAYS
@pytest.mark.parametrize("trouble", ["lost", "late", "crossing", "gone"])
def test_a_doubt_does_not_make_a_duplicate_loaded(
    tmp_path: Path, marks: Marks, trouble: str
) -> None:
    remote = Keyed(fate=fates("made", trouble))
    ran = load_keyed(tmp_path / "r", remote, 20, policy=by_key(1, marks=marks), keys={15: 2})
    law_one(ran, 20)
    assert ran.skipped == {15}
    assert ran.tally.loaded == 19 == len(remote.ours)


@BOTH_WAYS
@pytest.mark.parametrize("whole", [False, True])
def test_a_key_that_an_archived_record_holds_makes_a_letter_that_says_so(
    tmp_path: Path, marks: Marks, whole: bool
) -> None:
    remote = Keyed(whole=whole)
    remote.hold(7, archived=True)
    ran = load_keyed(tmp_path / "r", remote, 20, policy=by_key(marks=marks))
    law_one(ran, 20)
    law_two(ran)
    assert ran.letters.keys() == {7}
    held = remote.books[key_of(7)].id
    assert f"record {held}, which was archived, still holds its key" in ran.letters[7]["message"]
    assert ran.letters[7]["key"] == key_of(7)


def test_a_key_that_nobody_shows_to_hold_makes_a_letter_after_many_reads(tmp_path: Path) -> None:
    remote = Keyed()
    remote.hold(7, shown=inf)
    ran = load_keyed(tmp_path / "r", remote, 20)
    law_one(ran, 20)
    assert ran.letters.keys() == {7}
    assert "shows no record that has it" in ran.letters[7]["message"]
    assert len(remote.searched) == ASKS
    assert remote.searched.count("archived") == 1


@BOTH_WAYS
@pytest.mark.parametrize("at", [0, 6, 50, 99])
@pytest.mark.parametrize("size", [10, 100])
def test_by_key_poison_is_narrowed_to_exactly_one_letter(
    tmp_path: Path, marks: Marks, at: int, size: int
) -> None:
    bad = f"t{at}"
    remote = Keyed(fate=lambda traces: "503" if bad in traces else "made")
    ran = load_keyed(tmp_path / "r", remote, 100, size=size, policy=by_key(marks=marks))
    law_one(ran, 100)
    law_two(ran)
    assert ran.stopped is None
    assert ran.letters.keys() == {at}
    assert (ran.letters[at]["reason"], ran.letters[at]["status"]) == ("undeliverable", 503)
    assert ran.tally.loaded == 99
    assert sum(bad in traces for traces in remote.sent) <= 20


def test_by_key_poison_in_several_batches_ends_too(tmp_path: Path) -> None:
    bad = {"t3", "t13", "t23", "t33"}
    remote = Keyed(fate=lambda traces: "gone" if bad & {*traces} else "made")
    ran = load_keyed(tmp_path / "r", remote, 40)
    law_one(ran, 40)
    law_two(ran)
    assert {f"t{n}" for n in ran.letters} == bad
    assert {found["reason"] for found in ran.letters.values()} == {"undeliverable"}


def test_poison_that_is_made_all_the_same_is_loaded(tmp_path: Path) -> None:
    remote = Keyed(fate=lambda traces: "lost" if "t6" in traces else "made")
    ran = load_keyed(tmp_path / "r", remote, 100)
    law_one(ran, 100)
    law_two(ran)
    assert ran.tally.loaded == 100
    assert len(remote.sent) == 10


@pytest.mark.parametrize("trouble", [reply(503), GONE, NOT_LEFT, reply(200, b"<html>")], ids=str)
def test_while_reads_fail_nothing_is_sent_and_one_asks_for_all(
    tmp_path: Path, trouble: Reply
) -> None:
    remote = Keyed(fate=fates(*["made"] * 4, *["lost"] * 4))
    failing = 6
    remote.weather = weathers(*[trouble] * failing)
    ran = load_keyed(tmp_path / "r", remote, 200)
    law_one(ran, 200)
    law_two(ran)
    assert ran.tally.loaded == 200
    if 200 <= trouble.status < 300:
        return  # it answers, if with nothing to go by
    story = remote.story[: remote.story.index("read")]
    first = story.index(f"read {trouble.status}")
    assert story[first:].count("create") == 0
    assert story[first:] == [f"read {trouble.status}"] * failing
    assert remote.most_reading <= 4


def test_while_reads_fail_there_is_one_reader(tmp_path: Path) -> None:
    remote = Keyed(fate=fates(*["lost"] * 20))
    together: list[int] = []

    def weather() -> Reply | None:
        if len(together) < 8:
            together.append(remote.reading)
            return reply(503)
        return None

    remote.weather = weather
    ran = load_keyed(tmp_path / "r", remote, 200, policy=by_key(20))
    law_one(ran, 200)
    law_two(ran)
    assert together == [0] * 8, "nobody else was reading"


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_read_that_is_denied_stops_resumable_and_the_doubt_is_open(
    tmp_path: Path, status: int
) -> None:
    remote = Keyed(fate=fates("lost"), weather=lambda: reply(status))
    ran = load_keyed(tmp_path / "r", remote, 10, policy=by_key(1))
    assert isinstance(ran.stopped, StoppedResumable)
    assert ran.open == 1
    assert ran.tally.read == 0
    assert ran.letters == {}
    assert readers.under_way(ran.run) == 10


def test_a_refusal_of_another_costs_no_record_with_a_short_key_of_its_own(tmp_path: Path) -> None:
    def answer(traces: Traces) -> Reply:
        if "t7" in traces:
            return reply(400, {"message": "Invalid input JSON on line 1, column 245: no"})
        return all_made(traces)

    class Plain(Remote):
        """No record has any key yet."""

        async def read(self, request: bytes) -> Sent:
            now = asyncio.get_running_loop().time()
            return Sent(reply(200, {"results": []}), now, now)

        read_archived = read

    read = (keyed(n, "r", str(n)) for n in range(10))
    ran = load(tmp_path / "r", Plain(answer), 10, policy=by_key(1), read=read)
    assert ran.letters.keys() == {7}


def test_an_id_that_was_guessed_from_a_message_stops_no_run(tmp_path: Path) -> None:
    remote = Keyed(words="{}: {} already has that value. Object 98765432109876543210")
    remote.hold(7, shown=inf)
    looked = remote._look

    def look(asked: dict[str, Any], *, archived: bool) -> Reply:
        if any(len(each["id"]) == 20 for each in asked["inputs"]):
            return reply(400, {"category": "VALIDATION_ERROR", "message": "no such id"})
        return looked(asked, archived=archived)

    remote._look = look  # type: ignore[method-assign]
    ran = load_keyed(tmp_path / "r", remote, 10)
    assert ran.stopped is None
    assert ran.letters.keys() == {7}


def test_a_429_to_a_read_holds_and_costs_nothing(tmp_path: Path) -> None:
    remote = Keyed(fate=fates("lost"))
    # The first read is the one that asks for all; the second is answered by what it needs.
    remote.weather = weathers(reply(503), *[reply(429, Retry_After="0.01")] * 3)
    remote.hold(13)
    ran = load_keyed(tmp_path / "r", remote, 30)
    law_one(ran, 30)
    law_two(ran)
    assert (ran.tally.loaded, ran.tally.existing) == (29, 1)
    assert ran.stopped is None


def test_a_used_up_day_stops_a_read_resumable_with_the_doubt_open(tmp_path: Path) -> None:
    remote = Keyed(fate=fates("crossing"))
    remote.weather = weathers(None, *[reply(429, {"policyName": "DAILY"})] * 50)
    ran = load_keyed(tmp_path / "r", remote, 10, policy=by_key(1), stop=True)
    assert isinstance(ran.stopped, StoppedResumable)
    assert "today" in str(ran.stopped)
    assert (ran.tally.read, ran.open) == (0, 1)


@pytest.mark.parametrize("trouble", [reply(503), GONE], ids=["503", "reset"])
def test_by_key_an_outage_ends_resumable_with_its_doubts_open(
    tmp_path: Path, trouble: Reply
) -> None:
    remote = Keyed(fate=lambda _: "lost", weather=lambda: trouble)
    ran = load_keyed(tmp_path / "r", remote, 300, policy=by_key(4, max_outage_s=0.15))
    assert isinstance(ran.stopped, StoppedResumable)
    assert "--max-outage" in str(ran.stopped)
    assert (ran.tally.read, ran.letters) == (0, {})
    assert 1 <= ran.open <= 4


KEY_FATES = st.sampled_from(
    ["made", "lost", "late", "gone", "half lost", "429", "503", "not-left", "silent", "pending",
     "truncated", "made", "made"]
)  # fmt: skip
READ_FATES = st.sampled_from([
    None, None, reply(503), reply(429, Retry_After="0"), GONE, NOT_LEFT, reply(200, b"<html>"),
    reply(207, {"results": [], "errors": [{"category": "OBJECT_NOT_FOUND"}]}),
    reply(200, {"status": "PENDING", "results": []}),
    reply(200, {"results": []})._replace(whole=False),
])  # fmt: skip


@settings(
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(KEY_FATES, max_size=40),
    st.lists(READ_FATES, max_size=15),
    st.integers(1, 60),
    st.integers(1, 12),
    st.integers(1, 5),
    st.sampled_from([MARKS, KEY_ONLY]),
    st.booleans(),
    st.sampled_from([0, 0.005, 0.015]),
    st.sets(st.integers(0, 59), max_size=4),
    st.sets(st.integers(0, 59), max_size=2),
)
def test_by_key_whatever_the_remote_answers_nothing_is_made_twice_lost_or_in_doubt(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
    fates_: list[str],
    weather: list[Reply | None],
    count: int,
    size: int,
    in_flight: int,
    marks: Marks,
    whole: bool,
    lag: float,
    theirs: set[int],
    archived: set[int],
) -> None:
    remote = Keyed(fate=fates(*fates_), weather=weathers(*weather), whole=whole, lag=lag)
    for number in theirs:
        remote.hold(number)
    for number in archived - theirs:
        remote.hold(number, archived=True)
    path = tmp_path_factory.mktemp("key") / "r"
    policy = by_key(in_flight, marks=marks, max_attempts=3)
    ran = load_keyed(path, remote, count, size=size, policy=policy)
    law_one(ran, count)
    law_two(ran)
    assert ran.stopped is None
    everyone = set(range(count))
    assert ran.existing == theirs & everyone
    undeliverable = {n for n, found in ran.letters.items() if found["reason"] == "undeliverable"}
    assert ran.letters.keys() - undeliverable == (archived - theirs) & everyone - undeliverable
    assert ran.limiter.under_way == 0, "slots leak"


@dataclass
class Outages:
    """A remote that is down for a while, and whose creates may be ill for longer than its reads.

    `lost` names what was sent to it then, record by record; half of that it made.
    """

    down: tuple[float, float]
    creates_until: float
    began: float = 0.0
    calls: int = 0
    probes: list[float] = field(default_factory=list)
    failed: list[Traces] = field(default_factory=list)
    made: Counter[str] = field(default_factory=Counter)

    def now(self) -> float:
        return asyncio.get_running_loop().time() - self.began

    async def create(self, request: bytes) -> Sent:
        loop = asyncio.get_running_loop()
        sent_at = loop.time()
        self.calls += 1
        traces = [i["objectWriteTraceId"] for i in orjson.loads(request)["inputs"]]
        await asyncio.sleep(0.2 + self.calls % 7 / 10)
        if self.down[0] <= self.now() < self.creates_until:
            self.failed.append(traces)
            if self.calls % 2:
                self.made.update(traces)
            return Sent(reply(503), sent_at, loop.time())
        self.made.update(traces)
        return Sent(all_made(traces), sent_at, loop.time())

    async def probe(self) -> Sent:
        loop = asyncio.get_running_loop()
        sent_at = loop.time()
        self.probes.append(self.now())
        await asyncio.sleep(0.1)
        is_down = self.down[0] <= self.now() < self.down[1]
        return Sent(reply(503 if is_down else 200), sent_at, loop.time())


@pytest.mark.parametrize("ill_for", [0.0, 120.0], ids=["all at once", "reads first"])
def test_an_outage_of_ten_minutes_puts_in_doubt_what_was_in_flight(
    monkeypatch: pytest.MonkeyPatch, ill_for: float
) -> None:
    in_flight, size, count = 20, 100, 40_000
    monkeypatch.setattr(outage, "TRIAL", TRIAL)
    monkeypatch.setattr(retry, "PROBE", PROBE)
    remote = Outages((10.0, 610.0), 610.0 + ill_for)
    connection = sqlite3.connect(":memory:", isolation_level=None)
    journals.lay_out(connection, {"run_id": "r"})
    tally = Tally()
    moments: list[float] = []

    async def runs() -> Pipeline:
        async def offload(pull: Callable[[], list[Batch]]) -> list[Batch]:
            return pull()

        loop = asyncio.get_running_loop()
        remote.began = loop.time()
        parts = Parts(
            cast("Sink", remote),
            Journal(Inline(connection), {}, readers.counts_of(connection)),
            open_traffic(Limiter(RateLimit(190, 10)), RemoteClock(loop.time)),
            LetterWriter("r", ["a.ndjson"]),
            Random(1),
            events.Announcer(()),
            lambda: 0,
            offload,
        )
        grouped = batches((entry(n) for n in range(count)), max_records=size, max_bytes=1 << 20)
        moving = Pipeline(parts, Policy(in_flight), grouped, tally)
        await moving.run()
        moments.append(remote.now())
        return moving

    moving = run_virtual(runs())
    assert moving.stopped is None
    reopenings = [traces for traces in remote.failed if len(traces) == 1]
    batches_lost = [traces for traces in remote.failed if len(traces) > 1]
    assert len(batches_lost) <= in_flight
    assert tally.doubt == sum(map(len, remote.failed))
    assert tally.doubt <= in_flight * size + len(reopenings)
    assert (tally.dead, tally.loaded) == (0, count - tally.doubt)
    assert set(remote.made.values()) == {1}, "made twice in silence"
    rows = connection.execute("SELECT ordinal FROM doubt").fetchall()
    assert {n for (n,) in rows} == {ordinal(t) for traces in remote.failed for t in traces}
    if ill_for:
        # Each costs a record, so they become rare: a minute apart at most.
        assert 3 <= len(reopenings) <= 20
    else:
        assert reopenings == []
    down = [at for at in remote.probes if at < 610.0]
    waits = [b - a for a, b in pairwise(down)]
    assert max(waits) < 5.2, "asked for at least every five seconds in the first ten minutes"
    assert min(waits) > 0.1, "one asks at a time"
    assert len(down) <= 600
    assert moments[0] < 610 + ill_for + 60


def test_a_journal_that_fails_leaves_no_worker_waiting_for_a_slot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The only slot was with the call that could not be written down: it comes back."""

    async def broken(*_: object) -> int:
        await asyncio.sleep(0.05)
        raise StoppedResumable("the journal can't be written")

    def never(_: object) -> Reply:
        raise AssertionError("nothing is sent that is not written down")

    monkeypatch.setattr(Journal, "intend", broken)
    ran = load(tmp_path / "run", Remote(never), 100, policy=Policy(4), limit=RateLimit(1, 10.0))
    assert str(ran.stopped) == "the journal can't be written"
    assert not ran.tally.loaded
