"""What every call has in common: a day's quota, a token and a slot before it leaves, and what its
answer teaches.

Laws kept here: never over the limit, hardly under it: every call of a run takes a slot here, save
searches, whose limit is their own. The remote's trouble is not the record's: a day that is used up
and a token that ended hold everybody, and cost nobody an attempt.
"""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING

from bulkload import events
from bulkload.calls.arrival import Arrival
from bulkload.calls.quota import next_sleep
from bulkload.calls.retry import Backoff
from bulkload.calls.waiting import unless_over
from bulkload.errors import StoppedResumable
from bulkload.hubspot import ratelimits, replies
from bulkload.hubspot.auth import RenewalTrouble
from bulkload.hubspot.lookup import moment

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from random import Random

    from bulkload.calls.limiter import Limiter
    from bulkload.calls.quota import Quota
    from bulkload.calls.waiting import Pause
    from bulkload.hubspot.auth import Credentials
    from bulkload.hubspot.client import Sent
    from bulkload.hubspot.remoteclock import RemoteClock

TODAY_S = 3.0
"""So often observers are told how the day stands."""

IN_A_ROW = 3
"""So many tokens one after another that nobody accepts are no accident."""

RENEWAL = Backoff(base=1.0, cap=30.0, floor=0.5)
"""Between two tries to get another token where nobody says when."""


class Traffic:
    """One for the run. `most_s`: seconds without a token that is accepted before it stops, None
    for ever. `stop`: a day that is used up ends the run instead of being waited for. `wall`: the
    wall clock, which may be set at any time.
    """

    def __init__(
        self,
        limiter: Limiter,
        remote: RemoteClock,
        credentials: Credentials,
        quota: Quota,
        random: Random,
        tell: events.Announcer,
        *,
        most_s: float | None = None,
        stop: bool = False,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.limiter = limiter
        self.remote = remote
        self.quota = quota
        self._credentials = credentials
        self._random = random
        self._tell = tell
        self._most_s = most_s
        self._stop = stop
        self._wall = wall
        self._waiting = asyncio.Lock()  # one waits for all: it asks, and it tells, once
        self._clock = asyncio.get_running_loop().time
        self._idle_s = 0.0
        self._idle_since: float | None = None
        self._told_today = float("-inf")
        self._refused, self._in_a_row = -1, 0  # the newest that was; those since one was not
        self._why = ""
        self._accepted = False
        self._warned: str | None = None
        self._arrival = Arrival()

    async def acquire(self, pause: Pause) -> float:
        """Wait until a call may leave: it has a slot then. Returns the seconds of the last wait.

        `pause` sleeps, and raises where the run ends meanwhile. Raises StoppedResumable where the
        day is used up and that ends the run, or no token is to be had.
        """
        while True:
            await self._ready(pause)
            waited = await self._slot(pause)
            if not self._waits:
                self.quota.spent(self._wall())
                return waited
            self.limiter.give_back()

    async def _slot(self, pause: Pause) -> float:
        if self.limiter.waits:  # a slow limit's slot or pace may be minutes away
            return await unless_over(pause, self.limiter.acquire())
        return await self.limiter.acquire()

    async def allowed(self, pause: Pause) -> None:
        """Wait for the day and for a token, not for a slot: all that a search has to. It is one of
        the day's calls then.
        """
        await self._ready(pause)
        self.quota.spent(self._wall())

    def give_back(self) -> None:
        """A slot that was acquired is not used after all."""
        self.limiter.give_back()
        self.unused()

    def unused(self) -> None:
        """A call that was allowed did not leave after all."""
        self.quota.unspent(self._wall())

    async def call(self, send: Callable[[], Awaitable[Sent]], pause: Pause) -> Sent:
        """A call that needs nothing between its slot and its leaving: a read."""
        await self.acquire(pause)
        return await self.under_slot(send)

    async def under_slot(self, send: Callable[[], Awaitable[Sent]]) -> Sent:
        """The call itself, for who has a slot."""
        sent, used = await self.leave(send)
        self.ended(sent, used)
        return sent

    async def leave(self, send: Callable[[], Awaitable[Sent]]) -> tuple[Sent, int]:
        """The call itself, for who has a slot and tells later what the answer shows (`ended`):
        (the answer, the slots that were taken when it left).
        """
        used = self.limiter.used
        try:
            return await send(), used
        except BaseException:
            self.limiter.spend(self._clock())
            raise

    def ended(self, sent: Sent, used: int, *, worked_s: float = 0.0, completed: str = "") -> None:
        """The call has ended: its slot comes back, and all that its answer shows is learnt.

        `used`: slots taken when it left, its own too. `worked_s`: so long before the answer it had
        surely arrived; `completed`: when the remote says that it was done.
        """
        headers, now = sent.reply.headers, self._clock()
        done = moment(completed) if worked_s else None
        arrived_by = self._arrival.by(sent.sent_at, sent.ended_at, worked_s, done)
        self.limiter.end(sent.sent_at, arrived_by)
        told = ratelimits.rolling(headers)
        if told is not None:
            self.limiter.room.learn(told, used, sent.sent_at, now)
        if sent.reply.status == 429 and not replies.is_daily(sent.reply):
            self.limiter.room.refused(sent.sent_at, now)
        self.limiter.wake()
        self.heard(sent, completed)

    def heard(self, sent: Sent, completed: str = "") -> None:
        """What an answer shows, but for the rolling window: of the clock, the day, the token.

        A call that never left was none of the day's.
        """
        if not sent.sent_at:
            self.unused()
        self.remote.observe(sent.reply.headers, sent.sent_at, sent.ended_at, completed)
        self._learn_day(sent)
        if 200 <= sent.reply.status < 300 and sent.token > self._refused:
            self._accepted, self._in_a_row = True, 0

    def refused(self, sent: Sent, reason: str) -> bool:
        """The remote refused the call's token (401): nobody calls before there is another one.

        False: that was known, or there is another one since.
        """
        if sent.token <= self._refused:
            return False
        self._refused, self._why = sent.token, reason
        self._in_a_row += 1
        return self._is_refused

    async def _ready(self, pause: Pause) -> None:
        while self._waits:
            async with self._waiting:
                await pause(0.0)  # the run may have ended while another one waited
                self._idle_since = self._clock()
                try:
                    await self._day(pause)
                    await self._token(pause)
                finally:
                    self._idle_s, self._idle_since = self.idle_s(), None

    def idle_s(self) -> float:
        """Seconds so far in which no call might leave, for want of the day's calls or of a token:
        nothing was learnt of the remote's health in them.
        """
        since = self._idle_since
        return self._idle_s + (0.0 if since is None else self._clock() - since)

    @property
    def _waits(self) -> bool:
        day = self.quota.until(self._wall())
        return day is not None or self._is_refused or self._credentials.due()

    # The day's quota

    def _learn_day(self, sent: Sent) -> None:
        now, reply = self._wall(), sent.reply
        daily = ratelimits.daily(reply.headers)
        left_at = now - (self._clock() - sent.sent_at) if sent.sent_at else now
        if left_at < self.quota.day_began(now):
            pass  # it speaks of the day before: of a process that was stopped over midnight
        elif replies.is_daily(reply):
            self.quota.refused(now)
        elif daily is not None:
            self.quota.learn(daily, now)
        elif 200 <= reply.status < 300:
            self.quota.admitted(now)
        if self._clock() >= self._told_today + TODAY_S:
            self._tell_today(now)

    def _tell_today(self, now: float) -> None:
        self._told_today = self._clock()
        if (today := self.quota.today(now)) is not None:
            self._tell(today)

    async def _day(self, pause: Pause) -> None:
        """Sleep until the day's calls are there. The wall clock tells: a suspended machine's own
        stands still meanwhile.
        """
        told = False
        while (until := self.quota.until(now := self._wall())) is not None:
            if self._stop:
                raise StoppedResumable(self.quota.words(now, stop=True))
            if not told:
                self._tell_today(now)
            if (waits := self.quota.waits(now)) is not None:
                self._tell(waits)
            told = True
            await pause(next_sleep(until, now))
        if told:
            self._tell(events.Renewed())

    # The token

    async def _token(self, pause: Pause) -> None:
        """Until there is a token that may be accepted. One is fetched for all who wait."""
        credentials, began, failures = self._credentials, self._clock(), 0
        while self._is_refused or credentials.due():
            if self._is_refused and self._in_a_row >= IN_A_ROW:
                raise StoppedResumable(f"{self._why} ({self._in_a_row} tokens in a row)")
            trouble, after = self._why, 1.0
            most = math.inf if self._most_s is None else self._most_s
            patience: float | None = min(credentials.patience_s, most) if self._accepted else 0.0
            try:
                if await unless_over(pause, self._renew()):  # it may be long in coming
                    continue
            except RenewalTrouble as error:
                if error.hopeless:
                    raise StoppedResumable(error.reason) from None
                trouble, patience = error.reason, self._most_s
                after = max(error.after or 0.0, RENEWAL.delay(failures + 1, self._random))
            failures += 1
            waited = self._clock() - began
            left = math.inf if patience is None else patience - waited
            if left <= 0:
                tried = f"; gave up after {waited:.0f} s" if patience else ""
                raise StoppedResumable(trouble + tried)
            if failures == 1:
                self._tell(events.Held(None, trouble))
            await pause(min(after, left))
        self._warn()
        if failures:
            self._tell(events.Released())

    @property
    def _is_refused(self) -> bool:
        return self._credentials.number <= self._refused

    async def _renew(self) -> bool:
        if self._is_refused:
            return await self._credentials.renew(self._refused)
        await self._credentials.fresh()
        return True

    def _warn(self) -> None:
        warning = self._credentials.warning
        if warning and warning != self._warned:
            self._tell(events.Said(warning))
        self._warned = warning
