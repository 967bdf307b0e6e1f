"""Pure: sets of ordinals as ranges, so that a batch's coverage is one short text.

Law kept here: a row says exactly which ordinals it covers; packing loses none and adds none.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Span = tuple[int, int]

PAGE = 1024
"""Ordinals whose bits stand together: a page with few of them costs some 250 bytes."""


def spans(ordinals: Iterable[int]) -> Iterator[Span]:
    """Ascending ordinals → inclusive (first, last) spans."""
    if isinstance(ordinals, range) and ordinals.step == 1:
        if ordinals:
            yield ordinals[0], ordinals[-1]
        return
    first = last = -1
    for ordinal in ordinals:
        if ordinal == last + 1 and first >= 0:
            last = ordinal
            continue
        if first >= 0:
            yield first, last
        first = last = ordinal
    if first >= 0:
        yield first, last


def pack(ordinals: Iterable[int]) -> str:
    """Ascending ordinals → text such as "0-40,42,44-99"."""
    return ",".join(f"{a}-{b}" if a != b else str(a) for a, b in spans(ordinals))


def unpack_spans(packed: str) -> list[Span]:
    """The inverse of `pack`, as inclusive spans."""
    found = []
    for part in packed.split(",") if packed else ():
        first, dash, last = part.partition("-")
        found.append((int(first), int(last) if dash else int(first)))
    return found


def unpack(packed: str) -> Iterator[int]:
    """The inverse of `pack`."""
    for first, last in unpack_spans(packed):
        yield from range(first, last + 1)


def _joined(covered: Iterable[Span]) -> Iterator[Span]:
    """Those that follow each other as one: what comes in order needs no room to be sorted."""
    now: Span | None = None
    for first, last in covered:
        if now is not None and now[0] <= first <= now[1] + 1:
            now = now[0], max(now[1], last)
            continue
        if now is not None:
            yield now
        now = first, last
    if now is not None:
        yield now


class Covered:
    """Which ordinals are settled. Memory is the number of gaps, not of ordinals.

    Built once from unordered spans, then asked; `low_water` is the first ordinal not covered.
    """

    def __init__(self, covered: Iterable[Span] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in sorted(_joined(covered)):
            if self._lasts and first <= self._lasts[-1] + 1:
                self._lasts[-1] = max(self._lasts[-1], last)
            else:
                self._firsts.append(first)
                self._lasts.append(last)

    def __contains__(self, ordinal: int) -> bool:
        at = bisect_right(self._firsts, ordinal) - 1
        return at >= 0 and ordinal <= self._lasts[at]

    @property
    def end(self) -> int:
        """Nothing from here on is covered."""
        return self._lasts[-1] + 1 if self._lasts else 0

    @property
    def low_water(self) -> int:
        return self._lasts[0] + 1 if self._firsts and self._firsts[0] == 0 else 0

    def __len__(self) -> int:
        return sum(b - a + 1 for a, b in zip(self._firsts, self._lasts, strict=True))


class Ticked:
    """Ordinals that are ticked one after the other, in any order: a bit for each.

    Memory is that of the pages in which one is: a few bits for each record of a run, at most.
    """

    def __init__(self, ordinals: Iterable[int] = ()) -> None:
        self._pages: dict[int, bytearray] = {}
        self._count = 0
        for ordinal in ordinals:
            self.tick(ordinal)

    def tick(self, ordinal: int) -> bool:
        """Whether it was not yet."""
        number, at = divmod(ordinal, PAGE)
        page = self._pages.get(number)
        if page is None:
            page = self._pages[number] = bytearray(PAGE // 8)
        bit = 1 << (at & 7)
        if page[at >> 3] & bit:
            return False
        page[at >> 3] |= bit
        self._count += 1
        return True

    def __contains__(self, ordinal: int) -> bool:
        number, at = divmod(ordinal, PAGE)
        page = self._pages.get(number)
        return page is not None and bool(page[at >> 3] >> (at & 7) & 1)

    def __iter__(self) -> Iterator[int]:
        """Ascending."""
        for number in sorted(self._pages):
            page = int.from_bytes(self._pages[number], "little")
            while page:
                lowest = page & -page
                yield number * PAGE + lowest.bit_length() - 1
                page ^= lowest

    def __len__(self) -> int:
        return self._count
