"""Pure: what a program's own source gives → records; and what a journal can keep of it.

Law kept here: the same source reads the same each time: a value whose text may be another in the
next life is written by nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from pathlib import Path, PurePath
from traceback import walk_tb
from typing import Any, TypeAlias

import orjson

from bulkload.errors import StoppedResumable
from bulkload.model import Position, Record

Given: TypeAlias = "Mapping[str, Any] | bytes"
"""A record: a dict, as a line of NDJSON has it, or that line; of mail the bytes of a message."""


def made(name: str, number: int, found: object, *, mail: bool) -> Record:
    """Of what the source `name` gave as its record `number`; with a flaw where that can't be sent.
    Raises StoppedResumable where it is none, or stands at no position that a journal can keep.
    """
    if not isinstance(found, (tuple, list)) or len(found) != 2:
        raise StoppedResumable(
            f"{name}: record {number:,} came as {type(found).__name__} and is to be a pair, its "
            "position and the record. Mend the source, then resume"
        )
    at, content = found
    position = Position(_sound(at, name, number), number)
    if mail:
        if isinstance(content, bytes):
            return Record(position, "mail", content)
        return Record(position, "mail", None, None, "a message is to be bytes")
    try:
        raw = content if isinstance(content, bytes) else orjson.dumps(content, default=_plain)
    except TypeError as error:
        return Record(position, "json", None, None, f"can't be written as JSON: {error}")
    return Record(position, "json", raw)


def _sound(at: object, name: str, number: int) -> int | str:
    if isinstance(at, str):
        with suppress(UnicodeEncodeError):
            at.encode()
            return at
        wrong = "a str that is no Unicode"
    elif isinstance(at, int) and not isinstance(at, bool):
        if -(1 << 63) <= at < 1 << 63:
            return at
        wrong = "an int of more than 64 bits"
    else:
        wrong = f"of type {type(at).__name__}"
    raise StoppedResumable(
        f"{name}: the position of record {number} is {wrong}; it is to be an int of 64 bits or a "
        "str. Mend the source, then resume"
    )


def _plain(value: object) -> object:
    """What JSON has no form for, and a text or an object says whole. Of anything else the text may
    be another in the next life (an address in memory, the order of a set), and the bytes with it.
    """
    if isinstance(value, (Decimal, PurePath)):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError


def as_kept(name: str, bound: Mapping[str, Any]) -> dict[str, Any]:
    """As a journal gives it back: a tuple comes back as a list, and would never be equal again."""
    if "own" in bound:
        raise TypeError(f"OwnSource {name!r}: bound can't have the name 'own', its name is kept so")
    try:
        kept: dict[str, Any] = orjson.loads(orjson.dumps(bound, default=_plain))
    except TypeError as error:
        raise TypeError(f"OwnSource {name!r}: bound can't be kept as JSON ({error})") from None
    return kept


def line_of(error: BaseException, reader: str) -> str:
    """Where the source was when it failed, whom the module `reader` called: no value is in that."""
    steps = [(frame.f_code.co_filename, line) for frame, line in walk_tb(error.__traceback__)]
    ours = [number for number, (file, _) in enumerate(steps) if file == reader]
    for file, line in steps[ours[-1] + 1 :][:1]:
        return f", {Path(file).name} line {line}"
    return ""
