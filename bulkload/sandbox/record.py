"""One record, as the books hold it.

Law: only the books change it, and their indexes with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

Links = tuple[tuple[int, str], ...]  # association type, id of the other record


class Record:
    __slots__ = (
        "archived_at",
        "changed",
        "created",
        "digest",
        "id",
        "links",
        "number",
        "readable_at",
        "searchable_at",
        "stamp",
        "uniques",
        "values",
    )

    def __init__(
        self,
        identity: str,
        number: int,
        values: Mapping[str, str],
        uniques: Mapping[str, str],
        links: Links,
    ) -> None:
        self.id = identity
        self.number = number
        self.values = values
        self.uniques = uniques
        self.links = links
        self.digest = ""
        self.stamp: int | None = None  # hs_timestamp, in milliseconds since the epoch
        self.created = 0.0
        self.changed = 0.0
        self.archived_at: float | None = None
        self.readable_at = 0.0
        self.searchable_at = 0.0
