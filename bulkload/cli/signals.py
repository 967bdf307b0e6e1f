"""Ctrl-C, SIGTERM and SIGHUP (its terminal is gone): the first ends a command in order, the second
at once.

Law kept here: one wish is one signal, however often it arrives: `timeout` signals the command and
then its group, a terminal all that runs in it, and who wraps the command passes on what it got.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ENDING = {
    number: name
    for shown, name in (("SIGINT", "Ctrl-C"), ("SIGTERM", "SIGTERM"), ("SIGHUP", "SIGHUP"))
    if (number := getattr(signal, shown, None)) is not None  # not all systems have all
}

SAME_S = 0.5
"""What comes sooner after the first is the first, by another way."""


def listen(
    interrupt: asyncio.Event, first: Callable[[str], None], again: Callable[[str], None]
) -> None:
    """In the running loop, from now on. `first` and `again` say so; they are given its name."""
    loop, told = asyncio.get_running_loop(), Told(interrupt, first, again)
    for number, name in ENDING.items():
        with suppress(NotImplementedError):
            if name != "SIGHUP" or signal.getsignal(number) is not signal.SIG_IGN:  # by nohup
                loop.add_signal_handler(number, told, name)


def early() -> None:
    """Until then: a wish to end raises KeyboardInterrupt, whichever it is."""
    for number in ENDING:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)


def over() -> None:
    """The command has ended, and its exit code is what it says: nobody is listened to any more."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


class Told:
    """What a signal does. Nobody has to listen to what is said of it."""

    def __init__(
        self,
        interrupt: asyncio.Event,
        first: Callable[[str], None],
        again: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._interrupt, self._first, self._again = interrupt, first, again
        self._clock = clock
        self._at = 0.0

    def __call__(self, name: str) -> None:
        if not self._interrupt.is_set():
            self._at = self._clock()
            self._interrupt.set()
            with suppress(OSError):
                self._first(name)
        elif self._clock() - self._at >= SAME_S:
            with suppress(OSError):
                self._again(name)
            # The journal is durable at every instant: nothing is gained by unwinding.
            os._exit(3)
