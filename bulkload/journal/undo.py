"""What an undo needs of a run's journal: the ids that the run created, and what became of them.

Laws kept here: the portion that is about to be archived is durable before the request leaves,
and what came of it before it is counted; memory is bounded: ids are read a page at a time, by
(attempt, place), each page in one short transaction.

The ids are one list: those of the attempts, in the order of the attempts and of their packed
ids. It is cut into portions of a hundred, numbered from 0. A portion has a row from its intent
on; one without a row was never archived. So after a kill the rows say what is open and where
to cut on.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from bulkload import ordinals
from bulkload.journal import attempts, schema
from bulkload.journal.portions import Portion, Settled, mark
from bulkload.journal.readers import facts_of
from bulkload.journal.removals import Removals
from bulkload.journal.writer import Writer
from bulkload.model import MAX_INPUTS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterator

    from bulkload.rundir import RunDir

PAGE_ROWS = 200
"""Attempts a page: each has at least one id, so that a page is worth a portion."""

CALLS_A_PORTION = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Hundred(Portion):
    """`attempt`, `at`: where the first of its ids stands."""

    number: int
    attempt: int
    at: int


def created(run: RunDir) -> int:
    """How many ids the journal holds of what the run created."""
    with schema.opened(run.journal) as connection:
        (count,) = connection.execute(
            "SELECT coalesce(sum(length(ids) - length(replace(ids, ',', '')) + 1), 0)"
            " FROM attempt WHERE ids IS NOT NULL"
        ).fetchone()
    return int(count)


def nameless(run: RunDir) -> int:
    """How many records are loaded, by the user's word, without an id."""
    with schema.opened(run.journal) as connection:
        (count,) = connection.execute(
            "SELECT coalesce(sum(loaded), 0) FROM attempt WHERE loaded > 0 AND ids IS NULL"
        ).fetchone()
    return int(count)


def settled(run: RunDir) -> Settled:
    """What is settled of a run's undo; zeros where none was begun."""
    with schema.opened(run.journal) as connection:
        row = connection.execute(
            "SELECT coalesce(sum(archived),0), coalesce(sum(already_gone),0),"
            " coalesce(sum(failed),0) FROM undone WHERE archived IS NOT NULL"
        ).fetchone()
    return Settled(*row)


class UndoJournal:
    """Open for writing: the holder of the run's lock has the only one. `facts`: the run's, as they
    were when it was opened.
    """

    def __init__(self, run: RunDir, *, on_full: Callable[[str], None]) -> None:
        with schema.opened(run.journal, writable=True) as connection:
            schema.check(connection)
            self.facts = facts_of(connection)
            self._from = _begin(connection)
            self._open = deque(_left_open(connection))
        self._cut: deque[Hundred] = deque()
        self._ended = False
        self._writer = Writer(run.journal, on_commit=lambda _: None, on_full=on_full)
        self.contacts = Removals(self._writer, "contact")
        self.files = Removals(self._writer, "file")

    async def close(self) -> None:
        await self._writer.stop()

    async def next(self) -> Hundred | None:
        """One that is not settled: first those left open. None: no more. One caller at a time."""
        if self._open:
            return self._open.popleft()
        while not self._cut and not self._ended:
            page = await self._writer.write(partial(_read_page, begin=self._from))
            self._cut.extend(page.portions)
            self._from, self._ended = page.then, page.last
        return self._cut.popleft() if self._cut else None

    async def intend(self, portion: Hundred) -> None:
        """It was looked at and is about to be archived. The first one makes the undo begun."""
        assert portion.gone is not None

        def write(connection: sqlite3.Connection) -> None:
            assert portion.gone is not None
            connection.execute(
                "INSERT INTO undone VALUES (?,?,?,?,?,?,NULL,NULL,?)",
                (
                    portion.number,
                    portion.attempt,
                    portion.at,
                    len(portion.ids),
                    ordinals.pack(sorted(portion.gone)),
                    len(portion.gone),
                    time.time(),
                ),
            )
            mark(connection, "begun")

        await self._writer.write(write)

    async def settle(self, portion: Hundred, refused: Collection[str]) -> None:
        """What was there of it is archived, all but what was `refused`."""
        failed = sum(each in refused for each in portion.shown)
        archived = len(portion.shown) - failed
        await self._writer.write(
            lambda connection: connection.execute(
                "UPDATE undone SET archived=?, failed=? WHERE number=?",
                (archived, failed, portion.number),
            )
        )

    async def note(self, facts: dict[str, Any]) -> None:
        """Set facts of the run."""
        await self._writer.write(lambda connection: attempts.put_facts(connection, facts))

    async def finish(self) -> None:
        """Every portion is settled."""
        await self._writer.write(lambda connection: mark(connection, "done"))

    async def sent_since(self, when: float) -> int:
        """Calls made after `when`, in seconds since the epoch, that the journal knows of."""

        def ask(connection: sqlite3.Connection) -> int:
            (loads,) = connection.execute(
                "SELECT count(*) FROM attempt WHERE sent_at > ?", (when,)
            ).fetchone()
            (portions,) = connection.execute(
                "SELECT count(*) FROM undone WHERE intended_at > ?", (when,)
            ).fetchone()
            (removals,) = connection.execute(
                "SELECT count(DISTINCT intended_at) FROM removed WHERE intended_at > ?", (when,)
            ).fetchone()
            return int(loads) + CALLS_A_PORTION * (int(portions) + int(removals))

        return await self._writer.write(ask)


class _From(NamedTuple):
    """Where the portion with this number begins."""

    number: int
    attempt: int
    at: int


class _Page(NamedTuple):
    portions: list[Hundred]
    then: _From
    last: bool


_Place = tuple[int, int, str]
"""An attempt, the place of an id among its ids, the id."""


def _read_page(connection: sqlite3.Connection, begin: _From) -> _Page:
    """Cut what follows into portions, and leave out those that have a row."""
    number, attempt, at = begin
    places, last = _places(connection, attempt, at, PAGE_ROWS)
    most = number + len(places) // MAX_INPUTS
    asked = "SELECT number FROM undone WHERE number BETWEEN ? AND ?"
    known = {known for (known,) in connection.execute(asked, (number, most))}
    portions = []
    while len(places) >= MAX_INPUTS or (places and last):
        part, places = places[:MAX_INPUTS], places[MAX_INPUTS:]
        if number not in known:
            first, place = part[0][:2]
            ids = tuple(each for *_, each in part)
            portions.append(Hundred(number=number, attempt=first, at=place, ids=ids))
        number += 1
        attempt, at = places[0][:2] if places else (part[-1][0], part[-1][1] + 1)
    return _Page(portions, _From(number, attempt, at), last)


def _places(
    connection: sqlite3.Connection, attempt: int, at: int, rows: int
) -> tuple[list[_Place], bool]:
    """The ids from (attempt, at) on, of so many attempts; and whether they are the last."""
    found = connection.execute(
        "SELECT id, ids FROM attempt WHERE id >= ? AND ids IS NOT NULL ORDER BY id LIMIT ?",
        (attempt, rows),
    ).fetchall()
    places = [
        (number, place, each)
        for number, packed in found
        for place, each in enumerate(packed.split(","))
        if number > attempt or place >= at
    ]
    return places, len(found) < rows


def _begin(connection: sqlite3.Connection) -> _From:
    """Where to cut from: the last of the rows that have no gap before them."""
    row = connection.execute(
        "SELECT number, attempt, at FROM undone AS here WHERE NOT EXISTS"
        " (SELECT 1 FROM undone WHERE number = here.number + 1) ORDER BY number LIMIT 1"
    ).fetchone()
    first = connection.execute("SELECT 1 FROM undone WHERE number = 0").fetchone()
    return _From(*row) if row and first else _From(0, 0, 0)


def _left_open(connection: sqlite3.Connection) -> Iterator[Hundred]:
    rows = connection.execute(
        "SELECT number, attempt, at, size, gone FROM undone WHERE archived IS NULL ORDER BY number"
    ).fetchall()
    for number, attempt, at, size, gone in rows:
        places, _ = _places(connection, attempt, at, size + 1)
        ids = tuple(each for _, _, each in places[:size])
        yield Hundred(
            number=number,
            attempt=attempt,
            at=at,
            ids=ids,
            gone=frozenset(ordinals.unpack(gone)),
        )
