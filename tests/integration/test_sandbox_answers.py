"""Whatever becomes of a call, it is answered in HubSpot's words or its connection is cut."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
import pytest

from bulkload.sandbox import sending
from bulkload.sandbox.config import SandboxConfig
from bulkload.sandbox.server import RunningSandbox, start

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

EMAILS, CONTACTS = "/crm/v3/objects/emails", "/crm/v3/objects/contacts"
CREATE = f"{EMAILS}/batch/create"
PROPERTIES = "/crm/v3/properties/emails"


class Client:
    def __init__(self, sandbox: RunningSandbox, http: aiohttp.ClientSession) -> None:
        self.sandbox, self.portal, self._http = sandbox, sandbox.portal, http

    async def __call__(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """(status, body), or 0 and nothing where no answer comes."""
        raw = body if isinstance(body, bytes) or body is None else orjson.dumps(body)
        try:
            async with self._http.request(method, path, data=raw, **more) as response:
                said = await response.read()
                is_json = response.content_type == "application/json"
                return response.status, orjson.loads(said) if said and is_json else None
        except (aiohttp.ClientError, TimeoutError):
            return 0, None


def run(test: Callable[[Client], Awaitable[None]], **options: Any) -> None:
    async def inside() -> None:
        sandbox = await start(SandboxConfig(**options))
        headers = {"Authorization": "Bearer t"}
        timeout = aiohttp.ClientTimeout(total=5)
        try:
            async with aiohttp.ClientSession(sandbox.url, headers=headers, timeout=timeout) as http:
                await test(Client(sandbox, http))
        finally:
            await sandbox.close()

    asyncio.run(inside())


def email(key: str = "k", **properties: str) -> dict[str, Any]:
    values = {"hs_timestamp": "1", "bulkload_key": key, **properties}
    return {"properties": values, "associations": []}


def many(*inputs: dict[str, Any]) -> dict[str, Any]:
    return {"inputs": list(inputs)}


def test_a_body_that_cannot_be_read_is_refused_and_the_next_call_is_heard(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def test(client: Client) -> None:
        broken = {"Content-Encoding": "gzip"}
        status, body = await client("POST", CREATE, b"no gzip at all", headers=broken)
        assert (status, body["category"]) == (400, "VALIDATION_ERROR")
        assert (await client("POST", CREATE, many(email())))[0] == 201

    run(test)
    assert not [line for line in caplog.messages if "Unhandled" in line]


def test_silence_is_never_an_empty_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bulkload.sandbox.strikes.reset", lambda _: sending.Silence())

    async def test(client: Client) -> None:
        assert await client("POST", CREATE, many(email())) == (0, None)

    run(test, faults={"reset-before": 1.0})


@pytest.mark.parametrize("faults", [{}, {"500-after": 1.0}, {"late": 1.0}])
def test_a_mistake_of_its_own_is_answered_and_said_in_one_line(
    faults: dict[str, float], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a secret value")

    async def test(client: Client) -> None:
        monkeypatch.setattr(client.portal.emails, "conflict", broken)
        status, body = await client("POST", CREATE, many(email()))
        assert status == (504 if "late" in faults else 500)
        if status == 500:
            assert body["category"] == "INTERNAL_ERROR"
            assert body["correlationId"]
        await asyncio.sleep(0.02)

    run(test, faults=faults, late_after=0.0)
    (line,) = [record.getMessage() for record in caplog.records]
    assert re.fullmatch(
        r"the sandbox's own mistake: POST \S+: RuntimeError at test_sandbox_answers\.py:\d+", line
    )


def test_numbers_and_options_that_nobody_would_write() -> None:
    async def test(client: Client) -> None:
        long = "9" * 5000
        assert (await client("POST", CREATE, many(email(hubspot_owner_id=long))))[0] == 400
        spec = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 186}]
        link = {"to": {"id": long}, "types": spec}
        status, _ = await client("POST", CREATE, many({**email(), "associations": [link]}))
        assert status == 400
        new = {"name": "x", "label": "x", "type": "enumeration", "fieldType": "select"}
        for options, said in ((None, 201), ([{"label": "a"}], 400), (["a"], 400), ({"a": 1}, 400)):
            body = {**new, "groupName": "email", "options": options}
            assert (await client("POST", PROPERTIES, body))[0] == said

    run(test, check_owners=True, companies=5)


def test_reads_that_are_posts_need_no_scope_to_write() -> None:
    async def test(client: Client) -> None:
        assert (await client("POST", CREATE, many(email())))[0] == 403
        assert (await client("POST", f"{EMAILS}/batch/read", many({"id": "1"})))[0] == 207
        assert (await client("POST", f"{EMAILS}/search", {}))[0] == 200
        assert (await client("GET", PROPERTIES))[0] == 200
        status, body = await client("POST", PROPERTIES, {"name": "x"})
        assert (status, body["category"]) == (403, "MISSING_SCOPES")

    run(test, missing_scope=True)


WRITES: dict[str, Callable[[str], tuple[str, Any]]] = {
    "many": lambda text: (CREATE, many(email(hs_email_subject=text))),
    "one": lambda text: (EMAILS, email(hs_email_subject=text)),
    "upsert": lambda text: (
        f"{EMAILS}/batch/upsert",
        many({**email(hs_email_subject=text), "id": "k", "idProperty": "bulkload_key"}),
    ),
}


@pytest.mark.parametrize("how", WRITES)
def test_faults_and_poison_strike_every_call_that_creates_emails(how: str) -> None:
    async def struck(client: Client) -> None:
        assert (await client("POST", *WRITES[how]("x")))[0] == 503
        assert client.portal.writes_seen == {"emails": 1}
        assert client.portal.emails.live == 0

    async def poisoned(client: Client) -> None:
        assert (await client("POST", *WRITES[how]("BAD")))[0] == 500
        assert (await client("POST", *WRITES[how]("good")))[0] in (200, 201)

    run(struck, faults={"emails:503": 1.0})
    run(poisoned, poison="BAD", poison_as="500")


def test_a_single_contact_is_struck_as_a_batch_is() -> None:
    async def test(client: Client) -> None:
        body = {"properties": {"email": "a@b.com"}, "associations": []}
        assert (await client("POST", CONTACTS, body))[0] == 503

    run(test, faults={"contacts:503": 1.0})


def test_a_reset_leaves_nothing_of_before() -> None:
    async def test(client: Client) -> None:
        def form(refresh: str) -> bytes:
            return f"grant_type=refresh_token&client_id=a&client_secret=b&{refresh}".encode()

        first = form("refresh_token=sandbox-refresh")
        assert (await client("POST", "/oauth/v1/token", first))[0] == 200
        assert (await client("POST", "/oauth/v1/token", first))[0] == 400
        await client("GET", "/account-info/v3/details", headers={"Authorization": ""})
        late = asyncio.create_task(client("POST", CREATE, many(email())))
        while not client.portal.struck:
            await asyncio.sleep(0)
        fresh = (await client("POST", "/_sandbox/reset"))[1]
        await late
        await asyncio.sleep(0.05)
        books = (await client("GET", "/_sandbox/books"))[1]
        assert books == fresh
        assert books["emails"] == books["creates_seen"] == books["unauthorized"] == 0
        assert books["statuses"] == books["faults"] == books["calls"] == {}
        assert books["refreshes"] == 0
        assert (await client("POST", "/oauth/v1/token", first))[0] == 200

    run(test, faults={"slow": 1.0}, slow_by=0.03, rotate_refresh_tokens=True)
    run(test, faults={"late": 1.0}, late_after=0.03, rotate_refresh_tokens=True)


def test_a_list_in_a_query_may_repeat_its_name() -> None:
    async def test(client: Client) -> None:
        await client("POST", CREATE, many(email(hs_email_subject="s")))
        for query in (
            "properties=hs_email_subject&properties=bulkload_key",
            "properties=hs_email_subject,bulkload_key",
        ):
            _, page = await client("GET", f"{EMAILS}?limit=1&limit=2&{query}")
            shown = page["results"][0]["properties"]
            assert (shown["hs_email_subject"], shown["bulkload_key"]) == ("s", "k")

    run(test)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("faults", {"fault": {"503": 1}}),
        ("faults", {"faults": {"503": "nan"}}),
        ("faults", {"faults": {"503": 1}, "outages": [None]}),
        ("faults", {"outages": "0+1:503"}),
        ("faults", [1]),
        ("contacts", {"emails": ["new@b.com", "none"]}),
        ("contacts", {"emails": ["new@b.com;x@b.com", "other@b.com;x@b.com"]}),
        ("contacts", {"emails": ["new@b.com", "contact1@example.com;contact2@example.com"]}),
        ("contacts", {"emails": "new@b.com"}),
        ("contacts", {"emails": ["new@b.com"], "mails": []}),
    ],
)
def test_what_is_wrong_anywhere_changes_nothing(path: str, body: Any) -> None:
    async def test(client: Client) -> None:
        status, said = await client("POST", f"/_sandbox/{path}", body)
        assert status == 400
        assert said["message"]
        assert client.portal.contacts.live == 2
        assert client.portal.plan.rates == {}
        assert client.portal.plan.outages == 0

    run(test, contacts=2)
