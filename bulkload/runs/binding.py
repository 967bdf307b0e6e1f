"""What binds a run to the remote: its portal, the account's day, and what its records carry.

Law kept here: same account, or no resume. What is decided by the first life of a run that reaches
the remote holds for all its lives: a batch in doubt must be built again as it was.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from bulkload import events
from bulkload.hubspot.lookup import Marks
from bulkload.options import AUTO
from bulkload.pipeline.asking import SHOWN_S
from bulkload.runs import learnt
from bulkload.zone import Zone

if TYPE_CHECKING:
    from bulkload.calls.traffic import Traffic
    from bulkload.hubspot.account import Account
    from bulkload.journal.journal import Journal
    from bulkload.options import Options
    from bulkload.runs.learnt import Learnt
    from bulkload.runs.preflight import Preflight
    from bulkload.verdict import InDoubt

COSTS: dict[InDoubt, str] = {
    "hold": "a batch whose answer is lost stays in doubt (--in-doubt hold). A text property "
    "bulkload_key with unique values, which bulkload doctor --fix makes, would settle such doubts "
    "by itself",
    "verify": "a batch whose answer is lost is looked for by search, which takes minutes",
    "resend": "a batch whose answer is lost is sent again, and may be made twice",
}


class Bound(NamedTuple):
    """`marks`: what each record carries, None where the portal has no key. `slow_s`: so much
    longer than is taken for granted, in seconds, it takes until a new record is shown.
    """

    marks: Marks | None
    slow_s: float


class Book(Protocol):
    """Where a run's facts and calls are written down: the journal of a load, or of its undo."""

    @property
    def facts(self) -> dict[str, Any]:
        """As they were when it was opened."""
        ...

    async def sent_since(self, when: float) -> int:
        """Calls made after `when`, epoch seconds, that it knows of."""
        ...

    async def note(self, facts: dict[str, Any]) -> None:
        """Set facts of the run, durable."""
        ...


async def remember(journal: Book, traffic: Traffic, options: Options) -> None:
    """What earlier lives of the run used of the limits."""
    limiter, quota, now = traffic.limiter, traffic.quota, time.time()
    limiter.take_recent(await journal.sent_since(now - limiter.room.limit.window_s))
    if zone := journal.facts.get("zone"):
        quota.settle_in(Zone.of(*zone), now)
    if options.daily_share is not None:
        since = quota.recall(journal.facts.get("day"), now)
        quota.seed(await journal.sent_since(since), now)


async def note_day(journal: Book, traffic: Traffic, options: Options) -> None:
    """For the next life: reads are calls too, and leave no intent."""
    if options.daily_share is not None:
        await journal.note({"day": traffic.quota.kept(time.time())})


async def bind(journal: Journal, traffic: Traffic, preflight: Preflight, options: Options) -> Bound:
    """Bind the run, or see that it still is. Raises as `preflight` does."""
    facts = journal.facts
    bound = facts.get("portal")
    found = await preflight.account(bound)
    portal = found.portal or None
    zone = settled_in(found, traffic)
    await preflight.usage()
    known = _known(portal, preflight, options)
    if "marks" not in facts:
        marks = await preflight.marks(options.key_property)
        if marks and not options.key_property and known and known.unique_emails is False:
            marks = None
            preflight.tell(events.Said(f"unique values do not hold here, saw doctor {known.at}"))
        await preflight.named(
            {
                "--thread-property": options.thread_property,
                "--label-property": options.label_property,
            }
        )
        began = {"portal": portal, "marks": marks, "began": traffic.remote.at_least(), **zone}
        if facts["rules"]["people"]:
            await preflight.people()
        if options.owners == AUTO and "owners" not in facts:
            began["owners"] = await preflight.owners()
        await journal.note(began)
        facts |= began
    else:
        marks = Marks(*facts["marks"]) if facts["marks"] else None
        if portal != bound or any(facts.get(name) != told for name, told in zone.items()):
            await journal.note({"portal": portal, **zone})
        if marks:
            await preflight.still_there(marks)
    if marks is None:
        preflight.tell(events.Said(f"the portal has no key property: {COSTS[options.in_doubt]}"))
    await note_day(journal, traffic, options)
    return Bound(marks, _slow_s(known))


def settled_in(found: Account, traffic: Traffic) -> dict[str, Any]:
    """The day is the account's. Returns what a later life has to know of it."""
    if not found.time_zone and found.utc_offset_s is None:
        return {}
    traffic.quota.settle_in(Zone.of(found.time_zone, found.utc_offset_s), time.time())
    return {"zone": [found.time_zone, found.utc_offset_s]}


def _known(portal: str | None, preflight: Preflight, options: Options) -> Learnt | None:
    """What the doctor's probes showed of this portal."""
    if portal is None:
        return None
    known, warning = learnt.load(portal, options.base_url)
    if warning:
        preflight.tell(events.Said(warning))
    return known


def _slow_s(known: Learnt | None) -> float:
    """Twice what was seen, since one look is no bound."""
    lag = known.read_lag_s if known else None
    return 0.0 if lag is None else max(2 * lag - SHOWN_S, 0.0)
