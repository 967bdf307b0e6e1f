"""NDJSON: one JSON value a line. The position is the line's byte offset.

Blank lines are no records but count in the line number; a UTF-8 BOM at the start and a CR
before the newline are no part of a record.
"""

from __future__ import annotations

from operator import methodcaller
from typing import TYPE_CHECKING

from bulkload.model import Kind, Position, Record, Stretch
from bulkload.sources.growing import GrowingFile
from bulkload.sources.lines import Line, read_stretches

if TYPE_CHECKING:
    from collections.abc import Generator

BOM = b"\xef\xbb\xbf"


class NdjsonSource(GrowingFile):
    """A file of JSON lines, plain or compressed. Nothing is parsed here: mapping does that."""

    format = "ndjson"
    noun = "line"
    kind: Kind = "json"
    whole_by_itself = True

    def stretches(self, start: Position | None = None) -> Generator[Stretch | Record, None, None]:
        """The same as `records`, whole lines together; see `protocols.Lined`."""
        return self._stretches(self._from_begin(start))

    def _records(self, start: Position | None) -> Generator[Record, None, None]:
        for found in self._stretches(start):
            if isinstance(found, Record):
                yield found
            else:
                yield from found.records()

    def _stretches(self, start: Position | None) -> Generator[Stretch | Record, None, None]:
        offset, number = (int(start.at), start.number) if start else (0, 1)
        with self._opened(offset) as stream:
            for found in read_stretches(stream, number, self.max_record_bytes):
                if isinstance(found, Line):
                    yield from self._record(found)
                elif self.kind == "json" and _are_clean(found):
                    yield found
                else:
                    for line in found.lines():
                        yield from self._record(Line(*line))

    def _record(self, line: Line) -> Generator[Record, None, None]:
        at, number, raw, flaw = line
        if raw is not None:
            if at == 0:
                raw = raw.removeprefix(BOM)
            raw = raw.removesuffix(b"\r")
            if flaw is None and (not raw or raw.isspace()):
                return
        yield Record(Position(at, number), self.kind, raw, None, flaw)


def _are_clean(stretch: Stretch) -> bool:
    """Whether none is blank, and nothing is to be taken off one: all end with a brace."""
    raws = stretch.raws
    begun = stretch.offset > 0 or not raws[0].startswith(BOM)
    return begun and all(map(_ends_with_a_brace, raws))


_ends_with_a_brace = methodcaller("endswith", b"}\n")
