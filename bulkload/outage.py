"""The remote's trouble: how long everybody waits, who asks, and when the run gives up.

Laws kept here: the remote's trouble is not the record's; an outage costs one call at a time,
since the worker that met it first asks until the remote answers a read, and all others wait
at the gate.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bulkload import events
from bulkload.errors import StoppedResumable
from bulkload.hubspot import wire
from bulkload.retry import TRIAL, Backoff, probe_delay

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from random import Random

    from bulkload.hold import Gate
    from bulkload.hubspot.client import Sent
    from bulkload.hubspot.sink import Sink
    from bulkload.limiter import Limiter

USED_UP = (
    "the account's calls for today are used up ({}). Resume after midnight in the account's "
    "time zone"
)

THROTTLED = Backoff(base=1.0, cap=10.0, floor=0.5)
"""The wait after a 429 that names none: the rolling window is ten seconds."""


@dataclass(slots=True)
class Outage:
    """What the run knows of the remote's health. `most_s` None: never give up.

    `drain` ends the run in good order with the reason given.
    """

    gate: Gate
    sink: Sink
    limiter: Limiter
    random: Random
    tell: events.Announcer
    most_s: float | None
    drain: Callable[[StoppedResumable], None]
    failed_trials: int = 0

    def over(self, *, trial: bool) -> None:
        """The remote judged a batch."""
        self.gate.succeed(trial=trial)
        if trial:
            self.failed_trials = 0
            self.tell(events.Released())

    def hold(self, judged: wire.TryLater, tries: int, *, trial: bool) -> None:
        """Everybody waits as long as the remote asked, else with full jitter."""
        seconds = judged.after
        if seconds is None:
            seconds = THROTTLED.delay(min(tries, 4), self.random)
        if self.gate.hold(seconds, trial=trial):
            self.tell(events.Held(seconds, judged.reason))
            self._watch(seconds, judged.reason)
        if judged.daily:
            self.drain(StoppedResumable(USED_UP.format(judged.reason)))
        self.check(judged.reason)

    def begin(self, *, trial: bool) -> bool:
        """Shut the gate. True: the caller is the one that asks (`recover`)."""
        self.failed_trials += trial
        return self.gate.fail()

    async def recover(
        self,
        reason: str,
        after: float | None = None,
        ask: Callable[[], Awaitable[Sent]] | None = None,
    ) -> Sent:
        """Ask until the remote answers a read. Raises Drained if the run ends meanwhile.

        `ask`: the read to ask by, one that the caller needs anyhow. Returns its answer.
        """
        wait = after or 0.0
        self.tell(events.Held(wait, reason))
        if self.failed_trials:
            wait = max(wait, TRIAL.delay(self.failed_trials, self.random))
        failures = 0
        while True:
            self._watch(wait, reason)
            await self.gate.pause(wait)
            probe = await self.read(ask or self.sink.probe)
            if 0 < probe.reply.status < 500 and probe.reply.status not in wire.LATER:
                self.gate.answered()
                return probe
            failures += 1
            if failures == 1:
                self.tell(events.Held(None, reason))
            self.check(reason)
            wait = max(
                probe_delay(failures, self.gate.down_for(), self.random),
                wire.retry_after(probe.reply.headers) or 0.0,
            )

    async def read(self, ask: Callable[[], Awaitable[Sent]]) -> Sent:
        """One read under the limit, past the turnstile: it waits for no create."""
        await self.limiter.acquire()
        try:
            sent = await ask()
        except BaseException:
            self.limiter.spend(asyncio.get_running_loop().time())
            raise
        self.limiter.end(sent.sent_at, sent.ended_at)
        return sent

    def _watch(self, wait: float, reason: str) -> None:
        """A wait that the remote asked for may be longer than the run's patience."""
        if self.most_s is not None and (left := self.most_s - self.gate.down_for()) < wait:
            loop = asyncio.get_running_loop()
            loop.call_later(max(left, 0.0) + 0.001, self.check, reason)

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
