"""Pure: what a dead letter keeps of a record, so exactly that it can be sent again.

Law kept here: nothing lost: a letter holds the record's bytes, as text where they are text.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

import orjson

from bulkload.hubspot.properties import as_json
from bulkload.records.written import member

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkload.model import Address, Input, Record

FORMATS = {"json": "ndjson", "row": "csv", "mail": "mail"}
"""A dead letter's `format`, by the kind of its record."""

_CARRIED = ("record", "record_base64", "input", "format", "people", "folder", "flags")


def letter_fields(
    record: Record, value: Input | None, people: Sequence[Address] = ()
) -> dict[str, Any]:
    """What the dead letter of `record` holds of its content, as JSON for orjson.

    `record` (object or text) or `record_base64` (no UTF-8), `format`, `folder` and `flags` of a
    message, `input` and `people` where one was mapped; of a letter that failed again the same as
    it had, and `origin`: where its record first stood.
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
        if people:
            fields["people"] = [list(each) for each in people]
    fields |= {n: v for n, v in (("folder", record.folder), ("flags", record.flags)) if v}
    return fields


def message_of(record: Record) -> bytes | None:
    """The message that a record is, or of which it is the letter; None where it is none."""
    if record.kind == "mail":
        return record.raw
    letter = letter_of(record)
    if letter is None or letter.get("format") != "mail":
        return None
    if isinstance(held := letter.get("record"), str):
        return held.encode()
    try:
        return base64.b64decode(str(letter.get("record_base64") or ""), validate=True)
    except binascii.Error:
        return None


def letter_of(record: Record) -> dict[str, Any] | None:
    """The dead letter that `record` holds, parsed; None where it holds none.

    For lineage: a replay keeps the letter's first `key` and its `origin`.
    """
    return _parsed_letter(record.raw) if record.kind == "letter" else None


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
