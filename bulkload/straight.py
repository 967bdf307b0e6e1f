"""Pure: what the ways of a line straight into its input have in common: its key, and its end.

Law kept here: one outcome. What is made says the same as what `mapping.py` and `making.py` make; of
any other line nothing is said, and it goes their way, where it is judged.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from bulkload.compact import Looking, looking
from bulkload.keys import key_of_line, key_of_text

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
    _run: bytes = field(init=False)
    _before_key: bytes = field(init=False, default=b"")
    _after_key: bytes = field(init=False, default=b"")

    def __post_init__(self) -> None:
        self.keyed = self.marks is not None or self.key_field is not None
        self._run = self.run.encode()
        if self.marks is not None:
            self._before_key = b',%b:"' % orjson.dumps(self.marks.key)
            run = orjson.dumps({self.marks.run: self.run})[1:-1] if self.marks.run else b""
            self._after_key = b'",%b' % run if run else b'"'

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
        marked = b""
        if self.marks is not None:
            marked = b"".join((self._before_key, key.encode(), self._after_key))
        return b'%b},"associations":%b,"objectWriteTraceId":"%b-%d"}' % (
            marked,
            associations,
            self._run,
            ordinal,
        )
