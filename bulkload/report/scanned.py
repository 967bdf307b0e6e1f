"""How far a check is, on stderr: a live line on a terminal, a plain one now and then elsewhere."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

from bulkload.zone import span

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulkload.checking.scanning import Now

LIVE_EVERY_S, PLAIN_EVERY_S = 0.2, 5.0


class Scanned:
    """Call it with each `Now`. `close` leaves a terminal's line as it was."""

    def __init__(
        self,
        *,
        show: bool,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream or sys.stderr
        self._show, self._clock = show, clock
        self._live = show and self._stream.isatty()
        self._every = LIVE_EVERY_S if self._live else PLAIN_EVERY_S
        self._began = clock()
        self._next = self._began + self._every

    def __call__(self, now: Now) -> None:
        at = self._clock()
        if not self._show or at < self._next:
            return
        self._next = at + self._every
        line = in_words(now, at - self._began)
        self._write(f"\r\x1b[K{line}" if self._live else f"{line}\n")

    def close(self) -> None:
        if self._live:
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        with suppress(OSError):  # nobody listens
            self._stream.write(text)
            self._stream.flush()


def in_words(now: Now, elapsed_s: float) -> str:
    """One line: records, speed, and by bytes how much is left."""
    parts = [f"{now.read:,} records"]
    if elapsed_s > 0:
        parts.append(f"{now.read / elapsed_s:,.0f}/s")
    if now.expected and now.consumed:
        share = min(now.consumed / now.expected, 1.0)
        parts.append(f"{share:.0%} read")
        parts.append(f"about {span(elapsed_s * (1 - share) / share)} left")
    return " · ".join(parts)
