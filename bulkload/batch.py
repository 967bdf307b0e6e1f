"""Values: what is made of records, and the batches that they travel in.

Law kept here: an entry is the same whether it is kept by itself or made of its line when somebody
asks for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self, overload

from bulkload import ordinals
from bulkload.model import Position, Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bulkload.model import Address

LINK_BYTES = 110
"""What the association with one contact takes of a body, with room to spare."""


class Entry(NamedTuple):
    """One record of a batch: who it is, how to read it again, what is sent for it.

    `body` is its input as JSON, the trace id included: what its record alone makes. `key` is its
    key property's value, "" where the run has no such property. `people`: addresses whose contacts
    it is to be tied to; `files`: how many attachments are to be uploaded with it, or are left out;
    `labels`: those that it carries. `sent` is what is sent in place of `body` once something is
    added; `tied`: its contacts are.
    """

    ordinal: int
    source: int
    position: Position
    trace_id: str
    body: bytes
    record: Record
    key: str = ""
    people: tuple[Address, ...] = ()
    files: int = 0
    labels: tuple[str, ...] = ()
    sent: bytes = b""
    tied: bool = False

    @property
    def weight(self) -> int:
        """Bytes of a request that it may take, with the links to its people."""
        return len(self.sent or self.body) + 1 + LINK_BYTES * len(self.people)

    @property
    def held(self) -> int:
        """Bytes of its record, which is kept until it is settled."""
        return len(self.record.raw or b"")


class Letter(NamedTuple):
    """A dead letter, ready to be settled: its ordinal and its line of JSON."""

    ordinal: int
    source: int
    position: Position
    line: bytes


class Skip(NamedTuple):
    """A record that is left out: `first`, or the record `id` of the remote, has its key; or the
    filter that `reason` names does not let it through. `labels`: of a duplicate, what the first
    may not have.
    """

    ordinal: int
    source: int
    position: Position
    first: int | None = None
    id: str = ""
    reason: str = ""
    labels: tuple[str, ...] = ()


class Passed(Sequence[Entry]):
    """The entries of lines that follow one another, made where one is asked for: there is nothing
    to them but their inputs.

    `ordinal`, `offset` (in bytes) and `number` are the first line's; `raws` are the lines, without
    their line feeds, `bodies` their inputs, `keys` their keys: one for each, or none at all.
    """

    __slots__ = ("bodies", "keys", "number", "offset", "ordinal", "raws", "run", "source")

    def __init__(
        self,
        run: str,
        ordinal: int,
        source: int,
        offset: int,
        number: int,
        raws: list[bytes],
        bodies: list[bytes],
        keys: list[str],
    ) -> None:
        self.run = run
        self.ordinal = ordinal
        self.source = source
        self.offset = offset
        self.number = number
        self.raws = raws
        self.bodies = bodies
        self.keys = keys

    def __len__(self) -> int:
        return len(self.raws)

    @overload
    def __getitem__(self, at: int) -> Entry: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Entry, ...]: ...
    def __getitem__(self, at: int | slice) -> Entry | tuple[Entry, ...]:
        if isinstance(at, slice):
            return tuple(self)[at]
        index = range(len(self.raws))[at]
        return self._entry(index, self.offset + sum(map(len, self.raws[:index])) + index)

    def __iter__(self) -> Iterator[Entry]:
        offset = self.offset
        for index, raw in enumerate(self.raws):
            yield self._entry(index, offset)
            offset += len(raw) + 1

    def _entry(self, index: int, offset: int) -> Entry:
        position, ordinal = Position(offset, self.number + index), self.ordinal + index
        return Entry(
            ordinal,
            self.source,
            position,
            f"{self.run}-{ordinal}",
            self.bodies[index],
            Record(position, "json", self.raws[index]),
            self.keys[index] if self.keys else "",
        )

    @property
    def ordinals(self) -> range:
        return range(self.ordinal, self.ordinal + len(self.raws))

    @property
    def weight(self) -> int:
        return sum(map(len, self.bodies)) + len(self.bodies)

    @property
    def held(self) -> int:
        return sum(map(len, self.raws))

    def split(self, at: int) -> tuple[Self, Self]:
        """The first `at`, and the others."""
        first = self._part(0, 0, slice(at))
        return first, self._part(at, first.held + at, slice(at, None))

    def _part(self, skipped: int, size: int, kept: slice) -> Self:
        return type(self)(
            self.run,
            self.ordinal + skipped,
            self.source,
            self.offset + size,
            self.number + skipped,
            self.raws[kept],
            self.bodies[kept],
            self.keys[kept],
        )

    def takes(self, following: Self) -> bool:
        """Add those, where they are the next lines of the same source."""
        count = len(self.raws)
        end = self.source, self.ordinal + count, self.offset + self.held + count
        if end != (following.source, following.ordinal, following.offset):
            return False
        self.raws += following.raws
        self.bodies += following.bodies
        self.keys += following.keys
        return True


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that travel together, with the letters and skips of those that fell out before.

    `attempt` counts the times it was sent (0: never). `asks`: addresses that are to be asked for
    before it, and those after it, are sent.
    """

    entries: Sequence[Entry]
    letters: tuple[Letter, ...] = ()
    attempt: int = 0
    skips: tuple[Skip, ...] = ()
    asks: tuple[Address, ...] = ()

    @property
    def plain(self) -> bool:
        """Whether nothing is, or will be, added to its inputs: no people, no files, no labels."""
        return isinstance(self.entries, Passed)

    @property
    def ordinals(self) -> Sequence[int]:
        entries = self.entries
        return entries.ordinals if isinstance(entries, Passed) else [e.ordinal for e in entries]

    @property
    def traces(self) -> list[str]:
        """The trace ids, in the entries' order."""
        entries = self.entries
        if isinstance(entries, Passed):
            return [f"{entries.run}-{ordinal}" for ordinal in entries.ordinals]
        return [e.trace_id for e in entries]

    @property
    def bodies(self) -> list[bytes]:
        """What the records alone make."""
        entries = self.entries
        return entries.bodies if isinstance(entries, Passed) else [e.body for e in entries]

    @property
    def covers(self) -> str:
        return ordinals.pack(self.ordinals)

    def of(self, entries: Iterable[Entry]) -> Batch:
        """These entries in place of its own, without letters."""
        return Batch(tuple(entries), (), self.attempt)

    def only(self, keep: set[int]) -> Batch:
        """The entries whose ordinals are in `keep`, without letters."""
        return self.of(e for e in self.entries if e.ordinal in keep)

    def split(self, at: int) -> tuple[Batch, Batch]:
        """The first `at` entries, and the others."""
        return self.of(self.entries[:at]), self.of(self.entries[at:])
