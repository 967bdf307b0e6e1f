"""The gate: trouble shuts it for everybody, one asks, one tries, then all go."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.calls.hold import Drained, Gate
from tests.clock import run_virtual

if TYPE_CHECKING:
    from collections.abc import Callable


class Hands:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def gate() -> tuple[Gate, Hands]:
    hands = Hands()
    return Gate(hands), hands


def test_an_open_gate_lets_everybody_through() -> None:
    opened, _ = gate()
    assert [opened.enter() for _ in range(3)] == ["normal"] * 3
    assert not opened.closed


def test_a_hold_ends_by_itself_and_the_longest_counts() -> None:
    held, hands = gate()
    assert held.hold(5)
    assert not held.hold(3)
    assert held.enter() is None
    assert held.closed
    hands.now += 4.9
    assert held.enter() is None
    hands.now += 0.2
    assert held.enter() == "normal"


def test_the_first_to_fail_probes_and_nobody_else() -> None:
    down, _ = gate()
    assert [down.fail() for _ in range(4)] == [True, False, False, False]
    assert down.enter() is None


def test_after_an_answer_one_goes_first_and_then_all() -> None:
    down, _ = gate()
    down.fail()
    down.answered()
    assert [down.enter(), down.enter()] == ["trial", None]
    down.succeed(trial=True)
    assert [down.enter(), down.enter()] == ["normal", "normal"]


def test_a_trial_that_fails_is_probed_for_again() -> None:
    down, _ = gate()
    down.fail()
    down.answered()
    down.enter()
    assert down.fail()
    assert down.enter() is None
    down.answered()
    assert down.enter() == "trial"


def test_a_trial_that_never_left_is_anothers() -> None:
    down, _ = gate()
    down.fail()
    down.answered()
    assert down.enter() == "trial"
    down.untried()
    assert down.enter() == "trial"


def test_a_trial_that_is_told_to_wait_tries_again_after_it() -> None:
    down, hands = gate()
    down.fail()
    down.answered()
    down.enter()
    down.hold(2, trial=True)
    assert down.enter() is None
    hands.now += 2.1
    assert [down.enter(), down.enter()] == ["trial", None]


def test_a_late_hold_does_not_let_a_second_one_try() -> None:
    down, hands = gate()
    down.fail()
    down.answered()
    assert down.enter() == "trial"
    down.hold(2)
    hands.now += 3
    assert down.enter() is None
    down.succeed(trial=True)
    assert down.enter() == "normal"


def test_a_late_success_does_not_open_a_gate_that_is_down() -> None:
    down, _ = gate()
    down.fail()
    down.succeed(trial=False)
    assert down.enter() is None
    assert down.successes == 1


def test_a_late_failure_during_a_trial_shuts_the_gate_and_makes_its_own_prober() -> None:
    down, _ = gate()
    down.fail()
    down.answered()
    down.enter()
    assert down.fail()
    down.succeed(trial=True)
    assert down.enter() is None, "its prober has not heard from the remote yet"
    down.answered()
    assert down.enter() == "trial"


def test_an_outage_is_timed_from_the_first_trouble_to_the_next_success() -> None:
    timed, hands = gate()
    assert timed.down_for() == 0
    timed.hold(1)
    hands.now += 10
    timed.fail()
    hands.now += 10
    assert timed.down_for() == 20
    timed.answered()
    assert timed.down_for() == 20, "a read that is answered makes no record"
    timed.enter()
    timed.succeed(trial=True)
    assert timed.down_for() == 0


def test_a_late_success_does_not_end_an_outage() -> None:
    timed, hands = gate()
    timed.fail()
    hands.now += 10
    timed.succeed(trial=False)
    assert timed.down_for() == 10


def test_who_is_turned_away_is_in_no_trouble_and_one_goes_first_afterwards() -> None:
    away, hands = gate()
    away.hold(1)
    hands.now += 2
    away.turned_away(trial=False)
    assert away.down_for() == 0
    assert [away.enter(), away.enter()] == ["trial", None]
    away.turned_away(trial=False)  # said to a late one: that one still tries
    assert away.enter() is None
    away.turned_away(trial=True)
    assert away.enter() == "trial"


def test_who_is_turned_away_late_ends_no_outage() -> None:
    down, hands = gate()
    down.fail()
    hands.now += 10
    down.turned_away(trial=False)
    assert down.down_for() == 10
    assert down.enter() is None


MOVES: dict[str, Callable[[Gate], Any]] = {
    "fail": Gate.fail,
    "answered": Gate.answered,
    "untried": Gate.untried,
    "hold": lambda g: g.hold(1),
    "held": lambda g: g.hold(1, trial=True),
    "late": lambda g: g.succeed(trial=False),
    "turned away": lambda g: g.turned_away(trial=False),
    "tried and turned away": lambda g: g.turned_away(trial=True),
    "trial": lambda g: g.succeed(trial=True),
    "enter": Gate.enter,
}


@given(st.lists(st.sampled_from([*MOVES, "time"])))
def test_whatever_happens_the_gate_can_open_again(moves: list[str]) -> None:
    found, hands = gate()
    for move in moves:
        if move == "time":
            hands.now += 0.5
        else:
            MOVES[move](found)
    hands.now += 10
    found.answered()
    found.untried()
    assert found.enter() is not None
    found.succeed(trial=True)
    assert [found.enter(), found.enter()] == ["normal", "normal"]


@given(st.lists(st.sampled_from(["enter", "late", "time", "answered"])))
def test_between_an_outage_and_its_end_only_one_goes(moves: list[str]) -> None:
    found, hands = gate()
    found.fail()
    passes = []
    for move in moves:
        if move == "time":
            hands.now += 100
        elif move == "enter":
            passes.append(found.enter())
        else:
            MOVES[move](found)
    assert passes.count("trial") <= 1
    assert "normal" not in passes


def test_everybody_waits_and_all_are_woken_once_it_opens() -> None:
    async def waiting() -> list[str]:
        found = Gate(asyncio.get_running_loop().time)
        found.fail()
        passed: list[str] = []

        async def one() -> None:
            while True:
                await found.wait()
                if (way := found.enter()) is not None:
                    passed.append(way)
                    break
            if way == "trial":
                await asyncio.sleep(3)
                found.succeed(trial=True)

        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(one())
            await asyncio.sleep(10)
            assert not passed
            found.answered()
            await asyncio.sleep(1)
            assert passed == ["trial"]
        return passed

    assert run_virtual(waiting()) == ["trial", *["normal"] * 4]


@pytest.mark.parametrize("state", ["down", "held", "trying"])
def test_a_drain_wakes_everybody(state: str) -> None:
    async def drained() -> list[BaseException | None]:
        found = Gate(asyncio.get_running_loop().time)
        if state == "held":
            found.hold(1e6)
        else:
            found.fail()
        if state == "trying":
            found.answered()
            found.enter()
        waiting = [asyncio.ensure_future(found.wait()) for _ in range(5)]
        waiting.append(asyncio.ensure_future(found.pause(1e6)))
        await asyncio.sleep(1)
        found.shut()
        return await asyncio.gather(*waiting, return_exceptions=True)

    assert [type(found) for found in run_virtual(drained())] == [Drained] * 6


def test_after_a_drain_nothing_starts() -> None:
    async def shut() -> None:
        found = Gate(asyncio.get_running_loop().time)
        found.shut()
        assert found.enter() is None
        assert found.closed
        with pytest.raises(Drained):
            await found.wait()
        with pytest.raises(Drained):
            await found.pause(0)

    run_virtual(shut())


def test_a_pause_outlasts_other_news() -> None:
    async def paused() -> float:
        loop = asyncio.get_running_loop()
        found = Gate(loop.time)
        began = loop.time()
        loop.call_later(1, found.fail)
        await found.pause(5)
        return loop.time() - began

    assert 5 <= run_virtual(paused()) < 5.01
