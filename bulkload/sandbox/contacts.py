"""Contacts: people by all their addresses, and who put them into the portal. Pure.

Law: an address, primary or secondary, names at most one contact that is not archived.

Secondary addresses stand in `hs_additional_emails`, joined by `;` [docs: contacts v1, secondary
email]. That a read by `idProperty=email` finds a contact by one of them is not established:
`secondary_found` says whether it does here. An archived contact sets its addresses free: the
same address can be created anew [field].
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bulkload.sandbox.books import Books

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from bulkload.sandbox.record import Links, Record

ADDITIONAL = "hs_additional_emails"


def addresses(text: str) -> list[str]:
    """`A@b.com; c@d.com` → ["a@b.com", "c@d.com"]: HubSpot keeps addresses in lower case."""
    return [one for part in text.split(";") if (one := part.strip().lower())]


def _primary_first(text: str) -> list[str]:
    found = addresses(text)
    if not found or "@" not in found[0]:
        raise ValueError(f"{text!r} is no contact: write ADDRESS[;SECONDARY...]")
    return found


def _addressed(primary: str, others: list[str]) -> dict[str, str]:
    return {"email": primary, **({ADDITIONAL: ";".join(others)} if others else {})}


class Contacts(Books):
    def __init__(self, first_id: int, unique: Iterable[str], *, secondary_found: bool) -> None:
        super().__init__("CONTACT", first_id, unique)
        self._secondary_found = secondary_found
        self._secondary: dict[str, Record] = {}
        self._gone: dict[str, Record] = {}  # the last archived contact that had the address
        self._planted: set[str] = set()  # ids that no call of the API made

    def plant(self, text: str, wall: float) -> str:
        """A contact that is simply there: `address[;secondary...]` → its id.

        Raises ValueError where another contact has one of the secondary addresses.
        """
        primary, *others = _primary_first(text)
        known = self._index["email"].get(primary)
        self._check_free(primary, others, known)
        values = _addressed(primary, others)
        if known is not None:
            if others:
                self.change(known, values, wall)
            return known.id
        record = self.add(values, (), wall, 0.0, 0.0)
        self._planted.add(record.id)
        return record.id

    def check(self, texts: Iterable[str]) -> None:
        """Raises ValueError where one of these can't be planted beside the others."""
        whose: dict[str, str] = {}
        for text in texts:
            primary, *others = _primary_first(text)
            known = self._index["email"].get(primary)
            self._check_free(primary, others, known)
            for address in (primary, *others):
                if whose.setdefault(address, primary) != primary:
                    raise ValueError(f"{address} would be an address of two contacts")

    def _check_free(self, primary: str, others: list[str], known: Record | None) -> None:
        if (clash := self.conflict(_addressed(primary, others), but=known)) is not None:
            raise ValueError(f"contact {clash[2].id} has the address {clash[1]} already")

    def holder(self, name: str, value: str) -> Record | None:
        found = super().holder(name, value)
        if found is None and name == "email" and self._secondary_found:
            return self._secondary.get(value)
        return found

    def archived_holder(self, name: str, value: str) -> Record | None:
        return self._gone.get(value) if name == "email" else super().archived_holder(name, value)

    def conflict(
        self, values: Mapping[str, str], but: Record | None = None
    ) -> tuple[str, str, Record] | None:
        secondary = addresses(values.get(ADDITIONAL, ""))
        for value in (values.get("email", ""), *secondary):
            primary = self._index["email"].get(value) if value in secondary else None
            other = self._secondary.get(value) or primary
            if other is not None and other is not but:
                self.count_duplicate("email")
                return "email", value, other
        return super().conflict(values, but)

    def marks(self, values: Mapping[str, str]) -> list[tuple[str, str]]:
        secondary = addresses(values.get(ADDITIONAL, ""))
        return super().marks(values) + [("email", address) for address in secondary]

    def add(
        self, values: dict[str, str], links: Links, wall: float, readable: float, searchable: float
    ) -> Record:
        record = super().add(values, links, wall, readable, searchable)
        self._note(record)
        return record

    def change(self, record: Record, values: Mapping[str, str], wall: float) -> None:
        self._forget_secondary(record)
        super().change(record, values, wall)
        self._note(record)

    def archive(self, identity: str, wall: float) -> bool:
        if not super().archive(identity, wall):
            return False
        record = self.records[identity]
        self._forget_secondary(record)
        for address in addresses(";".join(_emails(record))):
            self._gone[address] = record
        return True

    @property
    def made(self) -> int:
        """How many the API made, archived ones too."""
        return len(self.records) - len(self._planted)

    def export(self) -> Iterator[dict[str, Any]]:
        for record in list(self.records.values()):
            yield {
                "id": record.id,
                "email": record.values.get("email", ""),
                "additional": addresses(record.values.get(ADDITIONAL, "")),
                "properties": record.values,
                "made": "sandbox" if record.id in self._planted else "api",
                "createdAt": record.created,
                "archived": record.archived_at is not None,
                "archivedAt": record.archived_at,
            }

    def _note(self, record: Record) -> None:
        for address in addresses(record.values.get(ADDITIONAL, "")):
            self._secondary[address] = record

    def _forget_secondary(self, record: Record) -> None:
        for address in addresses(record.values.get(ADDITIONAL, "")):
            self._secondary.pop(address, None)


def _emails(record: Record) -> list[str]:
    return [record.values.get("email", ""), record.values.get(ADDITIONAL, "")]
