"""Pure: in words, that a source is not what it was when its run began.

Law kept here: nothing lost: what would count other records as settled than those that were, stops.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulkload.errors import RefusedToStart, StoppedForGood, StoppedResumable
from bulkload.handed import NotHandedIn

if TYPE_CHECKING:
    from bulkload.batch import Entry, Letter, Skip
    from bulkload.protocols import Source


def missed(error: RefusedToStart) -> StoppedResumable:
    """What becomes of a source's refusal where it was there when the run began."""
    if isinstance(error, NotHandedIn):
        return StoppedResumable(str(error))
    return StoppedResumable(f"{str(error).removesuffix('.')}. Put it back, then resume")


def changed(source: Source) -> StoppedForGood:
    return StoppedForGood(
        f"{source.name}: it changed between the run's beginning and its own turn; nothing of what "
        "it is now was read. Put the old one back to resume, or load the new one as another run"
    )


def elsewhere(source: Source, found: Entry | Letter | Skip, was: int) -> StoppedForGood:
    """Against a record whose key an earlier life had of a later one: it would count as settled."""
    return StoppedForGood(
        f"{source.name}: its {source.noun} {found.position.number:,} was record {was:,} of the run "
        f"before, and is record {found.ordinal:,} now: some before it are gone, so which of them "
        "are loaded can't be told any more. Put the old source back to resume, or load it as "
        "another run, after an undo of this one"
    )
