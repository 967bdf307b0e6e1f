"""The sandbox's limits never let more through than they say, whatever the arrival times."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from bulkload.sandbox.limits import DailyQuota, Limits, RollingWindow


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
