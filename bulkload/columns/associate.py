"""Pure: columns or headers that hold ids of other records → associations, in HubSpot's shape.

Law kept here: a record is tied to what its ids say or it is not sent: an id that is no number
makes a dead letter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bulkload.errors import RefusedToStart, UnmappableRecord
from bulkload.hubspot.inspecting import ASSOCIATIONS
from bulkload.wording import meant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_BETWEEN = re.compile(r"[,;\s]+")
_ID = re.compile(r"[0-9]{1,19}")


@dataclass(frozen=True, slots=True)
class Associate:
    """(kind of record, column or header) pairs. The kinds are `ASSOCIATIONS`."""

    pairs: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, *given: str) -> Associate:
        """Of texts such as "companies=company_id,deals=X-Deal". Raises RefusedToStart."""
        pairs = []
        for piece in ",".join(given).split(","):
            if not piece.strip():
                continue
            kind, equals, name = (part.strip() for part in piece.partition("="))
            if not equals or not name:
                raise RefusedToStart(
                    f"--associate {piece.strip()}: expected KIND=COLUMN, as in companies=company_id"
                )
            pairs.append((_known(kind, "--associate"), name))
        return cls(tuple(dict.fromkeys(pairs)))

    @classmethod
    def from_json(cls, kinds: Mapping[str, Any], where: str = "associations") -> Associate:
        """Of {kind: column, or an array of columns}. Raises RefusedToStart naming `where`."""
        pairs = []
        for kind, named in kinds.items():
            _known(kind, where)
            for name in named if isinstance(named, list) else [named]:
                if not isinstance(name, str) or not name:
                    raise RefusedToStart(
                        f"{where} {kind}: expected a column's name, or an array of them"
                    )
                pairs.append((kind, name))
        return cls(tuple(dict.fromkeys(pairs)))

    def as_json(self) -> dict[str, Any]:
        kinds: dict[str, list[str]] = {}
        for kind, name in self.pairs:
            kinds.setdefault(kind, []).append(name)
        return {kind: names[0] if len(names) == 1 else names for kind, names in kinds.items()}

    def __bool__(self) -> bool:
        return bool(self.pairs)

    @property
    def used(self) -> tuple[str, ...]:
        return tuple(name for _, name in self.pairs)

    def of_row(self, fields: Mapping[str, str]) -> list[dict[str, Any]]:
        """What the row is tied to. Raises UnmappableRecord naming the column."""
        return self._of(lambda name: (fields.get(name, ""),), "column") if self.pairs else []

    def of_headers(self, get: Callable[[str], Iterable[str]]) -> list[dict[str, Any]]:
        """What a message is tied to; `get` gives every header of a name. Raises
        UnmappableRecord naming the header.
        """
        return self._of(get, "header")

    def _of(self, get: Callable[[str], Iterable[str]], noun: str) -> list[dict[str, Any]]:
        ties: dict[tuple[str, str], None] = {}
        for kind, name in self.pairs:
            for text in get(name):
                for found in filter(None, _BETWEEN.split(text)):
                    if not _ID.fullmatch(found):
                        raise UnmappableRecord(
                            f"{kind}: {noun} {name!r} holds something that is no id: ids are "
                            "whole numbers, divided by , or ;"
                        )
                    ties[kind, found] = None
        return [_association(ASSOCIATIONS[kind], found) for kind, found in ties]


def _association(type_id: int, found: str) -> dict[str, Any]:
    return {
        "to": {"id": found},
        "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": type_id}],
    }


def _known(kind: str, where: str) -> str:
    if kind not in ASSOCIATIONS:
        raise RefusedToStart(
            f"{where}: there is no kind {kind!r}{meant(kind, ASSOCIATIONS)}; "
            f"it is one of {', '.join(ASSOCIATIONS)}"
        )
    return kind
