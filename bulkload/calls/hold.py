"""The gate before every create: open, held for a time, shut while the remote is down.

Laws kept here: the remote's trouble is not the record's, so trouble shuts the gate for
everybody instead of costing anyone an attempt; after an outage one create goes first, and
no more than that one can come into doubt if the remote is not well yet.

    open ── hold(s) ──▶ open again after s, or trial after s (one_first)
    open ── fail ──▶ down ── answered (a read came back) ──▶ trial ── succeed ──▶ open
                      ▲────────────────── fail ────────────────┘
                     down ── answered (to a blip) ──▶ open
    any ── shut ──▶ shut (a drain: nothing new starts)

After a long outage it opens in steps: each success lets one more be under way.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from math import inf
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

Pass = Literal["normal", "trial"]


class Drained(Exception):  # noqa: N818  # not an error: the run ends in good order
    """Nothing new may start."""


class Gate:
    """One for the run. Decides synchronously; only the waits are coroutines.

    `widest`: so many creates may be under way when it is wide open. `idle`: seconds so far in which
    no call might leave for another reason than trouble (`Traffic.idle_s`).
    """

    def __init__(
        self,
        clock: Callable[[], float],
        widest: int = 1,
        idle: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._clock = clock
        self._idle = idle
        self._widest = widest
        self._wide: int | None = None  # None: as many as there are workers
        self._under_way = self._reads = 0
        self._until = 0.0
        self._state: Literal["open", "down", "trial", "trying"] = "open"
        self._shut = False
        self._since: float | None = None  # by `_busy`
        self._changed = asyncio.Event()
        self.successes = 0
        self.falls = 0
        self._judged_before = -1  # how many successes there were when it fell last
        self._went_since = False  # whether there was one between its last two falls

    async def wait(self) -> None:
        """Until a create may go. Raises Drained."""
        while True:
            if self._shut:
                raise Drained
            if self._state in ("down", "trying") or self._narrow:
                await self._change(None)
            elif (left := self._until - self._clock()) > 0:
                await self._change(left)
            else:
                return

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        """Wait until a read may go, and go: not while the remote is down, when one asks for all.

        Reads go beside the create that tries the remote, since what they settle need not be sent;
        until the gate is wide open no more of them at a time than creates. Raises Drained.
        """
        while True:
            if self._shut:
                raise Drained
            if self._state == "down" or self._reads >= self._readers:
                await self._change(None)
            elif (left := self._until - self._clock()) > 0:
                await self._change(left)
            else:
                break
        self._reads += 1
        try:
            yield
        finally:
            self._reads -= 1
            if self._readers < inf:
                self._notify()

    def enter(self) -> Pass | None:
        """The check after slot and pace: None where the gate shut meanwhile.

        Who gets a pass calls `leave` when the create has ended, however it did.
        """
        waits = self._shut or self._state in ("down", "trying") or self._narrow
        if waits or self._until > self._clock():
            return None
        self._under_way += 1
        if self._state == "trial":
            self._state = "trying"
            return "trial"
        return "normal"

    def leave(self) -> None:
        """A create that had a pass has ended."""
        self._under_way -= 1
        if self._wide is not None:
            self._notify()

    @property
    def is_open(self) -> bool:
        """Whether nothing is known against the remote now."""
        return self._state == "open" and self._until <= self._clock()

    @property
    def closed(self) -> bool:
        """Whether an intent that is written but not sent yet must be withdrawn."""
        return self._shut or self._state != "open" or self._until > self._clock()

    def tries(self, falls: int) -> bool:
        """Whether the create that was let through as a trial, when the gate had fallen so often,
        is still the one that tries the remote.
        """
        return self._state == "trying" and self.falls == falls

    def withdrawn(self, falls: int) -> bool:
        """What `closed` is for others: the gate fell again since, or was told to wait."""
        return self._shut or not self.tries(falls) or self._until > self._clock()

    def hold(self, seconds: float, *, trial: bool = False, one_first: bool = False) -> bool:
        """Everybody waits. True where this made the wait longer.

        `trial`: it was said to the create that tried; said to a late one, that one still tries.
        `one_first`: when the wait is over, one create goes alone.
        """
        self._trouble()
        until = self._clock() + seconds
        if (trial and self._state == "trying") or (one_first and self._state == "open"):
            self._state, self._wide = "trial", None
        longer = until > self._until
        self._until = max(self._until, until)
        self._notify()
        return longer

    def turned_away(self, *, trial: bool) -> None:
        """The remote is well and takes nothing now: the day is used up, or the token ended.

        Whoever waits for that waits elsewhere; then one create goes alone.
        """
        if self._state != "down":  # there the trouble goes on
            self._since = None
        if self._state == "open" or (trial and self._state == "trying"):
            self._state, self._wide = "trial", None
        self._notify()

    def fail(self, falls: int | None = None) -> bool:
        """A doubtful answer or none. True: the caller is the one that probes.

        `falls`: how often the gate had fallen when the call left. Where it fell since, the
        failure tells what is known.
        """
        if falls is not None and falls != self.falls:
            return False
        self._trouble()
        if self._state == "down":
            return False
        self._state, self._wide = "down", None
        self.falls += 1
        self._went_since = self.successes > self._judged_before
        self._judged_before = self.successes
        self._notify()
        return True

    def answered(self, *, blip: bool = False) -> bool:
        """A probe came back: one create may try.

        `blip`: the first that was asked; where creates had gone through since the gate fell the
        time before, all may go at once. True: they do.
        """
        if self._state != "down":
            return False
        at_once = blip and self._went_since
        self._state = "open" if at_once else "trial"
        self._notify()
        return at_once

    def untried(self) -> None:
        """The create that was to try never left: another may."""
        if self._state == "trying":
            self._state = "trial"
            self._notify()

    def succeed(self, *, trial: bool, steps: bool = False) -> None:
        """The remote judged a batch. Only the create that tried opens a gate that was shut.

        `steps`: it opens by and by.
        """
        self.successes += 1
        if trial or self._state == "open":
            self._since = None
        if trial and self._state == "trying":
            self._state, self._wide = "open", 2 if steps else None
            self._notify()
        elif self._wide is not None:
            self._wide = self._wide + 1 if self._wide + 1 < self._widest else None
            self._notify()

    def shut(self) -> None:
        """Drain: whoever waits gets Drained."""
        self._shut = True
        self._notify()

    def go_on(self) -> None:
        """Raises Drained where nothing new may start."""
        if self._shut:
            raise Drained

    @property
    def is_shut(self) -> bool:
        return self._shut

    def down_for(self) -> float:
        """Seconds since the trouble began that no success has ended, those aside in which nobody
        could have called; 0 if there is none.
        """
        return 0.0 if self._since is None else self._busy - self._since

    def excuse(self, seconds: float) -> None:
        """The one that probes waited so long for a slot: what the remote is like was not asked."""
        if self._since is not None:
            self._since += seconds

    async def pause(self, seconds: float) -> None:
        """Sleep, cut short by a drain. Raises Drained."""
        end = self._clock() + seconds
        while (left := end - self._clock()) > 0:
            if self._shut:
                raise Drained
            await self._change(left)
        if self._shut:
            raise Drained

    @property
    def _narrow(self) -> bool:
        return self._wide is not None and self._under_way >= self._wide

    @property
    def _readers(self) -> float:
        if self._state != "open":
            return 1
        return inf if self._wide is None else self._wide

    def _trouble(self) -> None:
        if self._since is None:
            self._since = self._busy

    @property
    def _busy(self) -> float:
        """A clock that stands still while the day is used up, or there is no token."""
        return self._clock() - self._idle()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _change(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            pass
