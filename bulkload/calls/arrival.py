"""Pure: by when a call had surely arrived, as its answer and others' show it. Time is handed in.

An answer that says how long the remote worked shows that its call had arrived so long before the
answer came. How long that was on its way back is lost, unless the clocks can be compared: the
answer that came back soonest of late shows best how far they are apart.

Law kept here: never before it really arrived, nor before it was sent. Clocks drift and are set, and
a remote has many: a comparison is believed for a short time, and not at all for a while once it
says of a call that it arrived before it was sent.
"""

from __future__ import annotations

import math

BELIEVED_S = 20.0
"""A comparison is forgotten after one to two times this: clocks drift by less than 1 ms then."""

DOUBTED_S = 60.0
GRAIN_S = 0.002
"""The remote's times are cut to milliseconds."""

APART_S = 0.02
"""So far the clocks of one remote may be apart without its showing: a slot comes back later."""


class Arrival:
    """One for the run."""

    def __init__(self) -> None:
        self._ahead = self._earlier = -math.inf  # the remote's clock before ours, at least
        self._since = -math.inf
        self._doubted_until = -math.inf

    def by(self, sent: float, received: float, worked: float, completed: float | None) -> float:
        """Our time, for a call that left at `sent` and whose answer was read at `received`.

        `worked`: seconds, 0 if it is not said. `completed`: the end of the work by the remote's
        clock, in seconds.
        """
        latest = max(received - worked, sent)
        if completed is None or not worked:
            return latest
        if (old := received - self._since) > BELIEVED_S:
            self._earlier = self._ahead if old <= 2 * BELIEVED_S else -math.inf
            self._ahead, self._since = -math.inf, received
        self._ahead = max(self._ahead, completed - received)
        shown = completed - worked - max(self._ahead, self._earlier)
        if shown < sent - GRAIN_S:
            self._ahead = self._earlier = -math.inf
            self._doubted_until = received + DOUBTED_S
        if received < self._doubted_until:
            return latest
        return min(max(shown + APART_S, sent), latest)
