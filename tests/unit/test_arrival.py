"""A slot comes back by when its call had surely arrived: never before, and not much later."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.calls.arrival import APART_S, BELIEVED_S, DOUBTED_S, GRAIN_S, Arrival

WAY = st.floats(0, 5)


@given(
    st.lists(st.tuples(st.floats(0, 100), WAY, st.floats(0.001, 5), WAY), max_size=50),
    st.floats(-1e6, 1e6),
)
def test_it_is_never_before_the_call_arrived_nor_after_the_work_was_done(
    calls: list[tuple[float, float, float, float]], ahead: float
) -> None:
    arrival, sent = Arrival(), 1000.0
    for pause, there, worked, back in calls:
        sent += pause
        came = sent + there
        received = came + worked + back
        by = arrival.by(sent, received, worked, came + worked + ahead)
        assert came - 1e-6 <= by <= received - worked + 1e-6


def test_the_soonest_answer_of_late_tells_for_all() -> None:
    arrival = Arrival()
    assert arrival.by(10.0, 10.31, 0.3, 510.3) == pytest.approx(10.01)
    # This one's answer was on its way for half a second.
    assert arrival.by(11.0, 11.8, 0.3, 511.3) == pytest.approx(11.01 + APART_S)


def test_an_answer_that_does_not_tell_counts_when_it_is_there() -> None:
    arrival = Arrival()
    arrival.by(10.0, 10.31, 0.3, 510.3)
    assert arrival.by(11.0, 11.8, 0.0, 511.3) == 11.8
    assert arrival.by(11.0, 11.8, 0.3, None) == pytest.approx(11.5)
    assert arrival.by(11.0, 11.1, 500.0, None) == 11.0  # not before it was sent


def test_clocks_that_were_compared_long_ago_say_nothing() -> None:
    arrival = Arrival()
    arrival.by(10.0, 10.31, 0.3, 510.3)
    later = 10.0 + 2 * BELIEVED_S + 1
    assert arrival.by(later, later + 0.8, 0.3, 500 + later + 0.3) == pytest.approx(later + 0.5)


def test_a_call_that_would_have_arrived_before_it_was_sent_ends_the_comparison_for_a_while() -> (
    None
):
    arrival = Arrival()
    arrival.by(10.0, 10.31, 0.3, 510.3)
    # Another clock of the remote, a second behind the first.
    assert arrival.by(11.0, 11.8, 0.3, 510.3) == pytest.approx(11.5)
    assert arrival.by(12.0, 12.31, 0.3, 512.3) == pytest.approx(12.01)
    assert arrival.by(13.0, 13.8, 0.3, 513.3) == pytest.approx(13.5)
    after = 12.0 + DOUBTED_S
    arrival.by(after, after + 0.31, 0.3, after + 500.3)
    assert arrival.by(after, after + 0.8, 0.3, after + 500.3) == pytest.approx(
        after + 0.01 + APART_S
    )


def test_a_grain_is_no_contradiction() -> None:
    arrival = Arrival()
    arrival.by(10.0, 10.3, 0.3, 510.3)
    assert arrival.by(11.0, 11.5, 0.3, 511.3 - GRAIN_S / 2) == pytest.approx(
        11.0 + APART_S, abs=GRAIN_S
    )
    assert arrival.by(12.0, 12.5, 0.3, 512.3) == pytest.approx(12.0 + APART_S)
