"""The moving part: read → map → batch → acquire → send → settle.

Each worker pulls a batch, waits its turn at the gate and the limiter, records the intent,
sends, and settles the answer; what a refusal leaves over it sends before it pulls again.
Pulling is the backpressure: nothing is read before someone can carry it.

Laws kept here: written before said; a record is sent again only if the remote is known not
to have it (verdict.py decides); the remote's trouble is not the record's.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bulkload import events, hold, settling
from bulkload.errors import BulkloadError, StoppedResumable
from bulkload.hubspot import wire
from bulkload.outage import Outage
from bulkload.settling import Load

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator
    from random import Random

    from bulkload.batching import Batch
    from bulkload.hubspot.client import Sent
    from bulkload.hubspot.sink import Sink
    from bulkload.journal.journal import Journal
    from bulkload.journal.settlement import Settlement
    from bulkload.letters import LetterWriter
    from bulkload.limiter import Limiter
    from bulkload.verdict import InDoubt


@dataclass(frozen=True, slots=True)
class Policy:
    """How a run behaves. `max_outage_s` None: never give up. `max_dead`: see `parse`."""

    in_flight: int = 20
    in_doubt: InDoubt = "hold"
    max_attempts: int = 5
    max_outage_s: float | None = 3600.0
    max_dead_share: float | None = 0.2
    max_dead_count: int | None = None


class Tally:
    """What is settled, counted after it is durable."""

    def __init__(self) -> None:
        self.loaded = self.existing = self.dead = self.doubt = self.skipped = 0
        self.batches = self.requests = self.retries = self.throttled = 0
        self.first_request: float | None = None
        self.last_settled: float | None = None
        self.loaded_now = 0

    @property
    def read(self) -> int:
        return self.loaded + self.existing + self.dead + self.doubt + self.skipped


@dataclass(frozen=True, slots=True)
class Parts:
    """What a pipeline is made of; loader.py owns their lives."""

    sink: Sink
    journal: Journal
    limiter: Limiter
    letters: LetterWriter
    random: Random
    tell: events.Announcer
    consumed: Callable[[], int]
    offload: Callable[[Callable[[], Batch | None]], Awaitable[Batch | None]]


class Pipeline:
    """One run's moving part. `run` returns when everything is settled or drained.

    `doubted`: loads whose attempts are open since an earlier life of the run; they go first.
    """

    def __init__(
        self,
        parts: Parts,
        policy: Policy,
        batches: Iterator[Batch],
        tally: Tally,
        doubted: Iterable[Load] = (),
    ) -> None:
        self._parts = parts
        self._policy = policy
        self._batches = batches
        self._tally = tally
        self._clock = asyncio.get_running_loop().time
        self._gate = hold.Gate(self._clock)
        self._turnstile = asyncio.Lock()
        self._reading = asyncio.Lock()
        self._doubted = deque(doubted)
        self._outage = Outage(
            self._gate, parts.sink, parts.limiter, parts.random, parts.tell,
            policy.max_outage_s, self.drain,
        )  # fmt: skip
        self._rules = settling.Rules(parts.letters, policy.in_doubt, policy.max_attempts)
        self.stopped: BulkloadError | None = None

    async def run(self) -> None:
        """Raises what is nobody's to retry: a damaged journal, a bug."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._policy.in_flight):
                    group.create_task(self._work())
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None

    def drain(self, why: BulkloadError) -> None:
        """Finish what is in flight, start nothing new. The first reason given is kept."""
        self.stopped = self.stopped or why
        self._gate.shut()

    async def _work(self) -> None:
        try:
            while (left := await self._next()) is not None:
                while left:
                    # Behind the others: what failed must not be what tries the remote again.
                    left.extend(again := await self._deliver(left.popleft()))
                    alone = len(again) == len(left) == 1 and left[0].strikes > 0
                    if alone and (other := await self._next()):
                        # It could fail for ever: only what else goes through shows whether
                        # the remote is ill or the batch is.
                        left.extendleft(reversed(other))
        except hold.Drained:
            return
        except BulkloadError as error:  # the journal's disk, the source: the others still settle
            self.drain(error)

    async def _next(self) -> deque[Load] | None:
        """What the worker carries next; None where everything is read."""
        if self._gate.is_shut:
            raise hold.Drained
        if self._doubted:
            return deque([self._doubted.popleft()])
        async with self._reading:
            if self._gate.is_shut:
                raise hold.Drained
            batch = await self._parts.offload(lambda: next(self._batches, None))
        if batch is None:
            return None
        if batch.letters:
            await self._parts.journal.bury(batch.letters)
            self._count(dead=len(batch.letters))
        return deque([Load(replace(batch, letters=()))] if batch.entries else ())

    async def _deliver(self, load: Load) -> list[Load]:
        """One call for a batch. Returns what has to be sent next."""
        passed = await self._enter()
        if passed == "trial" and self._policy.in_doubt == "hold" and len(load.batch.entries) > 1:
            # If the remote is not well yet, this costs one record of doubt instead of a batch.
            head, rest = load.batch.split(1)
            return [*await self._try(replace(load, batch=head), trial=True), Load(rest)]
        return await self._try(load, trial=passed == "trial")

    async def _enter(self) -> hold.Pass:
        """One turnstile: gate, slot, pace, gate again. Without it workers would take pace and
        find the gate shut, and the pace would be lost.
        """
        async with self._turnstile:
            while True:
                await self._gate.wait()
                self._parts.tell(events.Waited(await self._parts.limiter.acquire()))
                if (passed := self._gate.enter()) is not None:
                    return passed
                self._parts.limiter.give_back()

    async def _try(self, load: Load, *, trial: bool) -> list[Load]:
        request = wire.body(load.batch)
        journal = self._parts.journal
        attempt = load.attempt
        try:
            if attempt is None:
                attempt = await journal.intend(load.batch, wire.digest(request))
            if self._gate.is_shut or (self._gate.closed and not trial):
                self._parts.limiter.give_back()
                if load.attempt is None:
                    await journal.withdraw(attempt)
                return [load]
            sent, judged = await self._send(request, load)
        except BaseException:
            if trial:
                self._gate.untried()
            raise
        times = load.batch.attempt + (not isinstance(judged, wire.NotSent))
        load = replace(load, batch=replace(load.batch, attempt=times), tries=load.tries + 1)
        return await self._settle(load, attempt, judged, sent.reply.status, trial=trial)

    async def _send(self, request: bytes, load: Load) -> tuple[Sent, wire.Verdict]:
        """The call, its slot given back when the remote's window forgets it, its verdict."""
        limiter, tally = self._parts.limiter, self._tally
        tally.first_request = tally.first_request or time.monotonic()
        try:
            sent = await self._parts.sink.create(request)
        except BaseException:
            limiter.spend(self._clock())
            raise
        judged = wire.judge(load.batch, sent.reply)
        worked = judged.worked_s if isinstance(judged, wire.Outcomes) else 0.0
        limiter.end(sent.sent_at, sent.ended_at - worked)
        tally.requests += sent.sent_at > 0
        tally.retries += load.tries > 0
        self._parts.tell(events.Answered(sent.reply.status, sent.seconds, load.tries > 0))
        return sent, judged

    async def _settle(
        self, load: Load, attempt: int, judged: wire.Verdict, status: int, *, trial: bool
    ) -> list[Load]:
        """Write down what became of the batch, and let the gate know how the remote is."""
        outage, prober = self._outage, False
        match judged:
            case wire.Outcomes():
                outage.over(trial=trial)
                step = settling.outcomes(load, judged, status, self._rules)
            case wire.Refused():
                outage.over(trial=trial)
                step = settling.refusal(load, judged, status, self._rules)
            case wire.TryLater():
                self._tally.throttled += judged.throttled
                outage.hold(judged, load.tries, trial=trial)
                step = settling.unchanged(load, judged.reason, status)
            case wire.Denied():
                self.drain(StoppedResumable(judged.reason))
                step = settling.unchanged(load, judged.reason, status)
            case wire.NotSent():
                prober = outage.begin(trial=trial)
                if load.attempt is None:  # one that carries an earlier doubt stays open
                    await self._parts.journal.withdraw(attempt)
                outage.check(judged.reason)
                if prober:
                    await outage.recover(judged.reason)
                return [load]
            case wire.Doubtful():
                prober = outage.begin(trial=trial)
                step = settling.doubt(
                    load, judged, status, self._rules,
                    successes=self._gate.successes, trial=trial,
                )  # fmt: skip
        opened = await self._parts.journal.settle(attempt, step.settlement)
        self._count_settled(step.settlement)
        if isinstance(judged, wire.Doubtful):
            outage.check(judged.reason)
            if prober:
                await outage.recover(judged.reason, judged.after)
        return step.left(opened)

    def _count_settled(self, settled: Settlement) -> None:
        if settled.loaded or settled.letters or settled.doubtful:
            self._count(
                loaded=len(settled.loaded),
                dead=len(settled.letters),
                doubt=len(settled.doubtful),
                batches=1,
            )

    def _count(self, *, loaded: int = 0, dead: int = 0, doubt: int = 0, batches: int = 0) -> None:
        """Durable by now: counted, then shown."""
        tally = self._tally
        tally.loaded += loaded
        tally.loaded_now += loaded
        tally.dead += dead
        tally.doubt += doubt
        tally.batches += batches
        tally.last_settled = time.monotonic()
        self._parts.tell(events.Settled(loaded, 0, dead, doubt, 0, batches, self._parts.consumed()))
        if dead:
            self._check_letters()

    def _check_letters(self) -> None:
        tally, policy = self._tally, self._policy
        too_many = (policy.max_dead_count is not None and tally.dead > policy.max_dead_count) or (
            policy.max_dead_share is not None
            and tally.read >= 1000
            and tally.dead > policy.max_dead_share * tally.read
        )
        if too_many:
            self.drain(
                StoppedResumable(
                    f"{tally.dead:,} of {tally.read:,} records became dead letters "
                    "(--max-dead-letters): look at dead-letters.ndjson; a wrong mapping or a "
                    "missing property does this. Resume with a higher limit, or start anew"
                )
            )
