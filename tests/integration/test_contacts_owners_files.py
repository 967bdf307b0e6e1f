"""Contacts, owners and files as the loader asks for them, against the sandbox on a real socket."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

import pytest

from bulkload.hubspot import archive, contacts, files, owners, replies
from bulkload.hubspot.auth import Token
from bulkload.hubspot.client import Client
from bulkload.hubspot.contacts import Contact, Found, Upserted
from bulkload.hubspot.sink import Sink
from bulkload.hubspot.span import Span
from bulkload.model import Address
from bulkload.sandbox.config import SandboxConfig
from bulkload.sandbox.server import start
from tests.sockets import plain_environment

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plain_environment(monkeypatch, tmp_path)


def run(test: Callable[[Sink], Awaitable[None]], **options: Any) -> None:
    async def inside() -> None:
        sandbox = await start(SandboxConfig(**options))
        try:
            async with Client(sandbox.url, Token("pat-na1-test")) as client:
                await test(Sink(client))
        finally:
            await sandbox.close()

    asyncio.run(inside())


async def read(sink: Sink, *addresses: str) -> Found:
    sent = await sink.read_contacts(contacts.read_body(addresses))
    found = contacts.judge_read(addresses, sent.reply)
    assert isinstance(found, Found)
    return found


async def upsert(
    sink: Sink, addresses: Sequence[str], since: float | None = None
) -> dict[str, Contact]:
    sent = await sink.upsert_contacts(contacts.upsert_body(addresses))
    lost = None if since is None else Span(since, math.inf)
    made = contacts.judge_upsert(addresses, sent.reply, lost)
    assert isinstance(made, Upserted)
    assert not made.refused
    assert not made.silent
    return dict(made.contacts)


async def names(sink: Sink, contact: str) -> tuple[Any, Any]:
    path = f"/crm/v3/objects/contacts/{contact}?properties=firstname,lastname"
    sent = await sink.client.get(path)
    found = replies.parsed(sent.reply)["properties"]
    return found.get("firstname"), found.get("lastname")


@pytest.mark.parametrize("hidden", [False, True])
def test_contacts_are_found_by_each_of_their_addresses_and_the_rest_is_missing(
    hidden: bool,
) -> None:
    async def test(sink: Sink) -> None:
        found = await read(sink, "ann@x.org", "second@x.org", "nobody@x.org")
        assert found.ids.keys() == {"ann@x.org", *(() if hidden else ("second@x.org",))}
        assert "nobody@x.org" in found.missing
        assert not found.unexplained
        assert found.created.keys() <= found.ids.keys()

    run(test, contacts=("ann@x.org", "bob@x.org;second@x.org"), primary_only=hidden)


def test_an_upsert_makes_whom_it_does_not_find_and_changes_nobody() -> None:
    async def test(sink: Sink) -> None:
        first = await upsert(sink, ["ann@x.org", "second@x.org", "new@x.org"])
        assert {who: each.made for who, each in first.items()} == {
            "ann@x.org": False,
            "second@x.org": False,
            "new@x.org": True,
        }
        person = Address("new@x.org", "Nel", "Ew")
        named = await sink.name_contacts(contacts.names_body({first["new@x.org"].id: person}))
        assert contacts.judge_names(named.reply) == contacts.Named()
        assert await names(sink, first["new@x.org"].id) == ("Nel", "Ew")
        found = await read(sink, "bob@x.org", "second@x.org")
        assert found.ids["bob@x.org"] == found.ids["second@x.org"] == first["second@x.org"].id

    run(test, contacts=("ann@x.org", "bob@x.org;second@x.org"))


def test_the_second_time_tells_who_was_made_by_the_first() -> None:
    async def test(sink: Sink) -> None:
        first = await upsert(sink, ["new@x.org"])
        created = (await read(sink, "new@x.org")).created["new@x.org"]
        assert await upsert(sink, ["new@x.org"], created) == first
        assert first["new@x.org"].made
        later = await upsert(sink, ["new@x.org"], created + 0.001)
        assert later == {"new@x.org": Contact(first["new@x.org"].id, made=False)}
        assert await upsert(sink, ["new@x.org"]) == later

    run(test)


def test_a_bad_address_alone_is_refused() -> None:
    async def test(sink: Sink) -> None:
        addresses = ["good@x.org", "no address", "fine@x.org"]
        sent = await sink.upsert_contacts(contacts.upsert_body(addresses))
        made = contacts.judge_upsert(addresses, sent.reply)
        assert isinstance(made, Upserted)
        assert made.contacts.keys() == {"good@x.org", "fine@x.org"}
        assert made.refused.keys() == {"no address"}

    run(test)


def test_archived_contacts_are_missing_and_archiving_may_be_repeated() -> None:
    async def test(sink: Sink) -> None:
        made = await upsert(sink, ["new@x.org"])
        ids = [each.id for each in made.values()]
        for _ in range(2):
            sent = await sink.archive_contacts(archive.request(ids))
            assert archive.judge(sent.reply, may=contacts.WRITES) == archive.Archived()
        assert (await read(sink, "new@x.org")).missing == {"new@x.org"}

    run(test)


def test_all_owners_are_listed_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owners, "PAGE", 7)

    async def test(sink: Sink) -> None:
        calls = 0

        async def ask(archived: bool, after: str) -> owners.Page:
            nonlocal calls
            calls += 1
            sent = await sink.client.get(owners.page_path(archived=archived, after=after))
            page = owners.judge(sent.reply, archived=archived)
            assert isinstance(page, owners.Page)
            return page

        everybody = await owners.everybody(ask)
        assert sum(owner.archived for owner in everybody) >= 3
        assert sum(not owner.archived for owner in everybody) >= 20
        assert calls >= 5
        assert len(owners.by_address(everybody)) >= 23

    run(test, owners=20, archived_owners=3)


def test_a_file_is_stored_once_whole_and_private_and_goes_again() -> None:
    content = bytes(range(256)) * 8_000  # two megabytes: written in parts

    async def test(sink: Sink) -> None:
        request = files.upload(content, "Grüße.pdf", "application/pdf", "run-1")
        first, again = [files.judge_upload((await sink.upload(request)).reply) for _ in range(2)]
        assert isinstance(first, files.Uploaded)
        assert first == again
        elsewhere = files.upload(content, "Grüße.pdf", "application/pdf", "run-2")
        other = files.judge_upload((await sink.upload(elsewhere)).reply)
        assert isinstance(other, files.Uploaded)
        assert other != first
        shown = replies.parsed((await sink.client.get(files.path(first.id))).reply)
        assert (shown["size"], shown["access"]) == (len(content), "PRIVATE")
        assert shown["path"].startswith("/bulkload/run-1/Grüße-")
        deleted = [files.judge_delete((await sink.delete_file(first.id)).reply) for _ in range(2)]
        assert deleted == [files.Deleted(), files.Deleted(before=True)]
        bad = files.upload(b"MZ", "virus.exe", "", "run-1")
        refused = files.judge_upload((await sink.upload(bad)).reply)
        assert isinstance(refused, files.Refused)
        assert refused.because.status == 400

    run(test)
