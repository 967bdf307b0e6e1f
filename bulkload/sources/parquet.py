"""Parquet: a table in one file. The position is the row's index.

It is read a row group at a time, and in that a few hundred rows at a time: a start in the middle
is found by the footer alone, and what lies before it in its row group is passed over.

Laws kept here: memory is bounded by a batch of rows and one page of each column; nothing is lost
in silence: of a row group that can't be read each row is a record with that flaw.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bulkload.errors import RefusedToStart
from bulkload.model import Position, Record
from bulkload.sources.cells import FAULTS
from bulkload.sources.columnar import BATCH_BYTES, ROWS, ColumnarSource, reason
from bulkload.sources.extras import needed

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

MAGIC = b"PAR1"


class ParquetSource(ColumnarSource):
    """A Parquet file. Raises RefusedToStart where pyarrow is missing, the file is no whole Parquet
    file, or two columns have one name.
    """

    format = "parquet"
    kind = "a Parquet file"

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._parquet = needed("pyarrow.parquet", "parquet", f"{self.name}: {self.kind}")
        with self._table() as table:
            self.rows = int(table.metadata.num_rows)
            self._wanted = self._name(table.schema_arrow)

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
        batches = self._batches(table, rows, group)
        while at < end:
            try:
                batch = next(batches, None)
                if batch is None:
                    raise ValueError("it holds fewer rows than the file says")
            except (self._arrow.ArrowException, OSError, *FAULTS) as error:
                flaw = f"its row group ({group + 1}) can't be read: {reason(error)}"
                flaw += ". Fetch the file again"
                for row in range(max(at, wanted), end):
                    yield Record(Position(row, row + 1), "row", None, None, flaw)
                return
            behind = at + batch.num_rows
            if behind > wanted:
                passed = max(0, wanted - at)
                yield from self._of_batch(batch.slice(passed), at + passed)
            at = behind

    def _batches(self, table: Any, rows: int, group: int) -> Iterator[Any]:
        batches: Iterator[Any] = table.iter_batches(
            rows, row_groups=[group], columns=self._wanted, use_threads=False
        )
        return batches

    @contextmanager
    def _table(self) -> Iterator[Any]:
        with self.place.file(self.name) as file:
            try:
                # Buffered, or each column's part of a row group is held whole.
                table = self._parquet.ParquetFile(file, buffer_size=1 << 20, pre_buffer=False)
            except (self._arrow.ArrowException, OSError) as error:
                raise RefusedToStart(
                    f"{self.name}: is no whole Parquet file: {reason(error)}. Fetch it again."
                ) from None
            yield table
