"""Pure: the NDJSON lines that need no mapping, their bytes straight into their inputs.

Most lines are text throughout, in HubSpot's own shape or flat: the input is the line with an end
of its own. Law kept here: that of `straight`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bulkload.batch import Form
from bulkload.records.compact import SHAPED
from bulkload.records.straight import Straight

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHAPED = Form(b"", len(b"}}\n"))
_FLAT = Form(b'{"properties":', len(b"}\n"))


@dataclass(slots=True)
class Splicer(Straight):
    """For one run."""

    def inputs(
        self, raws: Sequence[bytes], at: int, ordinal: int
    ) -> tuple[Form, list[bytes], list[str]]:
        """The lines from the `at`-th on, which has `ordinal`, up to one that takes a closer look or
        another form: the form of their inputs, the ends, and their keys where they need any.
        """
        ends: list[bytes] = []
        keys: list[str] = []
        shaped, key = raws[at].startswith(SHAPED), ""
        form = _SHAPED if shaped else _FLAT
        look, make, keyed = self.looking.members, self.end, self.keyed
        most, first = self.most - len(form.head) + form.cut, ordinal - at
        for number in range(at, len(raws)):
            raw = raws[number]
            members = look(raw)
            if members is None or "" in members or raw.startswith(SHAPED) != shaped:
                break
            if keyed and not (key := self.key(raw, members)):
                break
            end = make(first + number, key)
            if len(raw) + len(end) > most:
                break
            ends.append(end)
            if keyed:
                keys.append(key)
        return form, ends, keys
