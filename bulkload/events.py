"""What an observer is told. Frozen values, sent after the fact is durable.

Law kept here: written before said. An observer gets events, in the loop that loads and so not to
block it, and can't stop a load; what it raises is logged once and it is told no more.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bulkload.errors import RefusedToStart

if TYPE_CHECKING:
    from bulkload.zone import Zone

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Started:
    """The run is open. `expected` bytes lie in its sources, where that is known; `most` records of
    them are read, where that was asked for.
    """

    run: str
    directory: str
    expected: int | None
    already: int = 0
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """A line for a person: a warning, or what was decided and why."""

    text: str


@dataclass(frozen=True, slots=True)
class Answered:
    """A request ended: its status (0: no answer) and how long it was under way, in seconds."""

    status: int
    seconds: float
    retry: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """Records whose outcome is durable. `consumed` is how far into the sources, in bytes."""

    loaded: int = 0
    existing: int = 0
    dead_lettered: int = 0
    in_doubt: int = 0
    skipped: int = 0
    batches: int = 0
    consumed: int = 0


@dataclass(frozen=True, slots=True)
class Held:
    """New calls wait: for `seconds` (None: until the remote answers again), and why."""

    seconds: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class Released:
    """New calls go out again."""


@dataclass(frozen=True, slots=True)
class Waited:
    """A call waited this long, in seconds, for the rate limit."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Today:
    """The day's calls as they stand: `left` may go before `resets_at` (epoch seconds), `a_day` on
    a full day (None: not known). `stops_at`: the count that stops it, the account's or our share.
    """

    left: int
    stops_at: int | None
    a_day: int | None
    resets_at: float
    zone: Zone


@dataclass(frozen=True, slots=True)
class Quota:
    """The day's calls are used up: none goes before `until` (epoch seconds). Told at each look."""

    until: float
    words: str


@dataclass(frozen=True, slots=True)
class Renewed:
    """The day's calls are there again: the wait that `Quota` told of is over."""


Event = Started | Said | Answered | Settled | Held | Released | Waited | Today | Quota | Renewed
Observer = Callable[[Event], None]


def check(observer: object) -> None:
    """Raises RefusedToStart where it could not be told anything."""
    name = getattr(observer, "__qualname__", type(observer).__qualname__)
    if not callable(observer):
        raise RefusedToStart(f"observer {name}: can't be called")
    if any(map(inspect.iscoroutinefunction, (observer, type(observer).__call__))):
        raise RefusedToStart(
            f"observer {name}: is async, and an observer is called and not awaited. Give a plain "
            "function: it may put what it is told into an asyncio.Queue, or create a task"
        )


class Announcer:
    """Tells every observer; drops one that raises."""

    def __init__(self, observers: tuple[Observer, ...] = ()) -> None:
        self._observers = list(observers)

    def __call__(self, event: Event) -> None:
        for observer in tuple(self._observers):
            try:
                observer(event)
            except (Exception, asyncio.CancelledError):  # nobody cancelled us by that
                log.exception("an observer failed and is told no more")
                self._observers.remove(observer)
