"""Decides what the answer to a question means: who has the keys, or what search has proved.

No await and no I/O. Laws kept here: a record that the remote has is loaded or existing, never
sent again; one that it has not is sent again only where it is known not to have it, or would
itself refuse a second one; a key that is taken by nobody that can be read makes a dead letter
that says so.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from bulkload import verdict
from bulkload.batch import Skip
from bulkload.hubspot.refusals import Refusal
from bulkload.journal.settlement import Settlement
from bulkload.pipeline.loads import Step
from bulkload.pipeline.settling import halves, letters_of, refusal

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from bulkload.batch import Entry
    from bulkload.hubspot.lookup import Found
    from bulkload.pipeline.loads import Load, Question
    from bulkload.pipeline.parts import Policy
    from bulkload.pipeline.verifying import Sighting
    from bulkload.records.letters import LetterWriter

ASKS = 9
"""How often a key that the remote calls taken is looked for before the record is given up."""


def answered(
    load: Load,
    found: Mapping[str, Found],
    made_here: Collection[str],
    policy: Policy,
    letters: LetterWriter,
    successes: int,
) -> Step | Load:
    """What the remote has, by key: what becomes of the records that were asked for.

    `made_here`: ids that are known to be of other records of this run. Returns a load where
    nothing is settled and it is asked again.
    """
    question = load.question
    assert question is not None
    settled: dict[verdict.Decision, list[Entry]] = {}
    for entry in load.batch.entries:
        decision = _decided(entry, load, question, found.get(entry.key), made_here, policy)
        settled.setdefault(decision, []).append(entry)
    absent = settled.get("send again", [])
    if len(settled.get("ask", ())) == len(load.batch.entries):
        return replace(load, question=replace(question, asked=question.asked + 1))

    def ids(decision: verdict.Decision) -> tuple[tuple[int, str], ...]:
        return tuple((e.ordinal, found[e.key].id) for e in settled.get(decision, ()))

    refused = {
        e.ordinal: _unexplained(question.conflicts[e.ordinal], found.get(e.key))
        for e in settled.get("letter", ())
    }
    step = Step(
        Settlement(
            question.status,
            question.reason,
            ids("loaded"),
            letters=letters_of(load, refused, letters),
            existing=ids("existing"),
            skipped=tuple(
                Skip(e.ordinal, e.source, e.position, id=found[e.key].id)
                for e in settled.get("duplicate", ())
            ),
        )
    )
    if asked := settled.get("ask"):
        left = {e.ordinal for e in asked}
        named = {o: why for o, why in question.conflicts.items() if o in left}
        again = replace(question, conflicts=named, asked=question.asked + 1)
        waiting = replace(load, batch=load.batch.only(left), question=again)
        step = step.next((waiting,), doubted=question.doubted)
    if not absent:
        return step
    rest = replace(load, batch=load.batch.only({e.ordinal for e in absent}), question=None)
    if question.taken is not None and not found:
        # Somebody's key was called taken, and nobody's is there: narrow it down to whose.
        narrowed = replace(question.taken, taken=False)
        return refusal(rest, narrowed, question.status, letters)
    return _absent(step, rest, question, letters, successes)


def _decided(
    entry: Entry,
    load: Load,
    question: Question,
    holder: Found | None,
    made_here: Collection[str],
    policy: Policy,
) -> verdict.Decision:
    """What becomes of one record. `holder`: who has its key."""
    conflict = entry.ordinal in question.conflicts
    if holder is not None and holder.archived and not conflict:
        holder = None  # whether it keeps the key, the remote says when the record is sent
    # Of a holder that is another record of this run the doubt explains nothing.
    doubted = question.doubted and not (holder is not None and holder.id in made_here)
    known: verdict.Known = "unknown" if doubted else "refused"
    if conflict or (holder is not None and not doubted):
        known = "conflict"
    last = question.asked + 1 >= ASKS or (holder is not None and holder.archived)
    whose = _whose(holder, load, made_here, policy)
    return verdict.decide(known, policy.means, whose, doubted=doubted, last=last)


def sighted(
    load: Load,
    seen: Mapping[int, Sighting],
    policy: Policy,
    letters: LetterWriter,
    successes: int,
) -> Step:
    """What search proved of a batch's records, as far as it ever will."""
    question = load.question
    assert question is not None
    settled: dict[verdict.Decision, list[Entry]] = {}
    for entry in load.batch.entries:
        found = _SIGHTED[seen[entry.ordinal].decision]
        decision = verdict.decide("unknown", policy.means, found, doubted=True, last=True)
        settled.setdefault(decision, []).append(entry)
    loaded = tuple((e.ordinal, seen[e.ordinal].id) for e in settled.get("loaded", ()))
    held = tuple(settled.get("hold", ()))
    note = f"{question.reason}; search can't prove more" if held else question.reason
    step = Step(Settlement(question.status, note, loaded, doubtful=held))
    if not (absent := settled.get("send again")):
        return step
    rest = replace(load, batch=load.batch.only({e.ordinal for e in absent}), question=None)
    return _absent(step, rest, question, letters, successes)


_SIGHTED: dict[str, verdict.Found] = {"loaded": "ours", "absent": "absent", "unclear": "unclear"}


def _unexplained(refused: Refusal, holder: Found | None) -> Refusal:
    """Why a record whose key is taken, by nobody that can be read, is a dead letter."""
    if holder is None:
        told = "its key is taken, and the remote shows no record that has it"
    else:
        told = (
            f"record {holder.id}, which was archived, still holds its key: restore that one, or "
            "delete it for good and replay this letter"
        )
    return refused._replace(message=f"{told}. The remote says: {refused.message}")


def _whose(
    holder: Found | None, load: Load, made_here: Collection[str], policy: Policy
) -> Literal["ours", "another's", "absent"]:
    if holder is None or holder.archived:
        return "absent"
    if policy.marks is not None and policy.marks.run:
        return "ours" if holder.run == policy.run else "another's"
    if holder.id in made_here:
        return "ours"
    doubted = load.question is not None and load.question.doubted
    if not doubted or load.since is None or load.until is None or holder.created is None:
        return "another's"  # what can't be told is never undone
    return "ours" if load.since <= holder.created <= load.until else "another's"


def _absent(
    step: Step, load: Load, question: Question, letters: LetterWriter, successes: int
) -> Step:
    """The remote has none of these: they are sent again, since it would refuse a second one."""
    if question.enough:
        told = f"failed {load.strikes} times while others went through, and the remote has none"
        why = Refusal(question.status, "UNDELIVERABLE", f"{told}: {question.reason}", "")
        ordinal = load.batch.entries[0].ordinal
        dead = letters_of(load, {ordinal: why}, letters, reason="undeliverable")
        return replace(step, settlement=replace(step.settlement, letters=dead))
    narrow = question.narrow and len(load.batch.entries) > 1
    parts = halves(load, successes) if narrow else (load,)
    return step.next(parts, doubted=question.doubted)
