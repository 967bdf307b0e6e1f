"""Files that are written on at their end. What came behind the extent of a source is a source of
its own, which begins where that one ends.

Law kept here: nothing lost, nothing twice: a record that was cut in two by the extent, since it
was being written, is never taken for two. What of it was read before is a record of the run by
now, so all of it is read once more, and has a flaw that says so.
"""

from __future__ import annotations

from collections import deque
from contextlib import closing
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

from bulkload.model import Position
from bulkload.sources.asked import MAX_RECORD_BYTES
from bulkload.sources.files import FileSource

if TYPE_CHECKING:
    import os
    from collections.abc import Generator, Iterable, Sequence

    from bulkload.model import Record
    from bulkload.protocols import Source
    from bulkload.sources.places import Place

TORN = (
    "this record was being written when the run read the first part of it, and was taken for whole "
    "then: compare the two, and mend the one that was loaded or send this one again"
)


class Begin(NamedTuple):
    """Where a part of a file begins: its first record, how much of the file as it is stored was
    read before, and whether some of that record was.
    """

    at: int
    number: int
    stored: int
    torn: bool


class GrowingFile(FileSource):
    """A file to which records are appended. A format adds `_records()`.

    `begin` (as `options()` wrote it): only what comes from there on is the source.
    """

    whole_by_itself: ClassVar[bool] = False
    """Whether a record that was cut can't be taken for a whole one: then it is just read again."""

    def __init__(
        self,
        where: str | os.PathLike[str] | Place,
        name: str | None = None,
        *,
        max_record_bytes: int = MAX_RECORD_BYTES,
        extent: int | None = None,
        member: Sequence[Any] | None = None,
        begin: Sequence[Any] | None = None,
    ) -> None:
        super().__init__(
            where, name, max_record_bytes=max_record_bytes, extent=extent, member=member
        )
        self.begin = None if begin is None else Begin(*begin)

    def options(self) -> dict[str, Any]:
        begin = {} if self.begin is None else {"begin": list(self.begin)}
        return {**super().options(), **begin}

    def fingerprint(self) -> dict[str, Any]:
        bound = super().fingerprint()
        if self.extent is None and self.member is None:
            self.extent = int(bound["size"])
        return bound

    def size(self) -> int | None:
        size = super().size()
        return size if self.begin is None or size is None else max(0, size - self.begin.stored)

    def consumed(self) -> int:
        consumed = super().consumed()
        return consumed if self.begin is None else max(0, consumed - self.begin.stored)

    def records(self, start: Position | None = None) -> Generator[Record, None, None]:
        begin, start = self.begin, self._from_begin(start)
        if begin is not None and begin.torn and start is not None and start.at == begin.at:
            return self._after_torn(start)
        return self._records(start)

    def _from_begin(self, start: Position | None) -> Position | None:
        begin = self.begin
        return start if begin is None else start or Position(begin.at, begin.number)

    def extended(
        self,
        earlier: Iterable[Source],  # noqa: ARG002  # the extent is all that is needed
        last: Position | None,
    ) -> Self | None:
        """What came behind the extent since; see `protocols.Growing`."""
        if self.member is not None or self.extent in (None, self.place.size()):
            return None
        begin = self._end(last)
        return begin and self._over(begin)

    def _over(self, begin: Begin | None) -> Self:
        options = {**self.options(), "extent": None, "begin": begin}
        return type(self)(self.place, self.name, **options)

    def _end(self, last: Position | None) -> Begin | None:
        """Where what came behind the extent begins; None where no record did."""
        assert self.extent is not None
        # Two: of an mbox the last line may have been taken for a message, and be of the one before.
        old = self._last_two(last)
        if len(old) < 2 and last is not None:
            old = self._last_two(None)
        with closing(self._over(self.begin).records(old[0].position if old else None)) as grown:
            for before in old:
                again = next(grown, None)
                if again is None or (again.raw, again.flaw) != (before.raw, before.flaw):
                    return self._from(before.position, torn=not self.whole_by_itself)
            following = next(grown, None)
        return following and self._from(following.position)

    def _last_two(self, start: Position | None) -> list[Record]:
        with closing(self.records(start)) as records:
            return list(deque(records, 2))

    def _from(self, position: Position, *, torn: bool = False) -> Begin:
        assert self.extent is not None
        return Begin(int(position.at), position.number, self.extent, torn)

    def _after_torn(self, start: Position) -> Generator[Record, None, None]:
        with closing(self._records(start)) as records:
            for record in records:
                yield record._replace(flaw=TORN) if record.position.at == start.at else record

    def _records(self, start: Position | None) -> Generator[Record, None, None]:
        raise NotImplementedError
