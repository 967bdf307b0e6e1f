"""Record → Input, and record → what its dead letter keeps. Pure: joins sources to HubSpot.

Laws kept here: nothing lost: whatever a record holds, it ends as an input or as a
`RecordError`, never as a crash, and its dead letter holds its bytes so exactly that it can be
sent again. No message quotes what a record holds.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

import orjson

from bulkload.columns.record import object_of, texts_of
from bulkload.errors import RecordError, UnmappableRecord, UnreadableRecord
from bulkload.hubspot.properties import as_json, from_email, from_object, from_row, json_type
from bulkload.mail.read import read_email
from bulkload.written import member

if TYPE_CHECKING:
    from bulkload.model import Input, Record

FORMATS = {"json": "ndjson", "row": "csv", "mail": "mail"}
"""A dead letter's `format`, by the kind of its record."""

_CARRIED = ("record", "record_base64", "input", "format")


def map_record(record: Record) -> Input:
    """What is sent for `record`.

    Raises UnreadableRecord or UnmappableRecord, and nothing else.
    """
    try:
        return _mapped(record)
    except RecordError:
        raise
    except Exception as error:
        # One record's fault must never stop a run of millions. The type is enough to find
        # it; the message might quote the record.
        raise UnmappableRecord(
            f"mapping failed on this {record.kind} record: {type(error).__name__}"
        ) from error


def letter_fields(record: Record, value: Input | None) -> dict[str, Any]:
    """What the dead letter of `record` holds of its content, as JSON for orjson.

    `record` (object or text) or `record_base64` (no UTF-8), `format`, `input` where a message
    was mapped; of a letter that failed again the same as it had, and `origin`: where its
    record first stood.
    """
    if record.kind == "letter":
        letter = _parsed_letter(record.raw)
        if letter is not None:
            raw = record.raw or b""
            # As written: parsed and written again, a number might be another.
            fields: dict[str, Any] = {
                name: orjson.Fragment(member(raw, name)) if isinstance(held, dict) else held
                for name in _CARRIED
                if (held := letter.get(name)) is not None
            }
            if "record_base64" not in fields:
                fields.setdefault("record", None)
            fields["origin"] = _origin(letter)
            return fields
    fields = _content(record)
    fields["format"] = FORMATS.get(record.kind, "ndjson")
    if value is not None and record.kind == "mail":
        fields["input"] = as_json(value)
    return fields


def letter_of(record: Record) -> dict[str, Any] | None:
    """The dead letter that `record` holds, parsed; None where it holds none.

    For lineage: a replay keeps the letter's first `key` and its `origin`.
    """
    return _parsed_letter(record.raw) if record.kind == "letter" else None


def _mapped(record: Record) -> Input:
    if record.flaw is not None:
        raise UnreadableRecord(record.flaw)
    if record.kind == "row":
        return from_row(record.fields or {})
    if record.raw is None:
        raise UnreadableRecord("the record was left unread; read it in its source")
    if record.kind == "json":
        return _from_line(record.raw)
    if record.kind == "mail":
        return from_email(read_email(record.raw))
    return _from_letter(record.raw)


def _from_line(raw: bytes) -> Input:
    obj = object_of(raw)
    if _has_inexact(obj):
        obj = _as_written(obj, texts_of(raw))
    return from_object(obj)


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


def _from_letter(raw: bytes) -> Input:
    letter = object_of(raw)
    if "bulkload" not in letter:
        return _from_line(raw)
    if isinstance(letter.get("input"), dict):
        return from_object(letter["input"])
    content: object = letter.get("record")
    if isinstance(content, dict):
        if _has_inexact(content):
            content = _as_written(content, texts_of(raw)["record"])
        return from_object(content)
    if isinstance(content, str):
        return _from_bytes(content.encode(), letter)
    if letter.get("record_base64") is not None:
        return _from_bytes(_decoded(letter["record_base64"]), letter)
    if content is not None:
        raise UnreadableRecord(f"the letter's record is {json_type(content)}")
    raise UnreadableRecord(
        "the letter holds no record (it was too large or could not be read): "
        f"read it from its source, {_place(letter)}"
    )


def _from_bytes(raw: bytes, letter: dict[str, Any]) -> Input:
    form = letter.get("format", "ndjson")
    if form == "mail":
        return from_email(read_email(raw))
    if form == "ndjson":
        return _from_line(raw)
    if form == "csv":
        raise UnreadableRecord(
            "a table row that could not be read: make the letter's record an object of "
            "properties, or mend the row in its source"
        )
    raise UnreadableRecord("the letter's format is none of ndjson, csv, mail")


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


def _parsed_letter(raw: bytes | None) -> dict[str, Any] | None:
    try:
        letter = orjson.loads(raw or b"")
    except orjson.JSONDecodeError:
        return None
    return letter if isinstance(letter, dict) and "bulkload" in letter else None


def _origin(letter: dict[str, Any]) -> dict[str, Any]:
    origin = letter.get("origin")
    if isinstance(origin, dict):
        return origin
    return {name: letter.get(name) for name in ("run", "ordinal", "source", "position")}


def _content(record: Record) -> dict[str, Any]:
    if record.raw is None:
        return {"record": None}
    if record.kind == "row" and record.fields is not None and record.flaw is None:
        return {"record": record.fields}
    if record.kind in ("json", "letter"):
        try:
            if isinstance(orjson.loads(record.raw), dict):
                # The text as it stands, so that numbers and key order survive exactly.
                return {"record": orjson.Fragment(record.raw)}
        except orjson.JSONDecodeError:
            pass
    try:
        return {"record": record.raw.decode()}
    except UnicodeDecodeError:
        return {"record_base64": base64.b64encode(record.raw).decode("ascii")}
