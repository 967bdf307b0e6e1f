"""Pure: what the portal's properties of emails take, and what of a record they would refuse.

Laws kept here: a complaint is made only where the definition leaves no doubt; no complaint quotes
a value. Never raises, whatever the remote answers.

Source: HubSpot's properties v3, `GET /crm/v3/properties/{objectType}`: `name`, `type` (string,
number, datetime, date, enumeration, bool), `fieldType` (an enumeration's `checkbox` takes several
values, joined by `;`), `options[].value`, `externalOptions` and `referencedObjectType` (the options
are kept elsewhere, such as owners), `calculated`, `modificationMetadata.readOnlyValue`. That a
value has at most 65,536 characters is what people report. `hs_timestamp` is required by HubSpot's
guide to emails.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from bulkload.hubspot import refusals, replies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from bulkload.hubspot.replies import Reply

LONGEST = 65_536
"""Characters of a value."""

REQUIRED = ("hs_timestamp",)

_SHOWN = 8
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*\Z")
_MILLISECONDS = re.compile(r"-?\d{1,15}\Z")


class Complaint(NamedTuple):
    """Why a portal would not take a property; `why` is the same for all values of a kind."""

    name: str
    why: str

    def __str__(self) -> str:
        return f"{self.name}: {self.why}"


def by_reason(complaints: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Each reason with the names that it is one for, both in the order of the complaints."""
    found: dict[str, list[str]] = {}
    for name, why in complaints:
        found.setdefault(why, []).append(name)
    return found


@dataclass(frozen=True, slots=True)
class Definition:
    """One property. `options`: None where any will do. `unique`: no two records share a value."""

    name: str
    type: str = "string"
    options: frozenset[str] | None = None
    several: bool = False
    read_only: bool = False
    unique: bool = False


@dataclass(frozen=True, slots=True)
class Definitions:
    """All of them by name; none where the remote did not tell: `trouble` says why then."""

    known: Mapping[str, Definition]
    trouble: str = ""

    def complaints(self, properties: Mapping[str, str]) -> tuple[Complaint, ...]:
        """What of one record's properties would be refused; what HubSpot requires of all emails,
        also where the portal did not tell.
        """
        found = [
            Complaint(name, why)
            for name, value in properties.items()
            if (why := self._why(name, value))
        ]
        found += [
            Complaint(name, "required, and it has none")
            for name in REQUIRED
            if not properties.get(name)
        ]
        return tuple(found)

    def hopeless(self, sample: Iterable[Mapping[str, str]]) -> tuple[Complaint, ...]:
        """What every record of a sample would be refused for: such a mapping can't work."""
        common: dict[Complaint, None] | None = None
        for properties in sample:
            found = dict.fromkeys(self.complaints(properties))
            common = found if common is None else {each: None for each in common if each in found}
            if not common:
                return ()
        return tuple(common or ())

    def _why(self, name: str, value: str) -> str:
        if not self.known:
            return ""
        definition = self.known.get(name)
        if definition is None:
            return "the portal has no such property of emails"
        if definition.read_only:
            return "read-only: HubSpot fills it by itself"
        if not value:
            return ""
        if len(value) > LONGEST:
            return f"longer than {LONGEST:,} characters"
        if definition.options is not None:
            chosen = value.split(";") if definition.several else [value]
            if not definition.options.issuperset(chosen):
                return f"none of its options: {_listed(definition.options)}"
        check = _CHECKS.get(definition.type)
        return check[1] if check is not None and not check[0](value) else ""


def read(reply: Reply) -> Definitions:
    """What the answer to a GET of `paths.PROPERTIES` shows."""
    answer = replies.parsed(reply)
    results = answer.get("results")
    if reply.status != 200 or not isinstance(results, list):
        told = reply.trouble if reply.status == 0 else refusals.describe(reply.status, answer)
        return Definitions({}, told or replies.unreadable(reply, "list of properties"))
    read = (_read(each) for each in results)
    return Definitions({each.name: each for each in read if each is not None})


def _read(each: Any) -> Definition | None:
    if not isinstance(each, dict) or not isinstance(name := each.get("name"), str):
        return None
    meta = each.get("modificationMetadata")
    fixed = isinstance(meta, dict) and meta.get("readOnlyValue") is True
    kind = each.get("type")
    return Definition(
        name,
        kind if isinstance(kind, str) else "string",
        _options(each) if kind == "enumeration" else None,
        each.get("fieldType") == "checkbox",
        fixed or each.get("calculated") is True,
        each.get("hasUniqueValue") is True,
    )


def _options(each: dict[str, Any]) -> frozenset[str] | None:
    listed = each.get("options")
    elsewhere = each.get("externalOptions") is True or each.get("referencedObjectType")
    if elsewhere or not isinstance(listed, list) or not listed:
        return None
    values = [option.get("value") for option in listed if isinstance(option, dict)]
    return frozenset(str(value) for value in values if value is not None)


def _listed(options: frozenset[str]) -> str:
    shown = sorted(options)[:_SHOWN]
    return ", ".join(shown) + (", …" if len(options) > _SHOWN else "")


def _is_date(value: str) -> bool:
    if _MILLISECONDS.match(value):
        return True
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


_CHECKS: Mapping[str, tuple[Callable[[str], object], str]] = {
    "number": (_NUMBER.match, "not a number"),
    "datetime": (_is_date, "neither milliseconds since the epoch nor ISO 8601"),
    "date": (_is_date, "neither milliseconds since the epoch nor ISO 8601"),
    "bool": (frozenset({"true", "false"}).__contains__, "neither true nor false"),
}
