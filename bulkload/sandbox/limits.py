"""The rolling window and the daily quota, counted when a call arrives. Pure: time is handed in.

Law: in no window of `seconds` are more than `calls` admitted, and a call that is refused
uses up nothing.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


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
        return self.calls - len(self._admitted)

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
        except (ZoneInfoNotFoundError, ValueError):
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
        return self.calls - self.used

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
    ) -> None:
        self.rolling = rolling
        self.search = search
        self.daily = daily

    def refuse(self, now: float, wall: float, *, search: bool) -> str | None:
        """The policy that refuses the call, or None: then it is counted."""
        window = self.search if search else self.rolling
        if self.daily is not None and self.daily.remaining(wall) <= 0:
            return "DAILY"
        if window is not None and not window.admit(now):
            return "SECONDLY" if search else "TEN_SECONDLY_ROLLING"
        if self.daily is not None:
            self.daily.admit(wall)
        return None

    def headers(self, now: float, wall: float) -> dict[str, str]:
        out: dict[str, str] = {}
        if self.rolling is not None:
            out["X-HubSpot-RateLimit-Max"] = str(self.rolling.calls)
            out["X-HubSpot-RateLimit-Remaining"] = str(self.rolling.remaining(now))
            out["X-HubSpot-RateLimit-Interval-Milliseconds"] = str(int(self.rolling.seconds * 1000))
        if self.daily is not None:
            out["X-HubSpot-RateLimit-Daily"] = str(self.daily.calls)
            out["X-HubSpot-RateLimit-Daily-Remaining"] = str(self.daily.remaining(wall))
        return out
