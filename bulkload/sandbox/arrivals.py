"""What reached the server and when: the evidence for the limiter's law.

Law: memory is bounded. The last million calls are kept, in arrays.
"""

from __future__ import annotations

from array import array
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST = 1_000_000


class Arrivals:
    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._dropped = 0
        self._times = array("d")
        self._statuses = array("H")  # 0: no answer (yet)
        self._paths = array("H")
        self._names: list[str] = []
        self._numbers: dict[str, int] = {}
        self.paths: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()

    def open(self, path: str, now: float) -> int:
        """A call came in; gives the number by which `close` names it."""
        number = self._numbers.get(path)
        if number is None:
            number = self._numbers[path] = len(self._names)
            self._names.append(path)
        if len(self._times) >= self._most:
            gone = max(1, self._most // 10)
            del self._times[:gone], self._statuses[:gone], self._paths[:gone]
            self._dropped += gone
        self._times.append(now)
        self._statuses.append(0)
        self._paths.append(number)
        self.paths[path] += 1
        return self._dropped + len(self._times) - 1

    def close(self, arrival: int, status: int) -> None:
        self.statuses[status] += 1
        place = arrival - self._dropped
        if place >= 0:
            self._statuses[place] = status

    def __iter__(self) -> Iterator[dict[str, Any]]:
        # Copies, so that calls may go on coming in while somebody reads.
        copies = self._times[:], self._paths[:], self._statuses[:]
        for at, path, status in zip(*copies, strict=True):
            yield {"t": at, "path": self._names[path], "status": status}
