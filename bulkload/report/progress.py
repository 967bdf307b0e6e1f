"""Progress on stderr: a live line on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Self, TextIO

from bulkload import events
from bulkload.report.meter import Meter
from bulkload.zone import span

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

PLAIN_EVERY_S = 5.0
LIVE_EVERY_S = 0.2
"""The eye sees no more, and each drawing costs as much as a batch."""

LONG_HOLD_S = 1.0
SAY_AGAIN_S = 900.0
"""A wait of hours is one line now and then where lines stay."""


class Progress:
    """The observer. Use as a context manager, so that a terminal is left as it was."""

    def __init__(
        self,
        in_flight: int,
        *,
        show: bool = True,
        verbose: bool = False,
        stream: TextIO | None = None,
    ) -> None:
        self._verbose = verbose
        self._stream = stream or sys.stderr
        self._meter = Meter(in_flight)
        self._show = show
        self._live: RichProgress | None = None
        self._line: TaskID | None = None
        self._next = 0.0
        self._say_again = 0.0

    def __enter__(self) -> Self:
        if self._show and self._stream.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, SpinnerColumn, TextColumn
            from rich.progress import Progress as RichProgress

            self._live = RichProgress(
                SpinnerColumn(),
                BarColumn(bar_width=24),
                TextColumn("{task.description}"),
                console=Console(file=self._stream),
                refresh_per_second=1 / LIVE_EVERY_S,
                transient=True,
            )
            self._line = self._live.add_task("starting", total=None)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._live is not None:
            self._live.stop()

    def draining(self, text: str) -> None:
        """Nothing new is started: say so, and show it from now on."""
        self._meter.draining = True
        self.say(text)

    def __call__(self, event: events.Event) -> None:
        now, wall = time.monotonic(), time.time()
        meter = self._meter
        meter.take(event, now, wall)
        if isinstance(event, events.Said):
            self.say(event.text)
        if self._verbose and isinstance(event, events.Answered):
            self.say(f"call: {event.status or 'no answer'} after {event.seconds:.3f} s")
        if isinstance(event, events.Held):
            self._hold(event)
        if (self._show or self._verbose) and isinstance(event, events.Quota | events.Renewed):
            self._wait(event, now, wall)
        if not self._show:
            return
        if isinstance(event, events.Started):
            self.say(f"run files in {event.directory}")
        routine = isinstance(event, events.Settled | events.Answered | events.Waited)
        if self._live is not None and self._line is not None:
            if routine and now < self._next:
                return
            self._next = now + LIVE_EVERY_S
            self._live.update(
                self._line,
                description=meter.words(now, wall),
                total=None if (share := meter.share) is None else 1.0,
                completed=share or 0.0,
            )
        elif now >= self._next and meter.quota is None:
            if self._next and meter.read:
                print(meter.words(now, wall), file=self._stream, flush=True)  # the report
            self._next = now + PLAIN_EVERY_S

    def _hold(self, event: events.Held) -> None:
        """A short hold is nobody's concern, unless asked for; the line shows a long one."""
        long = event.seconds is None or event.seconds >= LONG_HOLD_S
        if self._verbose or (long and self._show and self._live is None):
            wait = (
                "until it answers, or --max-outage"
                if event.seconds is None
                else f"{event.seconds:.1f} s"
            )
            self.say(f"held ({wait}): {event.reason}")

    def _wait(self, event: events.Quota | events.Renewed, now: float, wall: float) -> None:
        """A wait for hours is said when it begins and ends; the live line counts it down."""
        if isinstance(event, events.Renewed):
            self._say_again = 0.0
            self.say("the day's calls are there again")
        elif now >= self._say_again and (self._live is None or not self._say_again):
            self._say_again = now + SAY_AGAIN_S
            self.say(f"{event.words}, in {span(event.until - wall)}")

    def say(self, text: str) -> None:
        if self._live is None:
            print(text, file=self._stream, flush=True)  # the report
        else:
            self._live.console.print(text)
