"""A virtual clock: a loop whose time jumps to the next timer. Nothing sleeps.

The clock moves on a hair in each turn: aiolimiter livelocks if it stands still between them.
"""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

    T = TypeVar("T")

HAIR_S = 1e-9


class _Jump(selectors.SelectSelector):
    """Waits for nothing: what it would have waited is added to the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if timeout is None and not ready:
            raise RuntimeError("everybody waits and no timer is set")
        self.now += HAIR_S + (0.0 if ready else max(timeout or 0.0, 0.0))
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """No threads and no sockets in here: the clock can't see them."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.now


def run_virtual(coro: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run` under the virtual clock."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(coro)
