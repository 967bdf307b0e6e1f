"""Pure: the day's calls. How many are left, and until when none may go. Time is handed in: `now`
is the wall clock, epoch seconds, since a night may be slept through.

Laws kept here: the remote's trouble is not the record's, so a day that is used up is waited for;
of the account's calls a run makes no more than its share. No wait goes past the end of the
account's day, however the clock is set meanwhile: set back, one call looks at once.

Until when: the remote's word (`resetsAt`), else midnight in the account's time zone. Where that is
not sure, or has passed and calls are still refused, one looks again after a minute, then less
often. Source: HubSpot's "API usage guidelines": the daily limit is the account's, and is reset at
midnight in its time zone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulkload import events
from bulkload.calls.day import Day
from bulkload.zone import span

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from bulkload.calls.share import Share
    from bulkload.hubspot.account import Usage
    from bulkload.hubspot.ratelimits import Daily
    from bulkload.zone import Zone

GRACE_S, JITTER_S = 2.0, 5.0
"""A day begins so much later for us, the second drawn: clocks differ, and others wait too."""

LOOK_S, LOOK_MOST_S = 60.0, 900.0
"""Where it is not known when calls come back: the first look, and the longest wait between two."""

YOUNG_S = 3600.0
"""A refusal so soon after midnight may still speak of the day before: clocks differ."""

STEP_S = 30.0
"""No longer at a time: a suspended machine's sleep does not count the time that it slept."""

NOISE = 100
"""What is left of the day goes up by so much when answers overtake each other."""


class Quota:
    """One for the run. Ask `until` before each call, then say `spent` without waiting between.

    `limit`: the account's calls a day; `own`: those that this run made today.
    """

    def __init__(self, zone: Zone, share: Share | None = None, *, random: Random) -> None:
        self._share = share
        self._random = random
        self._day = Day(zone, self._draw())
        self.limit: int | None = None
        self.own = 0
        self._left: int | None = None
        self._until: float | None = None  # the account is used up: when to look again
        self._looks = 0
        self._open = True  # no refusal yet that came in spite of a new day

    # What is learnt

    def learn(self, daily: Daily, now: float) -> None:
        """An answer's headers, those of refusals too."""
        self._turn(now)
        before, self.limit = self.limit, daily.limit or self.limit
        left = daily.remaining
        if left is None:
            return
        if self._left is not None:
            raised = (self.limit or 0) - (before or 0)  # a limit that was raised is no new day
            if left - self._left - raised > _noise(self.limit):
                self._day.renew(now)
                self._begin()
                self._until = None
        if left == 0:
            self._shut(now)
        elif self._until is None or now >= self._until:
            self._admit(left)

    def usage(self, usage: Usage, now: float) -> None:
        """The usage endpoint's answer. What it counts may be minutes old."""
        self._turn(now)
        self.limit = usage.limit or self.limit
        if usage.resets_at is not None and self._day.tell(usage.resets_at, now):
            over_at = self._day.over_at
            if self._until is not None and (self._open or over_at < self._until):
                self._until, self._looks = over_at, 0
        if self.limit is not None:
            left = max(self.limit - usage.used, 0)
            self._left = left if self._left is None else min(left, self._left)
            if not left:
                self._shut(now)

    def spent(self, now: float) -> None:
        """A call of ours leaves."""
        self._turn(now)
        self.own += 1

    def unspent(self, now: float) -> None:
        """It did not leave after all."""
        self._turn(now)
        self.own = max(self.own - 1, 0)

    def seed(self, calls: int, now: float) -> None:
        """So many calls of ours left earlier today (`day_began`): this run was resumed."""
        self._turn(now)
        self.own += calls

    def kept(self, now: float) -> list[float]:
        """What a resume has to know of the day: given to its `recall`."""
        self._turn(now)
        resets_at = self._day.resets_at if self._day.told else 0.0
        return [now, self.own, resets_at, self.limit or 0]

    def recall(self, kept: Sequence[float] | None, now: float) -> float:
        """An earlier life of the run kept this. Returns since when its calls are to be counted
        and seeded beside it, epoch seconds.
        """
        began = self.day_began(now)
        if kept is None:
            return began
        at, own, resets_at, limit = kept
        self.limit = int(limit) or None  # a share may be a part of it
        if at > now or not (now < resets_at if resets_at else at >= began):
            return max(began, resets_at) if resets_at <= now else began
        if resets_at:
            self._day.tell(resets_at, now)
        self.seed(int(own), now)
        return at

    def admitted(self, now: float) -> None:
        """The remote took a call, and the answer does not say how many are left."""
        self._turn(now)
        if self._until is None:
            self._open = True
        elif now >= self._until:
            self._admit(None)

    def refused(self, now: float) -> None:
        """A 429 with policyName DAILY came. Those of one round count as one."""
        self._turn(now)
        self._shut(now)

    def settle_in(self, zone: Zone, now: float) -> None:
        """The account's time zone is known now."""
        self._turn(now)
        self._day.settle_in(zone, now)
        if self._until is not None and now < self._until:
            self._until, self._looks = None, 0
            self._shut(now)

    # What follows

    def until(self, now: float) -> float | None:
        """None: a call may go. Else when to ask again; ask sooner too, since the clock may be set.

        Epoch seconds, as `now`.
        """
        self._turn(now)
        waits = [self._until] if self._until is not None and now < self._until else []
        if self._is_share_used:
            waits.append(self._day.over_at)
        return max(waits, default=None)

    @property
    def remaining(self) -> int | None:
        """Calls that are left to the account today; None: not known."""
        return self.limit if self._left is None else self._left

    @property
    def allowed(self) -> int | None:
        """Calls that this run may make in a day by its share; None: not bounded."""
        return None if self._share is None else self._share.of(self.limit)

    def day_began(self, now: float) -> float:
        """When the account's day began, as far as we know; epoch seconds."""
        self._turn(now)
        return self._day.began

    def today(self, now: float) -> events.Today | None:
        """What a forecast needs; None where no bound of the day is known."""
        self._turn(now)
        ours = None if self.allowed is None else max(self.allowed - self.own, 0)
        left = _least(self.remaining, ours)
        if left is None:
            return None
        return events.Today(
            left,
            stops_at=self.allowed if ours == left else self.limit,
            a_day=_least(self.limit, self.allowed),
            resets_at=self._day.resets_at,
            zone=self._day.zone,
        )

    def waits(self, now: float) -> events.Quota | None:
        """What observers are told while no call may go; None where one may."""
        until = self.until(now)
        return None if until is None else events.Quota(until, f"{self._why}: {self._when(until)}")

    def words(self, now: float, *, stop: bool = False) -> str:
        """Why no call may go, and when one may; "" where one may. `stop`: the run ends here."""
        until = self.until(now)
        if until is None:
            return ""
        when = self._when(until, "resume after" if stop else "")
        return f"{self._why}: {when}, in {span(until - now)}"

    @property
    def _why(self) -> str:
        of = "" if self.limit is None else f"{self.limit:,}"
        if self._is_share_used:
            share = f"{self.allowed:,}{of and ' of '}{of}"
            return f"this run's share of the day's calls is used up ({share})"
        return f"the account's calls for today are used up{of and f' ({of})'}"

    def _when(self, until: float, verb: str = "") -> str:
        sure = self._is_share_used or not self._looks
        at = self._day.resets_at if sure else until
        zone = self._day.zone
        return (
            f"{verb or ('goes on at' if sure else 'looks again at')} {zone.clock(at)} {zone.label}"
        )

    @property
    def _is_share_used(self) -> bool:
        return self.allowed is not None and self.own >= self.allowed

    def _turn(self, now: float) -> None:
        turned = self._day.turn(now)
        if turned == "over":
            self._begin()
        elif turned == "set back" and self._until is not None:
            self._until = now

    def _begin(self) -> None:
        self.own, self._left = 0, None
        self._open, self._looks = False, 0
        self._day.slack = self._draw()

    def _admit(self, left: int | None) -> None:
        self._until, self._left = None, left
        self._open, self._looks = True, 0

    def _shut(self, now: float) -> None:
        """The account is used up. What left before we knew is refused as well: known already."""
        self._left, day = 0, self._day
        if self._until is not None and now < self._until:
            return
        young = now - day.began < YOUNG_S
        if self._open and (day.told or (day.zone.known and not young)):
            self._until, self._looks = day.over_at, 0
            return
        self._looks += 1
        wait = min(LOOK_S * 2.0 ** min(self._looks - 1, 10), LOOK_MOST_S)
        self._until = min(now + wait * self._random.uniform(1.0, 1.1), day.over_at)

    def _draw(self) -> float:
        return GRACE_S + self._random.uniform(0.0, JITTER_S)


def next_sleep(until: float, now: float) -> float:
    """Seconds to sleep before `Quota.until` is asked again by the wall clock.

    Short steps: a machine that was suspended, or whose clock was set, finds out within one.
    """
    return min(max(until - now, 0.0), STEP_S)


def _least(*bounds: int | None) -> int | None:
    return min((bound for bound in bounds if bound is not None), default=None)


def _noise(limit: int | None) -> float:
    return NOISE if limit is None else min(max(NOISE, limit / 10), limit / 2)
