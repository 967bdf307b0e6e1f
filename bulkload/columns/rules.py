"""Pure: how a property gets its value from a row: one rule a property.

Laws kept here: a value is what its rule says or the record is a dead letter, never a guess in
silence: what stood in for something is in the notes. No message quotes a cell. An empty cell
makes no property.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from bulkload.columns.people import mailboxes, named, shape
from bulkload.columns.times import COUNTED, moment
from bulkload.errors import UnmappableRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bulkload.model import Address

    Fields = Mapping[str, str]


class Rule(Protocol):
    """`make` gives "" where there is nothing to send, adds to `notes` what stood in for
    something, and raises UnmappableRecord naming the column. `as_json` is what a mapping file has.
    """

    @property
    def used(self) -> tuple[str, ...]:
        """The columns that it reads; none: it is a constant."""
        ...

    def make(self, fields: Fields, notes: list[str]) -> str: ...
    def as_json(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class Column:
    """The cell as it is written."""

    column: str

    @property
    def used(self) -> tuple[str, ...]:
        return (self.column,)

    def make(self, fields: Fields, notes: list[str]) -> str:
        del notes
        return fields.get(self.column, "")

    def as_json(self) -> str:
        return self.column


@dataclass(frozen=True, slots=True)
class Constant:
    """The same text for every record."""

    text: str

    @property
    def used(self) -> tuple[str, ...]:
        return ()

    def make(self, fields: Fields, notes: list[str]) -> str:
        del fields, notes
        return self.text

    def as_json(self) -> dict[str, str]:
        return {"constant": self.text}


@dataclass(frozen=True, slots=True)
class Template:
    """Text with columns in it; nothing where all of these are empty.

    `parts` are (text, the column after it); the last one's column is "".
    """

    written: str
    parts: tuple[tuple[str, str], ...]

    @property
    def used(self) -> tuple[str, ...]:
        return tuple(column for _, column in self.parts if column)

    def make(self, fields: Fields, notes: list[str]) -> str:
        del notes
        if not any(fields.get(column) for column in self.used):
            return ""
        return "".join(
            text + (fields.get(column, "") if column else "") for text, column in self.parts
        )

    def as_json(self) -> dict[str, str]:
        return {"template": self.written}


@dataclass(frozen=True, slots=True)
class Moment:
    """A date, by the first of the formats that fits, as milliseconds since the epoch; of several
    columns, such as day and hour, by a template.
    """

    source: Column | Template
    formats: tuple[str, ...]
    timezone: str
    """For dates that name none themselves."""

    @property
    def used(self) -> tuple[str, ...]:
        return self.source.used

    def make(self, fields: Fields, notes: list[str]) -> str:
        text = self.source.make(fields, notes)
        if not text.strip():
            return ""
        for form in self.formats:
            at = moment(text, form, self.timezone)
            if at is not None:
                return str(at)
        names = ", ".join(map(repr, self.used))
        holds = f"column {names} holds" if len(self.used) == 1 else f"columns {names} hold"
        raise UnmappableRecord(
            f"{holds} no date of the format {' or '.join(self.formats)}, or one of an absurd year"
        )

    def as_json(self) -> dict[str, Any]:
        form = self.formats[0] if len(self.formats) == 1 else list(self.formats)
        written = self.source.as_json()
        made: dict[str, Any] = {"column": written} if isinstance(written, str) else dict(written)
        made["format"] = form
        return made if COUNTED.issuperset(self.formats) else {**made, "timezone": self.timezone}


@dataclass(frozen=True, slots=True)
class Choice:
    """A cell's word translated; `otherwise` for one that isn't listed, None to refuse it.

    Outer blanks don't count; upper and lower case do.
    """

    column: str
    values: tuple[tuple[str, str], ...]
    otherwise: str | None = None

    @property
    def used(self) -> tuple[str, ...]:
        return (self.column,)

    def make(self, fields: Fields, notes: list[str]) -> str:
        text = fields.get(self.column, "").strip()
        for word, meant in self.values:
            if word == text:
                return meant
        if not text:
            return ""
        if self.otherwise is None:
            raise UnmappableRecord(
                f"column {self.column!r} holds a value that its `values` don't list, and there is "
                "no `otherwise`"
            )
        notes.append(f"`otherwise` of column {self.column!r}: its value is not listed")
        return self.otherwise

    def as_json(self) -> dict[str, Any]:
        made: dict[str, Any] = {"column": self.column, "values": dict(self.values)}
        if self.otherwise is not None:
            made["otherwise"] = self.otherwise
        return made


@dataclass(frozen=True, slots=True)
class Headers:
    """Addresses → hs_email_headers. `sources`: (part of the header, column of addresses, column
    of their names or "") in order.
    """

    sources: tuple[tuple[str, str, str], ...]

    PARTS = ("from", "sender", "to", "cc", "bcc")
    ONE = frozenset({"from", "sender"})
    """HubSpot takes one `from` and one `sender`, and lists of the rest."""

    @property
    def used(self) -> tuple[str, ...]:
        return tuple(name for _, *names in self.sources for name in names if name)

    def make(self, fields: Fields, notes: list[str]) -> str:
        made: dict[str, list[Address]] = {}
        for part, column, names in self.sources:
            text = fields.get(column, "")
            found, left = mailboxes(text)
            found, fits = named(found, fields.get(names, "")) if names else (found, True)
            if not fits:
                notes.append(f"{part}: names left out, they are not as many as the addresses")
            if text.strip() and not found:
                notes.append(f"{part}: no address in column {column!r}")
            elif left:
                notes.append(f"{part}: {left} without an address in column {column!r}, left out")
            if found:
                made.setdefault(part, []).extend(found)
        header: dict[str, Any] = {}
        for part, addresses in made.items():
            shapes = [shape(address) for address in addresses]
            header[part] = shapes[0] if part in self.ONE else shapes
            if part in self.ONE and len(shapes) > 1:
                notes.append(f"{part}: the first of {len(shapes)} addresses")
        return orjson.dumps(header).decode() if header else ""

    def as_json(self) -> dict[str, Any]:
        made: dict[str, list[Any]] = {}
        for part, column, names in self.sources:
            source = {"email": column, "name": names} if names else column
            made.setdefault(part, []).append(source)
        return {part: found[0] if len(found) == 1 else found for part, found in made.items()}
