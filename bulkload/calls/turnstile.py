"""Who calls next: one at a time through gate, slot, pace, and the gate again.

Law kept here: never over the limit, hardly under it. Without the turn callers would take slots and
pace, find the gate shut, and the pace would be lost.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bulkload import events

if TYPE_CHECKING:
    from bulkload.calls.hold import Gate, Pass
    from bulkload.calls.traffic import Traffic


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
