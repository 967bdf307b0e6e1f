"""The moving part: read → map → batch → associate → acquire → send → settle.

Each worker pulls a batch, waits its turn at the gate and the limiter, records the intent,
sends, and settles the answer; what a refusal leaves over it sends before it pulls again.
Pulling is the backpressure: nothing is read before someone can carry it.

Laws kept here: written before said; a record is sent again only if the remote is known not
to have it (verdict.py decides); the remote's trouble is not the record's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from bulkload import verdict
from bulkload.calls import hold
from bulkload.calls.outage import Outage
from bulkload.calls.repeating import Repeating
from bulkload.calls.turnstile import Turnstile
from bulkload.errors import BulkloadError
from bulkload.hubspot import replies, wire
from bulkload.journal.settlement import Settlement
from bulkload.pipeline import settling, untying
from bulkload.pipeline.asking import SHOWN_S, Asking
from bulkload.pipeline.associating import Associating
from bulkload.pipeline.attaching import Attaching
from bulkload.pipeline.counting import Ledger
from bulkload.pipeline.creating import Creating
from bulkload.pipeline.intake import Intake
from bulkload.pipeline.loads import Load, Step
from bulkload.pipeline.quarantine import Quarantine
from bulkload.pipeline.verification import Aside
from bulkload.pipeline.workers import all_done
from bulkload.records.people import People

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bulkload.batch import Batch
    from bulkload.hubspot.client import Sent
    from bulkload.pipeline.creating import Tried
    from bulkload.pipeline.parts import Parts, Policy, Tally

SOON_S = 5.0
"""A single failure that is no more than that comes back as soon as an answer would."""


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
        people: People | None = None,
    ) -> None:
        self._parts = parts
        self._policy = policy
        self._tally = tally
        clock = asyncio.get_running_loop().time
        self._gate = hold.Gate(clock, policy.in_flight, parts.traffic.idle_s)
        self._turnstile = Turnstile(self._gate, parts.traffic, parts.tell)
        self._outage = Outage(
            self._gate, parts.sink, parts.traffic, parts.random, parts.tell,
            policy.max_outage_s, self.drain, free=policy.means == "key",
        )  # fmt: skip
        key_property = policy.marks.key if policy.marks else ""
        self._creating = Creating(parts, self._gate, tally, key_property, policy.quiet_s)
        self._asks = verdict.decide("unknown", policy.means, doubted=True) == "ask"
        self._ledger = Ledger(tally, policy, parts.tell, parts.consumed, self.drain)
        self._asking = Asking(parts, self._outage, policy, tally)
        self._quarantine = Quarantine(clock, parts.random, policy.in_flight)
        self._aside = Aside(
            parts, self._outage, policy, self._settle_step, self._creating.under_way.values
        )
        repeating = Repeating(self._outage, parts.tell, tally)
        self._associating = Associating(
            parts, repeating, people or People(lambda _: ""), policy.unknown_contacts,
            quiet_s=policy.quiet_s, shown_s=SHOWN_S,
        )  # fmt: skip
        self._attaching = Attaching(parts, repeating, policy, tally)
        self._intake = Intake(
            parts, batches, doubted, self._gate, self._ledger, self._quarantine,
            self._aside if policy.means == "verify" else None, self._associating,
        )  # fmt: skip
        self.stopped: BulkloadError | None = None

    async def run(self) -> None:
        """Raises what is nobody's to retry: a damaged journal, a bug."""
        works = [self._work() for _ in range(self._policy.in_flight)]
        if self._policy.means == "verify":
            works.append(self._search())
        try:
            await all_done(works)
        finally:
            await self._associating.close()

    def drain(self, why: BulkloadError) -> None:
        """Finish what is in flight, start nothing new. The first reason given is kept."""
        self.stopped = self.stopped or why
        self._gate.shut()
        self._parts.stop_reading()
        self._aside.notify()
        self._quarantine.notify()

    async def _search(self) -> None:
        try:
            await self._aside.run()
        except BulkloadError as error:
            self._fail(error)

    def _fail(self, error: BulkloadError) -> None:
        """The journal's disk, the source: what is in flight is settled, as far as that goes."""
        self.stopped = None  # worse than what it may be drained for already
        self.drain(error)

    async def _work(self) -> None:
        try:
            while (pulled := await self._intake.next()) is not None:
                left = deque(pulled.loads)
                if pulled.struck:
                    left = deque(await self._deliver_struck(left.popleft()))
                while left:
                    # Behind the others: what failed must not be what tries the remote again.
                    left.extend(await self._deliver(left.popleft()))
        except hold.Drained:
            return
        except BulkloadError as error:
            self._fail(error)

    async def _deliver_struck(self, load: Load) -> list[Load]:
        try:
            return await self._deliver(load)
        finally:
            self._quarantine.done()

    async def _deliver(self, load: Load) -> list[Load]:
        """One call for a batch. Returns what this worker has to send next."""
        at_once = []
        for each in await self._call(load):
            if each.question is not None and each.question.enough:
                # When no call can be under way any more: what is called undeliverable must not
                # appear.
                self._quarantine.add(each, self._policy.quiet_s + SHOWN_S)
            elif each.struck:
                self._quarantine.add(each)
            else:
                at_once.append(each)
        return at_once

    async def _call(self, load: Load) -> list[Load]:
        """One call for a batch. Returns what has to be sent next."""
        if load.question is not None:
            return await self._ask(load)
        load = await self._associate(load)
        if not load.batch.entries:
            return []
        passed = await self._turnstile.enter()
        careful = passed == "trial" and self._policy.means in ("hold", "verify")
        if careful and load.attempt is None and len(load.batch.entries) > 1:
            # If the remote is not well yet, this costs one record of doubt instead of a batch.
            head, rest = load.batch.split(1)
            return [*await self._try(replace(load, batch=head), trial=True), Load(rest)]
        return await self._try(load, trial=passed == "trial")

    async def _associate(self, load: Load) -> Load:
        """Tied to its people and files; what is not to be sent for their sake is settled."""
        tied = await self._associating.tie(load.batch)
        attached = await self._attaching.attach(tied.batch)
        if letters := (*tied.letters, *attached.letters):
            await self._parts.journal.bury(letters)
            self._ledger.count(dead=len(letters))
        return load if attached.batch is load.batch else replace(load, batch=attached.batch)

    async def _try(self, load: Load, *, trial: bool) -> list[Load]:
        made = await self._creating.create(load, trial=trial)
        if made is None:
            return [load]
        try:
            return await self._settle(made)
        finally:
            self._creating.under_way.pop(made.attempt, None)

    async def _settle(self, made: Tried) -> list[Load]:
        """Write down what became of the batch, and let the gate know how the remote is."""
        load, attempt, sent, judged, falls, trial = made
        outage, prober, status = self._outage, False, sent.reply.status
        policy, letters = self._policy, self._parts.letters
        # Its own trouble, which is not the others', shuts the gate for nobody.
        own = not trial and load.alone_in_trouble(self._gate.successes)
        gone = untying.gone(load.batch, judged)
        match judged:
            case wire.Outcomes():
                self._aside.made(sent.sent_at if judged.loaded else 0.0)
                outage.over(trial=trial)
                judged = untying.without(judged, gone)
                step = settling.outcomes(
                    load, judged, status, policy, letters, self._gate.successes
                )
                if gone:
                    again = replace(load, batch=await self._associating.untie(load.batch, gone))
                    step = step.next((again,), doubted=load.attempt is not None)
            case wire.Refused() if gone:
                outage.over(trial=trial)
                others = load.batch.only({e.ordinal for e in load.batch.entries} - gone.keys())
                parts = (await self._associating.untie(load.batch, gone), others)
                settled = Settlement(status, judged.because.category)
                step = settling.apart(load, parts, settled)
            case wire.Refused():
                outage.over(trial=trial)
                step = settling.refusal(load, judged, status, letters)
            case replies.TryLater():
                self._tally.throttled += judged.throttled
                outage.hold(judged, sent, trial=trial)
                step = settling.unchanged(load, judged.reason, status)
            case replies.Denied():
                outage.denied(judged, sent, trial=trial)
                step = settling.unchanged(load, judged.reason, status)
            case replies.NotSent():
                prober = outage.begin(trial=trial, falls=falls)
                if load.attempt is None:  # one that carries an earlier doubt stays open
                    await self._parts.journal.withdraw(attempt)
                outage.check(judged.reason)
                if prober:
                    await outage.recover(judged.reason)
                return [load]
            case replies.Doubtful() if self._asks:
                prober = not own and outage.begin(trial=trial, falls=falls)
                outage.check(judged.reason)
                asked = settling.questioned(
                    replace(load, attempt=attempt), judged.reason, status, policy,
                    successes=self._gate.successes, trial=trial,
                )  # fmt: skip
                self._creating.under_way.pop(attempt, None)
                assert asked.question is not None
                later = policy.means == "verify" or asked.question.enough
                by = None if later else partial(self._asking.read, asked)
                if policy.means == "verify":
                    self._aside.add(asked)
                answer = None
                if prober:
                    answer = await outage.recover(
                        judged.reason,
                        judged.after,
                        by,
                        blip=load.tries == 1 and sent.seconds < SOON_S,
                    )
                if by is not None:
                    return await self._ask(asked, answer)
                return [] if policy.means == "verify" else [asked]
            case replies.Doubtful():
                prober = not own and outage.begin(trial=trial, falls=falls)
                step = settling.doubt(
                    load, judged, status, policy,
                    successes=self._gate.successes, trial=trial,
                )  # fmt: skip
        left = await self._settle_step(load, step, attempt)
        if isinstance(judged, replies.Doubtful):
            outage.check(judged.reason)
            if prober:
                await outage.recover(judged.reason, judged.after)
        return left

    async def _ask(self, load: Load, answer: Sent | None = None) -> list[Load]:
        """A batch in question: by key at once, by search later. Returns what is sent next."""
        if self._policy.means == "verify":
            self._aside.add(load)
            return []
        step = await self._asking.ask(load, answer)
        if isinstance(step, Load):
            return [step]
        if load.attempt is None and not step.settlement.counts:
            return step.left(())  # nothing of it was in doubt, and nothing is settled
        return await self._settle_step(load, step)

    async def _settle_step(self, of: Load, step: Step, attempt: int | None = None) -> list[Load]:
        """Durable, then counted. `attempt`: the one that was opened for this call.

        Returns what has to be sent next.
        """
        attempt = of.attempt if attempt is None else attempt
        at = of.batch if attempt is None else attempt
        opened = await self._parts.journal.settle(at, step.settlement)
        self._ledger.settled(step.settlement)
        return step.left(opened)
