"""Tables: CSV and TSV. The header names the properties; the position is a row's byte offset.

Rows are numbered as a spreadsheet shows them: the header is row 1, and blank rows count but
are no records. Encoding and delimiter are found in the file's beginning where they are not given,
and kept from then on. Text whose bytes are no characters of their own (UTF-16, Shift JIS) is read
as UTF-8, and its offsets are those of that.

Law kept here: nothing is replaced in silence: a row that is no text in the encoding is a flaw.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from bulkload.errors import RefusedToStart
from bulkload.model import Position, Record
from bulkload.sources.asked import MAX_RECORD_BYTES
from bulkload.sources.encodings import NO_TEXT, Encoding, Recoded, encoding_of, is_bytewise, known
from bulkload.sources.growing import GrowingFile
from bulkload.sources.ndjson import BOM
from bulkload.sources.rows import Quotes, read_rows
from bulkload.sources.streams import Reading

if TYPE_CHECKING:
    import os
    from collections.abc import Generator, Iterator, Sequence

    from bulkload.sources.places import Place
    from bulkload.sources.streams import Stream

DELIMITERS = ",;\t|"

LOOKED_INTO = 1 << 20
"""Bytes from which the encoding is told: in an export in English an accent may come late."""

_SEP = re.compile(rb"[Ss][Ee][Pp]=([\x20-\x7e\t])")

# The standard library refuses cells past 128 KiB, which a message body easily is; the
# bound here is the row's, `max_record_bytes`.
csv.field_size_limit(2**31 - 1)

MOST_HEADER = 1 << 20
"""Bytes of a header: more is a file whose line ends were lost, or another format's."""


class CsvSource(GrowingFile):
    """A table with a header row, plain or compressed.

    `encoding` is Python's or any of its names, `delimiter` one character (or "tab"), `quote`
    another (or "none"). Raises RefusedToStart where one can't be, or the header is missing, can't
    be read, or leaves half of the columns without a name.
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
        encoding: str | None = None,
        quote: str | None = None,
        **more: Any,
    ) -> None:
        super().__init__(where, name, max_record_bytes=max_record_bytes, **more)
        self.quote = _sign(quote, "quote", none="none") if quote is not None else '"'
        if encoding is None:
            with super()._opened() as stream:
                found = encoding_of(Reading(stream).read(LOOKED_INTO))
        else:
            found = Encoding(known(encoding), sure=True)
        self.encoding, self._sure = found
        self._bytewise = is_bytewise(self.encoding)
        header, self._first, stated = self._read_header()
        given = None if delimiter is None else _sign(delimiter, "delimiter")
        self.delimiter = given or stated or _sniffed(header)
        named = self._columns(header)
        self.columns = numbered(named)
        self._renamed = [own for name, own in zip(named, self.columns, strict=True) if own != name]

    def options(self) -> dict[str, Any]:
        return {
            **super().options(),
            "delimiter": self.delimiter,
            "encoding": self.encoding,
            "quote": self.quote or "none",
        }

    def told(self) -> Iterator[str]:
        """What was found in the file and is not what most are, for a person."""
        if self._renamed:
            yield (
                f"{self.name}: the header has columns without a name, or with another one's; they "
                f"are called {', '.join(map(repr, self._renamed))}"
            )
        name = self._named
        marks = {"\t": "tabs", " ": "blanks"}
        split = f"separated by {marks.get(self.delimiter, self.delimiter)}"
        with closing(self._records(None)) as rows:
            empty = next(rows, None) is None
        if empty:
            yield (
                f"{self.name}: holds a header and no row, read as {name}, {split}. Where it has "
                "rows, name the encoding with --encoding"
            )
        elif not self._sure:
            yield (
                f"{self.name}: read as {name}, {split}. That is a guess: where letters come out "
                "wrong, name the encoding with --encoding"
            )
        elif name != "UTF-8":
            yield f"{self.name}: {name}, {split}"

    @property
    def _named(self) -> str:
        return self.encoding.upper().replace("CP125", "Windows-125").replace("ISO8", "ISO-8")

    def _records(self, start: Position | None) -> Generator[Record, None, None]:
        start = start or self._first
        delimiter, quote = (self._encoded(sign) for sign in (self.delimiter, self.quote))
        with self._opened(int(start.at)) as stream:
            rows = read_rows(stream, start.number, self.max_record_bytes, delimiter, quote)
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

    @contextmanager
    def _opened(self, offset: int = 0) -> Iterator[Stream]:
        if self._bytewise:
            with super()._opened(offset) as stream:
                yield stream
            return
        with super()._opened() as stored:
            recoded = Recoded(stored, self.encoding)
            recoded.skip_to(offset)
            yield recoded

    def _encoded(self, text: str) -> bytes:
        return text.encode(self.encoding if self._bytewise else "utf-8")

    def _text(self, raw: bytes) -> str:
        """Raises UnicodeDecodeError."""
        if self._bytewise:
            return raw.decode(self.encoding)
        text = raw.decode()
        if (at := text.find(NO_TEXT)) >= 0:
            at = len(text[:at].encode())
            raise UnicodeDecodeError(self.encoding, raw, at, at + 3, "no text")
        return text

    def _cells(self, text: str) -> list[str]:
        if not self.quote:
            return text.split(self.delimiter) if text else []
        mark, quote = self.delimiter, self.quote
        return next(csv.reader([text], delimiter=mark, quotechar=quote, strict=True), [])

    def _record(self, position: Position, raw: bytes) -> Record:
        try:
            cells = self._cells(self._text(raw))
        except UnicodeDecodeError as error:
            what = "the file" if self._bytewise else "its text in UTF-8"
            where = f"byte {int(position.at) + error.start} of {what}"
            flaw = f"the row is not {self._named} at {where}: name what it is with --encoding"
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

    def _read_header(self) -> tuple[bytes, Position, str | None]:
        """The header row's bytes, the position after it, and the delimiter that Excel states before
        it (`sep=;`).
        """
        stated: str | None = None
        with self._opened() as stream:
            # The delimiter isn't known yet: a comma will do to find the row's end, since a
            # header with a line break inside a quoted name after another one is unheard of.
            rows = read_rows(stream, 1, self.max_record_bytes, b",", self._encoded(self.quote))
            for at, number, raw, flaw in rows:
                if raw is None or flaw is not None:
                    raise RefusedToStart(f"{self.name}: the header can't be read: {flaw}")
                header = (raw.removeprefix(BOM) if at == 0 else raw).removesuffix(b"\r")
                if len(header) > MOST_HEADER:
                    raise RefusedToStart(
                        f"{self.name}: its first line has {len(header):,} bytes: that is no header "
                        "of a table. Say what it is with --format."
                    )
                if at == 0 and (sep := _SEP.fullmatch(header)):
                    stated = sep[1].decode("ascii")
                elif header.strip():
                    return header, Position(at + len(raw) + 1, number + 1), stated
        raise RefusedToStart(f"{self.name}: has no header row: the first row names the properties")

    def _columns(self, header: bytes) -> list[str]:
        try:
            names = [name.strip() for name in self._cells(self._text(header))]
        except UnicodeDecodeError as error:
            raise RefusedToStart(
                f"{self.name}: the header is not {self._named} at byte {error.start}. Name what "
                "it is, as in --encoding windows-1252."
            ) from None
        except csv.Error as error:
            raise RefusedToStart(
                f"{self.name}: the header is no valid row: {error}. It was read with the delimiter "
                f"{self.delimiter!r}; name another with --delimiter."
            ) from None
        if any("\0" in name for name in names):
            raise RefusedToStart(
                f"{self.name}: the header holds NUL, as no name does. Name what the file is in, "
                "as in --encoding utf-16-le."
            )
        if sum(map(bool, names)) * 2 <= len(names):
            raise RefusedToStart(
                f"{self.name}: the first row names {sum(map(bool, names))} of its {len(names)} "
                "columns: where the header is another row, remove what stands above it."
            )
        return names


def numbered(names: Sequence[str]) -> list[str]:
    """Each column with a name of its own: one without is named by its place, one whose name an
    earlier one has by a number behind it.
    """
    found: list[str] = []
    seen: set[str] = set()
    taken, counts = {*names}, Counter[str]()
    for place, name in enumerate(names, 1):
        base = own = name or f"column {place}"
        while own in seen or (own != name and own in taken):
            counts[base] += 1
            own = f"{base} ({counts[base] + 1})"
        seen.add(own)
        found.append(own)
    return found


def _sign(given: str, flag: str, none: str = "") -> str:
    """One character of ASCII, or "" where `given` is `none`. Raises RefusedToStart."""
    sign = {"tab": "\t", "\\t": "\t", none: ""}.get(given.lower(), given)
    if (sign or not none) and (len(sign) != 1 or not sign.isascii() or sign in "\r\n"):
        more = f", or {none}" if none else ", or tab"
        raise RefusedToStart(f"--{flag} {given!r}: takes one character of ASCII{more}.")
    return sign


def _sniffed(header: bytes) -> str:
    """The delimiter that stands in the header most often outside quotes; a comma if none."""
    return max(DELIMITERS, key=lambda mark: _outside_quotes(header, mark.encode()))


def _outside_quotes(header: bytes, mark: bytes) -> int:
    quotes = Quotes(mark)
    count = 0
    for piece in header.split(mark)[:-1]:
        quotes.feed(piece)
        quotes.feed(mark)
        count += not quotes.open
    return count
