"""Parquet: a table in one file. The position is the row's index.

It is read a row group at a time, and in that a few hundred rows at a time: a start in the middle
is found by the footer alone, and what lies before it in its row group is passed over.

Laws kept here: memory is bounded by a batch of rows and one page of each column; nothing is lost
in silence: of a row group that can't be read each row is a record with that flaw.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import orjson

from bulkload.errors import RefusedToStart
from bulkload.model import Position, Record
from bulkload.sources.cells import names, texts
from bulkload.sources.extras import needed
from bulkload.sources.files import FileSource
from bulkload.sources.lines import too_large

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

MAGIC = b"PAR1"

ROWS = 1000
"""Rows that are converted at a time, where they are small."""

BATCH_BYTES = 8 << 20
"""And no more than these, by the average of their row group."""


class ParquetSource(FileSource):
    """A Parquet file. Raises RefusedToStart where pyarrow is missing, the file is no whole Parquet
    file, or two columns have one name.
    """

    format = "parquet"
    noun = "row"

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._arrow = needed("pyarrow", "parquet", f"{self.name}: a Parquet file")
        needed("pyarrow.compute", "parquet", f"{self.name}: a Parquet file")
        self._parquet = needed("pyarrow.parquet", "parquet", f"{self.name}: a Parquet file")
        with self._table() as table:
            self.rows = int(table.metadata.num_rows)
            self.columns = list(names(self._arrow, table.schema_arrow))
        twice = sorted({name for name in self.columns if self.columns.count(name) > 1})
        if twice:
            raise RefusedToStart(
                f"{self.name}: has more than one column named {', '.join(map(repr, twice))}: "
                "each column is a property of its own."
            )
        self._read = 0

    def consumed(self) -> int:
        return (self.size() or 0) * self._read // max(1, self.rows)

    def records(self, start: Position | None = None) -> Generator[Record, None, None]:
        wanted = int(start.at) if start else 0
        with self._table() as table:
            at = 0
            for group in range(table.metadata.num_row_groups):
                described = table.metadata.row_group(group)
                end = at + described.num_rows
                if end > wanted:
                    for record in self._of_group(table, group, described, at, max(at, wanted)):
                        self._read = int(record.position.at)
                        yield record
                at = end
            self._read = at

    def _of_group(
        self, table: Any, group: int, described: Any, first: int, wanted: int
    ) -> Iterator[Record]:
        """The rows of a group that begins with row `first`, from `wanted` on."""
        average = described.total_byte_size // max(1, described.num_rows)
        rows = max(1, min(ROWS, BATCH_BYTES // max(1, average)))
        at, end = first, first + described.num_rows
        try:
            for batch in table.iter_batches(rows, row_groups=[group], use_threads=False):
                behind = at + batch.num_rows
                if behind > wanted:
                    passed = max(0, wanted - at)
                    yield from self._of_batch(batch.slice(passed), at + passed)
                at = behind
        except (self._arrow.ArrowException, OSError, ValueError) as error:
            why = str(error).partition("\n")[0]
            flaw = f"its row group ({group + 1}) can't be read: {why}. Fetch the file again"
            for row in range(max(at, wanted), end):
                yield Record(Position(row, row + 1), "row", None, None, flaw)

    def _of_batch(self, batch: Any, first: int) -> Iterator[Record]:
        if batch.nbytes > self.max_record_bytes:
            # One of them may be too large: as Python's objects it would be there several times.
            if batch.num_rows > 1:
                for at in range(batch.num_rows):
                    yield from self._of_batch(batch.slice(at, 1), first + at)
            else:
                flaw = too_large("row", batch.nbytes, self.max_record_bytes)
                yield Record(Position(first, first + 1), "row", None, None, flaw)
            return
        columns = [cells for column in batch.columns for cells in texts(self._arrow, column)]
        # A row of no column has no cell to be counted by.
        rows = zip(*columns, strict=True) if columns else [()] * batch.num_rows
        for row, cells in enumerate(rows, first):
            position = Position(row, row + 1)
            fields = {name: cell for name, cell in zip(self.columns, cells, strict=True) if cell}
            raw = orjson.dumps(fields)
            if len(raw) > self.max_record_bytes:
                flaw = too_large("row", len(raw), self.max_record_bytes)
                yield Record(position, "row", None, None, flaw)
            else:
                yield Record(position, "row", raw, fields)

    @contextmanager
    def _table(self) -> Iterator[Any]:
        with self.place.file(self.name) as file:
            try:
                # Buffered, or each column's part of a row group is held whole.
                table = self._parquet.ParquetFile(file, buffer_size=1 << 20, pre_buffer=False)
            except (self._arrow.ArrowException, OSError) as error:
                why = str(error).partition("\n")[0].rstrip(".")
                raise RefusedToStart(
                    f"{self.name}: is no whole Parquet file: {why}. Fetch it again."
                ) from None
            yield table
