"""The sandbox over real sockets: batches, unique values, limits, lags, tokens, search."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
import pytest

from bulkload.sandbox.config import SandboxConfig
from bulkload.sandbox.server import RunningSandbox, start

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

CREATE = "/crm/v3/objects/emails/batch/create"
READ = "/crm/v3/objects/emails/batch/read"
SEARCH = "/crm/v3/objects/emails/search"


class Client:
    def __init__(self, sandbox: RunningSandbox, http: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self.http = http

    async def call(
        self, method: str, path: str, body: Any = None, **more: Any
    ) -> tuple[int, Any, dict[str, str]]:
        content = None if body is None else orjson.dumps(body)
        async with self.http.request(method, path, data=content, **more) as response:
            raw = await response.read()
            is_json = response.content_type == "application/json"
            shown = orjson.loads(raw) if raw and is_json else raw
            return response.status, shown, dict(response.headers)

    async def post(self, path: str, body: Any) -> tuple[int, Any]:
        status, shown, _ = await self.call("POST", path, body)
        return status, shown

    async def books(self) -> Any:
        return (await self.call("GET", "/_sandbox/books"))[1]


@asynccontextmanager
async def portal(**options: Any) -> AsyncIterator[Client]:
    sandbox = await start(SandboxConfig(**options))
    try:
        headers = {"Authorization": "Bearer t"}
        async with aiohttp.ClientSession(sandbox.url, headers=headers) as http:
            yield Client(sandbox, http)
    finally:
        await sandbox.close()


def run(test: Callable[[Client], Awaitable[None]], **options: Any) -> None:
    async def inside() -> None:
        async with portal(**options) as client:
            await test(client)

    asyncio.run(inside())


def email(number: int, *, trace: bool = True, **properties: str) -> dict[str, Any]:
    out: dict[str, Any] = {
        "properties": {
            "hs_timestamp": "1700000000000",
            "hs_email_subject": f"subject {number}",
            "bulkload_key": f"k{number}",
            **properties,
        },
        "associations": [],
    }
    if trace:
        out["objectWriteTraceId"] = f"trace-{number}"
    return out


def test_a_good_batch_is_created_whole_and_answered_in_any_order() -> None:
    async def test(client: Client) -> None:
        status, body = await client.post(CREATE, {"inputs": [email(n) for n in range(100)]})
        assert (status, body["status"]) == (201, "COMPLETE")
        traces = [one["objectWriteTraceId"] for one in body["results"]]
        assert sorted(traces) == sorted(f"trace-{n}" for n in range(100))
        assert traces != [f"trace-{n}" for n in range(100)]
        assert "numErrors" not in body
        assert (await client.books())["emails"] == 100

    run(test)


def test_the_date_versioned_twin_is_the_same_call() -> None:
    async def test(client: Client) -> None:
        path = "/crm/objects/2026-09/emails/batch/create"
        assert (await client.post(path, {"inputs": [email(1)]}))[0] == 201

    run(test)


def test_with_trace_ids_bad_inputs_do_not_fail_the_good_ones() -> None:
    async def test(client: Client) -> None:
        inputs = [email(n) for n in range(6)]
        inputs[1]["properties"]["foo"] = "1"
        inputs[2]["properties"]["foo"] = "2"
        inputs[4]["properties"]["hs_email_direction"] = "UP"
        status, body = await client.post(CREATE, {"inputs": inputs})
        assert status == 207
        assert len(body["results"]) == 3
        assert body["numErrors"] == len(body["errors"]) == 2  # equal messages are one error
        named = {trace for one in body["errors"] for trace in one["context"]["objectWriteTraceId"]}
        assert named == {"trace-1", "trace-2", "trace-4"}
        assert (await client.books())["emails"] == 3

    run(test)


def test_a_property_that_is_missing_is_named() -> None:
    async def test(client: Client) -> None:
        inputs = [email(1), email(2)]
        del inputs[1]["properties"]["hs_timestamp"]
        status, body = await client.post(CREATE, {"inputs": inputs})
        assert status == 207
        context = body["errors"][0]["context"]
        assert context == {"properties": ["hs_timestamp"], "objectWriteTraceId": ["trace-2"]}
        for one in inputs:
            del one["objectWriteTraceId"]
        inputs[0]["properties"]["bulkload_key"] = "other"
        status, body = await client.post(CREATE, {"inputs": inputs})
        assert (status, body["context"]) == (400, {"properties": ["hs_timestamp"]})
        assert body["category"] == "VALIDATION_ERROR"

    run(test)


@pytest.mark.parametrize("traces", ["none", "one missing", "one twice"])
def test_without_trace_ids_one_bad_input_refuses_the_batch(traces: str) -> None:
    async def test(client: Client) -> None:
        inputs = [email(n, trace=traces != "none") for n in range(5)]
        if traces == "one missing":
            del inputs[0]["objectWriteTraceId"]
        if traces == "one twice":
            inputs[0]["objectWriteTraceId"] = "trace-1"
        inputs[3]["properties"]["hs_email_status"] = "LOST"
        status, body = await client.post(CREATE, {"inputs": inputs})
        assert (status, body["category"]) == (400, "VALIDATION_ERROR")
        assert body["message"].startswith("Property values were not valid: [{")
        assert "INVALID_OPTION" in body["message"]
        assert "LOST" in body["message"]
        assert (await client.books())["emails"] == 0

    run(test)


def test_a_unique_value_is_given_once() -> None:
    async def test(client: Client) -> None:
        assert (await client.post(CREATE, {"inputs": [email(1)]}))[0] == 201
        again = [email(1), email(2), {**email(2), "objectWriteTraceId": "twin"}]
        status, body = await client.post(CREATE, {"inputs": again})
        assert status == 207
        assert [one["objectWriteTraceId"] for one in body["results"]] == ["trace-2"]
        messages = [one["message"] for one in body["errors"]]
        assert all("already has that value." in message for message in messages)
        assert all("CONFLICTING_UNIQUE_VALUE" in message for message in messages)
        books = await client.books()
        assert (books["emails"], books["duplicates_of"]) == (2, {"bulkload_key": 2})

    run(test)


def test_an_archived_record_keeps_its_unique_value_unless_told_otherwise() -> None:
    async def archive_and_repeat(client: Client) -> int:
        _, body = await client.post(CREATE, {"inputs": [email(1)]})
        gone = {"inputs": [{"id": body["results"][0]["id"]}]}
        assert (await client.post("/crm/v3/objects/emails/batch/archive", gone))[0] == 204
        return (await client.post(CREATE, {"inputs": [email(1)]}))[0]

    async def keeps(client: Client) -> None:
        assert await archive_and_repeat(client) == 207

    async def frees(client: Client) -> None:
        assert await archive_and_repeat(client) == 201

    run(keeps)
    run(frees, archived_keep_keys=False)


def test_concurrent_creates_of_one_key_make_one_record() -> None:
    async def test(client: Client) -> None:
        answers = await asyncio.gather(
            *(client.post(CREATE, {"inputs": [email(1)]}) for _ in range(20))
        )
        assert sorted(status for status, _ in answers) == [201] + [207] * 19
        assert (await client.books())["emails"] == 1

    run(test, latency=0.003)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b'{"inputs":[{]}', "Invalid input JSON on line 1, column 13"),
        (b"[]", "Invalid input JSON on line 1, column 1"),
        (b"{}", "inputs"),
        (b'{"inputs":[{"associations":[]}]}', "properties"),
        (
            b'{"inputs":[{"properties":{"hs_timestamp":17}}]}',
            "Invalid input JSON on line 1, column 42",
        ),
        (b'{"inputs":[{"properties":\n{"foo":null}}]}', "Invalid input JSON on line 2, column 8"),
    ],
)
def test_a_body_that_is_no_batch_says_where(raw: bytes, message: str) -> None:
    async def test(client: Client) -> None:
        async with client.http.post(CREATE, data=raw) as response:
            body = await response.json()
        assert response.status == 400
        assert message in body["message"]
        assert body["category"] == "VALIDATION_ERROR"
        assert body["correlationId"]

    run(test)


def test_too_many_inputs_and_too_large_a_body_are_refused() -> None:
    async def test(client: Client) -> None:
        status, body = await client.post(CREATE, {"inputs": [email(n) for n in range(101)]})
        assert (status, body["category"]) == (400, "VALIDATION_ERROR")
        large = {"inputs": [email(1, hs_email_text="x" * 50_000)]}
        status, page, headers = await client.call("POST", CREATE, large)
        assert status == 413
        assert headers["Content-Type"].startswith("text/html")
        assert b"Too Large" in page
        assert (await client.books())["emails"] == 0

    run(test, max_body=40_000)


def test_contacts_are_found_by_address_and_must_exist_to_be_associated() -> None:
    async def test(client: Client) -> None:
        asked = {
            "idProperty": "email",
            "properties": ["email"],
            "inputs": [{"id": "Contact2@example.com"}, {"id": "nobody@example.com"}],
        }
        status, body = await client.post("/crm/v3/objects/contacts/batch/read", asked)
        assert status == 207
        (contact,) = body["results"]
        assert contact["properties"]["email"] == "contact2@example.com"
        assert body["errors"][0]["context"]["ids"] == ["nobody@example.com"]
        types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 198}]
        good, bad, odd = email(1), email(2), email(3)
        good["associations"] = [{"to": {"id": contact["id"]}, "types": types}]
        bad["associations"] = [{"to": {"id": "999"}, "types": types}]
        odd["associations"] = [
            {"to": {"id": contact["id"]}, "types": [{**types[0], "associationTypeId": 7}]}
        ]
        status, body = await client.post(CREATE, {"inputs": [good, bad, odd]})
        assert status == 207
        assert [one["objectWriteTraceId"] for one in body["results"]] == ["trace-1"]
        path = f"/crm/v3/objects/emails/{body['results'][0]['id']}?associations=contacts"
        _, shown, _ = await client.call("GET", path)
        assert shown["associations"]["contacts"]["results"] == [
            {"id": contact["id"], "type": "email_to_contact"}
        ]

    run(test, contacts=3)


def test_contacts_are_created_once_an_address() -> None:
    async def test(client: Client) -> None:
        inputs = [{"properties": {"email": "A@b.com"}, "objectWriteTraceId": "1"}]
        path = "/crm/v3/objects/contacts/batch"
        assert (await client.post(f"{path}/create", {"inputs": inputs}))[0] == 201
        inputs[0]["properties"] = {"email": "a@B.com"}
        assert (await client.post(f"{path}/create", {"inputs": inputs}))[0] == 207
        upsert = {
            "inputs": [{"id": "a@b.COM", "idProperty": "email", "properties": {"phone": "1"}}]
        }
        status, body = await client.post(f"{path}/upsert", upsert)
        assert (status, body["results"][0]["new"]) == (200, False)
        assert (await client.books())["contacts"] == 1

    run(test)


def test_over_the_limit_is_refused_and_creates_nothing() -> None:
    async def test(client: Client) -> None:
        answers = [await client.call("POST", CREATE, {"inputs": [email(n)]}) for n in range(5)]
        assert [status for status, _, _ in answers] == [201, 201, 201, 429, 429]
        body, headers = answers[3][1:]
        assert body["errorType"] == "RATE_LIMIT"
        assert body["policyName"] == "TEN_SECONDLY_ROLLING"
        assert body["message"] == "You have reached your ten_secondly_rolling limit."
        assert headers["X-HubSpot-RateLimit-Max"] == "3"
        assert headers["X-HubSpot-RateLimit-Remaining"] == "0"
        assert headers["X-HubSpot-RateLimit-Interval-Milliseconds"] == "10000"
        assert headers["X-HubSpot-RateLimit-Daily"] == "650000"
        assert (await client.books())["emails"] == 3
        _, raw, _ = await client.call("GET", "/_sandbox/arrivals")
        arrivals = [orjson.loads(line) for line in raw.splitlines()]
        assert [one["status"] for one in arrivals] == [201, 201, 201, 429, 429]

    run(test, rate_limit=(3, 10.0))


def test_the_day_can_be_used_up() -> None:
    async def test(client: Client) -> None:
        await client.post(CREATE, {"inputs": [email(1)]})
        status, usage, _ = await client.call("GET", "/account-info/v3/api-usage/daily/private-apps")
        (result,) = usage["results"]
        assert (status, result["currentUsage"], result["usageLimit"]) == (200, 2, 2)
        status, body = await client.post(CREATE, {"inputs": [email(2)]})
        assert (status, body["policyName"]) == (429, "DAILY")

    run(test, daily_limit=2, daily_reset=60.0)


def test_search_has_its_own_limit_and_no_rate_headers() -> None:
    async def test(client: Client) -> None:
        answers = [await client.call("POST", SEARCH, {"filterGroups": []}) for _ in range(6)]
        assert [status for status, _, _ in answers] == [200] * 5 + [429]
        assert answers[5][1]["policyName"] == "SECONDLY"
        assert not any(name.startswith("X-HubSpot-RateLimit") for _, _, h in answers for name in h)

    run(test, rate_limit=(1, 10.0), search_limit=(5, 60.0))


def test_a_new_record_is_seen_after_the_lag_and_unique_at_once() -> None:
    async def test(client: Client) -> None:
        now = 1000.0
        client.sandbox.portal.clock = lambda: now
        await client.post(CREATE, {"inputs": [email(1)]})
        by_key = {"idProperty": "bulkload_key", "properties": [], "inputs": [{"id": "k1"}]}
        found = {
            "filterGroups": [
                {"filters": [{"propertyName": "bulkload_key", "operator": "EQ", "value": "k1"}]}
            ]
        }
        seen = []
        for instant in (1000.0, 1002.0, 1005.0):
            now = instant
            _, read = await client.post(READ, by_key)
            _, search = await client.post(SEARCH, found)
            seen.append((len(read["results"]), search["total"]))
            assert (await client.post(CREATE, {"inputs": [email(1)]}))[0] == 207
        assert seen == [(0, 0), (1, 0), (1, 1)]

    run(test, search_lag=5.0, read_lag=2.0)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ([("hs_timestamp", "BETWEEN", {"value": "1", "highValue": "2"})], {1, 2}),
        ([("hs_timestamp", "GT", {"value": "1970-01-01T00:00:00.002Z"})], {3, 4}),
        ([("hs_timestamp", "LTE", {"value": "3"})], {1, 2, 3}),
        ([("bulkload_key", "IN", {"values": ["k1", "k4", "k9"]})], {1, 4}),
        ([("bulkload_key", "NEQ", {"value": "k1"})], {2, 3, 4}),
        ([("hs_email_subject", "CONTAINS_TOKEN", {"value": "sub*"})], {1, 2, 3, 4}),
        ([("hs_email_subject", "CONTAINS_TOKEN", {"value": "2"})], {2}),
        ([("bulkload_run", "HAS_PROPERTY", {})], {4}),
        (
            [("bulkload_run", "NOT_HAS_PROPERTY", {}), ("hs_timestamp", "GTE", {"value": "2"})],
            {2, 3},
        ),
    ],
)
def test_search_filters(filters: list[tuple[str, str, dict[str, Any]]], expected: set[int]) -> None:
    async def test(client: Client) -> None:
        inputs = [email(n, hs_timestamp=str(n)) for n in (1, 2, 3, 4)]
        inputs[3]["properties"]["bulkload_run"] = "r"
        await client.post(CREATE, {"inputs": inputs})
        group = [
            {"propertyName": name, "operator": operator, **more} for name, operator, more in filters
        ]
        body = {
            "filterGroups": [{"filters": group}],
            "properties": ["hs_timestamp"],
            "sorts": [{"propertyName": "hs_timestamp", "direction": "DESCENDING"}],
            "limit": 1,
        }
        found: list[int] = []
        after: str | None = None
        while True:
            status, page = await client.post(SEARCH, {**body, "after": after} if after else body)
            assert (status, page["total"]) == (200, len(expected))
            found += [int(one["properties"]["hs_timestamp"]) for one in page["results"]]
            if "paging" not in page:
                break
            after = page["paging"]["next"]["after"]
        assert found == sorted(expected, reverse=True)

    run(test, search_limit=None)


def test_tokens() -> None:
    async def test(client: Client) -> None:
        for header in ({"Authorization": "Bearer wrong"}, {"Authorization": ""}):
            status, body, _ = await client.call("GET", "/crm/v3/owners", headers=header)
            assert (status, body["category"]) == (401, "INVALID_AUTHENTICATION")
        assert (await client.call("GET", "/crm/v3/owners"))[0] == 200
        assert (await client.books())["portal"] == 62515

    run(test, token="t")


def test_an_oauth_token_ends_and_can_be_refreshed() -> None:
    async def test(client: Client) -> None:
        now = 0.0
        client.sandbox.portal.clock = lambda: now
        status, _, headers = await client.call("GET", "/crm/v3/owners")
        assert status == 200
        assert "X-HubSpot-RateLimit-Daily" not in headers
        now = 30.0
        status, body, _ = await client.call("GET", "/crm/v3/owners")
        assert (status, body["category"]) == (401, "EXPIRED_AUTHENTICATION")
        form = {
            "grant_type": "refresh_token",
            "client_id": "c",
            "client_secret": "s",
            "refresh_token": "wrong",
        }
        async with client.http.post("/oauth/v1/token", data=form) as response:
            assert response.status == 400
        form["refresh_token"] = "sandbox-refresh"
        async with client.http.post("/oauth/v1/token", data=form) as response:
            answer = await response.json()
        assert answer["expires_in"] == 30
        bearer = {"Authorization": f"Bearer {answer['access_token']}"}
        assert (await client.call("GET", "/crm/v3/owners", headers=bearer))[0] == 200

    run(test, token_life=30.0)


def test_a_missing_scope_is_named() -> None:
    async def test(client: Client) -> None:
        status, body = await client.post(CREATE, {"inputs": [email(1)]})
        assert (status, body["category"]) == (403, "MISSING_SCOPES")
        scopes = body["errors"][0]["context"]["requiredGranularScopes"]
        assert scopes == ["crm.objects.contacts.write"]

    run(test, missing_scope=True)


def test_a_unique_property_can_be_made_and_holds() -> None:
    async def test(client: Client) -> None:
        path = "/crm/v3/properties/emails"
        assert (await client.call("GET", f"{path}/bulkload_key"))[0] == 404
        assert (await client.post(CREATE, {"inputs": [email(1)]}))[0] == 207
        new = {
            "name": "bulkload_key",
            "label": "key",
            "type": "string",
            "fieldType": "text",
            "groupName": "email",
            "hasUniqueValue": True,
        }
        status, made = await client.post(path, new)
        assert (status, made["hasUniqueValue"]) == (201, True)
        assert (await client.post(path, new))[0] == 409
        assert (await client.call("GET", f"{path}/bulkload_key"))[1]["hasUniqueValue"]
        assert (await client.post(CREATE, {"inputs": [email(1)]}))[0] == 201
        assert (await client.post(CREATE, {"inputs": [email(1)]}))[0] == 207

    run(test, bare=True)


def test_portals_differ_in_what_they_say() -> None:
    async def test(client: Client) -> None:
        bad = email(2, foo="1")
        status, body = await client.post(CREATE, {"inputs": [email(1)]})
        assert status == 200
        assert "objectWriteTraceId" not in body["results"][0]
        assert "startedAt" not in body
        status, body = await client.post(CREATE, {"inputs": [email(3), bad]})
        assert (status, body["errors"][0]["context"]) == (207, {})

    run(test, trace_ids=False, processing_times=False, status_200=True)


def test_forgotten_bodies_leave_their_digest_and_what_they_are_looked_for_by() -> None:
    async def test(client: Client) -> None:
        await client.post(CREATE, {"inputs": [email(1), email(2)]})
        _, raw, _ = await client.call("GET", "/_sandbox/emails")
        kept = [orjson.loads(line) for line in raw.splitlines()]
        assert [one["properties"] for one in kept] == [
            {
                "hs_timestamp": "1700000000000",
                "hs_email_subject": f"subject {number}",
                "bulkload_key": f"k{number}",
            }
            for number in (1, 2)
        ]
        assert len({one["digest"] for one in kept}) == 2
        assert (await client.post(CREATE, {"inputs": [email(1)]}))[0] == 207

    run(test, forget_bodies=True)


def test_the_command_says_where_it_listens_and_stops_on_signals() -> None:
    program = "from bulkload.cli.sandbox import command; command()"
    with subprocess.Popen(
        [sys.executable, "-c", program, "--seed", "1", "--fault", "503=2%"],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("bulkload sandbox listening on http://127.0.0.1:")
        while process.poll() is None:  # one after another, to its very end
            process.send_signal(signal.SIGTERM)
            time.sleep(0.001)
        assert process.stdout.read() == ""
        assert process.returncode == 0
