"""Pure: JSON as it is written, where a parsed value would forget how.

Law kept here: nothing lost: 1.10 stays 1.10, and thirty digits stay thirty.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[{}\],:]', re.DOTALL)
_OPENING, _CLOSING = (b"{", b"["), (b"}", b"]")


def member(raw: bytes, name: str) -> bytes:
    """The value of one member of the JSON object in `raw`, as it is written there.

    `raw` is known to be valid and to have the member; where it has it twice the last one
    counts, as it does when it is parsed.
    """
    found = b""
    for key, value in _members(raw):
        if orjson.loads(key) == name:
            found = value
    return found


def _members(raw: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(name with its quotes, value) of each member of the object in `raw`, as written."""
    depth = 0
    key = last = b""
    start = 0
    for token in _TOKEN.finditer(raw):
        mark = token[0]
        if depth == 1 and mark in (b",", b"}"):
            if key:
                yield key, raw[start : token.start()].strip()
            key = b""
        elif depth == 1 and mark == b":":
            key, start = last, token.end()
        if mark in _OPENING:
            depth += 1
        elif mark in _CLOSING:
            depth -= 1
        last = mark
