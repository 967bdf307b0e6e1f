"""The real pipeline and a real journal, against a remote that answers by a script."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, cast

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulkload import events, outage, retry
from bulkload.batching import Batch, Entry, batches
from bulkload.errors import StoppedForGood, StoppedResumable
from bulkload.hubspot import wire
from bulkload.hubspot.client import Sent
from bulkload.hubspot.remoteclock import RemoteClock
from bulkload.hubspot.wire import Reply
from bulkload.journal import journal as journals
from bulkload.journal import readers, schema
from bulkload.journal.journal import Journal
from bulkload.letters import LetterWriter
from bulkload.limiter import Limiter, RateLimit
from bulkload.parts import Parts, Policy, Tally
from bulkload.pipeline import Pipeline
from bulkload.retry import Backoff
from bulkload.rundir import RunDir
from tests.making import entry, fault, letter, reply

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
    monkeypatch.setattr("bulkload.journal.writer.GAP_S", 0.0)


def all_made(traces: Traces) -> Reply:
    results = [{"id": f"id-{t}", "objectWriteTraceId": t} for t in traces]
    return reply(201, {"status": "COMPLETE", "results": results})


GONE = Reply(0, {}, b"", left=True, whole=False, trouble="reset")
NOT_LEFT = GONE._replace(left=False)


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

    @property
    def loaded(self) -> set[int]:
        with closing(schema.read_only(self.run.journal)) as connection:
            state = journals._state(connection)
        last = max((o for b in self.remote.sent for o in map(ordinal, b)), default=0) + 50
        found = {n for n in range(last) if n in state.covered}
        return found - self.doubts - self.letters.keys()

    @property
    def open(self) -> int:
        with closing(schema.read_only(self.run.journal)) as connection:
            return len(journals._state(connection).open)


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
) -> Ran:
    async def runs() -> Ran:
        run = RunDir(path)
        run.create()
        journals.create(run, {"run_id": "r"})
        journal = Journal.of(run, on_full=lambda _: None)
        told: list[events.Event] = []
        tally = Tally()

        async def offload(pull: Callable[[], Batch | None]) -> Batch | None:
            return pull()

        parts = Parts(
            cast("Sink", remote),
            journal,
            Limiter(RateLimit(1_000_000, 1)),
            LetterWriter("r", ["a.ndjson"]),
            Random(1),
            events.Announcer((told.append,)),
            lambda: 0,
            RemoteClock(asyncio.get_running_loop().time),
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
        return Ran(run, remote, tally, moving.stopped, told, parts.limiter)

    return asyncio.run(runs())


def law_one(ran: Ran, count: int) -> None:
    """Every record is in exactly one place, and the counts add up to what was read."""
    tally = ran.tally
    assert tally.read == tally.loaded + tally.dead + tally.doubt == count
    assert ran.loaded | ran.letters.keys() | ran.doubts == set(range(count))
    assert len(ran.letters) == tally.dead
    assert ran.doubts.isdisjoint(ran.letters)
    counts = readers.counts(ran.run)
    assert (counts.loaded, counts.dead_lettered, counts.in_doubt) == (
        tally.loaded, tally.dead, tally.doubt,
    )  # fmt: skip


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
    monkeypatch.setitem(wire.LATER, 423, 0.0)
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
    ran = load(tmp_path / "r", remote, 100)
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
        (opened,) = journals._state(connection).open
    part = Batch((entry(1), entry(2)))
    assert (opened.covers, opened.digest) == ("1-2", wire.digest(wire.body(part)))


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
    monkeypatch.setitem(wire.LATER, 423, 0.0)
    script = iter(fates)
    remote = Remote(lambda traces: by_fate(next(script, "made"), traces))
    path = tmp_path_factory.mktemp("any") / "r"
    policy = Policy(in_flight, in_doubt, 3, max_dead_share=None)
    ran = load(path, remote, count, size=size, policy=policy)
    law_one(ran, count)
    assert ran.stopped is None
    assert ran.open == 0
    assert ran.limiter._free + len(ran.limiter._coming) == ran.limiter.limit.calls, "slots leak"
    made = {ordinal(t) for t in remote.made}
    assert ran.loaded <= made
    if in_doubt == "hold":
        assert set(remote.made.values()) <= {1}, "made twice in silence"
        assert ran.loaded == made
