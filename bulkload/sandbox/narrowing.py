"""Which records a search need look at: by the books' indexes, else from where on. Pure.

Law: no record that the filters would take is left out, and none is given twice. They come in the
order of their ids.
"""

from __future__ import annotations

import math
from itertools import chain
from typing import TYPE_CHECKING

from bulkload.sandbox.compared import CREATED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bulkload.sandbox.books import Books
    from bulkload.sandbox.filters import Filter
    from bulkload.sandbox.record import Record


def candidates(books: Books, groups: Sequence[Sequence[Filter]]) -> Iterable[Record]:
    if not groups:
        return books.since(0)
    start, few = len(books.records), dict[int, "Record"]()
    for group in groups:
        named = next((held for one in group if (held := _named(books, one)) is not None), None)
        if named is None:
            start = min(start, max((_start(books, one) for one in group), default=0))
        else:
            few.update((record.number, record) for record in named)
    before = (few[number] for number in sorted(few) if number < start)
    return chain(before, books.since(start))


def _named(books: Books, one: Filter) -> list[Record] | None:
    """The records with one of the filter's values, where an index knows them."""
    if one.operator not in ("EQ", "IN"):
        return None
    if one.name == "hs_timestamp":
        stamps = (value for value in one.values if not isinstance(value, str))
        return [record for stamp in stamps for record in books.stamps.of(stamp)]
    if one.name == "email" and books.is_unique("email"):  # kept in lower case, as is compared
        held = (books.holder("email", str(value)) for value in one.values)
        return [record for record in held if record is not None]
    if one.name == "hs_object_id":
        ids = (f"{value:.0f}" for value in one.values if isinstance(value, float))
        return [record for name in ids if (record := books.records.get(name)) is not None]
    return None


def _start(books: Books, one: Filter) -> int:
    """The number of the first record that this filter may take."""
    if one.operator not in ("GT", "GTE", "BETWEEN", "EQ"):
        return 0
    least = one.values[0]
    if isinstance(least, str) or math.isnan(least):
        return 0
    if one.name == CREATED[books.kind]:
        return books.made_since(least)
    if one.name == "hs_object_id":
        return books.number_from(least)
    return 0
