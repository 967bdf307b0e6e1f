"""The fault plan: what goes wrong with writing call number n, and when all calls fail. Pure.

Law: a fault depends on the seed, the rates, what is written and n alone, never on timing or on
what other calls did, so a run that failed can be run again. An outage depends on the clock alone.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bulkload.sandbox.config import Outage

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "429": "refused as over the rate limit, nothing created",
        "423": "LOCKED, nothing created",
        "477": "migration between data centres, with Retry-After, nothing created",
        "401": "EXPIRED_AUTHENTICATION, nothing created",
        "413": "an HTML page says the batch is too large, nothing created",
        "503": "Service Unavailable, nothing created",
        "502-html": "an HTML page from the edge, nothing created",
        "500": "Internal Server Error, nothing created",
        "reset-before": "the connection is reset once the call was read, nothing created",
        "500-after": "all is created, then answered with 500",
        "503-after": "all is created, then answered with 503",
        "504-after": "all is created, then answered with 504",
        "reset-after": "all is created, then the connection is reset",
        "late": "answered with 504 at once, created some seconds later",
        "stall": "never answered; half of them are created, by chance",
        "truncate": "all is created, the answer breaks off half way",
        "silent-207": "all is created, the 207 leaves out some or all, with no errors",
        "slow": "created and answered as it should be, seconds later",
    }
)


WRITES = ("emails", "contacts", "files")
"""What is written by the calls that faults strike; each has numbers of its own."""


@dataclass(frozen=True, slots=True)
class Fault:
    kind: str
    coin: bool  # where a kind has two ways of happening


class Span(NamedTuple):
    """An outage on the clock: from `begin` on, to just before `end`."""

    begin: float
    end: float
    kind: str


class FaultPlan:
    def __init__(self, seed: int, faults: Mapping[str, float], outages: Sequence[Outage]) -> None:
        self._seed = seed
        self._waiting = list(outages)  # for the first call
        self._begun = False
        self._spans: list[Span] = []
        self.rates: dict[str, float] = {}
        self._struck: dict[str, dict[str, float]] = {}  # what is written → kind → rate
        self.change(faults)

    def change(self, faults: Mapping[str, float]) -> None:
        """Other rates from the next call on: by kind, or by `files:KIND` for those calls alone."""
        unknown = [one for one in faults if not _known(one)]
        if unknown:
            raise ValueError(f"no such fault: {', '.join(unknown)}; there are {', '.join(KINDS)}")
        struck: dict[str, dict[str, float]] = {writes: {} for writes in WRITES}
        for one, rate in faults.items():
            where, sign, kind = one.rpartition(":")
            for writes in (where,) if sign else WRITES:
                struck[writes][kind] = struck[writes].get(kind, 0.0) + rate
        if any(not 0 <= rate <= 1 for rate in faults.values()) or any(
            sum(rates.values()) > 1 + 1e-9 for rates in struck.values()
        ):
            raise ValueError("each rate is 0..1 and together they are at most 1")
        self.rates = dict(faults)
        self._struck = struck

    def fault(self, number: int, writes: str = "emails") -> Fault | None:
        """What happens to call `number` of those that write this; at most one thing."""
        rates = self._struck[writes]
        if not rates:
            return None
        draw = random.Random(f"{self._seed}:{'' if writes == 'emails' else f'{writes}:'}{number}")
        point = draw.random()
        for kind in KINDS:
            point -= rates.get(kind, 0.0)
            if point < 0:
                return Fault(kind, draw.random() < 0.5)
        return None

    def coin(self, number: int) -> bool:
        return random.Random(f"{self._seed}:coin:{number}").random() < 0.5

    @property
    def outages(self) -> int:
        """How many are planned, the past ones included."""
        return len(self._spans) + len(self._waiting)

    def begin(self, now: float) -> bool:
        """A call came: the first one starts the clock of the outages. True: it was this one."""
        if self._begun:
            return False
        self._begun = True
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            self.add(one, now)
        return True

    def add(self, outage: Outage, now: float) -> None:
        """One more, counted from now."""
        begin = now + outage.start
        self._spans.append(Span(begin, begin + outage.length, outage.kind))

    def replace(self, outages: Sequence[Outage], now: float) -> None:
        """These and no others, counted from now."""
        self._begun = True
        self._waiting.clear()
        self._spans.clear()
        for one in outages:
            self.add(one, now)

    def outage(self, now: float) -> Span | None:
        """The outage that covers `now`: the earliest planned of several."""
        self.begin(now)
        return next((span for span in self._spans if span.begin <= now < span.end), None)

    def refusing(self, now: float) -> tuple[bool, float | None]:
        """Is the port to be closed now, and after how many seconds is it to be looked at again.

        None: nothing more is planned.
        """
        spans = [span for span in self._spans if span.kind == "refuse"]
        edges = [edge for span in spans for edge in (span.begin, span.end) if edge > now]
        closed = any(span.begin <= now < span.end for span in spans)
        return closed, min(edges) - now if edges else None


def _known(fault: str) -> bool:
    where, sign, kind = fault.rpartition(":")
    return kind in KINDS and (not sign or where in WRITES)
