"""People in the simulation: whom records are about, and the contacts that the remote has of them.

What the model promises, since the product is built on it: an address names at most one contact at
a time; an upsert by address never makes a second one; a contact that went away stays away, and
sets its addresses free. What is drawn here comes from a generator of its own: without people a
seed means what it always did.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import orjson

from bulkload.columns import Columns
from bulkload.hubspot import paths
from bulkload.records.added import TO_CONTACT
from bulkload.records.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bulkload.options import UnknownContacts

    Answer = tuple[int, dict[str, Any]]
    Later = Callable[[float, Callable[[float], None]], None]

KINDS = {
    paths.CONTACTS_READ: "contacts",
    paths.CONTACTS_UPSERT: "upsert",
    paths.CONTACTS_UPDATE: "names",
}
RULES = Rules(columns=Columns(addresses=("people",)), people=True)
COLUMN = b'"people":'

Problem = tuple[str, str, str]


@dataclass(slots=True)
class Contact:
    """`by`: run, before (it was there when the run began) or meanwhile (another client's)."""

    id: str
    email: str
    others: tuple[str, ...]
    by: str
    created: float
    names: dict[str, str] = field(default_factory=dict)
    gone: float | None = None

    def has(self, address: str) -> bool:
        return address == self.email or address in self.others


class Contacts:
    """The remote's contacts. `iso` dates a moment by the remote's clock; `later` has it happen."""

    def __init__(
        self, random: Random, refusing: Sequence[str], later: Later, iso: Callable[[float], str]
    ) -> None:
        self.random = random
        self.all: dict[str, Contact] = {}
        self.ties: dict[str, frozenset[str]] = {}
        """A record's id → the contacts that it is tied to."""
        self.unknown: UnknownContacts = random.choice(("skip", "create", "create", "reject"))
        self.pool: list[str] = []
        self._refusing = refusing
        self._later = later
        self._iso = iso
        self._found_by_others = random.random() < 0.5
        self._upserts_others = random.random() < 0.5
        self._shows_others = random.random() < 0.5
        self._echo = random.random() < 0.7
        self._leave = random.choice((0.0, 0.0, 0.3))
        self._populate()

    def _populate(self) -> None:
        random = self.random
        for n in range(random.randint(1, random.choice((4, 15)))):
            draw, address = random.random(), f"p{n}@x.org"
            if draw < 0.1:
                address = f"bad{n}@x.org"
            self.pool.append(address)
            if 0.1 <= draw < 0.45:
                self._make(address, "before", 0.0)
            elif draw < 0.1 or draw >= 0.65:
                continue
            elif draw < 0.52:
                self._make(f"q{n}@y.org", "before", 0.0, (address,))
            elif draw < 0.59 and len(self.pool) > 1 and self.holder(self.pool[-2]) is None:
                if "bad" not in self.pool[-2]:
                    self._make(self.pool[-2], "before", 0.0, (address,))
            else:
                at = 1000.0 + random.uniform(0, random.choice((5.0, 60.0)))
                self._later(at, partial(self._meanwhile, address))

    def _meanwhile(self, address: str, now: float) -> None:
        if self.holder(address) is None:
            self._make(address, "meanwhile", now)

    def _make(self, email: str, by: str, now: float, others: tuple[str, ...] = ()) -> Contact:
        made = Contact(str(100 + len(self.all)), email, others, by, now)
        self.all[made.id] = made
        if self.random.random() < self._leave:
            at = max(now, 1000.0) + self.random.uniform(0, self.random.choice((5.0, 60.0)))
            self._later(at, lambda then: setattr(made, "gone", then))
        return made

    def on(self, lines: Sequence[bytes]) -> list[bytes]:
        """Records with people: those that were alike still are."""
        known: dict[bytes, bytes] = {}
        for line in lines:
            whom = self.random.sample(self.pool, min(len(self.pool), self.random.randint(0, 3)))
            text = ", ".join(f"Ann Bee <{who}>" for who in whom)
            if line not in known:
                told = f',"people":"{text}"}}'.encode() if whom else b"}"
                known[line] = line[:-1] + told if line.endswith(b"}") else line
        return [known[line] for line in lines]

    def ever(self, address: str) -> list[Contact]:
        """Those that have, or had, this address."""
        return [each for each in self.all.values() if each.has(address)]

    def holder(self, address: str) -> Contact | None:
        return next((c for c in self.ever(address) if c.gone is None), None)

    def finds(self, contact: Contact, address: str) -> bool:
        """Whether a read by this address, which it has, finds it."""
        return contact.email == address or self._found_by_others

    # Calls

    def answer(self, kind: str, asked: Any, fault: str, now: float) -> Answer:
        if kind == "contacts":
            return self._read([one["id"] for one in asked["inputs"]])
        if kind == "names":
            return self._name(asked["inputs"])
        return self._upsert(asked["inputs"], fault, now)

    def problem(self, one: Any) -> Problem | None:
        """Why a record can't be made for the contacts that it is tied to, as `Remote._problem`."""
        for contact in sorted(ties(one)):
            there = self.all.get(contact)
            if there is None or there.gone is not None:
                said = f"Invalid associations: CONTACT with id {contact} does not exist"
                return "VALIDATION_ERROR", said, said
        return None

    def _read(self, addresses: Sequence[str]) -> Answer:
        results, missing = {}, []
        for address in addresses:
            found = self.holder(address)
            if found is None or not self.finds(found, address):
                missing.append(address)
            else:
                # Where two addresses name one contact, it says so.
                results[found.id] = self._shown(found, others=found.email in addresses)
        body: dict[str, Any] = {"status": "COMPLETE", "results": list(results.values())}
        if missing:
            error = {"category": "OBJECT_NOT_FOUND", "message": "no", "context": {"ids": missing}}
            body |= {"errors": [error], "numErrors": 1}
        return (207 if missing else 200), body

    def _upsert(self, inputs: list[Any], fault: str, now: float) -> Answer:
        random = self.random
        found = [self.holder(one["id"]) for one in inputs]
        there = [contact.id for contact in found if contact is not None]
        if self._upserts_others and len(set(there)) < len(there):
            named = [
                one["id"] for one, c in zip(inputs, found, strict=True)
                if c is not None and there.count(c.id) > 1
            ]  # fmt: skip
            message = f"Duplicate IDs found in batch input: [{', '.join(named)}]."
            return 400, _refusal("VALIDATION_ERROR", message)
        errors = [(one, *p) for one in inputs if (p := self._unwanted(one["id"])) is not None]
        style = "207" if fault in ("silent", "pending") else random.choice(self._refusing)
        if errors and style != "207":
            one, category, message, quoted = errors[0]
            traced = {"context": {"objectWriteTraceId": [one["objectWriteTraceId"]]}}
            body = _refusal(category, quoted if style == "quoting" else message)
            status = 409 if category == "CONFLICT" else 400
            return status, {**body, **(traced if style == "named" else {})}
        refused = {one["id"] for one, *_ in errors}
        results = []
        for one in inputs:
            if one["id"] in refused:
                continue
            if fault in ("silent", "pending") and random.random() < 0.5:
                self._in_silence(one["id"], fault, now)
                continue
            contact, new = self._upserted(one["id"], now)
            shown = {**self._shown(contact), "new": new}
            if self._echo:
                shown["objectWriteTraceId"] = one["objectWriteTraceId"]
            results.append(shown)
        random.shuffle(results)
        listed = [
            {
                **_refusal(category, random.choice((message, quoted))),
                "context": {"objectWriteTraceId": [one["objectWriteTraceId"]]},
            }
            for one, category, message, quoted in errors
        ]
        body = {"status": "PENDING" if fault == "pending" else "COMPLETE", "results": results}
        if listed:
            body |= {"errors": listed, "numErrors": len(listed)}
        return (207 if listed or fault == "silent" else 200), body

    def _unwanted(self, address: str) -> Problem | None:
        if address.startswith("bad"):
            said = "Email address is invalid"
            return "VALIDATION_ERROR", said, f"Email address {address} is invalid"
        found = self.holder(address)
        if found is None or found.email == address or self._upserts_others:
            return None
        said = f"Contact already exists. Existing ID: {found.id}"
        return "CONFLICT", said, f"{address}: {said}"

    def _in_silence(self, address: str, fault: str, now: float) -> None:
        """Made and not said, or made later, or never."""
        if self.random.random() < 0.6:
            delay = self.random.uniform(0, 2.0) if fault == "pending" else 0.0
            self._later(now + delay, partial(self._made_late, address))

    def _made_late(self, address: str, now: float) -> None:
        self._upserted(address, now)

    def _upserted(self, address: str, now: float) -> tuple[Contact, bool]:
        there = self.holder(address)
        return (self._make(address, "run", now), True) if there is None else (there, False)

    def _name(self, inputs: list[Any]) -> Answer:
        for one in inputs:
            contact = self.all[one["id"]]
            if contact.gone is None:
                contact.names |= one["properties"]
        return 200, {"status": "COMPLETE", "results": [{"id": one["id"]} for one in inputs]}

    def _shown(self, contact: Contact, *, others: bool = False) -> dict[str, Any]:
        properties = {"email": contact.email}
        if (others or self._shows_others) and contact.others:
            properties["hs_additional_emails"] = ";".join(contact.others)
        return {
            "id": contact.id,
            "properties": properties,
            "createdAt": self._iso(contact.created),
            "archived": False,
        }


def _refusal(category: str, message: str) -> dict[str, Any]:
    return {"status": "error", "category": category, "message": message}


def ties(one: Any) -> frozenset[str]:
    """The contacts that an input is tied to."""
    return frozenset(a["to"]["id"] for a in one["associations"] if TO_CONTACT in a["types"])


def bare(inputs: Sequence[Any]) -> bytes:
    """The body that the records alone make: no source has associations of its own."""
    alone = (orjson.dumps({**one, "associations": []}) for one in inputs)
    return b'{"inputs":[' + b",".join(alone) + b"]}"


def people_of(lines: Sequence[bytes]) -> Iterator[tuple[str, ...]]:
    """The addresses of each record."""
    for line in lines:
        whom = line.partition(COLUMN)[2].decode().split("<")[1:]
        yield tuple(each.partition(">")[0] for each in whom)
