"""The keys of the records that were read last, in memory.

For a run whose remote refuses a second record with a key: what is in flight, or in doubt, is among
the remembered, and of what lies further back the remote tells.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class Recent:
    """The last `most` keys."""

    through = sys.maxsize
    """What was forgotten is not asked again."""

    def __init__(self, most: int = 10_000) -> None:
        self._recent: OrderedDict[str, int] = OrderedDict()
        self._most = most

    def first(self, key: str, ordinal: int) -> int | None:
        first = self._recent.setdefault(key, ordinal)
        if first != ordinal:
            return first
        if len(self._recent) > self._most:
            self._recent.popitem(last=False)
        return None

    def first_of(self, keys: Sequence[str], ordinal: int) -> bool:
        fresh = dict(zip(keys, count(ordinal), strict=False))
        if len(fresh) != len(keys) or not self._recent.keys().isdisjoint(fresh):
            return False
        self._recent.update(fresh)
        while len(self._recent) > self._most:
            self._recent.popitem(last=False)
        return True

    def commit(self) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Nothing is open."""
