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

from bulkload import events, hold, verdict
from bulkload.errors import BulkloadError, StoppedResumable
from bulkload.hubspot import wire
from bulkload.journal.journal import Settlement
from bulkload.retry import TRIAL, Backoff, probe_delay

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from random import Random

    from bulkload.batching import Batch
    from bulkload.hubspot.client import Sent
    from bulkload.hubspot.sink import Sink
    from bulkload.journal.journal import Journal
    from bulkload.letters import LetterWriter
    from bulkload.limiter import Limiter

FEW_SUSPECTS = 8
"""Up to so many inputs that a refusal hints at are each sent alone; more are halved."""

THROTTLED = Backoff(base=1.0, cap=10.0, floor=0.5)
"""The wait after a 429 that names none: the rolling window is ten seconds."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How a run behaves. `max_outage_s` None: never give up. `max_dead`: see `parse`."""

    in_flight: int = 20
    in_doubt: verdict.InDoubt = "hold"
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


@dataclass(slots=True)
class _Load:
    """A batch on its way, with what is known of earlier tries.

    `attempt`: its open attempt in the journal, where one was opened with the doubt before.
    `strikes`: doubtful answers with another batch's success in between; `seen`: the count
    of successes at the last of them. `narrowed`: that count when the search for what makes the
    remote fail began, where it did. `tries`: calls in all.
    """

    batch: Batch
    attempt: int | None = None
    strikes: int = 0
    seen: int = -1
    narrowed: int | None = None
    tries: int = 0


class Pipeline:
    """One run's moving part. `run` returns when everything is settled or drained."""

    def __init__(
        self, parts: Parts, policy: Policy, batches: Iterator[Batch], tally: Tally
    ) -> None:
        self._parts = parts
        self._policy = policy
        self._batches = batches
        self._tally = tally
        self._clock = asyncio.get_running_loop().time
        self._gate = hold.Gate(self._clock)
        self._turnstile = asyncio.Lock()
        self._reading = asyncio.Lock()
        self._failed_trials = 0
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
            while (batch := await self._next()) is not None:
                await self._bury(batch)
                left = deque([_Load(replace(batch, letters=()))] if batch.entries else ())
                while left:
                    # Behind the others: what failed must not be what tries the remote again.
                    left.extend(await self._deliver(left.popleft()))
        except hold.Drained:
            return
        except BulkloadError as error:  # the journal's disk, the source: the others still settle
            self.drain(error)

    async def _next(self) -> Batch | None:
        if self._gate.is_shut:
            raise hold.Drained
        async with self._reading:
            if self._gate.is_shut:
                raise hold.Drained
            return await self._parts.offload(lambda: next(self._batches, None))

    async def _bury(self, batch: Batch) -> None:
        if batch.letters:
            await self._parts.journal.bury(batch.letters)
            self._count(dead=len(batch.letters))

    async def _deliver(self, load: _Load) -> list[_Load]:
        """One call for a batch. Returns what has to be sent next."""
        passed = await self._enter()
        if passed == "trial" and self._policy.in_doubt == "hold" and len(load.batch.entries) > 1:
            # If the remote is not well yet, this costs one record of doubt instead of a batch.
            head, rest = load.batch.split(1)
            return [*await self._try(replace(load, batch=head), trial=True), _Load(rest)]
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

    async def _try(self, load: _Load, *, trial: bool) -> list[_Load]:
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

    async def _send(self, request: bytes, load: _Load) -> tuple[Sent, wire.Verdict]:
        """The call, its slot given back when the remote's window forgets it, its verdict."""
        limiter, tally = self._parts.limiter, self._tally
        tally.first_request = tally.first_request or time.monotonic()
        try:
            sent = await self._parts.sink.create(request)
        except BaseException:
            limiter.spend(self._clock())
            raise
        judged = wire.judge(load.batch, sent.reply)
        if sent.sent_at:
            worked = judged.worked_s if isinstance(judged, wire.Outcomes) else 0.0
            limiter.spend(max(sent.sent_at, sent.ended_at - worked))
            tally.requests += 1
        else:
            limiter.give_back()
        tally.retries += load.tries > 0
        self._parts.tell(events.Answered(sent.reply.status, sent.seconds, load.tries > 0))
        return sent, judged

    async def _settle(
        self, load: _Load, attempt: int, judged: wire.Verdict, status: int, *, trial: bool
    ) -> list[_Load]:
        match judged:
            case wire.Outcomes():
                self._opened(trial=trial)
                return await self._settle_outcomes(load, attempt, judged, status)
            case wire.Refused():
                self._opened(trial=trial)
                return await self._settle_refusal(load, attempt, judged, status)
            case wire.TryLater():
                self._hold(judged, load, trial=trial)
                opened = await self._settle_unchanged(load, attempt, judged.reason, status)
                if judged.daily:
                    self.drain(
                        StoppedResumable(
                            f"the account's calls for today are used up ({judged.reason}). "
                            "Resume after midnight in the account's time zone"
                        )
                    )
                self._check_outage(judged.reason)
                return [replace(load, attempt=opened)]
            case wire.Denied():
                self.drain(StoppedResumable(judged.reason))
                await self._settle_unchanged(load, attempt, judged.reason, status)
                raise hold.Drained
            case wire.NotSent():
                prober = self._gate.fail()
                self._failed_trials += trial
                if load.attempt is None:  # one that carries an earlier doubt stays open
                    await self._parts.journal.withdraw(attempt)
                await self._recover(judged.reason, prober=prober)
                return [load]
            case wire.Doubtful():
                prober = self._gate.fail()
                self._failed_trials += trial
                left = await self._settle_doubt(load, attempt, judged, status, trial=trial)
                await self._recover(judged.reason, judged.after, prober=prober)
                return left

    async def _settle_unchanged(
        self, load: _Load, attempt: int, reason: str, status: int
    ) -> int | None:
        """Nothing came of the call. An earlier doubt of the same records goes on being one."""
        doubted = load.batch if load.attempt is not None else None
        return await self._parts.journal.settle(attempt, Settlement(status, reason, resend=doubted))

    async def _settle_outcomes(
        self, load: _Load, attempt: int, judged: wire.Outcomes, status: int
    ) -> list[_Load]:
        entries = {e.ordinal: e for e in load.batch.entries}
        letters = tuple(
            self._parts.letters.of_entry(
                entries[ordinal],
                "rejected",
                refusal.message,
                attempts=load.batch.attempt,
                status=refusal.status,
                category=refusal.category,
                correlation_id=refusal.correlation_id,
            )
            for ordinal, refusal in judged.rejected
        )
        silent = load.batch.only(set(judged.silent))
        again = (
            verdict.decide("unknown", self._policy.in_doubt) == "send-again"
            and load.strikes + 1 < self._policy.max_attempts
        )
        opened = await self._parts.journal.settle(
            attempt,
            Settlement(
                status,
                f"{len(silent.entries)} in neither results nor errors" if silent.entries else "",
                judged.loaded,
                judged.loose_ids,
                letters,
                () if again else silent.entries,
                silent if again and silent.entries else None,
                wire.digest(wire.body(silent)),
            ),
        )
        self._count(
            loaded=len(judged.loaded),
            dead=len(letters),
            doubt=0 if again else len(silent.entries),
            batches=1,
        )
        if opened is None:
            return []
        return [replace(load, batch=silent, attempt=opened, strikes=load.strikes + 1)]

    async def _settle_refusal(
        self, load: _Load, attempt: int, judged: wire.Refused, status: int
    ) -> list[_Load]:
        batch = load.batch
        blamed = dict(judged.blamed)
        if not blamed and len(batch.entries) == 1:
            blamed = {batch.entries[0].ordinal: judged.because}
        letters = tuple(
            self._parts.letters.of_entry(
                entry,
                "rejected",
                refusal.message,
                attempts=batch.attempt,
                status=refusal.status,
                category=refusal.category,
                correlation_id=refusal.correlation_id,
            )
            for entry in batch.entries
            if (refusal := blamed.get(entry.ordinal)) is not None
        )
        await self._parts.journal.settle(
            attempt, Settlement(status, judged.because.category, letters=letters)
        )
        self._count(dead=len(letters), batches=1)
        everyone = {e.ordinal for e in batch.entries}
        if blamed:
            parts = [batch.only(everyone - blamed.keys())]
        elif 0 < len(judged.suspects) <= FEW_SUSPECTS and judged.suspects != everyone:
            parts = [batch.only(everyone - judged.suspects)]
            parts += [batch.only({ordinal}) for ordinal in sorted(judged.suspects)]
        elif judged.suspects and judged.suspects != everyone:
            parts = [batch.only(everyone - judged.suspects), batch.only(set(judged.suspects))]
        else:
            parts = list(batch.split(len(batch.entries) // 2))
        return [_Load(part, tries=load.tries) for part in parts if part.entries]

    async def _settle_doubt(
        self, load: _Load, attempt: int, judged: wire.Doubtful, status: int, *, trial: bool
    ) -> list[_Load]:
        if verdict.decide("unknown", self._policy.in_doubt) == "hold":
            entries = load.batch.entries
            await self._parts.journal.settle(
                attempt, Settlement(status, judged.reason, doubtful=entries)
            )
            self._count(doubt=len(entries), batches=1)
            return []
        successes = self._gate.successes
        narrowed = load.narrowed is not None
        others_went = successes > (load.seen if load.narrowed is None else load.narrowed)
        strikes = load.strikes + others_went
        # It tried the remote twice and nothing else went through: perhaps nothing else is left
        # to show that the remote is well, so its own parts must.
        stuck = trial and not others_went
        load = replace(load, strikes=strikes, seen=successes)
        if strikes >= self._policy.max_attempts and len(load.batch.entries) == 1:
            (entry,) = load.batch.entries
            letter = self._parts.letters.of_entry(
                entry,
                "undeliverable",
                f"the remote failed on it {strikes} times while others went through: "
                f"{judged.reason}",
                attempts=load.batch.attempt,
                status=status,
            )
            await self._parts.journal.settle(
                attempt, Settlement(status, judged.reason, letters=(letter,))
            )
            self._count(dead=1, batches=1)
            return []
        if len(load.batch.entries) > 1 and (
            narrowed or stuck or strikes >= self._policy.max_attempts
        ):
            await self._parts.journal.settle(attempt, Settlement(status, judged.reason))
            began = successes if load.narrowed is None else load.narrowed
            return [
                _Load(half, seen=successes, narrowed=began, tries=load.tries)
                for half in load.batch.split(len(load.batch.entries) // 2)
            ]
        opened = await self._parts.journal.settle(
            attempt, Settlement(status, judged.reason, resend=load.batch)
        )
        return [replace(load, attempt=opened)]

    def _opened(self, *, trial: bool) -> None:
        self._gate.succeed(trial=trial)
        if trial:
            self._failed_trials = 0
            self._parts.tell(events.Released())

    def _hold(self, judged: wire.TryLater, load: _Load, *, trial: bool) -> None:
        self._tally.throttled += judged.throttled
        seconds = judged.after
        if seconds is None:
            seconds = THROTTLED.delay(min(load.tries, 4), self._parts.random)
        if self._gate.hold(seconds, trial=trial):
            self._parts.tell(events.Held(seconds, judged.reason))
            self._watch_outage(seconds, judged.reason)

    async def _recover(self, reason: str, after: float | None = None, *, prober: bool) -> None:
        """The worker that met the trouble first asks until the remote answers a read.

        Everybody else waits at the gate, so an outage costs one call at a time.
        """
        self._check_outage(reason)
        if not prober:
            return
        self._parts.tell(events.Held(after or 0.0, reason))
        failures = 0
        wait = after or 0.0
        if self._failed_trials:
            wait = max(wait, TRIAL.delay(self._failed_trials, self._parts.random))
        while True:
            self._watch_outage(wait, reason)
            await self._gate.pause(wait)
            await self._parts.limiter.acquire()
            probe = await self._parts.sink.probe()
            if probe.sent_at:
                self._parts.limiter.spend(probe.ended_at)
            else:
                self._parts.limiter.give_back()
            status = probe.reply.status
            if 0 < status < 500 and status not in wire.LATER:
                self._gate.answered()
                return
            failures += 1
            if failures == 1:
                self._parts.tell(events.Held(None, reason))
            down_for = self._gate.down_for()
            self._check_outage(reason)
            wait = max(
                probe_delay(failures, down_for, self._parts.random),
                wire.retry_after(probe.reply.headers) or 0.0,
            )

    def _watch_outage(self, wait: float, reason: str) -> None:
        """A wait that the remote asked for may be longer than the run's patience."""
        most = self._policy.max_outage_s
        if most is not None and (left := most - self._gate.down_for()) < wait:
            loop = asyncio.get_running_loop()
            loop.call_later(max(left, 0.0) + 0.001, self._check_outage, reason)

    def _check_outage(self, reason: str) -> None:
        """Drain once the trouble has lasted longer than the run may wait."""
        most = self._policy.max_outage_s
        if most is None or self._gate.down_for() < most or self._gate.is_shut:
            return
        self.drain(
            StoppedResumable(
                f"the remote has been in trouble for {self._gate.down_for():.0f} s "
                f"(--max-outage {most:g}): {reason}"
            )
        )

    def _count(self, *, loaded: int = 0, dead: int = 0, doubt: int = 0, batches: int = 0) -> None:
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
