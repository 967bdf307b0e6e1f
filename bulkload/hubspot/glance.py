"""Pure: the usual answer to a create, read at a glance: who has which id, and nothing else.

Laws kept here: one verdict: msgspec, where it is installed, and orjson see the same in an answer;
what is not the usual answer is left to who reads closely.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping


class Usual(NamedTuple):
    """`ids` by trace id, of as many `results`; when the remote began and ended, "" unless told."""

    ids: Mapping[str, str]
    results: int
    started: str = ""
    completed: str = ""


Glance = Callable[[bytes], Usual | None]
"""An answer's body → what was made; None: errors are told of, or it is another kind of answer."""


def by_orjson(body: bytes) -> Usual | None:
    """It reads all of it."""
    try:
        answer = orjson.loads(body)
        results = answer["results"]
        if type(results) is not list or answer.get("errors"):
            return None
        ids = {result["objectWriteTraceId"]: result["id"] for result in results}
        times = answer.get("startedAt", ""), answer.get("completedAt", "")
        texts = {*map(type, ids), *map(type, ids.values()), *map(type, times)}
        return Usual(ids, len(results), *times) if texts == {str} else None
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def by_msgspec() -> Glance:
    """It reads no more than is asked for. Raises ImportError where it is not installed."""
    import msgspec  # noqa: PLC0415  # of the extra `fast`

    result = msgspec.defstruct("Result", [("id", str), ("objectWriteTraceId", str)], gc=False)
    answer = msgspec.defstruct(
        "Answer",
        [
            ("results", list[result]),  # type: ignore[valid-type]  # made at run time
            ("errors", Any, None),
            ("startedAt", str, ""),
            ("completedAt", str, ""),
        ],
    )
    decode: Callable[[bytes], Any] = msgspec.json.Decoder(answer).decode
    bad = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

    def read(body: bytes) -> Usual | None:
        try:
            if not body.isascii():
                body.decode()  # it steps over what is no UTF-8
            told = decode(body)
        except bad:
            return None
        if told.errors:
            return None
        ids = {result.objectWriteTraceId: result.id for result in told.results}
        return Usual(ids, len(told.results), told.startedAt, told.completedAt)

    return read


@cache
def glance() -> Glance:
    """The faster of those that are installed."""
    try:
        return by_msgspec()
    except ImportError:
        return by_orjson
