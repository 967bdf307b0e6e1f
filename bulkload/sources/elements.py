"""The elements of one JSON array as bytes with their offsets, out of a stream.

Only structure is looked at: strings, brackets, and the commas between the elements; whether an
element is what it should be is for who reads it.

Laws kept here: memory is bounded: an element longer than the limit is counted and skipped, never
held; nothing is lost in silence: what is between two commas is an element, if only an empty one;
what follows the array, and an array that does not end, is a last element that has a flaw.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bulkload.sources.lines import Line, too_large

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bulkload.sources.streams import Stream

BLANKS = b" \t\r\n"  # RFC 8259, 2

_MARK = re.compile(rb'["{}\[\],]')
_REST_OF_STRING = re.compile(rb'(?:[^"\\]+|\\.)*', re.DOTALL)


def read_elements(stream: Stream, number: int, limit: int) -> Iterator[Line]:
    """Every element of `stream`, which stands behind the opening bracket or at an element; the
    first one is given `number`. `limit` is in bytes. The caller closes the stream.
    """
    depth = 0  # of brackets within the element
    inside = escaped = False  # of a string; behind a backslash
    held: list[bytes] = []
    size = 0  # of the element so far
    start = stream.offset
    ended = False

    def element(flaw: str | None = None) -> Line:
        if size > limit:
            return Line(start, number, None, flaw or too_large("record", size, limit))
        raw = b"".join(held)
        blanks = len(raw) - len(raw.lstrip(BLANKS))
        if flaw is None and blanks == len(raw):
            flaw = "there is nothing between two commas"
        return Line(start + blanks, number, raw.strip(BLANKS), flaw)

    def take(part: bytes) -> None:
        nonlocal size
        size += len(part)
        if size > limit + len(BLANKS):
            held.clear()
        elif part:
            held.append(part)

    while block := stream.read():
        at, begun = 0, 0  # of what of the block is not taken yet
        if escaped:
            at, escaped = 1, False
        while not ended:
            if inside:
                found = _REST_OF_STRING.match(block, at)
                assert found is not None  # it matches nothing, too
                at = found.end()
                if at == len(block):
                    break
                if block[at] == 0x5C:  # the backslash that ends the block
                    escaped = True
                    break
                inside = False
                at += 1
                continue
            mark = _MARK.search(block, at)
            if mark is None:
                break
            at = mark.end()
            sign = block[at - 1]
            if sign == 0x22:
                inside = True
            elif sign in b"[{":
                depth += 1
            elif sign == 0x2C:
                if depth == 0:
                    take(block[begun : at - 1])
                    yield element()
                    start += size + 1
                    number += 1
                    held.clear()
                    size, begun = 0, at
            elif depth:
                depth -= 1
            elif sign == 0x5D:  # a brace too many is part of the element
                take(block[begun : at - 1])
                if size > limit or b"".join(held).strip(BLANKS):
                    yield element()
                    number += 1
                start += size + 1
                held.clear()
                size, begun = 0, at
                ended = True
        take(block[begun:])
    flaw = stream.flaw
    if not ended:
        flaw = flaw or (
            f"the array does not end: the file was cut in, or behind, the record at byte {start}"
        )
    elif size > limit or b"".join(held).strip(BLANKS):
        flaw = flaw or (
            f"there is more behind the array's end, at byte {start}: make of all of it one object "
            "a line, as in jq -c '.[]'"
        )
    if flaw is not None:
        yield element(flaw)
