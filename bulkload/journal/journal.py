"""The journal: what is known of every record of a run, durable.

Laws kept here: intent is durable before the request leaves; an outcome, its created ids
and its dead letters are one transaction, durable before they are counted or shown.
"""

from __future__ import annotations

import asyncio
import errno
import os
import time
from typing import TYPE_CHECKING, Any

from bulkload.errors import StoppedResumable
from bulkload.journal import attempts, places, schema
from bulkload.journal.claims import Claims, claimed
from bulkload.journal.files import FilesBook
from bulkload.journal.people import PeopleBook, Reading
from bulkload.journal.projection import Projection, restore
from bulkload.journal.readers import counts_of, facts_of
from bulkload.journal.writer import Writer
from bulkload.rundir import private, sync_directory

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from bulkload.batch import Batch, Letter, Skip
    from bulkload.journal.readers import Counts
    from bulkload.journal.settlement import Open, Settlement, State
    from bulkload.journal.writer import Writes
    from bulkload.model import Position
    from bulkload.ordinals import Covered
    from bulkload.rundir import RunDir


def create(run: RunDir, facts: dict[str, Any], lineage: Iterable[tuple[int, int]] = ()) -> None:
    """Make the journal file with the run's facts in one committed transaction.

    `lineage`, of a replay: (ordinal here, ordinal of the letter in the parent run).
    """
    private(run.journal)
    with schema.opened(run.journal, writable=True) as connection:
        lay_out(connection, facts, lineage)
    sync_directory(run.path)


def lay_out(
    connection: sqlite3.Connection, facts: dict[str, Any], lineage: Iterable[tuple[int, int]] = ()
) -> None:
    """Make the tables, with the run's facts, in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    for statement in schema.TABLES.split(";\n"):
        if statement.strip():
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version={schema.VERSION}")
    attempts.put_facts(connection, facts)
    connection.executemany("INSERT INTO lineage VALUES (?,?)", lineage)
    connection.execute("COMMIT")


def restore_letters(run: RunDir) -> None:
    """Write dead-letters.ndjson anew from the journal. The lock of `run` is held."""
    with schema.opened(run.journal, writable=True) as connection:
        restore(run.letters, connection)


def check(run: RunDir) -> None:
    """Raises StoppedForGood where a run's journal is damaged. The lock of `run` is held."""
    with schema.opened(run.journal) as connection:
        schema.check(connection)


def register_replay(run: RunDir, path: Path) -> None:
    """Remember a replay before it sends anything. The lock of `run` is held."""
    name = os.fsencode(path)
    try:
        kept: str | bytes = name.decode()
    except UnicodeDecodeError:
        kept = name  # a directory's name is bytes: SQLite takes those as they are
    with schema.opened(run.journal, writable=True) as connection:
        connection.execute("INSERT OR IGNORE INTO replay VALUES (?)", (kept,))


class Journal:
    """Open for writing: the holder of the run's lock has the only one.

    `facts` and `counts` are those that the journal holds when it is opened; `projection`: the
    file of its letters, where it has one; `look` and `claims` read beside the writer.
    """

    def __init__(
        self,
        writer: Writes,
        facts: dict[str, Any],
        counts: Counts,
        projection: Projection | None = None,
        look: Reading | None = None,
        claims: Claims | None = None,
    ) -> None:
        self._writer = writer
        self._look = look
        self._claims = claims
        self.people = PeopleBook(writer)
        self.files = FilesBook(writer)
        self.facts = facts
        self.counts = counts
        self._projection = projection
        self.set_aside = None if projection is None else projection.set_aside

    @classmethod
    def of(cls, run: RunDir, *, on_full: Callable[[str], None]) -> Journal:
        """The journal of a run's directory. `on_full` is told what the disk is, by any thread."""
        with schema.opened(run.journal, writable=True) as connection:
            schema.check(connection)
            facts, counts = facts_of(connection), counts_of(connection)
            projection = Projection(run.letters, connection)

        def project(connection: sqlite3.Connection) -> None:
            try:
                projection.append(connection)
            except OSError as error:
                # The letters are safe in the journal; resume makes the file whole.
                full = error.errno in (errno.ENOSPC, errno.EDQUOT)
                on_full("is full" if full else f"can't be written ({error.strerror})")

        look = Reading(run.journal)
        try:
            # Last: a thread that nobody was given is stopped by nobody.
            writer = Writer(run.journal, on_commit=project, on_full=on_full)
        except BaseException:
            look.close()
            raise
        return cls(writer, facts, counts, projection, look, Claims(run.journal))

    async def close(self) -> None:
        await self._writer.stop()
        if self._look is not None:
            self._look.close()

    def contact(self, address: str) -> str | None:
        """The id of an address's contact, "" where there is none; None: nobody has asked yet.

        For any thread, at once.
        """
        return None if self._look is None else self._look(address)

    async def state(self) -> State:
        """Who is settled and who is open, as of the last commit."""
        return await self._writer.write(attempts.state)

    async def places(self, low: int) -> dict[int, list[Position]]:
        """By source, where records from the ordinal `low` on stood when they were read."""
        return await self._writer.write(lambda connection: places.places(connection, low))

    async def sent_since(self, when: float) -> int:
        """Attempts made after `when`, in seconds since the epoch: they may hold slots yet."""
        (count,) = await self._writer.write(
            lambda connection: connection.execute(
                "SELECT count(*) FROM attempt WHERE sent_at > ?", (when,)
            ).fetchone()
        )
        return int(count)

    async def claimed(self, ids: set[str], since: float | None = None) -> set[str]:
        """Which of these ids of the remote are those of records that are settled as loaded.

        `since`: only of attempts that began after that, by the remote's clock.
        """
        if not ids:
            return set()
        if self._claims is None:
            return await self._writer.write(lambda connection: claimed(connection, ids, since))
        await self._writer.write(lambda _: None)  # what was asked for before this is committed
        return await self._claims.among(ids, since)

    async def note(self, facts: dict[str, Any]) -> None:
        """Set facts of the run."""
        await self._writer.write(lambda connection: attempts.put_facts(connection, facts))

    async def doubted(self, chosen: Covered | None = None) -> list[Open]:
        """The attempts that `reopen_doubts` would make, without an id."""
        return await self._writer.write(lambda connection: attempts.doubted(connection, chosen))

    async def reopen_doubts(self, chosen: Covered | None = None) -> int:
        """Make attempts of what is held in doubt, to be asked for or sent again.

        `chosen`: only these ordinals. Returns how many records.
        """
        return await self._writer.write(lambda connection: attempts.reopen(connection, chosen))

    async def believe(self, chosen: Covered) -> int:
        """By the user's word these records, held in doubt or under way when the run was cut, are at
        the remote. Of an attempt that is open, only where all are named. Returns how many.
        """
        return await self._writer.write(lambda connection: attempts.believe(connection, chosen))

    async def finish(self, settled: tuple[int, int] | None = None) -> None:
        """Everything is settled: so many records, of so many sources, where that is known.

        A resume makes the letter file whole, and a finished run has none to come: so the file is
        on the disk before the run is.
        """
        if self._projection is not None:
            try:
                await asyncio.to_thread(self._projection.sync)
            except OSError as error:
                raise StoppedResumable(
                    f"{self._projection.path}: can't be written to the disk ({error.strerror}). "
                    "Mend it, then resume"
                ) from None
        await self.note({"complete": True, **({"settled": settled} if settled else {})})

    async def intend(
        self,
        batch: Batch,
        digest: bytes,
        since: float | None = None,
        until: float | None = None,
    ) -> int:
        """Record that `batch` is about to be sent. The request may leave after this returns.

        `since`, `until`: by the remote's clock, when it may be carried out, in seconds since the
        epoch.
        """
        return await self._writer.write(
            lambda connection: attempts.intend(
                connection, batch, digest, time.time(), remote_since=since, remote_until=until
            )
        )

    async def prolong(self, attempt: int, until: float) -> None:
        """An attempt that is open is about to be sent again, and may be carried out until then."""
        await self._writer.write(
            lambda connection: connection.execute(
                "UPDATE attempt SET remote_until=? WHERE id=?", (until, attempt)
            )
        )

    async def withdraw(self, attempt: int) -> None:
        """The request of this intent never started."""
        await self._writer.write(
            lambda connection: connection.execute("DELETE FROM attempt WHERE id=?", (attempt,))
        )

    async def bury(self, letters: Sequence[Letter], skips: Sequence[Skip] = ()) -> None:
        """Settle records that were never sent: unreadable, unmappable, or duplicates."""

        def write(connection: sqlite3.Connection) -> None:
            attempts.bury(connection, letters)
            attempts.skip(connection, skips)

        await self._writer.write(write)

    async def settle(self, attempt: int | Batch, outcome: Settlement) -> list[int]:
        """Close an attempt: everything of it in one transaction.

        A batch: it was asked for without an attempt that was open.
        Returns the ids of the attempts that were opened for `outcome.resend`, in its order.
        """
        return await self._writer.write(
            lambda connection: attempts.settle(connection, attempt, outcome)
        )
