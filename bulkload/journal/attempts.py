"""What is known of attempts and of the records in them, in SQL: within the transaction of whoever
calls.

Law kept here: an outcome, its created ids and its dead letters are one transaction; each record of
an attempt is named once.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from bulkload import ordinals
from bulkload.journal.settlement import Open, State
from bulkload.model import Position

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

    from bulkload.batch import Batch, Letter, Skip
    from bulkload.journal.settlement import Settlement
    from bulkload.ordinals import Covered


def put_facts(connection: sqlite3.Connection, facts: dict[str, Any]) -> None:
    connection.executemany(
        "INSERT INTO run VALUES (?,?) ON CONFLICT(name) DO UPDATE SET value=excluded.value",
        [(name, json.dumps(value)) for name, value in facts.items()],
    )


def intend(
    connection: sqlite3.Connection,
    batch: Batch,
    digest: bytes,
    now: float,
    since: float | None = None,
    remote_since: float | None = None,
    remote_until: float | None = None,
) -> int:
    head = batch.entries[0]
    last = (None, None) if batch.plain else batch.entries[-1].position
    cursor = connection.execute(
        "INSERT INTO attempt(covers, first, source, at, number, last_at, last_number, nth, digest,"
        " sent_at, doubtful_since, remote_since, remote_until)"
        " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
        (
            batch.covers,
            head.ordinal,
            head.source,
            *head.position,
            *(last if batch.entries[-1].source == head.source else (None, None)),
            batch.attempt + 1,
            digest,
            now,
            since,
            remote_since,
            remote_until,
        ),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def bury(connection: sqlite3.Connection, letters: Iterable[Letter]) -> None:
    connection.executemany(
        "INSERT INTO letter(ordinal, source, at, number, line) VALUES (?,?,?,?,?)",
        [(e.ordinal, e.source, *e.position, e.line) for e in letters],
    )


def skip(connection: sqlite3.Connection, skips: Sequence[Skip]) -> None:
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


def settle(connection: sqlite3.Connection, attempt: int | Batch, outcome: Settlement) -> list[int]:
    if not isinstance(attempt, int):
        attempt = intend(connection, attempt, b"", time.time())
    if outcome.letters:
        bury(connection, outcome.letters)
    if outcome.skipped:
        skip(connection, outcome.skipped)
    if outcome.doubtful:
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
    (sent_at, since, *remote) = connection.execute(
        "SELECT sent_at, doubtful_since, remote_since, remote_until FROM attempt WHERE id=?",
        (attempt,),
    ).fetchone()
    now = time.time()
    return [
        intend(connection, each.batch, each.digest, now, since or sent_at, *remote)
        for each in outcome.resend
    ]


_ATTEMPT = (
    "covers, first, source, at, number, nth, digest, sent_at, doubtful_since, remote_since,"
    " remote_until"
)


def doubted(connection: sqlite3.Connection, chosen: Covered | None) -> list[Open]:
    """The attempts that `reopen` would make: they are not made yet, and have no id."""
    return [
        Open(0, covers, first, source, Position(at, number), nth, digest, *remote)
        for covers, first, source, at, number, nth, digest, _, _, *remote in _anew(
            connection, _doubted(connection, chosen)
        )
    ]


def reopen(connection: sqlite3.Connection, chosen: Covered | None) -> int:
    doubted = _doubted(connection, chosen)
    connection.executemany(
        f"INSERT INTO attempt({_ATTEMPT}) VALUES (?,?,?,?,?,?,?,?,?,?,?)",  # noqa: S608  # fixed names
        list(_anew(connection, doubted)),
    )
    _forget(connection, doubted)
    if doubted:
        ask = "SELECT value='true' FROM run WHERE name='complete'"
        was = connection.execute(ask).fetchone() == (1,)
        put_facts(connection, {"complete": False, **({"whole": True} if was else {})})
    return sum(map(len, doubted.values()))


def _anew(connection: sqlite3.Connection, doubted: dict[int, list[int]]) -> Iterator[Any]:
    """The values of `_ATTEMPT` for each. The digest is that of all who went together."""
    for attempt, ordinals_ in doubted.items():
        yield connection.execute(
            "SELECT ?, doubt.ordinal, doubt.source, doubt.at, doubt.number, nth,"
            " CASE WHEN covers=? THEN digest ELSE x'' END, sent_at,"
            " coalesce(doubtful_since, sent_at), remote_since, remote_until"
            " FROM attempt JOIN doubt ON doubt.attempt=attempt.id"
            " WHERE attempt.id=? AND doubt.ordinal=?",
            (covers := ordinals.pack(ordinals_), covers, attempt, ordinals_[0]),
        ).fetchone()


def believe(connection: sqlite3.Connection, chosen: Covered) -> int:
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
    believed = sum(map(len, doubted.values()))
    left = connection.execute("SELECT id, covers FROM attempt WHERE outcome IS NULL").fetchall()
    for attempt, covers in left:
        named = list(ordinals.unpack(covers))
        if all(ordinal in chosen for ordinal in named):
            connection.execute(
                "UPDATE attempt SET outcome='loaded', status=0, note='by the user''s word',"
                " loaded=?, tied=0 WHERE id=?",
                (len(named), attempt),
            )
            believed += len(named)
    return believed


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


def state(connection: sqlite3.Connection) -> State:
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
        "SELECT id, covers, first, source, at, number, nth, digest, remote_since, remote_until"
        " FROM attempt WHERE outcome IS NULL ORDER BY id"
    )
    return State(
        covered,
        [
            Open(i, covers, first, source, Position(at, number), nth, digest, *remote)
            for i, covers, first, source, at, number, nth, digest, *remote in opened
        ],
        (seek[0], seek[1], Position(seek[2], seek[3])) if seek else (0, 0, None),
    )
