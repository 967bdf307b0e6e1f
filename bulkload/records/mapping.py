"""Record → what is sent for it. Pure: joins sources to HubSpot.

Laws kept here: nothing lost: whatever a record holds, it ends as an input, is left out by a
filter, or is a `RecordError`, never a crash. No message quotes what a record holds.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from bulkload.columns import fields_of
from bulkload.columns.record import object_of, texts_of
from bulkload.errors import RecordError, UnmappableRecord, UnreadableRecord
from bulkload.hubspot.properties import from_object, from_row, json_type
from bulkload.mail.mine import external
from bulkload.model import Address, LeftOut, Mapped
from bulkload.records.written import member

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bulkload.model import Record
    from bulkload.records.rules import Rules


def map_record(record: Record, rules: Rules) -> Mapped | LeftOut:
    """What is sent for `record`, or the filter that leaves it out.

    Raises UnreadableRecord or UnmappableRecord, and nothing else.
    """
    try:
        return _mapped(record, rules)
    except RecordError:
        raise
    except Exception as error:
        # One record's fault must never stop a run of millions. The type is enough to find
        # it; the message might quote the record.
        raise UnmappableRecord(
            f"mapping failed on this {record.kind} record: {type(error).__name__}"
        ) from error


def _mapped(record: Record, rules: Rules) -> Mapped | LeftOut:
    if record.flaw is not None:
        raise UnreadableRecord(record.flaw)
    if record.kind == "row":
        return _from_row(record.fields or {}, rules)
    if record.raw is None:
        raise UnreadableRecord("the record was left unread; read it in its source")
    if record.kind == "json":
        return _from_line(record, record.raw, rules)
    if record.kind == "mail":
        return _from_mail(record, record.raw, rules)
    return _from_letter(record, record.raw, rules)


def _from_row(fields: dict[str, str], rules: Rules) -> Mapped:
    return Mapped(from_row(fields)) if rules.columns is None else _by_columns(fields, rules)


def _by_columns(fields: Mapping[str, str], rules: Rules) -> Mapped:
    assert rules.columns is not None
    made = rules.columns.mapped(fields)
    if not made.people:
        return made
    return made._replace(people=external(made.people, rules.mine) if rules.people else ())


def _from_line(record: Record, raw: bytes, rules: Rules) -> Mapped:
    if rules.columns is not None:
        same = record.raw is raw and record.fields is None
        line = record if same else record._replace(raw=raw, fields=None)
        return _by_columns(fields_of(line), rules)
    obj = object_of(raw)
    if _has_inexact(obj):
        obj = _as_written(obj, texts_of(raw))
    return Mapped(from_object(obj))


def _from_mail(record: Record, raw: bytes, rules: Rules) -> Mapped | LeftOut:
    from bulkload.records.mailing import from_mail  # noqa: PLC0415  # its rooms take long to import

    return from_mail(record, raw, rules)


def _has_inexact(obj: dict[str, Any]) -> bool:
    """Whether a number may not read as it was written: every float, and 0, which may be -0."""
    values = obj.get("properties")
    if not isinstance(values, dict):
        values = obj
    return any(
        type(value) is float or (value == 0 and type(value) is int) for value in values.values()
    )


def _as_written(obj: dict[str, Any], texts: dict[str, Any]) -> dict[str, Any]:
    """`obj` with the numbers among its properties (no others) as in `texts`."""
    values = obj.get("properties")
    if isinstance(values, dict):
        return {**obj, "properties": _as_written(values, texts["properties"])}
    return {
        name: texts[name] if type(value) in (int, float) else value for name, value in obj.items()
    }


def _from_letter(record: Record, raw: bytes, rules: Rules) -> Mapped | LeftOut:
    letter = object_of(raw)
    if "bulkload" not in letter:
        return _from_line(record, raw, rules)
    if isinstance(letter.get("input"), dict):
        uploads = rules.attachments == "upload" and letter.get("format") == "mail"
        people = _people(letter) if rules.people else ()
        return Mapped(from_object(letter["input"]), people, files=int(uploads))
    content: object = letter.get("record")
    if isinstance(content, dict):
        return _from_line(record, member(raw, "record"), rules)
    if isinstance(content, str):
        return _from_bytes(content.encode(), letter, record, rules)
    if letter.get("record_base64") is not None:
        return _from_bytes(_decoded(letter["record_base64"]), letter, record, rules)
    if content is not None:
        raise UnreadableRecord(f"the letter's record is {json_type(content)}")
    raise UnreadableRecord(
        "the letter holds no record (it was too large or could not be read): "
        f"read it from its source, {_place(letter)}"
    )


def _from_bytes(
    raw: bytes, letter: dict[str, Any], record: Record, rules: Rules
) -> Mapped | LeftOut:
    form = letter.get("format", "ndjson")
    if form == "mail":
        folder, flags = (str(letter.get(name) or "") for name in ("folder", "flags"))
        return _from_mail(record._replace(raw=raw, folder=folder, flags=flags), raw, rules)
    if form == "ndjson":
        return _from_line(record, raw, rules)
    if form == "csv":
        raise UnreadableRecord(
            "a table row that could not be read: make the letter's record an object of "
            "properties, or mend the row in its source"
        )
    raise UnreadableRecord("the letter's format is none of ndjson, csv, mail")


def _people(letter: dict[str, Any]) -> tuple[Address, ...]:
    held = letter.get("people")
    return tuple(
        Address(*each)
        for each in (held if isinstance(held, list) else [])
        if isinstance(each, list) and len(each) == 3 and all(isinstance(e, str) for e in each)
    )


def _decoded(text: object) -> bytes:
    try:
        return base64.b64decode(str(text), validate=True)
    except (binascii.Error, ValueError):
        raise UnreadableRecord("the letter's record_base64 is no valid base64") from None


def _place(letter: dict[str, Any]) -> str:
    origin = letter.get("origin")
    where = origin if isinstance(origin, dict) else letter
    position = where.get("position")
    at = position.get("at") if isinstance(position, dict) else position
    return f"{where.get('source', 'of unknown name')}, position {at}"
