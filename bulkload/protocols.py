"""Contracts in prose. A protocol exists once it has two implementations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from bulkload.model import Position, Record, Stretch


class KeysSeen(Protocol):
    """Which record of a run had a key first. Used by one thread at a time."""

    through: int
    """Records from this ordinal on may never have been asked, though settled: ask again."""

    def first(self, key: str, ordinal: int) -> int | None:
        """The record that had this key before `ordinal`; None: none had, and it is remembered now.

        The same ordinal asked again is None again.
        """
        ...

    def first_of(self, keys: Sequence[str], ordinal: int) -> bool:
        """Whether none had any of these keys before, nor two of them the same: they are those of
        the records from `ordinal` on, and are remembered now. False: ask for each.
        """
        ...

    def commit(self) -> None:
        """What was asked so far is durable, where the implementation is."""
        ...

    def close(self) -> None:
        """Nothing is asked any more."""
        ...


class Source(Protocol):
    """Something that yields records in a fixed order, with positions.

    Used from one thread at a time, never in parallel with itself. Reads are blocking:
    the pipeline calls them off the event loop.
    """

    name: str
    """The path or address as messages and dead letters show it."""

    format: str
    """The format's name, as `--format` takes it."""

    noun: str
    """What one record is called in messages: line, row, message, file."""

    def fingerprint(self) -> dict[str, Any]:
        """What binds a run to this source: JSON, equal for the same content.

        Called once at the start of a run and once at each resume, before any record is read. From
        then on the source is what it was at that time: what comes later is no part of it.
        Raises RefusedToStart where the source can't be read.
        """
        ...

    def still(self, bound: dict[str, Any]) -> bool:
        """Whether what `bound` is the fingerprint of is there unchanged; it may have grown since.

        Called after the last record was read. Raises RefusedToStart where it is gone.
        """
        ...

    def records(self, start: Position | None = None) -> Generator[Record]:
        """Every record from `start` on (that one included), or from the beginning.

        Streams: memory is bounded by the largest record allowed. A record that can't be
        read is yielded with its `flaw`, and the next one follows. The same source gives the
        same records at the same positions each time. Closing the iterator closes its files.
        """
        ...

    def size(self) -> int | None:
        """Bytes in all, for progress; None where unknown."""
        ...

    def consumed(self) -> int:
        """Bytes read so far by the latest `records()`, in the unit of `size()`."""
        ...


@runtime_checkable
class Stoppable(Protocol):
    """A source whose next record may take so long that nobody who stops should wait for it."""

    def stop(self) -> None:
        """Whoever waits for a record of the latest `records()` gets an error instead. From any
        thread.
        """
        ...


@runtime_checkable
class Lined(Protocol):
    """A source of lines, which can be had many at a time."""

    def stretches(self, start: Position | None = None) -> Generator[Stretch | Record]:
        """What `records` yields, in the same order: lines that follow one another, and need nothing
        taken off, together, with their line feeds.
        """
        ...


@runtime_checkable
class Numbered(Protocol):
    """A source that records may be taken from, so that those behind them get other numbers."""

    def moved(self, known: Sequence[Position], *, whole: bool) -> Position | None:
        """The first of these positions, which ascend, at which there is no record any more, or
        between which and the one before it are more or fewer records than their numbers say; of the
        first one, and the source's beginning, where the `whole` is to be looked at.
        """
        ...


@runtime_checkable
class Growing(Protocol):
    """A source that may get more records, which a run can be extended by."""

    def extended(self, earlier: Iterable[Source], last: Position | None) -> Source | None:
        """A source of what came since, and of that alone; None where nothing did.

        Called where it is `still` what it was. `earlier`: those that the run has of the same
        file, folder or table, this one the last of them; `last`: a position in it that the run
        has reached, None where none is known.
        """
        ...
