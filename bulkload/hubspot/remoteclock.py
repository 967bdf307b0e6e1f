"""The remote's clock, as far as its answers show it: two bounds, never a guess.

An answer was written after its call was sent and before it arrived. What it shows is carried on
with our monotonic clock: the other may be set by hours in mid-run.

Law kept here: a record whose creation the remote dates before the bound that was taken when
an attempt began was not made by that attempt.
"""

from __future__ import annotations

import email.utils
from datetime import UTC
from typing import TYPE_CHECKING

from bulkload.hubspot.lookup import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

GRAIN_S = 0.002
"""Both ends are cut to milliseconds."""


class RemoteClock:
    """`clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._least: float | None = None
        self._most: float | None = None
        self._fine = False

    def observe(
        self, headers: Mapping[str, str], sent: float, received: float, completed: str = ""
    ) -> None:
        """An answer to what left at `sent` and was read at `received`, by our clock.

        `completed`: its `completedAt`; else its `Date` counts.
        """
        shown, grain = moment(completed), GRAIN_S
        if shown is None and not self._fine:
            shown, grain = _date(headers.get("Date", "")), 1.0
        if shown is None or not sent:
            return
        if completed and not self._fine:
            # From here on only the clock that dates records counts: `Date` may be the edge's.
            self._fine, self._least, self._most = True, None, None
        # Bounds from whole seconds and from milliseconds: the tightest that was shown holds.
        self._least = max(
            shown - received, shown - received if self._least is None else self._least
        )
        most = shown + grain - sent
        self._most = min(most, most if self._most is None else self._most)

    def at_least(self) -> float | None:
        """The remote's clock shows this or more, in seconds since the epoch; None: unknown."""
        return None if self._least is None else self._clock() + self._least - GRAIN_S

    def at_most(self) -> float | None:
        """The remote's clock shows this or less."""
        return None if self._most is None else self._clock() + self._most + GRAIN_S


def _date(text: str) -> float | None:
    if not text:
        return None
    try:
        shown = email.utils.parsedate_to_datetime(text)
        return shown.replace(tzinfo=shown.tzinfo or UTC).timestamp()  # HTTP's are GMT
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
