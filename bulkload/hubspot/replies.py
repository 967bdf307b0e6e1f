"""Pure: what an answer says by itself, whatever the call was: refused for now, denied, doubtful.

Never raises, whatever the remote sends. Laws kept here: the remote's trouble is not the record's;
nothing twice: what an answer leaves out unexplained does not count as absent.

Source: HubSpot's spec of the batch reads (207 with `errors[].context.ids` for those not found:
hubspot-api-php #619), and of their `numErrors` beside `errors`.
"""

from __future__ import annotations

import email.utils
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from bulkload.hubspot import refusals

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Mapping

LATER = {423: 2.0, 429: None, 477: None}
"""Refused for now. 423 wants at least two seconds [HubSpot: error handling]."""

NO_HANDLER = frozenset({300, 301, 302, 303, 304, 305, 307, 308, 404, 405, 407, 410})
"""Nobody took the request: a wrong address, or a proxy in between."""

REFUSALS = frozenset({400, 409, 413, 414, 422})
"""About what was asked, not about how the remote is."""

_OWN_WORDS = frozenset({400, 401, 403, 409, 422, 451, 511})
"""With the remote's own body they are about the token or the records; as a page they are not."""

_ID = re.compile(r"[\w.:-]{1,64}", re.ASCII)


class Reply(NamedTuple):
    """What came back from one request.

    `status` 0: no answer; `trouble` says why, or why it is not whole. `left`: whether a byte of
    the request may have left. `whole`: whether the answer's body was read to its end.
    `hopeless`: nothing was made, and no waiting will change it; `trouble` says what will.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    left: bool = True
    whole: bool = True
    trouble: str = ""
    hopeless: bool = False


def unpacked(body: bytes, coding: str, most: int) -> bytes:
    """`body` without its `Content-Encoding`; as it is where that is none, is unknown, or hides more
    than `most` bytes. Nothing packed is asked for: who stands between us may pack all the same.
    """
    if coding.strip().lower() not in ("gzip", "x-gzip", "deflate"):
        return body
    unpacking = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # either, by its head
    try:
        plain = unpacking.decompress(body, most)
    except zlib.error:
        return body
    return plain if unpacking.eof else body


@dataclass(frozen=True, slots=True)
class TryLater:
    """Nothing was made; everybody pauses. `after`: seconds as the remote asked, if it did.

    `daily`: the day's quota is used up, so waiting a little is of no use.
    """

    reason: str
    after: float | None
    throttled: bool
    daily: bool = False


@dataclass(frozen=True, slots=True)
class NotSent:
    """No byte left: the connection was never made, or broke before."""

    reason: str


@dataclass(frozen=True, slots=True)
class Doubtful:
    """The records may or may not have been made."""

    reason: str
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Denied:
    """Nothing was made and no record is at fault: token, scope, address or proxy are wrong.

    `expired`: it is the token that was refused (401), and another one may do.
    """

    reason: str
    expired: bool = False


Trouble = TryLater | NotSent | Doubtful | Denied
"""What has nothing to do with what was asked: the call is made again, later or never."""


def denied(reply: Reply, *, may: str = "create emails") -> Denied | None:
    """Why nothing of the kind will be answered however long one waits; None where it may be.

    `may`: what the call was about, for the words of a 403.
    """
    status = reply.status
    if reply.hopeless:
        return Denied(reply.trouble)
    if is_page(reply) and status in _OWN_WORDS:
        return Denied(
            f"a page of HTML ({status}) came in place of the remote's answer: a proxy or firewall "
            "in between refuses. Check HTTPS_PROXY, NO_PROXY and --base-url, or ask whoever runs it"
        )
    if status in (401, 403) or status in NO_HANDLER:
        location = "".join(c for c in reply.headers.get("Location", "") if c.isprintable())
        where = location.partition("?")[0][:200]  # what is behind it may be a secret
        told = refusals.denial(status, parsed(reply), where, may=may)
        return Denied(told, expired=status == 401)
    return None


def trouble(
    reply: Reply, *, may: str = "create emails", about: Container[int] = REFUSALS
) -> Trouble | None:
    """What has nothing to do with what was asked; None where the answer is one, or a refusal.

    `may`: as for `denied`; `about`: the statuses that are about what was asked.
    """
    status = reply.status
    if (no := denied(reply, may=may)) is not None:
        return no
    if status == 0:
        return Doubtful(reply.trouble) if reply.left else NotSent(reply.trouble)
    if (asked := later(reply)) is not None:
        return asked
    if status in about or (200 <= status < 300 and reply.whole):
        return None
    told = reply.trouble or refusals.describe(status, parsed(reply))
    return Doubtful(told, retry_after(reply.headers))


def is_page(reply: Reply) -> bool:
    """Whether it is HTML, which the remote itself never answers: somebody in between did."""
    return "text/html" in reply.headers.get("Content-Type", "").lower()


def later(reply: Reply) -> TryLater | None:
    """What a 423, 429 or 477 asks for; None where the answer is another."""
    if reply.status not in LATER:
        return None
    after, floor = retry_after(reply.headers), LATER[reply.status]
    return TryLater(
        refusals.describe(reply.status, parsed(reply)),
        max(after or 0.0, floor) if floor is not None else after,
        throttled=reply.status == 429,
        daily=is_daily(reply),
    )


def is_daily(reply: Reply) -> bool:
    """Whether the day's quota is used up: nothing will go before it is new."""
    return reply.status == 429 and parsed(reply).get("policyName") == "DAILY"


def not_found(answer: Mapping[str, Any]) -> frozenset[str] | None:
    """Whom the errors of a batch read name as not found; None where they are about something
    else, or are counted and not listed.
    """
    errors = answer.get("errors") or []
    if not isinstance(errors, list) or (not errors and answer.get("numErrors")):
        return None
    named: set[str] = set()
    for error in errors:
        context = error.get("context") if isinstance(error, dict) else None
        ids = context.get("ids") if isinstance(context, dict) else None
        if not isinstance(ids, list) or "NOT_FOUND" not in str(error.get("category", "NOT_FOUND")):
            return None
        named.update(map(str, ids))
    return frozenset(named)


def unexplained(answer: Mapping[str, Any], missing: Collection[str]) -> bool:
    """Whether what a batch read left out may be there nevertheless. Without an error it is not."""
    named = not_found(answer)
    return named is None or (bool(answer.get("errors")) and not named.issuperset(missing))


def record_id(value: object) -> str:
    """A record's id at the remote, as it is written down; "" where it is none.

    Ids are digits as far as is known. What could not stand in a list of ids is none.
    """
    if type(value) not in (str, int):
        return ""
    text = str(value)
    return text if _ID.fullmatch(text) else ""


def unreadable(reply: Reply, what: str) -> str:
    """Why an answer that should tell something tells nothing."""
    page = ": a page of HTML. Does a proxy answer in the remote's place?" if is_page(reply) else ""
    return f"{reply.status} without a readable {what}{page}"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from `Retry-After`: a number, or an HTTP date against the answer's own `Date`."""
    value = headers.get("Retry-After", "").strip()
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            until = email.utils.parsedate_to_datetime(value)
            now = email.utils.parsedate_to_datetime(headers.get("Date", ""))
            seconds = (until - now).total_seconds()
        except (ValueError, TypeError, OverflowError, IndexError):
            return None
    return seconds if 0 <= seconds < 864_000 else None


def parsed(reply: Reply) -> dict[str, Any]:
    """The answer's JSON object; empty where it is none, or not whole."""
    if not reply.whole:
        return {}
    try:
        answer = orjson.loads(reply.body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
