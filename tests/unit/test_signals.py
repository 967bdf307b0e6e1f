"""One wish to end is one signal, however often it arrives."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from bulkload.cli import signals
from bulkload.cli.signals import SAME_S, Told


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_what_comes_at_once_after_the_first_is_the_first_and_a_later_one_aborts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def end(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr("os._exit", end)
    clock, said, interrupt = Clock(), list[str](), asyncio.Event()
    told = Told(
        interrupt,
        lambda name: said.append(f"{name} first"),
        lambda name: said.append(f"{name} again"),
        clock,
    )
    told("SIGTERM")
    assert interrupt.is_set()
    told("SIGTERM")  # to the group
    clock.now += SAME_S / 2
    told("Ctrl-C")
    assert said == ["SIGTERM first"]
    clock.now += SAME_S
    with pytest.raises(SystemExit, match="3"):
        told("Ctrl-C")
    assert said == ["SIGTERM first", "Ctrl-C again"]


def test_nobody_has_to_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(name: str) -> None:
        raise BrokenPipeError(name)

    ended: list[int] = []
    monkeypatch.setattr("os._exit", ended.append)
    clock, interrupt = Clock(), asyncio.Event()
    told = Told(interrupt, closed, closed, clock)
    told("SIGTERM")
    assert interrupt.is_set()
    clock.now += SAME_S
    told("SIGTERM")
    assert ended == [3]


@pytest.mark.parametrize(("before", "ends"), [(signal.SIG_DFL, True), (signal.SIG_IGN, False)])
def test_a_terminal_that_goes_away_ends_it_in_order_unless_by_nohup(
    before: signal.Handlers, ends: bool
) -> None:
    async def told() -> bool:
        interrupt = asyncio.Event()
        signals.listen(interrupt, lambda _: None, lambda _: None)
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0.01)
        return interrupt.is_set()

    held = {number: signal.getsignal(number) for number in signals.ENDING}
    signal.signal(signal.SIGHUP, before)
    try:
        assert asyncio.run(told()) is ends
    finally:
        for number, was in held.items():
            signal.signal(number, was)


def test_a_signal_before_anything_runs_ends_it_as_ctrl_c_does() -> None:
    held = {number: signal.getsignal(number) for number in signals.ENDING}
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        signals.early()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        for number, was in held.items():
            signal.signal(number, was)
