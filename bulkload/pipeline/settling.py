"""Decides what becomes of a batch: the remote's verdict → what is settled, what is sent next.

No await and no I/O: values in, values out. Laws kept here: each record of a batch is named
once, as loaded, existing, skipped, dead letter, in doubt or to be sent again; a record that was
in doubt before goes on being so until the remote says otherwise; the remote's trouble is not
the record's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from bulkload import verdict
from bulkload.journal.settlement import Settlement
from bulkload.pipeline.loads import Load, Question, Step

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bulkload.batch import Batch, Letter
    from bulkload.hubspot import replies, wire
    from bulkload.hubspot.refusals import Refusal
    from bulkload.pipeline.parts import Policy
    from bulkload.records.letters import LetterWriter

FEW_SUSPECTS = 8
"""Up to so many inputs that a refusal hints at are each sent alone; more are halved."""

ALONE = 2
"""So often must a record that was narrowed down to fail alone."""


def unchanged(load: Load, reason: str, status: int) -> Step:
    """Nothing came of the call. An earlier doubt of the same records goes on being one."""
    return Step(Settlement(status, reason)).next((load,), doubted=load.attempt is not None)


def outcomes(
    load: Load,
    judged: wire.Outcomes,
    status: int,
    policy: Policy,
    letters: LetterWriter,
    successes: int,
) -> Step:
    """The remote judged the batch: loaded, rejected, and those that leave a question."""
    told = f"{len(judged.silent)} in neither results nor errors" if judged.silent else ""
    step = Step(
        Settlement(
            status, told, judged.loaded, judged.loose_ids,
            letters_of(load, dict(judged.rejected), letters),
        )
    )  # fmt: skip
    if judged.conflicts:
        named = dict(judged.conflicts)
        why = Question(status, "its key is taken", load.attempt is not None, named)
        asked = replace(load, batch=load.batch.only(set(named)), question=why)
        step = step.next((asked,), doubted=load.attempt is not None)
    if not judged.silent:
        return step
    silent = replace(load, batch=load.batch.only(set(judged.silent)))
    if policy.means == "key":
        asked = questioned(silent, told, status, policy, successes=successes, trial=False)
        return step.then((asked,))
    silent = replace(silent, strikes=load.strikes + 1, seen=successes)
    # A remote that never names them would have them sent for ever: that is doubt, not trouble.
    last = silent.strikes >= policy.max_attempts
    match verdict.decide("unknown", policy.means, doubted=True):
        case "send again" if not last:
            return step.then((silent,))
        case "ask" if not last:
            return step.then((replace(silent, question=Question(status, told, doubted=True)),))
    return replace(step, settlement=replace(step.settlement, doubtful=silent.batch.entries))


def refusal(load: Load, judged: wire.Refused, status: int, letters: LetterWriter) -> Step:
    """Nothing was made: the blamed are dead letters, the others are sent apart from suspects."""
    batch, doubted = load.batch, load.attempt is not None
    if judged.conflicts or judged.taken:
        # One read tells of all of them, whoever was named.
        question = Question(
            status, judged.because.category, doubted, dict(judged.conflicts),
            judged if judged.taken else None,
        )  # fmt: skip
        step = Step(Settlement(status, judged.because.category))
        return step.next((replace(load, question=question),), doubted=doubted)
    alone, unread = len(batch.entries) == 1, judged.because.category == "UNKNOWN"
    if doubted and alone and unread and batch.entries[0].tied:
        # It may be about a contact that went away since a try that made the record.
        note = "refused without a readable reason after a lost answer"
        return Step(Settlement(status, note, doubtful=batch.entries))
    blamed = dict(judged.blamed)
    if not blamed and alone:
        blamed = {batch.entries[0].ordinal: judged.because}
    parts = _apart(batch, set(blamed), judged.suspects)
    dead = letters_of(load, blamed, letters)
    return apart(load, parts, Settlement(status, judged.because.category, letters=dead))


def apart(load: Load, parts: Sequence[Batch], settlement: Settlement) -> Step:
    """Nothing was made: each part is sent by itself."""
    loads = tuple(
        Load(part, tries=load.tries, since=load.since, until=load.until)
        for part in parts
        if part.entries
    )
    return Step(settlement).next(loads, doubted=load.attempt is not None)


def doubt(
    load: Load,
    judged: replies.Doubtful,
    status: int,
    policy: Policy,
    *,
    successes: int,
    trial: bool,
) -> Step:
    """The answer was lost and there is no key to ask by: held, or by the user's word sent again,
    narrowed where others pass. (With a key: `questioned`.)

    `successes`: batches that the remote has judged so far; `trial`: this one tried the remote
    after an outage.
    """
    settlement = Settlement(status, judged.reason)
    entries = load.batch.entries
    if verdict.decide("unknown", policy.means, doubted=True) == "hold":
        return Step(replace(settlement, doubtful=entries))
    load, narrow, enough = _struck(load, policy, successes=successes, trial=trial)
    if enough:
        # No letter: a replay would send it, and one of the tries may have made it.
        note = f"failed {load.strikes} times while others went through: {judged.reason}"
        return Step(Settlement(status, note, doubtful=entries))
    return Step(settlement).then(halves(load, successes) if narrow else (load,))


def questioned(
    load: Load, reason: str, status: int, policy: Policy, *, successes: int, trial: bool
) -> Load:
    """The answer was lost, or says nothing of these records: the remote is asked for them."""
    load, narrow, enough = _struck(load, policy, successes=successes, trial=trial)
    question = Question(status, reason, doubted=True, narrow=narrow, enough=enough)
    return replace(load, question=question)


def _struck(load: Load, policy: Policy, *, successes: int, trial: bool) -> tuple[Load, bool, bool]:
    """(the load with one failure more, whether to narrow it, whether one alone has had enough)."""
    narrowing = load.narrowed is not None
    others_went = successes > max(load.seen if load.narrowed is None else load.narrowed, 0)
    # It tried the remote and nothing else went through: perhaps nothing else is left to show
    # that the remote is well, so its own parts must.
    stuck = trial and not others_went
    load = replace(
        load,
        strikes=load.strikes + others_went,
        seen=successes,
        reopener=load.reopener or trial,
    )
    most = policy.max_attempts if load.narrowed is None else min(ALONE, policy.max_attempts)
    enough, alone = load.strikes >= most, len(load.batch.entries) == 1
    # Perhaps it is all that is left: then no success comes in between any more.
    stuck = stuck or (load.strikes > 0 and load.tries >= policy.max_attempts)
    return load, not alone and (narrowing or stuck or enough), alone and enough


def halves(load: Load, successes: int) -> tuple[Load, ...]:
    began = successes if load.narrowed is None else load.narrowed
    return tuple(
        Load(
            half,
            seen=successes,
            narrowed=began,
            tries=load.tries,
            since=load.since,
            until=load.until,
        )
        for half in load.batch.split(len(load.batch.entries) // 2)
    )


def letters_of(
    load: Load,
    refused: Mapping[int, Refusal],
    letters: LetterWriter,
    reason: Literal["rejected", "undeliverable"] = "rejected",
) -> tuple[Letter, ...]:
    if not refused:
        return ()
    return tuple(
        letters.of_entry(
            entry,
            reason,
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
