"""Pure: archiving by id: the requests' bytes, what the answers mean, how a refusal is narrowed.

Laws kept here: the remote's trouble is not the record's: only a refusal that was given to an
id alone makes it a failure. Never raises, whatever the remote sends. Archiving is idempotent,
so an answer that was lost is asked for again, and nothing is in doubt.

Source: HubSpot's spec of `POST /crm/v3/objects/emails/batch/archive` (204, at most 100 inputs)
and `batch/read` (207 with `errors[].context.ids` for those not found: hubspot-api-php #619).
Contacts have the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import orjson

from bulkload.hubspot import refusals, replies

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from bulkload.hubspot.replies import Reply


@dataclass(frozen=True, slots=True)
class Shown:
    """Those of the ids asked for that a read shows as being there."""

    ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class Archived:
    """None of the ids is there any more."""


@dataclass(frozen=True, slots=True)
class NotArchived:
    """The remote took the call and would not archive these. `why`: status and category."""

    why: str


EMAILS = "archive emails"


class Narrowed(NamedTuple):
    """What comes of a refusal: parts to archive apart, or ids that the remote refuses alone."""

    parts: tuple[tuple[str, ...], ...] = ()
    failed: tuple[str, ...] = ()


def request(ids: Sequence[str]) -> bytes:
    return orjson.dumps({"inputs": [{"id": each} for each in ids]})


def read_request(ids: Sequence[str]) -> bytes:
    return orjson.dumps({"properties": [], "inputs": [{"id": each} for each in ids]})


def judge_read(asked: Sequence[str], reply: Reply, *, may: str = EMAILS) -> Shown | replies.Trouble:
    """Which of the ids `asked` are there. A refused read shows nothing: all may be there."""
    if (found := replies.trouble(reply, may=may)) is not None:
        return found
    answer = replies.parsed(reply)
    if reply.status >= 300:
        return Shown(frozenset(asked))
    results = answer.get("results")
    if not isinstance(results, list) or answer.get("status", "COMPLETE") != "COMPLETE":
        return replies.Doubtful(f"{reply.status} without a readable list of results")
    there = {
        str(result["id"])
        for result in results
        if isinstance(result, dict)
        and isinstance(result.get("id"), str | int)
        and result.get("archived") is not True
    }
    missing = set(asked) - there
    if replies.unexplained(answer, missing):
        return replies.Doubtful(f"{reply.status} that leaves out some of what was asked for")
    return Shown(frozenset(asked) - missing)


def judge(reply: Reply, *, may: str = EMAILS) -> Archived | NotArchived | replies.Trouble:
    """What an answer to `request` says of all its ids."""
    answer = replies.parsed(reply)
    # A 404 that speaks of records is about what was asked.
    unknown = reply.status == 404 and "NOT_FOUND" in str(answer.get("category", ""))
    if not unknown and (found := replies.trouble(reply, may=may)) is not None:
        return found
    partly = reply.status == 207 and bool(answer.get("errors") or answer.get("numErrors"))
    if 200 <= reply.status < 300 and not partly:
        return Archived()
    return NotArchived(refusals.describe(reply.status, answer))


def narrow(ids: Sequence[str], shown: Collection[str]) -> Narrowed:
    """Ids that were refused together. `shown`: those that a read showed before.

    First those apart that were not there: they alone may be why, and have not failed.
    """
    there = tuple(each for each in ids if each in shown)
    if not there:
        return Narrowed()
    if len(there) < len(ids):
        return Narrowed((there, tuple(each for each in ids if each not in shown)))
    if len(there) == 1:
        return Narrowed(failed=there)
    middle = len(there) // 2
    return Narrowed((there[:middle], there[middle:]))
