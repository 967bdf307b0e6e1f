"""The account: its id and time zone, today's use, association labels, tokens.

Law: these answers follow the portal's own state; none of them changes it, tokens aside.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bulkload.sandbox.answers import Answer, Call, error, iso, parse, reply, validation
from bulkload.sandbox.judging import LINK_KINDS
from bulkload.sandbox.scopes import granted

if TYPE_CHECKING:
    from bulkload.sandbox.portal import Portal

_USER = 1234567
_APP = 314159


def details(portal: Portal, call: Call) -> Answer:
    zone = portal.config.time_zone
    try:
        offset = datetime.fromtimestamp(call.wall, ZoneInfo(zone)).utcoffset()
    except (ZoneInfoNotFoundError, ValueError, OSError):
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
    del portal
    other = call.match["other"]
    types = [type_id for type_id, kind in LINK_KINDS.items() if kind == other]
    if not types:
        return error(404, "OBJECT_NOT_FOUND", f"Unable to infer object type from: {other}")
    results = [{"category": "HUBSPOT_DEFINED", "typeId": one, "label": None} for one in types]
    return reply(200, {"results": results})


def refresh(portal: Portal, call: Call) -> Answer:
    try:
        form = dict(parse_qsl(call.raw.decode("ascii"), strict_parsing=bool(call.raw)))
    except ValueError:
        return error(400, "BAD_REQUEST", "the body is no form")
    return portal.tokens.refresh(form, call.now)


def private_app_token(portal: Portal, call: Call) -> Answer:
    """Whose token is this? It stands in the body; the call needs no other."""
    token = parse(call.raw).get("tokenKey")
    if not isinstance(token, str) or not token:
        return validation(
            "Invalid input JSON on line 1, column 1: Some required fields were not set: [tokenKey]"
        )
    if portal.tokens.oauth or portal.tokens.left(token, call.now) is None:
        return error(404, "OBJECT_NOT_FOUND", "no private app has this token")
    return reply(
        200,
        {
            "userId": _USER,
            "hubId": portal.config.portal_id,
            "appId": _APP,
            "scopes": granted(portal.config),
        },
    )


def access_token(portal: Portal, call: Call) -> Answer:
    """The same for the token of an OAuth app, which stands in the path."""
    token = call.match["token"]
    left = portal.tokens.left(token, call.now)
    if not portal.tokens.oauth or left is None:
        return error(404, "OBJECT_NOT_FOUND", "this access token is unknown or has expired")
    scopes = granted(portal.config)
    return reply(
        200,
        {
            "token": token,
            "user": "ada@example.com",
            "hub_domain": "sandbox.example.com",
            "scopes": scopes,
            "scope_to_scope_group_pks": list(range(1, len(scopes) + 1)),
            "trial_scopes": [],
            "trial_scope_to_scope_group_pks": [],
            "hub_id": portal.config.portal_id,
            "app_id": _APP,
            "expires_in": int(left),
            "user_id": _USER,
            "token_type": "access",
        },
    )
