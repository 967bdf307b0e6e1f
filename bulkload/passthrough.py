"""Pure: the NDJSON lines that need no mapping, their bytes straight into their inputs.

Most lines are text throughout, in HubSpot's own shape or flat, and are compact: the input is the
line with an end written to it. Law kept here: one outcome. What is made says the same as what
`mapping.py` and `making.py` make; of any other line nothing is said, and it goes their way, where
it is judged.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson

from bulkload.compact import SHAPED, Looking, looking
from bulkload.keys import key_of_line, key_of_text

if TYPE_CHECKING:
    from bulkload.hubspot.lookup import Marks

_HEAD, _TRACE = b'{"properties":', b',"associations":[],"objectWriteTraceId":"%b-%d"}'


@dataclass(slots=True)
class Splicer:
    """For one run. `most`: bytes that an input may have; `marks`, `key_field`: as `Maker` has them.

    `run` is an id of ours: nothing in it needs escaping.
    """

    run: str
    most: int
    marks: Marks | None = None
    key_field: str | None = None
    looking: Looking = field(default_factory=looking)
    _run: bytes = field(init=False)
    _before_key: bytes = field(init=False, default=b"")
    _after_key: bytes = field(init=False, default=b"")

    def __post_init__(self) -> None:
        self._run = self.run.encode()
        if self.marks is not None:
            self._before_key = b',%b:"' % orjson.dumps(self.marks.key)
            run = orjson.dumps({self.marks.run: self.run})[1:-1] if self.marks.run else b""
            self._after_key = b'",%b}' % run if run else b'"}'

    def input(self, raw: bytes, ordinal: int) -> tuple[bytes, str] | None:
        """A line's input and its key, "" where it needs none; None where it takes a closer look."""
        members = self.looking.members(raw)
        if members is None or "" in members:
            return None
        key, marks = "", self.marks
        if marks is not None and (marks.key in members or marks.run in members):
            return None
        if self.key_field is not None:
            held = members.get(self.key_field)
            key = "" if held is None else key_of_text(self.looking.text(held))
            if not key:
                return None
        elif marks is not None:
            key = key_of_line(raw)
        shaped, end = raw.startswith(SHAPED), _TRACE % (self._run, ordinal)
        at = len(raw) - shaped
        if marks is not None:
            at -= 1
            end = b"".join((self._before_key, key.encode(), self._after_key, end))
        body = b"".join((b"" if shaped else _HEAD, memoryview(raw)[:at], end))
        return (body, key) if len(body) <= self.most else None
