"""Pure: the NDJSON lines that a mapping takes apart, their texts straight into their inputs.

A mapping renames most columns and reads few: what it renames is written as it was written, and only
what a rule has to read is read. Law kept here: that of `straight`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from bulkload.batch import MAPPED, Form
from bulkload.columns.rules import Column, Constant
from bulkload.records.compact import SHAPED
from bulkload.records.straight import Straight

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bulkload.columns import Columns
    from bulkload.columns.rules import Rule

EMPTY = len(b'""')


@dataclass(slots=True, kw_only=True)
class Rewriter(Straight):
    """For one run, whose mapping `columns` ties no record to people by its addresses."""

    columns: Columns
    _rules: list[tuple[bytes, Rule]] = field(init=False)
    _own: bool = field(init=False)

    def __post_init__(self) -> None:
        super(Rewriter, self).__post_init__()  # slots make another class
        self._rules = [(b",%b:" % orjson.dumps(name), rule) for name, rule in self.columns.rules]
        marks = self.marks or ()
        self._own = any(name in marks for name, _ in self.columns.rules)

    def inputs(
        self, raws: Sequence[bytes], at: int, ordinal: int
    ) -> tuple[Form, list[bytes], list[str]]:
        """As `Splicer.inputs`."""
        bodies: list[bytes] = []
        keys: list[str] = []
        key, ties, first = "", b"[]", ordinal - at
        look, keyed, associate = self.looking.members, self.keyed, self.columns.associate
        for number in range(at, len(raws)):
            raw = raws[number]
            members = look(raw)
            if members is None or "" in members or self._own or raw.startswith(SHAPED):
                break
            try:
                pieces = self._properties(raw, members)
                if associate:
                    ties = orjson.dumps(associate.of_row(self._read(members, associate.used)))
            except Exception:  # noqa: BLE001  # whatever it is: who looks closer says it
                break
            if not pieces or (keyed and not (key := self.key(raw, members))):
                break
            body = b"".join((*pieces, self.end(first + number, key, ties)))
            if len(body) > self.most:
                break
            bodies.append(body)
            if keyed:
                keys.append(key)
        return MAPPED, bodies, keys

    def _properties(self, raw: bytes, members: Mapping[str, Any]) -> list[bytes]:
        """An input as far as its last property; empty where none comes from the line."""
        columns, written = self.columns, self.looking.written(raw, members)
        pieces: list[bytes] = []
        sent = False
        if columns.keep:
            for name, text in written.items():
                if name not in columns.taken and len(text) > EMPTY:
                    pieces += (b",%b:" % orjson.dumps(name), text)
                    sent = True
        for head, rule in self._rules:
            if type(rule) is Column:
                text = written.get(rule.column, b'""')
            else:
                text = orjson.dumps(rule.make(self._read(members, rule.used), []))
            if len(text) > EMPTY:
                pieces += (head, text)
                sent = sent or type(rule) is not Constant
        if not sent:
            return []
        pieces[0] = b'{"properties":{' + pieces[0][1:]
        return pieces

    def _read(self, members: Mapping[str, Any], used: Sequence[str]) -> dict[str, str]:
        return {name: self.looking.text(members[name]) for name in used if name in members}
