"""What the portal says of a load to come: its properties, limits, owners and contacts. Reads only.

Laws kept here: never over the limit: every call takes a slot of the same limiter as a load's; what
the portal does not tell is said, and stops nothing.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from random import Random
from typing import TYPE_CHECKING

from bulkload import events
from bulkload.checking.estimate import Day
from bulkload.doctor.asking import Asker
from bulkload.errors import RefusedToStart, StoppedResumable
from bulkload.hubspot import account, contacts, definitions, paths
from bulkload.hubspot.lookup import Marks
from bulkload.hubspot.sink import Sink
from bulkload.model import MAX_INPUTS
from bulkload.options import AUTO
from bulkload.runs.connecting import connected
from bulkload.runs.preflight import KEY, RUN, Preflight

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence

    from bulkload.calls.room import RateLimit
    from bulkload.hubspot.client import Sent
    from bulkload.hubspot.definitions import Definitions
    from bulkload.options import Options
    from bulkload.runs.call import Access

AT_ONCE = 4
"""Look-ups of contacts under way."""


@dataclass(slots=True)
class Known:
    """What the portal said. `rate` None: it did not say; `troubles`: what it would not tell."""

    definitions: Definitions
    marks: Marks | None
    rate: RateLimit | None
    day: Day | None
    owners: Mapping[str, str]
    troubles: list[str]


class Missing(Exception):  # noqa: N818  # what happened, not a mistake
    """The portal would not tell."""


@asynccontextmanager
async def reached(
    options: Options, access: Access, interrupt: asyncio.Event, say: Callable[[str], None]
) -> AsyncIterator[Portal]:
    """The portal for a while. Raises RefusedToStart for an address or a token of no use."""

    def told(event: events.Event) -> None:
        if isinstance(event, events.Said):
            say(event.text)

    tell = events.Announcer((told,))
    random = Random()  # noqa: S311  # jitter, no secret
    async with connected(options, access, random, tell) as (client, traffic):
        preflight = Preflight(client, traffic, tell, random, options.max_outage, interrupt)
        yield Portal(preflight, interrupt)


class Portal:
    """Asks one portal."""

    def __init__(self, preflight: Preflight, interrupt: asyncio.Event) -> None:
        self._preflight, self._traffic = preflight, preflight.traffic
        self._client, self._sink = preflight.client, Sink(preflight.client)
        self._asker = Asker(interrupt, lambda _: None)

    async def know(self, options: Options, *, mail: bool) -> Known:
        """All but the contacts. Raises CutShort where the user wants no more of it."""
        troubles: list[str] = []
        sent = await self._ask(partial(self._client.get, paths.PROPERTIES))
        found = definitions.read(sent.reply)
        if found.trouble:
            troubles.append(f"the portal did not tell its properties: {found.trouble}")
        sent = await self._ask(partial(self._client.get, paths.USAGE))
        usage, now = account.read_usage(sent.reply).tightest, time.time()
        day = None
        if usage is not None:
            left_s = 86_400.0 if usage.resets_at is None else max(usage.resets_at - now, 0.0)
            day = Day(max(usage.limit - usage.used, 0), usage.limit, left_s)
        ids: Mapping[str, str] = {}
        if mail and options.owners == AUTO:
            try:
                ids = await self._preflight.owners()
            except (RefusedToStart, StoppedResumable) as error:
                troubles.append(f"owners are not known: {error}")
        room = self._traffic.limiter.room
        return Known(
            found, _marks(found, options), room.limit if room.told else None, day, ids, troubles
        )

    async def missing(self, addresses: Iterable[str]) -> tuple[int, int, list[str]]:
        """(found, missing, the first missing). Raises Missing, and CutShort."""
        found = missing = 0
        first: list[str] = []
        left = iter(addresses)
        while groups := [g for _ in range(AT_ONCE) if (g := list(islice(left, MAX_INPUTS)))]:
            for unknown, group in zip(
                await asyncio.gather(*map(self._unknown, groups)), groups, strict=True
            ):
                missing += len(unknown)
                found += len(group) - len(unknown)
                first += unknown[: MAX_INPUTS - len(first)]
        return found, missing, first

    async def _unknown(self, group: Sequence[str]) -> list[str]:
        sent = await self._ask(partial(self._sink.read_contacts, contacts.read_body(group)))
        judged = contacts.judge_read(group, sent.reply)
        if isinstance(judged, contacts.Found):
            return [each for each in group if each in judged.missing]
        if isinstance(judged, contacts.Refused):
            rest = [await self._unknown(part) for part in judged.parts]
            return [*judged.blamed, *(each for part in rest for each in part)]
        raise Missing(judged.reason)

    async def _ask(self, send: Callable[[], Awaitable[Sent]]) -> Sent:
        try:
            return await self._asker.read("", lambda: self._traffic.call(send, self._asker.pause))
        except StoppedResumable as error:
            raise Missing(str(error)) from None


def _marks(found: Definitions, options: Options) -> Marks | None:
    """As a run is marked: what its records carry beside what they are mapped to."""
    name = options.key_property or KEY
    definition = found.known.get(name)
    if definition is None or not definition.unique:
        return None
    return Marks(name, RUN if RUN in found.known else "")
