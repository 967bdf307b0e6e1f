"""The elements of a JSON array, whatever stands between them and wherever a block ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.errors import RefusedToStart
from bulkload.sources import Asked, describe, open_sources, reopen
from bulkload.sources.elements import read_elements
from bulkload.sources.jsonarray import JsonArraySource

if TYPE_CHECKING:
    from pathlib import Path

    from bulkload.sources.lines import Line


class Blocks:
    """A stream of what it is given, so many bytes at a time."""

    name = "shown"

    def __init__(self, content: bytes, size: int, flaw: str | None = None, offset: int = 0) -> None:
        self._content, self._size = content, size
        self.flaw = flaw
        self.offset = self.consumed = offset

    def read(self, most: int | None = None) -> bytes:  # in pieces of its own
        block = self._content[self.offset : self.offset + self._size]
        self.offset += len(block)
        return block

    def close(self) -> None: ...


NAMES = st.text('"\\,]}', max_size=3)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('a"\\[]{},: é\n', max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
BLANKS = st.text(" \t\r\n", max_size=3)


def elements(content: bytes, size: int = 7, limit: int = 1 << 20, offset: int = 0) -> list[Line]:
    return list(read_elements(Blocks(content, size, offset=offset), 1, limit))


@given(st.lists(st.tuples(BLANKS, VALUES, BLANKS, st.booleans())), st.integers(1, 40))
def test_they_are_those_that_were_written_each_at_its_offset(
    parts: list[tuple[str, object, str, bool]], size: int
) -> None:
    written = [json.dumps(value, ensure_ascii=plain) for _, value, _, plain in parts]
    between = [f"{a}{text}{b}" for (a, _, b, _), text in zip(parts, written, strict=True)]
    content = ",".join(between).encode() + b"] \n"
    found = elements(content, size)
    assert [element.raw for element in found] == [text.encode() for text in written]
    assert [element.flaw for element in found] == [None] * len(written)
    assert [element.number for element in found] == list(range(1, len(written) + 1))
    for at, element in enumerate(found):
        rest = elements(content, size, offset=element.offset)
        assert [(e.offset, e.raw) for e in rest] == [(e.offset, e.raw) for e in found[at:]]


@given(
    st.binary(max_size=60) | st.text('[]{},"\\ a1', max_size=60).map(str.encode), st.integers(1, 9)
)
def test_whatever_the_bytes_nothing_is_lost(content: bytes, size: int) -> None:
    """Each byte is in an element, a comma or bracket between two, or blank."""
    found = elements(content, size)
    held = sum(len(element.raw or b"") for element in found)
    blanks = sum(content.count(blank) for blank in (b" ", b"\t", b"\r", b"\n"))
    assert held + len(found) + 2 + blanks >= len(content)
    assert found[-1:] != [] or not content.strip(b" \t\r\n],")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"]", []),
        (b" ] ", []),
        (b"1,]", [(0, b"1", None)]),
        (b"1,,2]", [(0, b"1", None), (2, b"", "nothing between two commas"), (3, b"2", None)]),
        (b"1", [(0, b"1", "does not end")]),
        (b'1, {"a', [(0, b"1", None), (3, b'{"a', "does not end")]),
        (b"", [(0, b"", "does not end")]),
        (b"1] x", [(0, b"1", None), (3, b"x", "more behind the array's end")]),
        (b"{} {}]", [(0, b"{} {}", None)]),
        (b"1}, 2]", [(0, b"1}", None), (4, b"2", None)]),
        (b"}", [(0, b"}", "does not end")]),
    ],
)
def test_arrays_that_are_none(
    content: bytes, expected: list[tuple[int, bytes, str | None]]
) -> None:
    found = elements(content)
    assert [(each.offset, each.raw) for each in found] == [each[:2] for each in expected]
    for each, (_, _, flaw) in zip(found, expected, strict=True):
        assert (flaw is None and each.flaw is None) or (flaw or "?") in (each.flaw or "")


def test_what_is_too_large_is_left_unread_and_the_next_one_follows() -> None:
    large = b'"' + b"x" * 500 + b'"'
    first, second, third = elements(b"1, " + large + b" ,2]", 7, 100)
    assert (first.raw, third.raw) == (b"1", b"2")
    assert second.raw is None
    assert "more than --max-record-bytes 100" in (second.flaw or "")


def test_a_file_that_begins_with_a_bracket_is_an_array(tmp_path: Path) -> None:
    records = [{"n": n, "text": "a, ]" * n} for n in range(50)]
    for name in ("a.json", "a.ndjson", "a"):
        path = tmp_path / name
        path.write_text("\ufeff\n " + json.dumps(records, indent=2))
        (source,) = open_sources([str(path)], Asked())
        assert source.format == "json"
        found = list(source.records())
        assert [json.loads(record.raw or b"") for record in found] == records
        again = reopen(json.loads(json.dumps(describe(source))))
        assert list(again.records(found[30].position)) == found[30:]
        assert source.consumed() == source.size()


def test_what_is_no_array_is_refused_with_what_it_may_be(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"results": [\n]}')
    with pytest.raises(RefusedToStart, match="does not begin with"):
        JsonArraySource(path)
    path.write_text('{\n  "results": [\n]}')
    with pytest.raises(RefusedToStart, match=r"jq -c '\.results\[\]'"):
        open_sources([str(path)], Asked())
