"""The sandbox's moods over real sockets: limits that change, others' calls, outages, poison."""

from __future__ import annotations

import asyncio
import errno
from itertools import accumulate
from types import SimpleNamespace
from typing import Any

import aiohttp
import orjson
import pytest

from bulkload.sandbox.config import POISON_KINDS, Outage, SandboxConfig
from bulkload.sandbox.server import start
from tests.integration.test_sandbox_server import CREATE, READ, SEARCH, Client, email, run

OWNERS = "/crm/v3/owners"
USAGE = "/account-info/v3/api-usage/daily/private-apps"


async def control(client: Client, what: str, body: Any) -> Any:
    status, shown = await client.post(f"/_sandbox/{what}", body)
    assert status == 200, shown
    return shown


async def arrivals(client: Client) -> list[dict[str, Any]]:
    _, raw, _ = await client.call("GET", "/_sandbox/arrivals")
    return [orjson.loads(line) for line in raw.splitlines()]


async def owners(client: Client) -> tuple[int, dict[str, str]]:
    """A call that any limit and any outage strikes; 0: no answer came."""
    try:
        status, _, headers = await client.call("GET", OWNERS)
    except (aiohttp.ClientError, TimeoutError):
        return 0, {}
    return status, headers


def test_a_limit_that_is_changed_holds_from_the_next_call_on() -> None:
    async def test(client: Client) -> None:
        first = [await owners(client) for _ in range(3)]
        assert [status for status, _ in first] == [200, 200, 429]
        held = await control(client, "limits", {"rate_limit": "4/10s"})
        assert held["rate_limit"] == "4/10s"
        then = [await owners(client) for _ in range(3)]
        assert [status for status, _ in then] == [200, 200, 429]
        assert then[2][1]["X-HubSpot-RateLimit-Max"] == "4"
        await control(client, "limits", {"rate_limit": "1/10s"})
        status, headers = await owners(client)
        assert (status, headers["X-HubSpot-RateLimit-Remaining"]) == (429, "0")
        await control(client, "limits", {"rate_limit": "none", "search_limit": "none"})
        status, headers = await owners(client)
        assert (status, "X-HubSpot-RateLimit-Max" in headers) == (200, False)
        assert (await client.post(SEARCH, {}))[0] == 200
        assert (await client.post("/_sandbox/limits", {"rate_limit": "x"}))[0] == 400
        assert (await client.post("/_sandbox/limits", None))[0] == 400

    run(test, rate_limit=(2, 10.0))


def test_others_use_the_window_and_the_day_of_the_same_account() -> None:
    async def test(client: Client) -> None:
        now = start = client.sandbox.portal.clock()
        client.sandbox.portal.clock = lambda: now
        await control(client, "limits", {"others": 2})
        now = start + 5.1
        _, headers = await owners(client)
        assert headers["X-HubSpot-RateLimit-Remaining"] == "10"  # 21 less ten and ours
        assert headers["X-HubSpot-RateLimit-Daily-Remaining"] == "989"
        now = start + 60.1
        books = await client.books()
        assert (books["others"], books["others_refused"]) == (120, 0)
        assert books["requests"] == {OWNERS: 1}
        assert books["statuses"] == {"200": 1}
        (usage,) = (await client.call("GET", USAGE))[1]["results"]
        assert usage["currentUsage"] == 122
        assert (await owners(client))[0] == 429  # they leave room for one
        held = await control(client, "limits", {"others": 0})
        assert held["others"] == 0
        now = start + 100
        assert (await owners(client))[0] == 200
        assert (await client.books())["others"] == 120

    run(test, rate_limit=(21, 10.0), daily_limit=1000, daily_reset=9999.0)


def test_others_are_there_from_the_start_if_the_config_says_so() -> None:
    async def test(client: Client) -> None:
        await asyncio.sleep(0.05)
        _, headers = await owners(client)
        assert int(headers["X-HubSpot-RateLimit-Remaining"]) <= 1000 - 1 - 10

    run(test, rate_limit=(1000, 10.0), others=200.0)


def test_the_day_that_is_used_up_begins_anew_when_it_is_told_to() -> None:
    async def test(client: Client) -> None:
        wall = start = client.sandbox.portal.wall()
        client.sandbox.portal.wall = lambda: wall
        assert [(await owners(client))[0] for _ in range(2)] == [200, 200]
        status, body, headers = await client.call("GET", OWNERS)
        assert (status, body["policyName"], body["errorType"]) == (429, "DAILY", "RATE_LIMIT")
        assert headers["X-HubSpot-RateLimit-Daily"] == "2"
        assert headers["X-HubSpot-RateLimit-Daily-Remaining"] == "0"
        wall = start + 30.5
        (usage,) = (await client.call("GET", USAGE))[1]["results"]
        assert (usage["currentUsage"], usage["usageLimit"]) == (1, 2)
        held = await control(client, "limits", {"daily_reset": 5})
        assert (held["daily_used"], held["daily_resets_in"]) == (1, 5)
        assert [(await owners(client))[0] for _ in range(2)] == [200, 429]
        wall += 5
        assert (await owners(client))[0] == 200
        held = await control(client, "limits", {"daily_limit": 9})
        assert (held["daily_limit"], held["daily_remaining"]) == (9, 8)

    run(test, daily_limit=2, daily_reset=30.0)


def test_details_say_where_the_portals_midnight_is() -> None:
    async def test(client: Client) -> None:
        client.sandbox.portal.wall = lambda: 1_782_900_000.0  # in July
        _, body, _ = await client.call("GET", "/account-info/v3/details")
        assert (body["portalId"], body["timeZone"]) == (7, "Europe/Berlin")
        assert (body["utcOffset"], body["utcOffsetMilliseconds"]) == ("+02:00", 7_200_000)

    run(test, portal_id=7)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        *((kind, int(kind)) for kind in ("503", "423", "477", "502", "504", "521", "522", "523")),
        *(("524", 524), ("html", 502), ("reset", 0), ("stall", 0)),
    ],
)
def test_an_outage_begun_in_mid_run_strikes_all_calls_until_it_ends(kind: str, status: int) -> None:
    async def test(client: Client) -> None:
        now = client.sandbox.portal.clock()
        client.sandbox.portal.clock = lambda: now
        assert (await owners(client))[0] == 200
        said = await control(client, "outage", {"kind": kind, "seconds": 0.3})
        assert said == {"kind": kind, "seconds": 0.3, "after": 0}
        before = asyncio.get_running_loop().time()
        # Posts both: aiohttp itself repeats a GET whose kept connection breaks.
        answers = await asyncio.gather(post(client, READ), post(client, CREATE))
        took = asyncio.get_running_loop().time() - before
        assert [one[0] for one in answers] == [status, status]
        assert kind != "stall" or took > 0.29  # cut, but not before the outage ends
        for _, headers in answers:
            assert ("Retry-After" in headers) == (kind == "477")
            assert headers.get("Content-Type", "").startswith("text/html") == (
                kind in {"html", "502", "504", "521", "522", "523", "524"}
            )
        now += 0.3
        assert (await owners(client))[0] == 200
        books = await client.books()
        assert (books["emails"], books["faults"]) == (0, {f"outage-{kind}": 2})

    run(test)


async def post(client: Client, path: str) -> tuple[int, dict[str, str]]:
    try:
        status, _, headers = await client.call("POST", path, {"inputs": [email(1)]})
    except (aiohttp.ClientError, TimeoutError):
        return 0, {}
    return status, headers


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_port_that_is_refused_in_mid_run_is_closed_and_kept(host: str) -> None:
    async def until(port: int, wanted: int) -> None:
        """Connect until this comes of it."""
        async with asyncio.timeout(10):
            while True:
                try:
                    _, writer = await asyncio.open_connection(host, port)
                    writer.close()
                    came = 0
                except OSError as refused:
                    came = refused.errno or -1
                if came == wanted:
                    return
                await asyncio.sleep(0.005)

    async def inside() -> None:
        try:
            sandbox = await start(SandboxConfig(outages=(Outage(3600, 1, "refuse"),)), host)
        except OSError:
            pytest.skip(f"no {host} on this machine")
        now = 1000.0
        sandbox.portal.clock = lambda: now
        try:
            port = int(sandbox.url.rpartition(":")[2])
            headers = {"Authorization": "Bearer t"}
            async with aiohttp.ClientSession(sandbox.url, headers=headers) as http:
                for what, body in (
                    ("outage", {"kind": "refused", "seconds": 5}),
                    ("faults", {"outages": ["0+5:refuse"]}),
                ):
                    async with http.get(OWNERS) as response:
                        assert response.status == 200
                    async with http.post(f"/_sandbox/{what}", json=body) as response:
                        assert response.status == 200
                    await until(port, errno.ECONNREFUSED)
                    with pytest.raises(OSError, match="in use"):
                        await asyncio.start_server(lambda *_: None, host, port, reuse_address=False)
                    with pytest.raises(aiohttp.ClientError):  # a connection from before
                        await http.get(OWNERS)
                    now += 5
                    sandbox._listening.look()  # the clock of this test wakes nobody
                    await until(port, 0)
        finally:
            await sandbox.close()

    asyncio.run(inside())


@pytest.mark.parametrize("kind", POISON_KINDS)
def test_poison_fails_its_batch_in_the_way_that_is_asked_for(kind: str) -> None:
    async def test(client: Client) -> None:
        timeout = aiohttp.ClientTimeout(total=0.1 if kind == "stall" else 5)
        call = client.call("POST", CREATE, {"inputs": [email(1), email(2)]}, timeout=timeout)
        if kind in {"500", "503"}:
            assert (await call)[0] == int(kind)
        else:
            with pytest.raises(TimeoutError if kind == "stall" else aiohttp.ClientOSError):
                await call
        assert (await client.post(CREATE, {"inputs": [email(1)]}))[0] == 201
        books = await client.books()
        assert (books["emails"], books["faults"]) == (1, {"poison": 1})

    run(test, poison="^subject 2$", poison_as=kind)


def test_poison_of_any_kind_takes_turns() -> None:
    async def test(client: Client) -> None:
        seen: list[str] = []
        for kind in (*POISON_KINDS, *POISON_KINDS):
            timeout = aiohttp.ClientTimeout(total=0.1 if kind == "stall" else 5)
            try:
                body = {"inputs": [email(2)]}
                seen.append(str((await client.call("POST", CREATE, body, timeout=timeout))[0]))
            except TimeoutError:
                seen.append("stall")
            except aiohttp.ClientOSError:
                seen.append("reset")
        assert seen == [*POISON_KINDS, *POISON_KINDS]

    run(test, poison="^subject 2$", poison_as="any")


def test_arrivals_tell_how_many_calls_were_under_way() -> None:
    async def test(client: Client) -> None:
        await asyncio.gather(*(post(client, CREATE) for _ in range(5)))
        await owners(client)
        seen = await arrivals(client)
        assert [one["method"] for one in seen] == ["POST"] * 5 + ["GET"]
        assert {one["path"] for one in seen[:5]} == {CREATE}
        assert [one["t"] for one in seen] == sorted(one["t"] for one in seen)
        last = max(one["t"] for one in seen[:5])
        assert all(one["ended"] > last for one in seen[:5])  # all five at once
        assert seen[5]["t"] > max(one["ended"] for one in seen[:5])

    run(test, latency=0.4)


def test_a_stalled_call_is_under_way_until_its_caller_has_gone() -> None:
    async def test(client: Client) -> None:
        call = asyncio.create_task(owners(client))
        while not client.sandbox.portal.arrivals.paths:
            await asyncio.sleep(0.005)
        assert [one["ended"] for one in await arrivals(client)] == [None]
        call.cancel()
        async with asyncio.timeout(10):  # far less than the outage
            while (one := (await arrivals(client))[0])["ended"] is None:
                await asyncio.sleep(0.01)
        assert one["ended"] > one["t"]
        assert one["status"] == 0

    run(test, outages=(Outage(0, 60, "stall"),))


def test_a_call_arrives_when_it_has_come_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    ways: list[float] = []

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        ways.append(seconds)

    async def test(client: Client) -> None:
        monkeypatch.setattr("bulkload.sandbox.door.asyncio", SimpleNamespace(sleep=sleep))
        client.sandbox.portal.clock = lambda: now
        for _ in range(30):
            assert (await owners(client))[0] == 200
        assert len(ways) == 30
        assert 0 <= min(ways) < 0.05
        assert 0.15 < max(ways) <= 0.2
        came = [one["t"] for one in await arrivals(client)]
        assert came == [*accumulate(ways, initial=1000.0)][1:]

    run(test, jitter=0.2)
