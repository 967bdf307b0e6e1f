"""Pure: columns of Arrow → columns of text, exactly as the values are.

Timestamps are ISO 8601 with all digits of their unit, and `+00:00` where the column has a zone;
numbers are written as short as tells them apart; booleans are true and false; binary values are
text where they are UTF-8, else base64; members of structs are columns of their own (`from.email`);
lists and maps are JSON. None is no value: null, not a number, or of a struct that is null. A time
out of range is `Unread`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from bulkload.sources.typed import Unread, cell, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

Cells = list[str | None]

_OUT_OF_RANGE = re.compile(r"<value.out of range: (-?[0-9]+)>.*")
"""What Arrow writes of a time that no calendar has."""


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
        column = column.storage
        yield from texts(arrow, column)
    elif types.is_struct(kind):
        for member in column.flatten():  # a member of what is null is null
            yield from texts(arrow, member)
    elif types.is_dictionary(kind):
        yield from texts(arrow, column.dictionary_decode())
    else:
        yield _texts(arrow, column)


def _texts(arrow: Any, column: Any) -> Cells:
    types, kind = arrow.types, column.type
    if types.is_null(kind):
        return [None] * len(column)
    if types.is_string(kind) or types.is_large_string(kind):
        found: Cells = column.to_pylist()
        return found
    if types.is_timestamp(kind):
        return _instants(arrow, column)
    if types.is_floating(kind):
        if not types.is_float64(kind):  # by its own shortest text: 0.1 stays 0.1
            column = column.cast(arrow.float32()).cast(arrow.string()).cast(arrow.float64())
        return list(map(cell, column.to_pylist()))
    if types.is_date64(kind):
        column = column.cast(arrow.date32())
    if types.is_duration(kind):
        column = column.cast(arrow.int64())
    if types.is_decimal(kind):
        return [None if each is None else format(each, "f") for each in column.to_pylist()]
    if types.is_integer(kind) or types.is_boolean(kind) or types.is_temporal(kind):
        return _in_range(column.cast(arrow.string()).to_pylist())
    return [None if each is None else text_of(each) for each in column.to_pylist()]


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
