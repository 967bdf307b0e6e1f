"""What is known of people: address → the id of its contact, "" where the portal has none.

Two generations in memory, and the journal behind them: memory is bounded, and what is known is
asked for once in the whole run. Read by the reader's thread, written by the loop's; each step is
one operation on a dict.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

GENERATION = 50_000
"""Addresses: about 10 MB."""


class People:
    """`look` finds what memory has forgotten; None where nobody has asked."""

    def __init__(self, look: Callable[[str], str | None], generation: int = GENERATION) -> None:
        self._look = look
        self._generation = generation
        self._young: dict[str, str] = {}
        self._old: dict[str, str] = {}
        self.hits = self.misses = 0

    def knows(self, address: str) -> bool:
        """Whether nobody has to be asked any more. Counted: a hit, or a miss."""
        known = self.contact(address) is not None
        if known:
            self.hits += 1
        else:
            self.misses += 1
        return known

    def contact(self, address: str) -> str | None:
        """The id, "" where there is none; None where it is not known."""
        found = self._young.get(address)
        if found is None:
            found = self._old.get(address)
            if found is None:
                found = self._look(address)
            if found is not None:
                self._put(address, found)
        return found

    def learn(self, found: Mapping[str, str]) -> None:
        for address, contact in found.items():
            self._put(address, contact)

    def _put(self, address: str, contact: str) -> None:
        if len(self._young) >= self._generation:
            self._young, self._old = {}, self._young
        self._young[address] = contact
