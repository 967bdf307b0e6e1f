"""Table rows as bytes with their offsets: where a row ends, by its quotes.

The scanner only finds a row's end; the row itself is parsed by the standard library. It works
on bytes and across buffers, so that offsets are exact and a row larger than the limit is
skipped without being held (law: memory is bounded).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulkload.sources.lines import Line, read_lines, too_large

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bulkload.sources.streams import Stream

QUOTE = b'"'


class Quotes:
    """Whether a quoted field is open, after the bytes fed so far.

    A quote opens a field only where the field begins (5" pipe is text), and closes it unless
    another quote follows.
    """

    __slots__ = ("_closing", "_field_start", "_opening", "_quote", "open")

    def __init__(self, delimiter: bytes, quote: bytes = QUOTE) -> None:
        self._quote = quote
        self._opening = delimiter + quote
        self.reset()

    def reset(self) -> None:
        self.open = False
        self._field_start = True
        self._closing = False  # the last byte was a quote inside a field: the next one decides

    def feed(self, piece: bytes) -> None:
        """Goes on over `piece`, which holds no newline."""
        at = 0
        if self._closing and piece:
            self._closing = False
            if piece.startswith(self._quote):
                at = 1
            else:
                self.open = False
        while at < len(piece):
            if self.open:
                found = piece.find(self._quote, at)
                if found < 0:
                    return
                at = found + 1
                if at == len(piece):
                    self._closing = True
                elif piece[at] == self._quote[0]:
                    at += 1
                else:
                    self.open = False
                    self._field_start = False
            elif self._field_start and piece[at] == self._quote[0]:
                self.open = True
                self._field_start = False
                at += 1
            else:
                found = piece.find(self._opening, at)
                if found < 0:
                    self._field_start = piece.endswith(self._opening[:1])
                    return
                self.open = True
                at = found + 2

    def end_of_line(self) -> bool:
        """A newline follows: whether it ends the row."""
        if self._closing:
            self._closing = False
            self.open = False
        return not self.open


def read_rows(
    stream: Stream, number: int, limit: int, delimiter: bytes, quote: bytes = QUOTE
) -> Iterator[Line]:
    """Every row of `stream` from where it stands, without its line end; blank ones too.

    The first one is given `number`. `quote` b"": a line is a row. The caller closes the stream.
    """
    if not quote:
        yield from read_lines(stream, number, limit, "row")
        return
    quotes = Quotes(delimiter, quote)
    start = stream.offset
    held: list[bytes] = []
    size = 0  # of the row so far, line ends inside it included

    def row(flaw: str | None = None) -> Line:
        if size > limit:
            return Line(start, number, None, flaw or too_large("row", size, limit))
        return Line(start, number, b"".join(held), flaw)

    while block := stream.read():
        parts = block.split(b"\n")
        last = parts.pop()
        for part in parts:
            if not size and quote not in part and len(part) <= limit:
                yield Line(start, number, part)
                start += len(part) + 1
                number += 1
                continue
            quotes.feed(part)
            size += len(part)
            held.append(part)
            if quotes.end_of_line():
                yield row()
                start += size + 1
                number += 1
                size = 0
                held.clear()
                quotes.reset()
            else:
                size += 1
                held.append(b"\n")
            if size > limit:
                held.clear()
        if last:
            quotes.feed(last)
            size += len(last)
            held.append(last)
            if size > limit:
                held.clear()
    flaw = stream.flaw
    if size and flaw is None and not quotes.end_of_line():
        flaw = (
            f"a quoted field of the row that begins at byte {start} is not closed before the end "
            "of the file: close the quote, or double it where it is text"
        )
    if size or flaw:
        yield row(flaw)
