"""Pure: the remote's error bodies → why a record was refused, and which record it was.

Every field of an error body is optional, so nothing here relies on one. The message is kept
for the dead letter only: it quotes values.
"""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

MESSAGE_LIMIT = 4_000
"""Longest message kept of a refusal, in characters."""

READ_LIMIT, MOST_FLAWS = 1 << 20, 300
"""So much of a message is searched, and so many flaws in it: each is held against each input."""

NAME_LIMIT = 100
"""Longest category or correlation id kept, in characters."""

LONG_KEY = 32
"""A key of so many characters is quoted on purpose; "17" stands in any message."""

_TAKEN = re.compile(
    r"already (?:has|have|exist|in use|used|taken|been)|duplicat|unique", re.IGNORECASE
)


class Refusal(NamedTuple):
    """The remote's judgement of one record, as its dead letter keeps it."""

    status: int
    category: str
    message: str
    correlation_id: str


class Blame(Enum):
    """Whether an error's text points at an input."""

    SURE = 2
    MAYBE = 1
    NONE = 0


class Flaw(NamedTuple):
    """One entry of `Property values were not valid: [...]`."""

    name: str
    error: str
    message: str


def read(
    error: Mapping[str, Any],
    status: int,
    otherwise: str = "the remote refused it without saying why",
    for_: tuple[Mapping[str, str], Blame] | None = None,
) -> Refusal:
    """One error as a refusal; with `for_`, the flaws that point at these properties alone."""
    message = _text(error, "message") or otherwise
    if for_ is not None:
        properties, sure = for_
        found = [f for f in flaws(message) if _points_at(f, properties) is sure]
        message = "; ".join(f"{f.name}: {f.error} {f.message}".strip() for f in found) or message
    unset = _context_properties(error)
    if any(name not in message for name in unset):
        message = f"{message} ({', '.join(unset)})"
    return Refusal(
        status,
        _name(_text(error, "category")) or "UNKNOWN",
        message[:MESSAGE_LIMIT],
        _name(_text(error, "correlationId")),
    )


def trace_ids(error: Mapping[str, Any]) -> list[str]:
    """The inputs that an error names by `context.objectWriteTraceId`: a list, or one text."""
    context = error.get("context")
    named = context.get("objectWriteTraceId") if isinstance(context, dict) else None
    if isinstance(named, str):
        return [named]
    return [t for t in named if isinstance(t, str)] if isinstance(named, list) else []


def _context_properties(error: Mapping[str, Any]) -> list[str]:
    """The properties that an error's context names: those a record lacks."""
    context = error.get("context")
    named = context.get("properties") if isinstance(context, dict) else None
    return [n for n in named if isinstance(n, str)] if isinstance(named, list) else []


def flaws(message: str) -> list[Flaw]:
    """The JSON that HubSpot puts behind "Property values were not valid:"."""
    return [*_flaws(message)] if "[{" in message and len(message) <= READ_LIMIT else []


@lru_cache(maxsize=4)  # each input is held against the same message
def _flaws(message: str) -> tuple[Flaw, ...]:
    try:
        found = orjson.loads(message[message.index("[{") : message.rindex("]") + 1])
    except ValueError:
        return ()
    return tuple(
        Flaw(_text(f, "name"), _text(f, "error"), _text(f, "message"))
        for f in found[:MOST_FLAWS]
        if isinstance(f, dict) and _text(f, "name")
    )


def column(message: str) -> int | None:
    """The column in "Invalid input JSON on line 1, column 245" and its variants."""
    match = re.search(r"line:?\s*1\b\D{0,12}column:?\s*(\d{1,9})", message)
    return int(match[1]) if match else None


def blame(answer: Mapping[str, Any], properties: Mapping[str, str]) -> Blame:
    """Whether a refusal of the whole batch points at an input with these properties."""
    unset = _context_properties(answer)
    if "required" in _text(answer, "message") and any(name not in properties for name in unset):
        return Blame.SURE
    verdicts = [_points_at(flaw, properties) for flaw in flaws(_text(answer, "message"))]
    return max(verdicts, key=lambda b: b.value, default=Blame.NONE)


def names(error: Mapping[str, Any], properties: Mapping[str, str]) -> bool:
    """Whether an error is about an input with these properties."""
    return blame(error, properties) is not Blame.NONE


def _points_at(flaw: Flaw, properties: Mapping[str, str]) -> Blame:
    value = properties.get(flaw.name)
    if flaw.error in ("PROPERTY_DOESNT_EXIST", "READ_ONLY_VALUE"):
        return Blame.NONE if value is None else Blame.SURE
    if value is None:
        return Blame.SURE if flaw.error.startswith(("MISSING", "REQUIRED")) else Blame.NONE
    # A value can stand in the sentence by chance (a list of what is allowed), so it is a hint.
    found = re.search(rf"(?<!\w){re.escape(value[:200])}(?!\w)", flaw.message) if value else None
    return Blame.MAYBE if found else Blame.NONE


def is_conflict(refusal: Refusal, key_property: str) -> bool:
    """Whether a value that must be unique is taken, and it may be the key property's.

    The words are not established, so any that say so count; one that names another property
    is about that one.
    """
    said = refusal.category == "CONFLICT" or _TAKEN.search(refusal.message) is not None
    named = {flaw.name for flaw in flaws(refusal.message)}
    named.update(re.findall(r"propertyName=(\w+)", refusal.message))
    return said and (not named or key_property in named)


def quotes_key(refusal: Refusal, key: str, key_property: str) -> bool:
    """Whether a refusal quotes this key, as one that is taken or without another reason."""
    if len(key) < LONG_KEY:
        return False
    quoted = re.search(rf"(?<!\w){re.escape(key)}(?!\w)", refusal.message) is not None
    return quoted and (is_conflict(refusal, key_property) or not flaws(refusal.message))


def names_key(refusal: Refusal, key: str, key_property: str) -> bool:
    """Whether a refusal of the one input with this key says that its key is taken."""
    if not key or not key_property:
        return False
    return is_conflict(refusal, key_property) or quotes_key(refusal, key, key_property)


def holders(message: str) -> list[str]:
    """The ids of records that a conflict's text may mean, the likeliest first; at most ten."""
    message = message[:MESSAGE_LIMIT]
    near = re.findall(r"(?<!\d)(\d{1,20})\W{0,3}already\b", message)
    near += re.findall(r"[Ii][Dd]s?\W{1,3}(\d{1,20})(?!\d)", message)
    return list(dict.fromkeys(near + re.findall(r"(?<![\w])\d{4,20}(?![\w])", message)))[:10]


def describe(status: int, answer: Mapping[str, Any]) -> str:
    """For logs and history: status, category and ids; never the message, which quotes values."""
    names = ("category", "errorType", "policyName", "correlationId")
    told = (_text(answer, name) for name in names)
    words = [str(status), *(text for text in told if re.fullmatch(r"[\w.:-]{1,80}", text))]
    return " ".join(words)


def denial(
    status: int, answer: Mapping[str, Any], location: str, *, may: str = "create emails"
) -> str:
    """Why nobody's record is at fault, and what to do next. `may`: what a 403 is about."""
    what = describe(status, answer)
    if status == 401:
        return (
            f"the remote does not accept the token ({what}). Nothing more is sent. Put a valid "
            "one into HUBSPOT_ACCESS_TOKEN or --token-file"
        )
    if status == 403:
        scopes = ", ".join(_scopes(answer))
        return (
            f"the token may not {may} ({what})"
            + (f"; it lacks the scopes {scopes}" if scopes else "")
            + ". Grant the scope in the app's settings"
        )
    if 300 <= status < 400:
        return f"the remote redirects ({what}) to {location or 'nowhere'}: check --base-url"
    if status == 407:
        return f"a proxy asks for a login ({what}): put user:password@ into HTTPS_PROXY"
    return f"there is no such endpoint ({what}): check --base-url"


def _scopes(answer: Mapping[str, Any]) -> list[str]:
    errors = answer.get("errors")
    contexts = [
        error.get("context")
        for error in (errors if isinstance(errors, list) else ())
        if isinstance(error, dict)
    ]
    named = [c.get("requiredGranularScopes") for c in contexts if isinstance(c, dict)]
    scopes = [scope for listed in named if isinstance(listed, list) for scope in listed]
    return [s for s in dict.fromkeys(map(str, scopes)) if re.fullmatch(r"[\w.-]+", s)]


def _name(text: str) -> str:
    """What logs show: short, and nothing that a terminal would obey."""
    return "".join(c for c in text[:NAME_LIMIT] if c.isprintable())


def _text(answer: Mapping[str, Any], name: str) -> str:
    value = answer.get(name)
    return value if isinstance(value, str) else ""
