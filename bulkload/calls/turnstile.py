"""Who calls next: one at a time through gate, slot, pace, and the gate again.

Law kept here: never over the limit, hardly under it. Without the turn callers would take slots and
pace, find the gate shut, and the pace would be lost.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bulkload import events

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bulkload.calls.hold import Gate, Pass
    from bulkload.calls.traffic import Traffic
    from bulkload.hubspot.client import Sent


class Turnstile:
    """One for all who pass the same gate."""

    def __init__(self, gate: Gate, traffic: Traffic, tell: events.Announcer) -> None:
        self._gate = gate
        self._traffic = traffic
        self._tell = tell
        self._turn = asyncio.Lock()

    async def enter(self) -> Pass:
        """Wait until a call may leave: it has a slot and a pass then, and gives both back.

        Raises Drained where nothing new may start.
        """
        async with self._turn:
            while True:
                await self._gate.wait()
                self._tell(events.Waited(await self._traffic.acquire(self._gate.pause)))
                if (passed := self._gate.enter()) is not None:
                    return passed
                self._traffic.give_back()

    async def call(self, send: Callable[[], Awaitable[Sent]]) -> tuple[Sent, int, bool]:
        """One call that waits its turn: its answer, how often the gate had fallen when it left, and
        whether it tried the remote. Raises Drained.
        """
        trial = await self.enter() == "trial"
        falls = self._gate.falls
        try:
            return await self._traffic.under_slot(send), falls, trial
        except BaseException:
            if trial:
                self._gate.untried()
            raise
        finally:
            self._gate.leave()
