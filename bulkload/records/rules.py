"""How a run maps its records: decided when it begins, kept in its journal, the same in each life.

Law kept here: a record makes the same input in each life of its run, whatever a file that the
options name holds by then, and whatever owners the portal has.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from bulkload.columns import Associate, Columns, from_json
from bulkload.mail.filters import Filters
from bulkload.mail.mine import Mine

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Of mail: `mine`: whose addresses are ours; `owners`: address → owner id; `filters`: what is
    left out; `people`: whether records are tied to contacts. Of rows: `columns`, None: each column
    is a property. `associate`: companies, deals and tickets by a column or header.
    """

    mine: Mine = field(default_factory=Mine)
    owners: Mapping[str, str] = field(default_factory=dict)
    filters: Filters = field(default_factory=Filters)
    people: bool = False
    thread_property: str = ""
    label_property: str = ""
    timezone: str = "UTC"
    too_long: Literal["cut", "reject"] = "cut"
    attachments: Literal["none", "list", "upload"] = "list"
    columns: Columns | None = None
    associate: Associate | None = None

    def owned(self, owners: Mapping[str, str]) -> Rules:
        return replace(self, owners=owners)

    def as_json(self) -> dict[str, Any]:
        return {
            "mine": self.mine.as_json(),
            "owners": dict(self.owners),
            "filters": self.filters.as_json(),
            "people": self.people,
            "thread_property": self.thread_property,
            "label_property": self.label_property,
            "timezone": self.timezone,
            "too_long": self.too_long,
            "attachments": self.attachments,
            "columns": self.columns and self.columns.as_json(),
            "associate": self.associate and self.associate.as_json(),
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Rules:
        columns, associate = kept["columns"], kept["associate"]
        return cls(
            **{
                **kept,
                "mine": Mine.from_json(kept["mine"]),
                "filters": Filters.from_json(kept["filters"]),
                "columns": columns and from_json(columns),
                "associate": associate and Associate.from_json(associate),
            }
        )
