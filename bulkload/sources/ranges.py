"""Bytes that are asked for by ranges, over a network: as a stream with read-ahead, and as a file.

Laws kept here: nothing lost: a connection that breaks is another try from the byte where it broke,
and what was given before is as it is; an answer that is too short is not the end. Memory is bounded
by two blocks, whatever is read.
"""

from __future__ import annotations

import io
import random
import time
from threading import Lock, Thread
from typing import TYPE_CHECKING

from bulkload.errors import BulkloadError, StoppedResumable
from bulkload.sources import addresses, streams

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from _typeshed import WriteableBuffer

FIRST_BYTES = 256 << 10
"""The first block: what is only looked into costs no more."""

MOST_BYTES = 8 << 20
"""And the largest, to which they double."""

TRIES = 7
WAIT_S = 0.5
"""Before the second try; each later one waits twice as long: half a minute in all."""


class Ranges:
    """The bytes 0 to `size` of something, by `fetch(start, end)`, which may give less or raise.

    `explain(error)` tells an error that no other try mends, as the exception to raise instead; None
    where one might. `close` is called once.
    """

    def __init__(
        self,
        name: str,
        size: int,
        fetch: Callable[[int, int], bytes],
        explain: Callable[[Exception], BulkloadError | None],
        close: Callable[[], None] = lambda: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self.size = size
        self._fetch = fetch
        self._explain = explain
        self._sleep = sleep
        self._one = Lock()
        self.close = close

    def get(self, start: int, end: int) -> bytes:
        """All of them, up to the end of all. Raises StoppedResumable where it stays out of reach,
        and what `explain` says.
        """
        end = min(end, self.size)
        parts: list[bytes] = []
        failed = 0
        while start < end:
            try:
                with self._one:
                    part = self._fetch(start, end)
                why = "the answer was empty"
            except BulkloadError:
                raise
            except Exception as error:  # noqa: BLE001  # a library for each kind of remote, each with its own
                if explained := self._explain(error):
                    raise explained from None
                part, why = b"", addresses.without_queries(error)
            if part:
                parts.append(part)
                start += len(part)
                failed = 0
                continue
            failed += 1
            if failed == TRIES:
                raise StoppedResumable(
                    f"{self.name}: can't be read at byte {start:,}: {why}. Resume when it answers "
                    "again."
                )
            self._sleep(WAIT_S * 2 ** (failed - 1) * (0.5 + random.random()))  # noqa: S311  # jitter
        return b"".join(parts) if len(parts) != 1 else parts[0]


class _Ahead(Thread):
    """A range on its way. A daemon: who drains does not wait for a remote that is silent."""

    def __init__(self, ranges: Ranges, start: int, end: int) -> None:
        super().__init__(name="read-ahead", daemon=True)
        self._ranges = ranges
        self._bounds = start, end
        self._found = b""
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._found = self._ranges.get(*self._bounds)
        except BaseException as error:  # noqa: BLE001  # raised where it is waited for
            self._error = error

    def take(self) -> bytes:
        self.join()
        if self._error is not None:
            raise self._error
        return self._found


class RangeStream:
    """`ranges` as a `Beginning`; with an `extent`, only the first so many bytes."""

    def __init__(self, ranges: Ranges, extent: int | None = None) -> None:
        self.name = ranges.name
        self.flaw: str | None = None
        self._ranges = ranges
        self._end = ranges.size if extent is None else extent
        if self._end > ranges.size:  # before any of it is read: its last record is half of one
            ranges.close()
            raise streams.cut_short(self.name, ranges.size, self._end)
        self._block = b""
        self._next = 0
        self.seek(0)

    def seek(self, offset: int) -> None:
        self.offset = self.consumed = offset
        if self._block and 0 <= (at := offset - self._next + len(self._block)) < len(self._block):
            self._at = at  # what comes next in an archive is here mostly
            return
        self._block = b""
        self._at = 0  # in the block
        self._next = offset
        self._bytes = FIRST_BYTES
        self._blocks = 0
        self._ahead: _Ahead | None = None

    def head(self) -> bytes:
        """The first 16 bytes, wherever reading stands."""
        return self._ranges.get(0, min(16, self._end))

    def read(self, most: int | None = None) -> bytes:
        if self._at >= len(self._block):
            self._block, self._at = self._another(), 0
        part = self._block[self._at : self._at + (most or streams.BLOCK)]
        self._at += len(part)
        self.offset += len(part)
        self.consumed = self.offset
        return part

    def close(self) -> None:
        self._block = b""
        self._ranges.close()

    def _another(self) -> bytes:
        """The next block. From the second on, the one behind it is on its way meanwhile."""
        ahead = self._ahead
        block = ahead.take() if ahead else self._ranges.get(*self._bounds())
        self._next += len(block)
        self._bytes = min(2 * self._bytes, MOST_BYTES)
        self._ahead = _Ahead(self._ranges, *self._bounds()) if block and self._blocks else None
        self._blocks += 1
        return block

    def _bounds(self) -> tuple[int, int]:
        return self._next, min(self._next + self._bytes, self._end)


class RangeFile(io.RawIOBase):
    """`ranges` as a file that can be sought; to be buffered."""

    def __init__(self, ranges: Ranges) -> None:
        self._ranges = ranges
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._ranges.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        found = self._ranges.get(self._at, self._at + len(view))
        view[: len(found)] = found
        self._at += len(found)
        return len(found)

    def close(self) -> None:
        if not self.closed:
            self._ranges.close()
        super().close()

    def __enter__(self) -> Self:
        return self
