"""Which ids of the remote are those of records that this run made, as its journal knows.

Law kept here: nothing twice. An id is told where a loaded record has it, of all that was settled
before the question. Only the upper bound of when an attempt was carried out ends the looking: the
lower one may lie behind by as long as a machine slept, and our own clock may be set.

A journal of millions of records takes a while to be gone through: so it is gone through in short
reads, beside the writer, for all who wait to ask at once.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bulkload.journal import schema

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

ROWS = 2_000
"""Attempts that are read at a time: about 2 MB of ids."""

FEW = 12
"""So many ids are found sooner in the text of an attempt's than by taking that apart."""


@dataclass(slots=True)
class _Round:
    """What one look answers."""

    ids: set[str] = field(default_factory=set)
    found: set[str] | None = None


class Claims:
    """Questions of one event loop, each answered by what was committed when it was asked."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._looking = asyncio.Lock()  # one at a time: several would starve the loop
        self._next = _Round()

    async def among(self, ids: set[str], since: float | None) -> set[str]:
        """As `claimed`. Raises BulkloadError where the journal can't be read."""
        if since is not None:  # soon at its end, and each at another
            async with self._looking:
                return await asyncio.to_thread(self._look, ids, since)
        mine = self._next
        mine.ids |= ids
        async with self._looking:
            if mine.found is None:
                self._next = _Round()  # who asks from now on may ask for what is not looked for
                mine.found = await asyncio.to_thread(self._look, mine.ids, None)
        return mine.found & ids

    def _look(self, ids: set[str], since: float | None) -> set[str]:
        with schema.opened(self._path) as connection:
            return claimed(connection, ids, since)


def claimed(connection: sqlite3.Connection, ids: set[str], since: float | None) -> set[str]:
    """Those of `ids` that loaded records have. `since`: of attempts that may have been carried out
    after it, by the remote's clock, and of those that carry a doubt.
    """
    found: set[str] = set()
    before = 1 << 62
    while True:
        rows = connection.execute(
            "SELECT id, ids, loaded, doubtful_since, remote_until FROM attempt"
            " WHERE id<? ORDER BY id DESC LIMIT ?",
            (before, ROWS),
        ).fetchall()
        for _, made, loaded, doubtful, until in rows:
            if made and (len(ids) > FEW or any(map(made.__contains__, ids))):
                # Behind those of loaded records stand the ids that fit no input: they may be
                # anyone's.
                found |= ids.intersection(made.split(",")[:loaded])
            # What carries a doubt has the time of that; the others left in their order, and those
            # before were over no later.
            if since is not None and doubtful is None and until is not None and until < since:
                return found
        if len(rows) < ROWS or len(found) == len(ids):
            return found
        before = rows[-1][0]
