"""Pure: one record → the entry that is sent, the letter that says why not, or what leaves it out.

A value, so that other processes can have it too. Laws kept here: nothing lost: whatever a record
holds, it ends as one of the three; a record makes the same entry in each life of its run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import orjson

from bulkload.batch import LINK_BYTES, MAPPED, Entry, Letter, Passed, Skip
from bulkload.errors import RecordError
from bulkload.hubspot.wire import ENVELOPE_BYTES
from bulkload.model import LeftOut, Position, Record
from bulkload.records.keys import key_of
from bulkload.records.mapping import map_record
from bulkload.records.passthrough import Splicer
from bulkload.records.rewriting import Rewriter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bulkload.hubspot.lookup import Marks
    from bulkload.model import Mapped, Stretch
    from bulkload.records.letters import Reason
    from bulkload.records.rules import Rules


Numbered = tuple[int, int, Record]
"""A record with its ordinal and its source's number."""


_ELSEWHERE = Record(Position(0, 0), "mail", None)


class Writer(Protocol):
    """What makes the letter of a record that falls out."""

    def write(
        self,
        ordinal: int,
        source: int,
        position: Position,
        record: Record,
        reason: Reason,
        message: str,
    ) -> Letter: ...


@dataclass(slots=True)
class Maker:
    """For one run. `nouns`: what a record of each source is called.

    `max_bytes`: the largest request body; a record whose input alone is larger is a dead letter.
    `marks`: the properties that each input gets, its key and the run; `key_field`: where rows have
    their key.
    """

    run: str
    writer: Writer
    nouns: tuple[str, ...]
    rules: Rules
    max_bytes: int
    marks: Marks | None = None
    key_field: str | None = None
    _straight: Splicer | Rewriter | None = field(init=False)

    def __post_init__(self) -> None:
        columns, most = self.rules.columns, self.max_bytes - ENVELOPE_BYTES
        given = (self.run, most, self.marks, self.key_field)
        if columns is None:
            self._straight = Splicer(*given)
        else:
            self._straight = None if columns.addresses else Rewriter(*given, columns=columns)

    def make(self, ordinal: int, source: int, record: Record) -> Entry | Letter | Skip:
        """What becomes of one record."""
        straight, raw = self._straight, record.raw
        if straight is not None and record.kind == "json" and raw and record.flaw is None:
            lines = [raw + b"\n"]
            form, ends, keys = straight.inputs(lines, 0, ordinal)
            if ends:
                (body,) = form.inputs(lines, ends)
                trace, key = f"{self.run}-{ordinal}", "".join(keys)
                return Entry(ordinal, source, record.position, trace, body, record, key)
        return self.look(ordinal, source, record)[0]

    def lines(
        self, ordinal: int, source: int, stretch: Stretch
    ) -> Iterator[Passed | Entry | Letter | Skip]:
        """What `make` says of each line, the first of which has `ordinal`: those together whose
        input is all that there is to them.
        """
        raws, at, offset = stretch.raws, 0, stretch.offset
        passed = Passed(self.run, ordinal, source, offset, stretch.number)
        while at < len(raws):
            form, ends, keys = MAPPED, list[bytes](), list[str]()
            if self._straight is not None:
                form, ends, keys = self._straight.inputs(raws, at, ordinal + at)
            taken = len(ends) or 1
            if not ends:
                place = Position(offset, stretch.number + at)
                made, _ = self.look(ordinal + at, source, Record(place, "json", raws[at][:-1]))
                if isinstance(made, Entry) and self._is_plain(made):
                    form, ends, keys = MAPPED, [made.body], [made.key] if made.key else []
            lines = raws[at : at + taken]
            at += taken
            offset += sum(map(len, lines))
            if ends:
                passed.add(form, lines, ends, keys)
                continue
            if passed:
                yield passed
            yield made
            passed = Passed(self.run, ordinal + at, source, offset, stretch.number + at)
        if passed:
            yield passed

    def _is_plain(self, made: Entry) -> bool:
        """Whether there is nothing to it but its input: no name of its own, nobody to be tied to,
        nothing that may be added.
        """
        added = made.people or made.files or made.labels
        return not added and made.trace_id == f"{self.run}-{made.ordinal}"

    def look(
        self, ordinal: int, source: int, record: Record
    ) -> tuple[Entry | Letter | Skip, Mapped | None]:
        """What becomes of it, and what it was mapped to; None where it falls out."""
        try:
            mapped = map_record(record, self.rules)
            if isinstance(mapped, LeftOut):
                return Skip(ordinal, source, record.position, reason=mapped.reason), None
            sent = mapped.input
            properties, key = self._marked(record, sent.properties)
        except RecordError as error:
            return self._letter(ordinal, source, record, error.reason, str(error)), None
        trace = sent.trace_id or f"{self.run}-{ordinal}"
        dumped = orjson.dumps(
            {
                "properties": properties,
                "associations": sent.associations,
                "objectWriteTraceId": trace,
            }
        )
        # A copy of the right size: orjson's own result keeps the several times larger buffer
        # that it was written in, for as long as the record is in flight.
        body = bytes(memoryview(dumped))
        size = len(body) + ENVELOPE_BYTES + LINK_BYTES * len(mapped.people)
        if size > self.max_bytes:
            too_large = (
                f"its input is {size:,} bytes, over the limit of {self.max_bytes:,} bytes "
                "for one request (--max-batch-bytes)"
            )
            return self._letter(ordinal, source, record, "unmappable", too_large), None
        entry = Entry(
            ordinal,
            source,
            record.position,
            trace,
            body,
            record,
            key,
            mapped.people,
            mapped.files,
            mapped.labels,
        )
        return entry, mapped

    def _marked(self, record: Record, properties: dict[str, str]) -> tuple[dict[str, str], str]:
        """The properties with those that mark the run's records; the record's key."""
        marks = self.marks
        if marks is None:
            known = record.kind == "mail" or self.key_field is not None
            return properties, key_of(record, self.key_field) if known else ""
        # A value of the user's own is the key: it would be lost under ours. What is sent is what is
        # asked for later: blanks round it may be kept by the remote, or not.
        own = properties.get(marks.key, "").strip()
        key = own or key_of(record, self.key_field)
        marked = {**properties, marks.key: key}
        if marks.run:
            marked[marks.run] = self.run
        return marked, key

    def _letter(
        self, ordinal: int, source: int, record: Record, reason: Reason, message: str
    ) -> Letter:
        where = f"{self.nouns[source]} {record.position.number}: {message}"
        return self.writer.write(ordinal, source, record.position, record, reason, where)


@dataclass(frozen=True, slots=True)
class Making:
    """The work of a load's processes. An entry comes back without its record: the sender has it."""

    maker: Maker

    def __call__(self, group: list[Numbered]) -> list[Entry | Letter | Skip]:
        return [_light(self.maker.make(*each)) for each in group]


def lost(each: Numbered) -> Numbered:
    """A record that no process survives, as it is then taken."""
    ordinal, source, record = each
    flaw = "the parser's process died on this record; it is left as it is"
    return ordinal, source, record._replace(flaw=flaw)


def weight(each: Numbered) -> int:
    """Bytes of a record on its way to a process."""
    return len(each[2].raw or b"") + 200


def _light(made: Entry | Letter | Skip) -> Entry | Letter | Skip:
    return made._replace(record=_ELSEWHERE) if isinstance(made, Entry) else made
