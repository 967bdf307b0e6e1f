"""The filters of a search: read once, then asked of each record. Pure.

Law: a search that is wrong anywhere is refused before a record is looked at, and what one
filter takes is bounded by the text it looks at, whatever its wildcards.

[docs: guide "Search the CRM"] The operators; at most five groups, six filters in each and 18 in
all; that values are compared whatever their case. Not established: how many values IN takes (100
is what integrators keep to), the words of these refusals, and what a wildcard may stand for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from bulkload.sandbox.answers import Refused, validation
from bulkload.sandbox.compared import Comparable, converter, holds, reader
from bulkload.sandbox.record import Record

if TYPE_CHECKING:
    from bulkload.sandbox.schema import Schema

MOST_GROUPS = 5
MOST_IN_GROUP = 6
MOST_FILTERS = 18
MOST_VALUES = 100

Test = Callable[[Record], bool]
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "EQ": lambda mine, value: bool(mine == value),
    "NEQ": lambda mine, value: bool(mine != value),
    "GT": lambda mine, value: bool(mine > value),
    "GTE": lambda mine, value: bool(mine >= value),
    "LT": lambda mine, value: bool(mine < value),
    "LTE": lambda mine, value: bool(mine <= value),
}


class Filter(NamedTuple):
    name: str
    operator: str
    values: tuple[Comparable, ...]  # what it compares with; of BETWEEN the lower one first
    test: Test


def wrong(why: str) -> Refused:
    return Refused(validation(f"There was a problem with the request: {why}"))


def read(groups: Any, schema: Schema) -> list[list[Filter]]:
    """`filterGroups`: any group will do, and of a group all filters. Raises Refused."""
    if not isinstance(groups, list) or len(groups) > MOST_GROUPS:
        raise wrong(f"filterGroups must be a list of at most {MOST_GROUPS} groups")
    try:
        out = [[_filter(one, schema) for one in _listed(group, "filters")] for group in groups]
    except (KeyError, TypeError):
        raise wrong("a filter is incomplete") from None
    if any(len(group) > MOST_IN_GROUP for group in out):
        raise wrong(f"a group has at most {MOST_IN_GROUP} filters")
    if sum(map(len, out)) > MOST_FILTERS:
        raise wrong(f"a search has at most {MOST_FILTERS} filters")
    return out


def _listed(one: Mapping[str, Any], name: str) -> list[Any]:
    listed = one[name]
    if not isinstance(listed, list):
        raise TypeError(name)
    return listed


def _filter(one: Mapping[str, Any], schema: Schema) -> Filter:
    name, operator = str(one["propertyName"]), str(one["operator"])
    if name not in schema.properties:
        raise wrong(f"no property {name}")
    if operator in ("HAS_PROPERTY", "NOT_HAS_PROPERTY"):
        has = holds(schema, name)
        wanted = has if operator == "HAS_PROPERTY" else lambda record: not has(record)
        return Filter(name, operator, (), wanted)
    convert = converter(schema, name)
    if operator in ("IN", "NOT_IN"):
        given = _listed(one, "values")
        if len(given) > MOST_VALUES:
            raise wrong(f"{operator} takes at most {MOST_VALUES} values, not {len(given)}")
        values = tuple(dict.fromkeys(convert(str(value)) for value in given))
        return Filter(name, operator, values, _among(schema, name, values, operator == "IN"))
    if operator in ("CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"):
        test = _containing(schema, name, str(one["value"]), operator == "CONTAINS_TOKEN")
        return Filter(name, operator, (), test)
    value = convert(str(one["value"]))
    if operator == "BETWEEN":
        high = convert(str(one["highValue"]))
        if isinstance(high, str) != isinstance(value, str):
            raise wrong(f"value and highValue of {name} are not of one kind")
        return Filter(name, operator, (value, high), _between(schema, name, value, high))
    if operator not in _COMPARE:
        raise wrong(f"no operator {operator}")
    return Filter(name, operator, (value,), _comparing(schema, name, operator, value))


def _among(schema: Schema, name: str, values: tuple[Comparable, ...], wanted: bool) -> Test:  # noqa: FBT001  # IN or NOT_IN
    mine, several = reader(schema, name), frozenset(values)
    return lambda record: (one := mine(record)) is not None and (one in several) == wanted


def _between(schema: Schema, name: str, low: Comparable, high: Comparable) -> Test:
    above = _comparing(schema, name, "GTE", low)
    below = _comparing(schema, name, "LTE", high)
    return lambda record: above(record) and below(record)


def _comparing(schema: Schema, name: str, operator: str, value: Comparable) -> Test:
    read_mine, check, text = reader(schema, name), _COMPARE[operator], isinstance(value, str)
    absent = operator == "NEQ"

    def test(record: Record) -> bool:
        mine = read_mine(record)
        if mine is None:
            return absent
        return isinstance(mine, str) == text and check(mine, value)

    return test


def _containing(schema: Schema, name: str, token: str, wanted: bool) -> Test:  # noqa: FBT001  # or NOT_
    mine, parts = reader(schema, name), token.lower().split("*")

    def test(record: Record) -> bool:
        found = mine(record)
        return contains(str(found if found is not None else ""), parts) == wanted

    return test


def contains(text: str, parts: list[str]) -> bool:
    """Are these parts in the text, one behind the other, at word boundaries at both ends?

    An empty first or last part is a wildcard there: it reaches any boundary. The first place
    that will do is the best one for what follows, so nothing is tried twice.
    """
    at, last = 0, len(parts) - 1
    for number, part in enumerate(parts):
        found = _place(text, part, at, left=number == 0, right=number == last) if part else at
        if found < 0:
            return False
        at = found + len(part)
    return True


def _place(text: str, part: str, at: int, *, left: bool, right: bool) -> int:
    """Where the part stands from `at` on, with no word going on at the ends named; else -1."""
    found = text.find(part, at)
    while found >= 0:
        end = found + len(part)
        if not (left and found and _word(text[found - 1])) and not (
            right and end < len(text) and _word(text[end])
        ):
            return found
        found = text.find(part, found + 1)
    return -1


def _word(character: str) -> bool:
    return character.isalnum() or character == "_"
