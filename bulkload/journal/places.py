"""Where records stood when they were read, as the journal has it: by that a resume knows whether
they have their numbers yet.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

from bulkload.model import Position

if TYPE_CHECKING:
    import sqlite3


def places(connection: sqlite3.Connection, low: int) -> dict[int, list[Position]]:
    """By source, where records from the ordinal `low` on stood when they were read: of each attempt
    the first and the last one. In their order.
    """
    found: dict[int, set[Position]] = {}
    rows = connection.execute(
        "SELECT source, at, number FROM attempt WHERE first>=:low UNION "
        "SELECT source, last_at, last_number FROM attempt"
        " WHERE first>=:low AND last_number IS NOT NULL UNION "
        "SELECT source, at, number FROM letter WHERE ordinal>=:low UNION "
        "SELECT source, at, number FROM doubt WHERE ordinal>=:low UNION "
        "SELECT source, at, number FROM skip WHERE ordinal>=:low UNION "
        "SELECT source, at, number FROM leftout WHERE first>=:low",
        {"low": low},
    )
    for source, at, number in rows:
        found.setdefault(source, set()).add(Position(at, number))
    return {source: sorted(each, key=itemgetter(1)) for source, each in found.items()}
