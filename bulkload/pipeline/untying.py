"""Pure: contacts that went away after they were looked up, as a refusal of their record tells.

Law kept here: only the remote's judgement of a record makes a dead letter: a contact that somebody
deleted or merged meanwhile is no fault of the record, which is sent again without it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from bulkload.hubspot import wire
from bulkload.records.added import contacts_of, others_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bulkload.batch import Batch, Entry
    from bulkload.hubspot.refusals import Refusal

_ABOUT = re.compile(r"associat|contact", re.IGNORECASE)
_OTHERS = re.compile(r"compan(?:y|ies)|\bdeals?\b|\btickets?\b", re.IGNORECASE)
_CONTACT = re.compile(r"contact", re.IGNORECASE)
_ID = re.compile(r"\d{1,20}")


def gone(batch: Batch, judged: wire.Verdict) -> dict[int, frozenset[str]]:
    """Ordinals → the contacts, of those that they were tied to, which are not there any more."""
    refused: Mapping[int, Refusal] = {}
    if isinstance(judged, wire.Outcomes):
        refused = dict(judged.rejected)
    elif isinstance(judged, wire.Refused):
        refused = dict(judged.blamed)
        if not refused and len(batch.entries) == 1:
            refused = {batch.entries[0].ordinal: judged.because}
    if not refused:
        return {}
    found = {}
    for entry in batch.entries:
        if entry.tied and (why := refused.get(entry.ordinal)) is not None:
            lost = _named(entry, why)
            if lost:
                found[entry.ordinal] = lost
    return found


def without(judged: wire.Outcomes, ordinals: Mapping[int, object]) -> wire.Outcomes:
    """The verdict on the others."""
    left = tuple((ordinal, why) for ordinal, why in judged.rejected if ordinal not in ordinals)
    return replace(judged, rejected=left)


def _named(entry: Entry, why: Refusal) -> frozenset[str]:
    """The user's own associations, which its body has, are not ours to leave out. A number may be
    the id of something else: of a kind that the message names, or that the record is tied to.
    """
    said = why.message
    if not _ABOUT.search(said) or (_OTHERS.search(said) and not _CONTACT.search(said)):
        return frozenset()
    ours = contacts_of(entry.sent) - contacts_of(entry.body) - others_of(entry.body)
    return frozenset(ours.intersection(_ID.findall(why.message)))
