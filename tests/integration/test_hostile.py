"""A remote that means harm, on a raw socket: for each of its ways a verdict, in time, in bounds.

What follows for the records is `wire.judge`'s; here it is that the client always ends with an
answer that can be judged: no exception, no word on stderr, no memory without end.
"""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import time
import zlib
from typing import TYPE_CHECKING, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulkload.hubspot import client as clients
from bulkload.hubspot.auth import Token
from bulkload.hubspot.client import Client, Sent
from bulkload.hubspot.replies import Denied, Doubtful, NotSent
from bulkload.hubspot.wire import Outcomes, Refused, Verdict, judge
from tests.making import batch
from tests.sockets import OK, SECRET, listening, plain_environment, raw, reset, serving

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sockets import Answer

HEAD = b"HTTP/1.1 201 Created\r\n"
TIMEOUT_S = 0.4
IN_TIME_S = 3.0
"""Far more than the client's own bound, far less than for ever: the machine may be busy."""


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plain_environment(monkeypatch, tmp_path)


def post(answer: Answer, *, body: bytes = b"{}", timeout: float = TIMEOUT_S) -> Sent:
    async def posts() -> Sent:
        async with (
            serving(answer) as (_, url),
            Client(url, Token(SECRET), timeout=timeout) as client,
        ):
            return await client.post("/x", body)

    return asyncio.run(posts())


def repeating(first: bytes, part: bytes, pause_s: float = 0.0, times: int = 1 << 60) -> Answer:
    """`first`, then `part` over and over."""

    async def writes(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        for _n in range(times):
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause_s)

    return writes


def dripping(whole: bytes) -> Answer:
    """A byte at a time, never faster than a deadline that moves with each byte would allow."""

    async def writes(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for at in range(len(whole)):
            writer.write(whole[at : at + 1])
            await writer.drain()
            await asyncio.sleep(0.02)

    return writes


async def hold(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Content-Length: 2\r\n\r\n")
    await asyncio.sleep(60)


def chunked(rest: bytes) -> bytes:
    return HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + rest


BOMB = zlib.compress(b"\0" * (32 << 20), 9)

NO_ANSWER: dict[str, Answer] = {
    "reset": reset,
    "zeros without end": repeating(b"", b"\0" * 65536),
    "a line without end": repeating(b"HTTP/1.1 201 ", b"x" * 65536),
    "a header without end": repeating(HEAD + b"X: ", b"x" * 65536),
    "headers without end": repeating(HEAD, b"X: y\r\n" * 1000),
    "headers that drip": repeating(HEAD, b"X: y\r\n", 0.02),
    "a status that drips": dripping(OK * 100),
    "blank lines without end": repeating(b"", b"\r\n" * 1000),
    "100 Continue without end": repeating(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "102 that drips": repeating(b"", b"HTTP/1.1 102 Processing\r\n\r\n", 0.02),
    "a status alone": raw(b"HTTP/1.1 201", close=True),
    "half a header": raw(HEAD + b"Content-", close=True),
    "a status of letters": raw(b"HTTP/1.1 two hundred\r\n\r\n", close=True),
    "a status of five figures": raw(b"HTTP/1.1 20101 x\r\nContent-Length: 0\r\n\r\n", close=True),
    "http/2": raw(b"\0\0\x12\x04\0\0\0\0\0" + b"\0" * 18, close=True),
    "http/0.9": raw(b"<html>hello</html>", close=True),
    "ftp": raw(b"220 ready\r\n", close=True),
    "a length of letters": raw(HEAD + b"Content-Length: x\r\n\r\n{}", close=True),
    "a negative length": raw(HEAD + b"Content-Length: -1\r\n\r\n{}", close=True),
    "two lengths": raw(HEAD + b"Content-Length: 2\r\nContent-Length: 9\r\n\r\n{}", close=True),
    "a length of 5,000 figures": raw(
        HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n{}", close=True
    ),
    "a nul in a header": raw(HEAD + b"X: a\0b\r\n\r\n", close=True),
    "a header without a name": raw(HEAD + b": x\r\n\r\n", close=True),
    "a header with a blank in its name": raw(HEAD + b"X Y: x\r\n\r\n", close=True),
}
"""No whole head came: nobody knows what became of the request."""

NOT_WHOLE: dict[str, Answer] = {
    "a body that never comes": hold,
    "a body that drips": repeating(chunked(b""), b"1\r\nx\r\n", 0.02),
    "a body that drips its length": repeating(HEAD + b"Content-Length: 9999\r\n\r\n", b"x", 0.02),
    "a body without end": repeating(chunked(b""), b"10000\r\n" + b" " * 65536 + b"\r\n"),
    "a body until the end that never comes": repeating(HEAD + b"\r\n", b" " * 65536),
    "a length of 1 GB": repeating(HEAD + b"Content-Length: 1000000000\r\n\r\n", b" " * 65536),
    "a chunk of letters": raw(chunked(b"zz\r\n"), close=True),
    "a chunk of 2**80": raw(chunked(b"1" + b"0" * 20 + b"\r\n{}"), close=True),
    "a negative chunk": raw(chunked(b"-2\r\n{}\r\n0\r\n\r\n"), close=True),
    "a chunk with more than it says": raw(chunked(b"1\r\n{}\r\n0\r\n\r\n"), close=True),
    "a chunk's extension without end": repeating(chunked(b"2;"), b"x" * 65536),
    "trailers without end": repeating(chunked(b"2\r\n{}\r\n0\r\n"), b"X: y\r\n" * 1000),
    "no last chunk": raw(chunked(b"2\r\n{}\r\n"), close=True),
    "half a body": raw(HEAD + b"Content-Length: 9\r\n\r\n{}", close=True),
    "both length and chunks": raw(
        HEAD + b"Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n\r\n",
        close=True,
    ),
    "204 with a body": raw(b"HTTP/1.1 204 x\r\nContent-Length: 2\r\n\r\n{}"),
}
"""The body can't be known. The status is, where the head came apart from what is wrong."""

READ: dict[str, Answer] = {
    "a bomb that was not asked for": raw(
        HEAD + b"Content-Encoding: deflate\r\nContent-Length: %d\r\n\r\n" % len(BOMB) + BOMB
    ),
    "an encoding that is none": raw(HEAD + b"Content-Encoding: x\r\nContent-Length: 1\r\n\r\n{"),
    "a charset that is none": raw(
        HEAD + b"Content-Type: application/json; charset=x\r\nContent-Length: 1\r\n\r\n{"
    ),
    "cookies that are none": raw(HEAD + b"Set-Cookie: \xff=\x01;;=;\r\nContent-Length: 1\r\n\r\n{"),
    "headers that are no utf-8": raw(HEAD + b"Retry-After: \xff\xfe\r\nContent-Length: 1\r\n\r\n{"),
    "101": raw(b"HTTP/1.1 101 x\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n\0\0\0", close=True),
    "205": raw(b"HTTP/1.1 205 x\r\nContent-Length: 0\r\n\r\n"),
    "599": raw(b"HTTP/1.1 599 x\r\nContent-Length: 0\r\n\r\n"),
    "999": raw(b"HTTP/1.1 999 x\r\nContent-Length: 0\r\n\r\n"),
    "a 503 that asks for eternity": raw(
        b"HTTP/1.1 503 x\r\nRetry-After: 99999999999999999999\r\nContent-Length: 0\r\n\r\n"
    ),
    "an answer twice": raw(OK + OK),
    "two hundred answers": raw(OK * 200),
    "nothing": raw(HEAD + b"Content-Length: 0\r\n\r\n"),
    "http/1.0": raw(b"HTTP/1.0 201 x\r\n\r\n", close=True),
}
"""A whole answer, of no use: in doubt, for this or that reason."""


@pytest.mark.parametrize("way", [*NO_ANSWER, *NOT_WHOLE, *READ])
def test_whatever_the_remote_does_the_batch_is_in_doubt_in_time(
    way: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clients, "ANSWER_BYTES", 4 << 20)
    answer = {**NO_ANSWER, **NOT_WHOLE, **READ}[way]
    began = time.monotonic()
    with caplog.at_level(logging.WARNING):
        sent = post(answer)
    assert time.monotonic() - began < IN_TIME_S
    verdict = judge(batch(range(3)), sent.reply)
    assert isinstance(verdict, Doubtful), (verdict, sent.reply)
    assert verdict.reason
    assert sent.reply.left
    assert sent.reply.status == 0 or way not in NO_ANSWER, sent.reply
    assert sent.reply.whole is (way in READ), sent.reply
    assert not caplog.records
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 429, 503])
def test_a_refusal_is_one_however_it_is_sent(status: int) -> None:
    head = b"HTTP/1.1 %d x\r\nTransfer-Encoding: chunked\r\n\r\n" % status
    for answer in (repeating(head, b"1\r\nx\r\n", 0.02), raw(head, close=True)):
        sent = post(answer, timeout=0.2)
        assert (sent.reply.status, sent.reply.whole) == (status, False)
        verdict = judge(batch([0]), sent.reply)
        assert isinstance(verdict, Doubtful) is (status == 503)
        if status in (400, 413):
            assert isinstance(verdict, Refused)


@given(st.binary(max_size=300), st.sampled_from([b"", HEAD, chunked(b""), HEAD + b"X: "]))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_bytes_come_they_have_a_verdict(junk: bytes, first: bytes) -> None:
    sent = post(raw(first + junk, close=True))
    verdict = judge(batch(range(2)), sent.reply)
    assert isinstance(verdict, get_args(Verdict))
    assert not isinstance(verdict, Outcomes | NotSent | Denied), "nothing made it one of these"


@given(st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_an_answer_with_a_byte_changed_has_a_verdict(data: st.DataObject) -> None:
    whole = bytearray(
        b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
        b'\r\n10\r\n{"results":[] } \r\n0\r\n\r\n'
    )
    whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    sent = post(raw(bytes(whole), close=True))
    assert isinstance(judge(batch(range(2)), sent.reply), get_args(Verdict))


def test_the_next_call_is_not_hurt_by_the_last_ones_remains() -> None:
    turns = [*READ.values(), *NO_ANSWER.values()]

    async def calls() -> list[int]:
        good: list[int] = []
        ways = iter([each for turn in turns for each in (turn, raw(OK))])

        async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await next(ways)(reader, writer)

        async with (
            serving(answers) as (_, url),
            Client(url, Token(SECRET), timeout=0.2) as client,
        ):
            for _turn in turns:
                await client.post("/x", b"{}")
                sent = await client.post("/x", b"{}")
                good.append(sent.reply.status)
                assert sent.reply.body == b"{}"
        return good

    assert asyncio.run(calls()) == [201] * len(turns)


@pytest.mark.parametrize("slow", [False, True])
def test_a_remote_that_hardly_takes_the_request_is_given_up_on(
    slow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "SLOWEST", 1 << 40)
    monkeypatch.setattr(clients, "CONNECT_S", 0.3)

    async def takes(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        while slow:
            await reader.read(1 << 16)
            await asyncio.sleep(0.01)  # fast enough for a deadline that moves with each part
        await asyncio.sleep(60)

    async def posts() -> Sent:
        async with (
            listening(takes) as port,
            Client(f"http://127.0.0.1:{port}", Token(SECRET), timeout=0.3) as client,
        ):
            return await client.post("/x", b"x" * (64 << 20))

    began = time.monotonic()
    sent = asyncio.run(posts())
    assert time.monotonic() - began < IN_TIME_S
    assert "in time" in sent.reply.trouble
    assert isinstance(judge(batch([0]), sent.reply), Doubtful)


FLOODED = """
import asyncio, resource, sys
from bulkload.hubspot.auth import Token
from bulkload.hubspot.client import Client

def most():
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

async def flood(reader, writer):
    await reader.readuntil(b"\\r\\n\\r\\n")
    part = b" " * 65536
    try:
        writer.write(b"HTTP/1.1 201 x\\r\\n" + HEAD + b"\\r\\n")
        for _ in range(16000):  # 1 GB
            writer.write(b"10000\\r\\n" + part + b"\\r\\n" if b"chunked" in HEAD else part)
            await writer.drain()
    except OSError:
        pass
    writer.close()

async def main():
    server = await asyncio.start_server(flood, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with Client(f"http://127.0.0.1:{port}", Token("x"), timeout=30) as client:
        before = most()
        for _ in range(2):
            sent = await client.post("/x", b"{}")
            assert (sent.reply.status, sent.reply.whole, sent.reply.body) == (201, False, b"")
        print(most() - before)
        await asyncio.sleep(0.2)
    server.close()

asyncio.run(main())
"""


@pytest.mark.parametrize(
    "head", [b"", b"Transfer-Encoding: chunked\r\n", b"Content-Length: 1000000000\r\n"]
)
def test_a_body_of_a_gigabyte_costs_no_more_than_the_largest_answer(head: bytes) -> None:
    script = FLOODED.replace("HEAD", repr(head))
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    assert int(ended.stdout) < 3 * clients.ANSWER_BYTES
