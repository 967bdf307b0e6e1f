"""Which records have a date: the index that a search by `hs_timestamp` goes by. Pure.

Law: a record stands under its date and no other, and what is given is in no order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bulkload.sandbox.record import Record


class Stamps:
    def __init__(self) -> None:
        # Most dates are one record's alone: a table for each of those would be half the memory.
        self._one: dict[int, Record] = {}
        self._several: dict[int, dict[str, Record]] = {}

    def add(self, record: Record) -> None:
        stamp = record.stamp
        if stamp is None:
            return
        several = self._several.get(stamp)
        if several is not None:
            several[record.id] = record
        elif (other := self._one.get(stamp)) is None:
            self._one[stamp] = record
        else:
            del self._one[stamp]
            self._several[stamp] = {other.id: other, record.id: record}

    def remove(self, record: Record) -> None:
        stamp = record.stamp
        if stamp is None:
            return
        if self._one.get(stamp) is record:
            del self._one[stamp]
        else:
            self._several.get(stamp, {}).pop(record.id, None)

    def of(self, stamp: float) -> Iterable[Record]:
        """A number that is no whole one is no record's."""
        one = self._one.get(stamp)  # type: ignore[call-overload]  # 1.0 is 1, as a key too
        if one is not None:
            return (one,)
        several: dict[str, Record] = self._several.get(stamp, {})  # type: ignore[call-overload]
        return several.values()
