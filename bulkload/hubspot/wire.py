"""Pure: a batch → the request's bytes; an answer → what it says of each record.

Never raises, whatever the remote sends: what is not a whole answer is `Doubtful`.
Laws kept here: a partial failure carries the record, never an index; the remote's trouble
is not the record's; only a refusal that names a record, or that was given to it alone,
makes a dead letter.

Protocol facts: HubSpot's batch create (207 and `objectWriteTraceId`: "Handling errors /
multi-status"), results in any order (hubspot-api-nodejs #190), 201 or 200 alike
(hubspot-api-python #448).
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import orjson

from bulkload.hubspot import refusals
from bulkload.hubspot.glance import glance
from bulkload.hubspot.replies import (
    Denied,
    Doubtful,
    NotSent,
    Reply,
    TryLater,
    denied,
    later,
    parsed,
    record_id,
    retry_after,
    unreadable,
)
from bulkload.hubspot.tying import tie

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkload.batch import Batch, Entry
    from bulkload.hubspot.glance import Usual
    from bulkload.hubspot.refusals import Refusal

PREFIX, SUFFIX = b'{"inputs":[', b"]}"
ENVELOPE_BYTES = len(PREFIX) + len(SUFFIX)


def body(batch: Batch) -> bytes:
    """The request's body: the entries' inputs, with what was added to them."""
    return batch.body(PREFIX, SUFFIX)


def digest(batch: Batch, request: bytes = b"") -> bytes:
    """What an attempt is recognised by when its batch is read again: the inputs as their records
    alone make them, since what is added may be another by then (a contact made meanwhile). CRC-32
    and length: a source that somebody changed is found, and nobody has a reason to forge one.

    `request`: its body, where it is made already. Most have nothing added, and are that.
    """
    if not request or (not batch.plain and any(map(attrgetter("sent"), batch.entries))):
        request = batch.body(PREFIX, SUFFIX, added=False)
    return zlib.crc32(request).to_bytes(4, "big") + len(request).to_bytes(4, "big")


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The remote judged the batch. Each entry is in exactly one of loaded, rejected, silent and
    conflicts (whose key is taken: by whom is a question).

    `completed` is `completedAt` as it was written; `worked_s` is that minus `startedAt`: how long
    before the answer the request had surely arrived. 0 where the fields are missing, coarse or
    absurd.
    """

    loaded: tuple[tuple[int, str], ...]
    rejected: tuple[tuple[int, Refusal], ...]
    silent: tuple[int, ...] = ()
    loose_ids: tuple[str, ...] = ()
    worked_s: float = 0.0
    conflicts: tuple[tuple[int, Refusal], ...] = ()
    completed: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """The whole batch was refused and nothing was made.

    `blamed` are surely at fault, each with its refusal; `suspects` may be (they travel alone
    next). Both empty: nobody is named, halve the batch. `because` says it once for all.
    `conflicts`: those whose key is taken; `taken`: somebody's is, and whose is not said.
    """

    because: Refusal
    blamed: tuple[tuple[int, Refusal], ...] = ()
    suspects: frozenset[int] = frozenset()
    conflicts: tuple[tuple[int, Refusal], ...] = ()
    taken: bool = False


Verdict = Outcomes | Refused | TryLater | NotSent | Doubtful | Denied

_FINE = re.compile(r"\.\d{3}")
_IDS = re.compile(r"\d{1,64}(?:,\d{1,64})*+", re.ASCII)


def judge(batch: Batch, reply: Reply, key_property: str = "") -> Verdict:
    """What an answer says of the batch that it answers.

    `key_property`: the one whose values the batch's entries carry as their keys, if they do.
    """
    status = reply.status
    if (no := denied(reply)) is not None:
        return no
    if status == 0:
        return Doubtful(reply.trouble) if reply.left else NotSent(reply.trouble)
    if (asked := later(reply)) is not None:
        return asked
    if 200 <= status < 300 and not reply.whole:
        return Doubtful(f"{status}: {reply.trouble or 'the answer was not read to its end'}")
    if 200 <= status < 300:
        return _judge_results(batch, reply, key_property)
    answer = parsed(reply)
    if status in (413, 414):
        return Refused(refusals.read(answer, status, "the request is too large for the remote"))
    if status == 400 or (status in (409, 422) and "category" in answer):
        return _judge_refusal(batch, answer, status, key_property)
    return Doubtful(refusals.describe(status, answer), retry_after(reply.headers))


def _worked(*written: Any) -> float:
    """Seconds between two moments as they are written."""
    try:
        if not all(_FINE.search(moment) for moment in written):
            return 0.0  # whole seconds would say that it arrived up to one earlier than it did
        began, ended = map(datetime.fromisoformat, written)
        seconds = (ended - began).total_seconds()
    except (TypeError, ValueError):
        return 0.0
    return seconds if 0 < seconds < 3600 else 0.0


def _judge_results(batch: Batch, reply: Reply, key_property: str) -> Verdict:
    usual = glance()(reply.body)
    if usual is not None and (everyone := _all_made(batch, usual)):
        worked_s = _worked(usual.started, usual.completed)
        return Outcomes(everyone, (), worked_s=worked_s, completed=usual.completed)
    answer = parsed(reply)
    results, errors = answer.get("results"), answer.get("errors") or []
    if not isinstance(results, list) or not isinstance(errors, list):
        return Doubtful(unreadable(reply, "list of results"))
    completed = answer.get("completedAt")
    worked_s = _worked(answer.get("startedAt"), completed)
    completed = completed if isinstance(completed, str) else ""
    listed = [r for r in results if isinstance(r, dict) and record_id(r.get("id"))]
    made = list({str(r["id"]): r for r in listed}.values())  # a record listed twice is one
    if answer.get("status", "COMPLETE") != "COMPLETE":
        errors = []  # the remote is not done: what it has not made yet is not refused
    tied, loose = tie(batch, made)
    rest = [e for e in batch.entries if e.ordinal not in tied]
    if loose and not errors and len(made) == len(batch.entries):
        nameless = tuple((e.ordinal, "") for e in batch.entries)
        ids = tuple(str(r["id"]) for r in made)
        return Outcomes(nameless, (), (), ids, worked_s, completed=completed)
    refused = _refused(rest, errors, loose)
    taken = {
        entry.ordinal: refused[entry.ordinal]
        for entry in rest
        if entry.ordinal in refused
        and refusals.names_key(refused[entry.ordinal], entry.key, key_property)
    }
    return Outcomes(
        tuple(sorted(tied.items())),
        tuple(pair for pair in refused.items() if pair[0] not in taken),
        tuple(e.ordinal for e in rest if e.ordinal not in refused),
        tuple(loose),
        worked_s,
        tuple(taken.items()),
        completed,
    )


def _all_made(batch: Batch, usual: Usual) -> tuple[tuple[int, str], ...]:
    """(ordinal, id) of each entry, where each has a result of its own by its trace id: the usual
    answer, said at a glance. Empty where it takes a closer look.
    """
    made = usual.ids
    if not usual.results == len(made) == len(batch.entries):
        return ()
    try:
        pairs = sorted(zip(batch.ordinals, map(made.__getitem__, batch.traces), strict=True))
    except KeyError:
        return ()
    ids = ",".join(made.values())
    several = len(set(made.values())) == len(pairs) == ids.count(",") + 1
    return tuple(pairs) if several and _IDS.fullmatch(ids) else ()


def _refused(rest: Sequence[Entry], errors: list[Any], loose: list[str]) -> dict[int, Refusal]:
    """Errors by the trace ids that they name. Results came first: they beat errors."""
    by_trace = {e.trace_id: e.ordinal for e in rest}
    rejected: dict[int, Refusal] = {}
    unlabelled = []
    for error in errors:
        if not isinstance(error, dict):
            continue
        traces = refusals.trace_ids(error)
        for trace in traces:
            ordinal = by_trace.get(trace)
            if ordinal is not None and ordinal not in rejected:
                rejected[ordinal] = refusals.read(error, 207)
        if not traces:
            unlabelled.append(error)
    left = [e for e in rest if e.ordinal not in rejected]
    if unlabelled and len(left) == len(unlabelled) and not loose:
        # As many errors as inputs without a result: all of them were refused. Which error is
        # whose is told by the value it quotes; alone it can only be the one.
        for entry, error in zip(left, _in_order(left, unlabelled), strict=True):
            rejected[entry.ordinal] = refusals.read(error, 207)
    return rejected


def _in_order(entries: Sequence[Entry], errors: list[dict[str, Any]]) -> list[dict[str, Any]]:
    free = list(errors)
    ordered = []
    for entry in entries:
        properties = orjson.loads(entry.body)["properties"]
        best = next((e for e in free if refusals.names(e, properties)), free[0])
        free.remove(best)
        ordered.append(best)
    return ordered


def _judge_refusal(batch: Batch, answer: dict[str, Any], status: int, key_property: str) -> Verdict:
    because = refusals.read(answer, status)
    named = _conflicts(batch, because, key_property)
    if not answer and key_property:
        # It may have said that a key is taken: that is asked before a record is blamed.
        alone = len(batch.entries) == 1
        named = ((batch.entries[0].ordinal, because),) if alone else ()
        return Refused(because, conflicts=named, taken=not alone)
    if named or (key_property and refusals.is_conflict(because, key_property)):
        return Refused(because, conflicts=named, taken=not named)
    if len(batch.entries) == 1:
        return Refused(because, ((batch.entries[0].ordinal, because),))
    blamed: dict[int, Refusal] = {}
    by_trace = {e.trace_id: e.ordinal for e in batch.entries}
    listed = answer.get("errors")
    errors = [e for e in listed if isinstance(e, dict)] if isinstance(listed, list) else []
    for error in (answer, *errors):
        for trace in dict.fromkeys(refusals.trace_ids(error)):
            if trace in by_trace:
                blamed[by_trace[trace]] = refusals.read({**answer, **error}, status)
    if blamed:
        return Refused(because, tuple(sorted(blamed.items())))
    if (column := refusals.column(because.message)) is not None:
        return Refused(because, (), _at_column(batch, column))
    suspects = set()
    for entry in batch.entries:
        properties = orjson.loads(entry.body)["properties"]
        match refusals.blame(answer, properties):
            case refusals.Blame.SURE as sure:
                blamed[entry.ordinal] = refusals.read(answer, status, for_=(properties, sure))
            case refusals.Blame.MAYBE:
                suspects.add(entry.ordinal)
            case refusals.Blame.NONE:
                pass
    if blamed:
        return Refused(because, tuple(sorted(blamed.items())))
    return Refused(because, (), frozenset(suspects))


def _conflicts(
    batch: Batch, because: Refusal, key_property: str
) -> tuple[tuple[int, Refusal], ...]:
    """Those whose key a refusal of the whole batch quotes; alone it can only be the one."""
    entries = batch.entries
    if len(entries) == 1 and refusals.names_key(because, entries[0].key, key_property):
        return ((entries[0].ordinal, because),)
    return tuple(
        (e.ordinal, because) for e in entries if refusals.quotes_key(because, e.key, key_property)
    )


def _at_column(batch: Batch, column: int) -> frozenset[int]:
    """The input at a column of the body: counted in bytes, and in characters, to be sure."""
    found = set()
    for length in (len, lambda text: len(text.decode())):
        end = len(PREFIX)
        for entry in batch.entries:
            end += length(entry.sent or entry.body) + 1
            if column <= end:
                found.add(entry.ordinal)
                break
    return frozenset(found)
