"""The journal: what is known of every record of a run, durable.

Laws kept here: intent is durable before the request leaves; an outcome, its created ids
and its dead letters are one transaction, durable before they are counted or shown.
"""

from __future__ import annotations

import asyncio
import errno
import json
import time
from typing import TYPE_CHECKING, Any

from bulkload import ordinals
from bulkload.errors import StoppedResumable
from bulkload.journal import schema
from bulkload.journal.files import FilesBook
from bulkload.journal.people import PeopleBook, Reading
from bulkload.journal.projection import Projection, restore
from bulkload.journal.readers import counts_of, facts_of
from bulkload.journal.settlement import Open, State
from bulkload.journal.writer import Writer
from bulkload.model import Position
from bulkload.rundir import private, sync_directory

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from bulkload.batch import Batch, Letter, Skip
    from bulkload.journal.readers import Counts
    from bulkload.journal.settlement import Settlement
    from bulkload.journal.writer import Writes
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
    _put(connection, facts)
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
    with schema.opened(run.journal, writable=True) as connection:
        connection.execute("INSERT OR IGNORE INTO replay VALUES (?)", (str(path),))


class Journal:
    """Open for writing: the holder of the run's lock has the only one.

    `facts` and `counts` are those that the journal holds when it is opened; `projection`: the
    file of its letters, where it has one; `look` reads beside the writer.
    """

    def __init__(
        self,
        writer: Writes,
        facts: dict[str, Any],
        counts: Counts,
        projection: Projection | None = None,
        look: Reading | None = None,
    ) -> None:
        self._writer = writer
        self._look = look
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

        writer = Writer(lambda: schema.connect(run.journal), on_commit=project, on_full=on_full)
        return cls(writer, facts, counts, projection, Reading(run.journal))

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
        return await self._writer.write(_state)

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
        return await self._writer.write(lambda c: _claimed(c, ids, since)) if ids else set()

    async def note(self, facts: dict[str, Any]) -> None:
        """Set facts of the run."""
        await self._writer.write(lambda connection: _put(connection, facts))

    async def reopen_doubts(self, chosen: Covered | None = None) -> int:
        """Make attempts of what is held in doubt, to be asked for or sent again.

        `chosen`: only these ordinals. Returns how many records.
        """
        return await self._writer.write(lambda connection: _reopen(connection, chosen))

    async def believe(self, chosen: Covered) -> int:
        """By the user's word these records, held in doubt, are at the remote. Returns how many."""
        return await self._writer.write(lambda connection: _believe(connection, chosen))

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

    async def intend(self, batch: Batch, digest: bytes, since: float | None = None) -> int:
        """Record that `batch` is about to be sent. The request may leave after this returns.

        `since`: a lower bound of the remote's clock now, seconds since the epoch.
        """
        return await self._writer.write(
            lambda connection: _open(connection, batch, digest, time.time(), remote_since=since)
        )

    async def withdraw(self, attempt: int) -> None:
        """The request of this intent never started."""
        await self._writer.write(
            lambda connection: connection.execute("DELETE FROM attempt WHERE id=?", (attempt,))
        )

    async def bury(self, letters: Sequence[Letter], skips: Sequence[Skip] = ()) -> None:
        """Settle records that were never sent: unreadable, unmappable, or duplicates."""

        def write(connection: sqlite3.Connection) -> None:
            _bury(connection, letters)
            _skip(connection, skips)

        await self._writer.write(write)

    async def settle(self, attempt: int | Batch, outcome: Settlement) -> list[int]:
        """Close an attempt: everything of it in one transaction.

        A batch: it was asked for without an attempt that was open.
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
    remote_since: float | None = None,
) -> int:
    head = batch.entries[0]
    cursor = connection.execute(
        "INSERT INTO attempt(covers, first, source, at, number, nth, digest, sent_at,"
        " doubtful_since, remote_since) VALUES (?,?,?,?,?,?,?,?,?,?)",
        (
            batch.covers,
            head.ordinal,
            head.source,
            *head.position,
            batch.attempt + 1,
            digest,
            now,
            since,
            remote_since,
        ),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def _bury(connection: sqlite3.Connection, letters: Iterable[Letter]) -> None:
    connection.executemany(
        "INSERT INTO letter(ordinal, source, at, number, line) VALUES (?,?,?,?,?)",
        [(e.ordinal, e.source, *e.position, e.line) for e in letters],
    )


def _skip(connection: sqlite3.Connection, skips: Sequence[Skip]) -> None:
    filtered: dict[str, list[Skip]] = {}
    for each in skips:
        if each.reason:
            filtered.setdefault(each.reason, []).append(each)
    connection.executemany(
        "INSERT INTO skip VALUES (?,?,?,?,?,?)",
        [(e.ordinal, e.source, *e.position, e.first, e.id or None) for e in skips if not e.reason],
    )
    connection.executemany(
        "INSERT INTO leftout(covers, records, first, source, at, number, reason)"
        " VALUES (?,?,?,?,?,?,?)",
        [
            (ordinals.pack(e.ordinal for e in each), len(each), each[0].ordinal, each[0].source,
             *each[0].position, reason)
            for reason, each in filtered.items()
        ],
    )  # fmt: skip


def _settle(connection: sqlite3.Connection, attempt: int | Batch, outcome: Settlement) -> list[int]:
    if not isinstance(attempt, int):
        attempt = _open(connection, attempt, b"", time.time())
    _bury(connection, outcome.letters)
    _skip(connection, outcome.skipped)
    connection.executemany(
        "INSERT INTO doubt VALUES (?,?,?,?,?)",
        [(e.ordinal, attempt, e.source, *e.position) for e in outcome.doubtful],
    )
    if outcome.loaded:
        name = "loaded"
    elif outcome.doubtful:
        name = "doubt"
    elif outcome.existing:
        name = "existing"
    elif outcome.letters:
        name = "rejected"
    elif outcome.skipped:
        name = "skipped"
    else:
        name = "resent" if outcome.resend else "refused"
    ids = [made for _, made in outcome.loaded]
    existing = sorted(outcome.existing)
    connection.execute(
        "UPDATE attempt SET outcome=?, status=?, note=?, loaded=?, ids=?, tied=?,"
        " existing=?, existing_covers=?, existing_ids=?,"
        " covers=CASE WHEN ?='loaded' THEN ? ELSE covers END WHERE id=?",
        (
            name,
            outcome.status,
            outcome.note or None,
            len(outcome.loaded),
            ",".join([*filter(None, ids), *outcome.loose_ids]) or None,
            all(ids) and not outcome.loose_ids,
            len(existing),
            ordinals.pack(ordinal for ordinal, _ in existing) or None,
            ",".join(made for _, made in existing) or None,
            name,
            ordinals.pack(sorted(ordinal for ordinal, _ in outcome.loaded)),
            attempt,
        ),
    )
    if not outcome.resend:
        return []
    (sent_at, since, remote_since) = connection.execute(
        "SELECT sent_at, doubtful_since, remote_since FROM attempt WHERE id=?", (attempt,)
    ).fetchone()
    now = time.time()
    return [
        _open(connection, each.batch, each.digest, now, since or sent_at, remote_since)
        for each in outcome.resend
    ]


def _reopen(connection: sqlite3.Connection, chosen: Covered | None) -> int:
    doubted = _doubted(connection, chosen)
    for attempt, ordinals_ in doubted.items():
        # The digest is that of all who went together.
        connection.execute(
            "INSERT INTO attempt(covers, first, source, at, number, nth, digest, sent_at,"
            " doubtful_since, remote_since)"
            " SELECT ?, doubt.ordinal, doubt.source, doubt.at, doubt.number, nth,"
            " CASE WHEN covers=? THEN digest ELSE x'' END, sent_at,"
            " coalesce(doubtful_since, sent_at), remote_since"
            " FROM attempt JOIN doubt ON doubt.attempt=attempt.id"
            " WHERE attempt.id=? AND doubt.ordinal=?",
            (covers := ordinals.pack(ordinals_), covers, attempt, ordinals_[0]),
        )
    _forget(connection, doubted)
    if doubted:
        _put(connection, {"complete": False})
    return sum(map(len, doubted.values()))


def _believe(connection: sqlite3.Connection, chosen: Covered) -> int:
    doubted = _doubted(connection, chosen)
    for attempt, ordinals_ in doubted.items():
        connection.execute(
            "INSERT INTO attempt(covers, first, source, at, number, nth, digest, sent_at,"
            " outcome, status, note, loaded, tied)"
            " SELECT ?, doubt.ordinal, doubt.source, doubt.at, doubt.number, nth, x'', sent_at,"
            " 'loaded', 0, 'by the user''s word', ?, 0"
            " FROM attempt JOIN doubt ON doubt.attempt=attempt.id"
            " WHERE attempt.id=? AND doubt.ordinal=?",
            (ordinals.pack(ordinals_), len(ordinals_), attempt, ordinals_[0]),
        )
    _forget(connection, doubted)
    return sum(map(len, doubted.values()))


def _doubted(connection: sqlite3.Connection, chosen: Covered | None) -> dict[int, list[int]]:
    """Records held in doubt by their attempts."""
    found: dict[int, list[int]] = {}
    rows = connection.execute("SELECT attempt, ordinal FROM doubt ORDER BY ordinal")
    for attempt, ordinal in rows:
        if chosen is None or ordinal in chosen:
            found.setdefault(attempt, []).append(ordinal)
    return found


def _forget(connection: sqlite3.Connection, doubted: dict[int, list[int]]) -> None:
    connection.executemany(
        "DELETE FROM doubt WHERE ordinal=?", [(o,) for each in doubted.values() for o in each]
    )
    connection.execute(
        "UPDATE attempt SET outcome='resent'"
        " WHERE outcome='doubt' AND id NOT IN (SELECT attempt FROM doubt)"
    )


def _claimed(connection: sqlite3.Connection, ids: set[str], since: float | None) -> set[str]:
    found: set[str] = set()
    rows = connection.execute(
        "SELECT ids, loaded, doubtful_since, remote_since FROM attempt ORDER BY id DESC"
    )
    for made, loaded, doubtful, began in rows:
        if made:
            # Behind those of loaded records stand the ids that fit no input: they may be anyone's.
            found |= ids.intersection(made.split(",")[:loaded])
        # What carries a doubt has the time of that; the others began in their order.
        if since is not None and doubtful is None and began is not None and began < since:
            break
    return found


def _state(connection: sqlite3.Connection) -> State:
    def spans() -> Iterable[tuple[int, int]]:
        # What is open is spoken for too: it is settled or sent again apart from the reading.
        spoken_for = "SELECT covers FROM attempt WHERE outcome='loaded' OR outcome IS NULL"
        for (covers,) in connection.execute(spoken_for):
            yield from ordinals.unpack_spans(covers)
        there = "SELECT existing_covers FROM attempt WHERE existing > 0"
        for (covers,) in connection.execute(there):
            yield from ordinals.unpack_spans(covers)
        for (covers,) in connection.execute("SELECT covers FROM leftout"):
            yield from ordinals.unpack_spans(covers)
        for table in ("letter", "doubt", "skip"):
            yield from (
                (ordinal, ordinal)
                for (ordinal,) in connection.execute(f"SELECT ordinal FROM {table}")  # noqa: S608  # fixed names
            )

    covered = ordinals.Covered(spans())
    low = covered.low_water
    seek = connection.execute(
        "SELECT first, source, at, number FROM attempt WHERE first<=:low UNION ALL "
        "SELECT ordinal, source, at, number FROM letter WHERE ordinal<=:low UNION ALL "
        "SELECT ordinal, source, at, number FROM doubt WHERE ordinal<=:low UNION ALL "
        "SELECT ordinal, source, at, number FROM skip WHERE ordinal<=:low UNION ALL "
        "SELECT first, source, at, number FROM leftout WHERE first<=:low "
        "ORDER BY 1 DESC LIMIT 1",
        {"low": low},
    ).fetchone()
    opened = connection.execute(
        "SELECT id, covers, first, source, at, number, nth, digest, remote_since FROM attempt"
        " WHERE outcome IS NULL ORDER BY id"
    )
    return State(
        covered,
        [
            Open(i, covers, first, source, Position(at, number), nth, digest, since)
            for i, covers, first, source, at, number, nth, digest, since in opened
        ],
        (seek[0], seek[1], Position(seek[2], seek[3])) if seek else (0, 0, None),
    )
