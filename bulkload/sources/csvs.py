"""Tables: CSV and TSV. The header names the properties; the position is a row's byte offset.

Rows are numbered as a spreadsheet shows them: the header is row 1, and blank rows count but
are no records. Text is UTF-8; a row that is not is a dead letter, never guessed at (a guess
would load wrong names in silence).
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

from bulkload.asked import MAX_RECORD_BYTES
from bulkload.errors import RefusedToStart
from bulkload.model import Position, Record
from bulkload.sources.growing import GrowingFile
from bulkload.sources.ndjson import BOM
from bulkload.sources.rows import Quotes, read_rows

if TYPE_CHECKING:
    import os
    from collections.abc import Generator

    from bulkload.sources.places import Place

DELIMITERS = ",;\t|"

# The standard library refuses cells past 128 KiB, which a message body easily is; the
# bound here is the row's, `max_record_bytes`.
csv.field_size_limit(2**31 - 1)


class CsvSource(GrowingFile):
    """A table with a header row, plain or compressed.

    `delimiter` is found in the header where it isn't given. Raises RefusedToStart where the
    header is missing, is not UTF-8, or names a column twice or not at all.
    """

    format = "csv"
    noun = "row"

    def __init__(
        self,
        where: str | os.PathLike[str] | Place,
        name: str | None = None,
        *,
        max_record_bytes: int = MAX_RECORD_BYTES,
        delimiter: str | None = None,
        **more: Any,
    ) -> None:
        super().__init__(where, name, max_record_bytes=max_record_bytes, **more)
        header, self._first = self._read_header()
        self.delimiter = delimiter or _sniffed(header)
        self.columns = self._columns(header)

    def options(self) -> dict[str, Any]:
        return {**super().options(), "delimiter": self.delimiter}

    def _records(self, start: Position | None) -> Generator[Record, None, None]:
        start = start or self._first
        delimiter = self.delimiter.encode()
        with self._opened(int(start.at)) as stream:
            rows = read_rows(stream, start.number, self.max_record_bytes, delimiter)
            for at, number, raw, flaw in rows:
                position = Position(at, number)
                if raw is None or flaw is not None:
                    yield Record(position, "row", raw, None, flaw)
                    continue
                if raw.endswith(b"\r"):
                    raw = raw[:-1]  # noqa: PLW2901  # the same row, cleaned
                if not raw or raw.isspace():
                    continue
                yield self._record(position, raw)

    def _record(self, position: Position, raw: bytes) -> Record:
        try:
            cells = _cells(raw.decode(), self.delimiter)
        except UnicodeDecodeError as error:
            flaw = (
                f"the row is not UTF-8 at byte {int(position.at) + error.start} of the file: "
                "convert the file, as in `iconv -f WINDOWS-1252 -t UTF-8`"
            )
            return Record(position, "row", raw, None, flaw)
        except csv.Error as error:
            return Record(position, "row", raw, None, f"no valid row: {error}")
        if len(cells) != len(self.columns):
            flaw = f"expected {len(self.columns)} cells, as in the header, found {len(cells)}"
            if lines := raw.count(b"\n"):
                flaw += f" (the row spans {lines + 1} lines: is a quote left open?)"
            return Record(position, "row", raw, None, flaw)
        fields = {name: cell for name, cell in zip(self.columns, cells, strict=True) if cell}
        return Record(position, "row", raw, fields)

    def _read_header(self) -> tuple[bytes, Position]:
        """The header row's bytes, and the position after it."""
        with self._opened() as stream:
            # The delimiter isn't known yet: a comma will do to find the row's end, since a
            # header with a line break inside a quoted name after another one is unheard of.
            for at, number, raw, flaw in read_rows(stream, 1, self.max_record_bytes, b","):
                if raw is None or flaw is not None:
                    raise RefusedToStart(f"{self.name}: the header can't be read: {flaw}")
                header = raw.removeprefix(BOM) if at == 0 else raw
                if header.strip():
                    return header.removesuffix(b"\r"), Position(at + len(raw) + 1, number + 1)
        raise RefusedToStart(f"{self.name}: has no header row: the first row names the properties")

    def _columns(self, header: bytes) -> list[str]:
        try:
            names = [name.strip() for name in _cells(header.decode(), self.delimiter)]
        except UnicodeDecodeError as error:
            raise RefusedToStart(
                f"{self.name}: the header is not UTF-8 at byte {error.start}. Convert the file, "
                "as in `iconv -f WINDOWS-1252 -t UTF-8`."
            ) from None
        except csv.Error as error:
            raise RefusedToStart(f"{self.name}: the header is no valid row: {error}.") from None
        empty = [str(index) for index, name in enumerate(names, 1) if not name]
        if empty:
            raise RefusedToStart(
                f"{self.name}: column {', '.join(empty)} has no name in the header: name it "
                "after its property, or remove it."
            )
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise RefusedToStart(
                f"{self.name}: the header names {', '.join(map(repr, twice))} more than once: "
                "each column is a property of its own."
            )
        return names


def _cells(text: str, delimiter: str) -> list[str]:
    return next(csv.reader([text], delimiter=delimiter, strict=True), [])


def _sniffed(header: bytes) -> str:
    """The delimiter that stands in the header most often outside quotes; a comma if none."""
    return max(DELIMITERS, key=lambda mark: _outside_quotes(header, mark.encode()))


def _outside_quotes(header: bytes, mark: bytes) -> int:
    quotes = Quotes(mark)
    count = 0
    for at in range(len(header)):
        quotes.feed(header[at : at + 1])
        count += header[at : at + 1] == mark and not quotes.open
    return count
