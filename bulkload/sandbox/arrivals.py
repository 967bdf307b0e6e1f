"""What reached the server, when, and for how long: the evidence for the limiter's law.

Law: memory is bounded. The last million calls are kept, in arrays.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST = 1_000_000
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


class Arrivals:
    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._dropped = 0
        self._times = array("d")
        self._ends = array("d")  # NaN: still under way
        self._statuses = array("H")  # 0: no answer (yet)
        self._kinds = array("H")
        self._names: list[tuple[str, str]] = []
        self._numbers: dict[tuple[str, str], int] = {}
        self.paths: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()  # by method and path
        self.statuses: Counter[int] = Counter()

    def open(self, path: str, now: float, method: str = "POST") -> int:
        """A call came in; gives the number by which `close` names it.

        `path` is a route's, with its placeholders: there are few of them. So are methods.
        """
        kind = (method if method in METHODS else "*", path)
        number = self._numbers.get(kind)
        if number is None:
            number = self._numbers[kind] = len(self._names)
            self._names.append(kind)
        if len(self._times) >= self._most:
            gone = max(1, self._most // 10)
            del self._times[:gone], self._ends[:gone], self._statuses[:gone], self._kinds[:gone]
            self._dropped += gone
        self._times.append(now)
        self._ends.append(math.nan)
        self._statuses.append(0)
        self._kinds.append(number)
        self.paths[path] += 1
        self.calls[" ".join(kind)] += 1
        return self._dropped + len(self._times) - 1

    def close(self, arrival: int, status: int, ended: float = math.nan) -> None:
        """The answer was written out, or the connection cut (status 0), at `ended`."""
        self.statuses[status] += 1
        place = arrival - self._dropped
        if place >= 0:
            self._statuses[place] = status
            self._ends[place] = ended

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """`t` and `ended` are monotonic seconds; `ended` is None while the call is under way."""
        # Copies, so that calls may go on coming in while somebody reads.
        copies = self._times[:], self._ends[:], self._kinds[:], self._statuses[:]
        for at, ended, kind, status in zip(*copies, strict=True):
            method, path = self._names[kind]
            yield {
                "t": at,
                "ended": None if math.isnan(ended) else ended,
                "method": method,
                "path": path,
                "status": status,
            }
