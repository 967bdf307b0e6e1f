"""Networks as they are: TLS with other people's authorities, proxies, IPv6, kept connections."""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
import warnings
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from bulkload.errors import RefusedToStart
from bulkload.hubspot import pool, route
from bulkload.hubspot.auth import Token
from bulkload.hubspot.client import Client, Sent
from bulkload.hubspot.replies import Denied, Doubtful, NotSent
from bulkload.hubspot.wire import judge
from tests.making import batch
from tests.sockets import (
    OK,
    SECRET,
    Authority,
    Tunnels,
    listening,
    page,
    plain_environment,
    raw,
    reset,
    serving,
    stall,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.sockets import Answer, Server

FAR = "https://far.invalid"
PASSWORD = "s3cret%20pass:word"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plain_environment(monkeypatch, tmp_path)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def call(url: str, *, ca_file: Path | None = None, timeout: float = 5.0) -> Sent:
    async def calls() -> Sent:
        async with Client(url, Token(SECRET), timeout=timeout, ca_file=ca_file) as client:
            return await client.post("/x", b"{}")

    return asyncio.run(calls())


def served(
    tls: ssl.SSLContext | None,
    *,
    ca_file: Path | None = None,
    host: str = "127.0.0.1",
    url: Callable[[str], str] = str,
    answer: Answer | None = None,
) -> tuple[Sent, Server]:
    """One post to a server of our own. `url`: what is called of its URL."""

    async def calls() -> tuple[Sent, Server]:
        async with (
            serving(answer or raw(OK), tls=tls, host=host) as (server, there),
            Client(url(there), Token(SECRET), timeout=2, ca_file=ca_file) as client,
        ):
            return await client.post("/x", b"{}"), server

    return asyncio.run(calls())


def denied(sent: Sent) -> str:
    verdict = judge(batch([0]), sent.reply)
    assert isinstance(verdict, Denied), sent
    return verdict.reason


def tunnelled(
    monkeypatch: pytest.MonkeyPatch,
    authority: Authority,
    *,
    refusal: bytes = b"",
    login: str = "",
    wanted: bytes = b"",
    names: tuple[str, ...] = ("far.invalid",),
) -> tuple[Sent, Tunnels, Server]:
    """One post to a server far away, by a proxy of the environment."""

    async def calls() -> tuple[Sent, Tunnels, Server]:
        async with serving(raw(OK), tls=authority.context(*names)) as (server, url):
            tunnels = Tunnels(int(url.rpartition(":")[2]), refusal, wanted)
            async with listening(tunnels.take) as port:
                monkeypatch.setenv("HTTPS_PROXY", f"http://{login}127.0.0.1:{port}")
                async with Client(FAR, Token(SECRET), timeout=2, ca_file=authority.file) as client:
                    await client.post("/x", b"{}")
                    return await client.post("/x", b"{}"), tunnels, server

    return asyncio.run(calls())


# ── TLS ──────────────────────────────────────────────────────────────────────────────────────


def test_an_authority_of_ones_own_is_trusted_where_it_is_named(authority: Authority) -> None:
    sent, server = served(authority.context("127.0.0.1"), ca_file=authority.file)
    assert sent.reply.status == 201
    assert f"Authorization: Bearer {SECRET}".encode() in server.requests[0]


def test_without_its_name_nothing_is_sent_and_the_words_say_what_to_do(
    authority: Authority,
) -> None:
    sent, server = served(authority.context("127.0.0.1"))
    assert (sent.reply.left, server.requests) == (False, [])
    assert "--ca-file" in denied(sent)
    assert "127.0.0.1" in denied(sent)


def test_the_certificate_has_to_be_of_the_host(authority: Authority) -> None:
    sent, server = served(authority.context("other.example"), ca_file=authority.file)
    assert "another" in denied(sent)
    assert server.requests == []


def test_an_expired_certificate_is_said_to_be_expired(authority: Authority) -> None:
    yesterday = datetime.now(tz=UTC) - timedelta(days=1)
    expired = authority.expired("127.0.0.1", not_after=yesterday)
    sent, server = served(expired, ca_file=authority.file)
    assert "expired" in denied(sent)
    assert server.requests == []


def test_a_self_signed_certificate_is_not_trusted(authority: Authority, tmp_path: Path) -> None:
    alone = tmp_path / "alone.pem"
    other = Authority(tmp_path / ".")  # its root, served as if it were a leaf
    other._ca.private_key_pem.write_to_path(str(alone))
    other._ca.cert_pem.write_to_path(str(alone), append=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(alone)
    sent, server = served(context)
    assert "self-signed" in denied(sent)
    assert server.requests == []


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_the_authorities_of_the_environment_are_trusted(
    name: str, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = authority.file
    if name == "SSL_CERT_DIR":
        place = tmp_path / "authorities"
        place.mkdir()
        hashed = _subject_hash(authority.file)
        if not hashed:
            pytest.skip("openssl is not there to name the file by its hash")
        (place / f"{hashed}.0").write_bytes(authority.file.read_bytes())
    monkeypatch.setenv(name, str(place))
    sent, _ = served(authority.context("127.0.0.1"))
    assert sent.reply.status == 201


def _subject_hash(file: Path) -> str:
    import shutil
    import subprocess

    openssl = shutil.which("openssl")
    if openssl is None:
        return ""
    asked = [openssl, "x509", "-noout", "-subject_hash", "-in", str(file)]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


def test_a_ca_file_adds_to_what_the_system_trusts(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    (tmp_path / "b").mkdir()
    another = Authority(tmp_path / "b")
    sent, _ = served(authority.context("127.0.0.1"), ca_file=another.file)
    assert sent.reply.status == 201


@pytest.mark.parametrize("content", [None, b"", b"not a certificate", b"\x30\x82\0\0", b"key"])
def test_a_ca_file_that_is_none_is_refused_by_its_path(
    content: bytes | None, tmp_path: Path
) -> None:
    file = tmp_path / "theirs.pem"
    if content == b"key":
        Authority(tmp_path)._ca.private_key_pem.write_to_path(str(file))
    elif content is not None:
        file.write_bytes(content)
    for url in ("https://127.0.0.1:9", "http://127.0.0.1:9"):
        with pytest.raises(RefusedToStart, match=r"theirs\.pem"):
            call(url, ca_file=file)


def test_a_directory_is_no_ca_file(tmp_path: Path) -> None:
    with pytest.raises(RefusedToStart, match=str(tmp_path)):
        call("https://127.0.0.1:9", ca_file=tmp_path)


def test_tls_is_verified_and_new() -> None:
    context = route.trust(None)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_a_server_with_old_tls_is_not_spoken_to(authority: Authority) -> None:
    old = authority.context("127.0.0.1")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        old.minimum_version = ssl.TLSVersion.TLSv1_1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    sent, server = served(old, ca_file=authority.file)
    assert (sent.reply.status, sent.reply.left, server.requests) == (0, False, [])


def test_a_server_that_says_that_its_tls_is_old_is_told_from_an_outage() -> None:
    async def calls() -> Sent:
        async with (
            listening(raw(ALERT)) as port,
            Client(f"https://127.0.0.1:{port}", Token(SECRET), timeout=2) as client,
        ):
            return await client.post("/x", b"{}")

    assert "1.2" in denied(asyncio.run(calls()))


def test_tls_to_a_port_that_speaks_http_is_told_from_an_outage() -> None:
    async def http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(page(400))
        await writer.drain()

    async def calls() -> Sent:
        async with (
            listening(http) as port,
            Client(f"https://127.0.0.1:{port}", Token(SECRET), timeout=2) as client,
        ):
            return await client.post("/x", b"{}")

    sent = asyncio.run(calls())
    assert "does not speak TLS" in denied(sent)
    assert SECRET not in denied(sent)


ALERT = b"\x15\x03\x01\x00\x02\x02\x46"


@pytest.mark.parametrize(
    "answer",
    [
        page(400, "<html><center>The plain HTTP request was sent to HTTPS port</center></html>"),
        b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
        page(400, "Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />"),
        ALERT,
    ],
    ids=["nginx", "go", "apache", "alert"],
)
def test_http_to_a_port_that_speaks_tls_is_told_from_an_outage(answer: bytes) -> None:
    sent, _ = served(None, answer=raw(answer, close=True))
    assert "https://" in denied(sent)


def test_a_400_of_the_remote_is_no_hint_at_tls() -> None:
    sent, _ = served(None, answer=raw(b"HTTP/1.1 400 x\r\nContent-Length: 2\r\n\r\n{}"))
    assert not sent.reply.hopeless


def test_a_remote_that_breaks_off_the_handshake_is_an_outage() -> None:
    async def calls() -> Sent:
        async with (
            listening(reset) as port,
            Client(f"https://127.0.0.1:{port}", Token(SECRET), timeout=2) as client,
        ):
            return await client.post("/x", b"{}")

    assert isinstance(judge(batch([0]), asyncio.run(calls()).reply), NotSent)


async def talks_nonsense(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Below TLS, in the middle of an answer."""
    writer.write(OK[:30])
    await writer.drain()
    await asyncio.sleep(0.02)
    _below(writer).write(b"nonsense" * 100)
    await asyncio.sleep(0.1)


def _below(writer: asyncio.StreamWriter) -> Any:
    return writer.transport._ssl_protocol._transport  # type: ignore[attr-defined]


@pytest.mark.parametrize("answer", [talks_nonsense, reset, stall], ids=lambda way: way.__name__)
def test_tls_that_breaks_in_an_answer_leaves_it_open(
    answer: Answer, authority: Authority, capfd: pytest.CaptureFixture[str]
) -> None:
    sent, _ = served(authority.context("127.0.0.1"), ca_file=authority.file, answer=answer)
    assert isinstance(judge(batch([0]), sent.reply), Doubtful)
    assert (sent.reply.left, sent.reply.hopeless) == (True, False)
    assert capfd.readouterr() == ("", "")


# ── proxies ──────────────────────────────────────────────────────────────────────────────────


def test_tls_goes_through_the_proxy_of_the_environment_and_is_verified_behind_it(
    monkeypatch: pytest.MonkeyPatch, authority: Authority
) -> None:
    sent, tunnels, server = tunnelled(monkeypatch, authority)
    assert sent.reply.status == 201
    assert tunnels.heads[0].startswith(b"CONNECT far.invalid:443 HTTP/1.1\r\n")
    assert len(tunnels.heads) == 1, "the tunnel is kept"
    assert SECRET.encode() not in b"".join(tunnels.heads)
    assert server.requests[0].startswith(b"POST /x HTTP/1.1\r\n")
    sent, _, server = tunnelled(monkeypatch, authority, names=("near.invalid",))
    assert "another" in denied(sent)
    assert server.requests == []


def test_a_proxys_login_goes_to_the_proxy_alone(
    monkeypatch: pytest.MonkeyPatch, authority: Authority
) -> None:
    pair = base64.b64encode("jo:s3cret pass:wörd".encode())
    sent, tunnels, server = tunnelled(
        monkeypatch, authority, login="jo:s3cret%20pass:w%C3%B6rd@", wanted=pair
    )
    assert sent.reply.status == 201
    assert b"Proxy-Authorization: Basic " + pair in tunnels.heads[0]
    assert b"Proxy-Authorization" not in b"".join(server.requests)


@pytest.mark.parametrize("known", [True, False])
def test_a_proxy_that_is_spoken_to_in_tls_is_verified_too(
    known: bool, monkeypatch: pytest.MonkeyPatch, authority: Authority
) -> None:
    async def calls() -> tuple[Sent, Tunnels]:
        async with serving(raw(OK), tls=authority.context("far.invalid")) as (_, url):
            tunnels = Tunnels(int(url.rpartition(":")[2]))
            tls = authority.context("127.0.0.1" if known else "other.invalid")
            async with listening(tunnels.take, tls=tls) as port:
                monkeypatch.setenv("HTTPS_PROXY", f"https://127.0.0.1:{port}")
                async with Client(FAR, Token(SECRET), timeout=2, ca_file=authority.file) as client:
                    return await client.post("/x", b"{}"), tunnels

    sent, tunnels = asyncio.run(calls())
    assert (sent.reply.status == 201) is known
    assert bool(tunnels.heads) is known
    if not known:
        assert "127.0.0.1" in denied(sent)


@pytest.mark.parametrize("login", ["", f"jo:{PASSWORD}@"])
def test_a_proxy_that_wants_a_login_is_told_from_an_outage(
    login: str, monkeypatch: pytest.MonkeyPatch, authority: Authority
) -> None:
    sent, _, server = tunnelled(monkeypatch, authority, login=login, wanted=b"other")
    said = denied(sent)
    assert "HTTPS_PROXY" in said
    assert ("user:password" in said) is not bool(login)
    assert "pass:word" not in repr(sent)
    assert (sent.reply.left, server.requests) == (False, [])


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 405])
def test_a_proxy_that_refuses_the_way_is_told_from_an_outage(
    status: int, monkeypatch: pytest.MonkeyPatch, authority: Authority
) -> None:
    sent, _, _ = tunnelled(monkeypatch, authority, refusal=page(status))
    said = denied(sent)
    assert "refused" in said
    assert str(status) in said
    assert "<html" not in said


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_proxy_that_finds_no_way_now_is_an_outage_and_nothing_left(
    status: int, monkeypatch: pytest.MonkeyPatch, authority: Authority
) -> None:
    sent, _, _ = tunnelled(monkeypatch, authority, refusal=page(status))
    verdict = judge(batch([0]), sent.reply)
    assert isinstance(verdict, NotSent)
    assert str(status) in verdict.reason


@pytest.mark.parametrize(
    "refusal",
    [b"SSH-2.0-OpenSSH_9\r\n", b"HTTP/1.1 200 OK\r\n\r\n<html>hello</html>", b"\r\n", b"\0" * 9000],
    ids=["ssh", "page", "empty", "zeros"],
)
def test_a_proxy_that_talks_nonsense_lets_nothing_leave(
    refusal: bytes, monkeypatch: pytest.MonkeyPatch, authority: Authority
) -> None:
    sent, _, server = tunnelled(monkeypatch, authority, refusal=refusal)
    assert (sent.reply.left, server.requests) == (False, [])
    assert isinstance(judge(batch([0]), sent.reply), NotSent | Denied)


def test_a_proxy_that_speaks_tls_is_said_to(
    monkeypatch: pytest.MonkeyPatch, authority: Authority
) -> None:
    sent, _, _ = tunnelled(monkeypatch, authority, refusal=ALERT)
    assert "https:// in HTTPS_PROXY" in denied(sent)


def test_a_proxy_that_is_not_there_is_an_outage_that_names_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("HTTPS_PROXY", f"http://jo:{PASSWORD}@127.0.0.1:{port}")
    sent = call(FAR)
    assert isinstance(judge(batch([0]), sent.reply), NotSent)
    assert f"127.0.0.1:{port}" in sent.reply.trouble
    assert "pass:word" not in repr(sent)


def test_a_proxy_of_plain_http_gets_the_login_and_its_407_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def calls() -> tuple[Sent, Server]:
        async with serving(raw(page(407))) as (server, url):
            monkeypatch.setenv("http_proxy", url.replace("//", "//jo:pw@"))
            async with Client("http://far.invalid", Token(SECRET)) as client:
                return await client.post("/x", b"{}"), server

    sent, server = asyncio.run(calls())
    assert b"Proxy-Authorization: Basic " + base64.b64encode(b"jo:pw") in server.requests[0]
    assert "HTTPS_PROXY" in denied(sent)


@pytest.mark.parametrize("status", [400, 403, 407, 511])
def test_a_page_in_place_of_the_remotes_answer_blames_no_record(status: int) -> None:
    sent, _ = served(None, answer=raw(page(status)))
    assert "proxy" in denied(sent)


def test_a_page_with_a_200_is_in_doubt_and_said_to_be_a_page() -> None:
    sent, _ = served(None, answer=raw(page(200)))
    verdict = judge(batch([0]), sent.reply)
    assert isinstance(verdict, Doubtful)
    assert "HTML" in verdict.reason


@pytest.mark.parametrize(
    ("excepted", "url", "by_proxy"),
    [
        ("", FAR, True),
        ("far.invalid", FAR, False),
        (".invalid", FAR, False),
        ("invalid", FAR, False),
        ("*", FAR, False),
        ("near.invalid", FAR, True),
        ("far.invalid:444", FAR + ":444", False),
        ("far.invalid:443", FAR + ":444", True),
        ("fd00::1", "https://[fd00::1]:443", False),
        ("", "https://[fd00::1]:443", True),
        ("", "https://localhost:8443", False),
        ("", "https://127.0.0.2", False),
        ("", "https://[::1]:8443/x", False),
        ("", "http://far.invalid", False),
    ],
)
def test_no_proxy_and_this_machine_are_excepted(
    excepted: str, url: str, by_proxy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid:3128")
    monkeypatch.setenv("NO_PROXY", excepted)
    assert (route.find(url).proxy_place == "proxy.invalid:3128") is by_proxy


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("proxy.invalid:3128", "http://proxy.invalid:3128"),
        ("proxy.invalid", "http://proxy.invalid"),
        ("https://jo:pw@proxy.invalid:1/", "https://proxy.invalid:1"),
        ("http://[fd00::1]:3128", "http://[fd00::1]:3128"),
    ],
)
def test_a_proxy_is_read_as_people_write_it(
    given: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", given)
    found = route.find(FAR)
    assert found.proxy == url
    assert "pw" not in repr(found)


@pytest.mark.parametrize(
    "given",
    [
        f"socks5://jo:{PASSWORD}@proxy.invalid",
        f"http://jo:{PASSWORD}@proxy.invalid:port",
        f"http://jo:{PASSWORD}@[::1",
        f"http://jo:{PASSWORD}@proxy.invalid:99999",
        f"http://jo:{PASSWORD}@",
    ],
)
def test_what_is_no_proxy_is_refused_without_being_quoted(
    given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", given)
    with pytest.raises(RefusedToStart, match="HTTPS_PROXY") as found:
        call(FAR)
    assert "pass" not in str(found.value).replace("user:password", "")


# ── addresses ────────────────────────────────────────────────────────────────────────────────


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
@pytest.mark.parametrize("secure", [False, True])
def test_ipv6_works(secure: bool, authority: Authority) -> None:
    tls = authority.context("::1") if secure else None
    sent, server = served(tls, ca_file=authority.file, host="::1")
    assert sent.reply.status == 201
    assert b"\r\nHost: [::1]:" in server.requests[0]


@pytest.mark.parametrize("url", ["http://127.1:9", "http://a..b:9", "http://" + "a" * 64 + ".b:9"])
def test_an_address_that_is_none_is_told_from_an_outage(url: str) -> None:
    try:
        sent = call(url, timeout=1)
    except RefusedToStart:
        return
    assert "--base-url" in denied(sent)


@pytest.mark.parametrize("url", ["http://[::1", "http://x:99999", "http://x:y", "http://@x"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(RefusedToStart):
        call(url)


# ── kept connections ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("says", [False, True])
def test_a_remote_that_closes_after_each_answer_makes_no_doubt(
    secure: bool, says: bool, authority: Authority
) -> None:
    answer = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") if says else OK

    async def calls() -> tuple[list[int], Server]:
        tls = authority.context("127.0.0.1") if secure else None
        async with (
            serving(raw(answer, close=True), tls=tls) as (server, url),
            Client(url, Token(SECRET), timeout=2, ca_file=authority.file) as client,
        ):
            statuses = []
            for _ in range(100):
                sent = await client.post("/x", b"{}")
                statuses.append(sent.reply.status)
                await asyncio.sleep(0.001)  # what a network takes to say that it is closed
            return statuses, server

    statuses, server = asyncio.run(calls())
    assert statuses == [201] * 100
    assert server.connections == 100


def test_a_close_that_waits_in_the_kernel_is_noticed() -> None:
    # The loop did not run since the remote closed: only the kernel knows.
    async def calls() -> list[int]:
        import threading
        import time

        with socket.create_server(("127.0.0.1", 0)) as listens:

            def serve() -> None:
                for _ in range(5):
                    there, _ = listens.accept()
                    with there:
                        there.recv(1 << 16)
                        there.sendall(OK)
                        time.sleep(0.05)

            thread = threading.Thread(target=serve, daemon=True)
            thread.start()
            url = f"http://127.0.0.1:{listens.getsockname()[1]}"
            statuses = []
            async with Client(url, Token(SECRET), timeout=2) as client:
                for _ in range(5):
                    sent = await client.post("/x", b"{}")
                    statuses.append(sent.reply.status)
                    time.sleep(0.1)
            thread.join(1)
            return statuses

    assert asyncio.run(calls()) == [201] * 5


@pytest.mark.parametrize("later_s", [0.0, 0.05])
def test_an_answer_to_nothing_is_not_taken_for_the_next_ones(later_s: float) -> None:
    second = OK.replace(b"{}", b"[]")

    async def twice(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        await writer.drain()
        await asyncio.sleep(later_s)
        writer.write(second)

    async def calls() -> tuple[list[bytes], Server]:
        async with (
            serving(twice) as (server, url),
            Client(url, Token(SECRET), timeout=2) as client,
        ):
            bodies = []
            for _ in range(3):
                bodies.append((await client.post("/x", b"{}")).reply.body)
                await asyncio.sleep(0.1)
            return bodies, server

    bodies, server = asyncio.run(calls())
    assert bodies == [b"{}"] * 3
    assert server.connections == 3


def test_a_connection_from_before_the_machine_slept_is_not_trusted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def calls() -> int:
        async with (
            serving(raw(OK)) as (server, url),
            Client(url, Token(SECRET), timeout=2) as client,
        ):
            await client.post("/x", b"{}")
            await client.post("/x", b"{}")
            assert server.connections == 1
            asleep = pool._asleep()
            monkeypatch.setattr(pool, "_asleep", lambda: asleep + 3600)
            for _ in range(2):
                assert (await client.post("/x", b"{}")).reply.status == 201
            return server.connections

    assert asyncio.run(calls()) == 2


def test_calls_side_by_side_keep_their_connections() -> None:
    async def calls() -> int:
        async with (
            serving(raw(OK)) as (server, url),
            Client(url, Token(SECRET), timeout=2) as client,
        ):
            for _ in range(10):
                sent = await asyncio.gather(*(client.post("/x", b"{}") for _ in range(8)))
                assert {each.reply.status for each in sent} == {201}
            return server.connections

    assert asyncio.run(calls()) == 8


# ── calls without the token ──────────────────────────────────────────────────────────────────


def test_calls_for_a_token_do_not_carry_one() -> None:
    async def calls() -> Server:
        async with (
            serving(raw(OK)) as (server, url),
            Client(url, Token(SECRET), timeout=2) as client,
        ):
            await client.post_form("/oauth/v1/token", {"a": "1 &", "b": "ü"})
            await client.post_open("/info", b'{"tokenKey":"x"}')
            await client.get_open("/oauth/v1/access-tokens/t0ken")
            return server

    form, post, get = asyncio.run(calls()).requests
    assert b"Content-Type: application/x-www-form-urlencoded\r\n" in form
    assert form.endswith(b"\r\n\r\na=1+%26&b=%C3%BC")
    assert b"Content-Type: application/json\r\n" in post
    assert get.startswith(b"GET /oauth/v1/access-tokens/t0ken HTTP/1.1\r\n")
    for request in (form, post, get):
        assert b"Authorization" not in request
        assert SECRET.encode() not in request


def test_what_a_path_holds_is_in_no_words() -> None:
    async def calls() -> list[Sent]:
        async with serving(stall) as (_, url):
            async with Client(url, Token(SECRET), timeout=0.1) as client:
                stalled = await client.get_open("/t0ken")
            async with Client("http://127.0.0.1:9", Token(SECRET), timeout=0.1) as client:
                refused = await client.get_open("/t0ken")
            return [stalled, refused]

    assert "t0ken" not in repr(asyncio.run(calls()))
