"""The portal's books: every record, its unique values, when it can be seen. Pure.

Law: a unique value names at most one record, checked and written in one step with no await
between, so two calls can't both have it.
"""

from __future__ import annotations

import hashlib
import math
from array import array
from bisect import bisect_left, insort
from itertools import islice
from typing import TYPE_CHECKING, Any

import orjson

from bulkload.sandbox.answers import milliseconds_of
from bulkload.sandbox.record import Record
from bulkload.sandbox.schema import milliseconds
from bulkload.sandbox.stamps import Stamps

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from bulkload.sandbox.record import Links


_SMALL = ("hs_timestamp", "hs_email_subject", "bulkload_run")


def digest(values: Mapping[str, str]) -> str:
    """Names what a record held when its bodies are forgotten."""
    return hashlib.blake2b(
        orjson.dumps(values, option=orjson.OPT_SORT_KEYS), digest_size=16
    ).hexdigest()


def _small(values: Mapping[str, str], uniques: Mapping[str, str]) -> dict[str, str]:
    """What is kept of a record when its bodies are forgotten: what it is looked for by."""
    return {**{name: values[name] for name in _SMALL if values.get(name)}, **uniques}


class Books:
    """Records of one object type."""

    def __init__(
        self,
        kind: str,
        first_id: int,
        unique: Iterable[str],
        *,
        forget: bool = False,
        keep_keys: bool = False,
    ) -> None:
        """`forget`: keep small values and a digest; `keep_keys`: of archived records too."""
        self.kind = kind
        self.records: dict[str, Record] = {}
        self.stamps = Stamps()
        self.duplicates: dict[str, int] = {}
        self._first = self._next = first_id
        self._forget = forget
        self._keep_keys = keep_keys
        self._order: list[Record] = []
        self._gone_numbers: list[int] = []  # of archived records, in order
        # By number: when the latest of the records so far was made. The clock may be set back.
        self._latest = array("q")
        self._index: dict[str, dict[str, Record]] = {name: {} for name in unique}

    def watch(self, name: str) -> None:
        """From now on the values of this property are unique.

        Those that are there already count: of several that are the same, the first.
        """
        index = self._index[name] = {}
        for record in self._order:
            held = record.archived_at is None or self._keep_keys
            if (
                held
                and (value := record.values.get(name))
                and index.setdefault(value, record) is record
            ):
                record.uniques = {**record.uniques, name: value}

    def unwatch(self, name: str) -> None:
        self._index.pop(name, None)

    def is_unique(self, name: str) -> bool:
        return name in self._index

    def holder(self, name: str, value: str) -> Record | None:
        index = self._index.get(name)
        return None if index is None else index.get(value)

    def archived_holder(self, name: str, value: str) -> Record | None:
        """Which record to show to somebody who asks for archived ones."""
        return self.holder(name, value)

    def conflict(
        self, values: Mapping[str, str], but: Record | None = None
    ) -> tuple[str, str, Record] | None:
        """The first unique value that another record already has."""
        for name, index in self._index.items():
            value = values.get(name)
            if value and (other := index.get(value)) is not None and other is not but:
                self.count_duplicate(name)
                return name, value, other
        return None

    def marks(self, values: Mapping[str, str]) -> list[tuple[str, str]]:
        """What of these values nobody else may have: (property, value)."""
        return [(name, value) for name in self._index if (value := values.get(name))]

    def count_duplicate(self, name: str) -> None:
        """Somebody tried to make a second record with a unique value."""
        self.duplicates[name] = self.duplicates.get(name, 0) + 1

    def next_id(self) -> str:
        return str(self._next)

    def add(
        self, values: dict[str, str], links: Links, wall: float, readable: float, searchable: float
    ) -> Record:
        uniques = {name: values[name] for name in self._index if values.get(name)}
        held = _small(values, uniques) if self._forget else values
        record = Record(str(self._next), len(self.records), held, uniques, links)
        self._next += 1
        record.created = record.changed = wall
        record.readable_at = readable
        record.searchable_at = searchable
        if self._forget:
            record.digest = digest(values)
        self.records[record.id] = record
        self._order.append(record)
        made = milliseconds_of(wall)
        self._latest.append(max(made, self._latest[-1]) if self._latest else made)
        record.stamp = milliseconds(values.get("hs_timestamp", ""))
        self.stamps.add(record)
        for name, value in uniques.items():
            self._index[name][value] = record
        return record

    def change(self, record: Record, values: Mapping[str, str], wall: float) -> None:
        for name, index in self._index.items():
            if name in values:
                old = record.uniques.get(name)
                if old is not None and index.get(old) is record:
                    del index[old]
                if values[name]:
                    index[values[name]] = record
        record.uniques = {
            name: value
            for name, value in {**record.uniques, **values}.items()
            if value and name in self._index
        }
        full = {name: value for name, value in {**record.values, **values}.items() if value}
        record.values = _small(full, record.uniques) if self._forget else full
        record.digest = ""  # of a body that is forgotten there is no other to be made
        record.changed = wall
        if "hs_timestamp" in values:
            self.stamps.remove(record)
            record.stamp = milliseconds(values["hs_timestamp"])
            self.stamps.add(record)

    def archive(self, identity: str, wall: float) -> bool:
        record = self.records.get(identity)
        if record is None or record.archived_at is not None:
            return False
        record.archived_at = wall
        record.changed = wall
        insort(self._gone_numbers, record.number)
        if not self._keep_keys:
            for name, value in record.uniques.items():
                index = self._index.get(name, {})  # the property may be gone
                if index.get(value) is record:
                    del index[value]
        return True

    def beyond(self, identity: int) -> Iterator[Record]:
        """Records with a larger id: ids are given in order and none is ever dropped."""
        return self.since(self.number_from(identity + 1))

    def archived_beyond(self, identity: int) -> Iterator[Record]:
        """Those of them that are archived."""
        first = bisect_left(self._gone_numbers, self.number_from(identity + 1))
        return (self._order[number] for number in islice(self._gone_numbers, first, None))

    def since(self, number: int) -> Iterator[Record]:
        """Records from this one on, in the order of their ids."""
        return islice(self._order, min(number, len(self._order)), None)

    def number_from(self, identity: float) -> int:
        """The number of the first record with this id or a larger one."""
        return math.ceil(min(max(0, identity - self._first), len(self._order)))

    def made_since(self, stamp: float) -> int:
        """The number of the first record that may have been made at this time or later."""
        return bisect_left(self._latest, stamp)

    @property
    def archived(self) -> int:
        return len(self._gone_numbers)

    @property
    def live(self) -> int:
        return len(self.records) - self.archived

    def export(self) -> Iterator[dict[str, Any]]:
        """Every record in the order of arrival, for tests to hold against what went in."""
        for record in list(self.records.values()):  # more may arrive while somebody reads
            yield {
                "id": record.id,
                "number": record.number,
                "properties": record.values,
                "digest": record.digest if self._forget else digest(record.values),
                "associations": [{"type": kind, "id": other} for kind, other in record.links],
                "createdAt": record.created,
                "archived": record.archived_at is not None,
            }
