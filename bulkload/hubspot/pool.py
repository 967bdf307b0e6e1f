"""Connections that are kept, and the doubt whether they still stand.

Law kept here: nothing is sent over a connection that the remote has closed, where that can be
known: a create that is lost on one would be in doubt for nothing. Nor over one on which the remote
spoke unasked: what it said would be taken for the next call's answer.

aiohttp drops a connection that it was told is closed. It can't know yet of a close that waits in
the kernel, and forgets how long the machine slept: monotonic clocks stand still meanwhile.
"""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import aiohttp

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection

IDLE_S = 8.0
"""How long a pooled connection may lie idle and still be trusted."""

SLEPT_S = 1.0
"""So much more wall time than running time has passed: the machine slept, or its clock was set."""


class Connector(aiohttp.TCPConnector):
    """Hands out connections that are new, or that can't be seen to be of no use."""

    def __init__(self, **more: Any) -> None:
        super().__init__(keepalive_timeout=IDLE_S, **more)
        self._known: WeakKeyDictionary[ResponseHandler, float] = WeakKeyDictionary()

    async def connect(self, *arguments: Any, **more: Any) -> Connection:
        """As the base's. Each that is of no use is closed, so this ends with a new one at last."""
        while True:
            connection = await super().connect(*arguments, **more)
            protocol = connection.protocol
            if protocol is None or protocol not in self._known:
                break
            slept = abs(_asleep() - self._known[protocol]) > SLEPT_S
            if not slept and not protocol.should_close and not _speaks(connection):
                break
            connection.close()
        if protocol is not None:
            self._known[protocol] = _asleep()
        return connection


def _asleep() -> float:
    return time.time() - time.monotonic()


def _speaks(connection: Connection) -> bool:
    """Whether there is something to read of a remote that was asked nothing: its close, mostly."""
    transport = connection.transport
    sock = transport.get_extra_info("socket") if transport is not None else None
    if sock is None or sock.fileno() < 0:
        return True
    ready = select.poll()
    ready.register(sock.fileno(), select.POLLIN)
    return bool(ready.poll(0))
