"""Who may be poison goes behind the rest: few at a time, ever more seldom, in bounded memory."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from bulkload.pipeline import quarantine
from bulkload.pipeline.loads import Load
from bulkload.pipeline.quarantine import Quarantine
from tests.clock import run_virtual
from tests.making import batch

WORKERS = 8


class Hands:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def held(*loads: Load, workers: int = WORKERS) -> tuple[Quarantine, Hands]:
    hands = Hands()
    found = Quarantine(hands, Random(1), workers)
    for load in loads:
        found.add(load)
    return found, hands


def struck(number: int, strikes: int = 2) -> Load:
    return Load(batch([number]), strikes=strikes)


def split_off(number: int) -> Load:
    return Load(batch([number]), narrowed=1)


@pytest.mark.parametrize(("workers", "few"), [(1, 1), (4, 1), (8, 2), (20, 5)])
def test_a_quarter_of_the_workers_at_most_is_taken_from_the_rest(workers: int, few: int) -> None:
    found, _ = held(*map(split_off, range(20)), workers=workers)
    taken = [found.take(last=False) for _ in range(few + 1)]
    assert None not in taken[:-1]
    assert taken[-1] is None
    found.done()
    assert found.take(last=False) is not None


def test_where_nothing_else_is_left_all_may_go() -> None:
    found, _ = held(*map(split_off, range(20)))
    assert None not in [found.take(last=True) for _ in range(20)]


def test_what_failed_waits_longer_each_time_and_what_was_split_off_does_not() -> None:
    found, hands = held(split_off(0))
    taken = found.take(last=True)
    assert taken is not None
    assert found.take(last=True) is None

    def longest(strikes: int) -> float:
        waits = []
        for number in range(50):
            found.add(struck(number, strikes))
            began = hands.now
            while found.take(last=True) is None:
                hands.now += 0.05
            waits.append(hands.now - began)
        return max(waits)

    few, more, many = longest(1), longest(4), longest(30)
    assert few <= 0.6 < more <= 4.1 < many <= 30.1


def test_the_one_that_is_due_first_goes_first() -> None:
    found, hands = held()
    for number, delay in enumerate((30.0, 10.0, 20.0)):
        found.add(struck(number), delay)
    hands.now += 100
    order = [found.take(last=True) for _ in range(3)]
    assert [load.batch.entries[0].ordinal for load in order if load] == [1, 2, 0]


def test_records_that_wait_for_their_last_look_stop_no_reading() -> None:
    found, _ = held()
    for number in range(1000):
        found.add(struck(number), 135.0)
    assert not found.crowded


def test_more_than_memory_allows_stops_the_reading_until_it_is_less(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(quarantine, "MOST_BYTES", 10_000)
    found, _ = held(*map(split_off, range(4)))
    crowded = [found.crowded]
    found.add(split_off(4))
    crowded.append(found.crowded)  # each weighs two thousand bytes and its body
    found.take(last=True)
    crowded.append(found.crowded)
    assert crowded == [False, True, False]


def test_it_is_empty_when_the_last_is_done_not_when_it_is_taken() -> None:
    found, _ = held(split_off(0))
    found.take(last=False)
    assert not found.empty
    found.done()
    assert found.empty


def test_who_waits_is_woken_when_one_is_due() -> None:
    async def waited() -> float:
        clock = asyncio.get_running_loop().time
        found = Quarantine(clock, Random(1), WORKERS)
        began = clock()
        found.add(struck(0), 12.0)
        while found.take(last=False) is None:
            await found.change()
        return clock() - began

    assert 12.0 <= run_virtual(waited()) < 12.1


def test_who_waits_for_another_to_be_done_does_not_spin() -> None:
    async def looked() -> int:
        clock = asyncio.get_running_loop().time
        found = Quarantine(clock, Random(1), 4)
        found.add(split_off(0))
        found.add(split_off(1))
        assert found.take(last=False) is not None
        asyncio.get_running_loop().call_later(60.0, found.done)
        looks = 0
        while found.take(last=False) is None:
            looks += 1
            await found.change()
        return looks

    assert run_virtual(looked()) == 1
