"""The rolling window and the daily quota, counted when a call arrives. Pure: time is handed in.

Law: in no window of `seconds` are more than `calls` admitted, and a call that is refused
uses up nothing. What others use is counted as ours is, each call at its own time.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bulkload.sandbox.others import Others


class RollingWindow:
    def __init__(self, calls: int, seconds: float) -> None:
        self.calls = calls
        self.seconds = seconds
        self._admitted: deque[float] = deque()

    def admit(self, now: float) -> bool:
        self._forget(now)
        if len(self._admitted) >= self.calls:
            return False
        self._admitted.append(now)
        return True

    def remaining(self, now: float) -> int:
        self._forget(now)
        return max(0, self.calls - len(self._admitted))

    def change(self, calls: int, seconds: float) -> None:
        """Another limit from the next call on; what was admitted stays counted.

        Calls that an old, shorter window has forgotten are not in a longer one.
        """
        self.calls = calls
        self.seconds = seconds

    def clear(self) -> None:
        self._admitted.clear()

    def _forget(self, now: float) -> None:
        admitted = self._admitted
        while admitted and now - admitted[0] >= self.seconds:
            admitted.popleft()


class DailyQuota:
    """Starts afresh every `reset` seconds, or at midnight where the portal is."""

    def __init__(self, calls: int, reset: float | None, time_zone: str, wall: float) -> None:
        self.calls = calls
        self.used = 0
        self._reset = reset
        try:
            self._zone: ZoneInfo | None = ZoneInfo(time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            self._zone = None  # no time zone database on this machine: UTC must do
        self.resets_at = self._after(wall)

    def admit(self, wall: float) -> bool:
        self.turn(wall)
        if self.used >= self.calls:
            return False
        self.used += 1
        return True

    def remaining(self, wall: float) -> int:
        self.turn(wall)
        return max(0, self.calls - self.used)

    def reset_every(self, seconds: float, wall: float) -> None:
        """The day ends in so many seconds, and the next ones last as long; what is used stays."""
        self.turn(wall)
        self._reset = seconds
        self.resets_at = wall + seconds

    def turn(self, wall: float) -> None:
        if wall >= self.resets_at:
            self.used = 0
            self.resets_at = self._after(wall)

    def _after(self, wall: float) -> float:
        if self._reset is not None:
            return wall + self._reset
        if self._zone is None:
            return wall - wall % 86400 + 86400
        local = datetime.fromtimestamp(wall, self._zone)
        midnight = datetime(local.year, local.month, local.day, tzinfo=self._zone)
        return (midnight + timedelta(days=1)).timestamp()


class Limits:
    """Which limit refuses a call, if any, and the headers every answer carries."""

    def __init__(
        self,
        rolling: RollingWindow | None,
        search: RollingWindow | None,
        daily: DailyQuota | None,
        others: Others | None = None,
    ) -> None:
        self.rolling = rolling
        self.search = search
        self.daily = daily
        self.others = others or Others(0.0, 0.0)

    def begin_anew(self) -> None:
        """Nothing has been used of any limit, by anybody."""
        for window in filter(None, (self.rolling, self.search)):
            window.clear()
        if self.daily is not None:
            self.daily.used = 0
        self.others.admitted = self.others.refused = 0

    def catch_up(self, now: float, wall: float) -> None:
        """Count the calls of others that have come by now; those over a limit take no room."""
        for at in self.others.until(now):
            if self._admit(self.rolling, at, wall - (now - at)):
                self.others.admitted += 1
            else:
                self.others.refused += 1

    def refuse(self, now: float, wall: float, *, search: bool) -> str | None:
        """The policy that refuses the call, or None: then it is counted."""
        self.catch_up(now, wall)
        window = self.search if search else self.rolling
        if self._admit(window, now, wall):
            return None
        if self.daily is not None and self.daily.remaining(wall) <= 0:
            return "DAILY"
        return "SECONDLY" if search else "TEN_SECONDLY_ROLLING"

    def _admit(self, window: RollingWindow | None, now: float, wall: float) -> bool:
        """The day is asked first: a call that it refuses must take no room in the window."""
        if self.daily is not None and self.daily.remaining(wall) <= 0:
            return False
        if window is not None and not window.admit(now):
            return False
        if self.daily is not None:
            self.daily.admit(wall)
        return True

    def headers(self, now: float, wall: float) -> dict[str, str]:
        self.catch_up(now, wall)
        out: dict[str, str] = {}
        if self.rolling is not None:
            out["X-HubSpot-RateLimit-Max"] = str(self.rolling.calls)
            out["X-HubSpot-RateLimit-Remaining"] = str(self.rolling.remaining(now))
            out["X-HubSpot-RateLimit-Interval-Milliseconds"] = str(int(self.rolling.seconds * 1000))
        if self.daily is not None:
            out["X-HubSpot-RateLimit-Daily"] = str(self.daily.calls)
            out["X-HubSpot-RateLimit-Daily-Remaining"] = str(self.daily.remaining(wall))
        return out
