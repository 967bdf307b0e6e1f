"""The meter: events in, words out."""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from bulkload import events
from bulkload.report.meter import Meter
from bulkload.report.progress import Progress
from bulkload.zone import span
from tests.unit.test_zone import BERLIN, at

if TYPE_CHECKING:
    import pytest


def started(expected: int | None = 1000, already: int = 0) -> Meter:
    meter = Meter(in_flight=10)
    meter.take(events.Started("r", "d", expected, already), 100.0)
    return meter


def test_the_rate_is_that_of_the_last_window() -> None:
    meter = started()
    meter.take(events.Settled(loaded=30), 101.0)
    meter.take(events.Settled(loaded=30), 103.0)
    assert meter.rate == 20
    assert "60 records · 20/s" in meter.words(103.0)


def test_it_says_what_limits_the_run() -> None:
    for event, limit in (
        (events.Waited(2.0), "rate limit"),
        (events.Answered(201, 20.0), "remote"),
        (events.Answered(201, 1.0), "source"),
    ):
        meter = started()
        meter.take(event, 101.0)
        meter.take(events.Settled(loaded=1), 103.5)
        assert meter.limit == f"limited by {limit}"


def test_a_hold_is_shown_until_it_ends() -> None:
    meter = started()
    meter.take(events.Held(5.0, "429"), 100.5)
    assert "held: 429" in meter.words(100.5)
    meter.take(events.Released(), 101.0)
    assert "held" not in meter.words(101.0)


def test_what_went_wrong_is_counted_only_where_it_did() -> None:
    meter = started(already=40)
    assert "dead" not in meter.words(101.0)
    meter.take(events.Settled(loaded=1, existing=1, dead_lettered=2, in_doubt=3), 101.0)
    meter.take(events.Answered(503, 1.0, retry=True), 101.0)
    words = meter.words(101.0)
    assert words.startswith("47 records")
    assert "2 dead letters" in words
    assert "3 in doubt" in words
    assert "1 retries" in words


def test_what_is_left_is_told_by_bytes() -> None:
    meter = started()
    assert meter.eta_s(110.0) is None
    meter.take(events.Settled(loaded=1, consumed=250), 110.0)
    assert meter.eta_s(110.0) == 30
    meter.take(events.Settled(loaded=1, consumed=2000), 120.0)
    assert meter.eta_s(120.0) == 0
    assert started(expected=None).eta_s(120.0) is None


def test_a_resumed_run_is_timed_by_what_it_reads_itself() -> None:
    meter = started(already=500)
    meter.take(events.Settled(loaded=1, consumed=500), 101.0)
    meter.take(events.Settled(loaded=1, consumed=600), 111.0)
    left = meter.eta_s(111.0)
    assert left is not None
    assert 35 <= left <= 45


@given(
    st.lists(
        st.tuples(
            st.one_of(
                st.builds(events.Settled, *[st.integers(0, 100)] * 7),
                st.builds(events.Answered, st.integers(0, 599), st.floats(0, 100), st.booleans()),
                st.builds(events.Waited, st.floats(0, 100)),
                st.builds(events.Held, st.none() | st.floats(0, 100), st.text()),
                st.just(events.Released()),
                st.just(events.Said("x")),
                st.builds(events.Quota, st.floats(0, 1e6), st.text()),
                st.just(events.Renewed()),
                st.builds(
                    events.Today,
                    st.integers(0, 10**6),
                    st.none() | st.integers(1, 10**6),
                    st.none() | st.integers(1, 10**6),
                    st.floats(0, 1e6),
                    st.just(BERLIN),
                ),
            ),
            st.floats(0, 10),
        )
    )
)
def test_no_event_can_stop_it(told: list[tuple[events.Event, float]]) -> None:
    meter, now = started(), 100.0
    for event, later in told:
        now += later
        meter.take(event, now, now * 10)
        assert meter.words(now, now * 10)


def test_where_nothing_comes_back_the_remote_is_the_limit() -> None:
    meter = started()
    meter.take(events.Waited(0.0), 104.0)
    assert meter.limit == "limited by remote"


def test_a_narrow_terminal_cuts_ids_and_retries_before_doubts() -> None:
    meter = started()
    meter.take(events.Settled(loaded=5, dead_lettered=2, in_doubt=100), 101.0)
    meter.take(events.Held(None, "503 X 0123abcd-0123-4567-89ab-0123456789ab"), 102.0)
    words = meter.words(102.0)
    assert words.index("2 dead letters") < words.index("100 in doubt") < words.index("held: 503 X")
    assert "0123abcd" not in words


def test_durations_are_said_as_people_say_them() -> None:
    assert [span(s) for s in (0, 99.4, 100, 3600, 18_720)] == [
        "0 s", "99 s", "1 min 40 s", "60 min 0 s", "5 h 12 min",
    ]  # fmt: skip


def test_off_a_terminal_it_says_plain_lines_and_with_show_off_only_what_was_said() -> None:
    stream = io.StringIO()
    with Progress(10, show=False, stream=stream) as progress:
        progress(events.Held(None, "down"))
        progress(events.Said("mind this"))
    assert stream.getvalue() == "mind this\n"
    with Progress(10, stream=stream) as progress:
        progress(events.Held(None, "down"))
    assert "until it answers" in stream.getvalue()
    assert stream.getvalue().endswith("down\n")


def test_an_observer_that_raises_is_told_no_more_and_stops_nothing() -> None:
    told: list[str] = []

    def broken(event: events.Event) -> None:
        told.append("broken")
        raise ValueError

    announcer = events.Announcer((broken, lambda event: told.append("sound")))
    announcer(events.Released())
    announcer(events.Released())
    assert told == ["broken", "sound", "sound"]


def of_a_day(left: int, *, until: float = 10.0) -> Meter:
    """A tenth of the source in `until` seconds, by ten calls of a hundred records each."""
    meter = started(expected=10_000)
    meter.take(events.Today(left, 625_000, 625_000, at("2026-11-26"), BERLIN), 100.0, WALL)
    for _ in range(10):
        meter.take(events.Answered(201, 0.1), 100.5, WALL)
    meter.take(events.Settled(loaded=1000, consumed=1000), 100.0 + until, WALL + until)
    return meter


WALL = at("2026-11-25T22:00")


def test_a_run_that_the_days_calls_will_stop_says_so() -> None:
    assert "stops at 625,000 calls today, goes on at 00:00 Europe/Berlin, ends Thursday 00:01" in (
        of_a_day(20).words(110.0, WALL + 10)
    )


def test_a_run_that_they_will_not_stop_says_when_it_ends_if_that_is_not_soon() -> None:
    assert "about 90 s left" in of_a_day(1000).words(110.0, WALL + 10)
    assert "ends 23:40 Europe/Berlin" in of_a_day(10**5, until=600).words(700.0, WALL + 600)


def test_while_it_waits_for_a_new_day_the_time_is_counted_down() -> None:
    meter = of_a_day(20)
    midnight = at("2026-11-26")
    meter.take(events.Quota(midnight, "used up: goes on at 00:00"), 111.0, WALL + 11)
    assert "ends Thursday 00:01 · used up: goes on at 00:00, in 1 h 59 min" in (
        meter.words(111.0, WALL + 11)
    )
    meter.take(events.Held(None, "503"), 111.5, WALL + 12)
    assert "in 60 s" in meter.words(7000.0, midnight - 60)
    meter.take(events.Renewed(), 7061.0, midnight + 1)
    assert "used up" not in meter.words(7062.0, midnight + 2)


def test_a_night_that_was_slept_says_nothing_of_the_speed() -> None:
    meter = of_a_day(20)
    meter.take(events.Quota(at("2026-11-26"), "used up"), 110.0, WALL + 10)
    meter.take(events.Quota(at("2026-11-26"), "used up"), 140.0, WALL + 40)
    assert meter.eta_s(5000.0) == 90
    assert "/s" not in meter.words(140.0, WALL + 40)
    limit = meter.limit
    meter.take(events.Renewed(), 7310.0, WALL + 7210)
    assert meter.eta_s(7310.0) == 90
    assert meter.limit == limit
    meter.take(events.Settled(loaded=1000, consumed=1000), 7320.0, WALL + 7220)
    assert meter.rate == 100


def test_where_lines_stay_a_wait_is_said_once_and_its_end() -> None:
    stream = io.StringIO()
    with Progress(10, stream=stream) as progress:
        for _ in range(50):
            progress(events.Quota(0.0, "used up: goes on at 00:00"))
        progress(events.Renewed())
    assert stream.getvalue() == (
        "used up: goes on at 00:00, in 0 s\nthe day's calls are there again\n"
    )
    silent = io.StringIO()
    with Progress(10, show=False, stream=silent) as progress:
        progress(events.Quota(0.0, "used up"))
        progress(events.Renewed())
    assert not silent.getvalue()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_no_more_than_the_eye_sees_but_a_hold_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    with Progress(10, stream=Terminal()) as progress:
        shown: list[str] = []
        monkeypatch.setattr(
            progress._live, "update", lambda *_, **of: shown.append(of["description"])
        )
        for _ in range(100):
            clock[0] += 0.01
            progress(events.Settled(loaded=1))
        assert 4 <= len(shown) <= 6
        progress(events.Held(None, "gone"))
        assert "held: gone" in shown[-1]


def test_a_limit_ends_before_the_bytes_do() -> None:
    meter = Meter(in_flight=10)
    meter.take(events.Started("r", "d", expected=1_000_000, already=100, most=1100), 100.0)
    meter.take(events.Settled(loaded=1, consumed=1000), 100.0)  # where this life begins
    meter.take(events.Settled(loaded=499, consumed=6000), 110.0)
    assert meter.eta_s(110.0) == 10.0
    assert meter.share == 600 / 1100
    meter.take(events.Settled(loaded=500, consumed=11_000), 120.0)
    assert meter.eta_s(120.0) == 0.0
    assert meter.share == 1.0


def test_bytes_end_before_a_limit_that_is_out_of_reach() -> None:
    meter = Meter(in_flight=10)
    meter.take(events.Started("r", "d", expected=1000, most=1_000_000), 100.0)
    meter.take(events.Settled(loaded=10, consumed=500), 110.0)
    assert meter.eta_s(110.0) == 10.0
    assert meter.share == 0.5
