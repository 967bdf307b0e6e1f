"""Pure: an entry with what others contribute to it: links to its people, files, labels.

Law kept here: what its record alone makes stays as it is (`body`): by that an attempt is
recognised when it is read again.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import orjson

from bulkload.mail.cut import LONGEST

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from bulkload.batch import Entry

TEXT, HTML = "hs_email_text", "hs_email_html"
TO_CONTACT = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 198}
"""[HubSpot: association type definitions, email to contact]"""


def linked(entry: Entry, contacts: Iterable[str]) -> Entry:
    """Tied to these contacts too, each once."""
    sent = _sent(entry)
    there = _contacts(sent)
    sent["associations"] += [
        {"to": {"id": contact}, "types": [TO_CONTACT]}
        for contact in dict.fromkeys(contacts)
        if contact not in there
    ]
    return entry._replace(sent=orjson.dumps(sent), tied=True)


def unlinked(entry: Entry, contacts: Collection[str]) -> Entry:
    """Not tied to these any more."""
    sent = _sent(entry)
    sent["associations"] = [
        each
        for each in sent["associations"]
        if not (_to_contact(each) and str(each["to"].get("id")) in contacts)
    ]
    return entry._replace(sent=orjson.dumps(sent))


def contacts_of(body: bytes) -> frozenset[str]:
    """The ids of the contacts that an input is tied to."""
    return _contacts(orjson.loads(body))


def others_of(body: bytes) -> frozenset[str]:
    """The ids of what else an input is tied to: companies, deals, tickets, others."""
    there = orjson.loads(body)["associations"]
    return frozenset(str(each["to"].get("id")) for each in there if not _to_contact(each))


def _contacts(sent: dict[str, Any]) -> frozenset[str]:
    there = (each for each in sent["associations"] if _to_contact(each))
    return frozenset(str(each["to"].get("id")) for each in there)


def relabelled(entry: Entry, labels: tuple[str, ...], name: str) -> Entry:
    """With these labels too, in the property of that `name`."""
    merged = tuple(dict.fromkeys((*entry.labels, *labels)))
    if merged == entry.labels:
        return entry
    return with_properties(entry._replace(labels=merged), {name: ";".join(merged)})


def with_properties(entry: Entry, properties: dict[str, str]) -> Entry:
    """With these properties, in place of those that it has."""
    sent = _sent(entry)
    sent["properties"] |= properties
    return entry._replace(sent=orjson.dumps(sent))


def noted(entry: Entry, words: str) -> Entry:
    """With a line at the end of its text, and of its HTML where that has room."""
    properties = _sent(entry)["properties"]
    text, markup = f"\n\n[{words}]", f"<p>[{html.escape(words)}]</p>"
    text = text[:LONGEST]
    added = {TEXT: properties.get(TEXT, "")[: LONGEST - len(text)] + text}
    if HTML in properties and len(properties[HTML]) + len(markup) <= LONGEST:
        added[HTML] = properties[HTML] + markup
    return with_properties(entry, added)


def _sent(entry: Entry) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(entry.sent or entry.body)
    return found


def _to_contact(association: dict[str, Any]) -> bool:
    return any(
        isinstance(each, dict) and each.get("associationTypeId") == 198
        for each in association["types"]
    )
