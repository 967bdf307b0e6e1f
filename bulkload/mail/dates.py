"""When a message was sent: the Date header, else the mbox line, else the first hop.

Absurd years (before 1971, after 2100) are refused rather than loaded: a contact's timeline
with a message of 1970 on it is worse than a dead letter. A date without a zone is UTC.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_tz
from typing import TYPE_CHECKING

from bulkload.mail.text import attempt, decoded
from bulkload.mail.words import words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bulkload.mail.headers import Headers

FIRST_YEAR = 1971
LAST_YEAR = 2100

_DAY_S = 86_400
_ENVELOPE = re.compile(
    rb"^From .*?((?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? .*)$", re.IGNORECASE | re.DOTALL
)
_ASCTIME = re.compile(
    r"([a-z]{3}) +(\d{1,2}) +(\d{1,2}:\d\d(?::\d\d)?) +(?:([a-z]{1,5}|[+-]\d{4}) +)?(\d{4})"
    r"(?: +([a-z]{1,5}|[+-]\d{4}))?",
    re.IGNORECASE,
)


def sent_at(headers: Headers, envelope: bytes) -> tuple[int | None, list[str]]:
    """(milliseconds since the epoch or None, notes on what was wrong or stood in).

    `envelope` is the mbox line, b"" where there is none.
    """
    notes: list[str] = []
    for origin, written in _candidates(headers, envelope):
        moment, wrong = parsed(written)
        if moment is not None:
            if origin != "Date header":
                notes.append(f"the date is that of the {origin}")
            return moment, notes
        note = f"the date of the {origin} is {wrong}"
        if note not in notes:
            notes.append(note)
    return None, notes


def parsed(written: str) -> tuple[int | None, str]:
    """(milliseconds since the epoch, "") or (None, what is wrong with it)."""
    when = attempt(lambda: _rfc(written), None) or attempt(lambda: _iso(written), None)
    if when is None:
        return None, "not readable" if written.strip() else "empty"
    if not FIRST_YEAR <= when.year <= LAST_YEAR:
        return None, f"in the year {when.year}"
    since = when - datetime(1970, 1, 1, tzinfo=UTC)
    return since // timedelta(milliseconds=1), ""


def _candidates(headers: Headers, envelope: bytes) -> Iterator[tuple[str, str]]:
    for value in headers.all("date"):
        yield "Date header", words(decoded(value))
    line = _ENVELOPE.match(envelope.strip())
    if line:
        yield "mbox line", line[1].decode("ascii", "replace")
    # Servers put theirs on top: the lowest is the hop nearest to the sender.
    for value in reversed(headers.all("received")):
        _, semicolon, date = value.rpartition(b";")
        if semicolon:
            yield "Received header", decoded(date)


def _rfc(written: str) -> datetime | None:
    asctime = _ASCTIME.search(written)
    if asctime:
        month, day, time, zone, year, zone_after = asctime.groups()
        written = f"{day} {month} {year} {time} {zone or zone_after or ''}"
    parts = parsedate_tz(written)
    if parts is None:
        return None
    offset = parts[9] or 0
    if abs(offset) >= _DAY_S:
        offset = 0
    second = min(parts[5], 59)  # a leap second
    naive = datetime(*parts[:5], second, tzinfo=timezone(timedelta(seconds=offset)))
    return naive.astimezone(UTC)


def _iso(written: str) -> datetime:
    when = datetime.fromisoformat(written.strip())
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC)
