"""Placeholder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path


class Seen:
    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    @classmethod
    def open(cls, path: Path) -> Self:
        del path
        return cls()

    def first(self, key: str, ordinal: int) -> int | None:
        first = self._known.setdefault(key, ordinal)
        return None if first == ordinal else first

    def commit(self) -> None: ...

    def close(self) -> None: ...
