"""Pure: how many calls a rolling window may hold, as the account's limit and its other users leave
room. Time is handed in.

Laws kept here: never over the limit, hardly under it. The limit is what the remote says last; what
others use of it is measured by what it says is left, beside what we have in the window ourselves.
A refusal (429) makes us careful at once, and care wears off by itself: more is taken little by
little, less at once.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from bulkload.hubspot.ratelimits import Told

GUESS_CALLS, WINDOW_S = 100, 10.0
"""HubSpot's smallest limit: what holds until the remote says more."""

NOISE = 0.02
"""Of the limit: so many calls of others may be our own, counted a moment too early or late."""

CUT, BLIND_CUT = 0.03, 0.1
"""Of what was allowed: taken off by a refusal, where it is said what is left, and where not."""

RECOVERY = 0.01
"""Of the limit, a second: how fast care wears off."""


class RateLimit(NamedTuple):
    """`calls` requests in any rolling window of `window_s` seconds."""

    calls: int
    window_s: float

    @classmethod
    def parse(cls, text: str) -> RateLimit:
        """Text such as 190/10s → RateLimit(190, 10.0). Raises ValueError with what was expected."""
        match = re.fullmatch(r"\s*(\d{1,9})\s*/\s*(\d{1,9}(?:\.\d{1,9})?)\s*s?\s*", text)
        if not match or int(match[1]) < 1 or float(match[2]) <= 0:
            raise ValueError(
                f"{text!r} is not a rate: give calls/seconds, such as 190/10s, or auto"
            )
        return cls(int(match[1]), float(match[2]))

    def __str__(self) -> str:
        return f"{self.calls}/{self.window_s:g}s"


def both(most: RateLimit, told: RateLimit) -> RateLimit:
    """One limit that keeps two of different windows: a window holds no more calls than so many of
    the shorter ones, one behind the other, that cover it.
    """
    short, long = sorted((most, told), key=lambda limit: limit.window_s)
    covering = math.ceil(long.window_s / short.window_s)
    if short.calls * covering <= long.calls:
        return short
    spread = RateLimit(long.calls // covering, short.window_s)
    at_once = RateLimit(min(short.calls, long.calls), long.window_s)
    return max(spread, at_once, key=lambda limit: limit.calls / limit.window_s)


class Room:
    """`most`: the user's own bound, None: as the remote says. `share` of it is ours."""

    def __init__(self, most: RateLimit | None = None, share: float = 1.0) -> None:
        self._most = most
        self._share = share
        self.limit = most or RateLimit(GUESS_CALLS, WINDOW_S)
        self.told: Told | None = None
        self._measured = (-math.inf, 0)  # when, and how many calls of others the window held
        self._sent_at = -math.inf
        self._caution, self._cut_at = 0.0, -math.inf

    def calls(self, now: float) -> int:
        """How many calls of ours a window may hold now; at least one, to see when that changes."""
        own = self.limit.calls if self._share == 1.0 else int(self.limit.calls * self._share)
        if self.told is None and not self._caution:
            return max(own, 1)
        others, noise = self._others(now), self._noise
        if others > noise and self.told is not None:
            own = min(own, self.told.calls - math.ceil(others + noise / 2))
        return max(own - math.ceil(self._care(now)), 1)

    @property
    def reduced(self) -> bool:
        """Whether time alone may widen it."""
        return bool(self._caution) or self._measured[1] > self._noise

    def learn(self, told: Told, used: int, sent_at: float, now: float) -> None:
        """An answer to a call that left at `sent_at`, when `used` slots were taken, its own too."""
        if sent_at < self._sent_at:
            return  # a later call's answer came first, and says more
        self._sent_at, self.told = sent_at, told
        window = told.window_s or self.limit.window_s
        if self._most is None:
            self.limit = RateLimit(told.calls, window)
        elif math.isclose(window, self._most.window_s, rel_tol=0.01):
            self.limit = RateLimit(min(told.calls, self._most.calls), self._most.window_s)
        else:
            # What others use can't be told where the remote counts otherwise than we do.
            self.limit, self.told = both(self._most, RateLimit(told.calls, window)), None
            return
        if told.remaining is not None:
            self._measured = (now, max(told.calls - told.remaining - used, 0))

    def refused(self, sent_at: float, now: float) -> None:
        """A 429 came for a call that left at `sent_at`. Those of one round count as one."""
        if sent_at <= self._cut_at:
            return
        seen = self.told is not None and now - self._measured[0] < self.limit.window_s
        cut = max(2.0, (CUT if seen else BLIND_CUT) * self.calls(now))
        self._caution, self._cut_at = min(self._care(now) + cut, self.limit.calls), now

    @property
    def _noise(self) -> float:
        return max(2.0, NOISE * self.limit.calls)

    def _care(self, now: float) -> float:
        if not self._caution:
            return 0.0
        left = self._caution - RECOVERY * self.limit.calls * (now - self._cut_at)
        if left <= 0:
            self._caution = 0.0
        return max(left, 0.0)

    def _others(self, now: float) -> float:
        """What was measured leaves the window by and by; what is there now, the next call tells."""
        measured_at, others = self._measured
        old = now - measured_at - 1.0
        return others if old <= 0 else others * max(1 - old / self.limit.window_s, 0.0)
