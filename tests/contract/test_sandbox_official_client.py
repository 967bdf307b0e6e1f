"""HubSpot's own client works against the sandbox: what it can read, the real portal could say."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from bulkload.sandbox.config import SandboxConfig
from bulkload.sandbox.server import start

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

hubspot = pytest.importorskip("hubspot", reason="hubspot-api-client is not installed")


@pytest.fixture
def client() -> Iterator[Any]:
    """The official client, pointed at a sandbox in a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    config = SandboxConfig(token="t", contacts=1, owners=3, archived_owners=1)
    sandbox = asyncio.run_coroutine_threadsafe(start(config), loop).result(10)
    try:
        yield hubspot.HubSpot(access_token="t", host=sandbox.url)
    finally:
        asyncio.run_coroutine_threadsafe(sandbox.close(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@pytest.fixture
def emails(client: Any) -> Any:
    return client.crm.objects.emails


def created(emails: Any, *, count: int = 3) -> Any:
    from hubspot.crm.objects.emails import BatchInputSimplePublicObjectBatchInputForCreate

    inputs = [
        {
            "properties": {
                "hs_timestamp": "2026-11-24T16:00:00Z",
                "hs_email_subject": f"subject {n}",
                "hs_email_headers": '{"from":{"email":"a@b.c"},"to":[{"email":"d@e.f"}]}',
                "bulkload_key": f"k{n}",
            },
            "associations": [],
            "objectWriteTraceId": str(n),
        }
        for n in range(count)
    ]
    return emails.batch_api.create(BatchInputSimplePublicObjectBatchInputForCreate(inputs=inputs))


def test_it_creates(emails: Any) -> None:
    answer = created(emails)
    assert answer.status == "COMPLETE"
    assert {one.properties["bulkload_key"] for one in answer.results} == {"k0", "k1", "k2"}
    assert all(one.id and one.created_at and not one.archived for one in answer.results)


def test_a_batch_with_a_conflict_is_a_207_the_client_reads(emails: Any) -> None:
    created(emails, count=1)
    answer = created(emails, count=2)
    assert type(answer).__name__ == "BatchResponseSimplePublicObjectWithErrors"
    assert (len(answer.results), answer.num_errors) == (1, 1)
    assert answer.errors[0].context["objectWriteTraceId"] == ["0"]


def test_it_reads_by_key(emails: Any) -> None:
    from hubspot.crm.objects.emails import BatchReadInputSimplePublicObjectId

    created(emails)
    asked = BatchReadInputSimplePublicObjectId(
        id_property="bulkload_key",
        properties=["bulkload_key", "hs_email_from_email"],
        properties_with_history=[],
        inputs=[{"id": "k1"}, {"id": "absent"}],
    )
    answer = emails.batch_api.read(asked)
    (found,) = answer.results
    assert found.properties["bulkload_key"] == "k1"
    assert found.properties["hs_email_from_email"] == "a@b.c"
    assert answer.errors[0].context["ids"] == ["absent"]


def test_it_archives(emails: Any) -> None:
    from hubspot.crm.objects.emails import ApiException, BatchInputSimplePublicObjectId

    answer = created(emails)
    ids = [{"id": one.id} for one in answer.results]
    emails.batch_api.archive(BatchInputSimplePublicObjectId(inputs=ids))
    with pytest.raises(ApiException) as caught:
        emails.basic_api.get_by_id(ids[0]["id"])
    assert caught.value.status == 404
    assert emails.basic_api.get_by_id(ids[0]["id"], archived=True).archived


def test_it_searches_and_pages(emails: Any) -> None:
    from hubspot.crm.objects.emails import PublicObjectSearchRequest

    created(emails)
    filters = [{"propertyName": "bulkload_key", "operator": "IN", "values": ["k0", "k2"]}]
    request = PublicObjectSearchRequest(
        filter_groups=[{"filters": filters}],
        properties=["bulkload_key"],
        sorts=["-bulkload_key"],
        limit=1,
        after="0",
    )
    answer = emails.search_api.do_search(request)
    assert (answer.total, answer.results[0].properties["bulkload_key"]) == (2, "k2")
    assert answer.paging.next.after == "1"
    page = emails.basic_api.get_page(limit=2, properties=["bulkload_key"])
    assert len(page.results) == 2
    assert page.paging.next.after == page.results[-1].id


def test_it_makes_and_finds_contacts(client: Any) -> None:
    from hubspot.crm.contacts import (
        ApiException,
        BatchInputSimplePublicObjectBatchInputUpsert,
        BatchReadInputSimplePublicObjectId,
    )

    contacts = client.crm.contacts
    inputs = [
        {"id": one, "idProperty": "email", "properties": {"firstname": "Ann"}}
        for one in ("contact1@example.com", "new@firm.com")
    ]
    answer = contacts.batch_api.upsert(BatchInputSimplePublicObjectBatchInputUpsert(inputs=inputs))
    made = {one.properties["email"]: one for one in answer.results}
    assert [made[one["id"]].new for one in inputs] == [False, True]
    asked = BatchReadInputSimplePublicObjectId(
        id_property="email",
        properties=["email", "hs_additional_emails"],
        properties_with_history=[],
        inputs=[{"id": "New@firm.com"}, {"id": "absent@firm.com"}],
    )
    answer = contacts.batch_api.read(asked)
    assert [one.id for one in answer.results] == [made["new@firm.com"].id]
    assert answer.errors[0].context["ids"] == ["absent@firm.com"]
    with pytest.raises(ApiException) as caught:
        contacts.batch_api.upsert(
            BatchInputSimplePublicObjectBatchInputUpsert(inputs=[inputs[1], inputs[1]])
        )
    assert caught.value.status == 400


def test_it_archives_contacts(client: Any) -> None:
    from hubspot.crm.contacts import ApiException, BatchInputSimplePublicObjectId

    contacts = client.crm.contacts
    known = contacts.basic_api.get_by_id("contact1@example.com", id_property="email")
    one = BatchInputSimplePublicObjectId(inputs=[{"id": known.id}])
    contacts.batch_api.archive(one)
    with pytest.raises(ApiException) as caught:
        contacts.basic_api.get_by_id(known.id)
    assert caught.value.status == 404
    assert contacts.basic_api.get_by_id(known.id, archived=True).archived


def test_it_pages_owners(client: Any) -> None:
    api = client.crm.owners.owners_api
    first = api.get_page(limit=3)
    rest = api.get_page(limit=3, after=first.paging.next.after)
    emails = [one.email for one in (*first.results, *rest.results)]
    assert emails == [
        "ada@example.com",
        "grace@example.com",
        *(f"owner{number}@example.com" for number in (1, 2, 3)),
    ]
    assert rest.paging is None
    (gone,) = api.get_page(archived=True).results
    assert (gone.archived, gone.user_id) == (True, None)
    assert api.get_by_id(gone.id, archived=True).email == gone.email


def test_it_uploads_and_deletes_files(client: Any, tmp_path: Path) -> None:
    from hubspot.files import ApiException

    api = client.files.files_api
    path = tmp_path / "report.pdf"
    path.write_bytes(b"%PDF-1.4\r\n\x00\xff")
    options = {"access": "PRIVATE", "duplicateValidationStrategy": "RETURN_EXISTING"}
    file = api.upload(file=str(path), folder_path="/mail", options=json.dumps(options))
    assert (file.name, file.extension, file.access, file.size) == ("report", "pdf", "PRIVATE", 12)
    again = api.upload(file=str(path), folder_path="/mail", options=json.dumps(options))
    assert again.id == file.id
    with pytest.raises(ApiException) as caught:
        api.upload(file=str(path), folder_path="/mail")
    assert "options parameter is required" in caught.value.body
    api.archive(file.id)
    with pytest.raises(ApiException) as caught:
        api.get_by_id(file.id)
    assert caught.value.status == 404
