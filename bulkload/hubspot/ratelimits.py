"""Pure: what an answer's headers say of the limits. Never raises, whatever they hold.

Source: HubSpot's "API usage guidelines": `X-HubSpot-RateLimit-Max`, `-Remaining` and
`-Interval-Milliseconds` for the rolling window, `-Daily` and `-Daily-Remaining` for the day (not
with OAuth). Answers of search have none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = "X-HubSpot-RateLimit-"
_LONGEST_S = 86_400.0


class Told(NamedTuple):
    """The rolling window: calls in it, its length in seconds, and how many are left."""

    calls: int
    window_s: float | None = None
    remaining: int | None = None


class Daily(NamedTuple):
    """The day's calls, and how many are left; None where it is not said."""

    limit: int | None
    remaining: int | None


def rolling(headers: Mapping[str, str]) -> Told | None:
    """The rolling window's limit; None where the answer doesn't tell."""
    calls = _number(headers, "Max")
    if not calls:
        return None
    interval = (_number(headers, "Interval-Milliseconds") or 0) / 1000
    remaining = _number(headers, "Remaining")
    return Told(
        calls,
        interval if 0 < interval <= _LONGEST_S else None,
        None if remaining is None else min(remaining, calls),
    )


def daily(headers: Mapping[str, str]) -> Daily | None:
    """The day's quota; None where the answer doesn't tell."""
    found = Daily(_number(headers, "Daily") or None, _number(headers, "Daily-Remaining"))
    return None if found == (None, None) else found


def _number(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(_NAME + name, "").strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 12 else None
