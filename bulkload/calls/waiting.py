"""Work that the end of a run cuts short.

Law kept here: who gives up waits for nothing more: what was begun is taken back before it is left.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Pause = Callable[[float], Awaitable[None]]

V = TypeVar("V")


async def unless_over(pause: Pause, work: Awaitable[V]) -> V:
    """What `work` says, unless the run ends before it is done."""
    working = asyncio.ensure_future(work)
    ends = asyncio.ensure_future(_ever(pause))
    try:
        await asyncio.wait((working, ends), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            await ends  # raises
        return await working
    finally:
        working.cancel()
        ends.cancel()
        await asyncio.gather(working, ends, return_exceptions=True)


async def _ever(pause: Pause) -> None:
    while True:
        await pause(3600.0)
