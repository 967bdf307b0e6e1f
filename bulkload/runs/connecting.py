"""The remote as one process reaches it: connections, credentials, the limit and the day's quota.

Law kept here: what a renewal brings is not lost: it is waited for before the session closes.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from bulkload.calls.limiter import Limiter
from bulkload.calls.quota import Quota
from bulkload.calls.room import Room
from bulkload.calls.traffic import Traffic
from bulkload.hubspot.client import Client
from bulkload.hubspot.remoteclock import RemoteClock
from bulkload.zone import Zone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from random import Random

    from bulkload import events
    from bulkload.hubspot.auth import Credentials
    from bulkload.hubspot.replies import Reply
    from bulkload.options import Options
    from bulkload.runs.call import Access


@asynccontextmanager
async def session(
    base_url: str, access: Access, *, patience_s: float, connections: int
) -> AsyncIterator[tuple[Client, Credentials]]:
    """A session and what gives its tokens. `patience_s`: seconds without an answer before a call is
    given up. Raises RefusedToStart for what is of no use.
    """

    async def post_form(path: str, form: Mapping[str, str]) -> Reply:
        return (await client.post_form(path, form)).reply

    credentials = access.credentials(post_form)
    client = Client(
        base_url, credentials, timeout=patience_s, connections=connections, ca_file=access.ca_file
    )
    async with client:
        try:
            yield client, credentials
        finally:
            await credentials.close()


@asynccontextmanager
async def connected(
    options: Options, access: Access, random: Random, tell: events.Announcer
) -> AsyncIterator[tuple[Client, Traffic]]:
    """A run's session, and what governs its calls. Raises as `session` does."""
    reached = session(
        options.base_url, access, patience_s=options.timeout, connections=options.max_in_flight
    )
    async with reached as (client, credentials):
        traffic = Traffic(
            Limiter(Room(options.most_calls(), options.share_of_rate())),
            RemoteClock(asyncio.get_running_loop().time),
            credentials,
            Quota(Zone(), options.share_of_day(), random=random),
            random,
            tell,
            most_s=options.max_outage,
            stop=options.on_quota == "stop",
        )
        yield client, traffic
