"""What an undo removes in one go, and how it stands: the words that its ledgers share."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    import sqlite3


class Settled(NamedTuple):
    """Ids by what became of them, as far as it is settled."""

    archived: int
    already_gone: int
    failed: int

    def plus(self, archived: int, already_gone: int, failed: int) -> Settled:
        return Settled(
            self.archived + archived, self.already_gone + already_gone, self.failed + failed
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """At most a hundred ids that are removed together.

    `gone`: the places, from 0, of those that were not there when they were looked at; None: they
    were not looked at.
    """

    ids: tuple[str, ...]
    gone: frozenset[int] | None = None

    @property
    def shown(self) -> tuple[str, ...]:
        """Those that were there."""
        gone = self.gone or frozenset()
        return tuple(each for place, each in enumerate(self.ids) if place not in gone)


def mark(connection: sqlite3.Connection, how: Literal["begun", "done"]) -> None:
    """How the run's undo stands. One that has begun can't be resumed."""
    connection.execute(
        "INSERT INTO run VALUES ('undo', ?) ON CONFLICT(name) DO UPDATE SET value=excluded.value",
        (json.dumps(how),),
    )
