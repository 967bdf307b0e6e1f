"""HubSpot's own client works against the sandbox: what it can read, the real portal could say."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from bulkload.sandbox.config import SandboxConfig
from bulkload.sandbox.server import start

if TYPE_CHECKING:
    from collections.abc import Iterator

hubspot = pytest.importorskip("hubspot", reason="hubspot-api-client is not installed")


@pytest.fixture
def emails() -> Iterator[Any]:
    """`client.crm.objects.emails` of the official client, pointed at a sandbox in a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    sandbox = asyncio.run_coroutine_threadsafe(start(SandboxConfig(token="t")), loop).result(10)
    try:
        yield hubspot.HubSpot(access_token="t", host=sandbox.url).crm.objects.emails
    finally:
        asyncio.run_coroutine_threadsafe(sandbox.close(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


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
