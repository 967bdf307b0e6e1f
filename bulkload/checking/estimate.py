"""Pure: calls and bytes → how long a load takes at least, by the limits alone.

Law kept here: what is not known is not guessed: without the account's day nothing is said of days.
The remote's own slowness and what others use of the limits come on top.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bulkload.calls.room import RateLimit

UPLINKS_MBIT = (1, 10, 100)

CONTACT_BYTES, ADDRESS_BYTES = 80, 40
"""Of a look-up's body: all in all, and for each address."""

A_CALL = 100
"""Addresses that one call looks up."""


class Day(NamedTuple):
    """The account's calls: `left` today, `limit` a day; seconds until they are reset."""

    left: int
    limit: int
    resets_in_s: float


class Estimate(NamedTuple):
    """`calls` by what they do; `bytes` of request bodies. `seconds` at the account's rate alone;
    `uplinks`: seconds that the bytes take, by Mbit/s. `days`: the account's days that it takes,
    today as the first; None where the quota is not known.
    """

    calls: Mapping[str, int]
    bytes: int
    seconds: float
    uplinks: Mapping[int, float]
    days: int | None

    @property
    def all_calls(self) -> int:
        return sum(self.calls.values())

    def as_json(self) -> dict[str, Any]:
        return {
            "calls": self.all_calls,
            "calls_by": dict(self.calls),
            "bytes": self.bytes,
            "seconds": round(self.seconds, 1),
            "uplink_seconds": {str(rate): round(took, 1) for rate, took in self.uplinks.items()},
            "days": self.days,
        }


def estimate(
    calls: Mapping[str, int], size: int, rate: RateLimit, share: float, day: Day | None
) -> Estimate:
    """`share`: the part of the rate that is ours."""
    most = sum(calls.values())
    per_window = max(int(rate.calls * share), 1)
    seconds = max(math.ceil(most / per_window) - 1, 0) * rate.window_s if most else 0.0
    return Estimate(
        {what: count for what, count in calls.items() if count},
        size,
        seconds,
        {mbit: size * 8 / (mbit * 1e6) for mbit in UPLINKS_MBIT},
        None if day is None else _days(most, per_window / rate.window_s, day),
    )


def lookups(addresses: int) -> tuple[int, int]:
    """(calls, bytes) of looking up so many addresses."""
    calls = math.ceil(addresses / A_CALL)
    return calls, calls * CONTACT_BYTES + addresses * ADDRESS_BYTES


def _days(calls: int, per_s: float, day: Day) -> int:
    today = min(day.left, int(day.resets_in_s * per_s))
    if calls <= today:
        return 1
    return 1 + math.ceil((calls - today) / max(min(day.limit, int(86_400 * per_s)), 1))
