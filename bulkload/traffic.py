"""What every call has in common: a slot before it leaves, and what its answer teaches.

Law kept here: never over the limit, hardly under it. Every call of a run takes a slot here, save
searches, whose limit is their own; every answer tells of the limit, and of the remote's clock.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bulkload.hubspot import ratelimits, wire

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bulkload.hubspot.client import Sent
    from bulkload.hubspot.remoteclock import RemoteClock
    from bulkload.limiter import Limiter

    Pause = Callable[[float], Awaitable[None]]


class Traffic:
    """One for the run."""

    def __init__(self, limiter: Limiter, remote: RemoteClock) -> None:
        self.limiter = limiter
        self.remote = remote
        self._clock = asyncio.get_running_loop().time

    async def acquire(self, pause: Pause) -> float:
        """Wait until a call may leave: it has a slot then. Returns the seconds it took.

        `pause` sleeps, and raises where the run ends meanwhile.
        """
        del pause
        return await self.limiter.acquire()

    async def call(self, send: Callable[[], Awaitable[Sent]], pause: Pause) -> Sent:
        """A call that needs nothing between its slot and its leaving: a read."""
        await self.acquire(pause)
        return await self.under_slot(send)

    async def under_slot(self, send: Callable[[], Awaitable[Sent]]) -> Sent:
        """The call itself, for who has a slot."""
        used = self.limiter.used
        try:
            sent = await send()
        except BaseException:
            self.limiter.spend(self._clock())
            raise
        self.ended(sent, used)
        return sent

    def ended(self, sent: Sent, used: int, *, worked_s: float = 0.0, completed: str = "") -> None:
        """The call has ended: its slot comes back, and all that its answer shows is learnt.

        `used`: slots taken when it left, its own too. `worked_s`: so long before the answer it had
        surely arrived; `completed`: when the remote says that it was done.
        """
        headers, now = sent.reply.headers, self._clock()
        self.limiter.end(sent.sent_at, sent.ended_at - worked_s)
        self.remote.observe(headers, sent.sent_at, sent.ended_at, completed)
        told = ratelimits.rolling(headers)
        if told is not None:
            self.limiter.room.learn(told, used, sent.sent_at, now)
        if sent.reply.status == 429 and not wire.is_daily(sent.reply):
            self.limiter.room.refused(sent.sent_at, now)
        self.limiter.widened()
