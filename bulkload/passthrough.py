"""Pure: the NDJSON lines that need no mapping, their bytes straight into their inputs.

Most lines are text throughout, in HubSpot's own shape or flat, and are compact: the input is the
line with an end written to it. Law kept here: one outcome. What is made says the same as what
`mapping.py` and `making.py` make; of any other line nothing is said, and it goes their way, where
it is judged.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

import orjson

from bulkload.batch import Form
from bulkload.compact import SHAPED, Looking, looking
from bulkload.keys import key_of_line, key_of_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

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

    def inputs(
        self, raws: Sequence[bytes], at: int, ordinal: int
    ) -> tuple[Form, list[bytes], list[str]]:
        """The lines from the `at`-th on, which has `ordinal`, up to one that takes a closer look or
        another form: the form of their inputs, the ends, and their keys where they need any.
        """
        ends: list[bytes] = []
        keys: list[str] = []
        shaped = raws[at].startswith(SHAPED)
        marked = self.marks is not None
        keyed = marked or self.key_field is not None
        # The line feed, and the braces that the end has again.
        form = Form(b"" if shaped else _HEAD, 1 + shaped + marked)
        look, run, most = self.looking.members, self._run, self.most - len(form.head) + form.cut
        for number, raw in enumerate(islice(raws, at, None), ordinal):
            members = look(raw)
            if members is None or "" in members or raw.startswith(SHAPED) != shaped:
                break
            end = _TRACE % (run, number)
            if keyed:
                key = self._key(raw, members)
                if not key:
                    break
                if marked:
                    end = b"".join((self._before_key, key.encode(), self._after_key, end))
                keys.append(key)
            if len(raw) + len(end) > most:
                break
            ends.append(end)
        return form, ends, keys[: len(ends)]

    def _key(self, raw: bytes, members: Mapping[str, Any]) -> str:
        """A line's key; "" where it takes a closer look."""
        marks = self.marks
        if marks is not None and (marks.key in members or marks.run in members):
            return ""
        if self.key_field is None:
            return key_of_line(raw)
        held = members.get(self.key_field)
        return "" if held is None else key_of_text(self.looking.text(held))
