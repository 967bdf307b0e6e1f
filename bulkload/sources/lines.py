"""Lines of bytes with their offsets, out of a stream.

Laws kept here: memory is bounded: a line longer than the limit is counted and skipped, never
held; nothing is lost in silence: a last line without a newline counts, and a torn stream
ends in one line that carries the flaw.
"""

from __future__ import annotations

from io import BytesIO
from itertools import starmap
from typing import TYPE_CHECKING, NamedTuple

from bulkload.model import Stretch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bulkload.sources.streams import Stream

BLOCK = 1 << 18
"""Bytes that lines are cut out of at a time: what is done once for each of their stretches costs a
line less, the longer they are.
"""


class Line(NamedTuple):
    """One line. `raw` is without its line feed (a carriage return before it is still there);
    None where it is longer than the limit. `flaw` says what is wrong with it.
    """

    offset: int
    number: int
    raw: bytes | None
    flaw: str | None = None


def too_large(noun: str, size: int, limit: int) -> str:
    """The words for a record that was left unread."""
    return (
        f"this {noun} is {size:,} bytes, more than --max-record-bytes {limit:,}: "
        "it was left unread; read it in its source at this position, or raise the limit"
    )


def read_lines(stream: Stream, number: int, limit: int, noun: str = "line") -> Iterator[Line]:
    """Every line of `stream` from where it stands; the first one is given `number`.

    `limit` is in bytes. The caller closes the stream.
    """
    for found in read_stretches(stream, number, limit, noun):
        if isinstance(found, Line):
            yield found
        else:
            yield from starmap(Line, found.lines())


def read_stretches(
    stream: Stream, number: int, limit: int, noun: str = "line"
) -> Iterator[Stretch | Line]:
    """Every line likewise: those that end within a block together, but one by itself that is over
    the limit, or that nothing ends.
    """
    start = stream.offset
    held: list[bytes] = []
    held_bytes = 0
    while block := stream.read(BLOCK):
        raws = BytesIO(block).readlines()  # `split` looks at each byte by itself
        last = b"" if raws[-1].endswith(b"\n") else raws.pop()
        if raws and held_bytes:
            size = held_bytes + len(raws[0])
            if size > limit + 1:
                yield Line(start, number, None, too_large(noun, size - 1, limit))
                del raws[0]
                start += size
                number += 1
            else:
                raws[0] = b"".join((*held, raws[0]))
            held.clear()
            held_bytes = 0
        # One by one where a block is larger than a line may be.
        for part in [raws] if len(block) <= limit else [[raw] for raw in raws]:
            size = sum(map(len, part))
            if size > limit + 1 and len(part) == 1:
                yield Line(start, number, None, too_large(noun, size - 1, limit))
            elif part:
                yield Stretch(start, number, part)
            start += size
            number += len(part)
        if last:
            held_bytes += len(last)
            if held_bytes > limit:
                held.clear()
            else:
                held.append(last)
    if held_bytes > limit:
        yield Line(start, number, None, stream.flaw or too_large(noun, held_bytes, limit))
    elif held_bytes or stream.flaw:
        yield Line(start, number, b"".join(held), stream.flaw)
