"""What binds a run to a source: of a folder the names in it, of a file both its ends.

Law kept here: same source or no resume.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any, BinaryIO

from bulkload.errors import RefusedToStart

if TYPE_CHECKING:
    from collections.abc import Iterable

EDGE = 1 << 20
"""Bytes of a file's beginning, and of its end, that are looked at."""


def of_names(named: Iterable[tuple[str, int]]) -> dict[str, Any]:
    """`{"count", "size", "names"}` of a folder: (relative name, bytes), in sorted order."""
    digest = hashlib.sha256()
    count = size = 0
    for name, length in named:
        digest.update(os.fsencode(name) + b"\0" + str(length).encode() + b"\n")
        count += 1
        size += max(length, 0)
    return {"count": count, "size": size, "names": digest.hexdigest()}


def of_edges(file: BinaryIO, size: int, name: str) -> dict[str, Any]:
    """`{"size", "head", "tail"}` of a file's first `size` bytes. Raises RefusedToStart."""
    try:
        head = _digest(file, 0, min(size, EDGE))
        tail = _digest(file, max(0, size - EDGE), min(size, EDGE))
    except OSError as error:
        raise RefusedToStart(f"{name}: can't be read: {error.strerror or error}.") from error
    return {"size": size, "head": head, "tail": tail}


def _digest(file: BinaryIO, offset: int, length: int) -> str:
    file.seek(offset)
    digest = hashlib.sha256()
    while length and (block := file.read(length)):
        digest.update(block)
        length -= len(block)
    return digest.hexdigest()
