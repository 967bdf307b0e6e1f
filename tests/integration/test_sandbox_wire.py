"""How the sandbox looks from outside: https, a clock of its own, the command's options."""

from __future__ import annotations

import asyncio
import errno
import ssl
import time
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from click.testing import CliRunner

from bulkload.cli.sandbox import command
from bulkload.sandbox.config import Outage, SandboxConfig
from bulkload.sandbox.server import start
from tests.integration.test_sandbox_server import CREATE, Client, email, run

OWNERS = "/crm/v3/owners"


class Files:
    """A certificate for the loopback, its key, and who vouches for it."""

    def __init__(self, folder: Path) -> None:
        trustme = pytest.importorskip("trustme", reason="trustme is not installed")
        authority = trustme.CA()
        issued = authority.issue_cert("127.0.0.1", "localhost")
        self.cert, self.key, self.both = (folder / name for name in ("cert", "key", "both"))
        issued.cert_chain_pems[0].write_to_path(self.cert)
        issued.private_key_pem.write_to_path(self.key)
        issued.private_key_and_cert_chain_pem.write_to_path(self.both)
        self.trusting = ssl.create_default_context()
        authority.configure_trust(self.trusting)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def over_tls(files: Files, config: SandboxConfig, *paths: str) -> list[Any]:
    """The status of a POST to each path, or what came instead, all on one connection."""

    async def inside() -> list[Any]:
        sandbox = await start(config)
        try:
            assert sandbox.url.startswith("https://127.0.0.1:")
            headers = {"Authorization": "Bearer t"}
            out: list[Any] = []
            async with aiohttp.ClientSession(sandbox.url, headers=headers) as http:
                for path in paths:
                    try:
                        async with http.post(path, json={}, ssl=files.trusting) as response:
                            out.append(response.status)
                    except aiohttp.ClientError as broken:
                        out.append(broken)
                with pytest.raises(aiohttp.ClientConnectorCertificateError):
                    await http.post("/crm/v3/owners")  # nobody vouches for it
            return out
        finally:
            await sandbox.close()

    return asyncio.run(inside())


@pytest.mark.parametrize("one_file", [True, False])
def test_it_speaks_https_with_the_certificate_that_it_is_given(
    files: Files, one_file: bool
) -> None:
    config = (
        SandboxConfig(tls_cert=str(files.both))
        if one_file
        else SandboxConfig(tls_cert=str(files.cert), tls_key=str(files.key))
    )
    assert over_tls(files, config, CREATE, "/_sandbox/reset") == [400, 200]


def test_a_reset_is_an_rst_under_tls_too(files: Files) -> None:
    config = SandboxConfig(tls_cert=str(files.both), outages=(Outage(0, 60, "reset"),))
    (broken,) = over_tls(files, config, CREATE)
    assert isinstance(broken, aiohttp.ClientOSError)
    assert broken.errno == errno.ECONNRESET


def test_a_port_that_was_refused_speaks_tls_again(files: Files) -> None:
    async def inside() -> None:
        sandbox = await start(SandboxConfig(tls_cert=str(files.both)))
        now = 1000.0
        sandbox.portal.clock = lambda: now
        try:
            sandbox.portal.plan.add(Outage(0, 5, "refuse"), now)
            async with aiohttp.ClientSession(sandbox.url) as http, asyncio.timeout(10):

                async def ask() -> int:
                    sandbox._listening.look()  # the clock of this test wakes nobody
                    await asyncio.sleep(0.01)
                    try:
                        async with http.get(
                            OWNERS, ssl=files.trusting, headers={"Connection": "close"}
                        ) as response:
                            return response.status
                    except aiohttp.ClientConnectorError:
                        return 0

                while await ask():
                    pass
                now += 5
                while not (status := await ask()):
                    pass
                assert status == 401
        finally:
            await sandbox.close()

    asyncio.run(inside())


@pytest.mark.parametrize("seconds", [3600.0, -3600.0, 0.0])
def test_every_time_that_the_portal_tells_is_off_by_the_same(seconds: float) -> None:
    async def test(client: Client) -> None:
        wall = 1_700_000_000.0 + seconds
        assert abs(client.sandbox.portal.wall() - time.time() - seconds) < 5
        client.sandbox.portal.wall = lambda: wall
        status, body, headers = await client.call("POST", CREATE, {"inputs": [email(1)]})
        assert status == 201
        told = [body["startedAt"], body["completedAt"], body["results"][0]["createdAt"]]
        stamps = [datetime.fromisoformat(one).timestamp() for one in told]
        assert stamps == [wall] * 3
        assert parsedate_to_datetime(headers["Date"]).timestamp() == wall

    run(test, clock_skew=seconds)


def test_a_broken_off_answer_and_an_outage_have_the_portals_date_too() -> None:
    async def test(client: Client) -> None:
        client.sandbox.portal.wall = lambda: 1_700_000_000.0
        async with client.http.post(CREATE, json={"inputs": [email(1)]}) as response:
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()
        dates = [response.headers["Date"]]
        client.sandbox.portal.plan.add(Outage(0, 60, "503"), client.sandbox.portal.clock())
        dates.append((await client.call("GET", OWNERS))[2]["Date"])
        assert dates == ["Tue, 14 Nov 2023 22:13:20 GMT"] * 2

    run(test, faults={"truncate": 1.0})


def test_the_command_hands_each_option_on(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[SandboxConfig] = []
    monkeypatch.setattr("bulkload.sandbox.server.serve", lambda config, *_: seen.append(config))
    words = (
        "--others 6.5 --jitter 50 --poison x --poison-as any --rotate-refresh-tokens "
        "--client-id i --client-secret s --clock-skew -90 --tls-cert c --tls-key k "
        "--outage 0+45:502 --outage 1+2:refused --outage 3+4:423"
    )
    ended = CliRunner().invoke(command, words.split())
    assert ended.exit_code == 0, ended.output
    assert seen == [
        SandboxConfig(
            others=6.5,
            jitter=0.05,
            poison="x",
            poison_as="any",
            rotate_refresh_tokens=True,
            client_id="i",
            client_secret="s",
            clock_skew=-90.0,
            tls_cert="c",
            tls_key="k",
            outages=(Outage(0, 45, "502"), Outage(1, 2, "refuse"), Outage(3, 4, "423")),
        )
    ]


def test_tls_files_that_are_of_no_use_are_named(files: Files, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Files(tmp_path / "other")
    for words, said in (
        (["--tls-cert", str(tmp_path / "absent")], f"cannot use {tmp_path / 'absent'}"),
        (["--tls-cert", str(files.key)], f"cannot use {files.key}"),
        (["--tls-cert", str(files.cert), "--tls-key", str(other.key)], str(other.key)),
        (["--tls-key", str(files.key)], "needs a certificate"),
    ):
        ended = CliRunner().invoke(command, words)
        assert ended.exit_code == 2
        assert said in ended.output


def test_the_portal_knows_its_association_types_and_property_groups() -> None:
    async def test(client: Client) -> None:
        ids = []
        for kind in ("contacts", "companies", "deals", "tickets"):
            path = f"/crm/v4/associations/emails/{kind}/labels"
            ids += [one["typeId"] for one in (await client.call("GET", path))[1]["results"]]
        assert ids == [198, 186, 210, 224]
        assert (await client.call("GET", "/crm/v4/associations/emails/cats/labels"))[0] == 404
        _, body, _ = await client.call("GET", "/crm/v3/properties/emails/groups")
        assert [one["name"] for one in body["results"]] == ["email"]

    run(test)
