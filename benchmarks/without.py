"""bulkload's command in a process where a part of it is switched off, to see what the part costs.

`python -m benchmarks.without PART load …`. What is loaded so is loaded without its guarantees.
"""

from __future__ import annotations

import itertools
import sys
from typing import TYPE_CHECKING, Any

from bulkload import events
from bulkload.calls import limiter
from bulkload.cli import main
from bulkload.journal import journal, schema

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path


def replaced(kind: type, **methods: Any) -> None:
    for name, method in methods.items():
        setattr(kind, name, method)


def fsync() -> None:
    """Commits are in the system's memory only."""
    connect = schema.connect

    def connected(path: Path) -> sqlite3.Connection:
        connection = connect(path)
        connection.execute("PRAGMA synchronous=OFF")
        return connection

    schema.connect = connected


def without_journal() -> None:
    """Neither intents nor outcomes are written down."""
    numbers = itertools.count(1)

    async def intend(*_: Any) -> int:
        return next(numbers)

    async def settle(*_: Any) -> list[int]:
        return []

    replaced(journal.Journal, intend=intend, settle=settle)


def without_limiter() -> None:
    """Nobody waits for a slot."""

    async def acquire(_: limiter.Limiter) -> float:
        return 0.0

    replaced(limiter.Limiter, acquire=acquire, waits=False, end=lambda *_: None)


def observers() -> None:
    """Nobody is told anything: no progress, no log."""
    replaced(events.Announcer, __call__=lambda *_: None)


def msgspec() -> None:
    """As if it were not installed."""
    modules: dict[str, Any] = sys.modules
    modules["msgspec"] = None  # what an import then fails by


PARTS = {
    "fsync": fsync,
    "journal": without_journal,
    "limiter": without_limiter,
    "observers": observers,
    "msgspec": msgspec,
}

if __name__ == "__main__":
    PARTS[sys.argv.pop(1)]()
    main()
