"""What a run knows of the people of its records: which contact an address has, and who made it.

Laws kept here: intent is durable before a call that may make a contact leaves, and who made it
before anything is tied to it, so that an undo finds each contact that this run made.
"""

from __future__ import annotations

import sqlite3
import threading
from typing import TYPE_CHECKING, NamedTuple

from bulkload.journal import schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from bulkload.journal.writer import Writes


class Counts(NamedTuple):
    """Addresses: with a contact that was there, without one, with one that this run made."""

    found: int
    missing: int
    made: int


class PeopleBook:
    """The part of an open journal that is about contacts. "" is the id where there is none."""

    def __init__(self, writer: Writes) -> None:
        self._writer = writer

    async def learn(self, found: Mapping[str, str]) -> None:
        """What a read showed: address → id. What is known already stays."""
        await self._writer.write(
            lambda connection: connection.executemany(
                "INSERT INTO contact(address, id) VALUES (?,?) ON CONFLICT(address) DO NOTHING",
                found.items(),
            )
        )

    async def intend(self, addresses: Iterable[str], since: float, until: float) -> None:
        """A call that may make their contacts is about to leave: by the remote's clock, in seconds
        since the epoch, it is carried out in this time, if it is. Takes the place of what was
        written of an earlier one.
        """
        rows = [(address, since, until) for address in addresses]
        await self._writer.write(
            lambda connection: connection.executemany(
                "INSERT INTO contact(address, id, since, until) VALUES (?,'',?,?)"
                " ON CONFLICT(address) DO UPDATE SET since=excluded.since, until=excluded.until"
                " WHERE id=''",
                rows,
            )
        )

    async def settle(self, answered: Mapping[str, tuple[str, bool]]) -> None:
        """What came of it: address → (id, whether this run made it); "" where there is none."""
        rows = [(id_, made, address) for address, (id_, made) in answered.items()]
        await self._writer.write(
            lambda connection: connection.executemany(
                "UPDATE contact SET id=?, made=?, since=NULL, until=NULL WHERE address=?", rows
            )
        )

    async def lose(self, addresses: Iterable[str]) -> None:
        """Their contacts are not there any more."""
        rows = [(address,) for address in addresses]
        await self._writer.write(
            lambda connection: connection.executemany(
                "UPDATE contact SET id='' WHERE address=? AND NOT made", rows
            )
        )

    async def forget_unknown(self) -> None:
        """Who has no contact may have got one since: whoever comes again is asked for again."""
        await self._writer.write(
            lambda connection: connection.execute(
                "DELETE FROM contact WHERE id='' AND since IS NULL"
            )
        )

    async def open(self) -> dict[str, tuple[float, float]]:
        """Addresses whose contact an earlier life of the run may have made, and when it may."""
        rows = await self._writer.write(
            lambda connection: connection.execute(
                "SELECT address, since, until FROM contact WHERE since IS NOT NULL"
            ).fetchall()
        )
        return {address: (since, until) for address, since, until in rows}


def count(connection: sqlite3.Connection) -> Counts:
    """As of the last commit."""
    row = connection.execute(
        "SELECT count(*) FILTER (WHERE id<>'' AND NOT made),"
        " count(*) FILTER (WHERE id='' AND since IS NULL), count(*) FILTER (WHERE made)"
        " FROM contact"
    ).fetchone()
    return Counts(*row)


def look(connection: sqlite3.Connection, address: str) -> str | None:
    """The id of the contact, "" where the portal has none; None: nobody has asked yet."""
    row = connection.execute(
        "SELECT id FROM contact WHERE address=? AND since IS NULL", (address,)
    ).fetchone()
    return None if row is None else str(row[0])


class Reading:
    """Looks from any thread, beside the writer: one short transaction each. Raises BulkloadError
    where the journal can't be read.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._connection = schema.read_only(path, one_thread=False)
        except sqlite3.DatabaseError as error:
            raise schema.damaged(path, error) from None
        self._path = path
        self._turn = threading.Lock()

    def __call__(self, address: str) -> str | None:
        with self._turn:
            try:
                return look(self._connection, address)
            except sqlite3.DatabaseError as error:
                raise schema.damaged(self._path, error) from None

    def close(self) -> None:
        with self._turn:
            self._connection.close()
