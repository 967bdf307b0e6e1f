"""The day's calls: waited for when they are used up, shared when that is asked for."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.calls.quota import GRACE_S, JITTER_S, LOOK_MOST_S, STEP_S, Quota, next_sleep
from bulkload.calls.share import Share
from bulkload.hubspot.account import Usage
from bulkload.hubspot.ratelimits import Daily
from bulkload.zone import Zone
from tests.unit.test_zone import BERLIN, HOUR, at

NOON = at("2026-11-25T12:00")
MIDNIGHT = at("2026-11-26T00:00")
LATEST = MIDNIGHT + GRACE_S + JITTER_S
FULL = 625_000


def new(share: str | None = None, zone: Zone = BERLIN, seed: int = 1) -> Quota:
    return Quota(zone, Share.parse(share) if share else None, random=Random(seed))


def waits(quota: Quota, now: float) -> float:
    until = quota.until(now)
    assert until is not None
    return until - now


def resets_at(quota: Quota, now: float) -> float:
    quota.day_began(now)  # another day may have begun
    return quota._day.resets_at


def test_calls_go_while_nothing_is_known_against_it() -> None:
    quota = new()
    assert quota.until(NOON) is None
    quota.learn(Daily(FULL, 1), NOON)
    assert quota.until(NOON) is None
    assert quota.remaining == 1
    assert quota.words(NOON) == ""
    assert quota.waits(NOON) is None


@pytest.mark.parametrize("how", ["refused", "none left", "usage"])
def test_a_day_that_is_used_up_is_over_at_midnight_in_the_accounts_zone(how: str) -> None:
    quota = new()
    quota.learn(Daily(FULL, 5), NOON)
    if how == "refused":
        quota.refused(NOON)
    elif how == "none left":
        quota.learn(Daily(FULL, 0), NOON)
    else:
        quota.usage(Usage("calls", FULL, FULL), NOON)
    until = quota.until(NOON)
    assert until is not None
    assert MIDNIGHT + GRACE_S <= until <= LATEST
    assert quota.until(until - 0.001) == until
    assert quota.until(until) is None


def test_the_jitter_is_drawn() -> None:
    ends = set()
    for seed in range(20):
        quota = new(seed=seed)
        quota.refused(NOON)
        ends.add(quota.until(NOON))
    assert len(ends) == 20


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-11-25", 24)]
)
def test_it_waits_out_days_on_which_the_clocks_change(day: str, hours: int) -> None:
    quota, began = new(), at(day)
    quota.learn(Daily(FULL, 9), began)
    quota.refused(began + 1.5 * HOUR)
    left = (hours - 1.5) * HOUR
    assert left + GRACE_S <= waits(quota, began + 1.5 * HOUR) <= left + GRACE_S + JITTER_S


def test_the_words_say_why_and_when() -> None:
    quota = new()
    quota.learn(Daily(FULL, 0), MIDNIGHT - 11_530)
    quota._day.slack = 2.0
    assert quota.words(MIDNIGHT - 11_520) == (
        "the account's calls for today are used up (625,000): goes on at 00:00 Europe/Berlin, "
        "in 3 h 12 min"
    )
    assert quota.words(MIDNIGHT - 11_520, stop=True).endswith(
        "(625,000): resume after 00:00 Europe/Berlin, in 3 h 12 min"
    )
    told = quota.waits(MIDNIGHT - 11_520)
    assert told is not None
    assert told.until == quota.until(MIDNIGHT - 11_520)
    assert told.words == (
        "the account's calls for today are used up (625,000): goes on at 00:00 Europe/Berlin"
    )


def test_the_words_tell_our_share_from_the_accounts_calls() -> None:
    quota = new("60000")
    quota.seed(60_000, NOON)
    assert quota.words(NOON).startswith(
        "this run's share of the day's calls is used up (60,000): goes on at 00:00 Europe/Berlin"
    )
    quota.learn(Daily(FULL, 500_000), NOON)
    assert "(60,000 of 625,000)" in quota.words(NOON)


def test_the_remotes_word_on_the_reset_counts_more_than_midnight() -> None:
    quota = new()
    quota.usage(Usage("calls", 10, 200, NOON + 30), NOON)
    assert resets_at(quota, NOON) == NOON + 30
    quota.refused(NOON + 11)
    assert 21 <= waits(quota, NOON + 11) <= 19 + GRACE_S + JITTER_S
    assert "goes on at 12:00:30 Europe/Berlin" in quota.words(NOON + 11)


def test_a_reset_that_is_told_while_it_waits_is_believed() -> None:
    quota = new()
    quota.refused(NOON)
    quota.usage(Usage("calls", 200, 200, NOON + 30), NOON + 1)
    assert waits(quota, NOON + 1) <= 29 + GRACE_S + JITTER_S


@pytest.mark.parametrize("wrong", [NOON - 1, NOON, NOON + 27 * HOUR, 1e15])
def test_a_reset_that_can_not_be_is_not_believed(wrong: float) -> None:
    quota = new()
    quota.usage(Usage("calls", 10, 200, wrong), NOON)
    assert resets_at(quota, NOON) == MIDNIGHT


def test_the_refusals_of_one_round_are_one() -> None:
    quota = new()
    quota.refused(NOON)
    first = quota.until(NOON)
    for i in range(20):
        quota.refused(NOON + i / 10)
        quota.learn(Daily(FULL, 3), NOON + i / 10)  # answers that were under way
        quota.admitted(NOON + i / 10)
    assert quota.until(NOON + 2) == first


def test_refused_after_the_reset_it_looks_again_less_and_less_often() -> None:
    quota = new()
    quota.refused(NOON)
    gaps, now = [], NOON + waits(quota, NOON)
    assert now >= MIDNIGHT
    for _ in range(12):
        assert quota.until(now) is None, "one look"
        quota.refused(now)
        gaps.append(waits(quota, now))
        assert "looks again at 0" in quota.words(now)
        now += gaps[-1]
    assert now > MIDNIGHT + 2 * HOUR, "however long it is refused"
    for gap, least in zip(gaps, (60, 120, 240, 480, *[900] * 8), strict=True):
        assert least <= gap <= 1.1 * least


@pytest.mark.parametrize("how", ["headers", "answer"])
def test_after_a_look_that_went_well_the_next_refusal_waits_for_midnight_again(how: str) -> None:
    quota = new()
    quota.refused(NOON)
    now = NOON + waits(quota, NOON)
    quota.refused(now)
    now += waits(quota, now)
    if how == "headers":
        quota.learn(Daily(FULL, FULL - 1), now)
    else:
        quota.admitted(now)
    later = now + 8 * HOUR
    quota.refused(later)
    assert quota.until(later) == pytest.approx(MIDNIGHT + 24 * HOUR, abs=GRACE_S + JITTER_S)


def test_after_a_look_that_went_well_looks_begin_anew() -> None:
    quota, now = new(zone=Zone()), NOON
    for _ in range(4):
        quota.refused(now)
        now += waits(quota, now)
    quota.admitted(now)
    quota.refused(now)
    assert waits(quota, now) <= 66


def test_where_looks_are_due_the_refusals_of_one_round_are_one_too() -> None:
    quota = new(zone=Zone())
    for i in range(20):
        quota.refused(NOON + i / 10)
    assert waits(quota, NOON) <= 66


def test_refused_after_the_reset_it_looks_again_though_tomorrows_is_told() -> None:
    """What is counted may be reset a little later than the endpoint says."""
    quota = new()
    quota.refused(NOON)
    now = NOON + waits(quota, NOON)
    quota.refused(now)
    quota.usage(Usage("calls", FULL, FULL, MIDNIGHT + 24 * HOUR), now)
    assert waits(quota, now) <= 66
    now += waits(quota, now)
    quota.refused(now)
    assert waits(quota, now) <= 132


def test_a_told_reset_that_has_passed_says_nothing_of_the_next() -> None:
    quota = new()
    quota.usage(Usage("calls", 10, 200, NOON + 30), NOON)
    now = NOON + 60
    assert resets_at(quota, now) == MIDNIGHT
    assert quota.day_began(now) == NOON + 30


def test_a_zone_that_is_learnt_late_does_not_unsay_what_the_remote_told() -> None:
    quota = new(zone=Zone())
    quota.usage(Usage("calls", 10, 200, NOON + 30), NOON)
    quota.settle_in(BERLIN, NOON)
    assert resets_at(quota, NOON) == NOON + 30


def test_a_count_that_is_minutes_old_does_not_bring_back_calls() -> None:
    quota = new()
    quota.learn(Daily(FULL, 100), NOON)
    quota.usage(Usage("calls", 10, FULL), NOON)
    assert quota.remaining == 100
    quota.usage(Usage("calls", FULL - 50, FULL), NOON)
    assert quota.remaining == 50


def test_the_longer_of_two_waits_counts() -> None:
    quota = new("10", zone=Zone())
    quota.seed(10, NOON)
    quota.refused(NOON)
    assert waits(quota, NOON) > 66


def test_a_late_refusal_of_the_old_day_does_not_cost_the_new_one() -> None:
    """Our clock is two minutes ahead: the remote is at 23:58:30."""
    quota = new()
    quota.learn(Daily(FULL, 50), MIDNIGHT - HOUR)
    now = MIDNIGHT + 30
    quota.learn(Daily(FULL, 20), now)
    quota.refused(now)
    assert waits(quota, now) <= 66
    started_then = new()
    started_then.refused(now)
    assert waits(started_then, now) <= 66


def test_where_the_zone_is_not_known_it_looks_again_and_again() -> None:
    quota = new(zone=Zone())
    quota.refused(NOON)
    assert waits(quota, NOON) <= 66
    quota.settle_in(BERLIN, NOON + 1)
    assert quota.until(NOON + 1) == pytest.approx(LATEST, abs=JITTER_S)


def test_a_day_that_begins_early_by_our_clock_is_seen_in_the_headers() -> None:
    quota = new("1000")
    quota.seed(1000, NOON)
    quota.learn(Daily(FULL, 0), NOON)
    assert quota.until(NOON) is not None
    quota.learn(Daily(FULL, FULL - 10), MIDNIGHT - 60)
    assert quota.until(MIDNIGHT - 60) is None
    assert quota.own == 0
    quota.seed(500, MIDNIGHT - 50)
    assert quota.until(MIDNIGHT + 60) is None
    assert quota.own == 500, "our late midnight is not another day"


def test_answers_that_overtake_each_other_and_a_raised_limit_are_no_new_day() -> None:
    quota = new("1000")
    quota.seed(900, NOON)
    for left in (400_000, 399_980, 400_040):
        quota.learn(Daily(FULL, left), NOON)
    quota.learn(Daily(FULL + 1_000_000, 1_399_000), NOON)
    assert quota.own == 900


def test_of_the_days_calls_no_more_than_the_share_are_made() -> None:
    for share, most in (("3", 3), ("50%", 100)):
        quota, made, now = new(share), 0, NOON
        quota.learn(Daily(200, 200), now)
        while quota.until(now) is None and made < 300:
            quota.spent(now)
            made += 1
        assert made == most
        assert MIDNIGHT <= now + waits(quota, now) <= LATEST
        assert quota.until(MIDNIGHT + GRACE_S - 0.1) is not None
        assert quota.until(now + waits(quota, now)) is None, "a new day, a new share"
        assert quota.own == 0


def test_a_share_of_a_limit_that_is_not_known_bounds_nothing_until_it_is() -> None:
    quota = new("10%")
    for _ in range(50):
        quota.spent(NOON)
    assert quota.until(NOON) is None
    quota.learn(Daily(200, 150), NOON)
    assert quota.until(NOON) is not None


def test_a_resumed_run_remembers_its_calls_of_today_and_those_alone() -> None:
    quota = new("100")
    quota.seed(99, NOON)
    assert quota.until(NOON) is None
    quota.spent(NOON)
    assert quota.until(NOON) is not None
    quota.unspent(NOON)
    assert quota.until(NOON) is None
    assert quota.day_began(NOON) == at("2026-11-25")
    quota = new()
    quota.unspent(NOON)  # it left on the day before
    assert quota.own == 0


@given(st.integers(1, 40))
def test_a_clock_that_is_set_back_makes_one_look_and_no_wait_beyond_midnight(hours: int) -> None:
    quota = new()
    quota.learn(Daily(FULL, 5), NOON)
    quota.refused(NOON)
    now = NOON + HOUR - hours * HOUR
    assert quota.until(NOON + HOUR) is not None
    assert quota.until(now) is None, "one look"
    quota.refused(now)
    assert waits(quota, now) <= 25 * HOUR
    assert now + waits(quota, now) <= BERLIN.midnight(now) + GRACE_S + JITTER_S


def test_a_clock_that_is_set_back_over_midnight_keeps_our_count_and_the_true_day() -> None:
    quota = new("100")
    quota.seed(5, NOON)
    quota.seed(100, MIDNIGHT + 60)
    now = MIDNIGHT - HOUR
    until = quota.until(now)
    assert until is not None
    assert MIDNIGHT <= until <= LATEST, "not the midnight after"
    assert quota.day_began(now) == at("2026-11-25")


def test_a_clock_that_is_nudged_makes_no_look() -> None:
    quota = new()
    quota.refused(NOON)
    assert quota.until(NOON - 1) is not None


def test_a_night_that_was_slept_through_is_over_at_the_first_look() -> None:
    quota = new("100")
    quota.seed(100, NOON)
    quota.refused(NOON)
    assert quota.until(NOON + 3 * 24 * HOUR) is None
    assert quota.own == 0
    assert quota.day_began(NOON + 3 * 24 * HOUR) == at("2026-11-28")


def test_no_sleep_is_longer_than_a_step() -> None:
    assert next_sleep(MIDNIGHT, NOON) == STEP_S
    assert next_sleep(NOON + 4, NOON) == 4
    assert next_sleep(NOON, NOON + 100) == 0


def test_what_is_left_today_is_the_lesser_of_ours_and_the_accounts() -> None:
    quota = new("60%")
    assert quota.today(NOON) is None
    quota.learn(Daily(1000, 900), NOON)
    quota.seed(100, NOON)
    today = quota.today(NOON)
    assert today is not None
    assert (today.left, today.stops_at, today.a_day) == (500, 600, 600)
    quota.learn(Daily(1000, 70), NOON)
    today = quota.today(NOON)
    assert today is not None
    assert (today.left, today.stops_at, today.a_day) == (70, 1000, 600)
    assert (today.resets_at, today.zone) == (MIDNIGHT, BERLIN)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["learn", "spent", "refused", "admitted", "usage"]),
            st.integers(0, 300),
            st.floats(-90_000, 90_000) | st.floats(0, 60),
        ),
        max_size=40,
    ),
    st.sampled_from([None, "50", "30%"]),
)
def test_however_clock_and_remote_behave_it_never_waits_longer_than_a_day(
    told: list[tuple[str, int, float]], share: str | None
) -> None:
    quota, now = new(share), NOON
    for what, number, later in told:
        now += later
        if what == "learn":
            quota.learn(Daily(200, min(number, 200)), now)
        elif what == "spent":
            quota.spent(now)
        elif what == "refused":
            quota.refused(now)
        elif what == "admitted":
            quota.admitted(now)
        else:
            quota.usage(Usage("calls", number, 200, now + number * 400), now)
        until = quota.until(now)
        assert until is None or now < until <= now + 26 * HOUR + GRACE_S + JITTER_S
        assert until is None or until <= resets_at(quota, now) + GRACE_S + JITTER_S
        assert bool(quota.words(now)) == (until is not None)
        assert quota.own >= 0


@pytest.mark.parametrize("wrong", ["", "0", "-5", "0%", "101%", "nan%", "half", "1e3", "٣"])
def test_a_share_that_can_not_be_is_refused_with_what_was_expected(wrong: str) -> None:
    with pytest.raises(ValueError, match="50000, or a percentage"):
        Share.parse(wrong)


def test_a_share_is_a_number_or_a_percentage() -> None:
    assert Share.parse(" 50000 ").of(None) == 50_000
    assert Share.parse("12.5%").of(1000) == 125
    assert Share.parse("100%").of(FULL) == FULL
    assert Share.parse("0.001%").of(10) == 1
    assert Share.parse("1%").of(None) is None


def test_the_longest_wait_between_looks_is_a_quarter_of_an_hour() -> None:
    quota, now = new(zone=Zone()), NOON
    longest = -math.inf
    for _ in range(40):
        quota.refused(now)
        longest = max(longest, waits(quota, now))
        now += waits(quota, now)
    assert longest <= 1.1 * LOOK_MOST_S


def test_no_look_is_put_off_beyond_midnight() -> None:
    quota = new(zone=Zone())
    now = Zone().midnight(NOON) - 10
    quota.refused(now)
    assert waits(quota, now) <= 10 + GRACE_S + JITTER_S


@pytest.mark.parametrize(
    ("zone", "skew", "late", "refusals"),
    [
        (BERLIN, 0.0, GRACE_S + JITTER_S, 1),
        (BERLIN, -120.0, 120 + GRACE_S + JITTER_S, 1),
        (BERLIN, 120.0, 90.0, 3),
        (Zone.of("Europe/Kyiv"), 0.0, 1.1 * LOOK_MOST_S, 12),
        (Zone.of("Asia/Tokyo"), 0.0, 1.1 * LOOK_MOST_S, 45),
        (Zone(), 0.0, 1.1 * LOOK_MOST_S, 60),
    ],
    ids=["true", "slow clock", "fast clock", "an hour wrong", "eight hours wrong", "not known"],
)
def test_calls_go_soon_after_the_remotes_reset_and_few_are_refused(
    zone: Zone, skew: float, late: float, refusals: int
) -> None:
    """A remote whose day has 200 calls and ends at midnight in Berlin, by its own clock."""
    quota, true, made, refused = new(zone=zone), NOON, 0, 0
    used, remote_midnight = 0, MIDNIGHT
    first_after = math.inf
    while made < 300 and true < NOON + 24 * HOUR:
        until = quota.until(true + skew)
        if until is not None:
            true += max(next_sleep(until, true + skew), 0.01)
            continue
        if true >= remote_midnight:
            used, remote_midnight = 0, remote_midnight + 24 * HOUR
        quota.spent(true + skew)
        if used >= 200:
            refused += 1
            quota.refused(true + skew)
        else:
            used, made = used + 1, made + 1
            quota.admitted(true + skew)
            first_after = min(first_after, true) if true >= MIDNIGHT else first_after
        true += 0.1
    assert made == 300
    assert first_after - MIDNIGHT <= late
    assert refused <= refusals
