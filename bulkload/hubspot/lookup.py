"""Pure: reading records by their key: the request's bytes, and what an answer shows.

Law kept here: nothing twice. A key counts as absent only where a whole answer says so; an
answer that leaves a key unexplained shows nothing.

Source: HubSpot's spec of `POST /crm/v3/objects/emails/batch/read` (`idProperty`, at most 100
inputs; 207 with `errors[].context.ids` for those not found: hubspot-api-php #619).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import orjson

from bulkload.hubspot import refusals, replies

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Marks(NamedTuple):
    """The properties that every record of a run carries. `run` "": the portal has none."""

    key: str
    run: str = ""


class Found(NamedTuple):
    """A record that the remote has. `created`: its clock, seconds since the epoch."""

    id: str
    run: str = ""
    created: float | None = None
    archived: bool = False


@dataclass(frozen=True, slots=True)
class Findings:
    """A whole answer: what is there, by key. What was asked for and is not here is absent.

    `completed`: the answer's own time, as it was written.
    """

    found: Mapping[str, Found]
    completed: str = ""


def by_key(keys: Iterable[str], marks: Marks) -> bytes:
    """Ask for the records with these keys."""
    return _request(keys, marks, idProperty=marks.key)


def by_id(ids: Iterable[str], marks: Marks) -> bytes:
    """Ask for records by their ids at the remote."""
    return _request(ids, marks)


def _request(names: Iterable[str], marks: Marks, **more: str) -> bytes:
    shown = [name for name in marks if name]
    return orjson.dumps({**more, "properties": shown, "inputs": [{"id": name} for name in names]})


def judge(
    asked: Iterable[str], reply: replies.Reply, marks: Marks, *, by_id: bool = False
) -> Findings | replies.Trouble:
    """What the answer to a read of the names `asked` shows; never raises.

    `by_id`: they are ids, which may be those of records without a key.
    """
    # No status of the kind passes by itself: without this property nothing can be known by it.
    if (trouble := replies.trouble(reply, may="read emails", about=range(400, 500))) is not None:
        return trouble
    status, answer = reply.status, replies.parsed(reply)
    if 400 <= status < 500:
        return replies.Denied(
            f"the remote refuses to read by {marks.key} ({refusals.describe(status, answer)}), so "
            "what it has can't be known. Is it still a property with unique values?"
        )
    results = answer.get("results")
    if not isinstance(results, list):
        return replies.Doubtful(replies.unreadable(reply, "list of results"))
    pairs = [_found(result, marks) for result in results]
    found = dict(pair for pair in pairs if pair is not None)
    shown = {each.id for each in found.values()} if by_id else set(found)
    unread = None in pairs and not by_id
    unfinished = answer.get("status", "COMPLETE") != "COMPLETE"
    if unread or unfinished or replies.unexplained(answer, set(asked) - shown):
        return replies.Doubtful(f"{status} that leaves out some of what was asked for")
    completed = answer.get("completedAt")
    return Findings(found, completed if isinstance(completed, str) else "")


def _found(result: object, marks: Marks) -> tuple[str, Found] | None:
    properties = result.get("properties") if isinstance(result, dict) else None
    if not isinstance(result, dict) or not isinstance(properties, dict):
        return None
    if not replies.record_id(result.get("id")):
        return None
    key, run = properties.get(marks.key), properties.get(marks.run) if marks.run else ""
    if not isinstance(key, str):
        return None
    return key.strip(), Found(
        str(result["id"]),
        run if isinstance(run, str) else "",
        moment(result.get("createdAt")),
        archived=result.get("archived") is True,
    )


def moment(text: object) -> float | None:
    """An ISO 8601 time as seconds since the epoch; None where it is none."""
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text)
        return at.timestamp() if at.tzinfo is not None else None
    except (ValueError, OverflowError, OSError):
        return None
