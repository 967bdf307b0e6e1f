"""A written date → an instant. Pure, and never raises.

Every form that real mail holds: RFC 5322 and RFC 822, asctime and ctime, ISO 8601, what mailers
write in the language of their user, with the year at either end, with or without a zone.
A common one takes a regular expression and a sum.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from bulkload.mail.monthnames import MONTHS, plain
from bulkload.mail.zones import offset

FIRST_YEAR = 1971
LAST_YEAR = 2100

NO_ZONE = "has no time zone, and is taken as {}"
"""The note where none is written, which in a column is no fault."""

_EPOCH = date(1970, 1, 1).toordinal()
_MOST_CHARACTERS = 400
_COMMON = re.compile(
    r"(?:[A-Za-z]{3},)?[ \t]*(\d{1,2}) ([A-Za-z]{3}) (\d{4}) (\d\d):(\d\d)(?::(\d\d))?"
    r" ([+-])(\d\d)([0-5]\d)(?: \([^()]*\))?",
    re.ASCII,
)
_EIGHT_DIGITS = re.compile(r"\b((?:19|20)\d\d)([01]\d)([0-3]\d)t?(\d\d)(\d\d)(\d\d)?(?=z|\b|[+-])")
_TIME = re.compile(
    r"(?<![\d+-])(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:[.,](\d{1,9}))?)?\s*([ap]\.?\s?m\b\.?)?"
)
_DOTTED_TIME = re.compile(
    r"(?<![\d.+-])(\d{1,2})[.h](\d{2})(?:[.m](\d{2})s?)?()\s*([ap]\.?\s?m\b\.?)?(?![.\d])"
)
_HOUR = re.compile(r"\b(\d{1,2})()()()\s?([ap]\.?\s?m\b\.?)")
_NUMERIC = re.compile(r"(?<![\d:])(\d{1,4})\s?([./-])\s?(\d{1,2})\s?[./-]\s?(\d{1,5})(?![\d:])")
_WORD = re.compile(r"[^\W\d_]{2,}")
_NUMBER = re.compile(r"(?<!\d)(?<![\s;][+-])\d{1,5}(?!\d)")
_HALF = re.compile(r"\d\s*[ap]\.?\s?m\b")
_SIGNS = str.maketrans({"\u2212": "-", "年": "-", "月": "-", "日": " "})
_COMMENT = re.compile(r"\([^()]*\)")


class Instant(NamedTuple):
    """`at` is in milliseconds since the epoch, UTC; None where it can't be had. `note`, after
    "the date …", says why it can't, or what was guessed; "" where nothing was.
    """

    at: int | None
    note: str = ""


class _Unreadable(Exception):  # noqa: N818  # never leaves this module
    """The note is its message."""


def instant(written: str, zone: str = "UTC") -> Instant:
    """The instant that `written` means; `zone` is the IANA name of where a time without a zone
    is meant, and has to be one that there is.

    Years before 1971 and after 2100 are refused: a contact's timeline with a message of 1970 on
    it is worse than a dead letter. A leap second is the one before it.
    """
    common = _COMMON.fullmatch(written)
    if common is not None:
        day, name, year, hour, minute, second, sign, zone_hours, zone_minutes = common.groups()
        month = MONTHS.get(name.lower())
        if (
            month is not None
            and FIRST_YEAR < (y := int(year)) < LAST_YEAR
            and 0 < (d := int(day)) <= 28
            and (h := int(hour)) < 24
            and (m := int(minute)) < 60
            and (s := int(second or 0)) < 60
            and (east := int(zone_hours)) < 12
        ):
            east = (east * 60 + int(zone_minutes)) * 60
            days = date(y, month, d).toordinal() - _EPOCH
            at = days * 86_400 + h * 3600 + m * 60 + s
            return Instant((at + east if sign == "-" else at - east) * 1000)
    if not written.strip():
        return Instant(None, "is empty")
    try:
        return _read(written[:_MOST_CHARACTERS], zone)
    except _Unreadable as error:
        return Instant(None, str(error))


def _read(written: str, zone: str) -> Instant:
    text = plain(written).translate(_SIGNS)
    comments = ""
    while (match := _COMMENT.search(text)) is not None:
        comments += f" {match[0][1:-1]}"
        text = f"{text[: match.start()]} {text[match.end() :]}"
    notes: list[str] = []
    eight = _EIGHT_DIGITS.search(text)
    if eight is not None:
        y, mo, d, h, mi, s = (int(value or 0) for value in eight.groups())
        rest = text[eight.end() :]
        clock: tuple[int, int, int, int] | None = (h, mi, s, 0)
        day: tuple[int, int, int] = (y, mo, d)
    else:
        month_first = _HALF.search(text) is not None  # who counts to twelve writes 1/15/2024
        text, clock = _clock(text)
        day, rest = _day(text, notes, month_first=month_first)
    if clock is None:
        notes.append("has no time of day")
        clock = (0, 0, 0, 0)
    naive = _datetime(day, clock)
    _refuse_absurd(naive)
    east = _zone(rest, comments)
    if east is None:
        unknown = "has no known time zone, and is taken as {}" if rest.strip(" ;,") else NO_ZONE
        notes.append(unknown.format(zone))
        when = _in_zone(naive, zone)
    else:
        when = naive - timedelta(minutes=east)
    _refuse_absurd(when)
    since = when - datetime(1970, 1, 1)  # noqa: DTZ001  # both are UTC here
    return Instant(since // timedelta(milliseconds=1), " and ".join(notes))


def _refuse_absurd(when: datetime) -> None:
    if not FIRST_YEAR <= when.year <= LAST_YEAR:
        raise _Unreadable(f"is in the year {when.year}")


def _clock(text: str) -> tuple[str, tuple[int, int, int, int] | None]:
    """(`text` without its time of day, hour, minute, second and millisecond)."""
    for form in (_TIME, _DOTTED_TIME, _HOUR):
        for match in form.finditer(text):
            hour, minute, second = (int(match[at] or 0) for at in (1, 2, 3))
            half = (match[5] or "")[:1]
            if half and hour <= 12:
                hour = hour % 12 + (12 if half == "p" else 0)
            if hour > 24 or minute > 59 or second > 61 or (hour == 24 and (minute or second)):
                continue
            milli = int((match[4] or "0")[:3].ljust(3, "0"))
            # What stands after a time may be its zone: a mark keeps the two apart.
            return (
                f"{text[: match.start()]} ; {text[match.end() :]}",
                (hour, minute, min(second, 59), milli),
            )
        if form is _TIME and form.search(text) is not None:
            raise _Unreadable("is not readable")
    return text, None


def _day(text: str, notes: list[str], *, month_first: bool) -> tuple[tuple[int, int, int], str]:
    """((year, month, day), what of `text` is left for the zone)."""
    months = [word for word in _WORD.finditer(text) if word[0] in MONTHS]
    if months:
        # The last: "mar., 2 janv." is a Tuesday of January.
        word = months[-1]
        return _around(text[: word.start()], text[word.end() :], MONTHS[word[0]])
    numeric = _NUMERIC.search(text)
    if numeric is None:
        return _bare(text)
    first, mark, second, third = numeric.groups()
    rest = f"{text[: numeric.start()]} {text[numeric.end() :]}"
    if len(first) >= 3:
        return (int(first), int(second), int(third)), rest
    one, two, year = int(first), int(second), _year(third)
    if two > 12 or (mark == "/" and one <= 12 and month_first):
        one, two = two, one
    elif mark == "/" and one <= 12 and one != two:
        notes.append("may have its day and its month the other way round")
    return (year, two, one), rest


def _around(before: str, after: str, month: int) -> tuple[tuple[int, int, int], str]:
    """Day and year on either side of the month's name: 1 Jan 2024, Jan 1 10:00 2024, 2024 Jan 1."""
    left = list(_NUMBER.finditer(before))[-1:]
    right = list(_NUMBER.finditer(after))
    if left and len(left[0][0]) <= 2 and right:
        day, year = left[0][0], right[0]
        return (_year(year[0]), month, int(day)), f"{after[: year.start()]} {after[year.end() :]}"
    if left and len(left[0][0]) == 4 and right:
        return (int(left[0][0]), month, int(right[0][0])), after[right[0].end() :]
    if len(right) >= 2:
        day, year = right[0][0], right[1]
        if len(day) <= 2:
            middle = after[right[0].end() : year.start()]
            return (_year(year[0]), month, int(day)), f"{middle} {after[year.end() :]}"
    raise _Unreadable("is not readable")


def _bare(text: str) -> tuple[tuple[int, int, int], str]:
    """Three numbers with blanks between them, before the time: 20 11 79, 2024 1 1."""
    head = text.partition(";")[0]
    numbers = [int(match[0]) for match in _NUMBER.finditer(head)]
    if ";" not in text or len(numbers) != 3:
        raise _Unreadable("is not readable")
    one, month, three = numbers
    rest = text.partition(";")[2]
    if one > 31:
        return (one, month, three), rest
    return (_year(str(three)), month, one), rest


def _year(written: str) -> int:
    """RFC 5322 4.3; and 19100, as programs wrote that added 1900 as text to 100."""
    year = int(written)
    if len(written) <= 2:
        return year + (2000 if year < 50 else 1900)
    if len(written) == 3:
        return year + 1900
    return year - 19000 + 1900 if 19100 <= year <= 19199 else year


def _datetime(day: tuple[int, int, int], clock: tuple[int, int, int, int]) -> datetime:
    hour, minute, second, milli = clock
    if not 1 <= day[0] <= 9998:
        raise _Unreadable(f"is in the year {day[0]}")
    try:
        midnight = datetime(*day)  # noqa: DTZ001  # its zone is applied by the caller
    except ValueError:
        raise _Unreadable("names a day that there is not") from None
    return midnight + timedelta(hours=hour, minutes=minute, seconds=second, milliseconds=milli)


def _zone(rest: str, comments: str) -> int | None:
    east, where = offset(rest)
    if east is None and where == (0, 0):
        unsigned = re.search(r"; ?(0\d{3}|1[0-4]\d{2})\b", rest)
        if unsigned is not None:
            return int(unsigned[1][:2]) * 60 + int(unsigned[1][2:])
        return offset(comments)[0] if comments else None
    return east


@lru_cache(maxsize=8)
def _zone_info(zone: str) -> ZoneInfo:
    return ZoneInfo(zone)


def _in_zone(naive: datetime, zone: str) -> datetime:
    if zone == "UTC":
        return naive
    return naive.replace(tzinfo=_zone_info(zone)).astimezone(UTC).replace(tzinfo=None)
