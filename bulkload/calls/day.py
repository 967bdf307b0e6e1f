"""Pure: the account's day, by a wall clock that may be set at any moment. Time is handed in, as
epoch seconds.

Law kept here: the day's end is never further away than the next midnight by the clock as it is
now, save where the remote named another; a clock that was set back is noticed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from bulkload.zone import Zone

SET_BACK_S = 5.0
"""A wall clock that falls by more was set; by less, it was nudged."""

LONGEST_S = 26 * 3600.0
"""25 hours where the clocks go back, and some for clocks that differ."""

LATE_S = 3600.0
"""A day that begins so shortly before our midnight is tomorrow: our clock is late."""


class Day:
    """`resets_at`: its end; `told`: by the remote. For us it is over `slack` seconds later."""

    def __init__(self, zone: Zone, slack: float) -> None:
        self.zone = zone
        self.slack = slack
        self.began = self.resets_at = 0.0
        self.told = False
        self._seen: float | None = None

    def turn(self, now: float) -> Literal["over", "set back", ""]:
        """Look at the clock: "over" where another day has begun since the last look."""
        seen, self._seen = self._seen, now
        if seen is None:
            self.began, self.resets_at = self.zone.began(now), self.zone.midnight(now)
        elif now >= self.over_at:
            self.began = max(self.resets_at, self.zone.began(now))
            self.resets_at, self.told = self.zone.midnight(now), False
            return "over"
        elif seen - now > SET_BACK_S:
            self.began = min(self.began, self.zone.began(now))
            if not self.told or self.resets_at > now + LONGEST_S:
                self.resets_at, self.told = self.zone.midnight(now), False
            return "set back"
        return ""

    @property
    def over_at(self) -> float:
        return self.resets_at + self.slack

    def tell(self, resets_at: float, now: float) -> bool:
        """The remote says when it ends. False where that can't be, or is past by our clock."""
        if not now < resets_at <= now + LONGEST_S:
            return False
        self.resets_at, self.told = resets_at, True
        return True

    def settle_in(self, zone: Zone, now: float) -> None:
        """The zone is known now."""
        self.zone, self.began = zone, zone.began(now)
        if not self.told:
            self.resets_at = zone.midnight(now)

    def renew(self, now: float) -> None:
        """The remote has begun another, whatever our clock says."""
        midnight = self.zone.midnight(now)
        late = midnight - now < LATE_S
        self.began, self.told = now, False
        self.resets_at = self.zone.midnight(midnight) if late else midnight
