"""NDJSON: one JSON value a line. The position is the line's byte offset.

Blank lines are no records but count in the line number; a UTF-8 BOM at the start and a CR
before the newline are no part of a record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulkload.model import Kind, Position, Record
from bulkload.sources.growing import GrowingFile
from bulkload.sources.lines import read_lines

if TYPE_CHECKING:
    from collections.abc import Generator

BOM = b"\xef\xbb\xbf"


class NdjsonSource(GrowingFile):
    """A file of JSON lines, plain or compressed. Nothing is parsed here: mapping does that."""

    format = "ndjson"
    noun = "line"
    kind: Kind = "json"
    whole_by_itself = True

    def _records(self, start: Position | None) -> Generator[Record, None, None]:
        offset, number = (int(start.at), start.number) if start else (0, 1)
        kind = self.kind
        with self._opened(offset) as stream:
            for at, line_number, raw, flaw in read_lines(stream, number, self.max_record_bytes):
                if raw is not None:
                    if at == 0 and raw.startswith(BOM):
                        raw = raw[3:]  # noqa: PLW2901  # the same line, cleaned
                    if raw.endswith(b"\r"):
                        raw = raw[:-1]  # noqa: PLW2901  # the same line, cleaned
                    if flaw is None and (not raw or raw.isspace()):
                        continue
                yield Record(Position(at, line_number), kind, raw, None, flaw)
