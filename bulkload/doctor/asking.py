"""One call after the other, with patience for throttling and for a blip: what each answer shows of
the limits and of the remote's clock is kept.

Laws kept here: a read may be asked again, a create only where nothing was made of it; a read is
left at once when the look is cut short, a call that changes something never is.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bulkload.doctor.facts import Skew
from bulkload.hubspot import ratelimits, replies
from bulkload.hubspot.remoteclock import RemoteClock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bulkload.hubspot.client import Sent
    from bulkload.hubspot.ratelimits import Daily, Told
    from bulkload.hubspot.replies import Reply

    Send = Callable[[], Awaitable[Sent]]

TRIES, TRIES_TO_UNDO = 3, 5
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 10.0

PATIENCE_S = 10.0
"""A call is not asked again once so long has passed; nor are those after one that was given up."""


class CutShort(Exception):  # noqa: N818  # what happened, not a mistake
    """The user wants no more of it."""


@dataclass(slots=True)
class Asker:
    """`interrupt`: the look is to end. `tell`: a line a call, for who wants to know."""

    interrupt: asyncio.Event
    tell: Callable[[str], None]
    wait_s: float = FIRST_WAIT_S
    rolling: Told | None = None
    daily: Daily | None = None
    exhausted: bool = False
    _weary: bool = False
    _remote: RemoteClock = field(init=False)

    def __post_init__(self) -> None:
        self._remote = RemoteClock(asyncio.get_running_loop().time)

    async def read(self, what: str, send: Send) -> Sent:
        """A call that changes nothing: asked again after a blip. Raises CutShort."""
        number, end = 0, time.monotonic() + PATIENCE_S
        while True:
            sent = self._seen(what, await self._unless_cut(send))
            wait = _wait(sent.reply, self.wait_s * 2**number, again=True)
            number += 1
            if wait is None:
                self._weary = False
                return sent
            if self._weary or number == TRIES or time.monotonic() + wait > end:
                self._weary = True
                return sent
            await self.pause(wait)

    async def change(
        self,
        what: str,
        send: Send,
        *,
        tries: int = TRIES,
        again: bool = False,
        cut: bool = True,
    ) -> Sent:
        """A call that changes something: waited for to its end, whatever the user wants.

        `again`: it may be made again where its answer was lost. `cut` False: the waits between
        tries are not cut short either. Raises CutShort between tries.
        """
        number = 0
        while True:
            sent = self._seen(what, await send())
            wait = _wait(sent.reply, self.wait_s * 2**number, again=again)
            number += 1
            if wait is None or number == tries:
                return sent
            await (self.pause(wait) if cut else asyncio.sleep(wait))

    async def pause(self, seconds: float) -> None:
        """Raises CutShort."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.interrupt.wait(), seconds)
        if self.interrupt.is_set():
            raise CutShort

    def skew(self) -> Skew | None:
        """How far the remote's clock is from this machine's, by all answers so far."""
        least, most, now = self._remote.at_least(), self._remote.at_most(), time.time()
        return None if least is None or most is None else Skew(least - now, most - now)

    async def _unless_cut(self, send: Send) -> Sent:
        call = asyncio.ensure_future(send())
        cut = asyncio.ensure_future(self.interrupt.wait())
        try:
            await asyncio.wait({call, cut}, return_when=asyncio.FIRST_COMPLETED)
            if self.interrupt.is_set() and not call.done():
                raise CutShort
            return await call
        finally:
            for each in (call, cut):
                each.cancel()
            await asyncio.gather(call, cut, return_exceptions=True)

    def _seen(self, what: str, sent: Sent) -> Sent:
        headers = sent.reply.headers
        self.rolling = ratelimits.rolling(headers) or self.rolling
        self.daily = ratelimits.daily(headers) or self.daily
        self.exhausted |= replies.is_daily(sent.reply)
        self._remote.observe(headers, sent.sent_at, sent.ended_at)
        status = sent.reply.status or f"no answer: {sent.reply.trouble}"
        self.tell(f"{what}: {status} after {sent.seconds:.3f} s")
        return sent


def _wait(reply: Reply, wait: float, *, again: bool) -> float | None:
    """Seconds until the call may be made again; None where its answer stands."""
    if reply.status in replies.LATER and not replies.is_daily(reply):
        after = max(
            replies.retry_after(reply.headers) or 0.0, replies.LATER[reply.status] or 0.0, wait
        )
        return after if after <= LONGEST_WAIT_S else None
    if reply.hopeless:
        return None
    lost = reply.status == 0 or not reply.whole or reply.status >= 500
    unsent = reply.status == 0 and not reply.left
    return wait if unsent or (lost and again) else None
