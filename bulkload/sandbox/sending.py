"""Answers put on the wire: whole, half, or not at all.

Law: a reset is an RST, as a dying peer or a middlebox sends it, never an orderly end.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bulkload.sandbox.answers import Answer


class Silence(web.Response):
    """Stands for no answer: the connection is gone, so nothing of it is sent."""


def send(answer: Answer, headers: Mapping[str, str]) -> web.Response:
    response = web.Response(
        status=answer.status, body=answer.body or None, headers={**headers, **answer.headers}
    )
    if answer.body:
        response.content_type = answer.content_type
        response.charset = "utf-8"
    return response


def gone(request: web.Request) -> bool:
    """The caller has hung up."""
    return request.transport is None or request.transport.is_closing()


def abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def unread(request: web.Request, response: web.Response) -> web.Response:
    """The answer to a body that can't be read: where the next call would begin is not known."""
    request.content.feed_eof()  # else what is left of it is read, and a traceback logged
    response.force_close()
    return response


def reset(request: web.Request) -> Silence:
    """Hang up with an RST: the caller can't tell what became of its call."""
    transport = request.transport
    if transport is not None:
        sock = transport.get_extra_info("socket")
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return Silence()


async def truncate(
    request: web.Request, answer: Answer, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Announce the whole length, send half, hang up."""
    response = web.StreamResponse(status=answer.status, headers=headers)
    response.content_type = answer.content_type
    response.content_length = len(answer.body)
    with contextlib.suppress(ConnectionError):
        await response.prepare(request)
        await response.write(answer.body[: len(answer.body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response
