"""Every answer of the sandbox has the shape that HubSpot's own specification gives it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from bulkload.sandbox.config import SandboxConfig
from bulkload.sandbox.server import start

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")

ROOT = Path(__file__).resolve().parents[2]
SPEC = Path(
    os.environ.get("BULKLOAD_SPEC") or ROOT.parent / "shared/hubspot/emails-v3.openapi.json"
)
pytestmark = pytest.mark.skipif(
    not SPEC.is_file(), reason="HubSpot's emails specification is not here: set BULKLOAD_SPEC"
)

EMAILS = "/crm/v3/objects/emails"
GOOD: dict[str, Any] = {
    "properties": {
        "hs_timestamp": "1700000000000",
        "hs_email_headers": '{"from":{"email":"a@b.c"}}',
        "bulkload_key": "k",
    },
    "associations": [
        {
            "to": {"id": "1001"},
            "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 198}],
        }
    ],
    "objectWriteTraceId": "good",
}
BAD = {**GOOD, "properties": {"foo": "bar"}, "objectWriteTraceId": "bad"}
NEW = {**GOOD, "properties": {**GOOD["properties"], "bulkload_key": "new"}}
BY_KEY = {"idProperty": "bulkload_key", "properties": ["hs_email_from_email"]}
FILTERS = [{"filters": [{"propertyName": "hs_timestamp", "operator": "GT", "value": "1"}]}]

# method, path as called, body, the answer's status; run in this order against one portal
CALLS: list[tuple[str, str, Any, int]] = [
    ("POST", f"{EMAILS}/batch/create", {"inputs": [GOOD]}, 201),
    ("POST", f"{EMAILS}/batch/create", {"inputs": [BAD, GOOD]}, 207),
    ("POST", f"{EMAILS}/batch/create", {"inputs": [{**BAD, "objectWriteTraceId": None}]}, 400),
    ("POST", f"{EMAILS}/batch/create", {"inputs": []}, 400),
    ("POST", EMAILS, NEW, 201),
    ("POST", EMAILS, BAD, 400),
    ("POST", f"{EMAILS}/batch/read", {**BY_KEY, "inputs": [{"id": "k"}]}, 200),
    ("POST", f"{EMAILS}/batch/read", {**BY_KEY, "inputs": [{"id": "none"}]}, 207),
    ("POST", f"{EMAILS}/batch/read", {"idProperty": "foo", "inputs": [{"id": "none"}]}, 400),
    (
        "POST",
        f"{EMAILS}/batch/update",
        {"inputs": [{"id": "80000000001", "properties": {"hs_email_subject": "new"}}]},
        200,
    ),
    (
        "POST",
        f"{EMAILS}/batch/upsert",
        {
            "inputs": [
                {
                    "id": "other",
                    "idProperty": "bulkload_key",
                    "properties": {"hs_timestamp": "1700000000000"},
                },
                {"id": "k", "idProperty": "bulkload_key", "properties": {}},
            ]
        },
        200,
    ),
    (
        "POST",
        f"{EMAILS}/batch/upsert",
        {
            "inputs": [
                {
                    "id": "k",
                    "idProperty": "bulkload_key",
                    "properties": {"foo": "1"},
                    "objectWriteTraceId": "1",
                }
            ]
        },
        207,
    ),
    ("POST", f"{EMAILS}/search", {"filterGroups": FILTERS, "limit": 1}, 200),
    ("GET", f"{EMAILS}?limit=1&associations=contacts", None, 200),
    ("GET", f"{EMAILS}/80000000001?associations=contacts", None, 200),
    ("PATCH", f"{EMAILS}/80000000001", {"properties": {"hs_email_text": "t"}}, 200),
    ("GET", f"{EMAILS}/1", None, 404),
    ("POST", f"{EMAILS}/batch/archive", {"inputs": [{"id": "80000000002"}]}, 204),
    ("DELETE", f"{EMAILS}/80000000001", None, 204),
    ("GET", f"{EMAILS}/80000000001?archived=true", None, 200),
]


def schema_of(spec: Any, method: str, path: str, status: int) -> dict[str, Any] | None:
    """What the specification says of this answer; an error has the shape `Error`."""
    if status >= 400:
        return {"$ref": "#/components/schemas/Error"}
    plain = path.partition("?")[0]
    known = plain if plain in spec["paths"] else f"{EMAILS}/{{emailId}}"
    answer = spec["paths"][known][method.lower()]["responses"][str(status)]
    content = answer.get("content")
    return content["application/json"]["schema"] if content else None


def test_every_answer_has_the_specified_shape() -> None:
    spec = orjson.loads(SPEC.read_bytes())

    async def inside() -> None:
        sandbox = await start(SandboxConfig(contacts=1))
        try:
            headers = {"Authorization": "Bearer t"}
            async with aiohttp.ClientSession(sandbox.url, headers=headers) as http:
                for method, path, body, status in CALLS:
                    content = None if body is None else orjson.dumps(body)
                    async with http.request(method, path, data=content) as response:
                        raw = await response.read()
                    assert response.status == status, (method, path, raw)
                    schema = schema_of(spec, method, path, status)
                    if schema is None:
                        assert raw == b""
                        continue
                    whole = {**schema, "components": spec["components"]}
                    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
                    jsonschema.Draft202012Validator(whole, format_checker=checker).validate(
                        orjson.loads(raw)
                    )
        finally:
            await sandbox.close()

    asyncio.run(inside())
