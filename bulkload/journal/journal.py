"""The journal: what is known of every record of a run, durable.

Laws kept here: intent is durable before the request leaves; an outcome, its created ids
and its dead letters are one transaction, durable before they are counted or shown.
"""

from __future__ import annotations

import asyncio
import errno
import json
import sqlite3
import time
from typing import TYPE_CHECKING, Any

from bulkload import ordinals
from bulkload.errors import StoppedResumable
from bulkload.journal import schema
from bulkload.journal.projection import Projection, restore
from bulkload.journal.readers import counts_of, facts_of
from bulkload.journal.settlement import Open, State
from bulkload.journal.writer import Writer
from bulkload.model import Position
from bulkload.rundir import private, sync_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from bulkload.batching import Batch, Letter
    from bulkload.journal.settlement import Settlement
    from bulkload.rundir import RunDir


def create(run: RunDir, facts: dict[str, Any], lineage: Iterable[tuple[int, int]] = ()) -> None:
    """Make the journal file with the run's facts in one committed transaction.

    `lineage`, of a replay: (ordinal here, ordinal of the letter in the parent run).
    """
    private(run.journal)
    with schema.opened(run.journal, writable=True) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for statement in schema.TABLES.split(";\n"):
            if statement.strip():
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version={schema.VERSION}")
        _put(connection, facts)
        connection.executemany("INSERT INTO lineage VALUES (?,?)", lineage)
        connection.execute("COMMIT")
    sync_directory(run.path)


def restore_letters(run: RunDir) -> None:
    """Write dead-letters.ndjson anew from the journal. The lock of `run` is held."""
    with schema.opened(run.journal, writable=True) as connection:
        restore(run.letters, connection)


def register_replay(run: RunDir, path: Path) -> None:
    """Remember a replay before it sends anything. The lock of `run` is held."""
    with schema.opened(run.journal, writable=True) as connection:
        connection.execute("INSERT OR IGNORE INTO replay VALUES (?)", (str(path),))


class Journal:
    """Open for writing: the holder of the run's lock has the only one."""

    def __init__(self, run: RunDir, *, on_full: Callable[[str], None]) -> None:
        self._run = run
        with schema.opened(run.journal, writable=True) as connection:
            (sound,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if sound != "ok":
                raise sqlite3.DatabaseError(str(sound))
            self.facts = facts_of(connection)
            self.counts = counts_of(connection)
            self._projection = Projection(run.letters, connection)
        self.set_aside = self._projection.set_aside
        self._on_full = on_full
        self._writer = Writer(
            lambda: schema.connect(run.journal), on_commit=self._project, on_full=on_full
        )

    def _project(self, connection: sqlite3.Connection) -> None:
        try:
            self._projection.append(connection)
        except OSError as error:
            # The letters are safe in the journal; resume makes the file whole.
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            self._on_full("is full" if full else f"can't be written ({error.strerror})")

    async def close(self) -> None:
        await self._writer.stop()

    async def state(self) -> State:
        """Who is settled and who is open, as of the last commit."""
        return await self._writer.write(_state)

    async def sent_since(self, when: float) -> int:
        """Attempts made after `when`, in seconds since the epoch: they may hold slots yet."""
        (count,) = await self._writer.write(
            lambda connection: connection.execute(
                "SELECT count(*) FROM attempt WHERE sent_at > ?", (when,)
            ).fetchone()
        )
        return int(count)

    async def note(self, facts: dict[str, Any]) -> None:
        """Set facts of the run."""
        await self._writer.write(lambda connection: _put(connection, facts))

    async def forget_doubts(self) -> int:
        """By the user's word what was in doubt is read and sent again. Returns how many."""
        return await self._writer.write(_forget_doubts)

    async def finish(self) -> None:
        """Everything is settled. A resume makes the letter file whole, and a finished run has
        none to come: so the file is on the disk before the run is.
        """
        try:
            await asyncio.to_thread(self._projection.sync)
        except OSError as error:
            raise StoppedResumable(
                f"{self._run.letters}: can't be written to the disk ({error.strerror}). Mend it, "
                "then resume"
            ) from None
        await self.note({"complete": True})

    async def intend(self, batch: Batch, digest: bytes) -> int:
        """Record that `batch` is about to be sent. The request may leave after this returns."""
        return await self._writer.write(
            lambda connection: _open(connection, batch, digest, time.time())
        )

    async def withdraw(self, attempt: int) -> None:
        """The request of this intent never started."""
        await self._writer.write(
            lambda connection: connection.execute("DELETE FROM attempt WHERE id=?", (attempt,))
        )

    async def bury(self, letters: Sequence[Letter]) -> None:
        """Settle records that were never sent: they could not be read or mapped."""
        await self._writer.write(lambda connection: _bury(connection, letters))

    async def settle(self, attempt: int, outcome: Settlement) -> list[int]:
        """Close an attempt: everything of it in one transaction.

        Returns the ids of the attempts that were opened for `outcome.resend`, in its order.
        """
        return await self._writer.write(lambda connection: _settle(connection, attempt, outcome))


def _put(connection: sqlite3.Connection, facts: dict[str, Any]) -> None:
    connection.executemany(
        "INSERT INTO run VALUES (?,?) ON CONFLICT(name) DO UPDATE SET value=excluded.value",
        [(name, json.dumps(value)) for name, value in facts.items()],
    )


def _open(
    connection: sqlite3.Connection,
    batch: Batch,
    digest: bytes,
    now: float,
    since: float | None = None,
) -> int:
    head = batch.entries[0]
    cursor = connection.execute(
        "INSERT INTO attempt(covers, first, source, at, number, nth, digest, sent_at,"
        " doubtful_since) VALUES (?,?,?,?,?,?,?,?,?)",
        (
            batch.covers,
            head.ordinal,
            head.source,
            *head.position,
            batch.attempt + 1,
            digest,
            now,
            since,
        ),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def _bury(connection: sqlite3.Connection, letters: Iterable[Letter]) -> None:
    connection.executemany(
        "INSERT INTO letter(ordinal, source, at, number, line) VALUES (?,?,?,?,?)",
        [(e.ordinal, e.source, *e.position, e.line) for e in letters],
    )


def _settle(connection: sqlite3.Connection, attempt: int, outcome: Settlement) -> list[int]:
    _bury(connection, outcome.letters)
    connection.executemany(
        "INSERT INTO doubt VALUES (?,?,?,?,?)",
        [(e.ordinal, attempt, e.source, *e.position) for e in outcome.doubtful],
    )
    if outcome.loaded:
        name = "loaded"
    elif outcome.doubtful:
        name = "doubt"
    elif outcome.letters:
        name = "rejected"
    else:
        name = "resent" if outcome.resend else "refused"
    ids = [made for _, made in outcome.loaded]
    connection.execute(
        "UPDATE attempt SET outcome=?, status=?, note=?, loaded=?, ids=?, tied=?,"
        " covers=CASE WHEN ?='loaded' THEN ? ELSE covers END WHERE id=?",
        (
            name,
            outcome.status,
            outcome.note or None,
            len(outcome.loaded),
            ",".join([*filter(None, ids), *outcome.loose_ids]) or None,
            all(ids) and not outcome.loose_ids,
            name,
            ordinals.pack(sorted(ordinal for ordinal, _ in outcome.loaded)),
            attempt,
        ),
    )
    if not outcome.resend:
        return []
    (sent_at, since) = connection.execute(
        "SELECT sent_at, doubtful_since FROM attempt WHERE id=?", (attempt,)
    ).fetchone()
    now = time.time()
    return [
        _open(connection, each.batch, each.digest, now, since or sent_at) for each in outcome.resend
    ]


def _forget_doubts(connection: sqlite3.Connection) -> int:
    connection.execute(
        "UPDATE attempt SET outcome='resent'"
        " WHERE outcome='doubt' AND id IN (SELECT attempt FROM doubt)"
    )
    _put(connection, {"complete": False})
    return connection.execute("DELETE FROM doubt").rowcount


def _state(connection: sqlite3.Connection) -> State:
    def spans() -> Iterable[tuple[int, int]]:
        # What is open is spoken for too: it is settled or sent again apart from the reading.
        spoken_for = "SELECT covers FROM attempt WHERE outcome='loaded' OR outcome IS NULL"
        for (covers,) in connection.execute(spoken_for):
            yield from ordinals.unpack_spans(covers)
        for table in ("letter", "doubt"):
            yield from (
                (ordinal, ordinal)
                for (ordinal,) in connection.execute(f"SELECT ordinal FROM {table}")  # noqa: S608  # two fixed names
            )

    covered = ordinals.Covered(spans())
    low = covered.low_water
    seek = connection.execute(
        "SELECT first, source, at, number FROM attempt WHERE first<=:low UNION ALL "
        "SELECT ordinal, source, at, number FROM letter WHERE ordinal<=:low UNION ALL "
        "SELECT ordinal, source, at, number FROM doubt WHERE ordinal<=:low "
        "ORDER BY 1 DESC LIMIT 1",
        {"low": low},
    ).fetchone()
    opened = connection.execute(
        "SELECT id, covers, first, source, at, number, nth, digest FROM attempt"
        " WHERE outcome IS NULL ORDER BY id"
    )
    return State(
        covered,
        [
            Open(i, covers, first, source, Position(at, number), nth, digest)
            for i, covers, first, source, at, number, nth, digest in opened
        ],
        (seek[0], seek[1], Position(seek[2], seek[3])) if seek else (0, 0, None),
    )
