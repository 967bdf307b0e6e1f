"""Pure: people's contacts by address: reading, making and naming them; what the answers show.

Laws kept here: a contact that somebody else made is never changed: an upsert carries the address
alone, and names are written afterwards, by id, to those that it made. Who made a contact is what
the remote says (`new`), or, where the answer to a first call was lost, when it was created: within
the time in which that one may have been carried out. An
address counts as unknown only where a whole answer shows no contact of it. Never raises.

Source: HubSpot's contacts v3, `POST /crm/v3/objects/contacts/batch/read|upsert|update`: at most
100 inputs; addresses not found are in `errors[].context.ids` of a 207 (hubspot-api-php #619);
partial upserts are not supported with `idProperty` email, and what is given is overwritten
(contacts guide); secondary addresses are in `hs_additional_emails`, joined by `;`. That a bad
address refuses the whole call unless all inputs have trace ids is HubSpot's page on multi-status
errors. Not established: whether a read by a secondary address finds its contact, whether an
upsert echoes trace ids, and how a refused address is named. Any answer to these does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from bulkload.hubspot import addressing, refusals, replies

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bulkload.hubspot.addressing import Shown
    from bulkload.hubspot.refusals import Refusal
    from bulkload.hubspot.replies import Reply
    from bulkload.hubspot.span import Span
    from bulkload.model import Address

READS = "read contacts, which needs the scope crm.objects.contacts.read"
WRITES = "write contacts, which needs the scope crm.objects.contacts.write"
"""What the token may not do, for the words of a 403."""


_EXISTING = re.compile(r"existing id:?\s*(\d{1,20})(?!\d)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Found:
    """A whole answer to a read. Every address asked for is in `ids` (with its contact's id) or
    in `missing`.

    `unexplained`: of the missing, those that the answer does not name as not found. `created`: by
    address, when the contact was created whose first one it is, in seconds since the epoch.
    """

    ids: Mapping[str, str]
    missing: frozenset[str]
    unexplained: frozenset[str] = frozenset()
    created: Mapping[str, float] = field(default_factory=dict)


class Contact(NamedTuple):
    """`made`: by this run."""

    id: str
    made: bool


@dataclass(frozen=True, slots=True)
class Upserted:
    """Each address is in exactly one. `silent`: the answer tells nothing of it: send it again."""

    contacts: Mapping[str, Contact]
    refused: Mapping[str, Refusal]
    silent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """The whole call was refused, and nothing was made. `blamed`: surely at fault, each with its
    refusal; the others are in `parts`, each to be sent apart.
    """

    because: Refusal
    blamed: Mapping[str, Refusal]
    parts: tuple[tuple[str, ...], ...] = ()


class Named(NamedTuple):
    """The names are written; `refused` says why the remote would not, where it would not."""

    refused: str = ""


def read_body(addresses: Iterable[str]) -> bytes:
    """A batch read of the contacts with these addresses, which are in lower case."""
    return orjson.dumps(
        {
            "idProperty": "email",
            "properties": ["email", "hs_additional_emails"],
            "inputs": [{"id": each} for each in addresses],
        }
    )


def upsert_body(addresses: Iterable[str]) -> bytes:
    """A batch upsert that makes the contacts with these addresses, and changes none."""
    return orjson.dumps({"inputs": [_upsert(each) for each in addresses]})


def names_body(people: Mapping[str, Address]) -> bytes:
    """A batch update by contact id that gives names; empty where nobody has one."""
    inputs = [
        {"id": contact, "properties": names}
        for contact, person in people.items()
        if (names := _names(person))
    ]
    return orjson.dumps({"inputs": inputs}) if inputs else b""


def judge_read(addresses: Sequence[str], reply: Reply) -> Found | Refused | replies.Trouble:
    """What the answer to `read_body` shows of the addresses."""
    if (trouble := replies.trouble(reply, may=READS) or _cut(reply)) is not None:
        return trouble
    if reply.status >= 300:
        return _refused(addresses, reply)
    answer = replies.parsed(reply)
    results, named = answer.get("results"), replies.not_found(answer)
    if not isinstance(results, list) or answer.get("status", "COMPLETE") != "COMPLETE":
        return replies.Doubtful(replies.unreadable(reply, "list of contacts"))
    shown = [addressing.shown(each) for each in results]
    there = [each for each in shown if each is not None and not each.archived]
    asked = frozenset(addresses)
    ids: dict[str, str] = {}
    clash = any(ids.setdefault(c.email, c.id) != c.id for c in there if c.email in asked)
    if named is None or None in shown or clash:
        return replies.Doubtful(f"{reply.status} that leaves out some of what was asked for")
    named = frozenset(each.strip().lower() for each in named)
    for contact in there:
        for other in contact.others & asked:
            ids.setdefault(other, contact.id)
    strays = {c.id for c in there if not ({c.email} | c.others) & asked}
    untied = asked - ids.keys() - named
    if len(strays) == len(untied) == 1:  # found by an address that the remote does not show
        ids[min(untied)] = min(strays)
    missing = asked - ids.keys()
    created = {c.email: c.created for c in there if c.email in asked and c.created is not None}
    return Found(ids, missing, missing - named if named or strays else frozenset(), created)


def judge_upsert(
    addresses: Sequence[str], reply: Reply, lost: Span | None = None
) -> Upserted | Refused | replies.Trouble:
    """What the answer to `upsert_body` says of each address.

    `lost`: when earlier calls for these, whose answers are not known, may have been carried out;
    None: this is the first. A contact created then was made by them.
    """
    if (trouble := replies.trouble(reply, may=WRITES) or _cut(reply)) is not None:
        return trouble
    if reply.status >= 300:
        return _existing(addresses, reply) or _refused(addresses, reply)
    answer = replies.parsed(reply)
    results, errors = answer.get("results"), answer.get("errors") or []
    if not isinstance(results, list) or not isinstance(errors, list):
        return replies.Doubtful(replies.unreadable(reply, "list of contacts"))
    if answer.get("status", "COMPLETE") != "COMPLETE":
        errors = []  # the remote is not done: what it has not made yet is not refused
    shown = [each for each in map(addressing.shown, results) if each is not None]
    tied, strays = addressing.tie(addresses, shown)
    left = [each for each in addresses if each not in tied]
    alone = len(left) == 1 and not strays
    refused = addressing.blame(left, errors, reply.status, surely=alone)
    silent = [each for each in left if each not in refused]
    if len(silent) == len(strays) == 1:
        tied[silent.pop()] = strays[0]
    contacts = {each: Contact(to.id, _made(each, to, lost)) for each, to in tied.items()}
    for each, why in refused.items():
        if why.category == "CONFLICT" and (said := _EXISTING.search(why.message)) is not None:
            contacts[each] = Contact(said[1], made=False)
    refused = {each: why for each, why in refused.items() if each not in contacts}
    return Upserted(contacts, refused, tuple(silent))


def judge_names(reply: Reply) -> Named | replies.Trouble:
    """What the answer to `names_body` says. A contact without its names is a contact."""
    if (trouble := replies.trouble(reply, may=WRITES)) is not None:
        return trouble
    answer = replies.parsed(reply)
    failed = reply.status >= 300 or bool(answer.get("errors"))
    return Named(refusals.describe(reply.status, answer) if failed else "")


def _cut(reply: Reply) -> replies.Doubtful | None:
    """A refusal that can't be read blames nobody: it may say which contact an address has."""
    if reply.whole:
        return None
    return replies.Doubtful(f"{reply.status}: {reply.trouble or 'the answer was cut off'}")


def _upsert(address: str) -> dict[str, Any]:
    return {
        "id": address,
        "idProperty": "email",
        "properties": {"email": address},  # HubSpot refuses updates of no property at all
        "objectWriteTraceId": addressing.trace(address),
    }


def _names(person: Address) -> dict[str, str]:
    names = {"firstname": person.first_name, "lastname": person.last_name}
    return {name: value for name, value in names.items() if value}


def _made(address: str, contact: Shown, lost: Span | None) -> bool:
    if contact.new or lost is None:
        return contact.new is True
    # What has it as a second address was there before.
    return contact.email == address and lost.holds(contact.created)


def _existing(addresses: Sequence[str], reply: Reply) -> Upserted | None:
    """One address alone that the remote says an existing contact has, such as a secondary one."""
    answer = replies.parsed(reply)
    said = _EXISTING.search(str(answer.get("message", ""))[: refusals.MESSAGE_LIMIT])
    if said is None or len(addresses) != 1 or answer.get("category") != "CONFLICT":
        return None
    return Upserted({addresses[0]: Contact(said[1], made=False)}, {})


def _refused(addresses: Sequence[str], reply: Reply) -> Refused:
    """Whom a refusal of the whole call blames, and how the others go on."""
    answer = replies.parsed(reply)
    because = refusals.read(answer, reply.status)
    if len(addresses) <= 1:
        return Refused(because, dict.fromkeys(addresses, because))
    listed = answer.get("errors")
    errors = [answer, *(listed if isinstance(listed, list) else [])]
    blamed = addressing.blame(addresses, errors, reply.status)
    others = tuple(each for each in addresses if each not in blamed)
    if not blamed:
        middle = len(others) // 2
        return Refused(because, {}, (others[:middle], others[middle:]))
    if refusals.is_conflict(because, "email") or because.category == "UNKNOWN":
        # Named, and perhaps not at fault: alone it is told what its contact is, or why not.
        alone = tuple((each,) for each in blamed)
        return Refused(because, {}, alone + ((others,) if others else ()))
    return Refused(because, blamed, (others,) if others else ())
