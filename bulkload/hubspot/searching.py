"""Pure: searching for what a lost answer may have made: the requests, what an answer shows,
and properties in one way of writing, so that what was sent is known again.

Laws kept here: nothing twice. An answer that is not whole shows nothing, so nothing can count
as absent by it; never raises, whatever the remote sends. No reason quotes a value.

Source: HubSpot's guide "Search the CRM": 200 results a page, 10,000 in all, 100 values in an
IN filter, five groups of filters; its spec of `POST /crm/v3/objects/emails/search`. Dates are
compared in milliseconds since the epoch.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from bulkload.hubspot import refusals, replies
from bulkload.hubspot.lookup import moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PAGE = 200
MAX_RESULTS = 10_000
"""Most results a search gives, over all its pages: behind them it shows nothing."""

MAX_TIMESTAMPS = 500
"""Most distinct timestamps one request can ask for."""

TIMESTAMP, SUBJECT, CREATED = "hs_timestamp", "hs_email_subject", "hs_createdate"
MAY = "search emails, which needs the scope crm.objects.contacts.read"
_REFUSALS = replies.REFUSALS - {409}  # a search changes nothing that could be in its way
_IN_A_FILTER = 100
_SLACK_MS = 1_000  # creation dates may be cut to whole seconds
_PROSE = frozenset({SUBJECT, "hs_email_text", "hs_email_html"})
_SHORT = 64  # no date, number or boolean is longer

_MILLISECONDS = re.compile(r"-?\d{1,15}", re.ASCII)
_ISO = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?", re.ASCII
)
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d{1,3})?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Result(NamedTuple):
    """A record that a search shows. `created`: by the remote's clock, seconds since the epoch."""

    id: str
    properties: Mapping[str, str]
    created: float | None


@dataclass(frozen=True, slots=True)
class Page:
    """One page. `after`: where the next one begins, "" at the end; `total`: over all pages."""

    results: tuple[Result, ...]
    after: str
    total: int


def request(
    timestamps: Iterable[str], names: Iterable[str], since: float | None, after: str = ""
) -> bytes:
    """Ask for records with one of these timestamps, made since then, oldest first.

    `names`: the properties to show; `since`: the remote's clock, seconds since the epoch;
    `after`: as the page before it said. Timestamps that can't be read are left out; b"" where
    none is left: there is nothing to ask by. Raises ValueError for more than MAX_TIMESTAMPS.
    """
    read = (milliseconds(text) for text in timestamps)
    distinct = sorted({ms for ms in read if ms is not None})
    if len(distinct) > MAX_TIMESTAMPS:
        raise ValueError(f"{len(distinct)} timestamps: a search takes {MAX_TIMESTAMPS}")
    if not distinct:
        return b""
    made = [] if since is None else [_since(int(since * 1000) - _SLACK_MS)]
    groups = [
        {
            "filters": [
                {
                    "propertyName": TIMESTAMP,
                    "operator": "IN",
                    "values": [str(ms) for ms in distinct[at : at + _IN_A_FILTER]],
                },
                *made,
            ]
        }
        for at in range(0, len(distinct), _IN_A_FILTER)
    ]
    shown = list(dict.fromkeys([*names, TIMESTAMP, SUBJECT]))
    return _request(groups, shown, "ASCENDING", PAGE, after)


def newest(since: float) -> bytes:
    """Ask for the newest record made since then, of whatever kind: search has caught up so far.

    `since`: the remote's clock, seconds since the epoch.
    """
    groups = [{"filters": [_since(ceil(since * 1000))]}]
    return _request(groups, [CREATED], "DESCENDING", 1, "")


def judge(reply: replies.Reply) -> Page | replies.Trouble:
    """What the answer to a search shows. `Doubtful`: nothing; ask again."""
    if (trouble := replies.trouble(reply, may=MAY, about=_REFUSALS)) is not None:
        return trouble
    answer = replies.parsed(reply)
    if reply.status >= 400:
        told = refusals.describe(reply.status, answer)
        return replies.Denied(f"the remote refuses the search ({told})")
    page = _page(answer)
    return page or replies.Doubtful(replies.unreadable(reply, "page of results"))


def plain(properties: Mapping[str, str]) -> dict[str, Decimal | str]:
    """Properties in one way of writing: what is equal here is the same to the remote.

    Empty ones are left out: to the remote they are not set.
    """
    written = ((name, _plain(name, value)) for name, value in properties.items())
    return {name: value for name, value in written if value != ""}


def about(properties: Mapping[str, str]) -> tuple[int | None, str]:
    """(timestamp in milliseconds, subject folded): what a remote that changes texts leaves."""
    subject = unicodedata.normalize("NFKC", properties.get(SUBJECT, "")).casefold()
    return milliseconds(properties.get(TIMESTAMP, "")), " ".join(subject.split())


def milliseconds(text: str) -> int | None:
    """A date as the remote reads it (milliseconds since the epoch, or ISO 8601, UTC unless it
    says otherwise) in milliseconds since the epoch; None where it is none.
    """
    text = text.strip()
    if _MILLISECONDS.fullmatch(text):
        return int(text)
    return _iso(text)


def _iso(text: str) -> int | None:
    if not _ISO.fullmatch(text):
        return None
    try:
        at = datetime.fromisoformat(text)
        at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        return (at - _EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        return None


def _plain(name: str, value: str) -> Decimal | str:
    text = value.replace("\r\n", "\n").replace("\r", "\n").strip()
    if name in _PROSE or len(text) > _SHORT:
        return text
    date = milliseconds(text) if name == TIMESTAMP else _iso(text)
    if date is not None:
        return Decimal(date)
    if _NUMBER.fullmatch(text):
        return Decimal(text)
    return text.lower() if text.lower() in ("true", "false") else text


def _since(ms: int) -> dict[str, Any]:
    return {"propertyName": CREATED, "operator": "GTE", "value": str(max(ms, 0))}


def _request(
    groups: list[dict[str, Any]], names: list[str], direction: str, limit: int, after: str
) -> bytes:
    asked: dict[str, Any] = {
        "filterGroups": groups,
        "properties": names,
        "sorts": [{"propertyName": CREATED, "direction": direction}],
        "limit": limit,
    }
    return orjson.dumps({**asked, "after": after} if after else asked)


def _page(answer: Mapping[str, Any]) -> Page | None:
    """None where anything is not as it must be: what is not read could be what is looked for."""
    listed, total = answer.get("results"), answer.get("total")
    if not isinstance(listed, list) or type(total) is not int or total < len(listed):
        return None
    results = [_result(each) for each in listed]
    after = _after(answer.get("paging"))
    if after is None or None in results:
        return None
    return Page(tuple(result for result in results if result is not None), after, total)


def _after(paging: object) -> str | None:
    following = paging.get("next") if isinstance(paging, dict) else paging
    if following is None:
        return ""
    after = following.get("after") if isinstance(following, dict) else None
    return str(after) if isinstance(after, str | int) and after else None


def _result(listed: object) -> Result | None:
    if not isinstance(listed, dict):
        return None
    name, properties = replies.record_id(listed.get("id")), listed.get("properties")
    if not name or not isinstance(properties, dict):
        return None
    texts = {key: _text(value) for key, value in properties.items() if value is not None}
    return Result(name, texts, moment(listed.get("createdAt")))


def _text(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
