"""Contacts and files that a run made, as an undo takes them away: a row for each, from its intent
on.

Laws kept here: only what the run made is named, never what it found; the row is durable before
the request leaves, and what came of it before it is counted. A row without an outcome is open
since a kill, and comes first.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple

from bulkload.journal import schema
from bulkload.journal.portions import Portion, Settled, mark
from bulkload.model import MAX_INPUTS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection

    from bulkload.journal.writer import Writer
    from bulkload.rundir import RunDir

Kind = Literal["contact", "file"]

_NAME = {"contact": "address", "file": "hash"}
_SIZE = {"contact": MAX_INPUTS, "file": 1}


class Made(NamedTuple):
    """What the run made of one kind, and how its removal stands. `unsure`: calls for so many left
    whose answers are not recorded.
    """

    made: int
    settled: Settled
    unsure: int = 0

    @property
    def left(self) -> int:
        return self.made - sum(self.settled)


class Unsure(NamedTuple):
    """A contact that may have been made: by the remote's clock, a call for it may have been carried
    out since and until then.
    """

    address: str
    since: float
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Named(Portion):
    """`names`: of each, its address or its hash."""

    names: tuple[str, ...]


def made(run: RunDir, kind: Kind) -> Made:
    """What the run made of the kind, as its journal has it now."""
    with schema.opened(run.journal) as connection:
        ours, unsure = connection.execute(
            "SELECT coalesce(sum(made = 1 AND id != ''), 0),"  # noqa: S608  # one of two words
            f" coalesce(sum(id = '' AND since IS NOT NULL), 0) FROM {kind}"
        ).fetchone()
        settled = connection.execute(
            "SELECT coalesce(sum(gone = 0 AND failed = 0), 0), coalesce(sum(gone), 0),"
            " coalesce(sum(failed), 0) FROM removed WHERE kind = ? AND failed IS NOT NULL",
            (kind,),
        ).fetchone()
    return Made(ours, Settled(*settled), unsure)


class Removals:
    """The ledger of one kind, through the journal's writer."""

    def __init__(self, writer: Writer, kind: Kind) -> None:
        self._writer = writer
        self._kind = kind
        self._after = ""
        self._open: deque[Named] | None = None

    async def next(self) -> Named | None:
        """One that is not settled: first those left open. None: no more. One caller at a time."""
        if self._open is None:
            self._open = deque(await self._writer.write(self._left_open))
        if self._open:
            return self._open.popleft()
        rows = await self._writer.write(partial(self._read, after=self._after))
        if not rows:
            return None
        self._after = rows[-1][0]
        return Named(names=tuple(name for name, _ in rows), ids=tuple(each for _, each in rows))

    async def intend(self, portion: Named) -> None:
        """It was looked at and is about to be removed."""
        gone, now = portion.gone, time.time()
        assert gone is not None
        rows = [(self._kind, name, place in gone, now) for place, name in enumerate(portion.names)]

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany("INSERT INTO removed VALUES (?,?,?,NULL,?)", rows)
            mark(connection, "begun")

        await self._writer.write(write)

    async def settle(self, portion: Named, refused: Collection[str]) -> None:
        """What was there of it is removed, all but what was `refused`."""
        gone = portion.gone
        assert gone is not None
        await self._writer.write(
            lambda connection: connection.executemany(
                "UPDATE removed SET gone=?, failed=? WHERE kind=? AND name=?",
                [
                    (place in gone, each in refused and place not in gone, self._kind, name)
                    for place, (name, each) in enumerate(
                        zip(portion.names, portion.ids, strict=True)
                    )
                ],
            )
        )

    async def unsure(self, after: str) -> list[Unsure]:
        """Up to a hundred contacts that may have been made, by address, those behind `after`."""
        return await self._writer.write(
            lambda connection: [
                Unsure(*row)
                for row in connection.execute(
                    "SELECT address, since, until FROM contact WHERE id = '' AND since IS NOT NULL"
                    " AND address > ? ORDER BY address LIMIT ?",
                    (after, MAX_INPUTS),
                )
            ]
        )

    async def proved(self, address: str, contact: str, *, made: bool) -> None:
        """There is a contact with this address, or none and never will be (""); `made`: by a call
        of this run.
        """
        await self._writer.write(
            lambda connection: connection.execute(
                "UPDATE contact SET id=?, made=?, since=NULL, until=NULL WHERE address=?",
                (contact, made, address),
            )
        )

    def _read(self, connection: sqlite3.Connection, after: str) -> list[tuple[str, str]]:
        kind, name = self._kind, _NAME[self._kind]
        return connection.execute(
            f"SELECT {name}, id FROM {kind} AS it WHERE made = 1 AND id != '' AND {name} > ?"  # noqa: S608  # one of two words
            " AND NOT EXISTS (SELECT 1 FROM removed WHERE kind = ? AND name = it." + name + ")"
            f" ORDER BY {name} LIMIT ?",
            (after, kind, _SIZE[kind]),
        ).fetchall()

    def _left_open(self, connection: sqlite3.Connection) -> list[Named]:
        kind, name = self._kind, _NAME[self._kind]
        rows = connection.execute(
            f"SELECT removed.name, it.id, removed.gone FROM removed JOIN {kind} AS it"  # noqa: S608  # one of two words
            f" ON it.{name} = removed.name WHERE removed.kind = ? AND removed.failed IS NULL"
            " ORDER BY removed.name",
            (kind,),
        ).fetchall()
        size = _SIZE[kind]
        parts = (rows[begin : begin + size] for begin in range(0, len(rows), size))
        return [
            Named(
                names=tuple(name for name, _, _ in part),
                ids=tuple(each for _, each, _ in part),
                gone=frozenset(place for place, (*_, gone) in enumerate(part) if gone),
            )
            for part in parts
        ]
