"""Calls that may be made again: each is repeated until the remote answers it, or the run gives up.

Laws kept here: the remote's trouble is not the record's: throttling and outages cost time, and
one worker asks for all how the remote is; never over the limit: every call takes a slot.

For calls that are reads, or whose second time does nothing (archiving). What creates goes
through the pipeline.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from bulkload import events
from bulkload.calls import hold
from bulkload.calls.outage import Outage
from bulkload.calls.turnstile import Turnstile
from bulkload.calls.waiting import unless_over
from bulkload.hubspot import replies

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from random import Random

    from bulkload.calls.traffic import Traffic
    from bulkload.errors import BulkloadError
    from bulkload.hubspot.client import Sent
    from bulkload.hubspot.sink import Sink

    V = TypeVar("V")


class Caller:
    """One gate and one limit for all who call. `most_s`: seconds of trouble, None for ever.

    `stopped`: why nothing new is called any more, where that is so.
    """

    def __init__(
        self,
        sink: Sink,
        traffic: Traffic,
        random: Random,
        tell: events.Announcer,
        most_s: float | None,
    ) -> None:
        self.sink = sink
        self.stopped: BulkloadError | None = None
        self._traffic = traffic
        self._tell = tell
        self._clock = asyncio.get_running_loop().time
        self._gate = hold.Gate(self._clock, idle=traffic.idle_s)
        self._turnstile = Turnstile(self._gate, traffic, tell)
        self._outage = Outage(self._gate, sink, traffic, random, tell, most_s, self.drain)

    def drain(self, why: BulkloadError) -> None:
        """Finish what is in flight, start nothing new. The first reason given is kept."""
        self.stopped = self.stopped or why
        self._gate.shut()

    def go_on(self) -> None:
        """Raises Drained where nothing new may start."""
        self._gate.go_on()

    async def ask(
        self,
        send: Callable[[], Awaitable[Sent]],
        judge: Callable[[replies.Reply], V | replies.Trouble],
        *,
        read: bool = False,
    ) -> V:
        """Call until `judge` says something else than trouble. Raises Drained.

        The answer of a call that was under way is judged also when a drain has begun; a `read` is
        given up then.
        """
        tries = 0
        while True:
            trial = await self._turnstile.enter() == "trial"
            falls = self._gate.falls
            try:
                call = self._traffic.under_slot(send)
                sent = await (unless_over(self._gate.pause, call) if read else call)
            except BaseException:
                if trial:
                    self._gate.untried()
                raise
            finally:
                self._gate.leave()
            self._tell(events.Answered(sent.reply.status, sent.seconds, tries > 0))
            tries += 1
            judged = judge(sent.reply)
            if not isinstance(judged, replies.Trouble):
                self._outage.over(trial=trial)
                return judged
            await self._outage.met(judged, sent, falls, trial=trial)
