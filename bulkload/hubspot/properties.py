"""Email, JSON object, table row → HubSpot's own input shape. Pure.

Law kept here: every property value that leaves is a string, and no message quotes a value:
errors name properties and types, never contents.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from bulkload.errors import UnmappableRecord
from bulkload.model import Input

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bulkload.model import Address, Email

_INPUT_KEYS = frozenset({"properties", "associations", "objectWriteTraceId"})

_JSON_TYPES = {dict: "object", list: "array", str: "string", bool: "boolean"}


class Shape(NamedTuple):
    """Placeholder."""

    direction: str = "EMAIL"
    owner: str = ""
    thread_property: str = ""
    label_property: str = ""
    too_long: str = "cut"
    attachments: str = "list"


def from_email(email: Email, shape: Shape = Shape()) -> tuple[Input, tuple[str, ...]]:  # noqa: B008
    """A message as an email object: timestamp, direction, status, subject, bodies, headers.

    Raises UnmappableRecord where the message has no usable date: HubSpot requires one.
    """
    if email.sent_at is None:
        raise UnmappableRecord(
            "no usable date in the Date header, the mbox line or the Received headers: "
            "hs_timestamp is required"
            + "".join(f"; {note}" for note in email.notes if "date" in note.lower())
        )
    properties = {
        "hs_timestamp": str(email.sent_at),
        "hs_email_direction": shape.direction,
        "hs_email_status": "SENT",
        "hs_email_subject": email.subject,
    }
    if email.text:
        properties["hs_email_text"] = email.text
    if email.html:
        properties["hs_email_html"] = email.html
    headers = _headers(email)
    if headers:
        properties["hs_email_headers"] = orjson.dumps(headers).decode()
    return Input({name: value for name, value in properties.items() if value}, []), email.notes


def from_object(obj: Mapping[str, Any]) -> Input:
    """A JSON object: HubSpot's input shape where `properties` is an object, else flat.

    Raises UnmappableRecord naming the property, or the key, that can't be sent.
    """
    properties = obj.get("properties")
    if not isinstance(properties, dict):
        return Input(_texts(obj), [])
    for key in obj:
        if key not in _INPUT_KEYS:
            raise UnmappableRecord(
                f"unknown key {key!r} beside 'properties': an input has properties, "
                "associations and objectWriteTraceId"
            )
    trace_id = obj.get("objectWriteTraceId")
    if trace_id is not None and not isinstance(trace_id, str):
        raise UnmappableRecord(f"objectWriteTraceId is {json_type(trace_id)}, not a string")
    return Input(_texts(properties), _associations(obj.get("associations")), trace_id or None)


def from_row(fields: Mapping[str, str]) -> Input:
    """A table row: each column a property. Raises UnmappableRecord where all cells are empty."""
    properties = {column: text for column, text in fields.items() if text}
    if not properties:
        raise UnmappableRecord("no properties: every cell is empty")
    return Input(properties, [])


def as_json(value: Input) -> dict[str, Any]:
    """The input as HubSpot's shape, for a dead letter; `from_object` reads it back."""
    shape: dict[str, Any] = {"properties": value.properties, "associations": value.associations}
    if value.trace_id is not None:
        shape["objectWriteTraceId"] = value.trace_id
    return shape


def json_type(value: object) -> str:
    """JSON's own name for the type of `value`, with its article."""
    if value is None:
        return "null"
    name = _JSON_TYPES.get(type(value), "number")
    return f"an {name}" if name[0] in "ao" else f"a {name}"


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, str):
            texts[name] = value
        elif value is None:
            continue
        elif isinstance(value, bool):
            texts[name] = "true" if value else "false"
        elif isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
            texts[name] = str(value)
        else:
            raise UnmappableRecord(f"property {name!r} is {json_type(value)}, not a string")
        if not name:
            raise UnmappableRecord("a property has an empty name")
    if not texts:
        raise UnmappableRecord("no properties: there is nothing to create")
    return texts


def _associations(value: object) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise UnmappableRecord(f"associations is {json_type(value)}, not an array")
    for index, association in enumerate(value):
        if (
            not isinstance(association, dict)
            or not isinstance(association.get("to"), dict)
            or not isinstance(association.get("types"), list)
        ):
            raise UnmappableRecord(
                f"associations[{index}] is not of the shape "
                '{"to": {"id": …}, "types": [{"associationCategory", "associationTypeId"}]}'
            )
    return value


def _headers(email: Email) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    # HubSpot takes one `from` and one `sender`, and lists of the rest.
    if email.from_:
        headers["from"] = _address(email.from_[0])
    if email.sender:
        headers["sender"] = _address(email.sender[0])
    for name, addresses in (("to", email.to), ("cc", email.cc), ("bcc", email.bcc)):
        if addresses:
            headers[name] = _addresses(addresses)
    return headers


def _addresses(addresses: Iterable[Address]) -> list[dict[str, str]]:
    return [_address(address) for address in addresses]


def _address(address: Address) -> dict[str, str]:
    shape = {"email": address.email}
    if address.first_name:
        shape["firstName"] = address.first_name
    if address.last_name:
        shape["lastName"] = address.last_name
    return shape
