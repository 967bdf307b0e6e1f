"""Sources → entries and letters with their ordinals: read, map, and say who fell out.

Laws kept here: an ordinal is a record's number in the run's reading order, the same in each
life of the run; nothing lost (a record that can't be read or mapped is a letter); a record
that an earlier life settled is read past, never yielded again.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from itertools import count, repeat
from typing import TYPE_CHECKING, Any, TypeVar

from bulkload import ordinals
from bulkload.batch import Batch, Entry, Letter, Passed, Skip
from bulkload.calls.hold import Drained
from bulkload.errors import BulkloadError, RefusedToStart, StoppedForGood
from bulkload.model import Record, Stretch
from bulkload.processes.parallel import grouped
from bulkload.protocols import Lined, Stoppable
from bulkload.records import astray
from bulkload.records.making import weight
from bulkload.sources.own import Cancelled

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from bulkload.model import Position
    from bulkload.processes.parallel import Pool
    from bulkload.protocols import KeysSeen, Source
    from bulkload.records.making import Numbered


R = TypeVar("R")

PASSED_BY = 10_000
"""So many settled records are read past before their keys are made durable: no batch comes of them
that would do it, and the keys of what is not durable yet are held in memory.
"""


def total_size(sources: Sequence[Source]) -> int | None:
    """Bytes in all; None where one does not know its own."""
    sizes = [source.size() for source in sources]
    return None if None in sizes else sum(size or 0 for size in sizes)


class Reader:
    """Reads a run's sources in order. Blocking; used by one thread at a time.

    `make`: what becomes of one record; `lines`: of many that are lines. `limit`: only the first so
    many records of the run. `seen`: knows which record had a key before. `pool`: processes whose
    work is `Making`, for all but a rebuilt batch. `bound`: the sources' fingerprints: `read` holds
    each against its own before it gives a record, as its turn may come hours after the run began.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        make: Callable[[int, int, Record], Entry | Letter | Skip],
        seen: KeysSeen,
        *,
        lines: Callable[[int, int, Stretch], Iterator[Passed | Entry | Letter | Skip]]
        | None = None,
        limit: int | None = None,
        pool: Pool[Numbered, Entry | Letter | Skip] | None = None,
        bound: Sequence[dict[str, Any]] | None = None,
    ) -> None:
        self._sources = sources
        self._make = make
        self._lines = lines
        self._seen = seen
        self._limit = limit
        self._pool = pool
        self._bound = bound
        self._rebuilt: set[int] = set()  # asked for out of their order
        self._done = self._reached = 0
        self._now: Source | None = None
        self._waited_for: Stoppable | None = None
        self._stopped = False
        self.unclosed: list[str] = []
        self.total: int | None = None

    total: int | None
    """Records in all sources, once the last was read."""
    unclosed: list[str]
    """What sources failed with that were closed."""

    def consumed(self, settled: int) -> int:
        """Bytes that so many records took, over all sources, by what those that were read took:
        what is read ahead may be all that there is.
        """
        read = self._done + (self._now.consumed() if self._now else 0)
        return read * min(settled, self._reached) // max(self._reached, 1)

    def stop(self) -> None:
        """Nothing more is needed: whoever reads gets Drained at the next record. From any thread:
        a source may be so slow that a batch of it takes minutes.
        """
        self._stopped = True
        if self._waited_for is not None:
            self._waited_for.stop()

    def read(
        self,
        seek: tuple[int, int, Position | None],
        covered: ordinals.Covered,
        settled: tuple[int, int] = (0, 0),
    ) -> Generator[Passed | Entry | Letter | Skip]:
        """Everything from `seek` (ordinal, source, position) on that is not `covered`.

        `settled`: so many records, of so many sources, which need not be opened for that. Where
        the index of keys was lost, it is filled again from the first record on.
        """
        through = self._seen.through
        if through < seek[0]:
            seek = (0, 0, None)
        elif seek[1] < settled[1]:
            seek = (settled[0], settled[1], None)
        passed_by = 0
        with closing(self._made(seek, covered)) as read:
            for made in read:
                if isinstance(made, Passed):
                    if not made.keys or self._seen.first_of(made.keys, made.ordinal):
                        yield made
                        continue
                    several: Iterable[Entry | Letter | Skip] = made
                else:
                    several = (made,)
                for each in several:
                    first = None
                    if isinstance(each, Entry) and each.key:
                        first = self._seen.first(each.key, each.ordinal)
                    if first is not None and first > each.ordinal and first not in self._rebuilt:
                        raise astray.elsewhere(self._sources[each.source], each, first)
                    if each.ordinal < covered.end and each.ordinal in covered:
                        passed_by += 1
                        if passed_by % PASSED_BY == 0:
                            self._seen.commit()
                        continue
                    if isinstance(each, Entry) and first is not None:
                        yield Skip(
                            each.ordinal, each.source, each.position, first, labels=each.labels
                        )
                    else:
                        yield each

    def _made(
        self, seek: tuple[int, int, Position | None], covered: ordinals.Covered
    ) -> Generator[Passed | Entry | Letter | Skip]:
        """What is settled is read past, unless the index of keys has to be filled with it. Lines
        stay together behind it.
        """
        end = covered.end
        asked = min(end, self._seen.through)

        def wanted(each: Numbered) -> bool:
            return each[0] >= asked or each[0] not in covered

        with closing(self._runs(*seek, bound=self._bound)) as runs:
            if self._pool is not None:
                yield from self._by(self._pool, filter(wanted, _each(runs)))
                return
            for ordinal, source, found in runs:
                if isinstance(found, Stretch) and self._lines is not None and ordinal >= end:
                    yield from self._lines(ordinal, source, found)
                    continue
                for each in filter(wanted, _each([(ordinal, source, found)])):
                    yield self._make(*each)

    def _by(
        self, pool: Pool[Numbered, Entry | Letter | Skip], records: Iterable[Numbered]
    ) -> Iterator[Entry | Letter | Skip]:
        for group, several in pool.map(grouped(records, weight)):
            for (_, _, record), made in zip(group, several, strict=True):
                yield made._replace(record=record) if isinstance(made, Entry) else made

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
                            self._rebuilt.add(ordinal)
                if not missing or ordinal > wanted[-1]:
                    break
        if len(entries) != len(wanted):
            raise StoppedForGood(
                f"{self._sources[source].name}: the records of a batch in doubt can't be read "
                f"again from {position.number}; the source changed since it was sent. Put the "
                "old one back, then resume"
            )
        return Batch(tuple(entries))

    def numbered(self, ordinal: int, first: int, position: Position | None) -> Generator[Numbered]:
        """Each record with its ordinal and its source's number, as they stand, from a place on."""
        with closing(self._runs(ordinal, first, position)) as runs:
            yield from _each(runs)

    def _runs(
        self,
        ordinal: int,
        first: int,
        position: Position | None,
        bound: Sequence[dict[str, Any]] | None = None,
    ) -> Generator[tuple[int, int, Record | Stretch]]:
        """The same, whole lines together, where a source has them so."""
        self._done = sum(source.size() or 0 for source in self._sources[:first])
        for index in range(first, len(self._sources)):
            source = self._now = self._sources[index]
            read = source.stretches if isinstance(source, Lined) else source.records
            try:
                if bound is not None and not source.still(bound[index]):
                    raise astray.changed(source)
                with self._left(read(position)) as runs:
                    if isinstance(source, Stoppable):
                        self._waited_for = source
                    # Only now: who stopped before found no reading of it to stop.
                    if self._stopped:
                        raise Drained
                    for found in runs:
                        if self._stopped:
                            raise Drained
                        if self._limit is not None and ordinal >= self._limit:
                            return
                        if isinstance(found, Record):
                            self._reached = ordinal + 1
                            yield ordinal, index, found
                            ordinal += 1
                            continue
                        end = None if self._limit is None else self._limit - ordinal
                        raws = found.raws[:end]
                        self._reached = ordinal + len(raws)
                        yield ordinal, index, found._replace(raws=raws)
                        ordinal += len(raws)
            except RefusedToStart as error:
                raise astray.missed(error) from None
            self._done += source.size() or 0
            self._now = position = None
        self.total = ordinal

    @contextmanager
    def _left(self, runs: Generator[R]) -> Iterator[Generator[R]]:
        """Closed behind us. One that fails then, or once it is stopped, fails nobody: nothing of it
        is read any more.
        """
        try:
            yield runs
        except Exception as error:
            stopped = isinstance(error, Cancelled)
            meant = isinstance(error, (BulkloadError, Drained)) and not stopped
            if meant or not self._stopped:
                raise
            if not stopped:
                self.unclosed.append(repr(error))
            raise Drained from None
        finally:
            self._waited_for = None  # who stops now means no reading of ours: it may be another's
            try:
                runs.close()
            except Exception as error:  # noqa: BLE001  # a source of anybody's
                self.unclosed.append(repr(error))


def _each(runs: Iterable[tuple[int, int, Record | Stretch]]) -> Iterator[Numbered]:
    """Of lines that are together, one after the other."""
    for ordinal, source, found in runs:
        if isinstance(found, Record):
            yield ordinal, source, found
        else:
            yield from zip(count(ordinal), repeat(source), found.records())
