"""Placeholder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bulkload.model import Address

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bulkload.model import Email


@dataclass(frozen=True, slots=True)
class Mine:
    addresses: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, given: Sequence[str]) -> Mine:
        return cls(frozenset(given))

    def holds(self, address: str) -> bool:
        return address in self.addresses or address.partition("@")[2] in self.addresses

    def as_json(self) -> Any:
        return sorted(self.addresses)

    @classmethod
    def from_json(cls, kept: Any) -> Mine:
        return cls(frozenset(kept))


def direction(email: Email, mine: Mine, folder: str) -> str:
    del email, mine, folder
    return "EMAIL"


def owner_of(email: Email, owners: Mapping[str, str]) -> str:
    del email, owners
    return ""


def external_people(email: Email, mine: Mine) -> tuple[Address, ...]:
    everyone = (*email.from_, *email.sender, *email.to, *email.cc, *email.bcc)
    found = {a.email.lower(): a._replace(email=a.email.lower()) for a in everyone}
    return tuple(a for a in found.values() if not mine.holds(a.email))


def guess(sample: Any) -> tuple[Mine, str]:
    del sample
    return Mine(), "nobody is mine"


def read_owners(text: str, name: str) -> dict[str, str]:
    del text, name
    return {}
