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
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from bulkload import ordinals
from bulkload.errors import StoppedForGood, StoppedResumable
from bulkload.journal import schema
from bulkload.journal.projection import Projection, restore
from bulkload.journal.writer import Writer
from bulkload.model import Position
from bulkload.rundir import private, sync_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from bulkload.batching import Batch, Entry, Letter
    from bulkload.rundir import RunDir


class Resend(NamedTuple):
    """Records in doubt that are sent again, and the digest of the body they will go in."""

    batch: Batch
    digest: bytes


@dataclass(frozen=True, slots=True)
class Settlement:
    """What becomes of the records of one attempt; each of them is named once.

    `loaded` pairs an ordinal with its id at the remote ("" where a result could not be tied
    to its input: then `loose_ids` holds those of the batch). Each of `resend` becomes a new
    open attempt in the same transaction, so that its doubt is never forgotten.
    """

    status: int
    note: str = ""
    loaded: tuple[tuple[int, str], ...] = ()
    loose_ids: tuple[str, ...] = ()
    letters: tuple[Letter, ...] = ()
    doubtful: tuple[Entry, ...] = ()
    resend: tuple[Resend, ...] = ()


class Open(NamedTuple):
    """An attempt whose answer was never recorded."""

    id: int
    covers: str
    first: int
    source: int
    position: Position
    nth: int
    digest: bytes
    sent_at: float


class Counts(NamedTuple):
    """Records by outcome, as the journal holds them."""

    loaded: int
    existing: int
    dead_lettered: int
    in_doubt: int
    batches: int


@dataclass(slots=True)
class State:
    """What a resume starts from: who is settled, who is open, where to read on."""

    covered: ordinals.Covered
    open: list[Open] = field(default_factory=list)
    seek: tuple[int, int, Position | None] = (0, 0, None)


def create(run: RunDir, facts: dict[str, Any], lineage: Iterable[tuple[int, int]] = ()) -> None:
    """Make the journal file with the run's facts in one committed transaction.

    `lineage`, of a replay: (ordinal here, ordinal of the letter in the parent run).
    """
    private(run.journal)
    try:
        with closing(schema.connect(run.journal)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            for statement in schema.TABLES.split(";\n"):
                if statement.strip():
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version={schema.VERSION}")
            _put(connection, facts)
            connection.executemany("INSERT INTO lineage VALUES (?,?)", lineage)
            connection.execute("COMMIT")
    except sqlite3.DatabaseError as error:
        raise schema.damaged(run.journal, error) from None
    sync_directory(run.path)


def is_committed(run: RunDir) -> bool:
    """Whether the directory holds a run; a process killed too early leaves none."""
    if not run.journal.exists() or run.journal.stat().st_size == 0:
        return False
    # SQLite makes an empty file a write-ahead log's by a rollback journal, and never uses one
    # again: where it stands beside a single page, the process was killed within that step, and
    # a read-only connection could not roll it back.
    rollback, log = (
        run.journal.with_name(f"{run.journal.name}-{end}") for end in ("journal", "wal")
    )
    if rollback.exists() and not log.exists() and run.journal.stat().st_size <= schema.PAGE_BYTES:
        return False
    try:
        with closing(schema.read_only(run.journal)) as connection:
            (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            return bool(tables)
    except sqlite3.DatabaseError as error:
        raise schema.damaged(run.journal, error) from None


def facts(run: RunDir) -> dict[str, Any]:
    """What the run is bound to and how it was called. Raises StoppedForGood if damaged."""
    try:
        with closing(schema.read_only(run.journal)) as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version != schema.VERSION:
                raise StoppedForGood(
                    f"{run.journal}: written by another version of bulkload (journal version "
                    f"{version}, this one reads {schema.VERSION}); use that version to go on"
                )
            return _facts(connection)
    except sqlite3.DatabaseError as error:
        raise schema.damaged(run.journal, error) from None


def counts(run: RunDir) -> Counts:
    """For readers beside a live writer: one short transaction."""
    try:
        with closing(schema.read_only(run.journal)) as connection:
            return _counts(connection)
    except sqlite3.DatabaseError as error:
        raise schema.damaged(run.journal, error) from None


def doubts(run: RunDir) -> list[dict[str, Any]]:
    """Every record in doubt: ordinal, source (its index), position, and its attempt's history."""
    rows = _ask(
        run,
        "SELECT doubt.ordinal, doubt.source, doubt.at, doubt.number, sent_at, nth, status, note"
        " FROM doubt JOIN attempt ON attempt.id=doubt.attempt ORDER BY doubt.ordinal",
    )
    return [
        {
            "ordinal": ordinal,
            "source": source,
            "position": Position(at, number).as_json(),
            "sent_at": datetime.fromtimestamp(sent_at, UTC).isoformat(timespec="milliseconds"),
            "attempts": nth,
            "status": status,
            "note": note,
        }
        for ordinal, source, at, number, sent_at, nth, status, note in rows
    ]


def under_way(run: RunDir) -> int:
    """How many records are in attempts without an answer: sent now, or when the run was cut."""
    rows = _ask(run, "SELECT covers FROM attempt WHERE outcome IS NULL")
    return sum(b - a + 1 for (covers,) in rows for a, b in ordinals.unpack_spans(covers))


def dead_ordinals(run: RunDir) -> set[int]:
    """The ordinals of every dead letter."""
    return {ordinal for (ordinal,) in _ask(run, "SELECT ordinal FROM letter")}


def lineage(run: RunDir) -> dict[int, int]:
    """In a replay: ordinal here → ordinal of the letter in the run that it replays."""
    return dict(_ask(run, "SELECT ordinal, parent_ordinal FROM lineage"))


def replays(run: RunDir) -> list[str]:
    """The directories of the replays that were made of a run."""
    return [path for (path,) in _ask(run, "SELECT path FROM replay ORDER BY path")]


def restore_letters(run: RunDir) -> None:
    """Write dead-letters.ndjson anew from the journal. The lock of `run` is held."""
    with closing(schema.connect(run.journal)) as connection:
        restore(run.letters, connection)


def register_replay(run: RunDir, path: Path) -> None:
    """Remember a replay before it sends anything. The lock of `run` is held."""
    try:
        with closing(schema.connect(run.journal)) as connection:
            connection.execute("INSERT OR IGNORE INTO replay VALUES (?)", (str(path),))
    except sqlite3.DatabaseError as error:
        raise schema.damaged(run.journal, error) from None


def _ask(run: RunDir, query: str) -> list[Any]:
    try:
        with closing(schema.read_only(run.journal)) as connection:
            return connection.execute(query).fetchall()
    except sqlite3.DatabaseError as error:
        raise schema.damaged(run.journal, error) from None


class Journal:
    """Open for writing: the holder of the run's lock has the only one."""

    def __init__(self, run: RunDir, *, on_full: Callable[[str], None]) -> None:
        self._run = run
        with closing(schema.connect(run.journal)) as connection:
            try:
                (sound,) = connection.execute("PRAGMA quick_check(1)").fetchone()
                if sound != "ok":
                    raise sqlite3.DatabaseError(str(sound))
                self.facts = _facts(connection)
                self.counts = _counts(connection)
                self._projection = Projection(run.letters, connection)
            except sqlite3.DatabaseError as error:
                raise schema.damaged(run.journal, error) from None
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

    async def intend(self, batch: Batch, digest: bytes, since: float | None = None) -> int:
        """Record that `batch` is about to be sent. The request may leave after this returns."""
        return await self._writer.write(
            lambda connection: _open(connection, batch, digest, time.time(), since)
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


def _facts(connection: sqlite3.Connection) -> dict[str, Any]:
    rows = connection.execute("SELECT name, value FROM run")
    return {name: json.loads(value) for name, value in rows}


def _open(
    connection: sqlite3.Connection, batch: Batch, digest: bytes, now: float, since: float | None
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


def _counts(connection: sqlite3.Connection) -> Counts:
    row = connection.execute(
        "SELECT coalesce(sum(loaded),0), coalesce(sum(existing),0),"
        " (SELECT count(*) FROM letter), (SELECT count(*) FROM doubt),"
        " count(*) FILTER (WHERE outcome IN ('loaded', 'doubt', 'rejected')) FROM attempt"
    ).fetchone()
    return Counts(*row)


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
        "SELECT id, covers, first, source, at, number, nth, digest, sent_at FROM attempt"
        " WHERE outcome IS NULL ORDER BY id"
    )
    return State(
        covered,
        [
            Open(i, covers, first, source, Position(at, number), nth, digest, sent_at)
            for i, covers, first, source, at, number, nth, digest, sent_at in opened
        ],
        (seek[0], seek[1], Position(seek[2], seek[3])) if seek else (0, 0, None),
    )
