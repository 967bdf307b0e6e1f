"""The control plane under /_sandbox: what tests ask and change. No token, no limits, no faults.

Law: looking changes nothing, and calls here are in no count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from bulkload.sandbox import changing
from bulkload.sandbox.judging import LINK_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bulkload.sandbox.door import Door
    from bulkload.sandbox.portal import Portal


def books(portal: Portal) -> dict[str, Any]:
    limits = portal.limits
    limits.catch_up(portal.clock(), portal.wall())
    return {
        "portal": portal.config.portal_id,
        "emails": portal.emails.live,
        "archived": portal.emails.archived,
        "contacts": portal.contacts.live,
        "contacts_archived": portal.contacts.archived,
        "contacts_made": portal.contacts.made,
        "files": portal.files.live,
        "files_deleted": len(portal.files.files) - portal.files.live,
        "creates_seen": portal.writes_seen["emails"],
        "writes_seen": dict(portal.writes_seen),
        "requests": dict(portal.arrivals.paths),
        "calls": dict(portal.arrivals.calls),
        "statuses": {str(code): number for code, number in portal.arrivals.statuses.items()},
        "faults": dict(portal.struck),
        "duplicates_of": dict(portal.emails.duplicates),
        "others": limits.others.admitted,
        "others_refused": limits.others.refused,
        "refreshes": portal.tokens.refreshes,
        "unauthorized": portal.arrivals.statuses[401],
    }


class Control:
    def __init__(self, door: Door) -> None:
        self._door = door
        self._portal = door.portal

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/_sandbox/books", self._books)
        app.router.add_get("/_sandbox/emails", self._emails)
        app.router.add_get("/_sandbox/contacts", self._all_contacts)
        app.router.add_get("/_sandbox/files", self._files)
        app.router.add_get("/_sandbox/arrivals", self._arrivals)
        app.router.add_post("/_sandbox/faults", self._faults)
        app.router.add_post("/_sandbox/outage", self._outage)
        app.router.add_post("/_sandbox/limits", self._limits)
        app.router.add_post("/_sandbox/contacts", self._contacts)
        app.router.add_post("/_sandbox/expire", self._expire)
        app.router.add_post("/_sandbox/reset", self._reset)

    async def _books(self, request: web.Request) -> web.StreamResponse:
        del request
        return _json(books(self._portal))

    async def _emails(self, request: web.Request) -> web.StreamResponse:
        portal = self._portal
        lines = (
            {
                **line,
                "contacts": [
                    other["id"]
                    for other in line["associations"]
                    if LINK_KINDS[other["type"]] == "contacts"
                    and portal.exists("contacts", other["id"])
                ],
            }
            for line in portal.emails.export()
        )
        return await _stream(request, lines)

    async def _all_contacts(self, request: web.Request) -> web.StreamResponse:
        return await _stream(request, self._portal.contacts.export())

    async def _files(self, request: web.Request) -> web.StreamResponse:
        return await _stream(request, self._portal.files.export())

    async def _arrivals(self, request: web.Request) -> web.StreamResponse:
        return await _stream(request, self._portal.arrivals)

    async def _faults(self, request: web.Request) -> web.StreamResponse:
        """New rates, and new outages counted from now."""
        portal = self._portal
        try:
            changed = changing.change_faults(portal, orjson.loads(await request.read()))
        except ValueError as wrong:
            return _json({"message": str(wrong)}, 400)
        if changed:
            self._door.on_outages()
        return _json({"faults": portal.plan.rates, "outages": portal.plan.outages})

    async def _outage(self, request: web.Request) -> web.StreamResponse:
        """One outage more, counted from now."""
        portal = self._portal
        try:
            one = changing.outage_of(orjson.loads(await request.read()))
        except ValueError as wrong:
            return _json({"message": str(wrong)}, 400)
        portal.plan.add(one, portal.clock())
        self._door.on_outages()
        return _json({"kind": one.kind, "seconds": one.length, "after": one.start})

    async def _limits(self, request: web.Request) -> web.StreamResponse:
        """Other limits from now on; what is not named stays."""
        try:
            changing.change_limits(self._portal, orjson.loads(await request.read()))
        except ValueError as wrong:
            return _json({"message": str(wrong)}, 400)
        return _json(changing.limits_held(self._portal))

    async def _contacts(self, request: web.Request) -> web.StreamResponse:
        try:
            made = changing.contacts_added(self._portal, orjson.loads(await request.read()))
        except ValueError as wrong:
            return _json({"message": f'want {{"emails": [...]}}: {wrong}'}, 400)
        return _json(made)

    async def _expire(self, request: web.Request) -> web.StreamResponse:
        del request
        self._portal.tokens.expire(self._portal.clock())
        return _json({"expired": True})

    async def _reset(self, request: web.Request) -> web.StreamResponse:
        del request
        self._portal.empty()
        return _json(books(self._portal))


def _json(body: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json")


async def _stream(request: web.Request, lines: Iterable[Any]) -> web.StreamResponse:
    response = web.StreamResponse()
    response.content_type = "application/x-ndjson"
    await response.prepare(request)
    block: list[bytes] = []
    for line in lines:
        block.append(orjson.dumps(line))
        if len(block) == 1000:
            await response.write(b"\n".join(block) + b"\n")
            block.clear()
    if block:
        await response.write(b"\n".join(block) + b"\n")
    await response.write_eof()
    return response
