"""mbox: many messages in one file. The position is the offset of a message's "From " line.

A message begins where a line starts with "From " at the start of the file or after a blank
line (the first one needs none), and where that line is an envelope: it has a time and a
year, is bare ("From -"), or a header follows it. So a paragraph that begins with "From here
on" stays in its message, as no writer of mbox agrees with another on what to escape.

Law kept here: memory is bounded: a message longer than the limit is skipped, unread.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from bulkload.model import Position, Record
from bulkload.sources.files import FileSource
from bulkload.sources.lines import too_large
from bulkload.sources.ndjson import BOM

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from bulkload.sources.streams import Stream

_MARK = b"\nFrom "
_LOOKAHEAD = 4096
_ENVELOPE = re.compile(
    rb"From (?:"
    rb"(?=[^\n]{0,250}\d:\d\d)[^\n]{0,250}\b(?:19|20)\d\d\b"  # a time and a year
    rb"|-?[ \t]*\r?\n"  # bare, as some clients write it
    rb"|[^\n]*\n(?:>From |[!-9;-~]+[ \t]*:(?!//))"  # a header follows
    rb")"
)


class Span(NamedTuple):
    """One stretch of the file. `raw` is None where it is longer than the limit."""

    offset: int
    size: int
    raw: bytes | None


class MboxSource(FileSource):
    """An mbox file, plain or gzip, with LF or CRLF."""

    format = "mbox"
    noun = "message"

    def records(self, start: Position | None = None) -> Generator[Record, None, None]:
        offset, number = (int(start.at), start.number) if start else (0, 1)
        with self._opened(offset) as stream:
            previous: Record | None = None
            for span in read_messages(stream, self.max_record_bytes):
                record = self._record(span, number)
                if record is None:
                    continue
                number += 1
                if previous is not None:
                    yield previous
                previous = record
            # The flaw of a torn stream is known at its end: it is the last record's.
            if stream.flaw is not None:
                if previous is None:
                    previous = Record(Position(stream.offset, number), "mail", b"")
                previous = previous._replace(flaw=stream.flaw)
            if previous is not None:
                yield previous

    def _record(self, span: Span, number: int) -> Record | None:
        position = Position(span.offset, number)
        if span.raw is None:
            flaw = too_large("message", span.size, self.max_record_bytes)
            return Record(position, "mail", None, None, flaw)
        raw = span.raw.removeprefix(BOM) if span.offset == 0 else span.raw
        if raw.startswith(b"From "):
            return Record(position, "mail", raw)
        if not raw.strip():
            return None
        flaw = f"{span.size:,} bytes before the first line that begins with 'From '"
        return Record(position, "mail", raw, None, flaw)


def read_messages(stream: Stream, limit: int) -> Iterator[Span]:
    """The file cut before each envelope, without the blank line in front of it."""
    buffer = bytearray()
    offset = stream.offset  # of the buffer's first byte
    start = offset  # of the message that is being read
    seen = 0  # in the buffer: no mark begins before it
    begun = ended = False
    while not ended:
        block = stream.read()
        ended = not block
        buffer += block
        begun = begun or (start == offset and buffer.removeprefix(BOM).startswith(_MARK[1:]))
        first = 0
        while (mark := buffer.find(_MARK, seen)) >= 0:
            window = bytes(buffer[mark + 1 : mark + 1 + _LOOKAHEAD])
            if not ended and len(window) < _LOOKAHEAD and window.count(b"\n") < 2:
                seen = mark
                break
            seen = mark + 1
            end = _blank_line_before(buffer, mark)
            if end is None and not begun:
                end = mark + 1  # what stands before the first message needs no blank line
            torn_off = len(window) < _LOOKAHEAD and b"\n" not in window  # at the file's end
            if end is None or not (torn_off or _ENVELOPE.match(window)):
                continue
            yield _span(buffer, first, offset + end, start, limit)
            first = seen
            start = offset + first
            begun = True
        if mark < 0:
            seen = max(seen, len(buffer) - len(_MARK) + 1)
        if ended:
            break
        if offset + len(buffer) - start > limit + _LOOKAHEAD:
            # Too large: only what could be part of the next mark is kept.
            first = max(first, min(seen, len(buffer)) - len(_MARK))
        if first:
            del buffer[:first]
            offset += first
            seen = max(0, seen - first)
    end = len(buffer)
    if buffer.endswith(_MARK[:1]):
        blank = _blank_line_before(buffer, end - 1)
        end = end if blank is None else blank
    if offset + len(buffer) > start:
        yield _span(buffer, first, offset + end, start, limit)


def _span(buffer: bytearray, first: int, end: int, start: int, limit: int) -> Span:
    size = end - start
    if size > limit:
        return Span(start, size, None)
    with memoryview(buffer) as view:
        return Span(start, size, bytes(view[first : first + size]))


def _blank_line_before(buffer: bytearray, newline: int) -> int | None:
    """Where the blank line that ends at `newline` begins; None where that line isn't blank."""
    if newline == 0:
        return 0
    if buffer[newline - 1] == 0x0A:
        return newline
    if buffer[newline - 1] == 0x0D and (newline == 1 or buffer[newline - 2] == 0x0A):
        return newline - 1
    return None
