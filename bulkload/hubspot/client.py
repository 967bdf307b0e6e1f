"""A thin shell round one aiohttp session: bytes out, a `Reply` back. Decides nothing.

aiohttp's traps, each with a test on a real socket: a 307 would post the body again
(redirects are not followed); a total timeout would count the wait of others (none is set:
connecting, writing, waiting and reading each have their own); a pooled connection that the
remote closed meanwhile makes a doubtful batch (idle ones are dropped early); an answer may
be endless (it is read with a bound); compressed answers may explode (none are asked for).
Whether a byte of the request left is what the trace says, not the exception's class.
"""

from __future__ import annotations

import asyncio
import io
import os
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from bulkload.errors import RefusedToStart
from bulkload.hubspot.wire import Reply
from bulkload.version import __version__

if TYPE_CHECKING:
    from types import TracebackType

    from bulkload.hubspot.auth import Token

ANSWER_BYTES = 64 << 20
"""Largest answer read. A hundred records come back with their properties."""

IDLE_S = 8.0
"""How long a pooled connection may lie idle and still be trusted."""

CONNECT_S = 10.0

WHOLE_BYTES = 1 << 20
"""Largest body written in one piece; aiohttp warns of more."""


@dataclass(slots=True)
class _Way:
    """How far one request came. The deadline moves on with each stage."""

    scope: asyncio.Timeout
    timeout: float
    left: bool = False
    left_at: float = 0.0
    stage: str = "connect"
    answer: aiohttp.ClientResponse | None = None

    def move(self, stage: str) -> None:
        self.stage = stage
        with suppress(RuntimeError):  # over already: the body is written beside the answer
            self.scope.reschedule(asyncio.get_running_loop().time() + self.timeout)


@dataclass(slots=True)
class Sent:
    """A reply with our clock: `sent_at` 0.0 where nothing left, `ended_at` when it ended."""

    reply: Reply
    sent_at: float
    ended_at: float
    seconds: float = field(init=False)

    def __post_init__(self) -> None:
        self.seconds = self.ended_at - self.sent_at if self.sent_at else 0.0


class Client:
    """One session for the run. `timeout`: seconds without progress before it gives up."""

    def __init__(
        self, base_url: str, token: Token, *, timeout: float = 60.0, connections: int = 20
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise RefusedToStart(
                f"{base_url!r} is not a URL to send to: give --base-url as https://host[:port]"
            )
        if parts.username or parts.password or parts.query or parts.fragment:
            raise RefusedToStart("--base-url takes scheme, host, port and path, nothing else")
        self.base_url = base_url.rstrip("/")
        self._token = token
        self._timeout = timeout
        self._proxy = None if proxy_bypass(parts.hostname) else getproxies().get(parts.scheme)
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(_headers_sent)
        trace.on_request_chunk_sent.append(_chunk_sent)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=connections + 4, keepalive_timeout=IDLE_S, ttl_dns_cache=60
            ),
            timeout=aiohttp.ClientTimeout(total=None),
            trace_configs=[trace],
            raise_for_status=False,
            trust_env=False,  # it would read ~/.netrc, and refuse our token beside one found there
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={
                "User-Agent": f"bulkload/{__version__}",
                "Accept": "application/json",
                "Accept-Encoding": "identity",
            },
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def post(self, path: str, body: bytes) -> Sent:
        return await self._request("POST", path, body)

    async def get(self, path: str) -> Sent:
        return await self._request("GET", path, None)

    async def _request(self, method: str, path: str, body: bytes | None) -> Sent:
        loop = asyncio.get_running_loop()
        headers = {"Authorization": f"Bearer {self._token.reveal()}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        scope = asyncio.timeout(CONNECT_S + self._timeout)
        way = _Way(scope, self._timeout)
        try:
            async with (
                scope,
                self._session.request(
                    method,
                    self.base_url + path,
                    data=_payload(body),
                    headers=headers,
                    allow_redirects=False,
                    proxy=self._proxy,
                    trace_request_ctx=way,
                    timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
                ) as response,
            ):
                way.move("read")
                way.answer = response
                answer, whole = await _read(response.content)
                reply = Reply(response.status, response.headers, answer, whole=whole)
        except TimeoutError:
            reply = _nothing(way, f"no answer in time ({way.stage})")
        except aiohttp.ClientPayloadError:
            reply = _nothing(way, "the answer was cut off")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # ValueError: aiohttp's for an answer that is no HTTP in a way it did not foresee.
            reply = _nothing(way, f"{way.stage}: {_name(error)}")
        return Sent(reply, way.left_at, loop.time())


def _payload(body: bytes | None) -> bytes | io.BytesIO | None:
    """A large body is written in parts: the loop goes on, and the deadline moves with each."""
    return io.BytesIO(body) if body is not None and len(body) > WHOLE_BYTES else body


async def _read(content: aiohttp.StreamReader) -> tuple[bytes, bool]:
    parts, size = [], 0
    async for part in content.iter_any():
        size += len(part)
        if size > ANSWER_BYTES:
            return b"", False
        parts.append(part)
    return b"".join(parts), True


def _nothing(way: _Way, trouble: str) -> Reply:
    if way.answer is not None:  # its status is known: a refusal that was cut off is one
        headers = way.answer.headers
        return Reply(way.answer.status, headers, b"", whole=False, trouble=trouble)
    return Reply(0, MappingProxyType({}), b"", way.left, whole=False, trouble=trouble)


def _name(error: BaseException) -> str:
    """The kind of failure without what it quotes: an error's text may hold the URL or more."""
    cause = getattr(error, "os_error", None) or error
    if isinstance(cause, ConnectionError) and cause.errno:
        return os.strerror(cause.errno)  # "Connection refused"; asyncio's own text hides it
    return getattr(cause, "strerror", None) or type(error).__name__


async def _headers_sent(_session: aiohttp.ClientSession, context: Any, _params: Any) -> None:
    way: _Way = context.trace_request_ctx
    way.left = True
    way.left_at = asyncio.get_running_loop().time()
    way.move("write")


async def _chunk_sent(_session: aiohttp.ClientSession, context: Any, _params: Any) -> None:
    context.trace_request_ctx.move("answer")
