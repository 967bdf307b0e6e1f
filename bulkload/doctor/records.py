"""Pure: the checks of what a load relies on: properties, uniqueness, freshness, associations.

Law kept here: a check says what was seen on this portal, now or (with the day) at an earlier look;
what nobody has seen is a warning that says how to find out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulkload.doctor.facts import Check, Facts
from bulkload.hubspot.inspecting import ASSOCIATIONS
from bulkload.runs.learnt import LONGEST_S
from bulkload.runs.preflight import KEY, RUN

if TYPE_CHECKING:
    from bulkload.hubspot.inspecting import PropertyMade
    from bulkload.runs.learnt import Learnt

FIX, PROBE = "bulkload doctor --fix", "bulkload doctor --probe"
BY_HAND = (
    f"make it by hand in HubSpot's settings: a single-line text of emails named {KEY}, that "
    "requires unique values"
)
MOST_UNIQUE = 10
"""Properties with unique values that an object type may have [HubSpot: properties guide]."""

SLOW_S = 5.0
"""A longer lag is worth a warning: each lost answer waits for it."""


def check_key(facts: Facts) -> Check:
    """A unique text property tells what became of a lost answer, and makes a repeat safe."""
    name, defined = "key property", facts.definitions
    if defined is None or defined.trouble:
        return _unknown(name, defined.trouble if defined else "")
    found, tried = defined.named.get(KEY), facts.made.get(KEY)
    if found is not None and found.type != "string":
        return _wrong(name, f"{KEY} is of type {found.type or 'unknown'}, not string")
    if found is not None and not found.unique:
        return _wrong(name, f"{KEY} was made without unique values, which can't be changed")
    if found is not None:
        return Check(name, "ok", f"{KEY}, with unique values{_just(tried)}")
    if tried is not None and not tried.done:
        return Check(name, "fail", f"{KEY} could not be made: {_why(tried)}", BY_HAND)
    if tried is not None:
        return Check(name, "warn", f"{KEY} was made, and is not listed yet", "bulkload doctor")
    custom = sum(each.unique and not each.hubspots for each in defined.named.values())
    if custom >= MOST_UNIQUE:
        return Check(
            name,
            "warn",
            f"no {KEY}, and no room for it: {custom} properties have unique values already",
            "give up one of them, or name one of text with --key-property",
        )
    return Check(name, "warn", f"no {KEY}: records whose answers are lost stay in doubt", FIX)


def check_run(facts: Facts) -> Check:
    """It tells whose a record is, where the remote has one with the key."""
    name, defined = "run property", facts.definitions
    if defined is None or defined.trouble:
        return _unknown(name, defined.trouble if defined else "")
    found, tried = defined.named.get(RUN), facts.made.get(RUN)
    if found is not None and (found.type != "string" or found.unique):
        has = "unique values" if found.unique else f"type {found.type or 'unknown'}"
        return _wrong(name, f"{RUN} has {has}: it has to be a plain text")
    if found is not None:
        return Check(name, "ok", f"{RUN}{_just(tried)}")
    if tried is not None and not tried.done:
        return Check(name, "fail", f"{RUN} could not be made: {_why(tried)}")
    if tried is not None:
        return Check(name, "warn", f"{RUN} was made, and is not listed yet", "bulkload doctor")
    return Check(name, "warn", f"no {RUN}: whose a record is is told by the remote's clock", FIX)


def _wrong(name: str, says: str) -> Check:
    return Check(
        name,
        "fail",
        says,
        f"nothing of it was changed: archive it in HubSpot's settings if nothing needs it, then "
        f"{FIX}" + ("; or name another one with --key-property" if name == "key property" else ""),
    )


def _just(tried: PropertyMade | None) -> str:
    return " (just made)" if tried is not None and tried.done else ""


def _why(tried: PropertyMade) -> str:
    return tried.denied or tried.trouble


def check_unique(facts: Facts) -> Check:
    """Do emails accept a property with unique values, and is a second value refused?"""
    name, probed, learnt = "unique values", facts.probed, facts.learnt
    defined, tried = facts.definitions, facts.made.get(KEY)
    known = learnt.unique_emails if learnt else None
    if probed and probed.learnt.unique_emails:
        told = f" ({probed.conflict})" if probed.conflict else ""
        return Check(name, "ok", f"a second record with the same key was refused{told}")
    if known is False:
        return Check(
            name,
            "fail",
            "a second record with the same key was accepted" + _since(facts),
            "load without the key property: --in-doubt verify, after it was archived",
        )
    if known:
        return Check(name, "ok", "a second record with the same key is refused" + _since(facts))
    if tried is not None and tried.trouble:
        return Check(name, "warn", f"no property with unique values could be made: {tried.trouble}")
    named = defined.named.values() if defined is not None else ()
    if any(each.unique and not each.hubspots for each in named):
        return Check(name, "ok", "emails accept a property that has them")
    if defined is None or defined.trouble:
        return _unknown(name, defined.trouble if defined else "")
    return Check(name, "warn", "whether emails accept a property that has them is not known", FIX)


def check_traces(facts: Facts) -> Check:
    """Results with their trace ids let good records pass beside bad ones."""
    name, echoes = "trace ids", facts.learnt.echoes_trace_id if facts.learnt else None
    if echoes is None:
        return _unprobed(name, facts)
    if echoes:
        return Check(name, "ok", "objectWriteTraceId comes back" + _since(facts))
    return Check(
        name,
        "warn",
        "objectWriteTraceId does not come back: results are told apart by their values"
        + _since(facts),
    )


def check_reads(facts: Facts) -> Check:
    by = "by key" if facts.probed is None or facts.probed.keyed else "by id"
    lag = facts.learnt.read_lag_s if facts.learnt else None
    return _lag("read after create", f"a read {by}", lag, facts)


def check_search(facts: Facts) -> Check:
    lag = facts.learnt.search_lag_s if facts.learnt else None
    return _lag("search after create", "a search", lag, facts)


def _lag(name: str, what: str, lag: float | None, facts: Facts) -> Check:
    if lag is None:
        return _unprobed(name, facts)
    if lag >= LONGEST_S:
        return Check(
            name, "warn", f"{what} showed a new record not within {LONGEST_S:g} s" + _since(facts)
        )
    says = f"{what} showed a new record after {lag:.1f} s" + _since(facts)
    return Check(name, "warn" if lag > SLOW_S else "ok", says)


def check_archived(facts: Facts) -> Check:
    """Whether what an undo archived can be loaded again."""
    name, keeps = "archived keys", facts.learnt.archived_keeps_key if facts.learnt else None
    if keeps is None:
        return _unprobed(name, facts)
    if keeps:
        return Check(
            name,
            "warn",
            "an archived record keeps its key: what was undone can't be loaded again until "
            "HubSpot has deleted it for good" + _since(facts),
        )
    return Check(name, "ok", "an archived record gives its key free" + _since(facts))


def check_probes(facts: Facts) -> Check | None:
    """What became of the probe records; None where there were none and nothing is to be said."""
    name, probed = "probes", facts.probed
    if probed is None:
        return None
    if probed.left:
        return Check(
            name,
            "fail",
            f"these probe records could not be archived: {', '.join(probed.left)}",
            "delete them in HubSpot: emails with these ids, tied to no contact",
        )
    if probed.unsure:
        return Check(
            name,
            "fail",
            f"an answer was lost ({probed.trouble}): a probe record may be left",
            "look for an email with the subject “bulkload probe, may be deleted”",
        )
    if probed.trouble:
        return Check(name, "fail", f"not all could be found out: {probed.trouble}")
    return Check(name, "ok", "made, and archived again")


def check_associations(facts: Facts) -> Check:
    name, labels = "association types", facts.labels
    if not labels:
        return Check(name, "warn", "not asked")
    silent = {kind: told.trouble for kind, told in labels.items() if told.trouble}
    if len(silent) == len(labels):
        return Check(name, "warn", f"not answered: {next(iter(silent.values()))}")
    lacking = [
        f"{ASSOCIATIONS[kind]} ({kind})"
        for kind, told in labels.items()
        if not told.trouble and ASSOCIATIONS[kind] not in told.types
    ]
    if lacking:
        return Check(
            name,
            "fail",
            f"this portal does not list {', '.join(lacking)}: such associations would be refused",
            "look up the type's number in this portal, and use it in the records' associations",
        )
    there = ", ".join(f"{kind} {ASSOCIATIONS[kind]}" for kind in labels if kind not in silent)
    if silent:
        return Check(name, "warn", f"{there}; not answered: {', '.join(silent)}")
    return Check(name, "ok", there)


def check_workflows(facts: Facts) -> Check:
    """No call tells it, so it is always said."""
    del facts
    return Check(
        "workflows",
        "warn",
        "a create may enrol contacts in workflows, which may mail them",
        "look through the portal's workflows first, and begin with a pilot: --limit 10",
    )


def _unknown(name: str, trouble: str) -> Check:
    return Check(name, "warn", f"not answered: {trouble}" if trouble else "not asked")


def _unprobed(name: str, facts: Facts) -> Check:
    if facts.unreached or facts.refused:
        return Check(name, "warn", "not asked")
    if facts.probed is None:
        return Check(name, "warn", "not known", PROBE)
    return Check(name, "warn", "not found out" if facts.probed.keyed else "not known without a key")


def _since(facts: Facts) -> str:
    """The day where it was not now that it was seen."""
    learnt: Learnt | None = facts.learnt
    return "" if facts.probed is not None or learnt is None else f" (seen on {learnt.at[:10]})"
