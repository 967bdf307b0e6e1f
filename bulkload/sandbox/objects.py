"""What the endpoints of every object type share: reading inputs, showing records.

Law: a refusal raised here comes before anything is written.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson

from bulkload.sandbox.answers import (
    Answer,
    Body,
    Call,
    Refused,
    iso,
    iso_of,
    parse,
    reply,
    validation,
)
from bulkload.sandbox.answers import standard_error as one_error
from bulkload.sandbox.properties import derived
from bulkload.sandbox.schema import milliseconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bulkload.sandbox.books import Books
    from bulkload.sandbox.portal import Portal
    from bulkload.sandbox.record import Record

MOST_INPUTS = 100


def inputs_of(call: Call) -> tuple[Body, list[Body]]:
    body = parse(call.raw)
    inputs = body.get("inputs")
    if not isinstance(inputs, list) or not all(isinstance(one, dict) for one in inputs):
        raise Refused(
            validation(
                "Invalid input JSON on line 1, column 1: "
                "Some required fields were not set: [inputs]"
            )
        )
    if not inputs:
        raise Refused(validation("No inputs were given: the batch is empty"))
    if len(inputs) > MOST_INPUTS:
        raise Refused(
            validation(
                f"The maximum number of inputs supported in a batch request for is "
                f"{MOST_INPUTS}, {len(inputs)} were given"
            )
        )
    return body, inputs


def keyed_inputs_of(call: Call) -> tuple[Body, list[Body]]:
    """Inputs that each name a record; ids that are numbers are read as their digits."""
    body, inputs = inputs_of(call)
    for one in inputs:
        key = one.get("id")
        if isinstance(key, list | dict | bool | float):
            raise Refused(
                validation(
                    "Invalid input JSON on line 1, column 1: Cannot deserialize value of type "
                    f"`java.lang.String` from {_java(key)} value"
                )
            )
        if key is None or not str(key).strip():
            raise Refused(
                validation(
                    "Invalid input JSON on line 1, column 1: "
                    "Some required fields were not set: [id]"
                )
            )
    return body, inputs


def values_of(raw: bytes, one: Mapping[str, Any]) -> dict[str, str]:
    """The properties of one input: every value is a string, or the whole body is refused."""
    values = one.get("properties")
    if not isinstance(values, dict):
        raise Refused(
            validation(
                "Invalid input JSON on line 1, column 1: "
                "Some required fields were not set: [properties]"
            )
        )
    for name, value in values.items():
        if type(value) is not str:
            line, column = _where(raw, name)
            raise Refused(
                validation(
                    f"Invalid input JSON on line {line}, column {column}: Cannot deserialize "
                    f"value of type `java.lang.String` from {_java(value)} value"
                )
            )
    return values


def _java(value: Any) -> str:
    names = {
        bool: "Boolean",
        int: "Integer",
        float: "Floating-point",
        list: "Array",
        dict: "Object",
    }
    return names.get(type(value), "Null")


def _where(raw: bytes, name: str) -> tuple[int, int]:
    """Where the first value of this property that is no string stands."""
    found = re.search(re.escape(orjson.dumps(name)) + rb'\s*:\s*(?=[^"\s])', raw)
    end = found.end() if found else 0
    return raw.count(b"\n", 0, end) + 1, end - (raw.rfind(b"\n", 0, end) + 1) + 1


def traced(inputs: Iterable[Body]) -> bool:
    """Every input carries its own trace id: then bad inputs do not fail the batch."""
    seen: set[str] = set()
    for one in inputs:
        trace = one.get("objectWriteTraceId")
        if not isinstance(trace, str) or not trace or trace in seen:
            return False
        seen.add(trace)
    return True


def find(
    books: Books, key: str, id_property: str | None, *, archived: bool = False
) -> Record | None:
    if id_property is None or id_property == "hs_object_id":
        return books.records.get(key)
    holder = books.archived_holder if archived else books.holder
    return holder(id_property, key)


def key_of(books: Books, one: Mapping[str, Any]) -> str:
    """What an input is looked up by; addresses are found whatever their case."""
    key = str(one.get("id", ""))
    return key.strip().lower() if books.kind == "CONTACT" else key


def names_of(body: Body, default: Iterable[str]) -> Iterable[str]:
    """The properties a caller wants to see."""
    names = body.get("properties")
    if not names:
        return default
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise Refused(
            validation("Invalid input JSON on line 1, column 1: properties is no list of names")
        )
    return names


def check_id_property(books: Books, id_property: Any) -> None:
    known = isinstance(id_property, str) and books.is_unique(id_property)
    if id_property is not None and id_property != "hs_object_id" and not known:
        raise Refused(
            validation(
                f"idProperty {id_property} is not a unique property of {books.kind}",
                context={"idProperty": [id_property]},
            )
        )


def shown(
    portal: Portal, books: Books, record: Record, wanted: Iterable[str] | None
) -> dict[str, str]:
    """A record's properties for an answer; None shows those that were set."""
    values = record.values
    if portal.config.normalise:
        values = normalised(values)
    stamps = {
        "hs_object_id": record.id,
        ("hs_createdate" if books.kind == "EMAIL" else "createdate"): iso(record.created),
        ("hs_lastmodifieddate" if books.kind == "EMAIL" else "lastmodifieddate"): iso(
            record.changed
        ),
    }
    if wanted is None:
        return {**values, **stamps}
    more = derived(values) if books.kind == "EMAIL" else {}
    more["hs_unique_creation_key"] = f"{portal.config.portal_id}-{record.id}"
    every = {**values, **more, **stamps}
    return {**{name: every[name] for name in wanted if name in every}, **stamps}


def normalised(values: Mapping[str, str]) -> dict[str, str]:
    out = {name: value.rstrip() for name, value in values.items()}
    stamp = milliseconds(out.get("hs_timestamp", ""))
    if stamp is not None:
        out["hs_timestamp"] = iso_of(stamp)
    return out


def result(record: Record, properties: Mapping[str, str], **more: Any) -> Body:
    out: Body = {
        "id": record.id,
        "properties": properties,
        "createdAt": iso(record.created),
        "updatedAt": iso(record.changed),
        "archived": record.archived_at is not None,
    }
    if record.archived_at is not None:
        out["archivedAt"] = iso(record.archived_at)
    out.update(more)
    return out


def batch(
    portal: Portal, call: Call, ok: int, results: list[Body], errors: list[Body] | None
) -> Answer:
    """The body of a batch answer: 207 where there are errors."""
    portal.dice.shuffle(results)
    body: Body = {"status": "COMPLETE", "results": results}
    if errors:
        body["numErrors"] = len(errors)
        body["errors"] = errors
    if portal.config.processing_times:
        body["requestedAt"] = body["startedAt"] = iso(call.wall)
        body["completedAt"] = iso(portal.wall())
    return reply(207 if errors else ok, body)


def merged(problems: Iterable[tuple[str, str, Mapping[str, list[str]], str | None]]) -> list[Body]:
    """Errors of a 207: (category, message, context, trace id). Equal ones become one error."""
    groups: dict[tuple[str, str, str], tuple[Mapping[str, list[str]], list[str]]] = {}
    for category, message, context, trace in problems:
        _, ids = groups.setdefault((category, message, repr(context)), (context, []))
        if trace is not None:
            ids.append(trace)
    return [
        one_error(category, message, {**context, "objectWriteTraceId": ids} if ids else context)
        for (category, message, _), (context, ids) in groups.items()
    ]
