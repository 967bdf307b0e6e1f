"""Packing loses no ordinal and adds none."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bulkload.ordinals import Covered, pack, spans, unpack, unpack_spans

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
