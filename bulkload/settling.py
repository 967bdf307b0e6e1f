"""Decides what becomes of a batch: the remote's verdict → what is settled, what is sent next.

No await and no I/O: values in, values out. Laws kept here: each record of a batch is named
once, as loaded, dead letter, in doubt or to be sent again; a record that was in doubt before
goes on being so until the remote says otherwise; the remote's trouble is not the record's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from bulkload import verdict
from bulkload.hubspot import wire
from bulkload.journal.settlement import Resend, Settlement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bulkload.batching import Batch, Letter
    from bulkload.hubspot.refusals import Refusal
    from bulkload.letters import LetterWriter

FEW_SUSPECTS = 8
"""Up to so many inputs that a refusal hints at are each sent alone; more are halved."""


@dataclass(frozen=True, slots=True)
class Load:
    """A batch on its way, with what is known of earlier tries.

    `attempt`: its open attempt in the journal, where one was opened with the doubt before.
    `strikes`: doubtful answers with another batch's success in between; `seen`: the count
    of successes at the last of them. `narrowed`: that count when the search for what makes the
    remote fail began, where it did. `tries`: calls in all.
    """

    batch: Batch
    attempt: int | None = None
    strikes: int = 0
    seen: int = -1
    narrowed: int | None = None
    tries: int = 0


class Rules(NamedTuple):
    """What the decision depends on besides the answer."""

    letters: LetterWriter
    in_doubt: verdict.InDoubt
    max_attempts: int


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


def unchanged(load: Load, reason: str, status: int) -> Step:
    """Nothing came of the call. An earlier doubt of the same records goes on being one."""
    if load.attempt is None:
        return Step(Settlement(status, reason), fresh=(load,))
    return _resend(Settlement(status, reason), (load,))


def outcomes(load: Load, judged: wire.Outcomes, status: int, rules: Rules) -> Step:
    """The remote judged the batch: loaded, rejected, and those of which it says nothing."""
    settlement = Settlement(
        status,
        f"{len(judged.silent)} in neither results nor errors" if judged.silent else "",
        judged.loaded,
        judged.loose_ids,
        _letters(load, dict(judged.rejected), rules),
    )
    if not judged.silent:
        return Step(settlement)
    silent = load.batch.only(set(judged.silent))
    # A remote that never names them would have them sent for ever: that is doubt, not trouble.
    last = load.strikes + 1 >= rules.max_attempts
    if last or verdict.decide("unknown", rules.in_doubt) == "hold":
        return Step(replace(settlement, doubtful=silent.entries))
    return _resend(settlement, (replace(load, batch=silent, strikes=load.strikes + 1),))


def refusal(load: Load, judged: wire.Refused, status: int, rules: Rules) -> Step:
    """Nothing was made: the blamed are dead letters, the others are sent apart from suspects."""
    batch = load.batch
    blamed = dict(judged.blamed)
    if not blamed and len(batch.entries) == 1:
        blamed = {batch.entries[0].ordinal: judged.because}
    settlement = Settlement(status, judged.because.category, letters=_letters(load, blamed, rules))
    parts = tuple(
        Load(part, tries=load.tries)
        for part in _apart(batch, set(blamed), judged.suspects)
        if part.entries
    )
    if load.attempt is None:
        return Step(settlement, fresh=parts)
    return _resend(settlement, parts)  # an earlier attempt may have made them


def doubt(
    load: Load, judged: wire.Doubtful, status: int, rules: Rules, *, successes: int, trial: bool
) -> Step:
    """The answer was lost. Held, or by the user's word sent again; narrowed where others pass.

    `successes`: batches that the remote has judged so far; `trial`: this one tried the remote
    after an outage.
    """
    settlement = Settlement(status, judged.reason)
    entries = load.batch.entries
    if verdict.decide("unknown", rules.in_doubt) == "hold":
        return Step(replace(settlement, doubtful=entries))
    narrowing = load.narrowed is not None
    others_went = successes > max(load.seen if load.narrowed is None else load.narrowed, 0)
    # It tried the remote and nothing else went through: perhaps nothing else is left to show
    # that the remote is well, so its own parts must.
    stuck = trial and not others_went
    load = replace(load, strikes=load.strikes + others_went, seen=successes)
    enough = load.strikes >= rules.max_attempts
    if len(entries) == 1 and enough:
        # No letter: a replay would send it, and one of the tries may have made it.
        note = f"failed {load.strikes} times while others went through: {judged.reason}"
        return Step(Settlement(status, note, doubtful=entries))
    if len(entries) > 1 and (narrowing or stuck or enough):
        began = successes if load.narrowed is None else load.narrowed
        halves = tuple(
            Load(half, seen=successes, narrowed=began, tries=load.tries)
            for half in load.batch.split(len(entries) // 2)
        )
        return _resend(settlement, halves)
    return _resend(settlement, (load,))


def _resend(settlement: Settlement, loads: tuple[Load, ...]) -> Step:
    resend = tuple(Resend(each.batch, wire.digest(wire.body(each.batch))) for each in loads)
    return Step(replace(settlement, resend=resend), again=loads)


def _letters(load: Load, refused: Mapping[int, Refusal], rules: Rules) -> tuple[Letter, ...]:
    return tuple(
        rules.letters.of_entry(
            entry,
            "rejected",
            why.message,
            attempts=load.batch.attempt,
            status=why.status,
            category=why.category,
            correlation_id=why.correlation_id,
        )
        for entry in load.batch.entries
        if (why := refused.get(entry.ordinal)) is not None
    )


def _apart(batch: Batch, blamed: set[int], suspects: frozenset[int]) -> list[Batch]:
    """What a refused batch is sent as next."""
    everyone = {entry.ordinal for entry in batch.entries}
    if blamed:
        return [batch.only(everyone - blamed)]
    if not suspects or suspects == everyone:
        return list(batch.split(len(batch.entries) // 2))
    others = batch.only(everyone - suspects)
    if len(suspects) > FEW_SUSPECTS:
        return [others, batch.only(set(suspects))]
    return [others, *(batch.only({ordinal}) for ordinal in sorted(suspects))]
