"""After a call: its verdict is written down, the gate learns how the remote is, and what is left is
sent next.

Laws kept here: written before said; a record is sent again only if the remote is known not to have
it (`settling` and `verdict.py` decide); the remote's trouble is not the record's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from bulkload import verdict
from bulkload.hubspot import replies, wire
from bulkload.journal.settlement import Settlement
from bulkload.pipeline import settling, untying
from bulkload.pipeline.loads import Load, Step

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bulkload.batch import Batch
    from bulkload.calls.outage import Outage
    from bulkload.hubspot.client import Sent
    from bulkload.journal.journal import Journal
    from bulkload.pipeline.asking import Asking
    from bulkload.pipeline.associating import Associating
    from bulkload.pipeline.counting import Ledger
    from bulkload.pipeline.creating import Tried
    from bulkload.pipeline.parts import Parts, Policy, Tally
    from bulkload.pipeline.verification import Aside

    Answered: TypeAlias = wire.Outcomes | wire.Refused | replies.TryLater | replies.Denied

SOON_S = 5.0
"""A single failure that is no more than that comes back as soon as an answer would."""


async def write_down(
    journal: Journal, ledger: Ledger, of: Load, step: Step, attempt: int | None = None
) -> list[Load]:
    """Durable, then counted. `attempt`: the one that was opened for this call.

    Returns what has to be sent next.
    """
    attempt = of.attempt if attempt is None else attempt
    at = of.batch if attempt is None else attempt
    opened = await journal.settle(at, step.settlement)
    ledger.settled(step.settlement)
    return step.left(opened)


@dataclass(frozen=True, slots=True)
class Aftermath:
    """For one run. `writes`: as `write_down`; `under_way`: as `Creating` has it. What `settle` and
    `ask` return is to be sent next.
    """

    parts: Parts
    policy: Policy
    tally: Tally
    outage: Outage
    writes: Callable[..., Awaitable[list[Load]]]
    under_way: dict[int, Batch]
    asking: Asking
    aside: Aside
    associating: Associating

    async def settle(self, made: Tried) -> list[Load]:
        """Write down what became of a batch, and let the gate know how the remote is."""
        match made.judged:
            case replies.NotSent() as judged:
                return await self._not_sent(made, judged)
            case replies.Doubtful() as judged:
                if verdict.decide("unknown", self.policy.means, doubted=True) == "ask":
                    return await self._to_be_asked(made, judged)
                return await self._in_doubt(made, judged)
            case judged:
                step = await self._answered(made, judged)
                return await self.writes(made.load, step, made.attempt)

    async def ask(self, load: Load, answer: Sent | None = None) -> list[Load]:
        """A batch in question: by key at once, by search later."""
        if self.policy.means == "verify":
            self.aside.add(load)
            return []
        step = await self.asking.ask(load, answer)
        if isinstance(step, Load):
            return [step]
        if load.attempt is None and not step.settlement.counts:
            return step.left(())  # nothing of it was in doubt, and nothing is settled
        return await self.writes(load, step)

    async def _answered(self, made: Tried, judged: Answered) -> Step:
        load, sent, trial, outage = made.load, made.sent, made.trial, self.outage
        status, letters = sent.reply.status, self.parts.letters
        gone = untying.gone(load.batch, judged)
        match judged:
            case wire.Outcomes():
                self.aside.made(sent.sent_at if judged.loaded else 0.0)
                outage.over(trial=trial)
                judged = untying.without(judged, gone)
                successes = outage.gate.successes
                step = settling.outcomes(load, judged, status, self.policy, letters, successes)
                if gone:
                    again = replace(load, batch=await self.associating.untie(load.batch, gone))
                    step = step.next((again,), doubted=load.attempt is not None)
                return step
            case wire.Refused() if gone:
                outage.over(trial=trial)
                others = load.batch.only({e.ordinal for e in load.batch.entries} - gone.keys())
                parts = (await self.associating.untie(load.batch, gone), others)
                return settling.apart(load, parts, Settlement(status, judged.because.category))
            case wire.Refused():
                outage.over(trial=trial)
                return settling.refusal(load, judged, status, letters)
            case replies.TryLater():
                self.tally.throttled += judged.throttled
                outage.hold(judged, sent, trial=trial)
            case replies.Denied():
                outage.denied(judged, sent, trial=trial)
        return settling.unchanged(load, judged.reason, status)

    async def _not_sent(self, made: Tried, judged: replies.NotSent) -> list[Load]:
        prober = self.outage.begin(trial=made.trial, falls=made.falls)
        if made.load.attempt is None:  # one that carries an earlier doubt stays open
            await self.parts.journal.withdraw(made.attempt)
        self.outage.check(judged.reason)
        if prober:
            await self.outage.recover(judged.reason)
        return [made.load]

    async def _to_be_asked(self, made: Tried, judged: replies.Doubtful) -> list[Load]:
        """By key at once, also as what tries the remote; by search later."""
        prober = self._begins_an_outage(made)
        self.outage.check(judged.reason)
        asked = settling.questioned(
            replace(made.load, attempt=made.attempt), judged.reason, made.sent.reply.status,
            self.policy, successes=self.outage.gate.successes, trial=made.trial,
        )  # fmt: skip
        self.under_way.pop(made.attempt, None)
        assert asked.question is not None
        searched = self.policy.means == "verify"
        by = None if searched or asked.question.enough else partial(self.asking.read, asked)
        if searched:
            self.aside.add(asked)
        answer = None
        if prober:
            blip = made.load.tries == 1 and made.sent.seconds < SOON_S
            answer = await self.outage.recover(judged.reason, judged.after, by, blip=blip)
        if by is not None:
            return await self.ask(asked, answer)
        return [] if searched else [asked]

    async def _in_doubt(self, made: Tried, judged: replies.Doubtful) -> list[Load]:
        prober = self._begins_an_outage(made)
        step = settling.doubt(
            made.load, judged, made.sent.reply.status, self.policy,
            successes=self.outage.gate.successes, trial=made.trial,
        )  # fmt: skip
        left = await self.writes(made.load, step, made.attempt)
        self.outage.check(judged.reason)
        if prober:
            await self.outage.recover(judged.reason, judged.after)
        return left

    def _begins_an_outage(self, made: Tried) -> bool:
        """Whether this one asks for all from now on. Its own trouble, which is not the others',
        shuts the gate for nobody.
        """
        if not made.trial and made.load.alone_in_trouble(self.outage.gate.successes):
            return False
        return self.outage.begin(trial=made.trial, falls=made.falls)
