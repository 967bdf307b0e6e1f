"""Somebody else's calls on the same account, at an even pace. Pure: time is handed in.

Law: how many have come depends on the clock alone, never on how often somebody looks, so no
timer is needed: they are worked out when a call of ours arrives or the books are read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST = 200.0
"""Calls a second: an hour of them that nobody looked at is worked out within a second."""


class Others:
    """`rate` is in calls a second; their first call comes 1 / rate seconds after `since`."""

    def __init__(self, rate: float, since: float) -> None:
        self.admitted = 0
        self.refused = 0
        self.rate = rate
        self._since = since
        self._come = 0  # since then

    def change(self, rate: float, now: float) -> None:
        """Another pace from now on."""
        self.rate = rate
        self._since = now
        self._come = 0

    def until(self, now: float) -> Iterator[float]:
        """When each of their calls arrived that nobody has heard of yet, in order."""
        if self.rate <= 0:
            return
        # By number, not by adding gaps: those sums drift.
        while (at := self._since + (self._come + 1) / self.rate) <= now:
            self._come += 1
            yield at
