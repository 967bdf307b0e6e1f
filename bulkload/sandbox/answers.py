"""What the sandbox says: an answer as a value, and HubSpot's error bodies.

Law: every error body carries a category and a correlation id, as HubSpot's do.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

JSON = "application/json"
HTML = "text/html"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """One request as the endpoints see it: already admitted, its body read whole."""

    raw: bytes
    match: Mapping[str, str]
    query: Mapping[str, str]
    now: float  # monotonic, when it arrived
    wall: float  # the same instant, for people
    content_type: str = ""


class Refused(Exception):  # noqa: N818  # an answer, not a mistake of the program
    """The call gets this answer instead; nothing in the books has changed."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def milliseconds_of(wall: float) -> int:
    """What is shown of a time: whole milliseconds since the epoch."""
    return round(wall * 1e6) // 1000


def iso(wall: float) -> str:
    return iso_of(milliseconds_of(wall))


def iso_of(stamp: int) -> str:
    """Milliseconds since the epoch, as HubSpot writes a date."""
    shown = _EPOCH + timedelta(milliseconds=stamp)
    return shown.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def reply(status: int, body: Any) -> Answer:
    return Answer(status, orjson.dumps(body))


def error(
    status: int,
    category: str,
    message: str,
    *,
    context: Mapping[str, list[str]] | None = None,
    headers: Mapping[str, str] | None = None,
    said: str = "error",
    **more: Any,
) -> Answer:
    """`said` is the body's `status`, which is no number: OAuth's errors have a name there."""
    body: Body = {
        "status": said,
        "message": message,
        "correlationId": str(uuid.uuid4()),
        "category": category,
    }
    if context:
        body["context"] = context
    body.update(more)
    return Answer(status, orjson.dumps(body), headers=headers or {})


def standard_error(category: str, message: str, context: Mapping[str, list[str]]) -> Body:
    """One entry of `errors` in a 207."""
    return {
        "status": "error",
        "category": category,
        "message": message,
        "context": context,
        "links": {},
        "errors": [],
    }


def validation(message: str, **more: Any) -> Answer:
    return error(400, "VALIDATION_ERROR", message, **more)


def throttled(policy: str) -> Answer:
    """A 429 has `errorType` where other errors have their category first."""
    words = {"TEN_SECONDLY_ROLLING": "ten_secondly_rolling", "SECONDLY": "secondly"}
    limit = words.get(policy, policy.lower())
    return error(
        429,
        "RATE_LIMITS",
        f"You have reached your {limit} limit.",
        errorType="RATE_LIMIT",
        policyName=policy,
        requestId=str(uuid.uuid4()),
    )


def edge(status: int, title: str) -> Answer:
    """What a proxy says in HubSpot's place: HTML, no correlation id."""
    page = (
        f"<html>\r\n<head><title>{status} {title}</title></head>\r\n<body>\r\n"
        f"<center><h1>{status} {title}</h1></center>\r\n<hr><center>cloudflare</center>\r\n"
        "</body>\r\n</html>\r\n"
    )
    return Answer(status, page.encode(), HTML)


def parse(raw: bytes) -> Body:
    """The request's JSON object, or the refusal HubSpot gives to anything else."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as broken:
        raise Refused(
            validation(
                f"Invalid input JSON on line {broken.lineno}, column {broken.colno}: {broken.msg}"
            )
        ) from None
    if not isinstance(body, dict):
        raise Refused(validation("Invalid input JSON on line 1, column 1: expected an object"))
    return body
