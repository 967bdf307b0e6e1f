"""Pure: a date as a table holds it → milliseconds since the epoch, by a format that is given.

Law kept here: a format reads the same on every machine. So there is no %Z, whose names are the
machine's own, and no %c, %x or %X, which follow its language.

Formats are Python's own [docs.python.org: strftime and strptime format codes], or one of `NAMED`:
`iso` (ISO 8601), `epoch` and `epoch-ms` (seconds and milliseconds since 1970), `rfc5322` (as in
a Date header, whose month is a name; what would have to be guessed of it is none).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from bulkload.mail.instants import NO_ZONE, instant
from bulkload.mail.monthnames import MONTHS, plain

NAMED = ("iso", "epoch", "epoch-ms", "rfc5322")

COUNTED = frozenset({"epoch", "epoch-ms"})
"""Those that count from 1970 in UTC, and need no time zone."""

FIRST_YEAR = 1900
LAST_YEAR = 2199
"""A date outside these is none that anybody meant."""

_LONGEST = 100
"""Characters of a date; a longer text is none, and would take long to be found so."""

_DIRECTIVES = frozenset("aAbBdmyYHIMSfpjz%")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER = re.compile(r"(-?)([0-9]{1,15})(?:\.([0-9]{1,9}))?")
_WORD = re.compile(r"[^\W\d_]{3,}")
_ISO = re.compile(r"\d{4}(-?)(?:\d\d\1\d\d|W\d\d(?:\1\d)?)(?:[T\s].*)?", re.DOTALL | re.IGNORECASE)
"""Python takes any sign for what parts day and hour, and so the zone of a day for its hour."""

_ZONE_APART = re.compile(r"\s+(?:UTC|GMT|(?=[+-][0-9]{2}))", re.IGNORECASE)
_DECADES_MS = 10**11
"""So many milliseconds are March 1973; as many seconds are the year 5138."""


def flaw(form: str) -> str | None:
    """What is wrong with a format; None where it can be used."""
    if form in NAMED:
        return None
    if "%" not in form:
        return f"is none of {', '.join(NAMED)}, and has no codes as in %d.%m.%Y"
    codes = re.findall(r"%(.?)", form, re.DOTALL)
    for code in codes:
        if code not in _DIRECTIVES:
            return (
                f"has the code %{code}; there are {' '.join('%' + c for c in 'YymBbdjHIMSfpzAa')}"
            )
    telling = [code for code in codes if code != "%"]
    if len(set(telling)) < len(telling):
        return "has a code twice"
    if {"H", "I"} <= set(telling):
        return "has %H and %I: an hour of 24 and one of 12"
    if "p" in telling and "I" not in telling:
        return "has %p without %I: AM and PM tell nothing of an hour but %I"
    if "I" in telling and "p" not in telling:
        return "has %I without %p: an hour of 12 is in the morning or after noon; %H is one of 24"
    if not {"Y", "y"} & set(telling):
        return "has no year: %Y or %y"
    if "j" not in telling and not ("d" in telling and {"m", "b", "B"} & set(telling)):
        return "has no day and month: %d with %m, %b or %B"
    return None


def moment(text: str, form: str, zone: str) -> int | None:
    """Milliseconds since the epoch, UTC; None where `text` is no date of that format.

    `zone` (an IANA name) is for those that have none of their own. An hour that comes twice, as
    clocks go back, is taken as the first.
    """
    text = text.strip()
    if len(text) > _LONGEST:
        return None
    if form in COUNTED:
        return _since(text, 1000 if form == "epoch" else 1)
    try:
        if form == "rfc5322":
            return _of_header(text, zone)
        when = _read(text, form)
        if not FIRST_YEAR <= when.year <= LAST_YEAR:
            return None
        if when.tzinfo is None:
            when = when.replace(tzinfo=known_zone(zone))
        return (when - _EPOCH) // timedelta(milliseconds=1)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


@lru_cache
def known_zone(name: str) -> ZoneInfo:
    """Raises ValueError or a ZoneInfoNotFoundError (a KeyError) where there is no such zone;
    OSError where the name is that of a folder.
    """
    return ZoneInfo(name)


def _read(text: str, form: str) -> datetime:
    if form == "iso":
        joined = _ZONE_APART.sub(_joined, text, count=1)
        if not _ISO.fullmatch(joined):
            raise ValueError
        return datetime.fromisoformat(joined)
    return datetime.strptime(text, form)  # noqa: DTZ007  # the caller gives it its zone


def _of_header(text: str, zone: str) -> int | None:
    if not any(word in MONTHS for word in _WORD.findall(plain(text))):
        return None  # of two numbers it would be guessed which is the month
    known_zone(zone)
    at, note = instant(text, zone)
    return at if note in ("", NO_ZONE.format(zone)) else None


def _joined(apart: re.Match[str]) -> str:
    return "+00:00" if apart[0].strip() else ""


def _since(text: str, scale: int) -> int | None:
    number = _NUMBER.fullmatch(text)
    if number is None:
        return None
    sign, whole, part = number.groups()
    # Milliseconds read as seconds are thousands of years ahead: years tell them apart.
    if scale == 1000 and int(whole) >= _DECADES_MS:
        return None
    ms = int(whole) * scale + int((part or "").ljust(9, "0")[:9]) * scale // 10**9
    ms = -ms if sign else ms
    year = (_EPOCH + timedelta(milliseconds=ms)).year if abs(ms) < 10**13 else 0
    return ms if FIRST_YEAR <= year <= LAST_YEAR else None
