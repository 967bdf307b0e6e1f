"""Email, JSON object, table row → HubSpot's own input shape. Pure.

Law kept here: every property value that leaves is a string, and no message quotes a value:
errors name properties and types, never contents.
"""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from bulkload.errors import UnmappableRecord
from bulkload.hubspot.mailheaders import headers_json, listing
from bulkload.mail.cut import LONGEST, TooLong, cut_html, cut_line, cut_text, fitted, units
from bulkload.model import Input

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bulkload.model import Email

_INPUT_KEYS = frozenset({"properties", "associations", "objectWriteTraceId"})

_JSON_TYPES = {dict: "object", list: "array", str: "string", bool: "boolean"}


class Shape(NamedTuple):
    """How a message becomes properties, beyond what it holds itself.

    `owner`: a hubspot_owner_id. `thread_property`, `label_property`: the portal's own properties
    that get the thread and the labels; "" for none.
    """

    direction: str = "EMAIL"
    owner: str = ""
    thread_property: str = ""
    label_property: str = ""
    too_long: TooLong = "cut"
    attachments: Literal["none", "list", "upload"] = "list"


PLAIN = Shape()


def from_email(email: Email, shape: Shape = PLAIN) -> tuple[Input, tuple[str, ...]]:
    """(a message as an email object, the message's notes and what was cut of it).

    docs/mail.md has the table of what goes where. Raises UnmappableRecord where the message has
    no usable date, which HubSpot requires, or where a value is too long and may not be cut.
    """
    if email.sent_at is None:
        raise UnmappableRecord(
            "no usable date in the Date header, the mbox line or the Received headers: "
            "hs_timestamp is required"
            + "".join(f"; {note}" for note in email.notes if "date" in note.lower())
        )
    text, html = email.text, email.html
    listed = listing(email.attachments) if shape.attachments == "list" else ""
    values = (
        ("hs_timestamp", str(email.sent_at), cut_line, ""),
        ("hs_email_direction", shape.direction, cut_line, ""),
        ("hs_email_status", "BOUNCED" if "bounce" in email.traits else "SENT", cut_line, ""),
        ("hs_email_subject", email.subject, cut_line, ""),
        ("hs_email_text", text.strip() and text, cut_text, listed and f"\n\n{listed}"),
        ("hs_email_html", html, cut_html, listed and html and f"<p>{escape(listed)}</p>"),
        ("hubspot_owner_id", shape.owner, cut_line, ""),
        (shape.thread_property, _thread(email), cut_line, ""),
        (shape.label_property, ";".join(_labels(email)), cut_line, ""),
    )
    properties: dict[str, str] = {}
    notes = list(email.notes)
    for name, value, cut, tail in values:
        if not name or not (value or tail):
            continue
        if tail and shape.too_long == "reject" and units(value) + units(tail) > LONGEST:
            # The list is ours: it must not be what a record is refused for.
            notes.append(f"{name} has no room for the list of attachments")
            tail = ""  # noqa: PLW2901  # left out
        fit, note = fitted(name, value, shape.too_long, cut, LONGEST - units(tail))
        properties[name] = (fit.rstrip("\n") + tail).lstrip("\n") if tail else fit
        if note:
            notes.append(note)
    headers, note = headers_json(email, shape.too_long)
    if headers:
        properties["hs_email_headers"] = headers
    if note:
        notes.append(note)
    return Input(properties, []), tuple(notes)


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


def _thread(email: Email) -> str:
    """The same for all messages of a thread: its first message has nothing but its own id."""
    first = email.references[0] if email.references else email.in_reply_to
    return email.thread_id or first or email.message_id


def _labels(email: Email) -> list[str]:
    return [label.replace(";", ",") for label in email.labels]
