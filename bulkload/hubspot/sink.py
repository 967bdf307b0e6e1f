"""The remote that takes batches: which endpoint each call goes to. A thin shell."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bulkload.hubspot import paths

if TYPE_CHECKING:
    from bulkload.hubspot.client import Client, Sent


class Sink(NamedTuple):
    """HubSpot's emails over one client."""

    client: Client

    async def create(self, request: bytes) -> Sent:
        """One batch create; `request` is what `wire.body` made."""
        return await self.client.post(paths.CREATE, request)

    async def read(self, request: bytes) -> Sent:
        """A batch read; `request` names the records by id or by a unique property."""
        return await self.client.post(paths.READ, request)

    async def read_archived(self, request: bytes) -> Sent:
        """A batch read among what was archived."""
        return await self.client.post(paths.READ_ARCHIVED, request)

    async def search(self, request: bytes) -> Sent:
        """One page of a search."""
        return await self.client.post(paths.SEARCH, request)

    async def archive(self, request: bytes) -> Sent:
        """Archive by id: idempotent."""
        return await self.client.post(paths.ARCHIVE, request)

    async def probe(self) -> Sent:
        """A read that tells whether the remote answers at all."""
        return await self.client.get(paths.PROBE)
