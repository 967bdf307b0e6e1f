"""Pure: which column becomes which property, by names and by what the columns hold.

Laws kept here: the same rows give the same mapping. A name alone is not believed where what the
column holds speaks against it, and what was guessed, or could be meant otherwise, is remarked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bulkload.columns import Columns, from_json
from bulkload.columns.writing import as_toml
from bulkload.hubspot.inspecting import ASSOCIATIONS
from bulkload.proposing.content import Look, looks
from bulkload.proposing.names import MEANINGS, folded, likeness
from bulkload.proposing.words import NO, TRANSLATED, YES, translated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_PARTS = ("from", "to", "cc", "bcc")
_OWN = re.compile(
    r"(?!hs_email_(?:from|to|cc|bcc|sender)_)(?:hs_email_|hs_attachment_ids$|hubspot_)"
)
"""HubSpot's properties of emails that can be written [HubSpot: emails guide]."""

_DEFAULTS = {"hs_email_direction": "EMAIL", "hs_email_status": "SENT"}

_FITS: dict[str, Callable[[Look], bool]] = {
    "hs_timestamp": lambda look: bool(look.dates.formats),
    "hs_email_subject": lambda look: not look.html and not look.dates.formats,
    "hs_email_text": lambda look: not look.html and not look.dates.formats and not look.addresses,
    "hs_email_html": lambda look: look.html,
    "hs_email_direction": lambda look: bool(look.words),
    "hs_email_status": lambda look: bool(look.words),
    "hubspot_owner_id": lambda look: look.ids,
    **dict.fromkeys(_PARTS, lambda look: look.addresses),
    **dict.fromkeys(ASSOCIATIONS, lambda look: look.ids),
}


@dataclass(frozen=True, slots=True)
class Proposal:
    """`remarks`: by property or by section, as "[people]", what is to be looked at. `left`: the
    columns that nothing takes.
    """

    columns: Columns
    remarks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    left: tuple[str, ...] = ()

    def as_toml(self) -> str:
        return as_toml(self.columns, self.remarks, self._left())

    def lines(self) -> Iterator[str]:
        """The remarks as a person reads them apart from the mapping."""
        for about, said in self.remarks.items():
            for line in said:
                yield f"{about}: {line}"
        yield from self._left()

    def _left(self) -> list[str]:
        if not self.left:
            return []
        return [
            f"Columns that nothing takes, so they are dropped: {', '.join(map(repr, self.left))}"
        ]


def propose(
    columns: Sequence[str], rows: Sequence[Mapping[str, str]], *, timezone: str | None = None
) -> Proposal:
    """A mapping for a table with these columns, by rows of it; a thousand are plenty.

    `timezone` (an IANA name) is for dates that say none; None: UTC, and that it is a guess is said.
    """
    return _Proposing(columns, looks(columns, rows), timezone).made()


class _Proposing:
    def __init__(self, columns: Sequence[str], seen: dict[str, Look], timezone: str | None) -> None:
        self.seen = seen
        self.timezone = timezone
        self.free = list(columns)
        """What nothing has taken yet."""
        self.remarks: dict[str, list[str]] = {}
        self.properties: dict[str, Any] = {}
        self.ties: dict[str, str] = {}
        self.headers: dict[str, Any] = {}

    def made(self) -> Proposal:
        chosen = self._chosen()
        self._own_names(chosen)
        self._date(chosen.get("hs_timestamp"))
        for name in ("hs_email_subject", "hs_email_text", "hs_email_html", "hubspot_owner_id"):
            if name in chosen:
                self.properties[name] = chosen[name]
        self._body()
        for name in _DEFAULTS:
            self._words(name, chosen.get(name))
        self._people(chosen)
        self.ties = {kind: chosen[kind] for kind in ASSOCIATIONS if kind in chosen}
        for kind in self.ties:
            self._remark(
                "[associations]",
                f"{kind}: taken for HubSpot's own ids; if they are not, leave it out",
            )
        written: dict[str, Any] = {"properties": self.properties}
        if self.ties:
            written["associations"] = self.ties
        if self.headers:
            written["people"] = {"addresses": [_column(of) for of in self.headers.values()]}
        written["options"] = {"rest": "drop"}
        columns = from_json(written)
        remarks = {about: tuple(said) for about, said in self.remarks.items()}
        return Proposal(columns, remarks, tuple(columns.unused(self.seen)))

    def _chosen(self) -> dict[str, str]:
        """Meaning → column, the best fit of names first."""
        pairs = sorted(
            (fit, place, meaning, column)
            for place, column in enumerate(self.free)
            for meaning in MEANINGS
            if (fit := likeness(column, meaning)) is not None
        )
        chosen: dict[str, str] = {}
        for _, _, meaning, column in pairs:
            if column not in self.free or meaning in chosen:
                continue
            look = self.seen[column]
            fits = _FITS.get(meaning)
            if fits is None or (fits(look) and (look.filled or meaning in _PARTS)):
                chosen[meaning] = column
                self.free.remove(column)
            elif look.html and meaning == "hs_email_text" and "hs_email_html" not in chosen:
                chosen["hs_email_html"] = column
                self.free.remove(column)
            elif not look.filled and meaning in _PARTS:
                chosen[meaning] = column
                self.free.remove(column)
                self._remark("hs_email_headers", f"{column!r} is empty in the rows looked at")
        return chosen

    def _own_names(self, chosen: Mapping[str, str]) -> None:
        """Columns that are named as HubSpot's properties are these."""
        for column in [name for name in self.free if _OWN.match(name)]:
            if column not in chosen and self.seen[column].filled:
                self.properties[column] = column
                self.free.remove(column)

    def _date(self, column: str | None) -> None:
        dated = [name for name in self.free if self.seen[name].dates.formats]
        if column is None and dated:
            column = dated.pop(0)
            self.free.remove(column)
            self._remark("hs_timestamp", f"a guess: {column!r} holds dates")
        if column is None:
            self._remark("[properties]", "no column holds dates: hs_timestamp is required")
            named = [n for n in self.free if likeness(n, "hs_timestamp") and self.seen[n].filled]
            if named:
                self._remark(
                    "[properties]", f"{named[0]!r} may, in a format that is not known here: give it"
                )
            return
        if dated:
            self._remark("hs_timestamp", f"{', '.join(map(repr, dated))} holds dates too")
        found = self.seen[column].dates
        forms = list(found.formats)
        rule: dict[str, Any] = {"column": column, "format": forms if len(forms) > 1 else forms[0]}
        if found.naive:
            rule["timezone"] = self.timezone or "UTC"
            if self.timezone is None:
                self._remark("hs_timestamp", "its times say no zone: UTC is a guess")
        if found.rivals:
            self._remark(
                "hs_timestamp",
                "AMBIGUOUS: no value tells day and month apart, or the year; it could be "
                + " or ".join(found.rivals),
            )
        if found.strays:
            self._remark("hs_timestamp", f"{found.strays} values are no such dates: dead letters")
        self.properties["hs_timestamp"] = rule

    def _body(self) -> None:
        if "hs_email_subject" not in self.properties:
            self._remark("[properties]", "no column is known for a subject: the emails have none")
        if not {"hs_email_text", "hs_email_html"} & self.properties.keys():
            long = [
                (self.seen[name].length, -place, name)
                for place, name in enumerate(self.free)
                if self.seen[name].length >= 60 and not self.seen[name].addresses
            ]
            if long:
                column = max(long)[2]
                name = "hs_email_html" if self.seen[column].html else "hs_email_text"
                self.properties[name] = column
                self.free.remove(column)
                self._remark(name, f"a guess: {column!r} holds the longest texts")
            else:
                self._remark("[properties]", "no column is known for a text: the emails have none")

    def _words(self, name: str, column: str | None) -> None:
        if column is None:
            self.properties[name] = {"constant": _DEFAULTS[name]}
            self._remark(name, "no column says it: the same for every record")
            return
        words = self.seen[column].words
        options = set(TRANSLATED[name].values())
        if set(words) <= options:
            self.properties[name] = column
            return
        values = {
            word: option for word in words if (option := translated(name, column, word)) is not None
        }
        if not values:
            self._words(name, None)
            self._remark(name, f"{column!r} may say it, in words that are not known here")
            return
        rule: dict[str, Any] = {"column": column, "values": values}
        self.properties[name] = rule
        if set(map(folded, words)) <= YES | NO:
            rule["otherwise"] = "EMAIL"
        if unknown := len(words) - len(values):
            self._remark(
                name,
                f"of its {len(words)} values {unknown} can't be translated here: add them, or "
                "`otherwise`; else their records are dead letters",
            )

    def _people(self, chosen: Mapping[str, str]) -> None:
        found = {part: chosen[part] for part in _PARTS if part in chosen}
        spare = [name for name in self.free if self.seen[name].addresses]
        for part in ("from", "to"):
            if part not in found and spare:
                found[part] = spare.pop(0)
                self.free.remove(found[part])
                self._remark(
                    "hs_email_headers", f"a guess: {part} is {found[part]!r}, which holds addresses"
                )
        for part in _PARTS:
            if part in found:
                name = chosen.get(f"{part} name")
                self.headers[part] = {"email": found[part], "name": name} if name else found[part]
        if self.headers and "hs_email_headers" not in self.properties:
            self.properties["hs_email_headers"] = self.headers
        elif not self.headers and "hs_email_headers" not in self.properties:
            self._remark("[properties]", "no column holds addresses: the emails have no sender")

    def _remark(self, about: str, says: str) -> None:
        self.remarks.setdefault(about, []).append(says)


def _column(source: Any) -> str:
    return str(source["email"] if isinstance(source, dict) else source)
