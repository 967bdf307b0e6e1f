"""One JSON array of objects, as exports write it. The position is the element's byte offset.

Law kept here: it is streamed: no more than one element is held, however long the array is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bulkload.errors import RefusedToStart
from bulkload.model import Position, Record
from bulkload.sources.elements import BLANKS, read_elements
from bulkload.sources.files import FileSource
from bulkload.sources.ndjson import BOM
from bulkload.sources.streams import Reading

if TYPE_CHECKING:
    from collections.abc import Generator

LOOKED_INTO = 1 << 16


class JsonArraySource(FileSource):
    """A file with one array, plain or compressed. Its elements are not parsed here: mapping does
    that. Raises RefusedToStart where the file does not begin with a bracket.
    """

    format = "json"
    noun = "record"

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        with self._opened() as stream:
            head = Reading(stream).read(LOOKED_INTO)
        start = head.removeprefix(BOM).lstrip(BLANKS)
        if not start.startswith(b"["):
            raise RefusedToStart(
                f"{self.name}: does not begin with [, so it is no JSON array. Records that are an "
                "object a line are --format ndjson."
            )
        self._first = len(head) - len(start) + 1

    def records(self, start: Position | None = None) -> Generator[Record, None, None]:
        offset, number = (int(start.at), start.number) if start else (self._first, 1)
        with self._opened(offset) as stream:
            for at, nth, raw, flaw in read_elements(stream, number, self.max_record_bytes):
                yield Record(Position(at, nth), "json", raw, None, flaw)
