"""Pure: records with their ordinals → batches, by count and by bytes, whichever comes first.

Laws kept here: a batch covers a run of ordinals without a hole in which another batch's
record could stand; trace ids are unique within a batch, since HubSpot tells a bad input
from its neighbours by nothing else; memory is bounded by batch bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from bulkload import ordinals

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bulkload.model import Position, Record


HELD_BYTES = 32 << 20
"""Most that a batch's records weigh as they were read: a message with its attachments may be
a thousand times its body, and is kept for its dead letter. A larger one travels alone."""


class Entry(NamedTuple):
    """One record of a batch: who it is, how to read it again, what is sent for it.

    `body` is its input as JSON, the trace id included; `key` its key property's value, "" where
    the run has no such property.
    """

    ordinal: int
    source: int
    position: Position
    trace_id: str
    body: bytes
    record: Record
    key: str = ""


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


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that travel together, with the letters and skips of those that fell out before.

    `attempt` counts the times it was sent (0: never).
    """

    entries: tuple[Entry, ...]
    letters: tuple[Letter, ...] = ()
    attempt: int = 0
    skips: tuple[Skip, ...] = ()

    @property
    def covers(self) -> str:
        return ordinals.pack(e.ordinal for e in self.entries)

    def only(self, keep: set[int]) -> Batch:
        """The entries whose ordinals are in `keep`, without letters."""
        return Batch(tuple(e for e in self.entries if e.ordinal in keep), (), self.attempt)

    def split(self, at: int) -> tuple[Batch, Batch]:
        """The first `at` entries, and the others."""
        return (
            Batch(self.entries[:at], (), self.attempt),
            Batch(self.entries[at:], (), self.attempt),
        )


@dataclass(slots=True)
class _Open:
    entries: list[Entry] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    skips: list[Skip] = field(default_factory=list)
    size: int = 0
    held: int = 0
    traces: set[str] = field(default_factory=set)
    end: int = -1

    def batch(self) -> Batch:
        return Batch(tuple(self.entries), tuple(self.letters), skips=tuple(self.skips))


def batches(
    read: Iterable[Entry | Letter | Skip], *, max_records: int, max_bytes: int, overhead: int = 13
) -> Iterator[Batch]:
    """Group what was read, in order. `max_bytes` bounds the body, `overhead` is its envelope.

    A gap in the ordinals (something settled in an earlier life of the run) closes a batch.
    An entry alone over `max_bytes` is the caller's to refuse before it comes here.
    """
    now = _Open()
    for each in read:
        gap = now.end >= 0 and each.ordinal != now.end + 1
        weight = _weight(each)
        if now.held + weight > HELD_BYTES:
            full = True
        elif not isinstance(each, Entry):
            full = len(now.letters) + len(now.skips) >= max_records
        else:
            full = (
                len(now.entries) >= max_records
                or now.size + len(each.body) + 1 > max_bytes - overhead
                or each.trace_id in now.traces
            )
        if (gap or full) and now.end >= 0:
            yield now.batch()
            now = _Open()
        if isinstance(each, Letter):
            now.letters.append(each)
        elif isinstance(each, Skip):
            now.skips.append(each)
        else:
            now.entries.append(each)
            now.size += len(each.body) + 1
            now.traces.add(each.trace_id)
        now.held += weight
        now.end = each.ordinal
    if now.end >= 0:
        yield now.batch()


def _weight(each: Entry | Letter | Skip) -> int:
    if isinstance(each, Entry):
        return len(each.record.raw or b"")
    return len(each.line) if isinstance(each, Letter) else 0
