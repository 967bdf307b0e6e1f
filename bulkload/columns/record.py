"""Pure: a record's bytes → a JSON object, its texts as they are written, its fields by column.

Law kept here: text arrives as written: 1.10 stays 1.10, and thirty digits stay thirty.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import orjson

from bulkload.columns.flat import flat
from bulkload.errors import UnmappableRecord, UnreadableRecord
from bulkload.hubspot.properties import json_type

if TYPE_CHECKING:
    from bulkload.model import Record


def fields_of(record: Record) -> dict[str, str]:
    """What `Columns` maps: a row's cells, or an NDJSON line's members by dotted path.

    Raises UnreadableRecord or UnmappableRecord.
    """
    if record.flaw is not None:
        raise UnreadableRecord(record.flaw)
    if record.fields is not None:
        return record.fields
    if record.raw is None:
        raise UnreadableRecord("the record was left unread; read it in its source")
    found = object_of(record.raw)
    if set(map(type, found.values())) == {str}:
        return found  # as most lines are: there is nothing to flatten, nor a number to keep
    return flat(texts_of(record.raw))


def object_of(raw: bytes) -> dict[str, Any]:
    """Raises UnreadableRecord where `raw` is no JSON object."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        # orjson's message names what was expected and where, never the content.
        raise UnreadableRecord(f"no valid JSON: {error.msg} at character {error.pos}") from None
    if not isinstance(value, dict):
        raise UnreadableRecord(f"the line is {json_type(value)}, not a JSON object")
    return value


def texts_of(raw: bytes) -> dict[str, Any]:
    """The object in `raw`, each number as the text that is written there.

    A parsed number is not what was written: 1.10 would become 1.1, and an integer past
    64 bits a float. `object_of` has read `raw` before: it is valid JSON. Raises UnmappableRecord
    where a number is too large to be one, or the nesting is too deep to be read.
    """
    try:
        texts: dict[str, Any] = json.loads(raw, parse_int=str, parse_float=_finite)
    except RecursionError:
        raise UnmappableRecord("the object is nested too deep") from None
    return texts


def _finite(text: str) -> str:
    if not math.isfinite(float(text)):
        raise UnmappableRecord("a number is too large to be one")
    return text
