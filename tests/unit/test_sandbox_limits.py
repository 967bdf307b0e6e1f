"""The sandbox's limits never let more through than they say, whatever the arrival times."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from bulkload.sandbox.limits import DailyQuota, Limits, RollingWindow
from bulkload.sandbox.others import Others


@given(
    st.lists(st.integers(0, 5), max_size=80),  # whole numbers: no rounding in the test itself
    st.integers(1, 7),
    st.integers(1, 10),
)
def test_no_window_holds_more_than_the_limit(gaps: list[int], calls: int, seconds: int) -> None:
    window = RollingWindow(calls, seconds)
    now = 0
    admitted: list[int] = []
    for gap in gaps:
        now += gap
        if window.admit(now):
            admitted.append(now)
        else:  # a refusal is only right if the window before it is full
            assert sum(now - seconds < at <= now for at in admitted) >= calls
    for at in admitted:
        assert sum(at <= other and other - at < seconds for other in admitted) <= calls


def test_a_refused_call_uses_nothing_up() -> None:
    window = RollingWindow(1, 10)
    assert window.admit(0)
    assert not window.admit(9.9)
    assert window.admit(10)


def test_the_day_ends_at_midnight_where_the_portal_is() -> None:
    noon = datetime(2026, 7, 1, 10, 0, tzinfo=UTC).timestamp()  # 12:00 in Berlin
    quota = DailyQuota(1, None, "Europe/Berlin", noon)
    assert quota.admit(noon)
    assert not quota.admit(noon + 12 * 3600 - 1)
    assert quota.admit(noon + 12 * 3600)


def test_the_daily_quota_names_itself_and_takes_no_slot() -> None:
    limits = Limits(RollingWindow(5, 10), None, DailyQuota(1, 60, "UTC", 0))
    assert limits.refuse(0, 0, search=False) is None
    assert limits.refuse(1, 1, search=False) == "DAILY"
    assert limits.headers(1, 1)["X-HubSpot-RateLimit-Remaining"] == "4"
    assert limits.headers(1, 1)["X-HubSpot-RateLimit-Daily-Remaining"] == "0"
    assert limits.refuse(61, 61, search=False) is None


@given(st.lists(st.integers(0, 40), max_size=30), st.integers(1, 6), st.integers(1, 12))
def test_others_come_by_the_clock_however_often_somebody_looks(
    looks: list[int], rate: int, calls: int
) -> None:
    often, once = (Limits(RollingWindow(calls, 2), None, None, Others(rate, 0)) for _ in range(2))
    for look in sorted(looks):
        often.catch_up(look, look)
    often.catch_up(40, 40)
    once.catch_up(40, 40)
    assert often.others.admitted == once.others.admitted
    assert often.others.admitted + often.others.refused == 40 * rate
    assert often.headers(40, 40) == once.headers(40, 40)


def test_what_others_take_is_missing_in_the_window_and_in_the_day() -> None:
    limits = Limits(RollingWindow(10, 10), None, DailyQuota(100, 1000, "UTC", 0), Others(0.5, 0))
    headers = limits.headers(8, 8)
    assert headers["X-HubSpot-RateLimit-Remaining"] == "6"  # they came at 2, 4, 6, 8
    assert headers["X-HubSpot-RateLimit-Daily-Remaining"] == "96"
    assert [limits.refuse(8, 8, search=False) for _ in range(7)] == [None] * 6 + [
        "TEN_SECONDLY_ROLLING"
    ]
    assert limits.refuse(11.9, 11.9, search=False) == "TEN_SECONDLY_ROLLING"
    assert limits.others.refused == 1  # at 10: we had taken all, so theirs took no room either
    assert limits.refuse(12, 12, search=False) == "TEN_SECONDLY_ROLLING"
    assert limits.others.admitted == 5  # the room of their call at 2 went to their call at 12
    assert limits.refuse(14.5, 14.5, search=False) == "TEN_SECONDLY_ROLLING"
    limits.others.change(0, 14.5)
    assert limits.refuse(16, 16, search=False) is None


def test_a_limit_changes_without_forgetting_what_was_admitted() -> None:
    window = RollingWindow(4, 10)
    assert all(window.admit(at) for at in (0, 1, 2, 3))
    window.change(2, 10)
    assert window.remaining(4) == 0
    assert [window.admit(at) for at in (4, 10, 11, 12)] == [False, False, False, True]
    window.change(5, 10)
    assert window.remaining(12) == 3  # 3 and 12 are in it


def test_a_days_end_that_is_set_comes_again_and_again() -> None:
    quota = DailyQuota(1, None, "UTC", 0)
    assert quota.admit(5)
    quota.reset_every(30, 10)
    assert not quota.admit(39)
    assert quota.admit(40)
    assert not quota.admit(69)
    assert quota.admit(70)


def test_another_pace_of_others_counts_from_its_change() -> None:
    others = Others(2, 0)
    assert list(others.until(5)) == [n / 2 for n in range(1, 11)]
    others.change(4, 5)
    assert list(others.until(5.75)) == [5.25, 5.5, 5.75]
