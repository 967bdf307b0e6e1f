"""OAuth on real sockets: one refresh for all workers, and for all processes that share a file."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web

from bulkload.hubspot.auth import RenewalTrouble, Token
from bulkload.hubspot.client import Client
from bulkload.hubspot.oauth import OAuth
from bulkload.hubspot.paths import OAUTH_TOKEN
from bulkload.hubspot.replies import Reply
from bulkload.sandbox.config import SandboxConfig
from bulkload.sandbox.server import start

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

READ = "/crm/v3/objects/emails?limit=1"
REFRESH = "sandbox-refresh"


def oauth_file(tmp_path: Path, refresh: str = REFRESH) -> Path:
    path = tmp_path / "oauth.json"
    members = {"client_id": "id", "client_secret": "secret", "refresh_token": refresh, "mine": 1}
    path.write_text(json.dumps(members), encoding="utf-8")
    path.chmod(0o600)
    return path


class Hands:
    """The loop's clock, and what a test adds to it."""

    ahead = 0.0

    def __call__(self) -> float:
        return asyncio.get_running_loop().time() + self.ahead


class Portal:
    """The sandbox as a worker sees it; counts what was asked and refused."""

    def __init__(self, http: aiohttp.ClientSession, path: Path) -> None:
        self.http = http
        self.refreshes: list[int] = []
        self.refused = 0
        self.hands = Hands()
        self.credentials = OAuth(path, self.post_form, self.hands)

    async def post_form(self, path: str, form: Mapping[str, str]) -> Reply:
        assert path == OAUTH_TOKEN
        async with self.http.post(path, data=form) as response:
            self.refreshes.append(response.status)
            return Reply(response.status, response.headers, await response.read())

    async def call(self) -> None:
        """One read, as a worker makes it."""
        while True:
            if self.credentials.due():
                await self.credentials.fresh()
            number = self.credentials.number
            headers = {"Authorization": f"Bearer {self.credentials.reveal()}"}
            async with self.http.get(READ, headers=headers) as response:
                if response.status == 200:
                    return
                assert response.status == 401
            self.refused += 1
            assert await self.credentials.renew(number)


@asynccontextmanager
async def portal(path: Path, **options: Any) -> AsyncIterator[Portal]:
    config = SandboxConfig(token="none-but-fetched-ones", rate_limit=None, **options)
    sandbox = await start(config)
    try:
        async with aiohttp.ClientSession(sandbox.url) as http:
            yield Portal(http, path)
    finally:
        await sandbox.close()


def test_twenty_workers_at_a_tokens_end_make_one_refresh_and_no_401(tmp_path: Path) -> None:
    async def run() -> None:
        async with portal(oauth_file(tmp_path), token_life=600.0) as remote:
            await asyncio.gather(*(remote.call() for _ in range(20)))
            assert remote.refreshes == [200]
            remote.hands.ahead += 541.0  # a minute before the end, less a second
            await asyncio.gather(*(remote.call() for _ in range(20)))
            assert remote.refreshes == [200, 200]
            assert (remote.credentials.number, remote.refused) == (2, 0)

    asyncio.run(run())


def test_a_token_that_ends_unforeseen_costs_no_more_401s_than_calls_in_flight(
    tmp_path: Path,
) -> None:
    async def run() -> None:
        async with portal(oauth_file(tmp_path), token_life=600.0) as remote:
            await remote.call()
            async with remote.http.post("/_sandbox/expire") as response:
                assert response.status == 200
            remote.hands.ahead += 15.0  # the token was not fetched a moment ago
            await asyncio.gather(*(remote.call() for _ in range(20)))
            assert remote.refreshes == [200, 200]
            assert 1 <= remote.refused <= 20

    asyncio.run(run())


def test_rotated_refresh_tokens_outlive_the_process(tmp_path: Path) -> None:
    path = oauth_file(tmp_path)

    async def run() -> None:
        options: dict[str, Any] = {"token_life": 600.0, "rotate_refresh_tokens": True}
        async with portal(path, **options) as remote:
            await remote.call()
            first = json.loads(path.read_text(encoding="utf-8"))
            assert first["refresh_token"] != REFRESH
            assert first["mine"] == 1
            remote.hands.ahead += 541.0
            await remote.call()
            second = Portal(remote.http, path)  # as the next process would begin
            await second.call()
            assert (remote.refreshes, second.refreshes) == ([200, 200], [200])
            assert path.stat().st_mode & 0o777 == 0o600

    asyncio.run(run())


def test_the_runs_own_client_carries_the_refresh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)

    async def run() -> None:
        config = SandboxConfig(token="none-but-fetched-ones", token_life=600.0)
        sandbox = await start(config)
        try:
            async with Client(sandbox.url, Token("refused")) as client:

                async def post_form(path: str, form: Mapping[str, str]) -> Reply:
                    return (await client.post_form(path, form)).reply

                credentials = OAuth(oauth_file(tmp_path), post_form)
                await credentials.fresh()
                fetched = Token(credentials.reveal())
                await credentials.close()
                bad = OAuth(oauth_file(tmp_path, "wrong"), post_form)
                with pytest.raises(RenewalTrouble, match="400 BAD_REFRESH_TOKEN") as found:
                    await bad.fresh()
                assert found.value.hopeless
            async with Client(sandbox.url, fetched) as client:
                assert (await client.get(READ)).reply.status == 200
        finally:
            await sandbox.close()

    asyncio.run(run())


SHARER = """
import asyncio, pathlib, sys
import aiohttp
from bulkload.hubspot import oauth, oauthfile
from bulkload.hubspot.replies import Reply

oauth.SETTLE_S = 0.0
oauthfile.LOCK_POLL_S = 0.005

async def run(url, path):
    async with aiohttp.ClientSession(url) as http:
        async def post_form(where, form):
            async with http.post(where, data=form) as response:
                return Reply(response.status, response.headers, await response.read())
        credentials = oauth.OAuth(pathlib.Path(path), post_form)
        await credentials.fresh()
        for _ in range(9):
            assert await credentials.renew(credentials.number)
        print(credentials.number, credentials.warning)

asyncio.run(run(*sys.argv[1:]))
"""


def test_two_processes_that_share_a_file_never_use_a_dead_refresh_token(tmp_path: Path) -> None:
    path = oauth_file(tmp_path, "refresh-0")
    under_way, most, refused = 0, 0, 0
    made = 0

    async def refresh(request: web.Request) -> web.Response:
        """Each refresh token is dead as soon as it was used."""
        nonlocal under_way, most, refused, made
        under_way += 1
        most = max(most, under_way)
        try:
            form = await request.post()
            good = form["refresh_token"] == f"refresh-{made}"
            made += good
            answer = {
                "access_token": f"access-{made}",
                "refresh_token": f"refresh-{made}",
                "expires_in": 600,
            }
            await asyncio.sleep(0.01)  # long enough for the other to come in between
        finally:
            under_way -= 1
        if not good:
            refused += 1
            return web.json_response({"status": "BAD_REFRESH_TOKEN"}, status=400)
        return web.json_response(answer)

    async def run() -> list[tuple[bytes, bytes]]:
        app = web.Application()
        app.router.add_post(OAUTH_TOKEN, refresh)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            sharers = [
                await asyncio.create_subprocess_exec(
                    sys.executable, "-c", SHARER, url, str(path),
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                )
                for _ in range(2)
            ]  # fmt: skip
            return await asyncio.gather(*(sharer.communicate() for sharer in sharers))
        finally:
            await runner.cleanup()

    for said, errors in asyncio.run(asyncio.wait_for(run(), 60)):
        assert errors == b""
        assert said.split() == [b"10", b"None"]
    assert (made, refused, most) == (20, 0, 1)
    kept = json.loads(path.read_text(encoding="utf-8"))
    assert (kept["refresh_token"], kept["mine"]) == ("refresh-20", 1)
