"""Pure: what the ways of a line straight into its input have in common: its key, and its end.

Law kept here: one outcome. What is made says the same as what `mapping.py` and `making.py` make; of
any other line nothing is said, and it goes their way, where it is judged.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from bulkload.records.compact import Looking, looking
from bulkload.records.keys import key_of_line, key_of_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bulkload.hubspot.lookup import Marks


@dataclass(slots=True)
class Straight:
    """For one run. `most`: bytes that an input may have; `marks`, `key_field`: as `Maker` has them.

    `run` is an id of ours: nothing in it needs escaping.
    """

    run: str
    most: int
    marks: Marks | None = None
    key_field: str | None = None
    looking: Looking = field(default_factory=looking)
    keyed: bool = field(init=False)
    _end: bytes = field(init=False)
    """With a place for the key, where there is one, for associations and for the ordinal."""

    def __post_init__(self) -> None:
        self.keyed = self.marks is not None or self.key_field is not None
        own = b""
        if self.marks is not None:
            run = orjson.dumps({self.marks.run: self.run})[1:-1] if self.marks.run else b""
            own = b',%b:"\0"%b%b' % (orjson.dumps(self.marks.key), b"," if run else b"", run)
        end = b'%b},"associations":\0,"objectWriteTraceId":"%b-\0"}' % (own, self.run.encode())
        self._end = end.replace(b"%", b"%%").replace(b"\0", b"%b")

    def key(self, raw: bytes, members: Mapping[str, Any]) -> str:
        """A line's key; "" where it takes a closer look."""
        marks = self.marks
        if marks is not None and (marks.key in members or marks.run in members):
            return ""
        if self.key_field is None:
            return key_of_line(raw)
        held = members.get(self.key_field)
        return "" if held is None else key_of_text(self.looking.text(held))

    def end(self, ordinal: int, key: str, associations: bytes = b"[]") -> bytes:
        """What follows the last of a line's own properties."""
        number = b"%d" % ordinal
        if self.marks is None:
            return self._end % (associations, number)
        return self._end % (key.encode(), associations, number)
