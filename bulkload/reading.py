"""Sources → entries and letters with their ordinals: read, map, and say who fell out.

Laws kept here: an ordinal is a record's number in the run's reading order, the same in each
life of the run; nothing lost (a record that can't be read or mapped is a letter); a record
that an earlier life settled is read past, never yielded again.
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import closing
from typing import TYPE_CHECKING

import orjson

from bulkload import ordinals
from bulkload.batching import Batch, Entry, Letter, Skip
from bulkload.errors import RecordError, RefusedToStart, StoppedForGood, StoppedResumable
from bulkload.hubspot.wire import ENVELOPE_BYTES
from bulkload.keys import key_of
from bulkload.mapping import map_record

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from bulkload.hubspot.lookup import Marks
    from bulkload.letters import LetterWriter, Reason
    from bulkload.model import Position, Record
    from bulkload.protocols import Source


class Reader:
    """Reads a run's sources in order. Blocking; used by one thread at a time.

    `limit`: only the first so many records of the run. `max_bytes`: the largest request
    body; a record whose input alone is larger is a dead letter. `marks`: the properties that
    each input gets, its key and the run; `key_field`: where rows have their key. With them a
    key that was read among the last `remembered` is not read as an entry again.
    """

    def __init__(
        self,
        run: str,
        sources: Sequence[Source],
        writer: LetterWriter,
        *,
        max_bytes: int,
        limit: int | None = None,
        marks: Marks | None = None,
        key_field: str | None = None,
        remembered: int = 10_000,
    ) -> None:
        self._run = run
        self._sources = sources
        self._writer = writer
        self._max_bytes = max_bytes
        self._limit = limit
        self._marks = marks
        self._field = key_field
        self._recent: OrderedDict[str, int] = OrderedDict()
        self._remembered = remembered
        self._done = 0
        self._now: Source | None = None

    def consumed(self) -> int:
        """Bytes read so far, over all sources."""
        return self._done + (self._now.consumed() if self._now else 0)

    def read(
        self, seek: tuple[int, int, Position | None], covered: ordinals.Covered
    ) -> Iterator[Entry | Letter | Skip]:
        """Everything from `seek` (ordinal, source, position) on that is not `covered`."""
        for ordinal, source, record in self._records(*seek):
            if ordinal in covered:
                continue
            made = self.make(ordinal, source, record)
            if isinstance(made, Entry) and (first := self._twice(made)) is not None:
                yield Skip(ordinal, source, record.position, first)
            else:
                yield made

    def rebuild(self, covers: str, source: int, position: Position) -> Batch:
        """The entries of an earlier attempt, read again from its sources.

        Raises StoppedForGood where they are not there any more.
        """
        wanted = list(ordinals.unpack(covers))
        entries = []
        missing = set(wanted)
        with closing(self._records(wanted[0], source, position)) as records:
            for ordinal, at, record in records:
                if ordinal in missing:
                    missing.discard(ordinal)
                    made = self.make(ordinal, at, record)
                    if isinstance(made, Entry):
                        entries.append(made)
                        self._twice(made)
                if not missing or ordinal > wanted[-1]:
                    break
        if len(entries) != len(wanted):
            raise StoppedForGood(
                f"{self._sources[source].name}: the records of a batch in doubt can't be read "
                f"again from {position.number}; the source changed since it was sent. Put the "
                "old one back, then resume"
            )
        return Batch(tuple(entries))

    def make(self, ordinal: int, source: int, record: Record) -> Entry | Letter:
        """One record as it will be sent, or as the letter that says why not."""
        try:
            sent = map_record(record)
            properties, key = sent.properties, ""
            if self._marks is not None:
                # A value of the user's own is the key: it would be lost under ours.
                own = properties.get(self._marks.key, "").strip()
                key = own or key_of(record, self._field)
                properties = {
                    **properties,
                    self._marks.key: properties[self._marks.key] if own else key,
                }
                if self._marks.run:
                    properties[self._marks.run] = self._run
        except RecordError as error:
            return self._letter(ordinal, source, record, error.reason, str(error))
        trace = sent.trace_id or f"{self._run}-{ordinal}"
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
        if len(body) + ENVELOPE_BYTES > self._max_bytes:
            return self._letter(
                ordinal,
                source,
                record,
                "unmappable",
                f"its input is {len(body):,} bytes, over the limit of {self._max_bytes:,} bytes "
                "for one request (--max-batch-bytes)",
            )
        return Entry(ordinal, source, record.position, trace, body, record, key)

    def _twice(self, entry: Entry) -> int | None:
        """The record that had this key shortly before, if one had.

        Shortly: what is in flight, or in doubt, is among the remembered. Of what lies further
        back the remote refuses a second one.
        """
        if not entry.key:
            return None
        first = self._recent.setdefault(entry.key, entry.ordinal)
        if first != entry.ordinal:
            return first
        if len(self._recent) > self._remembered:
            self._recent.popitem(last=False)
        return None

    def _letter(
        self, ordinal: int, source: int, record: Record, reason: Reason, message: str
    ) -> Letter:
        where = f"{self._sources[source].noun} {record.position.number}: {message}"
        return self._writer.write(ordinal, source, record.position, record, reason, where)

    def _records(
        self, ordinal: int, first: int, position: Position | None
    ) -> Generator[tuple[int, int, Record]]:
        self._done = sum(source.size() or 0 for source in self._sources[:first])
        for index in range(first, len(self._sources)):
            source = self._now = self._sources[index]
            try:
                with closing(source.records(position)) as records:
                    for record in records:
                        if self._limit is not None and ordinal >= self._limit:
                            return
                        yield ordinal, index, record
                        ordinal += 1
            except RefusedToStart as error:  # it was there when the run began
                raise StoppedResumable(f"{error} Put it back, then resume") from None
            self._done += source.size() or 0
            self._now = position = None
