"""Parquet: a table in one file. The position is the row's index.

It is read a row group at a time, and in that a hundred rows at a time: a start in the middle is
found by the footer alone, and what lies before it in its row group is passed over.

Laws kept here: memory is bounded by a batch of rows and one page of each column, and a batch by
BATCH_BYTES as far as the rows before it tell: the file only says what they take encoded, where a
text that a thousand rows have stands once; nothing is lost in silence: of a row group that can't be
read each row is a record with that flaw.
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

FIRST_ROWS = 10
"""Rows of the first batch of a row group, before it is known how large they are."""

MOST_ROWS = 100
"""Rows of a batch, where they are small: those that may turn out large are no more than these."""


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
        at, end = first, first + described.num_rows
        batches = self._joined(self._batches(table, group, described))
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

    def _batches(self, table: Any, group: int, described: Any) -> Iterator[Any]:
        """A row group's batches, begun anew with others of a fitting size where they are large.

        What is passed over then is decoded again: a few rows in the beginning, later at most as
        often as MOST_ROWS can be halved.
        """
        most = min(MOST_ROWS, _fitting(described.total_byte_size, described.num_rows))
        rows, passed = min(FIRST_ROWS, most), 0
        while passed < described.num_rows:
            behind = 0
            for batch in table.iter_batches(
                rows, row_groups=[group], columns=self._wanted, use_threads=False
            ):
                behind += batch.num_rows
                if behind <= passed:
                    continue
                yield batch.slice(batch.num_rows - (behind - passed))
                passed = behind
                fitting = _fitting(batch.nbytes, batch.num_rows)
                if fitting < rows:
                    most = rows = min(fitting, max(1, rows // 2))
                    break
                if 2 * rows <= min(most, fitting):
                    rows = min(most, fitting)
                    break
            else:
                return

    def _joined(self, batches: Iterator[Any]) -> Iterator[Any]:
        """Small batches together: each costs as much to convert as some hundred rows do."""
        held: list[Any] = []
        rows = size = 0
        try:
            for batch in batches:
                held.append(batch)
                rows, size = rows + batch.num_rows, size + batch.nbytes
                if rows >= ROWS or size >= BATCH_BYTES:
                    yield from self._together(held)
                    held, rows, size = [], 0, 0
        except (self._arrow.ArrowException, OSError, *FAULTS):
            yield from self._together(held)  # what was read before what can't be
            raise
        yield from self._together(held)

    def _together(self, batches: list[Any]) -> Iterator[Any]:
        if len(batches) > 1 and self._wanted:
            try:
                batches = self._arrow.Table.from_batches(batches).combine_chunks().to_batches()
            except (self._arrow.ArrowException, *FAULTS):
                pass  # of a type that can't be joined
        yield from batches

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


def _fitting(size: int, rows: int) -> int:
    """How many rows BATCH_BYTES hold, of those of which so many are of that size."""
    return max(1, BATCH_BYTES * rows // max(1, size))
