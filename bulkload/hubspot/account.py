"""Whose portal is this, what properties has it, how much of its day is used: asked at the start,
so that a run is bound.

Law kept here: same account, or no resume. An answer that is not as expected is a warning,
never a stop (401 and 403 aside: nothing would be accepted).

Source: HubSpot's account-info v3, `GET /account-info/v3/details` and
`GET /account-info/v3/api-usage/daily/private-apps`, and properties v3,
`GET /crm/v3/properties/emails/{name}`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from bulkload.errors import StoppedForGood
from bulkload.hubspot import refusals, replies
from bulkload.hubspot.lookup import moment

if TYPE_CHECKING:
    from bulkload.hubspot.replies import Reply


_MOST_CALLS = 10**12
_DAY_S = 86_400


class Account(NamedTuple):
    """`portal` "" where the remote did not say; `denied` and `trouble` say why.

    `time_zone`: the name as the remote writes it, such as Europe/Berlin, "" where it is not said;
    `utc_offset_s`: seconds east of UTC at the time of asking.
    """

    portal: str = ""
    denied: str = ""
    trouble: str = ""
    time_zone: str = ""
    utc_offset_s: float | None = None


class Property(NamedTuple):
    """A property of emails. `unique`: no two records can have the same value of it."""

    exists: bool = False
    unique: bool = False
    denied: str = ""
    trouble: str = ""


class Usage(NamedTuple):
    """The account's calls today: `used` of `limit`; when they are reset, in epoch seconds."""

    name: str
    used: int
    limit: int
    resets_at: float | None = None


class Usages(NamedTuple):
    """All that the remote counts; none where it has no limit (OAuth), or did not say."""

    found: tuple[Usage, ...] = ()
    denied: str = ""
    trouble: str = ""

    @property
    def tightest(self) -> Usage | None:
        """The one that is used up first."""
        return min(self.found, key=lambda usage: usage.limit - usage.used, default=None)


def read(reply: Reply) -> Account:
    """Pure: what the answer says of the account."""
    answer = replies.parsed(reply)
    if reply.status in (401, 403):
        return Account(denied=refusals.denial(reply.status, answer, ""))
    portal = answer.get("portalId")
    if reply.status == 200 and isinstance(portal, int | str) and portal:
        zone = answer.get("timeZone")
        return Account(
            portal=str(portal),
            time_zone=zone if isinstance(zone, str) else "",
            utc_offset_s=_offset(answer),
        )
    return Account(trouble=_trouble(reply, answer))


def same_portal(bound: str | None, found: Account, verb: str) -> None:
    """Raises StoppedForGood where a run is bound to another portal. `verb`: what is to be done."""
    if bound not in (None, found.portal):
        raise StoppedForGood(
            f"this token is for portal {found.portal}, the run was begun on portal {bound}. "
            f"Use a token of that portal to {verb}"
        )


def read_property(reply: Reply) -> Property:
    """Pure: what the answer says of a property.

    A 403 is a token that may not read definitions: trouble, and no more.
    """
    answer = replies.parsed(reply)
    if reply.status == 401:
        return Property(denied=refusals.denial(reply.status, answer, ""))
    if reply.status == 200 and isinstance(answer.get("name"), str):
        return Property(exists=True, unique=answer.get("hasUniqueValue") is True)
    if reply.status == 404 and "category" in answer:
        return Property()
    return Property(trouble=_trouble(reply, answer))


def read_usage(reply: Reply) -> Usages:
    """Pure: what the answer says of the day's calls; what can't be is left out.

    A 403 is a token that may not read it: trouble, and no more.
    """
    answer = replies.parsed(reply)
    if reply.status == 401:
        return Usages(denied=refusals.denial(reply.status, answer, ""))
    results = answer.get("results")
    if reply.status == 200 and isinstance(results, list):
        read = (_usage(result) for result in results if isinstance(result, dict))
        return Usages(tuple(usage for usage in read if usage is not None))
    return Usages(trouble=_trouble(reply, answer))


def _usage(result: dict[str, Any]) -> Usage | None:
    used, limit = _calls(result.get("currentUsage")), _calls(result.get("usageLimit"))
    if used is None or not limit or result.get("fetchStatus", "SUCCESS") != "SUCCESS":
        return None
    name = result.get("name")
    return Usage(name if isinstance(name, str) else "", used, limit, moment(result.get("resetsAt")))


def _calls(value: object) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= _MOST_CALLS else None


def _offset(answer: dict[str, Any]) -> float | None:
    """`utcOffsetMilliseconds`, else `utcOffset` as +01:00."""
    told = answer.get("utcOffsetMilliseconds")
    if isinstance(told, int | float) and not isinstance(told, bool):
        seconds = told / 1000
        return seconds if abs(seconds) < _DAY_S else None
    match = re.fullmatch(r"([+-])(\d{2}):?(\d{2})", str(answer.get("utcOffset")), re.ASCII)
    if not match:
        return None
    seconds = float(int(match[2]) * 3600 + int(match[3]) * 60)
    if seconds >= _DAY_S:
        return None
    return -seconds if match[1] == "-" else seconds


def _trouble(reply: Reply, answer: dict[str, Any]) -> str:
    if reply.status == 0 or not reply.whole:
        return reply.trouble
    return refusals.describe(reply.status, answer)
