"""Calls beside the creates, for the workers: each is repeated until the remote answers it.

For reads, and for what may be carried out twice without harm. Laws kept here: the remote's trouble
is not the record's; never over the limit: every call takes a slot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from bulkload import events
from bulkload.hubspot import replies

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bulkload.calls.outage import Outage
    from bulkload.hubspot.client import Sent
    from bulkload.hubspot.replies import Reply
    from bulkload.pipeline.parts import Parts, Tally

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Repeating:
    """For the workers of one run, past the turnstile: nobody waits here for a create."""

    parts: Parts
    outage: Outage
    tally: Tally

    async def until_answered(
        self,
        send: Callable[[], Awaitable[Sent]],
        judge: Callable[[Reply, bool], V | replies.Trouble],
    ) -> V:
        """What `judge` makes of the first answer that is one. Raises Drained.

        It is told whether an earlier call may have been carried out.
        """
        outage, tries, lost = self.outage, 0, False
        while True:
            sent, falls = await outage.read(send)
            self.tally.requests += sent.sent_at > 0
            self.parts.tell(events.Answered(sent.reply.status, sent.seconds, tries > 0))
            tries += 1
            judged = judge(sent.reply, lost)
            if not isinstance(judged, replies.Trouble):
                return judged
            self.tally.throttled += isinstance(judged, replies.TryLater) and judged.throttled
            lost = lost or isinstance(judged, replies.Doubtful)
            await outage.met(judged, sent, falls)
