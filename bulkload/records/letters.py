"""Pure: a record that was not loaded → its dead letter, one line of JSON.

Law kept here: nothing lost. A letter holds the record (or, where it was too large to read,
its position), the reason, and what the remote said; it is itself a source.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import orjson

from bulkload.batch import Letter
from bulkload.errors import RecordError
from bulkload.model import Input
from bulkload.records.content import letter_fields
from bulkload.records.keys import key_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bulkload.batch import Entry
    from bulkload.model import Address, Position, Record

FORM = "dead-letter/1"
Reason = Literal["unreadable", "unmappable", "rejected", "undeliverable"]


class LetterWriter:
    """Writes the letters of one run. `sources` are the names as people know them.

    `marks` are the properties that the run adds to each input: no letter carries them.
    """

    def __init__(
        self, run: str, sources: list[str], marks: Iterable[str] = (), key_field: str | None = None
    ) -> None:
        self._run = run
        self._marks = frozenset(marks)
        self._field = key_field
        # A file's name need not be UTF-8; JSON must be.
        self._sources = [name.encode("utf-8", "backslashreplace").decode() for name in sources]

    def write(
        self,
        ordinal: int,
        source: int,
        position: Position,
        record: Record,
        reason: Reason,
        message: str,
        *,
        sent: Input | None = None,
        people: Sequence[Address] = (),
        key: str = "",
        attempts: int = 0,
        **remote: Any,
    ) -> Letter:
        """`remote` takes status, category, correlation_id: what the remote said, if it did."""
        letter: dict[str, Any] = {
            "bulkload": FORM,
            "source": self._sources[source],
            "position": position.as_json(),
            "ordinal": ordinal,
        }
        # Also where this run has no key property: a replay may, and the record be edited by then.
        if key := key or self._key(record):
            letter["key"] = key
        letter |= letter_fields(record, sent, people)
        letter |= {"reason": reason}
        letter |= {name: value for name, value in remote.items() if value}
        letter |= {
            "message": message,
            "attempts": attempts,
            "run": self._run,
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        return Letter(ordinal, source, position, orjson.dumps(letter))

    def of_entry(
        self, entry: Entry, reason: Reason, message: str, *, attempts: int, **remote: Any
    ) -> Letter:
        """The letter of a record that was sent, with its input where it was mapped."""
        sent = None
        if entry.record.kind == "mail":
            sent = self._input_of(entry)
        return self.write(
            entry.ordinal,
            entry.source,
            entry.position,
            entry.record,
            reason,
            message,
            sent=sent,
            people=entry.people,
            key=entry.key,
            attempts=attempts,
            **remote,
        )

    def _input_of(self, entry: Entry) -> Input:
        """What was sent for an entry, without what the run added to it."""
        sent = orjson.loads(entry.body)
        own = {n: v for n, v in sent["properties"].items() if n not in self._marks}
        return Input(own, sent["associations"])

    def _key(self, record: Record) -> str:
        try:
            return key_of(record, self._field)
        except RecordError:
            return ""
