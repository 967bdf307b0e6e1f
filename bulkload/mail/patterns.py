"""Pure: sets of addresses as people give them: an address, a domain, all below a domain.

    a@example.com        that address, and a+anything@example.com
    example.com          every address at that domain, none below it; *@example.com is the same
    *.example.com        every address at the domains below it, at any depth

Case is no matter; a domain of letters past ASCII is the same as its xn-- form (RFC 5890).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Self

from bulkload.errors import RefusedToStart

if TYPE_CHECKING:
    from collections.abc import Iterable

_DOMAIN = re.compile(
    r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
)
_LOCAL = re.compile(r"[^\s@<>,;:\"()\[\]\\]{1,64}")
_FORMS = (
    "write an address (ada@example.com), a domain (example.com), or *.example.com for all below it"
)


@dataclass(frozen=True, slots=True)
class Patterns:
    """`domains` are held themselves, `above` by what is below them. All in lower case."""

    addresses: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()
    above: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, given: Iterable[str], option: str) -> Self:
        """`given` as on a command line: each several, between commas.

        Raises RefusedToStart naming `option` and what is no address and no domain.
        """
        addresses: set[str] = set()
        domains: set[str] = set()
        above: set[str] = set()
        for pattern in (each.strip() for several in given for each in several.split(",")):
            if not pattern:
                continue
            local, at, domain = normal(pattern.removeprefix("*@")).rpartition("@")
            below = not at and domain.startswith("*.")
            domain = domain.removeprefix("*.") if below else domain
            # A lone word is a slip more often than a host: that stands behind an @.
            fits = _DOMAIN.fullmatch(domain) and (at or "." in domain or pattern.startswith("*@"))
            if not fits or (at and not _LOCAL.fullmatch(local)) or "*" in local:
                raise RefusedToStart(f"{option} {pattern!r}: no address and no domain; {_FORMS}")
            if at:
                addresses.add(f"{local}@{domain}")
            else:
                (above if below else domains).add(domain)
        return cls(frozenset(addresses), frozenset(domains), frozenset(above))

    @classmethod
    def from_json(cls, given: Iterable[str]) -> Self:
        """What `as_json` wrote."""
        return cls.parse(given, "the run's options:")

    def as_json(self) -> list[str]:
        """As it can be given again; in one order, whatever the order it was given in."""
        below = (f"*.{domain}" for domain in self.above)
        lone = (domain if "." in domain else f"*@{domain}" for domain in self.domains)
        return [*sorted(self.addresses), *sorted(lone), *sorted(below)]

    def __bool__(self) -> bool:
        return bool(self.addresses or self.domains or self.above)

    def holds(self, address: str) -> bool:
        """Whether it is one of these; what is no address is none."""
        local, at, domain = normal(address).rpartition("@")
        if not at:
            return False
        if self.addresses and (
            f"{local}@{domain}" in self.addresses
            or f"{local.partition('+')[0]}@{domain}" in self.addresses
        ):
            return True
        return self.holds_domain(domain)

    def holds_domain(self, domain: str) -> bool:
        """Whether every address at `domain`, in lower case, is one of these."""
        if domain in self.domains:
            return True
        while self.above and domain:
            _, _, domain = domain.partition(".")
            if domain in self.above:
                return True
        return False


def normal(address: str) -> str:
    """`address` (or a domain) in lower case, its domain in ASCII where it has such a form."""
    address = address.strip().lower()
    return address if address.isascii() else _ascii(address)


@lru_cache(maxsize=4096)
def _ascii(address: str) -> str:
    local, at, domain = address.rpartition("@")
    try:
        return f"{local}{at}{domain.encode('idna').decode()}"
    except UnicodeError:  # a label that is empty, too long, or of letters that no domain has
        return address
