"""The remote's clock as its answers show it: two bounds that are never wrong."""

from __future__ import annotations

import email.utils
import math
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bulkload.hubspot.lookup import moment
from bulkload.hubspot.remoteclock import APART_S, BELIEVED_S, RemoteClock

EPOCH = 1_767_225_600.0
"""2026-01-01, where the remote's clock stands when ours shows nought, an offset aside."""

DATE = "Thu, 01 Jan 2026 00:00:10 GMT"
DATE_S = EPOCH + 10


class Hands:
    """Our clock, set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def clock(now: float = 0.0) -> tuple[RemoteClock, Hands]:
    hands = Hands()
    hands.now = now
    return RemoteClock(hands, hands), hands


def bounds(of: RemoteClock) -> tuple[float, float]:
    """Without what the remote's clocks may be apart unseen."""
    least, most = of.at_least(), of.at_most()
    assert least is not None
    assert most is not None
    return least + APART_S, most - APART_S


def in_milliseconds(at: float) -> str:
    """As HubSpot writes it: cut, not rounded."""
    cut = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=math.floor(at * 1000))
    return cut.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def in_seconds(at: float) -> str:
    return email.utils.formatdate(math.floor(at), usegmt=True)


def test_before_any_answer_nothing_is_known() -> None:
    unknown, _ = clock()
    assert (unknown.at_least(), unknown.at_most()) == (None, None)


@pytest.mark.parametrize("date", ["", "soon", "Thu, 99 Jan 2026 00:00:00 GMT", "\0", "1767225600"])
@pytest.mark.parametrize("completed", ["", "soon", "2026-01-01T00:00:00.000"])
def test_an_answer_that_shows_no_time_shows_nothing(date: str, completed: str) -> None:
    unknown, _ = clock(10)
    unknown.observe({"Date": date}, 5.0, 6.0, completed)
    assert (unknown.at_least(), unknown.at_most()) == (None, None)


def test_what_never_left_shows_nothing() -> None:
    unknown, _ = clock(10)
    unknown.observe({"Date": DATE}, 0.0, 6.0)
    assert unknown.at_least() is None


def test_a_date_bounds_by_the_call_and_by_its_whole_second() -> None:
    known, hands = clock(6)
    known.observe({"Date": DATE}, 5.0, 6.0)
    least, most = bounds(known)
    assert least == pytest.approx(DATE_S, abs=0.01)
    assert most == pytest.approx(DATE_S + 1 + 1, abs=0.01)
    hands.now += 100
    assert bounds(known) == pytest.approx((least + 100, most + 100))


def test_the_answers_own_time_is_finer_and_counts_first() -> None:
    known, _ = clock(6)
    known.observe({"Date": "Fri, 02 Jan 2026 00:00:00 GMT"}, 5.0, 6.0, "2026-01-01T00:00:10.500Z")
    least, most = bounds(known)
    assert least == pytest.approx(DATE_S + 0.5, abs=0.01)
    assert most == pytest.approx(DATE_S + 1.5, abs=0.01)


def test_the_tightest_bounds_that_were_shown_hold() -> None:
    known, _ = clock(6)
    known.observe({"Date": DATE}, 5.9, 6.0, in_milliseconds(DATE_S))
    tight = bounds(known)
    known.observe({"Date": DATE}, 1.0, 6.0)
    assert bounds(known) == tight


@dataclass(frozen=True)
class Seen:
    """One answer: how long until the remote wrote it, how long until we read it, and what of it."""

    idle: float
    out: float
    back: float
    fine: bool
    both: bool


SECONDS = st.floats(0, 30, allow_nan=False)
SEEN = st.builds(Seen, SECONDS, SECONDS, SECONDS, st.booleans(), st.booleans())


def watch(known: RemoteClock, hands: Hands, offset: float, seen: Seen) -> None:
    """One call: our clock stands where its answer was read."""
    hands.now += seen.idle + 0.001
    sent = hands.now
    hands.now += seen.out
    wrote = hands.now + offset
    hands.now += seen.back
    headers = {"Date": in_seconds(wrote)} if seen.both or not seen.fine else {}
    known.observe(headers, sent, hands.now, in_milliseconds(wrote) if seen.fine else "")


@given(st.floats(-1e8, 1e8), st.lists(SEEN, min_size=1, max_size=8), SECONDS)
@example(0.0, [Seen(0, 0, 0, True, False)], 0.0)
@example(0.9999, [Seen(0, 0, 0, False, True)], 0.0)
def test_whatever_the_offset_and_the_latencies_the_bounds_hold_at_all_later_times(
    ahead: float, calls: list[Seen], later: float
) -> None:
    known, hands = clock()
    offset = EPOCH + ahead
    for seen in calls:
        watch(known, hands, offset, seen)
        for _ in range(2):
            least, most = bounds(known)
            assert least <= hands.now + offset <= most
            hands.now += later


@given(st.floats(-1e8, 1e8), st.lists(SEEN, min_size=1, max_size=5), SECONDS, SECONDS, SECONDS)
def test_what_an_attempt_made_is_never_dated_before_the_bound_that_was_taken_as_it_began(
    ahead: float, calls: list[Seen], wait: float, intent: float, worked: float
) -> None:
    known, hands = clock()
    offset = EPOCH + ahead
    for seen in calls:
        watch(known, hands, offset, seen)
    hands.now += wait
    since = known.at_least()
    assert since is not None
    hands.now += intent + worked
    created = moment(in_milliseconds(hands.now + offset))
    assert created is not None
    assert created >= since


@given(st.floats(-1e8, 1e8), st.lists(SEEN, min_size=1, max_size=5), SECONDS)
def test_what_is_dated_after_the_upper_bound_was_not_there_when_it_was_taken(
    ahead: float, calls: list[Seen], wait: float
) -> None:
    known, hands = clock()
    offset = EPOCH + ahead
    for seen in calls:
        watch(known, hands, offset, seen)
    hands.now += wait
    most, there = known.at_most(), moment(in_milliseconds(hands.now + offset))
    assert most is not None
    assert there is not None
    assert there <= most


def test_a_date_without_a_zone_is_not_read_in_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        known, _ = clock(6)
        known.observe({"Date": DATE.removesuffix(" GMT")}, 5.0, 6.0)
        assert known.at_least() in (None, pytest.approx(DATE_S - APART_S, abs=0.01))
    finally:
        monkeypatch.undo()
        time.tzset()


@given(st.lists(SEEN, min_size=1, max_size=8), st.booleans())
def test_until_they_are_forgotten_answers_of_a_kind_never_make_the_bounds_wider(
    calls: list[Seen], fine: bool
) -> None:
    # From `Date` to `completedAt` they may: the first may be another clock's.
    known, hands = clock()
    widths = []
    for seen in (replace(seen, fine=fine) for seen in calls):
        watch(known, hands, EPOCH, seen)
        if hands.now > BELIEVED_S:
            break
        least, most = bounds(known)
        widths.append(most - least)
    assert all(b <= a + 1e-6 for a, b in pairwise(widths))


QUICK = st.floats(0, 2, allow_nan=False)
PROMPT = st.builds(Seen, QUICK, QUICK, QUICK, st.just(True), st.just(False))


@given(
    st.lists(st.floats(-3600, 3600), min_size=2, max_size=3),
    st.lists(st.tuples(st.integers(0, 2), PROMPT), min_size=8, max_size=20),
)
def test_whatever_clocks_a_remote_has_the_bounds_contradict_no_answer_of_late(
    ahead: list[float], calls: list[tuple[int, Seen]]
) -> None:
    known, hands = clock()
    answers: list[tuple[float, float, float]] = []
    for which, seen in calls:
        offset = EPOCH + ahead[which % len(ahead)]
        watch(known, hands, offset, seen)
        # How far that clock may be before ours, by this answer.
        answers.append((offset - seen.back - 0.002, offset + seen.out + 0.002, hands.now))
        least, most = (bound - hands.now for bound in bounds(known))
        for lowest, highest, at in answers:
            if at > hands.now - BELIEVED_S:
                assert least <= highest
                assert lowest <= most


@given(st.floats(-APART_S, APART_S), st.lists(PROMPT, min_size=1, max_size=8))
def test_a_clock_that_is_hardly_apart_need_not_have_been_seen(
    other: float, calls: list[Seen]
) -> None:
    known, hands = clock()
    for seen in calls:
        watch(known, hands, EPOCH, seen)
    least, most = known.at_least(), known.at_most()
    assert least is not None
    assert most is not None
    assert least <= hands.now + EPOCH + other <= most


@pytest.mark.parametrize("by", [-5.0, 0.5, 3600.0])
def test_a_clock_that_was_set_is_learnt_anew(by: float) -> None:
    known, hands = clock()
    prompt = Seen(1, 0.05, 0.05, fine=True, both=False)
    for _ in range(30):
        watch(known, hands, EPOCH, prompt)
    for _ in range(2):
        watch(known, hands, EPOCH + by, prompt)
        least, most = bounds(known)
        assert least <= hands.now + EPOCH + by <= most
    for _ in range(int(3 * BELIEVED_S)):
        watch(known, hands, EPOCH + by, prompt)
    least, most = bounds(known)
    assert least <= hands.now + EPOCH + by <= most
    assert most - least < 0.2, "what was before is forgotten"


def test_our_clock_that_stood_still_since_the_last_answer_is_allowed_for() -> None:
    hands, wall = Hands(), Hands()
    known = RemoteClock(hands, wall)
    watch(known, hands, EPOCH, Seen(1, 0.05, 0.05, fine=True, both=False))
    hands.now += 10
    wall.now = hands.now + 3600  # the machine slept
    least, most = bounds(known)
    assert least <= hands.now + 3600 + EPOCH <= most
    wall.now = hands.now - 3600  # it was set back, which says nothing of the remote
    assert bounds(known) == pytest.approx((least, most - 3600), abs=2)
