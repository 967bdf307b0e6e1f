"""How sockets die, on real ones: what left, what came back whole, what never ends."""

from __future__ import annotations

import asyncio
import gzip
import socket
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from bulkload.errors import RefusedToStart
from bulkload.hubspot import client as clients
from bulkload.hubspot import files, pool
from bulkload.hubspot.auth import Token
from bulkload.hubspot.client import Client, Sent
from bulkload.hubspot.replies import Doubtful, TryLater
from bulkload.hubspot.sink import Sink
from bulkload.hubspot.wire import judge
from tests.making import batch
from tests.sockets import (
    OK,
    SECRET,
    drip,
    flood,
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


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plain_environment(monkeypatch, tmp_path)


def post(answer: Answer, *, timeout: float = 5.0, body: bytes = b"{}") -> tuple[Sent, Server]:
    async def posts() -> tuple[Sent, Server]:
        async with (
            serving(answer) as (server, url),
            Client(url, Token(SECRET), timeout=timeout) as client,
        ):
            return await Sink(client).create(body), server

    return asyncio.run(posts())


def test_a_whole_answer_is_a_whole_answer() -> None:
    sent, server = post(raw(OK), body=b'{"inputs":[]}')
    assert (sent.reply.status, sent.reply.body, sent.reply.whole) == (201, b"{}", True)
    assert 0 < sent.sent_at <= sent.ended_at
    (request,) = server.requests
    assert request.startswith(b"POST /crm/v3/objects/emails/batch/create HTTP/1.1\r\n")
    assert request.endswith(b'\r\n\r\n{"inputs":[]}')
    assert f"Authorization: Bearer {SECRET}".encode() in request


def test_compressed_answers_are_not_asked_for() -> None:
    _, server = post(raw(OK))
    assert b"accept-encoding: identity" in server.requests[0].lower()


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_one_that_is_compressed_all_the_same_is_read(
    coding: str, pack: Callable[[bytes], bytes]
) -> None:
    body = pack(b'{"results":[]}')
    head = f"HTTP/1.1 201 x\r\nContent-Encoding: {coding}\r\nContent-Length: {len(body)}\r\n\r\n"
    sent, _ = post(raw(head.encode() + body))
    assert (sent.reply.body, sent.reply.whole) == (b'{"results":[]}', True)


@pytest.mark.parametrize("status", [b"301", b"302", b"303", b"307", b"308"])
def test_a_redirect_is_not_followed(status: bytes) -> None:
    answer = b"HTTP/1.1 %s x\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n" % status
    sent, server = post(raw(answer), body=b"once")
    assert sent.reply.status == int(status)
    assert sent.reply.headers["Location"] == "/again"
    assert len(server.requests) == 1


def test_where_no_connection_was_made_nothing_left() -> None:
    async def refused() -> Sent:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        async with Client(f"http://127.0.0.1:{port}", Token(SECRET)) as client:
            return await client.post("/x", b"{}")

    sent = asyncio.run(refused())
    assert (sent.reply.status, sent.reply.left, sent.sent_at) == (0, False, 0)
    assert "refused" in sent.reply.trouble.lower()


def test_where_the_name_is_unknown_nothing_left() -> None:
    async def unknown() -> Sent:
        async with Client("http://nowhere.invalid", Token(SECRET), timeout=2) as client:
            return await client.post("/x", b"{}")

    sent = asyncio.run(unknown())
    assert (sent.reply.status, sent.reply.left, sent.sent_at) == (0, False, 0)


def test_a_reset_after_the_request_leaves_it_open_whether_it_was_taken() -> None:
    sent, _ = post(reset)
    assert (sent.reply.status, sent.reply.left) == (0, True)
    assert sent.sent_at
    assert isinstance(judge(batch([0]), sent.reply), Doubtful)


def test_a_close_without_an_answer_is_the_same() -> None:
    sent, server = post(raw(b"", close=True))
    assert (sent.reply.status, sent.reply.left) == (0, True)
    assert len(server.requests) == 1, "aiohttp must not send a create again by itself"


def test_a_remote_that_is_silent_is_given_up_on() -> None:
    began = time.monotonic()
    sent, _ = post(stall, timeout=0.3)
    assert (sent.reply.status, sent.reply.left) == (0, True)
    assert "in time" in sent.reply.trouble
    assert time.monotonic() - began < 3


def test_an_answer_that_came_while_this_process_stood_still_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clients, "STALLED_S", 0.1)
    came, still = threading.Event(), threading.Event()

    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            came.set()
            still.wait(10)
            self.send_response(201)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    async def posts(url: str) -> Sent:
        loop = asyncio.get_running_loop()

        def stand_still() -> None:
            still.set()
            time.sleep(0.7)

        async with Client(url, Token("t"), timeout=0.3) as there:
            sending = asyncio.create_task(there.post("/x", b"{}"))
            while not came.is_set():
                await asyncio.sleep(0)
            loop.call_soon(stand_still)
            return await sending

    server = HTTPServer(("127.0.0.1", 0), Answering)
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            sent = asyncio.run(posts(f"http://127.0.0.1:{server.server_port}"))
        finally:
            server.shutdown()
            thread.join()
    assert (sent.reply.status, sent.reply.body) == (201, b"{}")


def test_an_answer_that_is_slow_and_goes_on_is_read_to_its_end() -> None:
    async def slow(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 65536\r\n\r\n")
        for part in [b"x" * 8192] * 8:
            await asyncio.sleep(0.1)
            writer.write(part)
            await writer.drain()

    sent, _ = post(slow, timeout=0.4)
    assert (sent.reply.status, sent.reply.whole, len(sent.reply.body)) == (201, True, 65536)
    assert sent.seconds >= 0.8


def test_an_answer_that_drips_for_ever_is_bounded_by_time() -> None:
    began = time.monotonic()
    sent, _ = post(drip, timeout=0.3)
    assert not sent.reply.whole
    assert isinstance(judge(batch([0]), sent.reply), Doubtful)
    assert time.monotonic() - began < 3


def test_an_answer_without_end_is_bounded_by_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "ANSWER_BYTES", 1 << 20)
    sent, _ = post(flood)
    assert (sent.reply.whole, sent.reply.body) == (False, b"")
    assert isinstance(judge(batch([0]), sent.reply), Doubtful)


@pytest.mark.parametrize(
    "answer",
    [
        b'HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{"results":[]}',
        b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
    ],
)
def test_a_body_that_is_cut_off_is_not_whole(answer: bytes) -> None:
    sent, _ = post(raw(answer, close=True))
    assert not sent.reply.whole
    assert isinstance(judge(batch([0]), sent.reply), Doubtful)


def test_a_429_that_is_cut_off_is_still_a_429() -> None:
    answer = b"HTTP/1.1 429 x\r\nRetry-After: 3\r\nContent-Length: 100\r\n\r\n{"
    sent, _ = post(raw(answer, close=True))
    assert judge(batch([0]), sent.reply) == TryLater("429", 3.0, throttled=True)


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"HTTP/1.1 banana\r\n\r\n",
        b"HTTP/1.1 201 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 201 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 201 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=["ssh", "tls", "status", "length", "header", "chunk"],
)
def test_what_is_no_http_is_no_answer(answer: bytes) -> None:
    sent, _ = post(raw(answer, close=True))
    assert isinstance(judge(batch([0]), sent.reply), Doubtful)


def test_a_large_body_that_is_answered_before_it_is_read_is_an_answer() -> None:
    async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 x\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        while await reader.read(1 << 16):
            pass
        writer.close()

    async def posts() -> Sent:
        listening = await asyncio.start_server(early, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        try:
            async with Client(f"http://127.0.0.1:{port}", Token(SECRET), timeout=5) as client:
                return await client.post("/x", b"x" * (8 << 20))
        finally:
            listening.close()
            await asyncio.sleep(0.05)

    sent = asyncio.run(posts())
    assert sent.reply.status == 413


def test_a_connection_that_lay_idle_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "IDLE_S", 0.1)

    async def twice() -> tuple[list[Sent], int]:
        async with (
            serving(raw(OK)) as (server, url),
            Client(url, Token(SECRET)) as client,
        ):
            first = await client.post("/x", b"{}")
            await client.post("/x", b"{}")
            reused = server.connections
            await asyncio.sleep(0.3)
            third = await client.post("/x", b"{}")
            assert reused == 1
            return [first, third], server.connections

    sent, connections = asyncio.run(twice())
    assert connections == 2
    assert [s.reply.status for s in sent] == [201, 201]


def test_a_connection_that_the_remote_closed_meanwhile_makes_no_doubt() -> None:
    async def closes(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        await writer.drain()
        asyncio.get_running_loop().call_later(0.05, writer.close)

    async def twice() -> list[int]:
        async with (
            serving(closes) as (_, url),
            Client(url, Token(SECRET)) as client,
        ):
            first = await client.post("/x", b"{}")
            await asyncio.sleep(0.2)
            second = await client.post("/x", b"{}")
            return [first.reply.status, second.reply.status]

    assert asyncio.run(twice()) == [201, 201]


def test_a_netrc_changes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login someone password theirs\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    sent, server = post(raw(OK))
    assert sent.reply.status == 201
    assert f"Authorization: Bearer {SECRET}".encode() in server.requests[0]


def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async def through() -> tuple[Sent, Server]:
        async with serving(raw(OK)) as (server, url):
            monkeypatch.setenv("http_proxy", url)
            async with Client("http://far.invalid", Token(SECRET)) as client:
                return await client.post("/x", b"{}"), server

    sent, server = asyncio.run(through())
    assert sent.reply.status == 201
    assert server.requests[0].startswith(b"POST http://far.invalid/x HTTP/1.1\r\n")


def test_a_file_goes_as_it_was_made_and_a_deletion_has_no_body() -> None:
    request = files.upload(b"\0\r\n--x" * 300_000, "a.bin", "", "run")  # in parts: over a MiB

    async def sends() -> Server:
        async with (
            serving(raw(OK)) as (server, url),
            Client(url, Token(SECRET)) as client,
        ):
            assert (await Sink(client).upload(request)).reply.status == 201
            assert (await Sink(client).delete_file("7/7")).reply.status == 201
            return server

    uploaded, deleted = asyncio.run(sends()).requests
    head, _, body = uploaded.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /files/v3/files HTTP/1.1\r\n")
    assert f"Content-Type: {request.content_type}".encode() in head.split(b"\r\n")
    assert body == request.body
    assert deleted.startswith(b"DELETE /files/v3/files/7%2F7 HTTP/1.1\r\n")
    assert deleted.endswith(b"\r\n\r\n")
    assert all(f"Authorization: Bearer {SECRET}".encode() in sent for sent in (head, deleted))


@pytest.mark.parametrize("method", ["get", "delete"])
def test_no_call_is_made_again_by_itself(method: str) -> None:
    async def calls() -> tuple[Sent, int]:
        async def once(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if len(server.requests) == 1:
                writer.write(OK)
            else:
                writer.close()

        async with serving(once) as (server, url), Client(url, Token(SECRET)) as client:
            call = getattr(client, method)
            assert (await call("/a")).reply.status == 201
            return await call("/a"), len(server.requests)

    sent, requests = asyncio.run(calls())
    assert requests == 2
    assert (sent.reply.status, sent.reply.left) == (0, True)


def test_a_call_that_is_cancelled_is_cancelled() -> None:
    async def cancels() -> None:
        async with (
            serving(stall) as (_, url),
            Client(url, Token(SECRET)) as client,
        ):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.post("/x", b"{}"), 0.1)

    asyncio.run(cancels())


def test_the_token_is_never_shown() -> None:
    token = Token(SECRET)

    async def shown() -> list[str]:
        async with Client("http://127.0.0.1:9", token) as client:
            sent = await client.post("/x", b"{}")
            return [repr(client), repr(token), str(token), f"{token}", repr(sent), repr([token])]

    assert not any(SECRET in text for text in asyncio.run(shown()))


@pytest.mark.parametrize(
    "url", ["", "hubapi.com", "ftp://x", "https://", "https://u:p@x", "https://x?a=b", "http://x#f"]
)
def test_what_is_no_base_url_is_refused(url: str) -> None:
    async def makes() -> Any:
        return Client(url, Token(SECRET))

    with pytest.raises(RefusedToStart):
        asyncio.run(makes())
