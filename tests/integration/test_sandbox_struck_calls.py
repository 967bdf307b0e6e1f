"""Each fault over a real socket: what the caller sees, and what the books say afterwards."""

from __future__ import annotations

import asyncio
import errno
from typing import Any

import aiohttp
import orjson
import pytest

from bulkload.sandbox.config import Outage, SandboxConfig
from bulkload.sandbox.server import RunningSandbox, start

CREATE = "/crm/v3/objects/emails/batch/create"


async def create(sandbox: RunningSandbox, number: int = 0, *, count: int = 4) -> Any:
    """(status, body), or the error that a caller gets instead of an answer."""
    inputs = [
        {
            "properties": {"hs_timestamp": "1", "bulkload_key": f"{number}-{n}"},
            "associations": [],
            "objectWriteTraceId": str(n),
        }
        for n in range(count)
    ]
    timeout = aiohttp.ClientTimeout(total=0.05 if sandbox.portal.plan.rates.get("stall") else 5)
    headers = {"Authorization": "Bearer t"}
    try:
        async with (
            aiohttp.ClientSession(sandbox.url, headers=headers, timeout=timeout) as http,
            http.post(CREATE, data=orjson.dumps({"inputs": inputs})) as response,
        ):
            return response.status, await response.read(), dict(response.headers)
    except (aiohttp.ClientError, TimeoutError) as broken:
        return broken


def once(**options: Any) -> tuple[Any, int]:
    """One create under these options, and the number of records that came of it."""

    async def inside() -> tuple[Any, int]:
        sandbox = await start(SandboxConfig(**options))
        try:
            answer = await create(sandbox)
            await asyncio.sleep(0.01)  # a late one takes place
            return answer, sandbox.portal.emails.live
        finally:
            await sandbox.close()

    return asyncio.run(inside())


@pytest.mark.parametrize(
    ("kind", "status", "records"),
    [
        ("429", 429, 0),
        ("423", 423, 0),
        ("477", 477, 0),
        ("401", 401, 0),
        ("413", 413, 0),
        ("503", 503, 0),
        ("502-html", 502, 0),
        ("500", 500, 0),
        ("500-after", 500, 4),
        ("503-after", 503, 4),
        ("504-after", 504, 4),
        ("late", 504, 4),
        ("silent-207", 207, 4),
        ("slow", 201, 4),
    ],
)
def test_faults_that_answer(kind: str, status: int, records: int) -> None:
    answer, live = once(faults={kind: 1.0}, late_after=0.0, slow_by=0.0)
    assert answer[0] == status
    assert live == records
    if kind == "477":
        assert answer[2]["Retry-After"] == "1"
    if kind == "silent-207":
        body = orjson.loads(answer[1])
        assert len(body["results"]) < 4
        assert (body["numErrors"], body["errors"]) == (0, [])


@pytest.mark.parametrize(
    ("kind", "records"), [("reset-before", {0}), ("reset-after", {4}), ("stall", {0, 4})]
)
def test_faults_that_do_not_answer(kind: str, records: set[int]) -> None:
    answer, live = once(faults={kind: 1.0})
    expected = TimeoutError if kind == "stall" else aiohttp.ClientOSError
    assert isinstance(answer, expected)
    if kind != "stall":
        assert answer.errno == errno.ECONNRESET  # an RST, not an orderly end
    assert live in records


def test_a_truncated_answer_breaks_off() -> None:
    answer, live = once(faults={"truncate": 1.0})
    assert isinstance(answer, aiohttp.ClientPayloadError)
    assert live == 4


def test_the_same_seed_gives_the_same_faults() -> None:
    async def inside() -> list[Any]:
        faults = {"503": 0.3, "500-after": 0.3}
        sandbox = await start(SandboxConfig(seed=5, faults=faults, rate_limit=None))
        try:
            answers = [await create(sandbox, number, count=1) for number in range(20)]
            assert sum(sandbox.portal.struck.values()) > 5
            return [status for status, *_ in answers]
        finally:
            await sandbox.close()

    first = asyncio.run(inside())
    assert first == asyncio.run(inside())
    assert {201, 503, 500} == set(first)


@pytest.mark.parametrize(
    ("kind", "status"), [("503", 503), ("html", 502), ("477", 477), ("reset", 0)]
)
def test_an_outage_covers_every_call(kind: str, status: int) -> None:
    answer, live = once(outages=(Outage(0, 30, kind),))
    if status:
        assert answer[0] == status
    else:
        assert isinstance(answer, aiohttp.ClientError)
    if kind == "477":
        assert 25 < int(answer[2]["Retry-After"]) <= 30
    assert live == 0


def test_a_refused_port_opens_again() -> None:
    async def inside() -> None:
        outages = (Outage(0.02, 0.08, "refuse"),)
        sandbox = await start(SandboxConfig(outages=outages))
        try:
            assert (await create(sandbox, 1))[0] == 201
            await asyncio.sleep(0.05)
            assert isinstance(await create(sandbox, 2), aiohttp.ClientConnectorError)
            await asyncio.sleep(0.1)
            assert (await create(sandbox, 3))[0] == 201
        finally:
            await sandbox.close()

    asyncio.run(inside())


def test_poison_fails_every_batch_it_is_in() -> None:
    async def inside() -> None:
        sandbox = await start(SandboxConfig(poison=r"^7-2$"))
        try:
            for _ in range(4):
                answer = await create(sandbox, 7)
                assert isinstance(answer, aiohttp.ClientError) or answer[0] == 500
            assert (await create(sandbox, 8))[0] == 201
            assert sandbox.portal.emails.live == 4
        finally:
            await sandbox.close()

    asyncio.run(inside())


def test_faults_can_be_changed_while_it_runs() -> None:
    async def inside() -> None:
        sandbox = await start(SandboxConfig())
        try:
            async with aiohttp.ClientSession(sandbox.url) as http:
                async with http.post("/_sandbox/faults", json={"faults": {"503": 1}}) as response:
                    assert response.status == 200
                assert (await create(sandbox))[0] == 503
                async with http.post("/_sandbox/faults", json={"faults": {"nope": 1}}) as response:
                    assert response.status == 400
                body = {"faults": {}, "outages": ["0+30:html"]}
                async with http.post("/_sandbox/faults", json=body) as response:
                    assert response.status == 200
                assert (await create(sandbox))[0] == 502
        finally:
            await sandbox.close()

    asyncio.run(inside())


def test_half_a_call_is_dropped_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    async def inside() -> None:
        sandbox = await start(SandboxConfig())
        try:
            port = int(sandbox.url.rpartition(":")[2])
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            head = f"POST {CREATE} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\n"
            writer.write(f'{head}Content-Length: 99\r\n\r\n{{"inputs"'.encode())
            await writer.drain()
            while not sandbox.portal.arrivals.paths:
                await asyncio.sleep(0)
            writer.transport.abort()
            while not sandbox.portal.arrivals.statuses:
                await asyncio.sleep(0)
            assert sandbox.portal.arrivals.statuses == {0: 1}
            assert sandbox.portal.emails.live == 0
        finally:
            await sandbox.close()

    asyncio.run(inside())
    assert not caplog.records
