"""One wish to end is one signal, however often it arrives."""

from __future__ import annotations

import asyncio

import pytest

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
