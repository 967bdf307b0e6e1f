"""Pure: the NDJSON lines that need no mapping, straight to their inputs.

Most lines are text throughout, in HubSpot's own shape or flat: what mapping would make of one is
said at a glance, and made here without its steps. Law kept here: one outcome. What is made is byte
for byte what `mapping.py` and `making.py` make; of any other line nothing is said, and it goes
their way, where it is judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from bulkload.keys import key_of_line

if TYPE_CHECKING:
    from bulkload.hubspot.lookup import Marks

_TEXT = {str}
_HEAD, _MIDDLE, _TAIL = b'{"properties":', b',"associations":[],"objectWriteTraceId":"', b'"}'


def properties_of(raw: bytes) -> dict[str, str] | None:
    """What a line says, where all of it is properties whose values are text; else None."""
    try:
        said = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    if type(said) is not dict:
        return None
    inner = said.get("properties")
    if type(inner) is dict:
        if len(said) != 1 and not (len(said) == 2 and said.get("associations") == []):
            return None
        said = inner
    if "" in said or set(map(type, said.values())) != _TEXT:
        return None
    return said


def marked(
    properties: dict[str, str], raw: bytes, run: str, marks: Marks | None, field: str | None
) -> str | None:
    """The record's key ("" where it needs none), which is put among its properties with the run's
    id where they are marked. None where that takes a closer look: it has them already, or has no
    key.
    """
    if marks is None:
        return "" if field is None else key_of_line(raw, properties, field) or None
    if marks.key in properties or marks.run in properties:
        return None
    key = key_of_line(raw, properties, field)
    if not key:
        return None
    properties[marks.key] = key
    if marks.run:
        properties[marks.run] = run
    return key


def body(properties: dict[str, str], trace_id: str) -> bytes:
    """Its input. `trace_id` is one of ours: nothing in it needs escaping."""
    return b"".join((_HEAD, orjson.dumps(properties), _MIDDLE, trace_id.encode(), _TAIL))
