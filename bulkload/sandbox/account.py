"""The account: its id and time zone, today's use, its owners, association labels, OAuth.

Law: these answers follow the portal's own state; none of them changes it, tokens aside.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bulkload.sandbox.answers import Answer, Call, error, iso, reply

if TYPE_CHECKING:
    from bulkload.sandbox.portal import Portal

_OWNERS = (("41629779", "ada@example.com", "Ada"), ("60158084", "grace@example.com", "Grace"))


def details(portal: Portal, call: Call) -> Answer:
    zone = portal.config.time_zone
    try:
        offset = datetime.fromtimestamp(call.wall, ZoneInfo(zone)).utcoffset()
    except (ZoneInfoNotFoundError, ValueError):
        offset = None
    seconds = int(offset.total_seconds()) if offset is not None else 0
    sign = "-" if seconds < 0 else "+"
    hours, minutes = divmod(abs(seconds) // 60, 60)
    return reply(
        200,
        {
            "portalId": portal.config.portal_id,
            "accountType": "DEVELOPER_TEST",
            "timeZone": zone,
            "companyCurrency": "EUR",
            "additionalCurrencies": [],
            "utcOffset": f"{sign}{hours:02}:{minutes:02}",
            "utcOffsetMilliseconds": seconds * 1000,
            "uiDomain": "app.hubspot.com",
            "dataHostingLocation": "na1",
        },
    )


def usage(portal: Portal, call: Call) -> Answer:
    daily = portal.limits.daily
    if daily is None:
        return reply(200, {"results": []})
    daily.turn(call.wall)
    return reply(
        200,
        {
            "results": [
                {
                    "name": "private-apps-api-calls-daily",
                    "currentUsage": daily.used,
                    "usageLimit": daily.calls,
                    "collectedAt": iso(call.wall),
                    "fetchStatus": "SUCCESS",
                    "resetsAt": iso(daily.resets_at),
                }
            ]
        },
    )


def labels(portal: Portal, call: Call) -> Answer:
    del portal, call
    return reply(200, {"results": [{"category": "HUBSPOT_DEFINED", "typeId": 198, "label": None}]})


def owners(portal: Portal, call: Call) -> Answer:
    del portal
    stamp = iso(call.wall)
    people = [
        {
            "id": identity,
            "email": email,
            "type": "PERSON",
            "firstName": first,
            "lastName": "Example",
            "userId": int(identity) % 10_000,
            "createdAt": stamp,
            "updatedAt": stamp,
            "archived": False,
        }
        for identity, email, first in _OWNERS
        if call.query.get("email", email) == email
    ]
    return reply(200, {"results": people})


def refresh(portal: Portal, call: Call) -> Answer:
    try:
        form = dict(parse_qsl(call.raw.decode("ascii"), strict_parsing=bool(call.raw)))
    except ValueError:
        return error(400, "BAD_REQUEST", "the body is no form")
    return portal.tokens.refresh(form, call.now)
