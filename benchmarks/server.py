"""A server that is not the limit: it answers batch creates with as little work as it can.

One process, one core, a hand-written HTTP/1.1 parser. It takes a request apart no further
than its length and its trace ids, and keeps when each request arrived. `python -m
benchmarks.server` prints its port and serves until it is told to end (SIGTERM).
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import signal
import time
from datetime import UTC, datetime

CREATE = b"POST /crm/v3/objects/emails/batch/create"
ACCOUNT = b"GET /account-info/v3/details"
EMAILS = b"GET /crm/v3/objects/emails"
PROPERTY = b"GET /crm/v3/properties/emails/"
COUNTS = b"GET /benchmark/counts"
ARRIVALS = b"GET /benchmark/arrivals"

TRACE = b'"objectWriteTraceId":'
IDS = [b'{"id":"1%02d' % n for n in range(100)]
"""How the results of a batch begin; the batch's own number follows and makes the id unique, and
as long as HubSpot's are."""

WHEN = b"2024-01-01T00:00:00.000Z"
AFTER_ID = (
    b'","properties":{"hs_createdate":"%b","hs_lastmodifieddate":"%b","hs_object_id":"1"},'
    b'"createdAt":"%b","updatedAt":"%b","archived":false,"objectWriteTraceId":"'
) % (WHEN, WHEN, WHEN, WHEN)
AFTER_TRACE = b'"}'


class Books:
    """What arrived: (monotonic time, whether it was a batch create), and records answered.

    `marked`: the portal has the properties that hold a record's key and run.
    """

    def __init__(self, delay_s: float, *, marked: bool = False) -> None:
        self.delay_s = delay_s
        self.marked = marked
        self.arrivals: list[tuple[float, bool]] = []
        self.records = 0
        self.batches = itertools.count(1)


def stamp() -> bytes:
    return datetime.now(UTC).isoformat(timespec="milliseconds").encode()


def answer(status: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        status,
        len(body),
        body,
    )


def created(books: Books, body: bytes, began: bytes) -> bytes:
    """The answer to a batch create: one result for each trace id in `body`."""
    traces = [part.split(b'"', 2)[1] for part in body.split(TRACE)[1:]]
    number = b"%09d" % next(books.batches)
    results = [
        b"%b%b%b%b%b" % (head, number, AFTER_ID, trace, AFTER_TRACE)
        for head, trace in zip(IDS, traces, strict=False)
    ]
    books.records += len(results)
    return answer(
        b"201 Created",
        b'{"status":"COMPLETE","results":[%b],"startedAt":"%b","completedAt":"%b"}'
        % (b",".join(results), began, stamp()),
    )


def read(books: Books, head: bytes) -> bytes:
    """The answer to anything but a batch create."""
    if head.startswith(ACCOUNT):
        return answer(b"200 OK", b'{"portalId":1,"accountType":"STANDARD","timeZone":"UTC"}')
    if head.startswith(EMAILS):
        return answer(b"200 OK", b'{"results":[]}')
    if books.marked and head.startswith(PROPERTY):
        name = head[len(PROPERTY) :].split(b" ")[0].split(b"?")[0]
        unique = b"true" if name == b"bulkload_key" else b"false"
        return answer(b"200 OK", b'{"name":"%b","hasUniqueValue":%b}' % (name, unique))
    if head.startswith(COUNTS):
        return answer(b"200 OK", b'{"records":%d}' % books.records)
    if head.startswith(ARRIVALS):
        return answer(b"200 OK", json.dumps(books.arrivals).encode())
    return answer(b"404 Not Found", b"{}")


class Connection(asyncio.Protocol):
    """One connection. Requests on it are answered in order; bodies need a Content-Length."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._transport: asyncio.Transport | None = None
        self._head = b""
        self._parts: list[bytes] = []
        self._missing = 0
        self._began = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, received: bytes) -> None:
        while received:
            received = self._body(received) if self._missing else self._headers(received)

    def _headers(self, received: bytes) -> bytes:
        """Take a request's head; returns what came after it."""
        head, found, rest = (self._head + received).partition(b"\r\n\r\n")
        if not found:
            self._head = head
            return b""
        self._head = b""
        creates = head.startswith(CREATE)
        if not head.startswith(b"GET /benchmark/"):
            self._books.arrivals.append((time.monotonic(), creates))
        if not creates:
            self._send(read(self._books, head))
            return rest
        self._began = stamp()
        _, _, length = head.lower().partition(b"\r\ncontent-length:")
        self._missing = int(length.split(b"\r\n", 1)[0])
        return rest

    def _body(self, received: bytes) -> bytes:
        """Take what belongs to the request's body; returns what came after it."""
        mine, rest = received[: self._missing], received[self._missing :]
        self._parts.append(mine)
        self._missing -= len(mine)
        if not self._missing:
            whole = b"".join(self._parts)
            self._parts.clear()
            if self._books.delay_s:
                began = self._began
                asyncio.get_running_loop().call_later(
                    self._books.delay_s, lambda: self._send(created(self._books, whole, began))
                )
            else:
                self._send(created(self._books, whole, self._began))
        return rest

    def _send(self, reply: bytes) -> None:
        assert self._transport is not None
        self._transport.write(reply)


async def serve(books: Books) -> None:
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, told.set)
    server = await loop.create_server(lambda: Connection(books), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await told.wait()
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="The answer server, on a free loopback port.")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds each create takes")
    parser.add_argument("--marked", action="store_true", help="the portal has a key property")
    given = parser.parse_args()
    asyncio.run(serve(Books(given.delay, marked=given.marked)))


if __name__ == "__main__":
    main()
