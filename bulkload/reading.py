"""Sources → entries and letters with their ordinals: read, map, and say who fell out.

Laws kept here: an ordinal is a record's number in the run's reading order, the same in each
life of the run; nothing lost (a record that can't be read or mapped is a letter); a record
that an earlier life settled is read past, never yielded again.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from bulkload import ordinals
from bulkload.batching import Batch, Entry, Letter, Skip
from bulkload.errors import RefusedToStart, StoppedForGood, StoppedResumable
from bulkload.making import weight
from bulkload.parallel import grouped

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from bulkload.making import Numbered
    from bulkload.model import Position, Record
    from bulkload.parallel import Pool
    from bulkload.protocols import KeysSeen, Source


def total_size(sources: Sequence[Source]) -> int | None:
    """Bytes in all; None where one does not know its own."""
    sizes = [source.size() for source in sources]
    return None if None in sizes else sum(size or 0 for size in sizes)


class Reader:
    """Reads a run's sources in order. Blocking; used by one thread at a time.

    `make`: what becomes of one record. `limit`: only the first so many records of the run.
    `seen`: knows which record had a key before. `pool`: processes whose work is `Making`, for all
    but a rebuilt batch.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        make: Callable[[int, int, Record], Entry | Letter | Skip],
        seen: KeysSeen,
        *,
        limit: int | None = None,
        pool: Pool[Numbered, Entry | Letter | Skip] | None = None,
    ) -> None:
        self._sources = sources
        self._make = make
        self._seen = seen
        self._limit = limit
        self._pool = pool
        self._done = 0
        self._now: Source | None = None
        self.total: int | None = None

    total: int | None
    """Records in all sources, once the last was read."""

    def consumed(self) -> int:
        """Bytes read so far, over all sources."""
        return self._done + (self._now.consumed() if self._now else 0)

    def read(
        self,
        seek: tuple[int, int, Position | None],
        covered: ordinals.Covered,
        settled: tuple[int, int] = (0, 0),
    ) -> Iterator[Entry | Letter | Skip]:
        """Everything from `seek` (ordinal, source, position) on that is not `covered`.

        `settled`: so many records, of so many sources, which need not be opened for that. Where
        the index of keys was lost, it is filled again from the first record on.
        """
        through, end = self._seen.through, covered.end
        if through < seek[0]:
            seek = (0, 0, None)
        elif seek[1] < settled[1]:
            seek = (settled[0], settled[1], None)
        records: Iterator[Numbered] = self.numbered(*seek)
        if seek[0] < end:
            records = (
                each for each in records if each[0] >= min(end, through) or each[0] not in covered
            )
        for (ordinal, source, record), made in self._made(records):
            first = None
            if isinstance(made, Entry) and made.key:
                first = self._seen.first(made.key, ordinal)
            if ordinal < end and ordinal in covered:
                continue
            if isinstance(made, Entry) and first is not None:
                yield Skip(ordinal, source, record.position, first, labels=made.labels)
            else:
                yield made

    def _made(
        self, records: Iterator[Numbered]
    ) -> Iterator[tuple[Numbered, Entry | Letter | Skip]]:
        if self._pool is None:
            for each in records:
                yield each, self._make(*each)
            return
        for group, several in self._pool.map(grouped(records, weight)):
            for each, made in zip(group, several, strict=True):
                yield each, made._replace(record=each[2]) if isinstance(made, Entry) else made

    def rebuild(self, covers: str, source: int, position: Position) -> Batch:
        """The entries of an earlier attempt, read again from its sources.

        Raises StoppedForGood where they are not there any more.
        """
        wanted = list(ordinals.unpack(covers))
        entries = []
        missing = set(wanted)
        with closing(self.numbered(wanted[0], source, position)) as records:
            for ordinal, at, record in records:
                if ordinal in missing:
                    missing.discard(ordinal)
                    made = self._make(ordinal, at, record)
                    if isinstance(made, Entry):
                        entries.append(made)
                        if made.key:
                            self._seen.first(made.key, ordinal)
                if not missing or ordinal > wanted[-1]:
                    break
        if len(entries) != len(wanted):
            raise StoppedForGood(
                f"{self._sources[source].name}: the records of a batch in doubt can't be read "
                f"again from {position.number}; the source changed since it was sent. Put the "
                "old one back, then resume"
            )
        return Batch(tuple(entries))

    def numbered(
        self, ordinal: int, first: int, position: Position | None
    ) -> Generator[tuple[int, int, Record]]:
        """Each record with its ordinal and its source's number, as they stand, from a place on."""
        self._done = sum(source.size() or 0 for source in self._sources[:first])
        for index in range(first, len(self._sources)):
            source = self._now = self._sources[index]
            try:
                with closing(source.records(position)) as records:
                    for record in records:
                        if self._limit is not None and ordinal >= self._limit:
                            return
                        yield ordinal, index, record
                        ordinal += 1
            except RefusedToStart as error:  # it was there when the run began
                raise StoppedResumable(f"{error} Put it back, then resume") from None
            self._done += source.size() or 0
            self._now = position = None
        self.total = ordinal
