"""Progress on stderr: a live line on a terminal, a plain line every few seconds elsewhere.

It says what limits the run now: the rate limit (calls wait for a slot), the remote (answers
are slow, or it holds us), or the source (nobody waits for either).
"""

from __future__ import annotations

import re
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self, TextIO

from bulkload import events
from bulkload.report.forecast import Forecast, forecast
from bulkload.zone import span

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

PLAIN_EVERY_S = 5.0
LIVE_EVERY_S = 0.2
"""The eye sees no more, and each drawing costs as much as a batch."""
_ID = re.compile(r" [0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
WINDOW_S = 3.0
LONG_HOLD_S = 1.0
LONG_LEFT_S = 600.0
"""A time of day says more than a span that is longer than this."""
SAY_AGAIN_S = 900.0
"""A wait of hours is one line now and then where lines stay."""


@dataclass(slots=True)
class Meter:
    """Pure: events in, what to show out. `now` in seconds of any steady clock, `wall` of the
    epoch.
    """

    in_flight: int = 20
    expected: int | None = None
    most: int | None = None
    already: int = 0
    read: int = 0
    consumed: int = 0
    base: int = 0
    loaded: int = 0
    dead: int = 0
    doubt: int = 0
    skipped: int = 0
    retries: int = 0
    held: str = ""
    began: float = 0.0
    mark: float = 0.0
    mark_read: int = 0
    waited: float = 0.0
    answering: float = 0.0
    rate: float = 0.0
    limit: str = "starting"
    draining: bool = False
    calls: int = 0
    today: events.Today | None = None
    quota: events.Quota | None = None
    quota_since: float = 0.0
    slept: float = 0.0
    ahead: Forecast = field(default_factory=Forecast)

    def take(self, event: events.Event, now: float, wall: float = 0.0) -> None:
        match event:
            case events.Started():
                self.began = self.mark = now
                self.expected, self.most = event.expected, event.most
                self.already = event.already
            case events.Settled():
                self.loaded += event.loaded + event.existing
                self.dead += event.dead_lettered
                self.doubt += event.in_doubt
                self.skipped += event.skipped
                self.read = self.loaded + self.dead + self.doubt + self.skipped
                self.consumed = max(self.consumed, event.consumed)
                if self.already and not self.base:
                    # Where an earlier life stopped: this one's speed says nothing of before.
                    self.base, self.began, self.slept = event.consumed, now, 0.0
            case events.Answered():
                self.calls += 1
                self.retries += event.retry
                self.answering += event.seconds
            case events.Waited():
                self.waited += event.seconds
            case events.Held():
                self.held = event.reason
            case events.Released():
                self.held = ""
            case events.Today():
                self.today = event
            case events.Quota():
                if self.quota is None:
                    self.quota_since, self.rate = now, 0.0
                self.quota = event
            case events.Renewed():
                self._wake(now)
            case events.Said():
                pass
        if now - self.mark >= WINDOW_S:
            if self.quota is None:
                self._turn(now)
            self.ahead = self._forecast(now, wall)

    def _wake(self, now: float) -> None:
        """The time that was slept says nothing of the speed."""
        if self.quota is not None:
            self.slept += now - self.quota_since
            self.quota, self.mark, self.mark_read = None, now, self.read
            self.waited = self.answering = 0.0

    def _turn(self, now: float) -> None:
        span = now - self.mark
        self.rate = (self.read - self.mark_read) / span
        if self.waited > span / 2:
            self.limit = "rate limit"
        elif self.answering > self.in_flight * span / 2 or not self.answering:
            self.limit = "remote"  # also where nothing was answered at all
        else:
            self.limit = "source"
        self.limit = f"limited by {self.limit}"
        self.mark, self.mark_read = now, self.read
        self.waited = self.answering = 0.0
        if self.rate:
            self.held = ""

    def eta_s(self, now: float) -> float | None:
        """Seconds left, by bytes read of the sources or by the records that are to be read,
        whichever ends first; None where unknown.
        """
        done, spent = self.consumed - self.base, self._at_work(now)
        left = []
        if self.expected and done > 0:
            left.append((self.expected - self.consumed) / done)
        if self.most is not None and self.read:
            left.append((self.most - self.already - self.read) / self.read)
        return spent * max(min(left), 0) if left and spent > 0 else None

    @property
    def share(self) -> float | None:
        """How much is done, 0 to 1, by the same; None where unknown."""
        shares = []
        if self.expected:
            shares.append(self.consumed / self.expected)
        if self.most:
            shares.append((self.already + self.read) / self.most)
        return max(shares, default=None)

    def _at_work(self, now: float) -> float:
        asleep = 0.0 if self.quota is None else now - self.quota_since
        return now - self.began - self.slept - asleep

    def _forecast(self, now: float, wall: float) -> Forecast:
        """Where the day's calls are known, they may stop it before the bytes say that it ends."""
        spent = self._at_work(now)
        if self.today is None or spent <= 0 or not self.calls:
            return Forecast()
        per_s, left_s = self.read / spent, self.eta_s(now)
        return forecast(
            wall,
            None if left_s is None else left_s * per_s,
            per_s,
            self.read / self.calls,
            self.today,
            self.today.zone,
        )

    def words(self, now: float, wall: float = 0.0) -> str:
        """One line, what matters most first: a narrow terminal cuts its end."""
        parts = [f"{self.already + self.read:,} records"]
        if self.rate:
            parts.append(f"{self.rate:,.0f}/s")
        if self.draining:
            parts.append("finishing what is in flight")
        elif left := self._left(now):
            parts.append(left)
        if self.dead:
            parts.append(f"{self.dead:,} dead letters")
        if self.doubt:
            parts.append(f"{self.doubt:,} in doubt")
        if self.skipped:
            parts.append(f"{self.skipped:,} skipped")
        if self.quota is not None:
            parts.append(f"{self.quota.words}, in {span(self.quota.until - wall)}")
        else:
            parts.append(f"held: {_ID.sub('', self.held).strip()}" if self.held else self.limit)
        if self.retries:
            parts.append(f"{self.retries:,} retries")
        return " · ".join(parts)

    def _left(self, now: float) -> str:
        if self.quota is not None:  # the state says when it goes on
            return self.ahead.ends
        left = self.eta_s(now)
        if self.ahead.text and (self.ahead.stops or left is None or left > LONG_LEFT_S):
            return self.ahead.text
        return "" if left is None else f"about {span(left)} left"


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
