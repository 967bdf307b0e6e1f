"""Pure: one record → what a load would make of it, small enough to come from another process.

Law kept here: the verdict is the load's own: the same `Maker` makes it, and where the portal's
definitions are known, what it would refuse is refused here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, NamedTuple

import orjson

from bulkload.batch import Entry, Letter, Skip
from bulkload.errors import RecordError
from bulkload.hubspot.properties import as_json
from bulkload.records.keys import key_of
from bulkload.sources.mapped import FORM

if TYPE_CHECKING:
    from bulkload.hubspot.definitions import Complaint, Definitions
    from bulkload.model import Mapped, Position, Record
    from bulkload.records.letters import Reason
    from bulkload.records.making import Maker, Numbered

CHARSET_BYTES = 16 << 10
"""How far into a message its charset is looked for."""

_CHARSET = re.compile(rb'[cC]harset\s{0,9}=\s{0,9}"?([\w.:-]{1,40})')


class Verdict(NamedTuple):
    """`why`: the filter's name of a skip, the message of a dead letter.

    `size`: bytes of its input in a request, without its ties. `people`: whose contacts it is tied
    to; `attached`: the size of each attachment. `direction`, `year`, `charset`: "" where there is
    none. `line`: of a file of mapped records, where one is written.
    """

    fate: Literal["load", "unreadable", "unmappable", "refused", "skip"]
    why: str = ""
    key: str = ""
    size: int = 0
    people: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    attached: tuple[int, ...] = ()
    direction: str = ""
    year: str = ""
    charset: str = ""
    complaints: tuple[Complaint, ...] = ()
    line: bytes = b""


class Reasons:
    """The letters of a check: why, and no more."""

    def write(
        self,
        ordinal: int,
        source: int,
        position: Position,
        record: Record,
        reason: Reason,
        message: str,
    ) -> Letter:
        del record
        return Letter(ordinal, source, position, orjson.dumps([reason, message]))


@dataclass(frozen=True, slots=True)
class Judge:
    """The work of a check's processes. `maker` writes `Reasons`. `names`: of the sources, where
    each record's line is wanted.
    """

    maker: Maker
    definitions: Definitions
    names: tuple[str, ...] = ()

    def __call__(self, group: list[Numbered]) -> list[Verdict]:
        return [self.judge(*each) for each in group]

    def judge(self, ordinal: int, source: int, record: Record) -> Verdict:
        made, mapped = self.maker.look(ordinal, source, record)
        if isinstance(made, Letter):
            reason, message = orjson.loads(made.line)
            return Verdict(reason, message)
        if isinstance(made, Skip):
            return Verdict("skip", made.reason)
        assert mapped is not None
        return self._of_entry(made, mapped)

    def _of_entry(self, entry: Entry, mapped: Mapped) -> Verdict:
        properties = mapped.input.properties
        complaints = self.definitions.complaints(properties)
        return Verdict(
            "refused" if complaints else "load",
            "; ".join(map(str, complaints)),
            entry.key,
            len(entry.body),
            tuple(person.email for person in mapped.people),
            mapped.notes,
            mapped.attached,
            properties.get("hs_email_direction", ""),
            year(properties.get("hs_timestamp", "")),
            charset(entry.record),
            complaints,
            self.line(entry, mapped) if self.names and not complaints else b"",
        )

    def line(self, entry: Entry, mapped: Mapped) -> bytes:
        """A mapped record as `sources.mapped` reads it."""
        line = {
            "bulkload": FORM,
            "source": self.names[entry.source].encode("utf-8", "backslashreplace").decode(),
            "position": entry.position.as_json(),
            "key": entry.key or _key(entry.record, self.maker.key_field),
            "input": as_json(mapped.input),
            "people": [list(person) for person in mapped.people],
            "notes": mapped.notes,
        }
        return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def charset(record: Record) -> str:
    """The charset that a message declares first, in lower case."""
    if record.kind != "mail" or record.raw is None:
        return ""
    # `find` is twenty times as fast as the pattern, and most messages declare theirs early.
    at = record.raw.find(b"harset", 1, CHARSET_BYTES)
    if at < 0:
        return "none declared"
    found = _CHARSET.match(record.raw, at - 1)
    return found[1].decode("ascii", "replace").lower() if found else "none declared"


def year(moment: str) -> str:
    """The UTC year of a `hs_timestamp`: milliseconds, or ISO 8601."""
    try:
        return str(datetime.fromtimestamp(int(moment) / 1000, UTC).year)
    except (ValueError, OverflowError, OSError):
        return moment[:4] if re.match(r"\d{4}-", moment) else ""


def _key(record: Record, field: str | None) -> str:
    try:
        return key_of(record, field)
    except RecordError:
        return ""
