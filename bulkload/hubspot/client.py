"""A thin shell round one aiohttp session: bytes out, a `Reply` back. Decides nothing.

aiohttp's traps, each with a test on a real socket: a 307 would post the body again
(redirects are not followed); a total timeout would count the wait of others (none is set:
connecting, writing, waiting and reading each have their own, and what is written or read a least
speed too); a pooled connection that the remote closed meanwhile makes a doubtful batch (`pool`);
an answer may be endless (its body is read with a bound in bytes and in time; aiohttp bounds its
headers); compressed answers may explode (none are asked for, and what comes all the same is
unpacked within that bound). Whether a byte of the request left is what the trace says, not the
exception's class; what the exception means is `trouble`'s.
"""

from __future__ import annotations

import asyncio
import io
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode

import aiohttp
from aiohttp.http import HttpProcessingError

from bulkload.hubspot import route, trouble
from bulkload.hubspot.pool import Connector
from bulkload.hubspot.replies import Reply, unpacked
from bulkload.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    from bulkload.hubspot.auth import Credentials
    from bulkload.hubspot.route import Route

JSON, FORM = "application/json", "application/x-www-form-urlencoded"

ANSWER_BYTES = 64 << 20
"""Largest answer read. A hundred records come back with their properties."""

CONNECT_S = 10.0

WHOLE_BYTES = 1 << 20
"""Largest body written in one piece; aiohttp warns of more."""

TOKEN_BYTES = 16
"""What is shorter is no token of HubSpot's, and may stand in an answer by chance."""

STALLED_S = 1.0
"""A deadline that comes so much too late tells of us, not of the remote."""

SLOWEST = 16 << 10
"""Bytes a second that a remote has to take of a request, or give of an answer, over all of it."""


@dataclass(slots=True)
class _Way:
    """How far one request came. The deadline moves on with each stage, and with each part that is
    written or read, until `last` at most.
    """

    scope: asyncio.Timeout
    timeout: float
    last: float
    timer: asyncio.TimerHandle | None = None
    left: bool = False
    left_at: float = 0.0
    reading_at: float = 0.0
    stage: str = "connect"
    answer: aiohttp.ClientResponse | None = None

    def move(self, stage: str) -> None:
        self.stage = stage
        until = asyncio.get_running_loop().time() + self.timeout
        if self.timer is not None:  # else it is over: the body is written beside the answer
            self.wait(min(until, self.last))

    def read(self, size: int) -> None:
        """So much of the answer is there. It may go on for as long as it is not too slow."""
        if size == 0:
            self.reading_at = asyncio.get_running_loop().time()
        self.last = self.reading_at + self.timeout + size / SLOWEST
        self.move("read")

    def wait(self, until: float) -> None:
        """Give up then, unless it moves on."""
        self.stop()
        self.timer = asyncio.get_running_loop().call_at(until, self._due, until)

    def stop(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def _due(self, until: float) -> None:
        now = asyncio.get_running_loop().time()
        if now - until > STALLED_S:
            # We stood still, as a suspended process does: the answer may lie in the socket.
            self.wait(now + STALLED_S)
        else:
            with suppress(RuntimeError):  # it has just ended
                self.scope.reschedule(now)


@dataclass(slots=True)
class Sent:
    """A reply with our clock: `sent_at` 0.0 where nothing left, `ended_at` when it ended.

    `token`: the number of the token that it went with.
    """

    reply: Reply
    sent_at: float
    ended_at: float
    token: int = 1
    seconds: float = field(init=False)

    def __post_init__(self) -> None:
        self.seconds = self.ended_at - self.sent_at if self.sent_at else 0.0


class Client:
    """One session for the run. `timeout`: seconds without progress before it gives up.

    `credentials` have a token when a call is made. `ca_file`: certificates in PEM to trust beside
    the system's. Raises RefusedToStart for an address, a proxy of the environment or a CA file
    that is of no use.
    """

    def __init__(
        self,
        base_url: str,
        credentials: Credentials,
        *,
        timeout: float = 60.0,
        connections: int = 20,
        ca_file: Path | None = None,
    ) -> None:
        self._route: Route = route.find(base_url, ca_file)
        self.base_url = self._route.base_url
        self.proxy_place = self._route.proxy_place
        self._credentials = credentials
        self._timeout = timeout
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(_headers_sent)
        trace.on_request_chunk_sent.append(_chunk_sent)
        self._session = aiohttp.ClientSession(
            connector=Connector(
                limit=connections + 4, ttl_dns_cache=60, ssl=self._route.trust or True
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

        # aiohttp would make a GET or DELETE again by itself: a call without a slot, and a file
        # that it deleted would seem to have been gone.
        self._session._retry_connection = False  # noqa: SLF001  # it has no public name

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
        return await self._request("POST", path, body, self._bearer())

    async def post_multipart(self, path: str, body: bytes, content_type: str) -> Sent:
        """A form with files; `content_type` names the boundary."""
        return await self._request("POST", path, body, self._bearer(), content_type)

    async def get(self, path: str) -> Sent:
        return await self._request("GET", path, None, self._bearer())

    async def delete(self, path: str) -> Sent:
        return await self._request("DELETE", path, None, self._bearer())

    async def post_form(self, path: str, form: Mapping[str, str]) -> Sent:
        """A form, without the token: what endpoints take that give tokens."""
        return await self._request("POST", path, urlencode(form).encode(), {}, FORM)

    async def post_open(self, path: str, body: bytes) -> Sent:
        """JSON, without the token in a header."""
        return await self._request("POST", path, body, {})

    async def get_open(self, path: str) -> Sent:
        """Without the token in a header. `path` may hold one: it is in no reply's words."""
        return await self._request("GET", path, None, {})

    def _bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._credentials.reveal()}"}

    async def _request(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str], kind: str = JSON
    ) -> Sent:
        loop, there, token = asyncio.get_running_loop(), self._route, self._credentials.number
        if body is not None:
            headers["Content-Type"] = kind
        login = {"Proxy-Authorization": there.login} if there.login else {}
        if not there.tls:
            headers.update(login)  # there is no tunnel: the proxy reads the request itself
        allowed = CONNECT_S + self._timeout
        writing = self._timeout + len(body or b"") / SLOWEST
        scope = asyncio.timeout(None)
        way = _Way(scope, self._timeout, loop.time() + allowed + writing)
        way.wait(loop.time() + allowed)
        try:
            async with (
                scope,
                self._session.request(
                    method,
                    self.base_url + path,
                    data=_payload(body),
                    headers=headers,
                    allow_redirects=False,
                    proxy=there.proxy,
                    proxy_headers=login if there.tls and there.proxy else None,
                    trace_request_ctx=way,
                    timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
                ) as response,
            ):
                way.read(0)
                way.answer = response
                reply = await self._read(response, way)
        except TimeoutError:
            reply = _nothing(way, f"no answer in time ({way.stage})")
        except aiohttp.ClientPayloadError:
            reply = _nothing(way, "the answer was cut off")
        except (aiohttp.ClientError, HttpProcessingError, OSError, ValueError) as error:
            # ValueError: aiohttp's for an answer that is no HTTP in a way it did not foresee.
            found = trouble.read(error, way.stage, there)
            reply = _nothing(way, found.words, hopeless=found.hopeless)
        finally:
            way.stop()
        return Sent(_hushed(reply, headers), way.left_at, loop.time(), token)

    async def _read(self, response: aiohttp.ClientResponse, way: _Way) -> Reply:
        status, headers = response.status, response.headers
        answer, endless = bytearray(), "the answer is too large"
        if (response.content_length or 0) > ANSWER_BYTES:
            return Reply(status, headers, b"", whole=False, trouble=endless)
        async for part in response.content.iter_any():
            answer += part
            way.read(len(answer))
            if len(answer) > ANSWER_BYTES:
                return Reply(status, headers, b"", whole=False, trouble=endless)
        body = unpacked(bytes(answer), headers.get("Content-Encoding", ""), ANSWER_BYTES)
        if not self._route.tls and trouble.speaks_tls(status, body):
            return Reply(status, headers, body, trouble=trouble.ANSWERS_TLS, hopeless=True)
        return Reply(status, headers, body)


def _payload(body: bytes | None) -> bytes | io.BytesIO | None:
    """A large body is written in parts: the loop goes on, and the deadline moves with each."""
    return io.BytesIO(body) if body is not None and len(body) > WHOLE_BYTES else body


def _hushed(reply: Reply, headers: Mapping[str, str]) -> Reply:
    """Without our token, where the answer quotes it: its words go into dead letters."""
    token = headers.get("Authorization", "").removeprefix("Bearer ").encode()
    if len(token) < TOKEN_BYTES or token not in reply.body:
        return reply
    return reply._replace(body=reply.body.replace(token, b"***"))


def _nothing(way: _Way, words: str, *, hopeless: bool = False) -> Reply:
    if way.answer is not None:  # its status is known: a refusal that was cut off is one
        headers = way.answer.headers
        return Reply(way.answer.status, headers, b"", whole=False, trouble=words)
    nothing = Reply(0, MappingProxyType({}), b"", way.left, whole=False, trouble=words)
    return nothing._replace(hopeless=hopeless)


async def _headers_sent(_session: aiohttp.ClientSession, context: Any, _params: Any) -> None:
    way: _Way = context.trace_request_ctx
    way.left = True
    way.left_at = asyncio.get_running_loop().time()
    way.move("write")


async def _chunk_sent(_session: aiohttp.ClientSession, context: Any, _params: Any) -> None:
    context.trace_request_ctx.move("answer")
