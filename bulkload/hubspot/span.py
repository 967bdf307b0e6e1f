"""When a call may be carried out, by the remote's clock: from when on, and until when.

Law kept here: what the remote dates before or behind it is nobody's work but another's: it is never
called ours, and so never undone. The bounds are wide: what may be ours is not forgotten.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from bulkload.hubspot.remoteclock import RemoteClock

LEEWAY_S = 60.0
"""From the moment at which a call was written down until it leaves, and for clocks that drift."""


class Span(NamedTuple):
    """In seconds since the epoch."""

    since: float
    until: float

    def holds(self, moment: float | None) -> bool:
        return moment is not None and self.since <= moment <= self.until


NEVER = Span(math.inf, -math.inf)
"""Where the remote's clock is not known, nothing can be told to be made by a call."""


def leaving(remote: RemoteClock, quiet_s: float) -> Span | None:
    """Of a call that leaves about now; None where the remote's clock is not known. `quiet_s`: so
    long after its beginning one may still be carried out.
    """
    since, most = remote.at_least(), remote.at_most()
    if since is None or most is None:
        return None
    return Span(since, most + quiet_s + LEEWAY_S)
