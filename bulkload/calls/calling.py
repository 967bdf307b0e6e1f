"""One gate and one limit for those who call where nothing is created (an undo): each call is
repeated until the remote answers it, or they give up.

Laws kept here: the remote's trouble is not the record's: throttling and outages cost time, and
one worker asks for all how the remote is; never over the limit: every call takes a slot.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from bulkload.calls import hold
from bulkload.calls.outage import Outage
from bulkload.calls.repeating import Repeating
from bulkload.calls.turnstile import Turnstile
from bulkload.calls.waiting import unless_over

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from random import Random

    from bulkload import events
    from bulkload.calls.traffic import Traffic
    from bulkload.errors import BulkloadError
    from bulkload.hubspot import replies
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
        gate = self._gate = hold.Gate(asyncio.get_running_loop().time, idle=traffic.idle_s)
        outage = Outage(gate, sink, traffic, random, tell, most_s, self.drain)
        self._repeating = Repeating(outage, tell, turnstile=Turnstile(gate, traffic, tell))

    def drain(self, why: BulkloadError) -> None:
        """Finish what is in flight, start nothing new. The first reason given is kept."""
        self.stopped = self.stopped or why
        self._gate.shut()

    def go_on(self) -> None:
        """Raises Drained where nothing new may start."""
        self._gate.go_on()

    async def pause(self, seconds: float) -> None:
        """Sleep. Raises Drained where nothing new may start."""
        await self._gate.pause(seconds)

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
        pause = self._gate.pause
        call = (lambda: unless_over(pause, send())) if read else send
        return await self._repeating.until_answered(call, judge)
