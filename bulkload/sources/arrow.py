"""Arrow's own files (also named Feather), and streams of the same. The position is the row's index.

A file knows where its batches are; a stream is gone through from its beginning. Law kept here:
nothing is lost in silence: where a stream is torn, or a batch can't be read, that is a record with
the flaw, and what can be read is.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bulkload.errors import RefusedToStart
from bulkload.model import Position, Record
from bulkload.sources.cells import FAULTS
from bulkload.sources.columnar import ROWS, ColumnarSource, reason
from bulkload.sources.extras import needed
from bulkload.sources.places import Local

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

MAGIC = b"ARROW1"


class ArrowSource(ColumnarSource):
    """An Arrow file or stream. Raises RefusedToStart where it is none, pyarrow is missing, or two
    columns have one name. Memory: one batch of the file.
    """

    format = "arrow"
    kind = "an Arrow file"

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._ipc = needed("pyarrow.ipc", "parquet", f"{self.name}: {self.kind}")
        with self._table() as table:
            self._wanted = self._name(table.schema)

    def consumed(self) -> int:
        return self._read

    def records(self, start: Position | None = None) -> Generator[Record, None, None]:
        wanted = int(start.at) if start else 0
        at = 0
        with self._table() as table:
            batches = _batches(table)
            while True:
                try:
                    batch = next(batches)
                    kept = batch.select(self._wanted)
                except StopIteration:
                    break
                except (self._arrow.ArrowException, OSError, *FAULTS) as error:
                    flaw = f"what comes from here on can't be read: {reason(error)}"
                    flaw += ". Fetch the file again"
                    yield Record(Position(at, at + 1), "row", None, None, flaw)
                    break
                for first in range(max(0, wanted - at) // ROWS * ROWS, kept.num_rows, ROWS):
                    passed = max(0, wanted - at - first)
                    rows = kept.slice(first + passed, ROWS - passed)
                    yield from self._of_batch(rows, at + first + passed)
                at += batch.num_rows
                self._read = self._where()
        self._read = self.size() or 0

    def _where(self) -> int:
        return int(self._file.tell())

    @contextmanager
    def _table(self) -> Iterator[Any]:
        with self.place.file(self.name) as file:
            begins = file.read(len(MAGIC))
            file.seek(0)
            try:
                # Of a file of its own, Arrow's memory holds a batch once, and not Python's too.
                local = isinstance(self.place, Local)
                self._file = self._arrow.OSFile(str(self.place)) if local else file
                opened = self._ipc.open_file if begins == MAGIC else self._ipc.open_stream
                table = opened(self._file)
            except (self._arrow.ArrowException, OSError) as error:
                raise RefusedToStart(
                    f"{self.name}: is no whole Arrow file: {reason(error)}. Fetch it again."
                ) from None
            yield table


def _batches(table: Any) -> Iterator[Any]:
    if hasattr(table, "num_record_batches"):
        for number in range(table.num_record_batches):
            yield table.get_batch(number)
    else:
        yield from table
