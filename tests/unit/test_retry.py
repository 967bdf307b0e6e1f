"""Waits are drawn from the whole of their range, which never leaves its bounds."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from bulkload.calls.retry import LONG_OUTAGE_S, LONG_PROBE, PROBE, TRIAL, Backoff, probe_delay

SECONDS = st.floats(0.001, 1000)


@given(SECONDS, SECONDS, st.floats(0, 1), st.integers(0, 10_000), st.randoms())
def test_a_delay_stays_between_floor_and_cap(
    base: float, cap: float, floor: float, failures: int, random: Random
) -> None:
    delay = Backoff(base, cap, floor).delay(failures, random)
    assert floor <= delay <= max(cap, floor)


def test_the_range_doubles_until_the_cap() -> None:
    class Most(Random):
        def uniform(self, a: float, b: float) -> float:
            return b

    backoff = Backoff(base=1, cap=10, floor=0.1)
    assert [backoff.delay(n, Most()) for n in range(7)] == [1, 1, 2, 4, 8, 10, 10]


def test_the_jitter_is_full_at_the_cap_too() -> None:
    drawn = [PROBE.delay(50, Random(n)) for n in range(500)]
    assert min(drawn) < 0.5
    assert max(drawn) > 4.5


@given(st.integers(1, 500), st.floats(0, 10_000), st.randoms())
def test_a_long_outage_is_asked_seldom(failures: int, down: float, random: Random) -> None:
    delay = probe_delay(failures, down, random)
    if down >= LONG_OUTAGE_S:
        assert LONG_PROBE.floor <= delay <= 30
    else:
        assert delay <= 5


def test_trying_creates_again_gets_rare_fast() -> None:
    total = sum(TRIAL.delay(n, Random(n)) for n in range(1, 201))
    assert total > 3600, "an outage of creates alone costs one record a try"
