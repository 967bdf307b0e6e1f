"""Pure: when a run ends, where the day's calls may stop it on its way.

Law kept here: what is not known is not guessed. Without the number of records left there is no
end; without a speed there is nothing to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from bulkload.events import Today
    from bulkload.zone import Zone

MOST_DAYS = 3660
"""What takes longer has no end worth naming."""


class Forecast(NamedTuple):
    """`ends_at`: epoch seconds, None where it is not known. `days`: the account's days that it
    takes, today as the first. `stops`: the day's calls stop it before it ends.

    `ends` says when it ends, `text` all of it; "" where there is nothing to say.
    """

    ends_at: float | None = None
    days: int | None = None
    stops: bool = False
    ends: str = ""
    text: str = ""


def forecast(
    now: float,
    left_records: float | None,
    records_per_s: float,
    records_per_call: float,
    today: Today | None,
    zone: Zone,
) -> Forecast:
    """`now`: epoch seconds; `zone`: whose clock the words speak of.

    `records_per_s`: while calls go; `records_per_call`: over all calls, reads and repeats too.
    """
    if not (records_per_s > 0 and records_per_call > 0):
        return Forecast()
    if today is None:
        return _unbounded(now, left_records, records_per_s, zone)
    can = today.left * records_per_call
    until_reset = max(today.resets_at - now, 0.0) * records_per_s
    stops = can < (until_reset if left_records is None else min(until_reset, left_records))
    if left_records is None:
        ends_at, days = None, None
    else:
        ends_at, days = _walk(now, left_records, records_per_s, records_per_call, today)
    ends = "" if ends_at is None else f"ends {zone.day(ends_at, now)}"
    if not stops:
        return Forecast(ends_at, days, ends=ends, text=ends and f"{ends} {zone.label}")
    goes_on = f"goes on at {zone.clock(today.resets_at)} {zone.label}"
    calls = "" if today.stops_at is None else f" at {today.stops_at:,} calls"
    parts = (f"stops{calls} today", goes_on, ends)
    return Forecast(ends_at, days, stops, ends, ", ".join(part for part in parts if part))


def _unbounded(
    now: float, left_records: float | None, records_per_s: float, zone: Zone
) -> Forecast:
    if left_records is None or left_records / records_per_s > MOST_DAYS * 86_400:
        return Forecast()
    ends_at = now + left_records / records_per_s
    ends = f"ends {zone.day(ends_at, now)}"
    return Forecast(ends_at, ends=ends, text=f"{ends} {zone.label}")


def _walk(
    now: float, left: float, records_per_s: float, records_per_call: float, today: Today
) -> tuple[float | None, int | None]:
    """Day by day: as many as calls and time allow."""
    at, calls, resets_at = now, float(today.left), today.resets_at
    for days in range(1, MOST_DAYS + 1):
        can = min(calls * records_per_call, max(resets_at - at, 0.0) * records_per_s)
        if left <= can:
            return at + left / records_per_s, days
        left -= can
        at = max(resets_at, at)
        calls = float("inf") if today.a_day is None else float(today.a_day)
        resets_at = today.zone.midnight(at)
    return None, None
