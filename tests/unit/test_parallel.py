"""Groups in processes of their own: in order, bounded, and a death costs one record."""

from __future__ import annotations

import os
import signal
import threading
from itertools import count, islice
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkload.errors import StoppedResumable
from bulkload.processes import child, parallel
from bulkload.processes.parallel import GROUP_BYTES, GROUP_RECORDS, Pool, grouped, processes
from tests.working import Item, lost, work

if TYPE_CHECKING:
    from collections.abc import Iterator


def answers(groups: list[list[Item]], processes: int = 2, deadline_s: float = 30.0) -> list[int]:
    """The numbers of the records that were lost; all the others are where they belong."""
    missing = []
    with Pool(work, lost, processes=processes, deadline_s=deadline_s) as pool:
        done = list(pool.map(groups))
    assert [items for items, _ in done] == groups
    for items, found in done:
        assert [number for number, _, _ in found] == [item.number for item in items]
        for item, (_, kind, content) in zip(items, found, strict=True):
            assert len(content) == item.size
            if kind == "lost":
                missing.append(item.number)
            else:
                assert kind == item.kind
    return missing


def numbered(sizes: list[int], kinds: dict[int, str] | None = None) -> list[list[Item]]:
    numbers = count()
    kinds = kinds or {}
    return [[Item(n, kinds.get(n, "")) for n in islice(numbers, size)] for size in sizes]


@given(st.lists(st.integers(1, 3 * GROUP_BYTES), max_size=200))
def test_groups_hold_everything_in_order_and_are_bounded(sizes: list[int]) -> None:
    each = list(enumerate(sizes))
    groups = list(grouped(each, lambda one: one[1]))
    assert [one for group in groups for one in group] == each
    for group in groups:
        assert 1 <= len(group) <= GROUP_RECORDS
        assert sum(size for _, size in group[:-1]) < GROUP_BYTES


@settings(max_examples=8)
@given(st.lists(st.integers(1, 5), max_size=30), st.integers(1, 3))
def test_answers_come_in_the_order_of_the_groups(sizes: list[int], processes: int) -> None:
    assert answers(numbered(sizes), processes) == []


@pytest.mark.parametrize("kind", ["kill", "memory"])
def test_a_process_that_dies_costs_the_record_that_it_died_of(kind: str) -> None:
    groups = numbered([4] * 12, {0: kind, 21: kind, 22: kind, 47: kind})
    assert answers(groups) == [0, 21, 22, 47]


def test_a_process_that_hangs_costs_the_record_that_it_hangs_on() -> None:
    assert answers(numbered([3, 3, 3], {4: "hang"}), deadline_s=0.2) == [4]


def test_what_the_work_raises_is_told_and_costs_no_record() -> None:
    """It is a mistake of ours: made into a dead letter, nobody would ever see it."""
    with pytest.raises(RuntimeError, match="no record of ours"):
        answers(numbered([2, 2], {3: "raise"}))


def test_what_is_printed_is_no_answer() -> None:
    assert answers(numbered([2, 2], {1: "print"})) == []


def test_large_groups_and_large_answers_block_nobody() -> None:
    groups = [
        [Item(n, "x" * 300_000, 300_000) for n in range(at, at + 2)] for at in range(0, 24, 2)
    ]
    assert answers(groups) == []


def test_a_process_killed_from_outside_costs_nothing() -> None:
    """Its group is done again: only a record that ends its process a second time is lost."""
    groups = numbered([3] * 40)
    found: list[int] = []
    with Pool(work, lost, processes=2) as pool:
        for nth, (_, done) in enumerate(pool.map(groups)):
            found += [number for number, kind, _ in done if kind == ""]
            if nth in (5, 20):
                os.kill(pool.pids[0], signal.SIGKILL)
    assert found == list(range(120))


def test_no_more_is_taken_than_can_be_under_way() -> None:
    taken = 0

    def groups() -> Iterator[list[Item]]:
        nonlocal taken
        for number in count():
            taken += 1
            yield [Item(number)]

    with Pool(work, lost, processes=2) as pool:
        stream = pool.map(groups())
        for _ in range(10):
            next(stream)
        assert taken <= 10 + 2 * parallel.AHEAD * 2
        pids = pool.pids
        assert len(pids) == 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_pool_is_closed_while_another_thread_waits_for_it() -> None:
    """A load that fails ends its pool in one thread while another one reads."""
    stopped: list[Exception] = []
    pool = Pool(work, lost, processes=2)
    begun = threading.Event()

    def groups() -> Iterator[list[Item]]:
        yield [Item(0)]
        begun.set()
        yield [Item(1, "hang")]

    def read() -> None:
        try:
            list(pool.map(groups()))
        except StoppedResumable as error:
            stopped.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    assert begun.wait(60)
    pool.close()
    reader.join(60)
    assert not reader.is_alive()
    assert len(stopped) == 1


def test_bytes_under_way_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "MOST_BYTES", 1000)
    taken: list[int] = []

    def groups() -> Iterator[list[Item]]:
        for number in range(20):
            taken.append(number)
            yield [Item(number, "x" * 600)]

    with Pool(work, lost, processes=3) as pool:
        for nth, _ in enumerate(pool.map(groups())):
            assert len(taken) <= nth + 3


def test_a_pool_that_cannot_begin_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "_START", "raise SystemExit(3)")
    with (
        Pool(work, lost, processes=1) as pool,
        pytest.raises(StoppedResumable, match="ended before it began"),
    ):
        list(pool.map(numbered([1])))


def test_a_pool_without_a_python_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with (
        Pool(work, lost, processes=1) as pool,
        pytest.raises(StoppedResumable, match="can't be started"),
    ):
        list(pool.map(numbered([1])))


def test_small_sources_are_worth_one_process() -> None:
    assert processes(None, 1000) == 1
    assert processes(3, 1000) == 3
    assert processes(None, None) >= 1
