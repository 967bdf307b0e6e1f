"""Pure: probe records: the requests that make them, and what the answers show of the portal.

Laws kept here: a probe is tied to nobody, so that it enrols no contact in a workflow; an answer
that was lost may have made its records, and is told apart from a refusal. Never raises.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from bulkload.hubspot import refusals, replies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from bulkload.hubspot.replies import Reply

SUBJECT = "bulkload probe, may be deleted"

REFUSALS = frozenset({400, 409, 413, 414, 422})


class Probe(NamedTuple):
    """One record to make. `timestamp`: milliseconds since the epoch; `key` "": it has none."""

    trace: str
    timestamp: int
    key: str = ""


class Created(NamedTuple):
    """What an answer shows. `ids`: records that are there now, whatever else is the case.

    `echoed`: each came with its trace id; None: none came. `taken`: the category under which a key
    was refused as taken. `refused`: nothing was made, and why. `unsure`: some may have been made.
    """

    ids: tuple[str, ...] = ()
    echoed: bool | None = None
    taken: str = ""
    refused: str = ""
    unsure: str = ""


def draw(count: int, now_ms: int, name: Callable[[], str], *, keyed: bool) -> tuple[Probe, ...]:
    """`count` probes with times of their own; `name` draws 64 hex digits."""
    return tuple(Probe(name(), now_ms + number, name() if keyed else "") for number in range(count))


def request(probes: Iterable[Probe], key_property: str) -> bytes:
    """The body of a batch create. `key_property`: what holds the keys of those that have one."""
    return orjson.dumps({"inputs": [_input(probe, key_property) for probe in probes]})


def _input(probe: Probe, key_property: str) -> dict[str, Any]:
    properties = {
        "hs_timestamp": str(probe.timestamp),
        "hs_email_direction": "EMAIL",
        "hs_email_status": "SENT",
        "hs_email_subject": SUBJECT,
    }
    if probe.key:
        properties[key_property] = probe.key
    return {"properties": properties, "associations": [], "objectWriteTraceId": probe.trace}


def read_created(probes: Sequence[Probe], reply: Reply, key_property: str) -> Created:
    """What the answer to `request` shows."""
    status = reply.status
    if status == 0:
        told = reply.trouble or "no answer"
        return Created(unsure=told) if reply.left else Created(refused=told)
    answer = replies.parsed(reply)
    told = refusals.describe(status, answer)
    if status in replies.LATER or status in replies.NO_HANDLER:
        return Created(refused=told)
    if status in (401, 403):
        return Created(refused=refusals.denial(status, answer, ""))
    if status in REFUSALS:
        taken = _taken([answer], status, probes, key_property)
        return Created(refused=told, taken=taken)
    results = answer.get("results")
    if not (200 <= status < 300 and isinstance(results, list)):
        return Created(unsure=told)
    return _made(probes, answer, results, status, key_property)


def _made(
    probes: Sequence[Probe],
    answer: dict[str, Any],
    results: list[Any],
    status: int,
    key_property: str,
) -> Created:
    made = {
        str(each["id"]): each.get("objectWriteTraceId")
        for each in results
        if isinstance(each, dict) and isinstance(each.get("id"), str | int)
    }
    listed = answer.get("errors")
    errors = [e for e in listed if isinstance(e, dict)] if isinstance(listed, list) else []
    told = "; ".join(dict.fromkeys(refusals.describe(status, each) for each in errors))
    explained = len(made) + len(errors) >= len(probes)
    whole = explained and answer.get("status", "COMPLETE") == "COMPLETE"
    return Created(
        tuple(made),
        {probe.trace for probe in probes}.issuperset(made.values()) if made else None,
        _taken(errors, status, probes, key_property),
        "" if made or not whole else told,
        "" if whole else f"{status} that leaves out some of what was sent",
    )


def _taken(
    errors: Iterable[dict[str, Any]], status: int, probes: Sequence[Probe], key_property: str
) -> str:
    for error in errors:
        refusal = refusals.read(error, status)
        if any(refusals.names_key(refusal, probe.key, key_property) for probe in probes):
            return refusal.category
    return ""
