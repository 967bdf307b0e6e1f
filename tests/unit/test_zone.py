"""A day is as long as the zone says, and times are said as people say them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.zone import Zone, span

BERLIN = Zone.of("Europe/Berlin")
HOUR = 3600.0


def at(text: str, zone: str = "Europe/Berlin") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-28", 24), ("2026-03-29", 23), ("2026-10-25", 25)]
)
def test_a_day_has_as_many_hours_as_the_clock_changes_leave(day: str, hours: int) -> None:
    began = at(day)
    assert BERLIN.midnight(began) == began + hours * HOUR
    assert BERLIN.midnight(began + hours * HOUR - 1) == began + hours * HOUR
    assert BERLIN.began(began + hours * HOUR - 1) == BERLIN.began(began) == began


def test_a_midnight_that_a_clock_change_leaves_out_is_the_hour_after() -> None:
    santiago = Zone.of("America/Santiago")  # 2026-09-06 begins at 01:00
    eve = at("2026-09-05T12:00", "America/Santiago")
    assert santiago.clock(santiago.midnight(eve)) == "01:00"
    assert santiago.midnight(eve) == eve + 12 * HOUR


def test_a_midnight_that_comes_twice_is_the_first() -> None:
    havana = Zone.of("America/Havana")  # 2026-11-01: 00:00 to 00:59 come twice
    eve = at("2026-10-31T12:00", "America/Havana")
    first = havana.midnight(eve)
    assert first == eve + 12 * HOUR
    assert havana.midnight(first + 1.5 * HOUR) == first + 25 * HOUR


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "Europe", "../../etc/passwd", "/", "\ud800"])
def test_a_name_that_is_not_to_be_found_leaves_the_offset(name: str) -> None:
    zone = Zone.of(name, -5 * HOUR)
    assert (zone.label, zone.known) == ("UTC-05:00", True)
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp()
    assert zone.midnight(noon) == noon + 17 * HOUR


def test_without_name_and_offset_it_is_utc_for_want_of_better() -> None:
    assert Zone.of() == Zone.of("Mars/Olympus", 90_000.0) == Zone()
    assert not Zone().known
    assert Zone.of("Europe/Berlin").known


@given(st.text(max_size=40), st.none() | st.floats(), st.floats(0, 4e9))
def test_whatever_the_remote_calls_it_the_next_midnight_is_within_a_day(
    name: str, offset: float | None, now: float
) -> None:
    zone = Zone.of(name, offset)
    assert zone.began(now) <= now < zone.midnight(now) <= now + 26 * HOUR


def test_a_day_is_named_as_near_as_it_is() -> None:
    now = at("2026-11-25T22:30")
    assert [
        BERLIN.day(at(then), now)
        for then in ("2026-11-25T23:10", "2026-11-26T14:10", "2026-12-01T00:00", "2026-12-02T14:10")
    ] == ["23:10", "Thursday 14:10", "Tuesday 00:00", "2026-12-02 14:10"]
    assert BERLIN.clock(at("2026-11-25T23:10:07")) == "23:10:07"


def test_spans_are_said_as_people_say_them() -> None:
    assert [span(s) for s in (-3, 99.4, 100, 11_520)] == ["0 s", "99 s", "1 min 40 s", "3 h 12 min"]
