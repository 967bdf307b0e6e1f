"""Pure: columns of Arrow → columns of text, exactly as the values are.

Timestamps are ISO 8601 with all digits of their unit, and `+00:00` where the column has a zone;
numbers are written as short as tells them apart; booleans are true and false; binary values are
text where they are UTF-8, else base64; members of structs are columns of their own (`from.email`);
lists and maps are JSON, and a value inside is written as one that has a column of its own. None is
no value: null, not a number, or of a struct that is null.

Laws kept here: what can't be read (a time out of range, text that is no UTF-8) is `Unread` and
costs no other cell; a long value that a column keeps once for many rows is in memory once.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Any

import orjson

from bulkload.sources.typed import Unread, cell, decoded, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

Cells = list[str | None]

_OUT_OF_RANGE = re.compile(r"<value.out of range: (-?[0-9]+)>.*")
"""What Arrow writes of a time that no calendar has."""


FAULTS = (ArithmeticError, LookupError, NotImplementedError, TypeError, ValueError)
"""What Arrow and Python raise of a value that they can't convert, beside Arrow's own errors."""


def names(arrow: Any, fields: Any, above: str = "") -> Iterator[str]:
    """What the columns of a schema, or of a struct's type, are called; as `texts` yields them."""
    for field in fields:
        if arrow.types.is_struct(field.type):
            yield from names(arrow, field.type, f"{above}{field.name}.")
        else:
            yield above + field.name


def texts(arrow: Any, column: Any) -> Iterator[Cells]:
    """A column's values, or those of its members one column after another. `arrow` is pyarrow."""
    types, kind = arrow.types, column.type
    if isinstance(kind, arrow.BaseExtensionType):
        yield from texts(arrow, column.storage)
    elif types.is_struct(kind):
        for member in column.flatten():  # a member of what is null is null
            yield from texts(arrow, member)
    elif types.is_dictionary(kind):
        yield from _looked_up(arrow, column)
    elif types.is_run_end_encoded(kind):
        yield from texts(arrow, arrow.compute.run_end_decode(column))
    else:
        yield _texts(arrow, column)


def size(arrow: Any, column: Any) -> int:
    """Bytes of a column's values, where one that is kept for many rows counts for each of them."""
    types, kind = arrow.types, column.type
    if types.is_struct(kind):
        return sum(size(arrow, member) for member in column.flatten())
    if not types.is_dictionary(kind):
        return int(column.nbytes)
    if len(column) == 1:
        return int(column.dictionary_decode().nbytes)
    average = int(column.dictionary.nbytes) // max(1, len(column.dictionary))
    return int(column.indices.nbytes) + len(column) * average


def _looked_up(arrow: Any, column: Any) -> Iterator[Cells]:
    used = column.indices.drop_null().unique()
    places = arrow.compute.index_in(column.indices, used).to_pylist()
    for cells in texts(arrow, column.dictionary.take(used)):
        yield [None if place is None else cells[place] for place in places]


def _texts(arrow: Any, column: Any) -> Cells:
    try:
        return _at_once(arrow, column)
    except (arrow.ArrowException, *FAULTS):
        if len(column) == 1:
            kind = column.type
            return [Unread(f"<{kind}>", f"a value of the type {kind} that can't be converted")]
    # One by one, so that the one which can't be read costs no other.
    return [text for at in range(len(column)) for text in _texts(arrow, column.slice(at, 1))]


def _at_once(arrow: Any, column: Any) -> Cells:
    """Raises one of FAULTS, or Arrow's, where one of the values can't be converted."""
    types, kind = arrow.types, column.type
    if types.is_null(kind):
        return [None] * len(column)
    if types.is_string(kind) or types.is_large_string(kind):
        return _strings(arrow, column)
    if types.is_timestamp(kind):
        return _instants(arrow, column)
    if types.is_floating(kind):
        return list(map(cell, _floats(arrow, column)))
    if types.is_date64(kind):
        column = column.cast(arrow.date32())
    if types.is_duration(kind):
        column = column.cast(arrow.int64())
    if types.is_decimal(kind):
        return [None if each is None else format(each, "f") for each in column.to_pylist()]
    if types.is_integer(kind) or types.is_boolean(kind) or types.is_temporal(kind):
        return _in_range(column.cast(arrow.string()).to_pylist())
    if types.is_nested(kind):
        return _json(arrow, column)
    return list(map(cell, column.to_pylist()))


def _strings(arrow: Any, column: Any) -> Cells:
    try:
        found: Cells = column.to_pylist()
    except UnicodeDecodeError:  # Arrow keeps any bytes that were called text, as SQLite does
        large = arrow.types.is_large_string(column.type)
        kept = column.cast(arrow.large_binary() if large else arrow.binary()).to_pylist()
        found = [None if raw is None else decoded(raw) for raw in kept]
    return found


def _floats(arrow: Any, column: Any) -> list[float | None]:
    if not arrow.types.is_float64(column.type):  # by its own shortest text: 0.1 stays 0.1
        column = column.cast(arrow.float32()).cast(arrow.string()).cast(arrow.float64())
    found: list[float | None] = column.to_pylist()
    return found


def _json(arrow: Any, column: Any) -> Cells:
    faults: list[str] = []
    values = _members(arrow, column, faults)
    if faults and len(values) > 1:
        raise ValueError(faults[0])  # in which of them: found out one by one
    found = [None if value is None else text_of(value) for value in values]
    return [Unread(text, faults[0]) for text in found if text] if faults else found


def _members(arrow: Any, column: Any, faults: list[str]) -> list[Any]:
    """The values as JSON has them, and in `faults` what can't be read of them."""
    types, kind = arrow.types, column.type
    if isinstance(kind, arrow.BaseExtensionType):
        return _members(arrow, column.storage, faults)
    if types.is_dictionary(kind):
        return _members(arrow, column.dictionary_decode(), faults)
    if types.is_struct(kind):
        called = [field.name for field in kind]
        if len(column) and len({*called}) < len(called):
            raise ValueError("members of one name")
        members = [_members(arrow, member, faults) for member in column.flatten()]
        rows = zip(*members, strict=True) if members else [()] * len(column)
        there = column.is_valid().to_pylist()
        return [
            dict(zip(called, row, strict=True)) if at else None
            for row, at in zip(rows, there, strict=True)
        ]
    if types.is_map(kind):
        pair = arrow.struct([("key", kind.key_type), ("value", kind.item_type)])
        pairs = _members(arrow, column.cast(arrow.list_(pair)), faults)
        return [each and [[*pair.values()] for pair in each] for each in pairs]
    if types.is_nested(kind) and not types.is_union(kind):
        inside = iter(_members(arrow, column.flatten(), faults))
        lengths = arrow.compute.list_value_length(column).to_pylist()
        return [None if length is None else [*islice(inside, length)] for length in lengths]
    if types.is_duration(kind):
        column = column.cast(arrow.int64())
    if types.is_integer(column.type) or types.is_boolean(kind):
        found: list[Any] = column.to_pylist()
        return found
    if types.is_floating(kind):
        return list(map(_number, _floats(arrow, column)))
    cells = _texts(arrow, column)
    faults += [text.why for text in cells if isinstance(text, Unread)]
    return cells


def _number(value: float | None) -> object:
    text = cell(value)
    return text if text is None or text[-1] == "f" else orjson.Fragment(text)  # JSON has no inf


def _instants(arrow: Any, column: Any) -> Cells:
    compute = arrow.compute
    zoned = column.type.tz is not None
    # Without its zone the column shows the instants as they are kept: in UTC.
    plain = column.cast(arrow.timestamp(column.type.unit)).cast(arrow.string())
    plain = compute.replace_substring(plain, " ", "T", max_replacements=1)
    if zoned:
        plain = compute.binary_join_element_wise(plain, "+00:00", "")
    return _in_range(plain.to_pylist())


def _in_range(found: Cells) -> Cells:
    return [
        Unread(out[1], "a time out of range")
        if text and text[0] == "<" and (out := _OUT_OF_RANGE.fullmatch(text))
        else text
        for text in found
    ]
