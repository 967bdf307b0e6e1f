"""When a run ends, where the day's calls may stop it on its way."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.events import Today
from bulkload.report.forecast import Forecast, forecast
from bulkload.zone import Zone
from tests.unit.test_zone import BERLIN, HOUR, at

NOON = at("2026-11-24T12:00")  # a Tuesday
FULL = 625_000
PER_CALL = 100.0
PER_S = 1900.0


def today(left: int = FULL, now: float = NOON, a_day: int | None = FULL) -> Today:
    return Today(left, FULL, a_day, BERLIN.midnight(now), BERLIN)


def ahead(
    left: float | None, day: Today | None, now: float = NOON, per_s: float = PER_S
) -> Forecast:
    return forecast(now, left, per_s, PER_CALL, day, BERLIN)


def test_a_run_that_ends_before_the_days_calls_do_is_not_stopped() -> None:
    told = ahead(PER_S * 2 * HOUR, today())
    assert told.text == "ends 14:00 Europe/Berlin"
    assert (told.ends_at, told.days, told.stops) == (NOON + 2 * HOUR, 1, False)


def test_a_run_of_three_days_says_where_it_stops_and_when_it_ends() -> None:
    """62.5 M records a day, each day's in 9 h 8 min; two of them, then 10 M."""
    told = ahead(135e6, today())
    assert told.text == (
        "stops at 625,000 calls today, goes on at 00:00 Europe/Berlin, ends Thursday 01:27"
    )
    assert told.ends == "ends Thursday 01:27"
    assert (told.stops, told.days) == (True, 3)
    assert told.ends_at == pytest.approx(at("2026-11-26") + 10e6 / PER_S)


def test_a_day_whose_calls_are_used_up_takes_part_with_nothing() -> None:
    told = ahead(1e6, today(left=0))
    assert told.stops
    assert told.ends_at == pytest.approx(at("2026-11-25") + 1e6 / PER_S)
    assert told.ends == "ends Wednesday 00:08"


def test_a_day_that_is_too_short_for_its_calls_does_not_stop_the_run() -> None:
    told = ahead(PER_S * 20 * HOUR, today(left=10**6, a_day=10**6))
    assert not told.stops
    assert told.text == "ends Wednesday 08:00 Europe/Berlin"


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-28", 23), ("2026-10-24", 25), ("2026-11-24", 24)]
)
def test_the_day_after_is_as_long_as_the_clock_changes_leave(day: str, hours: int) -> None:
    now = at(f"{day}T23:00")
    told = ahead(10_150, Today(1, 100, 100, BERLIN.midnight(now), BERLIN), now, per_s=100.0)
    assert told.days == 3, "100 records tonight, 10,000 the day after"
    assert told.ends_at == now + HOUR + hours * HOUR + 0.5


def test_an_end_that_is_more_than_six_days_away_has_a_date() -> None:
    assert ahead(62.5e6 * 10, today()).ends == "ends 2026-12-03 09:08"


def test_without_a_number_of_records_there_is_no_end_and_yet_a_stop() -> None:
    told = ahead(None, today(left=1000))
    assert told.text == "stops at 625,000 calls today, goes on at 00:00 Europe/Berlin"
    assert (told.ends_at, told.days, told.ends) == (None, None, "")
    assert ahead(None, today(left=10**9)) == Forecast()


def test_without_a_limit_the_speed_alone_tells() -> None:
    assert ahead(PER_S * HOUR, None).text == "ends 13:00 Europe/Berlin"
    assert ahead(None, None) == ahead(1e18, None) == Forecast()


@pytest.mark.parametrize("per_s", [0.0, -1.0, math.nan])
def test_without_a_speed_there_is_nothing_to_say(per_s: float) -> None:
    assert ahead(1e6, today(), per_s=per_s) == Forecast()


def test_what_takes_ten_years_has_no_end_worth_naming() -> None:
    told = ahead(1e12, today(a_day=1))
    assert told.ends_at is None
    assert told.text == "stops at 625,000 calls today, goes on at 00:00 Europe/Berlin"


@given(
    st.floats(0, 1e9),
    st.floats(0.01, 1e4),
    st.floats(0.01, 100),
    st.integers(0, 10**6),
    st.integers(1000, 10**6),
    st.floats(0, 86_000),
)
def test_no_day_takes_more_than_its_calls_and_its_time(
    left: float, per_s: float, per_call: float, calls: int, a_day: int, later: float
) -> None:
    now = NOON + later
    day = today(calls, now, a_day)
    told = forecast(now, left, per_s, per_call, day, BERLIN)
    if told.ends_at is None or told.days is None:
        return
    assert told.ends_at >= now + left / per_s - 1e-3 * (1 + left / per_s)
    assert left <= (calls + a_day * (told.days - 1)) * per_call * (1 + 1e-9) + 1e-6
    if told.days > 1:
        assert told.ends_at >= BERLIN.midnight(now) - 1e-3
    assert told.stops <= (told.days > 1)


def test_the_words_speak_of_the_zone_that_is_handed_in() -> None:
    tokyo = Zone.of("Asia/Tokyo")
    assert forecast(NOON, PER_S, PER_S, 1, None, tokyo).text == "ends 20:00 Asia/Tokyo"
