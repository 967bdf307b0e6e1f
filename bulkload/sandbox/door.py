"""The way in: a call arrives, is admitted or refused, then struck by a fault or carried out.

Law: a call is counted against the limits when it arrives, before its body is read, and one
that is refused there changes nothing. It has ended when its answer is written out or its
connection is cut, not before, and one of the two becomes of every call. Endpoints are plain
functions: nothing can await between their checks and their writes.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aiohttp import web

from bulkload.sandbox.answers import Answer, Call, Refused, edge, error, throttled, validation
from bulkload.sandbox.mishaps import told
from bulkload.sandbox.scopes import granted
from bulkload.sandbox.sending import Silence, abort, gone, send, unread
from bulkload.sandbox.strikes import Strikes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bulkload.sandbox.portal import Portal


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    path: str
    act: Callable[[Portal, Call], Answer]
    writes: str | None = None  # "emails", "contacts", "files": faults strike here
    search: bool = False  # has a limit of its own, and no rate headers
    open: bool = False  # no token needed
    scope: str | None = None  # what a token needs for it


class Door:
    def __init__(self, portal: Portal) -> None:
        self.portal = portal
        self.on_outages: Callable[[], None] = lambda: None  # called when they have changed
        self._strikes = Strikes(portal)
        self._scopes = frozenset(granted(portal.config))

    async def close(self) -> None:
        await self._strikes.close()

    def guard(self, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """The aiohttp handler of a route."""

        async def enter(request: web.Request) -> web.StreamResponse:
            portal = self.portal
            if portal.config.jitter:
                await asyncio.sleep(portal.way.random() * portal.config.jitter)
            now, wall = portal.clock(), portal.wall()
            if portal.plan.begin(now):
                self.on_outages()
            arrivals = portal.arrivals  # a reset begins others
            arrival = arrivals.open(route.path, now, request.method)
            status = 0
            try:
                response = await self._answer(request, route, now, wall)
                if isinstance(response, Silence):
                    abort(request)  # else an empty 200 would be written
                else:
                    status = response.status
                    await self._write_out(request, response)
                return response
            finally:
                arrivals.close(arrival, status, portal.clock())

        return enter

    async def _write_out(self, request: web.Request, response: web.StreamResponse) -> None:
        """What aiohttp would do after this; here the end of it can be told."""
        if not response.prepared:
            response.headers["Date"] = self.portal.date()
        with contextlib.suppress(ConnectionError):  # the caller went away
            await response.prepare(request)
            await response.write_eof()

    async def _answer(
        self, request: web.Request, route: Route, now: float, wall: float
    ) -> web.StreamResponse:
        try:
            return await self._pass(request, route, now, wall)
        except web.HTTPException:
            raise
        except Exception as mistake:  # noqa: BLE001  # whatever it is, the caller is answered
            return send(told(f"{request.method} {route.path}", mistake), {})

    async def _pass(
        self, request: web.Request, route: Route, now: float, wall: float
    ) -> web.StreamResponse:
        portal, strikes = self.portal, self._strikes
        life = portal.life
        if (outage := portal.plan.outage(now)) is not None:
            return await strikes.outage(request, outage.kind, outage.end - now)
        refusal = self._admit(request, route, now, wall)
        headers = {} if route.search else portal.limits.headers(now, wall)
        number = 0
        if refusal is None and route.writes is not None:
            number = portal.writes_seen[route.writes]
            portal.writes_seen[route.writes] += 1
        try:
            raw = await self._body(request, route)
        except web.HTTPRequestEntityTooLarge:
            return send(edge(413, "Request Entity Too Large"), headers)
        except (ConnectionError, web.RequestPayloadError):
            if gone(request):
                return Silence()  # the caller went away before it had said all
            answer = refusal or validation("The request body can't be read")
            return unread(request, send(answer, headers))
        if refusal is not None:
            return send(refusal, headers)
        content_type = request.headers.get("Content-Type", "")
        call = Call(raw, request.match_info, _query(request), now, wall, content_type)

        def carry_out() -> Answer:
            if portal.life != life:
                return error(503, "SERVICE_UNAVAILABLE", "The portal was reset meanwhile")
            # What is seen and what is written go by this instant, not by the arrival.
            return self._carry_out(route, replace(call, now=portal.clock()))

        pause = self._latency()
        if pause:
            await asyncio.sleep(pause * 0.6)
        if route.writes is not None:
            if route.writes == "emails" and strikes.poisoned(raw):
                return await strikes.poison(request, number, headers)
            if (fault := portal.plan.fault(number, route.writes)) is not None:
                return await strikes.fault(request, fault, headers, carry_out, route.writes)
        answer = carry_out()
        if pause:
            await asyncio.sleep(pause * 0.4)
        return send(answer, headers)

    async def _body(self, request: web.Request, route: Route) -> bytes:
        """Uploads have a bound of their own: twice the largest file, so that HubSpot says no."""
        config = self.portal.config
        if route.writes == "files":
            request = request.clone(client_max_size=max(config.max_body, 2 * config.max_file))
        return await request.read()

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
        if route.scope is not None and route.scope not in self._scopes:
            return _missing(route.scope)
        return None

    def _carry_out(self, route: Route, call: Call) -> Answer:
        try:
            answer = route.act(self.portal, call)
        except Refused as refused:
            return refused.answer
        except Exception as mistake:  # noqa: BLE001  # a late call has nobody who would hear of it
            return told(f"{route.method} {route.path}", mistake)
        if self.portal.config.status_200 and answer.status == 201:
            return replace(answer, status=200)
        return answer

    def _latency(self) -> float:
        median = self.portal.config.latency
        return median * math.exp(self.portal.dice.gauss(0.0, 0.5)) if median else 0.0


def _query(request: web.Request) -> dict[str, str]:
    """Lists may be written with commas or by repeating their name; of the rest the first counts."""
    out: dict[str, str] = {}
    for name, value in request.query.items():
        if name in ("properties", "associations") and name in out:
            out[name] += f",{value}"
        else:
            out.setdefault(name, value)
    return out


def _missing(scope: str) -> Answer:
    return error(
        403,
        "MISSING_SCOPES",
        "This app hasn't been granted all required scopes to make this call. "
        "Read more about required scopes here: https://developers.hubspot.com/scopes.",
        errors=[
            {
                "message": "One or more of the following scopes are required.",
                "context": {"requiredGranularScopes": [scope]},
            }
        ],
    )
