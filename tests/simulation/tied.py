"""The laws of people: who is asked for, made, named, and what is tied to whom.

Held against calls, answers, commits and the books, as those of records are in laws.py. Where the
product can't know, and says so, nothing is asked of it: whose a contact is that another client
made while an answer was lost, and what of one that went away.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from bulkload.journal import people as journaled
from bulkload.runs.preflight import NOBODY
from tests.simulation.people import Contact, Contacts, ties

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Mapping, Sequence

    from bulkload.hubspot.replies import Reply
    from tests.simulation.remote import Made

REJECTED = b"--unknown-contacts reject"
"""What a letter says that is about people."""


GONE = b"Invalid associations"
GIVEN_UP = 4
"""After so many answers that tell nothing of an address it may be taken to have no contact."""


@dataclass
class People:
    """Watches the contacts of one run. `whom`: the addresses of each record, by its ordinal."""

    contacts: Contacts
    connection: sqlite3.Connection
    whom: Mapping[int, Collection[str]]
    batch: int
    fail: Callable[[str], None]
    told: set[str] = field(default_factory=set)
    """Of whom this life knows what the remote has, and so the journal."""
    absent: set[str] = field(default_factory=set)
    """Of whom a whole answer showed, in any life, that there was no contact."""
    meant: dict[str, float] = field(default_factory=dict)
    """When it was first written down that a call may make their contacts."""
    answered: int = 0
    silent: Counter[str] = field(default_factory=Counter)
    """Answers to an upsert that told nothing of them."""

    def begin(self) -> None:
        """A life begins: what it does not find in the journal it may ask for again."""
        self.told = {a for a in self.contacts.pool if self._known(a) is not None}

    def leaves(self, kind: str, asked: Sequence[Any]) -> None:
        """A call about contacts is about to leave."""
        named = [one["id"] for one in asked]
        if len(set(named)) < len(named):
            self.fail(f"{kind} asks twice in one call: {named}")
        if kind == "contacts":
            if again := self.told.intersection(named):
                self.fail(f"each address is looked up once: {sorted(again)} again")
        elif kind == "names":
            for contact in (self.contacts.all[each] for each in named):
                if not self._ours(contact):
                    self.fail(f"names for {contact}, which is not of this run")
        else:
            open_ = dict(self.connection.execute("SELECT address, since FROM contact"))
            if early := [each for each in named if open_.get(each) is None]:
                self.fail(f"written before said: an upsert of {early} left without an intent")
            if unread := set(named) - self.absent:
                self.fail(f"{sorted(unread)} may be there: no answer shows that they are not")
            if self.contacts.unknown != "create":
                self.fail(f"an upsert of {named} though nothing is to be made")

    def comes_back(self, kind: str, asked: Sequence[Any], reply: Reply) -> None:
        if kind == "names" or reply.status not in (200, 207) or not reply.whole:
            return
        try:
            answer = orjson.loads(reply.body)
        except ValueError:
            return
        if kind == "upsert":
            self.silent.update(one["id"] for one in asked if _is_silent(answer, len(asked)))
            return
        shown = {each["properties"]["email"] for each in answer["results"]}
        named = {each for error in answer.get("errors", ()) for each in error["context"]["ids"]}
        self.absent.update({one["id"] for one in asked} - shown)
        self.told.update((shown | named).intersection(one["id"] for one in asked))
        self.answered += NOBODY not in named

    def create_leaves(self, inputs: Sequence[Any], ordinals: Sequence[int]) -> None:
        """Whose a contact is stands in the journal before a record is tied to it."""
        known = {
            i for (i,) in self.connection.execute("SELECT id FROM contact WHERE since IS NULL")
        }
        for one, ordinal in zip(inputs, ordinals, strict=True):
            for contact in ties(one):
                there = self.contacts.all[contact]
                if contact not in known and there.gone is None:
                    self.fail(f"{ordinal} is tied to {contact}, which the journal does not know")
                if not any(there.has(who) for who in self.whom[ordinal]):
                    self.fail(f"{ordinal} is tied to {there.email}, of {self.whom[ordinal]}")

    def committed(self, now: float) -> None:
        for (address,) in self.connection.execute("SELECT address FROM contact WHERE since > 0"):
            self.meant.setdefault(address, now)

    # Ends

    def run_ended(self, books: Mapping[str, Made], now: float, *, calm: bool) -> None:
        for made in books.values():
            if made.ordinal >= 0:
                self._check_ties(made, now)
        self._check_letters(now)
        self._check_made(now)
        with_people = sum(bool(each) for each in self.whom.values())
        alone = sum(len(each.others) for each in self.contacts.all.values())
        if calm and self.answered > 1 + with_people // (3 * self.batch) + alone:
            self.fail(f"{self.answered} reads for {with_people} records with people")

    def _check_ties(self, made: Made, now: float) -> None:
        tied = self.contacts.ties[made.id]
        for who in self.whom[made.ordinal]:
            if self.silent[who] >= GIVEN_UP:
                continue
            if self._known(who) is None:
                self.fail(f"{who} of {made.ordinal} is not known at the end")
            ever = self._ever(who, now)
            if self.contacts.unknown != "create" and not self._found(ever, who):
                continue  # where its first address is asked for too, it may be known
            if any(each.gone is not None and each.gone <= now for each in ever):
                continue
            if any(each.by == "meanwhile" for each in ever) and self.contacts.unknown != "create":
                continue
            if {each.id for each in ever} - tied:
                self.fail(f"{made.ordinal} as {made.id} is tied to {sorted(tied)}, not to {ever}")
            if not ever and self.contacts.unknown == "reject":
                self.fail(f"{made.ordinal} was loaded though {who} has no contact")
            if not ever and self.contacts.unknown == "create" and not who.startswith("bad"):
                self.fail(f"{made.ordinal} was loaded, and no contact of {who} was made")

    def _check_letters(self, now: float) -> None:
        for ordinal, line in self.connection.execute("SELECT ordinal, line FROM letter"):
            if GONE in line:
                self.fail(f"{ordinal} is a dead letter for a contact that went away")
            if REJECTED not in line:
                continue
            if self.contacts.unknown != "reject":
                self.fail(f"{ordinal} is a dead letter for its people's sake")
            elif all(self._always_there(who, now) for who in self.whom[ordinal]):
                self.fail(f"{ordinal} is a dead letter, though all its people have contacts")

    def _check_made(self, now: float) -> None:
        rows = dict(self.connection.execute("SELECT address, id FROM contact WHERE made"))
        for contact in self.contacts.all.values():
            if contact.by != "run" or contact.created > now:
                continue
            # A call that came late may make again what went away.
            gone = any(
                each.gone is not None and each.gone <= now
                for each in self.contacts.ever(contact.email)
            )
            if self.silent[contact.email] >= GIVEN_UP and self._known(contact.email) is None:
                continue  # it is open in the journal
            if not gone and rows.get(contact.email) != contact.id:
                self.fail(f"this run made {contact}, and the journal says {rows}")
            if not gone and set(contact.names) != {"firstname", "lastname"}:
                self.fail(f"{contact} has no names")
        for address, contact_id in rows.items():
            if not self._ours(self.contacts.all[contact_id]):
                self.fail(f"the journal says that this run made {address}: {contact_id}")
        made = [each for each in self.contacts.all.values() if each.by == "run"]
        if self.contacts.unknown != "create" and (made or rows):
            self.fail(f"nothing was to be made: {made}, {rows}")
        counts = journaled.count(self.connection)
        ask = self.connection.execute
        (known,) = ask("SELECT count(*) FROM contact WHERE since IS NULL").fetchone()
        open_ = {each for (each,) in ask("SELECT address FROM contact WHERE since IS NOT NULL")}
        if left := {each for each in open_ if self.silent[each] < GIVEN_UP}:
            self.fail(f"{sorted(left)} are open at the end")
        if counts.made != len(rows) or sum(counts) != known:
            self.fail(f"counts: {counts} of {known} addresses, {len(rows)} made")

    def _ours(self, contact: Contact) -> bool:
        """Made by this run, or by another client while an answer to this run was lost."""
        meant = self.meant.get(contact.email)
        lost = contact.by == "meanwhile" and meant is not None and meant <= contact.created
        return contact.by == "run" or lost

    def _ever(self, who: str, now: float) -> list[Contact]:
        return [each for each in self.contacts.ever(who) if each.created <= now]

    def _found(self, ever: Sequence[Contact], who: str) -> bool:
        return all(self.contacts.finds(each, who) for each in ever)

    def _always_there(self, who: str, now: float) -> bool:
        return any(
            each.by == "before"
            and (each.gone is None or each.gone > now)
            and self.contacts.finds(each, who)
            for each in self.contacts.ever(who)
        )

    def _known(self, address: str) -> str | None:
        return journaled.look(self.connection, address)


def _is_silent(answer: Mapping[str, Any], asked: int) -> bool:
    told = len(answer["results"]) + len(answer.get("errors", ()))
    return bool(answer["status"] != "COMPLETE" or told < asked)
