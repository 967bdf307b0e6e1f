"""Search as a run asks it: at a pace of its own, page by page, whatever comes between.

Law kept here: the remote's trouble is not the record's: a search is asked until it is answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from aiolimiter import AsyncLimiter

from bulkload.calls.hold import Drained
from bulkload.hubspot import replies, searching

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkload.batch import Entry
    from bulkload.calls.outage import Outage
    from bulkload.hubspot.searching import Result
    from bulkload.pipeline.loads import Load
    from bulkload.pipeline.parts import Parts


class Searches:
    """One for the run."""

    def __init__(self, parts: Parts, outage: Outage) -> None:
        self._sink, self._traffic, self._outage = parts.sink, parts.traffic, outage
        self._pace = AsyncLimiter(1, 0.25)  # HubSpot allows an account five searches a second

    async def alike(self, loads: Sequence[Load]) -> tuple[list[Result], bool]:
        """Every record with a timestamp of theirs, and whether these are all. Raises Drained."""
        sent = [properties_of(entry) for load in loads for entry in load.batch.entries]
        stamps = {properties.get(searching.TIMESTAMP, "") for properties in sent}
        names = sorted({name for properties in sent for name in properties})
        begun = [load.since for load in loads if load.since is not None]
        results: list[Result] = []
        after = ""
        while request := searching.request(stamps, names, min(begun, default=None), after):
            page = await self.page(request)
            results += page.results
            after = page.after
            if not after:
                return results, page.total <= searching.MAX_RESULTS
            if len(results) >= searching.MAX_RESULTS:
                break
        return results, False

    async def page(self, request: bytes) -> searching.Page:
        """One page, however long it takes. Raises Drained."""
        gate, traffic = self._outage.gate, self._traffic
        while True:
            await traffic.allowed(gate.pause)
            try:
                async with gate.reading():
                    await self._pace.acquire()
                    falls = gate.falls
                    sent = await self._sink.search(request)
            except Drained:
                traffic.unused()
                raise
            traffic.heard(sent)
            match judged := searching.judge(sent.reply):
                case searching.Page():
                    return judged
                case replies.TryLater(daily=True):
                    pass  # `traffic` waits for the day
                case replies.TryLater():  # its limit is its own: nobody else has to wait
                    await gate.pause(judged.after or 1.0)
                case _:
                    await self._outage.met(judged, sent, falls)


def properties_of(entry: Entry) -> dict[str, str]:
    """Those that are sent for it, as its record alone makes them."""
    properties: dict[str, str] = orjson.loads(entry.body)["properties"]
    return properties
