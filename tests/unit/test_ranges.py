"""Ranges over a line that breaks: all bytes, in order, or an error that says where it stands."""

from __future__ import annotations

import io
import tracemalloc
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.errors import StoppedForGood, StoppedResumable
from bulkload.sources import ranges as module
from bulkload.sources.ranges import TRIES, RangeFile, Ranges, RangeStream

if TYPE_CHECKING:
    from collections.abc import Callable

CONTENT = bytes(range(256)) * 6000


def _ranges(
    fetch: Callable[[int, int], bytes], size: int = len(CONTENT), waited: list[float] | None = None
) -> Ranges:
    return Ranges(
        "shown",
        size,
        fetch,
        lambda error: StoppedForGood("gone") if isinstance(error, KeyError) else None,
        sleep=(waited if waited is not None else []).append,
    )


def _all(stream: RangeStream) -> bytes:
    parts = []
    while part := stream.read():
        parts.append(part)
        assert stream.offset == stream.consumed
    return b"".join(parts)


@given(
    faults=st.lists(st.sampled_from(["fail", "short", "empty", "whole"]), max_size=30),
    start=st.integers(0, len(CONTENT)),
    extent=st.none() | st.integers(0, len(CONTENT)),
)
def test_a_line_that_breaks_gives_all_bytes_once(
    faults: list[str], start: int, extent: int | None
) -> None:
    plan = iter(faults)
    in_a_row = 0

    def fetch(first: int, end: int) -> bytes:
        nonlocal in_a_row
        fault = next(plan, "whole")
        if fault in ("fail", "empty") and in_a_row < TRIES - 1:
            in_a_row += 1
            if fault == "fail":
                raise ConnectionResetError
            return b""
        in_a_row = 0
        return CONTENT[first : end if fault == "whole" else min(end, first + 999)]

    stream = RangeStream(_ranges(fetch), extent)
    stream.seek(start)
    assert _all(stream) == CONTENT[start : len(CONTENT) if extent is None else extent]
    assert stream.flaw is None
    assert stream.head() == CONTENT[: 16 if extent is None else min(16, extent)]
    stream.close()


def test_what_ends_before_its_extent_has_changed() -> None:
    with pytest.raises(StoppedForGood, match=r"ends at byte 1,536,000, and had 1,536,001"):
        RangeStream(_ranges(lambda *_: pytest.fail("it was read")), len(CONTENT) + 1)


def test_no_query_of_an_address_is_told() -> None:
    def refuse(*_: int) -> bytes:
        raise OSError("403, url='https://ada:pw@host/a.csv?X-Amz-Signature=f00&x=1', message=''")

    with pytest.raises(StoppedResumable) as stopped:
        _ranges(refuse).get(0, 10)
    assert "403, url='https://host/a.csv?…', message=''" in str(stopped.value)


def test_it_gives_up_resumably_after_waiting_longer_each_time() -> None:
    waited: list[float] = []

    def fetch(first: int, end: int) -> bytes:
        raise TimeoutError("nobody there")

    stream = RangeStream(_ranges(fetch, waited=waited))
    stream.seek(70_000)
    with pytest.raises(StoppedResumable, match="shown: can't be read at byte 70,000: nobody there"):
        stream.read()
    assert len(waited) == TRIES - 1
    assert all(b > a * 0.6 for a, b in pairwise(waited))


def test_what_no_try_mends_is_raised_at_once() -> None:
    def fetch(first: int, end: int) -> bytes:
        raise KeyError

    with pytest.raises(StoppedForGood, match="gone"):
        RangeStream(_ranges(fetch)).read()


def test_the_next_block_is_on_its_way_but_no_more() -> None:
    asked: list[tuple[int, int]] = []
    size = 1 << 26

    def fetch(first: int, end: int) -> bytes:
        asked.append((first, end))
        return bytes(end - first)

    tracemalloc.start()
    stream = RangeStream(_ranges(fetch, size))
    stream.read()
    assert asked == [(0, module.FIRST_BYTES)]  # who only looks into it asks for no more
    while stream.read():
        assert asked[-1][0] <= stream.offset + 2 * module.MOST_BYTES
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert max(end - first for first, end in asked) == module.MOST_BYTES
    assert [first for first, _ in asked[1:]] == [end for _, end in asked[:-1]]
    assert peak < 4 * module.MOST_BYTES


def test_as_a_file_it_can_be_sought() -> None:
    closed: list[bool] = []
    ranges = Ranges(
        "shown",
        len(CONTENT),
        lambda a, b: CONTENT[a:b],
        lambda _: None,
        lambda: closed.append(True),
    )
    with io.BufferedReader(RangeFile(ranges), 4096) as file:
        assert file.read(3) == CONTENT[:3]
        assert file.seek(-5, io.SEEK_END) == len(CONTENT) - 5
        assert file.read() == CONTENT[-5:]
        file.seek(100_000)
        assert file.read(50_000) == CONTENT[100_000:150_000]
        assert file.tell() == 150_000
    assert closed == [True]
