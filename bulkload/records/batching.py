"""Pure: records with their ordinals → batches, by count and by bytes, whichever comes first.

Laws kept here: trace ids are unique within a batch, since HubSpot tells a bad input from its
neighbours by nothing else; memory is bounded by batch bytes; each record is in one batch.

Records whose people nobody has asked for yet wait beside the others until a hundred addresses
have come together: one call asks for them all. The others overtake them.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bulkload.batch import Batch, Entry, Letter, Passed, Skip
from bulkload.model import MAX_INPUTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from bulkload.model import Address

HELD_BYTES = 32 << 20
"""Most that a batch's records weigh as they were read: a message with its attachments may be
a thousand times its body, and is kept for its dead letter. A larger one travels alone."""

MOST_ASKED = MAX_INPUTS
"""Addresses that one call asks for."""

LONGEST_WAIT = 10_000
"""Records that may be read past one that waits for its people: a resume reads them again."""

WAITING_BATCHES = 3
"""So many batches' records may wait for their people at a time."""

REMEMBERED = 20_000
"""Addresses that are taken to be asked for already, in case no answer to them is seen yet."""


@dataclass(slots=True)
class _Open:
    """A batch that is being filled. `passed` or `entries`, never both."""

    max_records: int
    max_bytes: int
    passed: Passed | None = None
    entries: list[Entry] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    skips: list[Skip] = field(default_factory=list)
    size: int = 0
    held: int = 0
    traces: set[str] = field(default_factory=set)

    @property
    def empty(self) -> bool:
        return not (self.passed or self.entries or self.letters or self.skips)

    def takes(self, each: Entry | Letter | Skip) -> bool:
        """Add it, unless there is no room for it: an empty one has room for anything."""
        if isinstance(each, Entry):
            size, held = self.size + each.weight, self.held + each.held
            full = (
                len(self.passed or self.entries) >= self.max_records
                or size > self.max_bytes
                or held > HELD_BYTES
            )
            if not full:
                self._one_by_one()
            if (full or each.trace_id in self.traces) and not self.empty:
                return False
            self.entries.append(each)
            self.traces.add(each.trace_id)
            self.size, self.held = size, held
            return True
        held = self.held + (len(each.line) if isinstance(each, Letter) else 0)
        full = len(self.letters) + len(self.skips) >= self.max_records or held > HELD_BYTES
        if full and not self.empty:
            return False
        if isinstance(each, Letter):
            self.letters.append(each)
        else:
            self.skips.append(each)
        self.held = held
        return True

    def takes_of(self, lines: Passed) -> int:
        """Add as many of them as there is room for, from the first on; says how many."""
        if not self.entries:
            room = self.max_records - len(self.passed or ())
            part = lines.part(0, room)
            sizes, held = part.sizes, self.held + part.held
            size = self.size + sum(sizes) + len(sizes)
            if size > self.max_bytes or held > HELD_BYTES:
                part, size, held = self._fitting(part, sizes)
            if not part:
                return 0
            if self.passed is None or self.passed.takes(part):
                self.passed = self.passed or part
                self.size, self.held = size, held
                return len(part)
        for taken, each in enumerate(lines):
            if not self.takes(each):
                return taken
        return len(lines)

    def _fitting(self, lines: Passed, sizes: list[int]) -> tuple[Passed, int, int]:
        """Those that there is room for by their bytes, and the sizes with them: an empty batch has
        room for one.
        """
        fit, size, held = 0, self.size, self.held
        for more, raw in zip(sizes, lines.raws, strict=True):
            full = size + more + 1 > self.max_bytes or held + len(raw) > HELD_BYTES
            if full and (fit or not self.empty):
                break
            fit, size, held = fit + 1, size + more + 1, held + len(raw)
        return lines.part(0, fit), size, held

    def _one_by_one(self) -> None:
        """What is open takes entries of another kind beside the lines."""
        if self.passed is not None:
            self.entries.extend(self.passed)
            self.traces.update(each.trace_id for each in self.entries)
            self.passed = None

    def batch(self, asks: Iterable[Address] = ()) -> Batch:
        return Batch(
            tuple(self.entries) if self.passed is None else self.passed,
            tuple(self.letters),
            skips=tuple(self.skips),
            asks=tuple(asks),
        )


@dataclass(slots=True)
class _Waiting:
    """Entries whose people are to be asked for. `known`: whether nobody has to ask any more."""

    known: Callable[[str], bool]
    most: int
    entries: list[Entry] = field(default_factory=list)
    asks: dict[str, Address] = field(default_factory=dict)
    held: int = 0
    asked: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def new(self, each: Entry) -> list[Address]:
        return [
            who for who in each.people if who.email not in self.asked and not self.known(who.email)
        ]

    def full_for(self, each: Entry, new: Sequence[Address]) -> bool:
        if not self.entries:
            return False
        more = sum(who.email not in self.asks for who in new)
        return (
            len(self.asks) + more > MOST_ASKED
            or len(self.entries) >= self.most
            or self.held + each.held > HELD_BYTES
        )

    def overtaken(self, ordinal: int) -> bool:
        return ordinal - self.entries[0].ordinal > LONGEST_WAIT

    def add(self, each: Entry, new: Sequence[Address]) -> None:
        self.entries.append(each)
        self.asks.update({who.email: who for who in new})
        self.held += each.held

    def leave(self, start: Callable[[], _Open]) -> Iterator[Batch]:
        """All that wait, in batches: the first of them asks for all their people."""
        entries, asks = self.entries, tuple(self.asks.values())
        self.asked.update(dict.fromkeys(self.asks))
        while len(self.asked) > REMEMBERED:
            self.asked.popitem(last=False)
        self.entries, self.asks, self.held = [], {}, 0
        now = start()
        for each in entries:
            if not now.takes(each):
                yield now.batch(asks)
                now, asks = start(), ()
                now.takes(each)
        if not now.empty:
            yield now.batch(asks)


def batches(
    read: Iterable[Passed | Entry | Letter | Skip],
    *,
    max_records: int,
    max_bytes: int,
    overhead: int = 13,
    known: Callable[[str], bool] = lambda _: True,
    relabel: Callable[[Entry, tuple[str, ...]], Entry] | None = None,
) -> Iterator[Batch]:
    """Group what was read. `max_bytes` bounds the body, `overhead` is its envelope.

    `known`: whether it is known already which contact an address has, if any. `relabel` gives an
    entry the labels of a duplicate that is read before it has left. A gap in the ordinals
    (something settled in an earlier life of the run) closes a batch. An entry alone over
    `max_bytes` is the caller's to refuse before it comes here.
    """

    def start() -> _Open:
        return _Open(max_records, max_bytes - overhead)

    now, waiting, end = start(), _Waiting(known, WAITING_BATCHES * max_records), -1
    for each in read:
        gap = end >= 0 and each.ordinal != end + 1
        end = each.ordinals[-1] if isinstance(each, Passed) else each.ordinal
        if relabel is not None and isinstance(each, Skip) and each.labels:
            for entries in (now.entries, waiting.entries):
                _relabel(entries, each, relabel)
        if waiting.entries and waiting.overtaken(each.ordinal):
            yield from waiting.leave(start)
        if isinstance(each, Entry) and each.people and (new := waiting.new(each)):
            if waiting.full_for(each, new):
                yield from waiting.leave(start)
                new = waiting.new(each)  # those that left may ask for its people too
            if new:
                waiting.add(each, new)
                continue
        if gap and not now.empty:
            yield now.batch()
            now = start()
        if isinstance(each, Passed):
            left = each
            while (taken := now.takes_of(left)) < len(left):
                yield now.batch()
                now, left = start(), left.part(taken)
        elif not now.takes(each):
            yield now.batch()
            now = start()
            now.takes(each)
    if not now.empty:
        yield now.batch()
    yield from waiting.leave(start)


def _relabel(
    entries: list[Entry], skip: Skip, relabel: Callable[[Entry, tuple[str, ...]], Entry]
) -> None:
    for at, entry in enumerate(entries):
        if entry.ordinal == skip.first:
            entries[at] = relabel(entry, skip.labels)
