"""Search: filters, sorts and pages over what search can already see.

Law: a record is found from `search_lag` after its creation on, never sooner; an archived
one never.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from bulkload.sandbox import objects
from bulkload.sandbox.answers import Answer, Body, Call, Refused, iso, parse, reply, validation
from bulkload.sandbox.judging import of
from bulkload.sandbox.properties import derived
from bulkload.sandbox.schema import Schema, milliseconds

if TYPE_CHECKING:
    from bulkload.sandbox.books import Books, Record
    from bulkload.sandbox.portal import Portal

MOST_RESULTS = 10_000
STAMPS = {
    "EMAIL": ("hs_createdate", "hs_lastmodifieddate"),
    "CONTACT": ("createdate", "lastmodifieddate"),
}
DERIVED = tuple(f"hs_email_{role}_" for role in ("from", "sender", "to", "cc", "bcc"))
Comparable = float | str
Test = Callable[[Mapping[str, str]], bool]


def search(portal: Portal, call: Call, kind: str) -> Answer:
    body = parse(call.raw)
    books, schema = of(portal, kind)
    limit, after = _page(body)
    groups = body.get("filterGroups") or []
    tests = _tests(groups, schema)
    candidates = _candidates(books, groups)  # after _tests: the groups are sound
    query = str(body.get("query") or "").lower()
    sorts = _sorts(body)
    names = {one["propertyName"] for group in groups for one in group["filters"]}
    view = _view(books, names | {name for name, _ in sorts})
    found: list[tuple[Record, Mapping[str, str]]] = []
    for record in candidates:
        if record.searchable_at > call.now or record.archived_at is not None:
            continue
        values = view(record)
        if tests and not any(all(test(values) for test in group) for group in tests):
            continue
        if query and not any(query in value.lower() for value in values.values()):
            continue
        found.append((record, values))
    for name, descending in reversed(sorts):
        convert = _converter(schema, name)
        found.sort(key=lambda one: _rank(convert(one[1].get(name, ""))), reverse=descending)
    wanted = objects.names_of(body, ("hs_timestamp", "hs_email_subject", "email"))
    page = found[after : after + limit]
    out: Body = {
        "total": len(found),
        "results": [
            objects.result(record, objects.shown(portal, books, record, wanted))
            for record, _ in page
        ],
    }
    if after + limit < len(found):
        out["paging"] = {"next": {"after": str(after + limit)}}
    return reply(200, out)


def _page(body: Body) -> tuple[int, int]:
    try:
        limit = int(body.get("limit") or 10)
        after = int(body.get("after") or 0)
    except (TypeError, ValueError):
        raise Refused(validation("limit and after must be integers")) from None
    if not 1 <= limit <= 200 or after < 0:
        raise Refused(validation(f"limit must be between 1 and 200, not {limit}"))
    if after + limit > MOST_RESULTS:
        raise Refused(validation(f"Search gives at most {MOST_RESULTS} results"))
    return limit, after


def _view(books: Books, names: set[str]) -> Callable[[Record], Mapping[str, str]]:
    """A record's values with no more worked out than is asked for: all are looked at."""
    stamps = any(name.endswith("date") or name == "hs_object_id" for name in names)
    made, changed = STAMPS[books.kind]
    more = any(name.startswith(DERIVED) for name in names)

    def view(record: Record) -> Mapping[str, str]:
        values = record.values
        if more:
            values = {**values, **derived(values)}
        if stamps:
            values = {
                **values,
                "hs_object_id": record.id,
                made: iso(record.created),
                changed: iso(record.changed),
            }
        return values

    return view


def _candidates(books: Books, groups: list[Any]) -> Iterable[Record]:
    """All records, or those a unique property's index names where one filter is enough."""
    if len(groups) == 1:
        for one in groups[0]["filters"]:
            name, operator = one["propertyName"], one["operator"]
            if books.is_unique(name) and operator in ("EQ", "IN"):
                values = one.get("values") if operator == "IN" else [one.get("value", "")]
                holders = (books.holder(name, str(value)) for value in values or ())
                return [record for record in holders if record is not None]
    return books.records.values()


def _tests(groups: Any, schema: Schema) -> list[list[Test]]:
    if not isinstance(groups, list) or len(groups) > 5:
        raise Refused(validation("filterGroups must be a list of at most 5 groups"))
    try:
        return [[_test(one, schema) for one in group["filters"]] for group in groups]
    except (KeyError, TypeError):
        raise Refused(
            validation("There was a problem with the request: a filter is incomplete")
        ) from None


def _test(one: Mapping[str, Any], schema: Schema) -> Test:
    name, operator = str(one["propertyName"]), str(one["operator"])
    if name not in schema.properties:
        raise Refused(validation(f"There was a problem with the request: no property {name}"))
    if operator == "HAS_PROPERTY":
        return lambda values: bool(values.get(name))
    if operator == "NOT_HAS_PROPERTY":
        return lambda values: not values.get(name)
    convert = _converter(schema, name)
    if operator in ("IN", "NOT_IN"):
        several = {convert(str(value)) for value in one["values"]}
        wanted = operator == "IN"
        return lambda values: (
            bool(values.get(name)) and ((convert(values[name]) in several) == wanted)
        )
    value = convert(str(one["value"]))
    if operator in ("CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"):
        token = "".join(".*" if part == "*" else re.escape(part) for part in str(one["value"]))
        pattern = re.compile(rf"(?<!\w){token}(?!\w)", re.IGNORECASE)
        contains = operator == "CONTAINS_TOKEN"
        return lambda values: bool(pattern.search(values.get(name, ""))) == contains
    high = convert(str(one["highValue"])) if operator == "BETWEEN" else value
    compare: Mapping[str, Callable[[Any], bool]] = {
        "EQ": lambda mine: bool(mine == value),
        "NEQ": lambda mine: bool(mine != value),
        "GT": lambda mine: bool(mine > value),
        "GTE": lambda mine: bool(mine >= value),
        "LT": lambda mine: bool(mine < value),
        "LTE": lambda mine: bool(mine <= value),
        "BETWEEN": lambda mine: bool(value <= mine <= high),
    }
    if operator not in compare:
        raise Refused(validation(f"There was a problem with the request: no operator {operator}"))
    check = compare[operator]

    def test(values: Mapping[str, str]) -> bool:
        mine = values.get(name)
        if not mine:
            return operator == "NEQ"
        converted = convert(mine)
        return type(converted) is type(value) and check(converted)

    return test


def _converter(schema: Schema, name: str) -> Callable[[str], Comparable]:
    kind = schema.properties[name].kind if name in schema.properties else "string"
    if kind == "datetime":
        return _as_date
    if kind == "number" or name == "hs_object_id":
        return _as_number
    return str.lower


def _as_date(value: str) -> Comparable:
    stamp = milliseconds(value)
    return value.lower() if stamp is None else float(stamp)


def _as_number(value: str) -> Comparable:
    try:
        return float(value)
    except ValueError:
        return value.lower()


def _rank(value: Comparable) -> tuple[int, Comparable]:
    return (1, value) if isinstance(value, str) else (0, value)


def _sorts(body: Body) -> list[tuple[str, bool]]:
    out: list[tuple[str, bool]] = []
    sorts = body.get("sorts") or []
    if not isinstance(sorts, list):
        raise Refused(validation("There was a problem with the request: sorts is no list"))
    for sort in sorts:
        if isinstance(sort, dict):
            out.append((str(sort.get("propertyName")), sort.get("direction") == "DESCENDING"))
        else:
            out.append((str(sort).lstrip("-"), str(sort).startswith("-")))
    return out
