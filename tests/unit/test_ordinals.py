"""Packing loses no ordinal and adds none."""

from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from bulkload.ordinals import Covered, Ticked, pack, spans, unpack, unpack_spans

SETS = st.sets(st.integers(0, 300), max_size=80)


@given(SETS)
def test_unpack_is_the_inverse_of_pack(ordinals: set[int]) -> None:
    assert list(unpack(pack(sorted(ordinals)))) == sorted(ordinals)


@given(SETS)
def test_spans_are_as_few_as_can_be(ordinals: set[int]) -> None:
    starts = {n for n in ordinals if n - 1 not in ordinals}
    found = list(spans(sorted(ordinals)))
    assert {first for first, _ in found} == starts
    assert len(found) == len(starts)


def test_packed_text_is_what_the_design_shows() -> None:
    assert pack([0, 1, 2, 4, 6, 7]) == "0-2,4,6-7"
    assert pack([]) == ""
    assert unpack_spans("0-2,4") == [(0, 2), (4, 4)]
    assert unpack_spans("") == []


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 20)), max_size=30))
def test_covered_holds_the_union_of_its_spans(pairs: list[tuple[int, int]]) -> None:
    given_spans = [(first, first + length) for first, length in pairs]
    union = {n for first, last in given_spans for n in range(first, last + 1)}
    covered = Covered(given_spans)
    assert {n for n in range(250) if n in covered} == union
    assert covered.low_water == next(n for n in range(300) if n not in union)


WIDE = st.lists(st.integers(0, 5000) | st.integers(0, (1 << 63) - 1), max_size=60)


@given(WIDE, WIDE)
def test_what_is_ticked_is_a_set(ordinals: list[int], others: list[int]) -> None:
    ticked, known = Ticked(), set[int]()
    for ordinal in ordinals:
        assert ticked.tick(ordinal) == (ordinal not in known)
        known.add(ordinal)
    assert list(ticked) == sorted(known)
    assert len(ticked) == len(known)
    for ordinal in others + [n + 1 for n in ordinals]:
        assert (ordinal in ticked) == (ordinal in known)
    assert list(Ticked(ordinals)) == sorted(known)


def test_what_is_ticked_takes_some_bits_and_what_is_covered_in_order_none() -> None:
    """However many: a run may have a dead letter, or a record in doubt, for every fifth record."""
    tracemalloc.start()
    try:
        ticked = Ticked(range(0, 500_000, 5))
        assert tracemalloc.get_traced_memory()[1] < 300_000
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        covered = Covered((n, n) for n in range(100_000))
        assert tracemalloc.get_traced_memory()[1] - before < 10_000
    finally:
        tracemalloc.stop()
    assert (len(ticked), len(covered)) == (100_000, 100_000)
