"""What a run's calls came to, over time and by their answers, from its journal: for a report.

Law kept here: secrets and bodies stay in: of a dead letter its cause and place are read, never its
record, nor what the remote said of it, which quotes values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bulkload.journal import schema
from bulkload.journal.readers import said_in
from bulkload.model import Position

if TYPE_CHECKING:
    from bulkload.rundir import RunDir


class Answers(NamedTuple):
    """Calls that came to the same: the attempt's outcome ("open" while there is none) and the HTTP
    status, 0 where there was no answer.
    """

    outcome: str
    status: int | None
    calls: int


class Cause(NamedTuple):
    """Dead letters for the same reason, with the place of the first. `source` is an index."""

    reason: str
    status: int | None
    category: str | None
    letters: int
    source: int
    position: Position


class Pace(NamedTuple):
    """Records that were loaded or found, by when their calls left: so many in each span of
    `every_s` seconds from `began` on, in seconds since the epoch.
    """

    began: float
    every_s: float
    records: list[int]


def answers(run: RunDir) -> list[Answers]:
    """The most frequent first."""
    with schema.opened(run.journal) as connection:
        rows = connection.execute(
            "SELECT coalesce(outcome, 'open'), status, count(*) FROM attempt"
            " GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2"
        )
        return [Answers(*row) for row in rows]


def causes(run: RunDir) -> list[Cause]:
    """The most frequent first."""
    said = said_in(("reason", "status", "category"))
    with schema.opened(run.journal) as connection:
        rows = connection.execute(
            # min(): SQLite takes the bare columns from the row that has it.
            f"SELECT {said}, count(*), min(ordinal), source, at, number FROM letter"  # noqa: S608  # all is ours
            " GROUP BY 1, 2, 3 ORDER BY 4 DESC, 5"
        )
        return [
            Cause(reason, status, category, letters, source, Position(at, number))
            for reason, status, category, letters, _, source, at, number in rows
        ]


def pace(run: RunDir, most: int) -> Pace | None:
    """In `most` spans; None where nothing was made or found."""
    with schema.opened(run.journal) as connection:
        began, ended = connection.execute(
            "SELECT min(sent_at), max(sent_at) FROM attempt WHERE loaded + existing > 0"
        ).fetchone()
        if began is None:
            return None
        every_s = max((ended - began) / most, 1.0)
        rows = connection.execute(
            "SELECT min(CAST((sent_at - ?) / ? AS INTEGER), ?), sum(loaded + existing)"
            " FROM attempt WHERE loaded + existing > 0 GROUP BY 1",
            (began, every_s, most - 1),
        )
        found = dict(rows.fetchall())
        return Pace(began, every_s, [found.get(at, 0) for at in range(max(found) + 1)])
