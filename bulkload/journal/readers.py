"""What a run's journal says, for readers beside a live writer: read-only, short transactions.

A reader that stayed open would let the write-ahead log grow without end.
"""

from __future__ import annotations

import json
import os
import sqlite3
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from bulkload import ordinals
from bulkload.errors import StoppedForGood
from bulkload.journal import people, schema
from bulkload.model import Position

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bulkload.rundir import RunDir


SMALL = 10_000
"""So many rows of a few numbers are read at a time."""

_EVERY_RUNS = {
    "run_id": str,
    "created": float,
    "options": dict,
    "rules": dict,
    "sources": list,
    "fingerprints": list,
}
"""The facts that are there from a run's first commit on, and what they are."""


class Counts(NamedTuple):
    """Records by outcome, as the journal holds them."""

    loaded: int
    existing: int
    dead_lettered: int
    in_doubt: int
    skipped: int
    batches: int

    @property
    def read(self) -> int:
        """All whose outcome is settled."""
        return sum(self) - self.batches


def is_committed(run: RunDir) -> bool:
    """Whether the directory holds a run; a process killed too early leaves none."""
    if not run.journal.exists() or run.journal.stat().st_size == 0:
        # The first page is written before anything goes into the log, or becomes a letter.
        log = run.journal.with_name(f"{run.journal.name}-wal")
        if any(path.exists() and path.stat().st_size for path in (log, run.letters)):
            raise schema.damaged(run.journal, sqlite3.DatabaseError("it is empty, its log is not"))
        return False
    # SQLite makes an empty file a write-ahead log's by a rollback journal, and never uses one
    # again: where it stands beside a single page, the process was killed within that step, and
    # a read-only connection could not roll it back.
    rollback, log = (
        run.journal.with_name(f"{run.journal.name}-{end}") for end in ("journal", "wal")
    )
    if rollback.exists() and not log.exists() and run.journal.stat().st_size <= schema.PAGE_BYTES:
        return False
    with schema.opened(run.journal) as connection:
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        return bool(tables)


def facts(run: RunDir) -> dict[str, Any]:
    """What the run is bound to and how it was called. Raises StoppedForGood if damaged."""
    with schema.opened(run.journal) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version != schema.VERSION:
            raise StoppedForGood(
                f"{run.journal}: written by another version of bulkload (journal version "
                f"{version}, this one reads {schema.VERSION}); use that version to go on"
            )
        found = facts_of(connection)
        lost = [name for name, kind in _EVERY_RUNS.items() if type(found.get(name)) is not kind]
        if lost:
            raise ValueError(f"what it says of the run's {lost[0]} can't be read")
        return found


def counts(run: RunDir) -> Counts:
    """For readers beside a live writer: one short transaction."""
    with schema.opened(run.journal) as connection:
        return counts_of(connection)


def doubts(run: RunDir) -> Iterator[dict[str, Any]]:
    """Every record in doubt: ordinal, source (its index), position, and its batch's history.

    `batch`: the ordinals that went with it, packed; `doubtful_since`: when the first call was
    made that may have made it; `sent_at`: the last one.
    """
    query = (
        "SELECT doubt.ordinal, doubt.source, doubt.at, doubt.number, covers,"
        " coalesce(doubtful_since, sent_at), sent_at, nth, status, note"
        " FROM doubt JOIN attempt ON attempt.id=doubt.attempt"
    )
    for *place, covers, since, sent_at, nth, status, note in _paged(run, query, "doubt.ordinal"):
        yield {
            **_place(*place),
            "batch": covers,
            "doubtful_since": _iso(since),
            "sent_at": _iso(sent_at),
            "attempts": nth,
            "status": status,
            "note": note,
        }


def doubted(run: RunDir) -> Iterator[tuple[int, int]]:
    """Of every record in doubt, its ordinal and its source (its index)."""
    yield from _paged(run, "SELECT ordinal, source FROM doubt", "ordinal", SMALL)


def letters(run: RunDir) -> Iterator[dict[str, Any]]:
    """Every dead letter without its record: ordinal, source (its index), position, reason, message,
    and where the remote spoke its status and category.
    """
    query = f"SELECT ordinal, source, at, number, {said_in(_SAID)} FROM letter"  # noqa: S608  # all is ours
    for row in _paged(run, query, "ordinal"):
        told = zip(_SAID, row[4:], strict=True)
        yield {**_place(*row[:4]), **{name: value for name, value in told if value is not None}}


def skips(run: RunDir) -> Iterator[dict[str, Any]]:
    """Every record that was left out: ordinal, source (its index), position, reason. Of a duplicate
    `first` (the ordinal of the record that has its key) or `id` (the remote's); of a filter
    `records`, which is how many follow one another for this reason, this one the first.
    """
    duplicates = "SELECT ordinal, source, at, number, first, id FROM skip"
    for *place, first, found in _paged(run, duplicates, "ordinal"):
        other = {"id": found} if first is None else {"first": first}
        yield {**_place(*place), "reason": "duplicate", **other}
    filtered = "SELECT id, first, source, at, number, reason, records FROM leftout"
    for _, *place, reason, records in _paged(run, filtered, "id"):
        yield {**_place(*place), "reason": reason, "records": records}


_SAID = ("reason", "status", "category", "message")


def said_in(names: Iterable[str]) -> str:
    """What a letter says of these, as columns. In SQL: its record may be megabytes."""
    return ", ".join(f"json_extract(CAST(line AS TEXT), '$.{name}')" for name in names)


def _place(ordinal: int, source: int, at: int | str, number: int) -> dict[str, Any]:
    return {"ordinal": ordinal, "source": source, "position": Position(at, number).as_json()}


def _paged(run: RunDir, query: str, by: str, rows: int = 500) -> Iterator[Any]:
    """Rows that begin with the key `by`, in its order: no writer waits for a reader's terminal."""
    last = -1
    while True:
        page = _ask(run, f"{query} WHERE {by}>{last} ORDER BY {by} LIMIT {rows}")
        yield from page
        if not page:
            return
        last = page[-1][0]


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")


def reached(run: RunDir) -> dict[int, Position]:
    """By source, the position of the last batch that a call was made for."""
    rows = _ask(run, "SELECT source, max(first), at, number FROM attempt GROUP BY source")
    return {source: Position(at, number) for source, _, at, number in rows}


def under_way(run: RunDir) -> int:
    """How many records are in attempts without an answer: sent now, or when the run was cut."""
    return len(ordinals_under_way(run))


def ordinals_under_way(run: RunDir) -> set[int]:
    with schema.opened(run.journal) as connection:
        rows = connection.execute("SELECT covers FROM attempt WHERE outcome IS NULL")
        return {ordinal for (covers,) in rows for ordinal in ordinals.unpack(covers)}


def skipped(run: RunDir) -> dict[str, int]:
    """Records that were left out, by why: a filter's name, or "duplicate"."""
    return dict(
        _ask(
            run,
            "SELECT reason, sum(records) FROM leftout GROUP BY reason UNION ALL"
            " SELECT 'duplicate', count(*) FROM skip HAVING count(*) > 0 ORDER BY 2 DESC, 1",
        )
    )


def contacts(run: RunDir) -> people.Counts:
    """Addresses of the run's people, by what is known of their contacts."""
    with schema.opened(run.journal) as connection:
        return people.count(connection)


def uploaded(run: RunDir) -> int:
    """How many files the run stored."""
    ((count,),) = _ask(run, "SELECT count(*) FROM file WHERE made")
    return int(count)


def without_contact(run: RunDir) -> list[str]:
    """The addresses that the portal has no contact of, in order."""
    return [
        address
        for (address,) in _ask(
            run, "SELECT address FROM contact WHERE id='' AND since IS NULL ORDER BY address"
        )
    ]


class Again(NamedTuple):
    """In a replay: a record, which letter it was in the run that it replays, and how it stands.
    `dead`: it is a dead letter here too.
    """

    ordinal: int
    letter: int
    dead: bool
    in_doubt: bool


def lineage(run: RunDir) -> Iterator[Again]:
    """Of a replay, in its order."""
    query = (
        "SELECT ordinal, parent_ordinal, ordinal IN (SELECT ordinal FROM letter),"
        " ordinal IN (SELECT ordinal FROM doubt) FROM lineage"
    )
    for ordinal, letter, dead, in_doubt in _paged(run, query, "ordinal", SMALL):
        yield Again(ordinal, letter, bool(dead), bool(in_doubt))


def nameless(run: RunDir) -> set[int]:
    """The ordinals of what is loaded by the user's word, without an id."""
    with schema.opened(run.journal) as connection:
        rows = connection.execute("SELECT covers FROM attempt WHERE loaded > 0 AND ids IS NULL")
        return {ordinal for (covers,) in rows for ordinal in ordinals.unpack(covers)}


def replays(run: RunDir) -> list[str]:
    """The directories of the replays that were made of a run."""
    return [os.fsdecode(path) for (path,) in _ask(run, "SELECT path FROM replay ORDER BY path")]


def facts_of(connection: sqlite3.Connection) -> dict[str, Any]:
    rows = connection.execute("SELECT name, value FROM run")
    return {name: json.loads(value) for name, value in rows}


def counts_of(connection: sqlite3.Connection) -> Counts:
    row = connection.execute(
        "SELECT coalesce(sum(loaded),0), coalesce(sum(existing),0),"
        " (SELECT count(*) FROM letter), (SELECT count(*) FROM doubt),"
        " (SELECT count(*) FROM skip) + (SELECT coalesce(sum(records),0) FROM leftout),"
        " count(*) FILTER (WHERE outcome NOT IN ('refused', 'resent')) FROM attempt"
    ).fetchone()
    return Counts(*row)


def _ask(run: RunDir, query: str) -> list[Any]:
    with schema.opened(run.journal) as connection:
        return connection.execute(query).fetchall()
