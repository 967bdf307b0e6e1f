"""The keys of the records that were read last, in memory.

For a run whose remote refuses a second record with a key: what is in flight, or in doubt, is among
the remembered, and of what lies further back the remote tells.
"""

from __future__ import annotations

import sys
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class Recent:
    """The last `most` keys, or up to twice as many: when so many are new, those before them go."""

    through = sys.maxsize
    """What was forgotten is not asked again."""

    def __init__(self, most: int = 10_000) -> None:
        self._new: dict[str, int] = {}
        self._old: dict[str, int] = {}
        self._most = most

    def first(self, key: str, ordinal: int) -> int | None:
        first = self._old.get(key)
        if first is None:
            first = self._new.setdefault(key, ordinal)
            self._turn()
        return None if first == ordinal else first

    def first_of(self, keys: Sequence[str], ordinal: int) -> bool:
        fresh = dict(zip(keys, count(ordinal), strict=False))
        known = not (self._new.keys().isdisjoint(fresh) and self._old.keys().isdisjoint(fresh))
        if known or len(fresh) != len(keys):
            return False
        self._new.update(fresh)
        self._turn()
        return True

    def _turn(self) -> None:
        if len(self._new) >= self._most:
            self._old, self._new = self._new, {}

    def commit(self) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Nothing is open."""
