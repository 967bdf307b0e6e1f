"""Contacts, owners and files over real sockets: what the caller sees, and what the books say."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import asynccontextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
import pytest

from bulkload.sandbox.config import SandboxConfig
from bulkload.sandbox.server import start

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

CONTACTS = "/crm/v3/objects/contacts"
EMAILS = "/crm/v3/objects/emails"
FILES = "/files/v3/files"
OWNERS = "/crm/v3/owners"


class Client:
    def __init__(self, http: aiohttp.ClientSession) -> None:
        self.http = http

    async def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        content = None if body is None else orjson.dumps(body)
        async with self.http.request(method, path, data=content) as response:
            raw = await response.read()
            shown = orjson.loads(raw) if response.content_type == "application/json" else raw
            return response.status, shown

    async def upload(self, content: bytes, name: str = "a.pdf", **more: Any) -> tuple[int, Any]:
        form = aiohttp.FormData()
        form.add_field(
            "file", BytesIO(content), filename=name, content_type="application/octet-stream"
        )
        form.add_field("options", orjson.dumps({"access": "PRIVATE", **more}).decode())
        form.add_field("folderPath", "/bulkload")
        async with self.http.post(FILES, data=form) as response:
            raw = await response.read()
            shown = orjson.loads(raw) if response.content_type == "application/json" else raw
            return response.status, shown

    async def upsert(self, *addresses: str) -> tuple[int, Any]:
        inputs = [{"id": one, "idProperty": "email", "properties": {}} for one in addresses]
        return await self.call("POST", f"{CONTACTS}/batch/upsert", {"inputs": inputs})

    async def books(self) -> Any:
        return (await self.call("GET", "/_sandbox/books"))[1]

    async def lines(self, name: str) -> list[Any]:
        _, raw = await self.call("GET", f"/_sandbox/{name}")
        return [orjson.loads(line) for line in raw.splitlines()]


@asynccontextmanager
async def portal(**options: Any) -> AsyncIterator[Client]:
    sandbox = await start(SandboxConfig(**options))
    try:
        headers = {"Authorization": "Bearer t"}
        async with aiohttp.ClientSession(sandbox.url, headers=headers) as http:
            yield Client(http)
    finally:
        await sandbox.close()


def run(test: Callable[[Client], Awaitable[None]], **options: Any) -> None:
    async def inside() -> None:
        async with portal(**options) as client:
            await test(client)

    asyncio.run(inside())


def test_an_archived_contact_leaves_its_emails_without_it() -> None:
    async def test(client: Client) -> None:
        types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 198}]
        links = [{"to": {"id": one}, "types": types} for one in ("1001", "1002")]
        one = {"properties": {"hs_timestamp": "1"}, "associations": links}
        _, body = await client.call("POST", f"{EMAILS}/batch/create", {"inputs": [one]})
        path = f"{EMAILS}/{body['results'][0]['id']}?associations=contacts"
        assert (await client.call("DELETE", f"{CONTACTS}/1001"))[0] == 204
        status, shown = await client.call("GET", path)
        assert status == 200
        assert [other["id"] for other in shown["associations"]["contacts"]["results"]] == ["1002"]
        (line,) = await client.lines("emails")
        assert line["contacts"] == ["1002"]
        assert (await client.call("GET", f"{CONTACTS}/1001"))[0] == 404
        assert (await client.call("GET", f"{CONTACTS}/1001?archived=true"))[0] == 200
        books = await client.books()
        assert (books["contacts"], books["contacts_archived"]) == (1, 1)

    run(test, contacts=2)


def test_companies_deals_and_tickets_can_be_counted() -> None:
    async def create(client: Client, kind: int, other: str) -> int:
        types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": kind}]
        links = [{"to": {"id": other}, "types": types}]
        one = {"properties": {"hs_timestamp": "1"}, "associations": links}
        return (await client.call("POST", f"{EMAILS}/batch/create", {"inputs": [one]}))[0]

    async def test(client: Client) -> None:
        wanted = [(186, "2", 201), (186, "3", 400), (210, "1", 400), (224, "99", 201)]
        for kind, other, status in wanted:
            assert await create(client, kind, other) == status

    run(test, companies=2, deals=0)


def test_the_books_say_who_made_a_contact_and_how_often_each_call_was_made() -> None:
    async def test(client: Client) -> None:
        assert (await client.upsert("new@firm.com", "contact1@example.com"))[0] == 200
        assert (await client.call("POST", "/_sandbox/contacts", {"emails": ["b@c.com;d@e.com"]}))[
            1
        ] == {"b@c.com;d@e.com": "1003"}
        lines = [
            (one["email"], one["additional"], one["made"]) for one in await client.lines("contacts")
        ]
        assert lines == [
            ("contact1@example.com", [], "sandbox"),
            ("new@firm.com", [], "api"),
            ("b@c.com", ["d@e.com"], "sandbox"),
        ]
        taken = {"emails": ["x@y.com;d@e.com"]}
        assert (await client.call("POST", "/_sandbox/contacts", taken))[0] == 400
        books = await client.books()
        assert books["contacts_made"] == 1
        assert books["calls"] == {f"POST {CONTACTS}/batch/upsert": 1}
        assert books["writes_seen"] == {"contacts": 1}
        assert books["creates_seen"] == 0

    run(test, contacts=1)


def test_a_file_goes_up_and_away() -> None:
    async def test(client: Client) -> None:
        content = bytes(range(256)) * 9000  # more than other calls may have
        status, said = await client.upload(content, "Angebot März.pdf")
        assert (status, said["size"]) == (201, len(content))
        assert (await client.call("GET", f"{FILES}/{said['id']}"))[1] == said
        assert (await client.call("DELETE", f"{FILES}/{said['id']}"))[0] == 204
        assert (await client.call("GET", f"{FILES}/{said['id']}"))[0] == 404
        (line,) = await client.lines("files")
        assert line["sha256"] == hashlib.sha256(content).hexdigest()
        assert (line["access"], line["deleted"]) == ("PRIVATE", True)
        books = await client.books()
        assert (books["files"], books["files_deleted"]) == (0, 1)
        assert (await client.upload(b"x" * 2_500_000))[0] == 400
        assert (await client.upload(b"x" * 5_000_000))[0] == 413

    run(test, max_body=1_000_000, max_file=2_400_000)


def test_uploads_count_under_the_same_limit() -> None:
    async def test(client: Client) -> None:
        answers = [await client.upload(b"x"), await client.upsert("a@b.com")]
        assert [status for status, _ in answers] == [201, 200]
        assert (await client.upload(b"y"))[0] == 429
        assert (await client.books())["files"] == 1

    run(test, rate_limit=(2, 60.0))


def test_attachments_can_have_to_name_files() -> None:
    async def test(client: Client) -> None:
        _, file = await client.upload(b"x")
        for ids, status in ((file["id"], 201), (f"{file['id']};7", 400), ("", 201)):
            one = {
                "properties": {"hs_timestamp": "1", "hs_attachment_ids": ids},
                "associations": [],
            }
            body = {"inputs": [one]}
            assert (await client.call("POST", f"{EMAILS}/batch/create", body))[0] == status

    run(test, check_attachments=True)


def test_owners_can_have_to_be_owners() -> None:
    async def test(client: Client) -> None:
        _, active = await client.call("GET", f"{OWNERS}?limit=500")
        _, archived = await client.call("GET", f"{OWNERS}?archived=true")
        people = active["results"] + archived["results"]
        ids = {one["id"] for one in people}
        assert len(ids) == 6
        no_owners = {str(one["userIdIncludingInactive"]) for one in people} | {"70000003", "ada"}
        for owner in ids | no_owners | {""}:
            one = {"properties": {"hs_timestamp": "1", "hubspot_owner_id": owner}}
            body = {"inputs": [{**one, "associations": []}]}
            status, _ = await client.call("POST", f"{EMAILS}/batch/create", body)
            assert status == (400 if owner in no_owners else 201), owner

    run(test, check_owners=True, owners=2, archived_owners=2)


@pytest.mark.parametrize(
    ("scope", "refused"),
    [
        ("files", {"upload"}),
        ("crm.objects.owners.read", {"owners"}),
        ("crm.objects.contacts.read", {"read"}),
        ("crm.objects.contacts.write", {"upsert"}),
    ],
)
def test_a_scope_that_is_not_granted_is_named(scope: str, refused: set[str]) -> None:
    async def test(client: Client) -> None:
        asked = {"idProperty": "email", "inputs": [{"id": "contact1@example.com"}]}
        answers = {
            "upload": await client.upload(b"x"),
            "owners": await client.call("GET", OWNERS),
            "read": await client.call("POST", f"{CONTACTS}/batch/read", asked),
            "upsert": await client.upsert("contact1@example.com"),
        }
        assert {name for name, (status, _) in answers.items() if status == 403} == refused
        for name in refused:
            body = answers[name][1]
            assert body["category"] == "MISSING_SCOPES"
            assert body["errors"][0]["context"]["requiredGranularScopes"] == [scope]

    run(test, without_scopes=(scope,), contacts=1)


@pytest.mark.parametrize(
    ("kind", "status", "carried_out"),
    [
        ("503", 503, False),
        ("429", 429, False),
        ("503-after", 503, True),
        ("504-after", 504, True),
        ("late", 504, True),
        ("reset-before", None, False),
        ("reset-after", None, True),
        ("truncate", None, True),
        ("slow", 200, True),
        ("silent-207", 207, True),
    ],
)
@pytest.mark.parametrize("what", ["contacts", "files"])
def test_a_fault_strikes_what_it_is_meant_for(
    what: str, kind: str, status: int | None, carried_out: bool
) -> None:
    async def told(call: Awaitable[tuple[int, Any]]) -> int | None:
        try:
            return (await call)[0]
        except aiohttp.ClientError:
            return None

    async def test(client: Client) -> None:
        statuses = {
            "contacts": await told(client.upsert("new@firm.com")),
            "files": await told(client.upload(b"x")),
        }
        await asyncio.sleep(0.01)  # a late one takes place
        books = await client.books()
        made = {"contacts": books["contacts_made"], "files": books["files"]}
        other = "files" if what == "contacts" else "contacts"
        good = {"contacts": 200, "files": 201}
        expected = status if status not in (200, 207) or what == "contacts" else 201
        assert statuses[what] == expected
        assert made[what] == carried_out
        assert (statuses[other], made[other]) == (good[other], 1)
        assert books["faults"] == {f"{what}:{kind}": 1}

    run(test, faults={f"{what}:{kind}": 1.0}, late_after=0.0, slow_by=0.0)


def test_each_call_has_its_own_draw() -> None:
    async def test(client: Client) -> None:
        statuses = {(await client.upsert("a@b.com"))[0] for _ in range(20)}
        assert statuses == {200, 503}

    run(test, faults={"503": 0.5})
