"""What a run knows of the files that it uploaded, by what is in them.

Law kept here: an upload is in the journal before its call leaves, so that an undo finds each file
that this run made.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import sqlite3

    from bulkload.journal.writer import Writes


class File(NamedTuple):
    """`hash` is the SHA-256 of its content, in hex; `size` in bytes."""

    hash: str
    name: str
    size: int


class FilesBook:
    """The part of an open journal that is about files."""

    def __init__(self, writer: Writes) -> None:
        self._writer = writer

    async def known(self, hash_: str) -> str:
        """The id of the file that has this content, "" where there is none."""

        def ask(connection: sqlite3.Connection) -> str:
            row = connection.execute("SELECT id FROM file WHERE hash=?", (hash_,)).fetchone()
            return "" if row is None else str(row[0])

        return await self._writer.write(ask)

    async def intend(self, file: File) -> bool:
        """A call that stores it is about to leave. False: an earlier one did, whose answer is not
        recorded.
        """
        return await self._writer.write(
            lambda connection: (
                connection.execute(
                    "INSERT INTO file(hash, id, name, size, since) VALUES (?,'',?,?,?)"
                    " ON CONFLICT(hash) DO NOTHING",
                    (*file, time.time()),
                ).rowcount
                > 0
            )
        )

    async def settle(self, hash_: str, file: str) -> None:
        """It is there, as `file`; "": the remote would not have it."""

        def write(connection: sqlite3.Connection) -> None:
            if file:
                connection.execute(
                    "UPDATE file SET id=?, made=1, since=NULL WHERE hash=?", (file, hash_)
                )
            else:
                connection.execute("DELETE FROM file WHERE hash=?", (hash_,))

        await self._writer.write(write)
