"""Calls that may be made again: each is repeated until the remote answers it.

For reads, and for what may be carried out twice without harm. Laws kept here: the remote's trouble
is not the record's; never over the limit: every call takes a slot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from bulkload import events
from bulkload.hubspot import replies

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bulkload.calls.outage import Outage
    from bulkload.calls.turnstile import Turnstile
    from bulkload.hubspot.client import Sent
    from bulkload.hubspot.replies import Reply

V = TypeVar("V")


class Counts(Protocol):
    """Where calls are counted, and those that the remote throttled."""

    requests: int
    throttled: int


@dataclass(frozen=True, slots=True)
class Repeating:
    """For all who call. `turnstile`: they are what tries the remote after trouble, one at a time;
    without one they go past it, and nobody waits here for a create.
    """

    outage: Outage
    tell: events.Announcer
    counts: Counts | None = None
    turnstile: Turnstile | None = None

    async def until_answered(
        self,
        send: Callable[[], Awaitable[Sent]],
        judge: Callable[[Reply], V | replies.Trouble],
    ) -> V:
        """What `judge` makes of the first answer that it finds no trouble in. Raises Drained."""
        outage, counts, turnstile, tries = self.outage, self.counts, self.turnstile, 0
        while True:
            sent, falls, trial = await (turnstile.call if turnstile else outage.read)(send)
            self.tell(events.Answered(sent.reply.status, sent.seconds, tries > 0))
            tries += 1
            judged = judge(sent.reply)
            if counts:
                counts.requests += sent.sent_at > 0
                counts.throttled += isinstance(judged, replies.TryLater) and judged.throttled
            if not isinstance(judged, replies.Trouble):
                if turnstile:
                    outage.over(trial=trial)
                return judged
            await outage.met(judged, sent, falls, trial=trial)
