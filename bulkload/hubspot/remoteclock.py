"""The remote's clock, as far as its answers show it: two bounds, never a guess.

An answer was written after its call was sent and before it arrived. What it shows is carried on
with our monotonic clock: the other may be set by hours in mid-run.

Law kept here: a record whose creation the remote dates before the bound that was taken when
an attempt began was not made by that attempt. A remote has many clocks, which are set and drift;
ours stands still while the machine sleeps. So answers are believed for a short time; two that
contradict each other make the bounds wide, until both are forgotten; and clocks that are apart by
less than APART_S need not have shown it.
"""

from __future__ import annotations

import email.utils
import math
import time
from datetime import UTC
from typing import TYPE_CHECKING, NamedTuple

from bulkload.hubspot.lookup import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

GRAIN_S = 0.002
"""Both ends are cut to milliseconds."""

BELIEVED_S = 20.0
"""What answers show is forgotten after one to two times this, while others come."""

APART_S = 1.0
"""So far may the clock that dates a record be from one that an answer shows."""


class _Shown(NamedTuple):
    """How far the remote's clock is ahead of ours. `apart`: not all of it agreed."""

    least: float
    most: float
    apart: bool = False

    def with_(self, other: _Shown | None) -> _Shown:
        """What both say where they agree, else all that either says."""
        if other is None:
            return self
        least, most = max(self.least, other.least), min(self.most, other.most)
        if least <= most and not (self.apart or other.apart):
            return _Shown(least, most)
        return _Shown(min(self.least, other.least), max(self.most, other.most), apart=True)


class RemoteClock:
    """`clock` is monotonic, `wall` is not; both in seconds."""

    def __init__(self, clock: Callable[[], float], wall: Callable[[], float] | None = None) -> None:
        self._clock = clock
        self._wall = wall or time.time
        self._lately: _Shown | None = None
        self._before: _Shown | None = None
        self._since = -math.inf
        self._asleep = 0.0
        self._fine = False

    def observe(
        self, headers: Mapping[str, str], sent: float, received: float, completed: str = ""
    ) -> None:
        """An answer to what left at `sent` and was read at `received`, by our clock.

        `completed`: its `completedAt`; else its `Date` counts.
        """
        shown, grain = moment(completed), GRAIN_S
        if shown is None and not self._fine:
            shown, grain = _date(headers.get("Date", "")), 1.0
        if shown is None or not sent:
            return
        if completed and not self._fine:
            # From here on only the clock that dates records counts: `Date` may be the edge's.
            self._fine, self._lately, self._before = True, None, None
        if (old := received - self._since) > BELIEVED_S:
            self._before = self._lately if old <= 2 * BELIEVED_S else None
            self._lately, self._since = None, received
        self._lately = _Shown(shown - received, shown + grain - sent).with_(self._lately)
        self._asleep = self._wall() - self._clock()

    def at_least(self) -> float | None:
        """The remote's clock shows this or more, in seconds since the epoch; None: unknown."""
        shown = self._shown
        return None if shown is None else self._clock() + shown.least - GRAIN_S - APART_S

    def at_most(self) -> float | None:
        """The remote's clock shows this or less."""
        shown = self._shown
        if shown is None:
            return None
        # Our clock may have stood still since the last answer.
        slept = max(0.0, self._wall() - self._clock() - self._asleep)
        return self._clock() + shown.most + GRAIN_S + APART_S + slept

    @property
    def _shown(self) -> _Shown | None:
        return None if self._lately is None else self._lately.with_(self._before)


def _date(text: str) -> float | None:
    if not text:
        return None
    try:
        shown = email.utils.parsedate_to_datetime(text)
        return shown.replace(tzinfo=shown.tzinfo or UTC).timestamp()  # HTTP's are GMT
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
