"""A source of a program's own: whatever an async iterator gives. The position is its own, too.

It is read in an event loop of its own, in the thread that reads: what it uses (a client, a
connection) is made inside it. A resume needs it again, with the same name: a journal can't hold it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson

from bulkload.errors import RefusedToStart
from bulkload.model import Position, Record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Mapping

OWN = ("own", "own-mail")
"""Its format, and where it holds messages."""

Given: TypeAlias = "Mapping[str, Any] | bytes"
"""A record: a dict, as a line of NDJSON has it; of mail the bytes of a message."""


class OwnSource:
    """Records that `read(start)` yields, each with its position (an int or a str).

    `read` yields from the position `start` on, that one included, or from the beginning where it
    is None: the same records at the same positions each time. `bound` is what binds a run to it
    (JSON): a resume with another is refused. `mail`: the records are messages.
    """

    noun = "record"

    def __init__(
        self,
        name: str,
        read: Callable[[int | str | None], AsyncIterator[tuple[int | str, Given]]],
        *,
        mail: bool = False,
        bound: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.format = OWN[mail]
        self._read = read
        self._bound = dict(bound or {})

    @property
    def address(self) -> str:
        return self.name

    def options(self) -> dict[str, Any]:
        return {}

    def fingerprint(self) -> dict[str, Any]:
        return {"own": self.name, **self._bound}

    def still(self, bound: dict[str, Any]) -> bool:
        return self.fingerprint() == bound

    def size(self) -> int | None:
        return None

    def consumed(self) -> int:
        return 0

    def records(self, start: Position | None = None) -> Generator[Record, None, None]:
        number = start.number if start else 1
        given = self._read(start.at if start else None)
        with asyncio.Runner() as runner:
            try:
                while True:
                    try:
                        at, content = runner.run(_next(given))
                    except StopAsyncIteration:
                        return
                    yield self._record(Position(at, number), content)
                    number += 1
            finally:
                if hasattr(given, "aclose"):
                    runner.run(given.aclose())

    def _record(self, position: Position, content: Given) -> Record:
        if self.format == OWN[True]:
            if isinstance(content, bytes):
                return Record(position, "mail", content)
            return Record(position, "mail", None, None, "a message is to be bytes")
        try:
            raw = content if isinstance(content, bytes) else orjson.dumps(content, default=str)
        except TypeError as error:
            return Record(position, "json", None, None, f"can't be written as JSON: {error}")
        return Record(position, "json", raw)


async def _next(given: AsyncIterator[tuple[int | str, Given]]) -> tuple[int | str, Given]:
    return await anext(given)


def refuse_without(name: str) -> RefusedToStart:
    """For a run whose own source is not handed in again."""
    return RefusedToStart(
        f"{name}: is a source of a program's own, which only that program can read: resume the run "
        "from there, with the source handed in again"
    )
