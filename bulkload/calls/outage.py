"""The remote's trouble: how long everybody waits, who asks, and when the run gives up.

Laws kept here: the remote's trouble is not the record's; an outage costs one call at a time,
since the worker that met it first asks until the remote answers a read, and all others wait
at the gate. What was long down is loaded again in steps.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bulkload import events
from bulkload.calls.retry import THROTTLED, TRIAL, probe_delay, probe_patience
from bulkload.errors import StoppedResumable
from bulkload.hubspot import replies

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from random import Random

    from bulkload.calls.hold import Gate
    from bulkload.calls.traffic import Traffic
    from bulkload.hubspot.client import Sent
    from bulkload.hubspot.sink import Sink

LONG_S = 5.0
"""A hold that the remote asked for and that is longer ends in steps."""


@dataclass(slots=True)
class Outage:
    """What the run knows of the remote's health. `most_s` None: never give up.

    `drain` ends the run in good order with the reason given. `free`: a create that fails puts
    nothing in doubt, since it can be asked for.
    """

    gate: Gate
    sink: Sink
    traffic: Traffic
    random: Random
    tell: events.Announcer
    most_s: float | None
    drain: Callable[[StoppedResumable], None]
    free: bool = False
    failed_trials: int = 0
    long: bool = False
    refusals: int = 0
    refused_at: float = 0.0

    def over(self, *, trial: bool) -> None:
        """The remote judged a batch."""
        self.gate.succeed(trial=trial, steps=self.long)
        self.refusals = 0
        if trial:
            self.failed_trials, self.long = 0, False
            self.tell(events.Released())

    def hold(self, judged: replies.TryLater, sent: Sent, *, trial: bool) -> None:
        """Everybody waits as long as the remote asked, else with full jitter.

        Throttling opens again for all, since the limiter knows of less room now; after a lock or
        a migration one goes first.
        """
        if judged.daily:
            self.gate.turned_away(trial=trial)  # `traffic` waits for the day
            return
        if sent.sent_at > self.refused_at:  # those that were under way then say nothing new
            self.refusals += 1
            self.refused_at = sent.ended_at
        seconds = judged.after
        if seconds is None:
            seconds = THROTTLED.delay(self.refusals, self.random)
        if not judged.throttled:
            # A lock says how long to wait at least, and says it again and again.
            again = probe_delay(self.refusals, self.gate.down_for(), self.random)
            seconds = max(seconds, again)
            self.long = self.long or seconds > LONG_S or self.refusals > 1
        if self.gate.hold(seconds, trial=trial, one_first=not judged.throttled):
            self.tell(events.Held(seconds, judged.reason))
            self._watch(seconds, judged.reason)
        self.check(judged.reason)

    def denied(self, judged: replies.Denied, sent: Sent, *, trial: bool = False) -> None:
        """No call of the kind is taken. A token that ended is replaced before the next, if there
        is another; anything else ends the run.
        """
        if not judged.expired:
            self.drain(StoppedResumable(judged.reason))
        elif self.traffic.refused(sent, judged.reason):
            self.gate.turned_away(trial=trial)
        elif trial:
            self.gate.untried()

    def begin(self, *, trial: bool, falls: int | None = None) -> bool:
        """Shut the gate. True: the caller is the one that asks (`recover`).

        `falls`: how often it had fallen when the call that failed left.
        """
        self.failed_trials += trial
        return self.gate.fail(falls)

    async def recover(
        self,
        reason: str,
        after: float | None = None,
        ask: Callable[[], Awaitable[Sent]] | None = None,
        *,
        blip: bool = False,
    ) -> Sent:
        """Ask until the remote answers a read, and return its answer. Raises Drained.

        `ask`: the read to ask by, one that the caller needs anyhow. `blip`: what failed did so for
        the first time, and soon. Where the first read is answered then, the failure was one by
        itself, and costs one round trip if a doubt is free.
        """
        wait = after or 0.0
        self.tell(events.Held(wait, reason))
        if self.failed_trials:
            wait = max(wait, self._before_a_trial())
        failures = 0
        while True:
            self._watch(wait, reason)
            await self.gate.pause(wait)
            probe = await self._probe(ask or self.sink.probe)
            if probe is not None and _is_well(probe):
                single = blip and self.free and not (failures or self.failed_trials)
                if self.gate.answered(blip=single):
                    self.tell(events.Released())
                if replies.is_daily(probe.reply):
                    self.gate.turned_away(trial=False)  # a night is no outage
                return probe
            failures += 1
            self.long = True
            if failures == 1:
                self.tell(events.Held(None, reason))
            self.check(reason)
            wait = max(
                probe_delay(failures, self.gate.down_for(), self.random),
                0.0 if probe is None else replies.retry_after(probe.reply.headers) or 0.0,
            )

    async def met(
        self,
        trouble: replies.Trouble,
        sent: Sent,
        falls: int,
        *,
        trial: bool = False,
        ask: Callable[[], Awaitable[Sent]] | None = None,
    ) -> Sent | None:
        """Wait as a call's trouble asks, if that is this caller's to do: then it may be made again.
        Raises Drained where it may not.

        `falls`: how often the gate had fallen when it left; `trial`: whether it tried the remote.
        `ask`: the read to ask by while the remote is down, one that the caller needs anyhow:
        returns the answer, where it was made.
        """
        answer = None
        match trouble:
            case replies.TryLater():
                self.hold(trouble, sent, trial=trial)
            case replies.Denied():
                self.denied(trouble, sent, trial=trial)
                self.gate.go_on()
            case replies.NotSent() | replies.Doubtful():
                after = trouble.after if isinstance(trouble, replies.Doubtful) else None
                if self.begin(trial=trial, falls=falls):
                    answer = await self.recover(trouble.reason, after, ask)
                self.check(trouble.reason)
        return answer

    async def read(self, ask: Callable[[], Awaitable[Sent]]) -> tuple[Sent, int, Literal[False]]:
        """One read under the limit, past the turnstile, as its `call` says it: it waits for no
        create, and tries nothing. Raises Drained.
        """
        async with self.gate.reading():
            await self.traffic.acquire(self.gate.pause)
            falls = self.gate.falls
            return await self.traffic.under_slot(ask), falls, False

    async def _probe(self, ask: Callable[[], Awaitable[Sent]]) -> Sent | None:
        """A read that is given up sooner than others: while it hangs, nobody else asks."""
        self.gate.excuse(await self.traffic.acquire(self.gate.pause))
        try:
            async with asyncio.timeout(probe_patience(self.gate.down_for())):
                return await self.traffic.under_slot(ask)
        except TimeoutError:
            return None

    def _before_a_trial(self) -> float:
        """Where reads are answered and creates are not, the wait before the next one."""
        if self.free:
            return probe_delay(self.failed_trials, self.gate.down_for(), self.random)
        return TRIAL.delay(self.failed_trials, self.random)

    def _watch(self, wait: float, reason: str) -> None:
        """A wait that the remote asked for may be longer than the run's patience."""
        if self.most_s is not None and (left := self.most_s - self.gate.down_for()) < wait:
            after = max(left, 0.0) + 0.001
            asyncio.get_running_loop().call_later(after, self._look, wait - after, reason)

    def _look(self, wait: float, reason: str) -> None:
        """In the middle of a wait of which `wait` is left."""
        self.check(reason)
        if not self.gate.is_shut:  # part of the time was a night
            self._watch(wait, reason)

    def check(self, reason: str) -> None:
        """Drain once the trouble has lasted longer than the run may wait."""
        if self.most_s is None or self.gate.down_for() < self.most_s or self.gate.is_shut:
            return
        self.drain(
            StoppedResumable(
                f"the remote has been in trouble for {self.gate.down_for():.0f} s "
                f"(--max-outage {self.most_s:g}): {reason}"
            )
        )


def _is_well(probe: Sent) -> bool:
    """Whether it answers, if only to say that the day is used up."""
    status = probe.reply.status
    return 0 < status < 500 and (status not in replies.LATER or replies.is_daily(probe.reply))
