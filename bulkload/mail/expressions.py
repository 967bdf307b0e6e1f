"""Pure: what --filter can say: a field, = or !=, and values between commas.

    after=2019-01-01  before=2024-01-01  from=example.com,ada@b.org  to!=*.example.com
    label=Clients*    folder!=Newsletters

Law kept here: a slip is refused and never taken for another filter.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo

from bulkload.errors import RefusedToStart
from bulkload.mail.patterns import Patterns
from bulkload.wording import meant

FIELDS = ("after", "before", "from", "to", "label", "folder")

_EXPRESSION = re.compile(r"\s*([\w-]+)\s*(!?=)(.*)", re.DOTALL)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


def read(expression: str) -> tuple[str, bool, list[str]]:
    """(field, whether it is wanted or excluded, values). Raises RefusedToStart."""
    found = _EXPRESSION.fullmatch(expression)
    if found is None:
        raise RefusedToStart(f"--filter {expression!r}: write field=value or field!=value")
    field, sign, written = found[1].lower(), found[2], found[3]
    if field not in FIELDS:
        raise RefusedToStart(f"--filter {expression!r}: {unknown(field, FIELDS, 'field')}")
    values = [value.strip() for value in written.split(",") if value.strip()]
    if not values:
        raise RefusedToStart(f"--filter {expression!r}: there is no value behind {sign}")
    if field in ("after", "before") and sign == "!=":
        other = "before" if field == "after" else "after"
        raise RefusedToStart(f"--filter {expression!r}: write {other}={values[0]} instead")
    if field in ("from", "to"):
        values = Patterns.parse(values, f"--filter {field}{sign}").as_json()
    return field, sign == "=", values


def moment(field: str, written: str, zone: tzinfo) -> int:
    """Milliseconds since the epoch of a date, its midnight in `zone`, or of a time.

    Raises RefusedToStart.
    """
    try:
        when = datetime.fromisoformat(written)
        when = when if when.tzinfo else when.replace(tzinfo=zone)
        at = (when - _EPOCH) // _MS
        told(at)
    except (ValueError, OverflowError):
        raise RefusedToStart(
            f"--filter '{field}={written}': no date; write 2019-12-31, or with a time and a zone "
            "2019-12-31T23:59:00+01:00; another field is a --filter of its own"
        ) from None
    return at


def told(at: int) -> str:
    """A moment as `moment` reads it, in UTC."""
    return (_EPOCH + at * _MS).isoformat()


def unknown(name: str, known: tuple[str, ...], noun: str) -> str:
    """That there is no such name, which one is nearest and which there are."""
    return f"no such {noun}{meant(name, known)}; there are {', '.join(known)}"
