"""Property definitions, and the judgement of one value in HubSpot's own words. Pure.

Law: a value that passes here is stored as it came; a value that does not is named in the
message together with what was wrong with it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LONGEST = 65_536
_MILLISECONDS = re.compile(r"-?\d{1,15}\Z", re.ASCII)
_ISO = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?\Z", re.ASCII)
_NUMBER = re.compile(r"-?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?\Z", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)
_LAST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)

_TEXTS = ("json", "email", "emails")
_LOCAL = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(\.[\w!#$%&'*+/=?^`{|}~-]+)*\Z")
_LABEL = re.compile(r"\w([\w-]{0,61}\w)?\Z")
_TOP = re.compile(r"(xn--[a-z0-9-]+|[^\W\d_]{2,63})\Z", re.IGNORECASE)
NO_TOP = frozenset({"example", "invalid", "internal", "lan", "local", "localhost", "test"})

Problem = tuple[str, str]  # HubSpot's error code, its message


@dataclass(frozen=True, slots=True)
class Property:
    name: str
    kind: str = "string"  # string, number, bool, datetime, enumeration, json, email, emails
    label: str = ""
    options: tuple[str, ...] = ()
    unique: bool = False
    read_only: bool = False
    field_type: str = "text"
    group: str = "email"
    ours: bool = True  # HubSpot's own, not made by a user
    description: str = ""

    def public(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "label": self.label or self.name,
            "type": "string" if self.kind in _TEXTS else self.kind,
            "fieldType": self.field_type,
            "description": self.description,
            "groupName": self.group,
            "options": [
                {"label": option, "value": option, "displayOrder": number, "hidden": False}
                for number, option in enumerate(self.options)
            ],
            "displayOrder": -1,
            "calculated": False,
            "externalOptions": False,
            "archived": False,
            "hasUniqueValue": self.unique,
            "hidden": False,
            "hubspotDefined": self.ours,
            "modificationMetadata": {
                "archivable": not self.ours,
                "readOnlyDefinition": self.ours,
                "readOnlyValue": self.read_only,
            },
            "formField": False,
        }


def natural(text: str) -> int | None:
    """A number as an id is written; None for anything else, or for more digits than any id has."""
    return int(text) if len(text) <= 20 and text.isascii() and text.isdecimal() else None


def milliseconds(value: str) -> int | None:
    """A date as HubSpot reads it: ms since the epoch, or ISO 8601.

    One that could not be shown, before the year 1 or after 9999 in UTC, is none. Which dates
    HubSpot takes beyond those of people's lives is not established.
    """
    if _MILLISECONDS.match(value):
        stamp = int(value)
    elif _ISO.match(value):
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            return None
        at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        stamp = (at - _EPOCH) // timedelta(milliseconds=1)
    else:
        return None
    return stamp if _FIRST <= stamp <= _LAST else None


def _date(value: str) -> Problem | None:
    if milliseconds(value) is not None:
        return None
    return "INVALID_DATE", f"{value} was not a valid date"


def _number(value: str) -> Problem | None:
    if not value or _NUMBER.match(value):
        return None
    return "INVALID_INTEGER", f"{value} was not a valid integer"


def _bool(value: str) -> Problem | None:
    """[docs: properties] true or false. Its code is not established."""
    if value in ("true", "false", ""):
        return None
    return "INVALID_BOOLEAN", f"{value} was not a valid boolean"


def _json(value: str) -> Problem | None:
    if not value:
        return None
    try:
        if isinstance(orjson.loads(value), dict):
            return None
    except orjson.JSONDecodeError:
        pass
    return "INVALID_JSON", f"{value} was not valid JSON"


def invalid_email(value: str) -> Problem:
    return "INVALID_EMAIL", f"Email address {value} is invalid"


def _email(value: str) -> Problem | None:
    """RFC 2822 without quotes, under a top-level domain that there is [field: HubSpot's forum].

    The list of those is not kept here: any that looks like one will do, but those that are
    reserved (RFC 2606, RFC 6761 and what home networks use).
    """
    local, _, domain = value.rpartition("@")
    labels = domain.split(".")
    good = (
        len(labels) > 1
        and len(value) <= 254
        and len(local) <= 64
        and bool(_LOCAL.match(local))
        and all(_LABEL.match(label) for label in labels)
        and bool(_TOP.match(labels[-1]))
        and labels[-1].lower() not in NO_TOP
    )
    return None if good or not value else invalid_email(value)


def _emails(value: str) -> Problem | None:
    each = (_email(one.strip()) for one in value.split(";"))
    return next((problem for problem in each if problem is not None), None)


def judge(prop: Property) -> Callable[[str], Problem | None] | None:
    """What looks at a value of this property; None where any text will do."""
    if prop.read_only:
        return lambda _: ("READ_ONLY_VALUE", f'"{prop.name}" is a read only property')
    if prop.kind == "enumeration":
        allowed = frozenset(prop.options)
        listed = ", ".join(prop.options)
        return lambda value: (
            None
            if value in allowed or not value
            else ("INVALID_OPTION", f"{value} was not one of the allowed options: [{listed}]")
        )
    checks: Mapping[str, Callable[[str], Problem | None]] = {
        "datetime": _date,
        "number": _number,
        "bool": _bool,
        "json": _json,
        "email": _email,
        "emails": _emails,
    }
    return checks.get(prop.kind)


def complaint(name: str, code: str, message: str) -> dict[str, Any]:
    return {
        "isValid": False,
        "message": message,
        "error": code,
        "name": name,
        "localizedErrorMessage": message,
    }


def invalid(complaints: list[dict[str, Any]]) -> str:
    return f"Property values were not valid: {orjson.dumps(complaints).decode()}"


class Schema:
    """The properties of one object type."""

    def __init__(self, properties: list[Property], required: tuple[str, ...] = ()) -> None:
        self.properties: dict[str, Property] = {}
        self.required = required
        self._judges: dict[str, Callable[[str], Problem | None] | None] = {}
        for prop in properties:
            self.add(prop)

    def add(self, prop: Property) -> None:
        self.properties[prop.name] = prop
        self._judges[prop.name] = judge(prop)

    def drop(self, name: str) -> None:
        del self.properties[name], self._judges[name]

    def unique(self) -> list[str]:
        return [prop.name for prop in self.properties.values() if prop.unique]

    def find_faults(self, values: Mapping[str, str]) -> list[dict[str, Any]]:
        """Every value that can't be stored. The all-good path makes no objects but the list."""
        found: list[dict[str, Any]] = []
        judges = self._judges
        for name, value in values.items():
            try:
                check = judges[name]
            except KeyError:
                message = f'Property "{name}" does not exist'
                found.append(complaint(name, "PROPERTY_DOESNT_EXIST", message))
                continue
            if len(value) > LONGEST:
                message = (
                    f"The value of {name} is too long: {len(value)} characters, "
                    f"at most {LONGEST} are allowed"
                )
                found.append(complaint(name, "PROPERTY_VALUE_TOO_LONG", message))
            elif check is not None and (problem := check(value)) is not None:
                found.append(complaint(name, *problem))
        return found

    def missing(self, values: Mapping[str, str]) -> list[str]:
        return [name for name in self.required if not values.get(name)]
