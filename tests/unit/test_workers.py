"""A run is at its end when all its workers are, and none was cancelled on the way."""

from __future__ import annotations

import asyncio

import pytest

from bulkload.errors import StoppedResumable
from bulkload.pipeline.workers import all_done
from tests.clock import run_virtual


async def rests(seconds: float, ended: list[float]) -> None:
    await asyncio.sleep(seconds)
    ended.append(seconds)


async def cancels_itself() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(0)


async def fails() -> None:
    await asyncio.sleep(1)
    raise OSError("no")


def test_all_come_to_their_end() -> None:
    ended: list[float] = []
    run_virtual(all_done(rests(seconds, ended) for seconds in (3, 1, 2)))
    assert ended == [1, 2, 3]


def test_one_that_fails_ends_the_others_with_its_own_error() -> None:
    ended: list[float] = []
    with pytest.raises(OSError, match="no"):
        run_virtual(all_done([rests(2, ended), fails()]))
    assert ended == []


def test_one_that_was_cancelled_is_no_end_though_the_others_come_to_theirs() -> None:
    ended: list[float] = []
    with pytest.raises(StoppedResumable, match="a worker was cancelled"):
        run_virtual(all_done([rests(2, ended), cancels_itself()]))
    assert ended == [2]


def test_who_is_cancelled_with_them_is_cancelled() -> None:
    async def cancelled() -> None:
        async with asyncio.timeout(1):
            await all_done([rests(2, [])])

    with pytest.raises(TimeoutError):
        run_virtual(cancelled())
