"""Pure: what a run's events come to, for who watches: events in, one line out.

It says what limits the run now: the rate limit (calls wait for a slot), the remote (answers
are slow, or it holds us), or the source (nobody waits for either).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from bulkload import events
from bulkload.report.forecast import Forecast, forecast
from bulkload.zone import span

WINDOW_S = 3.0
LONG_LEFT_S = 600.0
"""A time of day says more than a span that is longer than this."""

_ID = re.compile(r" [0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(slots=True)
class Meter:
    """`now` in seconds of any steady clock, `wall` of the epoch."""

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
