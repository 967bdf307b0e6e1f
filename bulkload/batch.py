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


class Form(NamedTuple):
    """How an input is made of a line: a head, the line without its last `cut` bytes, and an end of
    its own. `cut` 0: nothing of the line is in it.
    """

    head: bytes
    cut: int

    def inputs(self, raws: Iterable[bytes], ends: list[bytes]) -> list[bytes]:
        head, cut = self
        if not cut:
            return ends
        pieces = zip(raws, ends, strict=True)
        return [b"".join((head, memoryview(raw)[:-cut], end)) for raw, end in pieces]


MAPPED = Form(b"", 0)
"""The input is its end."""


class Passed(Sequence[Entry]):
    """The entries of lines that follow one another, made where one is asked for: there is nothing
    to them but their inputs. Those are made late too, so that a line's text is held once.

    `ordinal`, `offset` (in bytes) and `number` are the first line's; `raws` are the lines, with
    their line feeds, `ends` the ends of their inputs, which have all the same `form`; `keys` their
    keys: one for each, or none at all.
    """

    __slots__ = ("ends", "form", "keys", "number", "offset", "ordinal", "raws", "run", "source")

    def __init__(
        self, run: str, ordinal: int, source: int, offset: int, number: int, form: Form = MAPPED
    ) -> None:
        self.run = run
        self.ordinal = ordinal
        self.source = source
        self.offset = offset
        self.number = number
        self.form = form
        self.raws: list[bytes] = []
        self.ends: list[bytes] = []
        self.keys: list[str] = []

    def __len__(self) -> int:
        return len(self.raws)

    @overload
    def __getitem__(self, at: int) -> Entry: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Entry, ...]: ...
    def __getitem__(self, at: int | slice) -> Entry | tuple[Entry, ...]:
        if isinstance(at, slice):
            return tuple(self)[at]
        (entry,) = self.part(index := range(len(self.raws))[at], index + 1)
        return entry

    def __iter__(self) -> Iterator[Entry]:
        offset = self.offset
        for index, (raw, body) in enumerate(zip(self.raws, self.bodies, strict=True)):
            position, ordinal = Position(offset, self.number + index), self.ordinal + index
            yield Entry(
                ordinal,
                self.source,
                position,
                f"{self.run}-{ordinal}",
                body,
                Record(position, "json", raw[:-1]),
                self.keys[index] if self.keys else "",
            )
            offset += len(raw)

    @property
    def ordinals(self) -> range:
        return range(self.ordinal, self.ordinal + len(self.raws))

    @property
    def bodies(self) -> list[bytes]:
        return self.form.inputs(self.raws, self.ends)

    @property
    def sizes(self) -> list[int]:
        """The bytes of each input."""
        head, cut = self.form
        if not cut:
            return [*map(len, self.ends)]
        more = len(head) - cut
        return [len(a) + len(b) + more for a, b in zip(self.raws, self.ends, strict=True)]

    @property
    def held(self) -> int:
        return sum(map(len, self.raws))

    def joined(self, before: bytes, after: bytes) -> bytes:
        """The inputs with commas between them, copied once: they may be megabytes."""
        head, cut = self.form
        if not cut:
            return _enclosed(before, self.ends, after)
        pieces: list[bytes | memoryview] = []
        begin = before + head
        for raw, end in zip(self.raws, self.ends, strict=True):
            pieces += (begin, memoryview(raw)[:-cut], end)
            begin = b"," + head
        return b"".join((*pieces, after))

    def part(self, first: int, end: int | None = None) -> Self:
        """Those from the `first` on, up to before the `end`."""
        ordinal, number = self.ordinal + first, self.number + first
        offset = self.offset + sum(map(len, self.raws[:first]))
        part = type(self)(self.run, ordinal, self.source, offset, number, self.form)
        part.raws = self.raws[first:end]
        part.ends = self.ends[first:end]
        part.keys = self.keys[first:end]
        return part

    def takes(self, following: Self) -> bool:
        """Add those, where they are the next lines of the same source."""
        end = self.source, self.ordinal + len(self.raws), self.offset + self.held
        if end != (following.source, following.ordinal, following.offset):
            return False
        self.add(following.form, following.raws, following.ends, following.keys)
        return True

    def add(self, form: Form, raws: list[bytes], ends: list[bytes], keys: list[str]) -> None:
        """The lines that come next."""
        if not self.raws:
            self.form = form
        elif form != self.form:
            self.form, self.ends, ends = MAPPED, self.bodies, form.inputs(raws, ends)
        self.raws += raws
        self.ends += ends
        self.keys += keys


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

    def body(self, before: bytes, after: bytes, *, added: bool = True) -> bytes:
        """The inputs with commas between them; `added`: with what was added to them, else as the
        records alone make them.
        """
        entries = self.entries
        if isinstance(entries, Passed):
            return entries.joined(before, after)
        inputs = [e.sent or e.body for e in entries] if added else [e.body for e in entries]
        return _enclosed(before, inputs, after)

    @property
    def weight(self) -> int:
        """Bytes of the inputs that its records alone make."""
        entries = self.entries
        return sum(entries.sizes if isinstance(entries, Passed) else [len(e.body) for e in entries])

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
        entries = self.entries
        if isinstance(entries, Passed):
            first, rest = entries.part(0, at), entries.part(at)
            return Batch(first, (), self.attempt), Batch(rest, (), self.attempt)
        return self.of(entries[:at]), self.of(entries[at:])


def _enclosed(before: bytes, inputs: list[bytes], after: bytes) -> bytes:
    """Likewise of inputs that are made already."""
    if not inputs:
        return before + after
    pieces = inputs.copy()
    pieces[0] = before + pieces[0]
    pieces[-1] += after
    return b",".join(pieces)
