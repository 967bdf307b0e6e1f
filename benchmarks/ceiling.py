"""How fast the answer server can answer: requests made beforehand, over raw sockets."""

from __future__ import annotations

import os
import socket
import time
from typing import Any

from benchmarks.processes import answer_server, client_core, cores
from benchmarks.records import lines

CONNECTIONS = 20


def request(size: int = 100) -> bytes:
    """One batch create of `size` records, as bytes on the wire."""
    inputs = b",".join(
        b'%b,"associations":[],"objectWriteTraceId":"run-%d"}' % (line.rstrip()[:-1], n)
        for n, line in enumerate(lines(size))
    )
    body = b'{"inputs":[%b]}' % inputs
    return (
        b"POST /crm/v3/objects/emails/batch/create HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    )


def _answered(connection: socket.socket) -> None:
    received = connection.recv(1 << 18)
    while b"\r\n\r\n" not in received:
        received += connection.recv(1 << 18)
    head, _, body = received.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 201"):
        raise SystemExit("the answer server did not create")
    missing = int(head.rpartition(b"Content-Length: ")[2]) - len(body)
    while missing:
        missing -= len(connection.recv(missing))


def measure(seconds: float) -> dict[str, Any]:
    """Records a second that the server answered, and the share of a core that it took."""
    whole = request()
    free = cores()
    with answer_server() as server:
        connections = [
            socket.create_connection(("127.0.0.1", server.port), 10) for _ in range(CONNECTIONS)
        ]
        if (core := client_core()) is not None:
            os.sched_setaffinity(0, {core})
        try:
            for connection in connections:
                connection.sendall(whole)
            began, done = time.monotonic(), 0
            while time.monotonic() - began < seconds:
                for connection in connections:
                    _answered(connection)
                    connection.sendall(whole)
                done += CONNECTIONS
            took = time.monotonic() - began
        finally:
            if core is not None:
                os.sched_setaffinity(0, free)
            for connection in connections:
                connection.close()
    return {
        "seconds": round(took, 3),
        "requests": done,
        "records_per_s": round(done * 100 / took),
        "request_bytes": len(whole),
    }
