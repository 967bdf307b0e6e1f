"""Pure: a record → its key, the value that names it at the remote.

Law kept here: a key comes from the source and never from the mapping, so that a better
mapping never makes another key; the same record has the same key wherever it stands: in
another file, format or container, or in a dead letter. No message quotes what a record holds.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from functools import reduce
from typing import TYPE_CHECKING, Any

import orjson

from bulkload.errors import UnmappableRecord, UnreadableRecord
from bulkload.hubspot.properties import json_type
from bulkload.mail.envelope import without_envelope
from bulkload.mail.headers import as_written
from bulkload.records.content import FORMATS, letter_of
from bulkload.records.written import member
from bulkload.sources.ndjson import BOM

if TYPE_CHECKING:
    from bulkload.model import Record

_NAMED_BY = ("message-id", "date", "from")
_KINDS = {form: kind for kind, form in FORMATS.items()}


def key_of(record: Record, field: str | None = None) -> str:
    """The key of `record`: SHA-256 in lowercase hex. `field` names what holds it, if the user
    did; a message is named by its headers whatever `field` says.

    A dead letter has the key that it carries, else that of the record in it. Raises
    UnreadableRecord where the record was left unread, and UnmappableRecord where `field` holds
    no text, number or boolean; without `field` nothing else.
    """
    if record.raw is None:
        raise UnreadableRecord(record.flaw or "the record was left unread; read it in its source")
    if record.kind == "letter":
        return _of_letter(record, record.raw, field)
    if record.kind == "row":
        return _of_row(record.fields if record.flaw is None else None, record.raw, field)
    return _of_bytes(record.kind, record.raw, field)


def key_of_line(raw: bytes) -> str:
    """The key of an NDJSON line where no field holds one."""
    return _hashed(_trimmed(raw))


def key_of_text(text: str) -> str:
    """The key that a field's text makes; "" where that is blank."""
    text = text.strip()
    return _hashed(text.encode()) if text else ""


def _of_bytes(kind: str, raw: bytes, field: str | None) -> str:
    if kind == "mail":
        return _of_mail(raw)
    if kind == "row":
        return _of_row(None, raw, field)
    return key_of_line(raw) if field is None else _of_value(_object(raw, field), raw, field)


def _of_mail(raw: bytes) -> str:
    _, message = without_envelope(raw)
    headers = as_written(message, _NAMED_BY)
    if headers.get("message-id"):
        # No header's value holds a line feed: the three can't run into each other.
        return _hashed(b"\n".join([headers.get(name, b"") for name in _NAMED_BY]))
    # A line feed in front: no message is taken for another one's headers.
    return _hashed(b"\n" + message.replace(b"\r\n", b"\n").strip(b"\n"))


def _of_row(fields: dict[str, Any] | None, raw: bytes, field: str | None) -> str:
    if fields is None:
        if field is not None:
            raise UnmappableRecord(f"the row can't be read, so it has no {field!r} to be known by")
        return _hashed(raw)
    if field is not None:
        return _of_value(fields, b"", field)
    cells = {name: cell for name, cell in fields.items() if cell not in ("", None)}
    return _hashed(orjson.dumps(cells, option=orjson.OPT_SORT_KEYS))


def _of_value(obj: dict[str, Any], raw: bytes, field: str) -> str:
    """The key that the value of `field` makes. `raw` are the bytes of `obj`."""
    path = [field]
    inner = obj.get("properties")
    if isinstance(inner, dict):
        obj, path = inner, ["properties", field]
    value = obj.get(field)
    if isinstance(value, dict | list):
        raise UnmappableRecord(f"{field!r} is {json_type(value)}: no record can be known by it")
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, int | float):
        text = reduce(member, path, raw).decode()  # as written: a parsed number forgets 1.10
    else:
        text = value or ""
    key = key_of_text(text)
    if not key:
        raise UnmappableRecord(f"it has no value in {field!r}, which its key is made of")
    return key


def _of_letter(record: Record, raw: bytes, field: str | None) -> str:
    letter = letter_of(record)
    if letter is None:
        return _of_bytes("json", raw, field)
    key = letter.get("key")
    if isinstance(key, str) and key:
        return key
    kind = _KINDS.get(str(letter.get("format", "ndjson")), "json")
    content = letter.get("record")
    if isinstance(content, dict):
        return _of_object(kind, content, member(raw, "record"), field)
    if isinstance(content, str):
        return _of_bytes(kind, content.encode(), field)
    if (held := _decoded(letter.get("record_base64"))) is not None:
        return _of_bytes(kind, held, field)
    if isinstance(letter.get("input"), dict):
        return _of_object("json", letter["input"], member(raw, "input"), field)
    # It holds no record, so it can't be sent: its own line is all there is to know it by.
    return _of_bytes("json", raw, field)


def _of_object(kind: str, content: dict[str, Any], raw: bytes, field: str | None) -> str:
    if field is not None:
        return _of_value(content, raw, field)
    return _of_row(content, raw, None) if kind == "row" else _hashed(_trimmed(raw))


def _object(raw: bytes, field: str) -> dict[str, Any]:
    try:
        value = orjson.loads(_trimmed(raw))
    except orjson.JSONDecodeError:
        value = None
    if isinstance(value, dict):
        return value
    raise UnmappableRecord(f"it is no JSON object, so it has no {field!r} to be known by")


def _trimmed(raw: bytes) -> bytes:
    return raw.strip().removeprefix(BOM).strip()


def _decoded(text: object) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True) if isinstance(text, str) else None
    except (binascii.Error, ValueError):
        return None


def _hashed(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
