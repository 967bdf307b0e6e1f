"""What tables in columns have in common, Parquet and Arrow: rows of text out of batches of columns.

Laws kept here: memory is bounded by a thousand rows as text, or BATCH_BYTES of larger ones, beside
the batch that they are in; a row that can't be converted costs no other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from bulkload.errors import RefusedToStart
from bulkload.model import Position, Record
from bulkload.sources.cells import FAULTS, names, size, texts
from bulkload.sources.extras import needed
from bulkload.sources.files import FileSource
from bulkload.sources.lines import too_large
from bulkload.sources.typed import row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROWS = 1000
BATCH_BYTES = 8 << 20
"""Rows that are converted at a time are no more than these."""


class ColumnarSource(FileSource):
    """A file of columns, without those that `exclude` names (they are not read at all).

    Folders named KEY=VALUE above the file, as Hive writes them, are columns of its rows. A format
    adds `records()`, sets `_read`, and calls `_name` with the file's schema. Raises RefusedToStart
    where pyarrow is missing.
    """

    noun = "row"
    kind = "a table in columns"

    def __init__(self, *args: Any, exclude: Sequence[str] = (), **more: Any) -> None:
        super().__init__(*args, **more)
        self.exclude = tuple(exclude)
        self._arrow = needed("pyarrow", "parquet", f"{self.name}: {self.kind}")
        needed("pyarrow.compute", "parquet", f"{self.name}: {self.kind}")
        self._above: dict[str, str] = {}
        self.columns: list[str] = []
        self.rows = 0
        self._read = 0

    def options(self) -> dict[str, Any]:
        return {**super().options(), "exclude": list(self.exclude)}

    def consumed(self) -> int:
        return (self.size() or 0) * self._read // max(1, self.rows)

    def _name(self, schema: Any) -> list[str]:
        """Set what the columns are called; returns the fields of `schema` that are to be read.

        Raises RefusedToStart where two have one name, or one that is excluded is not there.
        """
        wanted = [field for field in schema if field.name not in self.exclude]
        inside = list(names(self._arrow, wanted))
        parts = (part.partition("=") for part in self.place.path.parts[:-1])
        above = {key: unquote(value) for key, mark, value in parts if mark and key}
        self._above = {
            key: value
            for key, value in above.items()
            if key not in inside and key not in self.exclude and value != _NOTHING
        }
        if unknown := sorted({*self.exclude} - {field.name for field in schema} - {*above}):
            raise RefusedToStart(
                f"{self.name}: has no column {', '.join(map(repr, unknown))} to exclude; there is "
                f"{', '.join([*names(self._arrow, schema), *above])}."
            )
        twice = sorted({name for name in inside if inside.count(name) > 1})
        if twice:
            raise RefusedToStart(
                f"{self.name}: has more than one column named {', '.join(map(repr, twice))}: "
                "each column is a property of its own."
            )
        self.columns = [*inside, *self._above]
        return [field.name for field in wanted]

    def _of_batch(self, batch: Any, first: int) -> Iterator[Record]:
        """The rows of a batch, whose first one is row `first` of the file."""
        held = sum(size(self._arrow, column) for column in batch.columns)
        if batch.num_rows > 1 and held > min(BATCH_BYTES, self.max_record_bytes):
            # One of them may be too large: as Python's objects it would be there several times.
            yield from self._halved(batch, first)
            return
        if held > self.max_record_bytes:
            flaw = too_large("row", held, self.max_record_bytes)
            yield Record(Position(first, first + 1), "row", None, None, flaw)
            return
        try:
            columns = [cells for column in batch.columns for cells in texts(self._arrow, column)]
        except (self._arrow.ArrowException, *FAULTS) as error:
            if batch.num_rows > 1:
                yield from self._halved(batch, first)
            else:
                flaw = f"it can't be converted: {reason(error)}"
                yield Record(Position(first, first + 1), "row", None, None, flaw)
            return
        # A row of no column has no cell to be counted by.
        rows = zip(*columns, strict=True) if columns else [()] * batch.num_rows
        above = tuple(self._above.values())
        for number, cells in enumerate(rows, first):
            position = Position(number, number + 1)
            yield row(position, self.columns, (*cells, *above), self.max_record_bytes)

    def _halved(self, batch: Any, first: int) -> Iterator[Record]:
        half = batch.num_rows // 2
        yield from self._of_batch(batch.slice(0, half), first)
        yield from self._of_batch(batch.slice(half), first + half)


def reason(error: BaseException) -> str:
    """What a library says against a file, in one line."""
    return str(error).partition("\n")[0].rstrip(".") or type(error).__name__


_NOTHING = "__HIVE_DEFAULT_PARTITION__"  # as Hive writes NULL
