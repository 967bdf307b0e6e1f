"""Pure: the account's time zone, and times and spans as a person says them.

Law kept here: a day is as long as the zone says, 23 or 25 hours too. Where the zone's rules are
not to be had (no time zone database, an unknown name), the offset that the remote told must do.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
"""Not by strftime, which speaks the machine's language."""

_WEEK = timedelta(days=6)


@dataclass(frozen=True, slots=True)
class Zone:
    """`label` names it to a person. Not `known`: UTC, for want of what the account says."""

    tz: tzinfo = UTC
    label: str = "UTC"
    known: bool = False

    @classmethod
    def of(cls, name: str = "", utc_offset_s: float | None = None) -> Zone:
        """`name` as in the IANA database, such as Europe/Berlin; `utc_offset_s`, seconds east of
        UTC, where that is not to be found. Never raises, whatever the remote called it.
        """
        if name:
            try:
                return cls(ZoneInfo(name), name, known=True)
            except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name of a folder
                pass
        if utc_offset_s is None or not -86_400 < utc_offset_s < 86_400:
            return cls()
        fixed = timezone(timedelta(minutes=round(utc_offset_s / 60)))
        return cls(fixed, str(fixed), known=True)

    def midnight(self, now: float) -> float:
        """When the next day begins there; epoch seconds, as `now`."""
        return self._begins(now, 1)

    def began(self, now: float) -> float:
        """When the day that it is there began."""
        return self._begins(now, 0)

    def _begins(self, now: float, days: int) -> float:
        """A midnight that a clock change leaves out begins with the hour after; one that comes
        twice begins with the first.
        """
        day = datetime.fromtimestamp(now, self.tz).date() + timedelta(days=days)
        return datetime.combine(day, time(0), self.tz).timestamp()

    def clock(self, at: float) -> str:
        """14:10; with seconds where it is no whole minute."""
        local = datetime.fromtimestamp(at, self.tz)
        return f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"

    def day(self, at: float, now: float) -> str:
        """14:10 today, Thursday 14:10 within six days, else 2027-03-01 14:10."""
        then, today = (datetime.fromtimestamp(moment, self.tz) for moment in (at, now))
        ahead = then.date() - today.date()
        if not ahead:
            return f"{then:%H:%M}"
        if timedelta(0) < ahead <= _WEEK:
            return f"{_DAYS[then.weekday()]} {then:%H:%M}"
        return f"{then:%Y-%m-%d %H:%M}"


def span(seconds: float) -> str:
    """Seconds as a person says them: 42 s, 3 min 20 s, 5 h 12 min."""
    whole = round(max(seconds, 0.0))
    if whole < 100:
        return f"{whole} s"
    if whole < 6000:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
