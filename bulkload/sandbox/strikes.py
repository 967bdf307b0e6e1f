"""Faults, poison and outages carried out on one call: what the plan decided takes place here.

Law: whether a struck call was carried out depends on the kind of fault alone; when it was,
it was carried out whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from bulkload.sandbox.answers import Answer, edge, error, throttled
from bulkload.sandbox.config import POISON_KINDS
from bulkload.sandbox.sending import Silence, gone, reset, send, truncate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bulkload.sandbox.faults import Fault
    from bulkload.sandbox.portal import Portal

_BEFORE: dict[str, Callable[[], Answer]] = {
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
_GLANCE_S = 0.05  # how soon a stalled call notices that its caller has gone
_EDGES = {
    "html": (502, "Bad Gateway"),
    "502": (502, "Bad Gateway"),
    "504": (504, "Gateway Time-out"),
    "521": (521, "Web server is down"),
    "522": (522, "Connection timed out"),
    "523": (523, "Origin is unreachable"),
    "524": (524, "A timeout occurred"),
}
_AFTER: dict[str, Callable[[], Answer]] = {
    "500-after": lambda: error(500, "INTERNAL_ERROR", "internal error"),
    "503-after": lambda: error(503, "SERVICE_UNAVAILABLE", "Service Unavailable"),
    "504-after": lambda: edge(504, "Gateway Time-out"),
}


class Strikes:
    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._closing = asyncio.Event()
        self._late: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Let go of every stalled call; what was to come late never comes."""
        self._closing.set()
        for task in self._late:
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)

    async def outage(self, request: web.Request, kind: str, left: float) -> web.StreamResponse:
        """Nothing is carried out; `left` is how long it still lasts."""
        self._portal.struck[f"outage-{kind}"] += 1
        if kind == "refuse":  # the port is closed; this is a connection from before
            return reset(request)
        try:
            with contextlib.suppress(web.HTTPRequestEntityTooLarge):
                await request.read()
        except (ConnectionError, web.RequestPayloadError):
            if gone(request):
                return Silence()
            request.content.feed_eof()
        if kind == "reset":
            return reset(request)
        if kind == "stall":
            return await self._stall(request, left)
        if kind == "477":
            return send(_migration(max(1, math.ceil(left))), {})
        if kind in _EDGES:
            return send(edge(*_EDGES[kind]), {})
        return send(_BEFORE[kind](), {})

    def poisoned(self, raw: bytes) -> bool:
        """One value of one record is enough."""
        pattern = self._portal.poison
        if pattern is None:
            return False
        try:
            body = orjson.loads(raw)
            return any(
                isinstance(value, str) and pattern.search(value)
                for one in body.get("inputs") or (body,)  # many, or one alone
                for value in one["properties"].values()
            )
        except (ValueError, LookupError, TypeError, AttributeError):
            return False  # no input: the endpoint says so

    async def poison(
        self, request: web.Request, number: int, headers: Mapping[str, str]
    ) -> web.StreamResponse:
        kind = self._portal.config.poison_as
        if kind is None:
            kind = "reset" if self._portal.plan.coin(number) else "500"
        elif kind == "any":
            kind = POISON_KINDS[self._portal.struck["poison"] % len(POISON_KINDS)]
        self._portal.struck["poison"] += 1
        if kind == "reset":
            return reset(request)
        if kind == "stall":
            return await self._stall(request)
        return send(_BEFORE[kind](), headers)

    async def fault(
        self,
        request: web.Request,
        fault: Fault,
        headers: Mapping[str, str],
        carry_out: Callable[[], Answer],
        writes: str = "emails",
    ) -> web.StreamResponse:
        kind = fault.kind
        self._portal.struck[kind if writes == "emails" else f"{writes}:{kind}"] += 1
        if kind in _BEFORE:
            return send(_BEFORE[kind](), headers)
        if kind == "477":
            return send(_migration(self._portal.config.retry_after), headers)
        if kind == "reset-before":
            return reset(request)
        if kind == "late":
            task = asyncio.create_task(self._later(carry_out))
            self._late.add(task)
            task.add_done_callback(self._late.discard)
            return send(edge(504, "Gateway Time-out"), headers)
        if kind == "slow":
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), self._portal.config.slow_by)
        if kind == "stall" and not fault.coin:
            return await self._stall(request)
        answer = carry_out()
        if kind in _AFTER:
            return send(_AFTER[kind](), headers)
        if kind == "reset-after":
            return reset(request)
        if kind == "stall":
            return await self._stall(request)
        if kind == "truncate":
            return await truncate(request, answer, {**headers, "Date": self._portal.date()})
        if kind == "silent-207" and answer.status in (200, 201, 207):
            answer = _silenced(answer, all_of_it=fault.coin)
        return send(answer, headers)

    async def _later(self, carry_out: Callable[[], Answer]) -> None:
        await asyncio.sleep(self._portal.config.late_after)
        carry_out()

    async def _stall(self, request: web.Request, longest: float = math.inf) -> web.StreamResponse:
        """No answer until the caller gives up, `longest` seconds are over or the server closes."""
        end = time.monotonic() + longest
        while not self._closing.is_set() and (left := end - time.monotonic()) > 0:
            if gone(request):
                return Silence()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), min(_GLANCE_S, left))
        return reset(request)


def _migration(wait: int) -> Answer:
    return error(
        477,
        "MIGRATION_IN_PROGRESS",
        "This account is being migrated between data centres. Try again later.",
        headers={"Retry-After": str(wait)},
    )


def _silenced(answer: Answer, *, all_of_it: bool) -> Answer:
    """The 207 of a bad day: some inputs are in neither results nor errors."""
    body: dict[str, Any] = orjson.loads(answer.body)
    if "results" not in body:
        return answer  # no batch: this can't befall it
    results = body["results"]
    body["results"] = [] if all_of_it else results[: len(results) // 2]
    body.setdefault("errors", [])
    body.setdefault("numErrors", 0)
    return replace(answer, status=207, body=orjson.dumps(body))
