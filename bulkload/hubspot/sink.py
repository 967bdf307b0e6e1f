"""The remote that takes batches: which endpoint each call goes to. A thin shell."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bulkload.hubspot import files, paths

if TYPE_CHECKING:
    from bulkload.hubspot.client import Client, Sent
    from bulkload.hubspot.files import Upload


class Sink(NamedTuple):
    """HubSpot over one client: emails, contacts, owners and files."""

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

    async def read_contacts(self, request: bytes) -> Sent:
        """A batch read of contacts, by id or by address."""
        return await self.client.post(paths.CONTACTS_READ, request)

    async def upsert_contacts(self, request: bytes) -> Sent:
        """A batch upsert of contacts by address."""
        return await self.client.post(paths.CONTACTS_UPSERT, request)

    async def name_contacts(self, request: bytes) -> Sent:
        """A batch update of contacts by id: idempotent."""
        return await self.client.post(paths.CONTACTS_UPDATE, request)

    async def archive_contacts(self, request: bytes) -> Sent:
        """Archive contacts by id: idempotent."""
        return await self.client.post(paths.CONTACTS_ARCHIVE, request)

    async def upload(self, request: Upload) -> Sent:
        """One file; `request` is what `files.upload` made."""
        return await self.client.post_multipart(paths.FILES, request.body, request.content_type)

    async def delete_file(self, file: str) -> Sent:
        """Delete a file by id: idempotent."""
        return await self.client.delete(files.path(file))

    async def probe(self) -> Sent:
        """A read that tells whether the remote answers at all."""
        return await self.client.get(paths.PROBE)
