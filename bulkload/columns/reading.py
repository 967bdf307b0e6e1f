"""A mapping as it is written, in flags or TOML → `Columns`. Pure.

Law kept here: what can't be meant is refused before anything is sent, in words that say where it
stands and what was expected.
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any, NamedTuple

from bulkload.columns.associate import Associate
from bulkload.columns.columns import Columns
from bulkload.columns.rules import Choice, Column, Constant, Headers, Moment, Rule, Template
from bulkload.columns.times import COUNTED, flaw, known_zone
from bulkload.errors import RefusedToStart
from bulkload.wording import meant

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_SECTIONS = ("properties", "associations", "people", "options")
_KEYS = ("column", "constant", "template", "format", "timezone", "values", "otherwise")


class _Place(NamedTuple):
    """Where in a mapping something stands, for messages."""

    path: str
    timezone: str

    def at(self, name: str) -> _Place:
        return self._replace(path=f"{self.path}{' ' if self.path.endswith(']') else '.'}{name}")

    def refused(self, why: str) -> RefusedToStart:
        return RefusedToStart(f"{self.path}: {why}")

    def known(self, found: Iterable[str], names: Sequence[str]) -> None:
        for name in found:
            if name not in names:
                raise self.refused(
                    f"there is no {name!r} here{meant(name, names)}; "
                    f"expected {', '.join(names[:-1])} or {names[-1]}"
                    if len(names) > 1
                    else f"there is no {name!r} here; expected {names[0]}"
                )

    def text(self, value: object, what: str = "text in quotes") -> str:
        if not isinstance(value, str) or not value:
            raise self.refused(f"expected {what}")
        return value

    def table(self, value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.refused("expected a table")
        return value


def parse(
    maps: Sequence[str] = (),
    toml: str | None = None,
    *,
    associate: Sequence[str] = (),
    timezone: str = "UTC",
    file: str = "the mapping file",
) -> Columns:
    """`maps` as "property=column,…", the text of a mapping file (`file` in messages), and
    `associate` as "companies=column,…". What maps says of a property goes before the file.
    `timezone` is for dates whose rule names none.

    Raises RefusedToStart naming what is wrong, where, and what was expected.
    """
    _zone(timezone, _Place("--timezone", timezone))
    written: dict[str, Any] = {}
    if toml is not None:
        try:
            # Numbers keep their source text, here as in records.
            written = tomllib.loads(toml, parse_float=str)
        except tomllib.TOMLDecodeError as error:
            raise RefusedToStart(f"{file}: is no valid TOML: {error}") from None
    made = _read(written, file, timezone)
    rules = dict(made.rules)
    given = _from_flags(maps)
    rules.update(given)
    ties = Associate.parse(*associate)
    return Columns(
        tuple(rules.items()),
        Associate(tuple(dict.fromkeys(made.associate.pairs + ties.pairs))),
        made.addresses,
        _keeps(written, by_default=not rules),
    )


def from_json(kept: Mapping[str, Any]) -> Columns:
    """Of what `Columns.as_json` gave. Raises RefusedToStart where it is something else."""
    return _read(kept, "the mapping", "UTC")


def _read(written: Mapping[str, Any], file: str, timezone: str) -> Columns:
    """A mapping file's content. Raises RefusedToStart."""
    top = _Place(file, timezone)
    top.known(written, _SECTIONS)
    place = {name: _Place(f"{file}: [{name}]", timezone) for name in _SECTIONS}
    found = {name: place[name].table(written.get(name, {})) for name in _SECTIONS}
    rules = tuple(
        (_property(name, place["properties"]), _rule(value, place["properties"].at(name)))
        for name, value in found["properties"].items()
    )
    place["people"].known(found["people"], ("addresses",))
    place["options"].known(found["options"], ("rest",))
    if found["options"].get("rest", "drop") not in ("drop", "keep"):
        raise place["options"].at("rest").refused('expected "drop" or "keep"')
    return Columns(
        rules,
        Associate.from_json(found["associations"], place["associations"].path),
        tuple(_names(found["people"].get("addresses", []), place["people"].at("addresses"))),
        _keeps(written, by_default=not rules),
    )


def _keeps(written: Mapping[str, Any], *, by_default: bool) -> bool:
    """Where no rule names a property, columns are properties as they are without a mapping."""
    rest = written.get("options", {}).get("rest")
    return by_default if rest is None else rest == "keep"


def _from_flags(maps: Sequence[str]) -> dict[str, Rule]:
    rules: dict[str, Rule] = {}
    for piece in ",".join(maps).split(","):
        if not piece.strip():
            continue
        place = _Place(f"--map {piece.strip()}", "UTC")
        name, equals, column = (part.strip() for part in piece.partition("="))
        if not equals or not name or not column:
            raise place.refused("expected PROPERTY=COLUMN, as in hs_email_subject=subject")
        if _property(name, place) in rules:
            raise place.refused("the property is named twice: it can have one column")
        rules[name] = Column(column)
    return rules


def _property(name: str, place: _Place) -> str:
    if not name or any(sign.isspace() for sign in name):
        raise place.refused(
            f"{name!r} is no property's name: expected its internal name, as in hs_email_subject"
        )
    return name


def _rule(value: object, place: _Place) -> Rule:
    if isinstance(value, str):
        return Column(place.text(value, "a column's name"))
    table = place.table(value) if isinstance(value, dict) else None
    if table is None:
        raise place.refused('expected a column in quotes, or a table as in { constant = "…" }')
    if table and table.keys() <= set(Headers.PARTS):
        return _headers(table, place)
    place.known(table, (*_KEYS, *Headers.PARTS))
    if parts := table.keys() & set(Headers.PARTS):
        raise place.refused(
            f"{min(parts)!r} makes a header of addresses, beside which only "
            f"{', '.join(Headers.PARTS)} can stand"
        )
    kinds = [key for key in ("column", "constant", "template") if key in table]
    if len(kinds) != 1:
        raise place.refused("expected one of column, constant and template")
    taken = {"template": {"format", "timezone"}, "constant": set[str]()}.get(kinds[0], set(table))
    if extra := next((key for key in table if key not in {*kinds, *taken}), None):
        raise place.refused(f"{extra!r} goes with a column, not with a {kinds[0]}")
    if "constant" in table:
        return Constant(_constant(table["constant"], place.at("constant")))
    if "template" in table:
        made = _template(place.text(table["template"]), place.at("template"))
        return _moment(made, table, place) if len(table) > 1 else made
    return _of_column(table, place)


def _of_column(table: dict[str, Any], place: _Place) -> Rule:
    column = place.at("column").text(table["column"], "a column's name")
    dated, chosen = table.keys() & {"format", "timezone"}, table.keys() & {"values", "otherwise"}
    if dated and chosen:
        raise place.refused("a column is a date (format) or one of some values, not both")
    if dated:
        return _moment(Column(column), table, place)
    if "values" in table:
        at = place.at("values")
        pairs: dict[str, str] = {}
        for word, meant in at.table(table["values"]).items():
            # Words that differ by their blanks are one: the first counts, also once it is kept.
            pairs.setdefault(word.strip(), _constant(meant, at.at(repr(word))))
        otherwise = table.get("otherwise")
        if otherwise is not None:
            otherwise = _constant(otherwise, place.at("otherwise"))
        return Choice(column, tuple(pairs.items()), otherwise)
    if chosen:
        raise place.refused("`otherwise` goes with `values`")
    return Column(column)


def _moment(source: Column | Template, table: dict[str, Any], place: _Place) -> Moment:
    formats = tuple(_names(table.get("format", "iso"), place.at("format"), "a format"))
    if not formats:
        raise place.at("format").refused("expected a format, or an array of them")
    for form in formats:
        if wrong := flaw(form):
            raise place.at("format").refused(f"{form!r} {wrong}")
    at = place.at("timezone")
    zone = _zone(at.text(table.get("timezone", place.timezone)), at)
    return Moment(source, formats, "UTC" if COUNTED.issuperset(formats) else zone)


def _zone(name: str, place: _Place) -> str:
    try:
        known_zone(name)
    except (LookupError, ValueError, OSError):
        raise place.refused(
            f"{name!r} is no time zone that is known here: expected one as in Europe/Berlin"
        ) from None
    return name


def _template(written: str, place: _Place) -> Template:
    parts: list[tuple[str, str]] = []
    text = ""
    at = 0
    while at < len(written):
        sign = written[at]
        if written[at : at + 2] in ("{{", "}}"):
            text += sign
            at += 2
        elif sign == "{":
            end = written.find("}", at)
            column = written[at + 1 : end] if end > 0 else ""
            if not column or "{" in column:
                raise place.refused(
                    f"the brace at character {at + 1} names no column: "
                    "expected {column}, and {{ for a brace"
                )
            parts.append((text, column))
            text = ""
            at = end + 1
        elif sign == "}":
            raise place.refused(f"the brace at character {at + 1} closes nothing; }}}} is a brace")
        else:
            text += sign
            at += 1
    if not parts:
        raise place.refused("names no column in braces: for the same text always, say constant")
    return Template(written, (*parts, (text, "")))


def _headers(table: dict[str, Any], place: _Place) -> Headers:
    sources: list[tuple[str, str, str]] = []
    for part, value in table.items():
        at = place.at(part)
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict):
                at.known(one, ("email", "name"))
                email = at.text(one.get("email"), "`email`: a column's name")
                name = at.text(one["name"], "`name`: a column's name") if "name" in one else ""
                sources.append((part, email, name))
            else:
                sources.append((part, at.text(one, "a column's name"), ""))
    if not sources:
        raise place.refused("expected a column of addresses")
    return Headers(tuple(sources))


def _names(value: object, place: _Place, what: str = "a column's name") -> list[str]:
    listed = value if isinstance(value, list) else [value]
    return [place.text(name, f"{what}, or an array of them") for name in listed]


def _constant(value: object, place: _Place) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return value
    raise place.refused("expected text in quotes")
