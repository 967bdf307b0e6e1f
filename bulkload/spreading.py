"""Records → entries, letters and skips, made by processes of their own: a load's share of the work
that needs no remote.

Laws kept here: nothing lost: a record that no process survives is a dead letter, and costs no other
one; what is made comes in the order in which it is read.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bulkload.batching import Entry, Letter, Skip
from bulkload.model import Position, Record
from bulkload.parallel import Pool, grouped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from bulkload.making import Maker

Numbered = tuple[int, int, Record]
"""A record with its ordinal and its source's number."""

Made = Entry | Letter | Skip

MOST_PROCESSES = 4
"""More would make records faster than any account takes them."""

WORTH_BYTES = 4 << 20
"""Of sources: what is smaller is made sooner than a process is started."""

_HELD = Record(Position(0, 0), "mail", None)


@dataclass(frozen=True, slots=True)
class Work:
    """What a process does. The records stay where they were read: their letters may need them."""

    maker: Maker

    def __call__(self, group: list[Numbered]) -> list[Made]:
        return [_light(self.maker.make(*each)) for each in group]


class Spread:
    """Makes records in `pool`'s processes. One thread at a time."""

    def __init__(self, pool: Pool[Numbered, Made]) -> None:
        self._pool = pool

    def __call__(self, records: Iterable[Numbered]) -> Iterator[tuple[Numbered, Made]]:
        for group, made in self._pool.map(grouped(records, weight)):
            for each, one in zip(group, made, strict=True):
                yield each, one._replace(record=each[2]) if isinstance(one, Entry) else one


def here(
    make: Callable[[int, int, Record], Made],
) -> Callable[[Iterable[Numbered]], Iterator[tuple[Numbered, Made]]]:
    """The same without other processes."""
    return lambda records: ((each, make(*each)) for each in records)


def pool(maker: Maker, processes: int) -> Pool[Numbered, Made]:
    return Pool(Work(maker), lost, processes=processes)


def processes(size: int | None) -> int:
    """How many a load is worth; 0: it is made here. One core is left to the loop."""
    cores = cores_here()
    if size is not None and size < WORTH_BYTES:
        return 0
    return min(cores - 1, MOST_PROCESSES)


def cores_here() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def lost(each: Numbered) -> Numbered:
    """A record that no process survives, as it is then taken."""
    ordinal, source, record = each
    flaw = "the parser's process died on this record; it is left as it is"
    return ordinal, source, record._replace(flaw=flaw)


def weight(each: Numbered) -> int:
    """Bytes of a record on its way to a process."""
    return len(each[2].raw or b"") + 200


def _light(made: Made) -> Made:
    return made._replace(record=_HELD) if isinstance(made, Entry) else made
