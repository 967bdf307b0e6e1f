"""A record's property as search compares it: dates and numbers as numbers, the rest as text. Pure.

Law: search looks at every record, so nothing here is worked out that was not asked for, and no
date of the record's own is read or written as text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bulkload.sandbox.answers import milliseconds_of
from bulkload.sandbox.properties import derived
from bulkload.sandbox.record import Record
from bulkload.sandbox.schema import milliseconds

if TYPE_CHECKING:
    from bulkload.sandbox.schema import Schema

Comparable = float | str
Reader = Callable[[Record], Comparable | None]

CREATED = {"EMAIL": "hs_createdate", "CONTACT": "createdate"}
_CHANGED = {"EMAIL": "hs_lastmodifieddate", "CONTACT": "lastmodifieddate"}
_DERIVED = tuple(f"hs_email_{role}_" for role in ("from", "sender", "to", "cc", "bcc"))
_OWN: dict[str, Reader] = {
    "hs_object_id": lambda record: int(record.id),
    "hs_timestamp": lambda record: record.stamp,
    **dict.fromkeys(CREATED.values(), lambda record: milliseconds_of(record.created)),
    **dict.fromkeys(_CHANGED.values(), lambda record: milliseconds_of(record.changed)),
}


def reader(schema: Schema, name: str) -> Reader:
    """What gives a record's value of this property, and None where it has none."""
    if name in _OWN and name in schema.properties:
        return _OWN[name]
    convert = converter(schema, name)
    if name.startswith(_DERIVED):
        return lambda record: (
            convert(value) if (value := derived(record.values).get(name)) else None
        )
    return lambda record: convert(value) if (value := record.values.get(name)) else None


def holds(schema: Schema, name: str) -> Callable[[Record], bool]:
    """What tells whether a record has a value of this property."""
    if name in _OWN or name.startswith(_DERIVED):
        read = reader(schema, name)
        return lambda record: read(record) is not None
    return lambda record: bool(record.values.get(name))


def converter(schema: Schema, name: str) -> Callable[[str], Comparable]:
    """Text → what is compared. What is no date or number is compared as text."""
    kind = schema.properties[name].kind if name in schema.properties else "string"
    if kind == "datetime":
        return _as_date
    if kind == "number" or name == "hs_object_id":
        return _as_number
    return str.lower


def rank(value: Comparable | None) -> tuple[int, Comparable]:
    """For sorting: numbers, then texts; no value is an empty text."""
    if value is None:
        return 1, ""
    return (1, value) if isinstance(value, str) else (0, value)


def _as_date(value: str) -> Comparable:
    stamp = milliseconds(value)
    return value.lower() if stamp is None else stamp


def _as_number(value: str) -> Comparable:
    try:
        return float(value)
    except ValueError:
        return value.lower()
