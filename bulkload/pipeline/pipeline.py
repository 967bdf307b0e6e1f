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

from bulkload.calls import hold
from bulkload.calls.outage import Outage
from bulkload.calls.repeating import Repeating
from bulkload.calls.turnstile import Turnstile
from bulkload.errors import BulkloadError
from bulkload.pipeline.aftermath import Aftermath, write_down
from bulkload.pipeline.asking import SHOWN_S, Asking
from bulkload.pipeline.associating import Associating
from bulkload.pipeline.attaching import Attaching
from bulkload.pipeline.counting import Ledger
from bulkload.pipeline.creating import Creating
from bulkload.pipeline.intake import Intake
from bulkload.pipeline.loads import Load
from bulkload.pipeline.quarantine import Quarantine
from bulkload.pipeline.verification import Aside
from bulkload.pipeline.workers import all_done
from bulkload.records.people import People

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bulkload.batch import Batch
    from bulkload.pipeline.parts import Parts, Policy, Tally


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
        self._ledger = Ledger(tally, policy, parts.tell, parts.consumed, self.drain)
        self._quarantine = Quarantine(clock, parts.random, policy.in_flight)
        writes = partial(write_down, parts.journal, self._ledger)
        self._aside = Aside(parts, self._outage, policy, writes, self._creating.under_way.values)
        repeating = Repeating(self._outage, parts.tell, tally)
        self._associating = Associating(
            parts, repeating, people or People(lambda _: ""), policy.unknown_contacts,
            quiet_s=policy.quiet_s, shown_s=SHOWN_S,
        )  # fmt: skip
        self._attaching = Attaching(parts, repeating, policy, tally)
        self._aftermath = Aftermath(
            parts, policy, tally, self._outage, writes, self._creating.under_way,
            Asking(parts, self._outage, policy, tally), self._aside, self._associating,
        )  # fmt: skip
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
            return await self._aftermath.ask(load)
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
            return await self._aftermath.settle(made)
        finally:
            self._creating.under_way.pop(made.attempt, None)
