"""What is known of people: address → the id of its contact, "" where the portal has none.

Two generations in memory, and the journal behind them: memory is bounded, and what is known is
asked for once in the whole run. The reader's thread and the loop's both ask, and who asks puts what
was asked for last among the young; the loop's learns.

Law kept here: what was learnt last is what is told: a look into the journal that began before it
changes nothing.
"""

from __future__ import annotations

import threading
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
        self._turns = 0
        self._lock = threading.Lock()
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
        known = self._young.get(address)
        while known is None:
            with self._lock:
                turns, known = self._turns, self._remembered(address)
            if known is not None:
                break
            # Not within the lock: the loop would wait for the disk.
            found = self._look(address)
            if found is None:
                return None
            with self._lock:
                known = self._remembered(address)
                # Else it may have been learnt and forgotten meanwhile: the look is too old.
                if known is None and turns == self._turns:
                    self._put(address, found)
                    known = found
        return known

    def learn(self, found: Mapping[str, str]) -> None:
        with self._lock:
            for address, contact in found.items():
                self._put(address, contact)

    def _remembered(self, address: str) -> str | None:
        """And kept for longer. The lock is held."""
        known = self._young.get(address)
        if known is None and (known := self._old.get(address)) is not None:
            self._put(address, known)
        return known

    def _put(self, address: str, contact: str) -> None:
        """The lock is held."""
        if len(self._young) >= self._generation:
            self._young, self._old = {}, self._young
            self._turns += 1
        self._young[address] = contact
