"""Pure: a few records spread over a source of unknown length.

Every nth record is kept; when there are twice as many as wanted, every second goes and n doubles.
"""

from __future__ import annotations

from typing import Generic, TypeVar

S = TypeVar("S")


class Sampler(Generic[S]):
    """`most`: how many are wanted, 0 none."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._stride = 1
        self._seen = 0
        self._kept: list[S] = []

    def wants(self) -> bool:
        """Whether the next record is one to keep; asked once for each."""
        self._seen += 1
        return self._most > 0 and (self._seen - 1) % self._stride == 0

    def keep(self, one: S) -> None:
        self._kept.append(one)
        if len(self._kept) >= 2 * self._most:
            del self._kept[1::2]
            self._stride *= 2

    def sample(self) -> list[S]:
        """At most as many as wanted, from the first to the last of those kept."""
        kept, most = self._kept, self._most
        if len(kept) <= most:
            return list(kept)
        if most == 1:
            return kept[:1]
        return [kept[round(n * (len(kept) - 1) / (most - 1))] for n in range(most)]
