"""Before the first batch: does the remote answer, and whose portal is it?

Law kept here: same account, or no resume. An answer that is not as expected is a warning,
never a stop (401 and 403 aside); a remote that can't be reached is waited for.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bulkload import events
from bulkload.errors import StoppedForGood, StoppedResumable
from bulkload.hubspot import account, wire
from bulkload.outage import USED_UP
from bulkload.retry import probe_delay

if TYPE_CHECKING:
    from random import Random

    from bulkload.hubspot.account import Account
    from bulkload.hubspot.client import Client
    from bulkload.limiter import Limiter

TRIES = 3
"""So many server errors are asked again before a new run goes on without the answer."""


@dataclass(frozen=True, slots=True)
class Preflight:
    """`max_outage_s`: how long it waits, None for ever. `interrupt` ends the wait."""

    client: Client
    limiter: Limiter
    tell: events.Announcer
    random: Random
    max_outage_s: float | None
    interrupt: asyncio.Event

    async def portal(self, bound: str | None) -> str | None:
        """The portal of this token; `bound` where it was not told.

        Raises StoppedForGood where the run is bound to another, StoppedResumable where the
        token is refused or the remote can't be reached in time.
        """
        found = await self._ask(patient=bound is not None)
        if not found.portal:
            self.tell(
                events.Said(
                    f"the remote did not say which portal this is ({found.trouble}): "
                    + (f"taken to be {bound}" if bound else "the run is not bound to an account")
                )
            )
            return bound
        if bound not in (None, found.portal):
            raise StoppedForGood(
                f"this token is for portal {found.portal}, the run was begun on portal {bound}. "
                "Use a token of that portal to resume"
            )
        return found.portal

    async def _ask(self, *, patient: bool) -> Account:
        began, failures = time.monotonic(), 0
        while True:
            await self.limiter.acquire()
            found, sent = await account.ask(self.client)
            self.limiter.end(sent.sent_at, sent.ended_at)
            if found.denied:
                raise StoppedResumable(found.denied)
            reply = sent.reply
            if wire.is_daily(reply):
                raise StoppedResumable(USED_UP.format(found.trouble))
            unreached = reply.status == 0 or not reply.whole or reply.status in wire.LATER
            failing = reply.status >= 500 and (patient or failures + 1 < TRIES)
            if not (unreached or failing):
                if failures:
                    self.tell(events.Released())
                return found
            failures += 1
            if failures == 1:
                self.tell(events.Held(None, found.trouble))
            await self._wait(failures, began, found, wire.retry_after(reply.headers) or 0.0)

    async def _wait(self, failures: int, began: float, found: Account, asked: float) -> None:
        waited = time.monotonic() - began
        wait = max(probe_delay(failures, waited, self.random), asked)
        if self.max_outage_s is not None:
            if waited >= self.max_outage_s:
                raise StoppedResumable(
                    f"{self.client.base_url} does not answer ({found.trouble}); gave up after "
                    f"{waited:.0f} s (--max-outage {self.max_outage_s:g})"
                )
            wait = min(wait, max(self.max_outage_s - waited, 0.01))
        with suppress(TimeoutError):
            await asyncio.wait_for(self.interrupt.wait(), wait)
            raise StoppedResumable("interrupted before anything was sent")
