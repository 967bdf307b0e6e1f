"""What is written down of an attempt, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkload import ordinals
    from bulkload.batch import Batch, Entry, Letter, Skip
    from bulkload.model import Position


class Resend(NamedTuple):
    """Records in doubt that are sent again, and the digest of the body they will go in."""

    batch: Batch
    digest: bytes


@dataclass(frozen=True, slots=True)
class Settlement:
    """What becomes of the records of one attempt; each of them is named once.

    `loaded` pairs an ordinal with its id at the remote ("" where a result could not be tied
    to its input: then `loose_ids` holds those of the batch); `existing` likewise, for what
    another made. Each of `resend` becomes a new
    open attempt in the same transaction, so that its doubt is never forgotten.
    """

    status: int
    note: str = ""
    loaded: tuple[tuple[int, str], ...] = ()
    loose_ids: tuple[str, ...] = ()
    letters: tuple[Letter, ...] = ()
    doubtful: Sequence[Entry] = ()
    resend: tuple[Resend, ...] = ()
    existing: tuple[tuple[int, str], ...] = ()
    skipped: tuple[Skip, ...] = ()

    @property
    def counts(self) -> bool:
        """Whether any record's outcome is settled by it."""
        settled = (self.loaded, self.existing, self.letters, self.doubtful, self.skipped)
        return any(settled)


class Open(NamedTuple):
    """An attempt whose answer was never recorded.

    `since`: the remote's clock when the first doubtful attempt for these records began, in
    seconds since the epoch, as a lower bound; `until`: when the last of them may still be carried
    out. None where it is not known.
    """

    id: int
    covers: str
    first: int
    source: int
    position: Position
    nth: int
    digest: bytes
    since: float | None
    until: float | None = None


@dataclass(slots=True)
class State:
    """What a resume starts from: who is settled, who is open, where to read on."""

    covered: ordinals.Covered
    open: list[Open] = field(default_factory=list)
    seek: tuple[int, int, Position | None] = (0, 0, None)
