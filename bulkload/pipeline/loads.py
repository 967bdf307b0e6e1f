"""Values: a batch on its way, what the remote must be asked about it, and the step that is next.

Law kept here: a record that was in doubt before goes on being so until the remote says otherwise:
what is sent again carries the attempt that it is in doubt by.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bulkload.hubspot import wire
from bulkload.journal.settlement import Resend, Settlement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bulkload.batch import Batch
    from bulkload.hubspot.refusals import Refusal

ASK_ARCHIVED = 1
"""After so many reads that did not show who has a key, it is looked for among what was archived."""


@dataclass(frozen=True, slots=True)
class Question:
    """What the remote must be asked about a batch before anything else is done with it.

    `doubted`: an attempt of this run may have made its records. `conflicts`: those whose key
    the remote called taken; `taken`: it did so without saying whose. `asked`: reads that did not
    find who has it. `narrow`: what is absent is sent apart, since the batch keeps failing;
    `enough`: a record alone has failed often enough, and is asked for a last time.
    """

    status: int
    reason: str
    doubted: bool
    conflicts: Mapping[int, Refusal] = field(default_factory=dict)
    taken: wire.Refused | None = None
    asked: int = 0
    narrow: bool = False
    enough: bool = False

    @property
    def archived(self) -> bool:
        """Whether it is among what was archived that the keys are looked for now."""
        return self.asked == ASK_ARCHIVED and bool(self.conflicts)


@dataclass(frozen=True, slots=True)
class Load:
    """A batch on its way, with what is known of earlier tries.

    `attempt`: its open attempt in the journal, where one carries a doubt; `since`: the remote's
    clock when the first of those began, and `until` when the last of them may still be carried out,
    where they are known. `strikes`: doubtful answers with
    another batch's success in between; `seen`: the count of successes at the last of them.
    `narrowed`: that count when the search for what makes the remote fail began, where it did.
    `reopener`: it failed as what tried the remote after an outage. `tries`: calls in all.
    `question`: what is asked before it is sent.
    """

    batch: Batch
    attempt: int | None = None
    strikes: int = 0
    seen: int = -1
    narrowed: int | None = None
    reopener: bool = False
    tries: int = 0
    since: float | None = None
    until: float | None = None
    question: Question | None = None

    @property
    def struck(self) -> bool:
        """Whether it may be to blame itself: it failed again while others went through, or was
        split off what did, or failed as what tried the remote. Others go first.
        """
        return self.strikes > 1 or self.narrowed is not None or self.reopener

    def alone_in_trouble(self, successes: int) -> bool:
        """Whether a failure now is its own: others went through since its last, or its split."""
        return (self.strikes > 0 or self.narrowed is not None) and successes > max(self.seen, 0)


@dataclass(frozen=True, slots=True)
class Step:
    """One settlement, and the loads that come after it.

    `fresh` need an intent of their own; `again` have their attempts opened by the settlement,
    in the order of its `resend`.
    """

    settlement: Settlement
    fresh: tuple[Load, ...] = ()
    again: tuple[Load, ...] = ()

    def left(self, opened: Sequence[int]) -> list[Load]:
        """What to send next, given the attempts that the settlement opened."""
        reopened = zip(self.again, opened, strict=True)
        return [*self.fresh, *(replace(load, attempt=attempt) for load, attempt in reopened)]

    def then(self, doubted: tuple[Load, ...]) -> Step:
        """These are sent again too, and go on being in doubt."""
        resend = tuple(Resend(each.batch, wire.digest(each.batch)) for each in doubted)
        settled = replace(self.settlement, resend=self.settlement.resend + resend)
        return Step(settled, self.fresh, self.again + doubted)

    def parted(self) -> Step:
        """One record of what goes on being in doubt stands last, with an attempt of its own."""
        for at, load in enumerate(self.again):
            if len(load.batch.entries) > 1:
                rest, last = load.batch.split(len(load.batch.entries) - 1)
                others = self.again[:at] + self.again[at + 1 :]
                settled = replace(self.settlement, resend=())
                loads = (*others, replace(load, batch=rest), replace(load, batch=last))
                return Step(settled, self.fresh).then(loads)
        return self

    def next(self, loads: tuple[Load, ...], *, doubted: bool) -> Step:
        """These are sent next; `doubted`: an earlier attempt may have made them."""
        return self.then(loads) if doubted else replace(self, fresh=self.fresh + loads)
