"""Pure: how long to wait before asking again. Full jitter, so that nobody keeps step.

A decision is a value: what to wait for attempt n, drawn from the generator handed in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from random import Random


class Backoff(NamedTuple):
    """Delays drawn uniformly from [floor, min(cap, base · 2ⁿ)], in seconds."""

    base: float = 0.5
    cap: float = 30.0
    floor: float = 0.05

    def delay(self, failures: int, random: Random) -> float:
        """The wait after `failures` failures in a row (1: after the first)."""
        ceiling = min(self.cap, self.base * 2.0 ** min(max(failures, 1) - 1, 32))
        return random.uniform(self.floor, max(ceiling, self.floor))


PROBE = Backoff(base=0.5, cap=5.0)
"""Probing a remote that is down, in the first ten minutes."""

LONG_PROBE = Backoff(base=10.0, cap=10.0, floor=5.0)
"""Probing a remote that has been down for longer: seldom, and yet often enough that its end is
noticed within the time in which the rate is to be back.
"""

TRIAL = Backoff(base=0.5, cap=60.0, floor=0.25)
"""Trying a create again where reads are answered and creates are not, and each costs a doubt."""

ASK_AGAIN = Backoff(base=2.0, cap=15.0, floor=1.0)
"""Reading again what the remote knows and does not show yet."""

THROTTLED = Backoff(base=0.25, cap=10.0, floor=0.05)
"""After a 429 that names no wait: the limiter leaves more room by itself, so the first is short."""

LONG_OUTAGE_S = 600.0


def probe_delay(failures: int, down_for: float, random: Random) -> float:
    """The wait before a remote that has been down for `down_for` seconds is called again."""
    return (LONG_PROBE if down_for >= LONG_OUTAGE_S else PROBE).delay(failures, random)


def probe_patience(down_for: float) -> float:
    """How long a probe may hang, in seconds: as long as the longest wait between two."""
    return 30.0 if down_for >= LONG_OUTAGE_S else 5.0
