"""Batches are read for all who wait, as many as come in a moment, and none is lost to a failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bulkload.errors import StoppedResumable
from bulkload.pipeline.intake import MOMENT_S, Batches
from tests.making import batch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bulkload.batch import Batch


def stopped() -> float:
    return 0.0


def torn(count: int) -> Iterator[Batch]:
    yield from (batch([n]) for n in range(count))
    raise StoppedResumable("the disk")


def test_as_many_are_read_as_wait() -> None:
    read = Batches((batch([n]) for n in range(6)), stopped)
    assert [len(read.several(wanted)) for wanted in (1, 3, 9, 9)] == [1, 3, 2, 0]


def test_what_came_before_a_failure_is_given_out_first() -> None:
    read = Batches(torn(3), stopped)
    assert [each.covers for each in read.several(9)] == ["0", "1", "2"]
    for _ in range(2):
        with pytest.raises(StoppedResumable):
            read.several(9)
    with pytest.raises(StoppedResumable):
        Batches(torn(0), stopped).several(1)


def test_of_a_slow_source_one_is_read_at_a_time() -> None:
    clock = [0.0]

    def slowly() -> Iterator[Batch]:
        for n in range(3):
            clock[0] += 2 * MOMENT_S
            yield batch([n])

    read = Batches(slowly(), lambda: clock[0])
    assert [len(read.several(20)) for _ in range(4)] == [1, 1, 1, 0]
