"""A whole mapping: rules by property, associations, people, and what becomes of the rest. Pure.

Laws kept here: nothing lost in silence: `unused` names the columns that no rule takes. A run maps
alike to its end: what `as_json` keeps, `reading.from_json` gives back equal. A constant alone
makes no record: at least one property comes from the row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bulkload.columns.associate import Associate
from bulkload.columns.people import distinct, mailboxes
from bulkload.errors import RefusedToStart, UnmappableRecord
from bulkload.model import Input, Mapped
from bulkload.wording import meant

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bulkload.columns.rules import Rule
    from bulkload.model import Address


@dataclass(frozen=True, slots=True)
class Columns:
    """Without anything given, every column is a property of its own name.

    `addresses` are columns whose addresses are people to tie the record to. `keep`: columns that
    no rule takes become properties of their own name, else they are dropped.
    """

    rules: tuple[tuple[str, Rule], ...] = ()
    associate: Associate = field(default_factory=Associate)
    addresses: tuple[str, ...] = ()
    keep: bool = True
    used: frozenset[str] = field(init=False, compare=False)
    """The columns that anything here reads."""
    taken: frozenset[str] = field(init=False, compare=False)
    """Those, and the properties that a rule makes: what is kept has another name."""

    def __post_init__(self) -> None:
        named = {column for _, rule in self.rules for column in rule.used}
        used = frozenset(named.union(self.associate.used, self.addresses))
        object.__setattr__(self, "used", used)
        object.__setattr__(self, "taken", used.union(name for name, _ in self.rules))

    def as_json(self) -> dict[str, Any]:
        """As a mapping file has it; sections that say nothing are left out."""
        made: dict[str, Any] = {}
        if self.rules:
            made["properties"] = {name: rule.as_json() for name, rule in self.rules}
        if self.associate:
            made["associations"] = self.associate.as_json()
        if self.addresses:
            made["people"] = {"addresses": list(self.addresses)}
        made["options"] = {"rest": "keep" if self.keep else "drop"}
        return made

    def mapped(self, fields: Mapping[str, str]) -> Mapped:
        """What is sent for a row, its people, and notes on what stood in for something.

        Raises UnmappableRecord naming property and column.
        """
        properties: dict[str, str] = {}
        notes: list[str] = []
        said: list[str] = []
        if self.keep:
            taken = self.taken
            properties = {name: text for name, text in fields.items() if text and name not in taken}
        sent = bool(properties)
        for name, rule in self.rules:
            try:
                text = rule.make(fields, said)
            except UnmappableRecord as error:
                raise UnmappableRecord(f"{name}: {error}") from None
            if said:
                notes += (f"{name}: {note}" for note in said)
                said.clear()
            if text:
                properties[name] = text
                sent = sent or bool(rule.used)
        if not sent:
            raise UnmappableRecord(
                "no properties: every column that is mapped is empty"
                if self.rules
                else "no properties: every cell is empty"
            )
        return Mapped(
            Input(properties, self.associations(fields)), self.people(fields), tuple(notes)
        )

    def associations(self, fields: Mapping[str, str]) -> list[dict[str, Any]]:
        """What a row is tied to by its ids. Raises UnmappableRecord naming the column."""
        return self.associate.of_row(fields)

    def people(self, fields: Mapping[str, str]) -> tuple[Address, ...]:
        """Whose contacts a row is tied to, their addresses in lower case."""
        if not self.addresses:
            return ()
        return distinct(
            one for column in self.addresses for one in mailboxes(fields.get(column, ""))[0]
        )

    def unused(self, columns: Iterable[str]) -> list[str]:
        """Those of `columns` that are dropped."""
        return [] if self.keep else [name for name in columns if name not in self.used]

    def check(self, columns: Sequence[str], source: str) -> None:
        """Raises RefusedToStart where a table with these columns lacks one that a rule reads."""
        for place, names in self._places():
            for name in names:
                if name not in columns:
                    raise RefusedToStart(
                        f"{source}: has no column {name!r}, which the mapping takes for {place}"
                        f"{meant(name, columns)}; it has {', '.join(map(repr, columns))}"
                    )

    def _places(self) -> Iterable[tuple[str, tuple[str, ...]]]:
        yield from ((name, rule.used) for name, rule in self.rules)
        yield from ((f"associations of {kind}", (name,)) for kind, name in self.associate.pairs)
        yield "people", self.addresses
