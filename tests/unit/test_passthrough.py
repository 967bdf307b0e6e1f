"""One outcome: a line that passes through is sent byte for byte as if it had been mapped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bulkload import passthrough
from bulkload.batching import Entry
from bulkload.checking.judging import Reasons
from bulkload.hubspot.lookup import Marks
from bulkload.making import Maker
from bulkload.model import Position, Record
from bulkload.rules import Rules

if TYPE_CHECKING:
    from bulkload.batching import Letter, Skip

RUN = "20240101-000000-abc123"
MARKS = (None, Marks("bulkload_key"), Marks("bulkload_key", "bulkload_run"))
PLACE = Position(7, 3)


def maker(marks: Marks | None = None, field: str | None = None, most: int = 8 << 20) -> Maker:
    return Maker(RUN, Reasons(), ("line",), Rules(), most, marks, field)


def both(
    raw: bytes | None, by: Maker, flaw: str | None = None
) -> tuple[Entry | Letter | Skip, Entry | Letter | Skip]:
    """What becomes of a line, and what becomes of it by the long way."""
    record = Record(PLACE, "json", raw, None, flaw)
    return by.make(41, 0, record), by.look(41, 0, record)[0]


NAMES = st.sampled_from(
    ["subject", "text", "id", "properties", "associations", "objectWriteTraceId",
     "bulkload_key", "bulkload_run", "", "é", '"', "\\", "\x00"]
)  # fmt: skip
TEXTS = st.one_of(st.text(max_size=12), st.sampled_from(["", " ", "\u2028", "</script>", "😀"]))
WORDS = st.one_of(
    TEXTS.map(orjson.dumps),
    st.sampled_from(
        [b'"\\ud800"', b'"\\u0041"', b'"\\/"', b"NaN", b"Infinity", b"1e999", b"-0", b"1.10",
         b"1" * 30, b"null", b"true", b"[]", b"{}", b"[" * 2000, b"[" * 50 + b"]" * 50, b'"\xff"',
         b'"\xed\xa0\x80"', b'"a\tb"', b'[{"to":{"id":"1"},"types":[]}]', b'""']
    ),
)  # fmt: skip


def members(words: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """An object as it may be written: with names twice, blanks, escapes."""
    pairs = st.tuples(NAMES.map(orjson.dumps), st.sampled_from([b":", b" : "]), words)
    return st.lists(pairs.map(b"".join), max_size=5).map(lambda each: b"{%b}" % b",".join(each))


OBJECTS = members(WORDS)
LINES = st.builds(
    lambda front, body, back: front + body + back,
    st.sampled_from([b"", b" ", b"\xef\xbb\xbf", b"\t"]),
    st.one_of(
        OBJECTS,
        members(st.one_of(WORDS, OBJECTS)),
        OBJECTS.map(lambda inner: b'{"properties":%b}' % inner),
        OBJECTS.map(lambda inner: b'{"properties":%b,"associations":[]}' % inner),
        WORDS,
        st.binary(max_size=20),
    ),
    st.sampled_from([b"", b" ", b"\r", b"}", b"x", b",{}", b'],"inputs":[', b"\x00"]),
)


@given(LINES, st.sampled_from(MARKS), st.sampled_from([None, "id", "subject"]))
@example(b'{"properties":{"a":"1","a":"2"}}', None, None)
@example(b'{"properties":{"a":"1"},"properties":{"b":"2"}}', None, None)
@example(b'{"properties":{"a":"1"},"properties":"b"}', None, None)
@example(b'{"properties":{"id":" 7 "}}', MARKS[2], "id")
@example(b'{"properties":{"id":" "}}', MARKS[2], "id")
@example(b'{"properties":{"bulkload_key":"mine"}}', MARKS[1], None)
@example(b'{"id":"7","objectWriteTraceId":"t"}', MARKS[0], None)
def test_both_ways_have_one_outcome(raw: bytes, marks: Marks | None, field: str | None) -> None:
    made, slowly = both(raw, maker(marks, field))
    assert made == slowly


@given(members(TEXTS.map(orjson.dumps)), st.sampled_from(MARKS))
def test_what_passes_through_is_one_input_with_the_lines_text(
    raw: bytes, marks: Marks | None
) -> None:
    made, _ = both(raw, maker(marks))
    if not isinstance(made, Entry):
        return
    sent = orjson.loads(made.body)
    own = set(marks or ())
    wanted = {name: text for name, text in orjson.loads(raw).items() if name not in own}
    assert sent.keys() == {"properties", "associations", "objectWriteTraceId"}
    assert {n: t for n, t in sent["properties"].items() if n not in own} == wanted


@pytest.mark.parametrize(
    "raw",
    [
        b'{"properties":{"hs_timestamp":"1","hs_email_text":"a\\u2028b"}}',
        b'{"properties":{"hs_timestamp":"1"},"associations":[]}',
        b'{"hs_timestamp":"1","properties":"p"}',
    ],
)
def test_the_usual_lines_do_pass_through(raw: bytes) -> None:
    assert passthrough.properties_of(raw)


def test_a_line_that_is_too_large_or_flawed_or_unread_is_a_letter_both_ways() -> None:
    raw = b'{"properties":{"a":"%b"}}' % (b"x" * 200)
    for made, slowly in (
        both(raw, maker(most=100)),
        both(raw, maker(), "the file ends in it"),
        both(None, maker(), "it was left unread"),
    ):
        assert made == slowly
        assert not isinstance(made, Entry)
