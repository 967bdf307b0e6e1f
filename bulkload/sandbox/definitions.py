"""Property definitions over the wire: list, read, create, archive.

Law: what is created here holds from the next call on, its uniqueness included.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from bulkload.sandbox.answers import Answer, Call, error, parse, reply, validation
from bulkload.sandbox.judging import of
from bulkload.sandbox.schema import Property

if TYPE_CHECKING:
    from bulkload.sandbox.portal import Portal

MOST_UNIQUE = 10
_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}\Z")
_TYPES = ("string", "number", "datetime", "date", "enumeration", "bool")
_FIELD_TYPES = (
    "text", "textarea", "html", "number", "date", "select", "radio", "checkbox", "booleancheckbox",
)  # fmt: skip


def list_all(portal: Portal, call: Call, kind: str) -> Answer:
    del call
    _, schema = of(portal, kind)
    return reply(200, {"results": [prop.public() for prop in schema.properties.values()]})


def groups(portal: Portal, call: Call, kind: str) -> Answer:
    del call
    _, schema = of(portal, kind)
    names = dict.fromkeys(prop.group for prop in schema.properties.values())
    results = [
        {"name": name, "label": name, "displayOrder": place, "archived": False}
        for place, name in enumerate(names)
    ]
    return reply(200, {"results": results})


def read(portal: Portal, call: Call, kind: str) -> Answer:
    _, schema = of(portal, kind)
    prop = schema.properties.get(call.match["name"])
    return _absent(call.match["name"]) if prop is None else reply(200, prop.public())


def create(portal: Portal, call: Call, kind: str) -> Answer:
    body = parse(call.raw)
    books, schema = of(portal, kind)
    missing = [
        name for name in ("name", "label", "type", "fieldType", "groupName") if not body.get(name)
    ]
    if missing:
        return validation(
            "Invalid input JSON on line 1, column 1: Some required fields were not set: "
            f"[{', '.join(missing)}]"
        )
    options = body.get("options") or []
    if not isinstance(options, list) or not all(map(_is_option, options)):
        return validation(
            "Invalid input JSON on line 1, column 1: options is no list of {label, value}"
        )
    name = str(body["name"])
    if not _NAME.match(name):
        return validation(
            f"Property name {name} is invalid: lowercase letters, digits and underscores only"
        )
    if body["type"] not in _TYPES or body["fieldType"] not in _FIELD_TYPES:
        return validation(f"{body['type']} with {body['fieldType']} is no property type")
    if name in schema.properties:
        return error(409, "OBJECT_ALREADY_EXISTS", f"A property named '{name}' already exists.")
    unique = bool(body.get("hasUniqueValue"))
    if unique and not portal.config.unique_allowed:
        return validation(f"Unique values are not supported for {books.kind}")
    if (
        unique
        and sum(not prop.ours for prop in schema.properties.values() if prop.unique) >= MOST_UNIQUE
    ):
        return validation(f"At most {MOST_UNIQUE} properties with unique values are allowed")
    prop = Property(
        name,
        "datetime" if body["type"] == "date" else str(body["type"]),
        str(body["label"]),
        tuple(option["value"] for option in options),
        unique=unique,
        field_type=str(body["fieldType"]),
        group=str(body["groupName"]),
        ours=False,
        description=str(body.get("description") or ""),
    )
    schema.add(prop)
    if unique:
        books.watch(name)
    return reply(201, prop.public())


def archive(portal: Portal, call: Call, kind: str) -> Answer:
    books, schema = of(portal, kind)
    name = call.match["name"]
    if name in schema.properties:
        if schema.properties[name].ours:
            return validation(f"{name} is a HubSpot-defined property and can't be archived")
        schema.drop(name)
        books.unwatch(name)
    return Answer(204)


def _is_option(one: Any) -> bool:
    return isinstance(one, dict) and isinstance(one.get("value"), str)


def _absent(name: str) -> Answer:
    return error(404, "OBJECT_NOT_FOUND", f"Property {name} does not exist")
