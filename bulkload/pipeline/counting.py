"""What is settled is counted here, then told; a run with too many dead letters is stopped.

Law kept here: written before said. Whoever counts has awaited the commit.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bulkload import events
from bulkload.errors import StoppedResumable

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulkload.journal.settlement import Settlement
    from bulkload.pipeline.parts import Policy, Tally

JUDGED_FROM = 1000
"""A share of dead letters means something from so many records on."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """Counts of one run. `consumed`: bytes read so far; `drain` ends it in good order."""

    tally: Tally
    policy: Policy
    tell: events.Announcer
    consumed: Callable[[], int]
    drain: Callable[[StoppedResumable], None]

    def settled(self, settled: Settlement) -> None:
        """One settlement, as far as it says what became of records."""
        if settled.counts:
            self.count(
                loaded=len(settled.loaded),
                existing=len(settled.existing),
                dead=len(settled.letters),
                doubt=len(settled.doubtful),
                skipped=len(settled.skipped),
                batches=1,
            )

    def leave_out(self, files: int) -> None:
        """Attachments of records that were read: they are left out where none is uploaded."""
        if not self.policy.uploads:
            self.tally.files_left_out += files

    def count(
        self,
        *,
        loaded: int = 0,
        existing: int = 0,
        dead: int = 0,
        doubt: int = 0,
        skipped: int = 0,
        batches: int = 0,
    ) -> None:
        """Records by outcome."""
        tally = self.tally
        tally.loaded += loaded
        tally.settled_now += loaded + existing
        tally.existing += existing
        tally.dead += dead
        tally.doubt += doubt
        tally.skipped += skipped
        tally.batches += batches
        tally.last_settled = time.monotonic()
        self.tell(events.Settled(loaded, existing, dead, doubt, skipped, batches, self.consumed()))
        if dead:
            self._check_letters()

    def _check_letters(self) -> None:
        tally, policy = self.tally, self.policy
        too_many = (policy.max_dead_count is not None and tally.dead > policy.max_dead_count) or (
            policy.max_dead_share is not None
            and tally.read >= JUDGED_FROM
            and tally.dead > policy.max_dead_share * tally.read
        )
        if too_many:
            self.drain(
                StoppedResumable(
                    f"{tally.dead:,} of {tally.read:,} records became dead letters "
                    "(--max-dead-letters): look at dead-letters.ndjson; a wrong mapping or a "
                    "missing property does this. Resume with a higher limit, or start anew"
                )
            )
