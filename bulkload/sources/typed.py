"""Pure: cells that have types, as Arrow's tables and databases keep them → text, and the record
of a row of them.

Laws kept here: a value is written exactly, and alike whatever kept it: a whole number is its
digits, also where it is kept as a floating one (below 10^16; greater ones are rounded); nothing is
lost or changed in silence: a cell that can't be read is a flaw of its row.
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self

import orjson

from bulkload.model import Position, Record
from bulkload.sources.lines import too_large

if TYPE_CHECKING:
    from collections.abc import Iterable


class Unread(str):
    """In place of a cell's text where it has none: what can be shown of it, and what it is."""

    __slots__ = ("why",)
    why: str

    def __new__(cls, shown: str, why: str) -> Self:
        made = super().__new__(cls, shown)
        made.why = why
        return made


def decoded(raw: bytes) -> str:
    """Text as SQLite keeps it, which is any bytes that were called text."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return Unread(raw.decode("utf-8", "backslashreplace"), "text that is no UTF-8")


def row(
    position: Position, names: Iterable[str], cells: Iterable[str | None], limit: int
) -> Record:
    """The record of a row; `limit` is in bytes."""
    fields = {name: cell for name, cell in zip(names, cells, strict=True) if cell}
    raw = orjson.dumps(fields)
    if len(raw) > limit:
        return Record(position, "row", None, None, too_large("row", len(raw), limit))
    if Unread not in map(type, fields.values()):
        return Record(position, "row", raw, fields)
    unread = ((name, cell.why) for name, cell in fields.items() if isinstance(cell, Unread))
    flaw = "; ".join(f"column {name!r} holds {why}" for name, why in unread)
    return Record(position, "row", raw, None, flaw)


def cell(value: Any) -> str | None:
    """What a value of Python's is as text; None where it is none."""
    match value:
        case None | str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            # As short as tells it apart; one that is no number is none.
            return None if value != value else repr(value).removesuffix(".0")  # noqa: PLR0124
        case Decimal():
            return None if value.is_nan() else format(value, "f")
        case datetime():
            return (value if value.tzinfo is None else value.astimezone(UTC)).isoformat()
        case date() | time():
            return value.isoformat()
        case timedelta():
            return str(value)
        case bytearray() | memoryview():
            return text_of(bytes(value))
        case _:
            return text_of(value)


def text_of(value: Any) -> str:
    """A value that is no number: text, bytes, a list, a mapping."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return base64.b64encode(value).decode("ascii")
    if isinstance(value, list | dict):
        try:
            return orjson.dumps(value, default=_member, option=orjson.OPT_NON_STR_KEYS).decode()
        except TypeError:  # a whole number beyond 64 bits, which databases have inside of JSON
            return json.dumps(value, default=_member, ensure_ascii=False, separators=(",", ":"))
    return str(value)


def _member(value: Any) -> str:
    """What JSON has no form for, inside a list: a decimal, bytes."""
    return text_of(value)
