"""The only module that awaits: a call comes in, is admitted, struck by a fault or carried out.

Law: a call is counted against the limits when it arrives, before its body is read; one that
is refused there changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from bulkload.sandbox.answers import Answer, Call, Refused, edge, error, throttled
from bulkload.sandbox.portal import Portal

if TYPE_CHECKING:
    from bulkload.sandbox.faults import Fault

Act = Callable[[Portal, Call], Answer]

_REFUSALS: dict[str, Callable[[], Answer]] = {
    "429": lambda: throttled("TEN_SECONDLY_ROLLING"),
    "423": lambda: error(423, "LOCKED", "The resource is locked; try again in 2 seconds"),
    "401": lambda: error(
        401, "EXPIRED_AUTHENTICATION", "The OAuth token used to make this call expired."
    ),
    "413": lambda: edge(413, "Request Entity Too Large"),
    "503": lambda: error(503, "SERVICE_UNAVAILABLE", "Service Unavailable"),
    "502-html": lambda: edge(502, "Bad Gateway"),
    "500": lambda: error(500, "INTERNAL_ERROR", "internal error"),
}
_AFTERWARDS = {
    "500-after": lambda: error(500, "INTERNAL_ERROR", "internal error"),
    "503-after": lambda: error(503, "SERVICE_UNAVAILABLE", "Service Unavailable"),
    "504-after": lambda: edge(504, "Gateway Time-out"),
}


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    path: str
    act: Act
    create: bool = False  # faults strike here
    search: bool = False  # has a limit of its own, and no rate headers
    open: bool = False  # no token needed


class Door:
    def __init__(self, portal: Portal) -> None:
        self.portal = portal
        self.closing = asyncio.Event()
        self.on_first: Callable[[], None] | None = None
        self._late: set[asyncio.Task[None]] = set()

    def guard(self, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def enter(request: web.Request) -> web.StreamResponse:
            portal = self.portal
            now, wall = portal.clock(), portal.wall()
            if self.on_first is not None:
                self.on_first()
                self.on_first = None
            arrival = portal.arrivals.open(route.path, now)
            status = 0
            try:
                response = await self._pass(request, route, now, wall)
                status = 0 if isinstance(response, _Silence) else response.status
                return response
            finally:
                portal.arrivals.close(arrival, status)

        return enter

    async def close(self) -> None:
        self.closing.set()
        for task in self._late:
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)

    async def _pass(
        self, request: web.Request, route: Route, now: float, wall: float
    ) -> web.StreamResponse:
        portal = self.portal
        if (outage := portal.plan.outage(now)) is not None:
            left = outage.start + outage.length - (now - (portal.plan.first_request or now))
            return await self._outage(request, outage.kind, left)
        refusal = self._admit(request, route, now, wall)
        headers = {} if route.search else portal.limits.headers(now, wall)
        number = 0
        fault: Fault | None = None
        if refusal is None and route.create:
            number = portal.creates_seen
            portal.creates_seen += 1
            fault = portal.plan.fault(number)
        try:
            raw = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return self._send(edge(413, "Request Entity Too Large"), headers)
        if refusal is not None:
            return self._send(refusal, headers)
        call = Call(raw, request.match_info, request.query, now, wall)
        pause = self._latency()
        if pause:
            await asyncio.sleep(pause * 0.6)
        if route.create and self._poisoned(raw):
            portal.struck["poison"] += 1
            if portal.plan.coin(number):
                return _reset(request)
            return self._send(_REFUSALS["500"](), headers)
        if fault is not None:
            portal.struck[fault.kind] += 1
            return await self._strike(request, route, call, fault, headers)
        # What takes effect and what is seen take effect at this instant, not at arrival.
        answer = self._carry_out(route, replace(call, now=portal.clock()))
        if pause:
            await asyncio.sleep(pause * 0.4)
        return self._send(answer, headers)

    def _admit(self, request: web.Request, route: Route, now: float, wall: float) -> Answer | None:
        """Why the call does not get in. A call that does is counted here."""
        portal = self.portal
        if route.open:
            return None
        refusal = portal.tokens.refuse(request.headers.get("Authorization"), now)
        if refusal is not None:
            return refusal
        policy = portal.limits.refuse(now, wall, search=route.search)
        if policy is not None:
            return throttled(policy)
        if portal.config.missing_scope and route.method != "GET":
            return error(
                403,
                "MISSING_SCOPES",
                "This app hasn't been granted all required scopes to make this call. "
                "Read more about required scopes here: https://developers.hubspot.com/scopes.",
                errors=[
                    {
                        "message": "One or more of the following scopes are required.",
                        "context": {"requiredGranularScopes": ["crm.objects.contacts.write"]},
                    }
                ],
            )
        return None

    def _carry_out(self, route: Route, call: Call) -> Answer:
        try:
            answer = route.act(self.portal, call)
        except Refused as refused:
            return refused.answer
        if self.portal.config.status_200 and answer.status == 201:
            return replace(answer, status=200)
        return answer

    def _latency(self) -> float:
        median = self.portal.config.latency
        return median * math.exp(self.portal.dice.gauss(0.0, 0.5)) if median else 0.0

    def _poisoned(self, raw: bytes) -> bool:
        pattern = self.portal.poison
        if pattern is None:
            return False
        try:
            inputs = orjson.loads(raw)["inputs"]
            return any(
                isinstance(value, str) and pattern.search(value)
                for one in inputs
                for value in one["properties"].values()
            )
        except (ValueError, LookupError, TypeError, AttributeError):
            return False

    async def _outage(self, request: web.Request, kind: str, left: float) -> web.StreamResponse:
        self.portal.struck[f"outage-{kind}"] += 1
        if kind == "refuse":
            return _reset(request)
        with contextlib.suppress(web.HTTPRequestEntityTooLarge):
            await request.read()
        if kind == "reset":
            return _reset(request)
        if kind == "stall":
            return await self._stall(request)
        if kind == "477":
            return self._send(_migration(max(1, math.ceil(left))), {})
        return self._send(_REFUSALS["502-html" if kind == "html" else "503"](), {})

    async def _strike(
        self, request: web.Request, route: Route, call: Call, fault: Fault, headers: dict[str, str]
    ) -> web.StreamResponse:
        kind = fault.kind
        if kind in _REFUSALS:
            return self._send(_REFUSALS[kind](), headers)
        if kind == "477":
            return self._send(_migration(self.portal.config.retry_after), headers)
        if kind == "reset-before":
            return _reset(request)
        if kind == "late":
            task = asyncio.create_task(self._later(route, call))
            self._late.add(task)
            task.add_done_callback(self._late.discard)
            return self._send(edge(504, "Gateway Time-out"), headers)
        if kind == "slow":
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.closing.wait(), self.portal.config.slow_by)
        if kind == "stall" and not fault.coin:
            return await self._stall(request)
        answer = self._carry_out(route, replace(call, now=self.portal.clock()))
        if kind in _AFTERWARDS:
            return self._send(_AFTERWARDS[kind](), headers)
        if kind == "reset-after":
            return _reset(request)
        if kind == "stall":
            return await self._stall(request)
        if kind == "truncate":
            return await self._truncate(request, answer, headers)
        if kind == "silent-207" and answer.status in (200, 201, 207):
            answer = _silenced(answer, all_of_it=fault.coin)
        return self._send(answer, headers)

    async def _later(self, route: Route, call: Call) -> None:
        await asyncio.sleep(self.portal.config.late_after)
        self._carry_out(route, replace(call, now=self.portal.clock()))

    async def _stall(self, request: web.Request) -> web.StreamResponse:
        """No answer until the caller gives up or the server closes."""
        while not self.closing.is_set():
            if request.transport is None or request.transport.is_closing():
                return _Silence()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.closing.wait(), 0.5)
        return _reset(request)

    async def _truncate(
        self, request: web.Request, answer: Answer, headers: dict[str, str]
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status, headers=headers)
        response.content_type = answer.content_type
        response.content_length = len(answer.body)
        await response.prepare(request)
        await response.write(answer.body[: len(answer.body) // 2])
        if request.transport is not None:
            request.transport.close()
        return response

    def _send(self, answer: Answer, headers: dict[str, str]) -> web.Response:
        response = web.Response(
            status=answer.status, body=answer.body or None, headers={**headers, **answer.headers}
        )
        if answer.body:
            response.content_type = answer.content_type
            response.charset = "utf-8"
        return response


class _Silence(web.Response):
    """Stands for no answer: the connection is gone, so nothing of it is sent."""


def _migration(wait: int) -> Answer:
    return error(
        477,
        "MIGRATION_IN_PROGRESS",
        "This account is being migrated between data centres. Try again later.",
        headers={"Retry-After": str(wait)},
    )


def _reset(request: web.Request) -> web.StreamResponse:
    """Hang up with an RST: the caller can't tell what became of its call."""
    transport = request.transport
    if transport is not None:
        sock = transport.get_extra_info("socket")
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return _Silence()


def _silenced(answer: Answer, *, all_of_it: bool) -> Answer:
    """The 207 of a bad day: some inputs are in neither results nor errors."""
    body: dict[str, Any] = orjson.loads(answer.body)
    results = body.get("results", [])
    body["results"] = [] if all_of_it else results[: len(results) // 2]
    body.setdefault("errors", [])
    body.setdefault("numErrors", 0)
    return replace(answer, status=207, body=orjson.dumps(body))
