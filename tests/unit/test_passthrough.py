"""One outcome: a line that passes through says what it would have said if it had been mapped."""

from __future__ import annotations

import json
import pickle
import sys
from typing import TYPE_CHECKING

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bulkload.batch import Entry, Passed
from bulkload.checking.judging import Reasons
from bulkload.columns import Columns, parse
from bulkload.hubspot.lookup import Marks
from bulkload.model import Position, Record, Stretch
from bulkload.records.compact import ByMsgspec, ByOrjson, Looking, looking
from bulkload.records.making import Maker
from bulkload.records.passthrough import Splicer
from bulkload.records.rewriting import Rewriter
from bulkload.records.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from bulkload.batch import Letter, Skip

RUN = "20240101-000000-abc123"
MARKS = (None, Marks("bulkload_key"), Marks("bulkload_key", "bulkload_run"))
PLACE = Position(7, 3)
BOTH: list[Looking] = [ByOrjson(), ByMsgspec()]


def maker(
    marks: Marks | None = None,
    field: str | None = None,
    most: int = 8 << 20,
    columns: Columns | None = None,
) -> Maker:
    return Maker(RUN, Reasons(), ("line",), Rules(columns=columns), most, marks, field)


def both(
    raw: bytes, by: Maker
) -> tuple[Entry | Letter | Skip, Entry | Letter | Skip, Entry | Letter | Skip]:
    """What becomes of a line among others, by itself, and by the long way."""
    plain = b'{"properties":{"a":"1"}}'
    stretch = Stretch(7, 3, [line + b"\n" for line in (plain, plain, raw, plain)])
    several: list[Entry | Letter | Skip] = []
    for made in by.lines(39, 0, stretch):
        several.extend(made if isinstance(made, Passed) else (made,))
    assert [each.ordinal for each in several] == [39, 40, 41, 42]
    record = list(stretch.records())[2]
    assert several[2].position == record.position
    return several[2], by.make(41, 0, record), by.look(41, 0, record)[0]


def said(made: Entry | Letter | Skip) -> object:
    """What the remote is told: how a text is escaped tells it nothing."""
    if not isinstance(made, Entry):
        return made
    return made._replace(body=b""), orjson.loads(made.body), made.body.count(b"objectWriteTraceId")


class Counted(list[bytes]):
    """Lines that count how often one of them is stepped to."""

    steps = 0

    def __getitem__(self, at: Any) -> Any:
        self.steps += 1
        return super().__getitem__(at)

    def __iter__(self) -> Iterator[bytes]:
        for each in super().__iter__():
            self.steps += 1
            yield each


@pytest.mark.parametrize("columns", [None, parse(["hs_email_text=a"])])
@pytest.mark.parametrize("raw", [b'{"a": "1" }\n', b'{"a":1}\n', b"nothing\n"])
def test_a_line_that_takes_the_long_way_costs_the_same_anywhere(
    raw: bytes, columns: Columns | None
) -> None:
    lines = Counted([raw] * 2_000)
    assert len(list(maker(columns=columns).lines(0, 0, Stretch(0, 1, lines)))) >= 1
    assert lines.steps <= 4 * len(lines)


NAMES = st.sampled_from(
    ["subject", "text", "id", "id", "text", "properties", "associations", "objectWriteTraceId",
     "bulkload_key", "bulkload_run", "", "é", '"', "\\", "\x00"]
)  # fmt: skip
TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["", " ", "\u2028", "</script>", "😀", "1700000000000", "a", "in", "x@y.zz"]),
)
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
    written = NAMES.map(orjson.dumps) | NAMES.map(lambda name: json.dumps(name).encode())
    names = written | written.map(lambda name: name.replace(b"t", b"\\u0074"))
    pairs = st.tuples(names, st.sampled_from([b":", b": ", b" : "]), words).map(b"".join)
    several = st.tuples(st.lists(pairs, max_size=5), st.sampled_from([b",", b", ", b" ,\t"]))
    blank = st.sampled_from([b"", b"", b" "])
    return st.tuples(blank, several, blank).map(
        lambda each: b"{%b%b%b}" % (each[0], each[1][1].join(each[1][0]), each[2])
    )


OBJECTS = members(WORDS)
LINES = st.builds(
    lambda front, body, back: front + body + back,
    st.sampled_from([b"", b" ", b"\xef\xbb\xbf", b"\t"]),
    st.one_of(
        OBJECTS,
        members(st.one_of(WORDS, OBJECTS)),
        OBJECTS.map(lambda inner: b'{"properties":%b}' % inner),
        OBJECTS.map(lambda inner: b'{"properties": %b}' % inner),
        OBJECTS.map(lambda inner: b'{"properties": %b }' % inner),
        OBJECTS.map(lambda inner: b'{"properties":%b,"associations":[]}' % inner),
        WORDS,
        st.binary(max_size=20),
    ),
    st.sampled_from([b"", b" ", b"\r", b"}", b"x", b",{}", b'],"inputs":[', b"\x00"]),
)


COMPACT = st.dictionaries(
    st.sampled_from(["subject", "text", "id", "more"]), TEXTS, min_size=1
).flatmap(
    lambda line: st.sampled_from(
        [
            orjson.dumps(line),
            json.dumps(line, separators=(",", ":")).encode(),
            json.dumps(line).encode(),
        ]
    )
)
"""As an export writes them, with more escapes and blanks than there need be and without."""


COLUMNS = parse(["hs_email_subject=subject", "hs_email_text=text"])
PEOPLED = parse([], '[people]\naddresses = ["text"]\n[options]\nrest = "keep"')
EVERY_RULE = parse(
    ["hs_email_subject=subject", "bulkload_run=id"],
    """
    [properties]
    hs_timestamp = { column = "id", format = ["epoch-ms", "iso"] }
    hs_email_direction = { column = "text", values = { "" = "EMAIL", "in" = "INCOMING_EMAIL" }, otherwise = "FORWARDED_EMAIL" }
    hs_email_status = { column = "subject", values = { "a" = "SENT" } }
    hs_email_text = { template = "{subject}: {text}" }
    hs_email_html = { constant = "<p>" }
    hs_email_headers = { from = "text", to = ["id", { email = "subject", name = "text" }] }
    [associations]
    companies = "id"
    """,  # noqa: E501  # an inline table is one line
)
KEPT = parse(
    ["hs_email_subject=text", "subject=id"],
    """
    [properties]
    hs_email_status = { constant = "SENT" }
    [options]
    rest = "keep"
    """,
)
RENAMED = parse(["hs_email_subject=subject,hs_email_text=text,hs_email_html=text"])
ONLY_CONSTANT = parse([], '[properties]\nhs_email_status = { constant = "SENT" }')
MAPPINGS = (None, COLUMNS, PEOPLED, EVERY_RULE, KEPT, RENAMED, ONLY_CONSTANT)


@given(
    LINES | COMPACT,
    st.sampled_from(MARKS),
    st.sampled_from([None, "id", "subject"]),
    st.sampled_from(MAPPINGS),
)
@example(b'{"subject":"","text":"","id":"1"}', None, None, KEPT)
@example(b'{"subject":"a","text":"in","id":"1700000000000"}', MARKS[2], "id", EVERY_RULE)
@example(b'{"subject":"a","text":"in","id":"1700000000000"}', MARKS[1], None, EVERY_RULE)
@example(b'{"subject":"\\u0041\\ud83d\\ude00","text":"\\/"}', MARKS[1], None, RENAMED)
@example(b'{"properties":{"a":"1","a":"2"}}', None, None, None)
@example(b'{"properties":{"a":"1"},"properties":{"b":"2"}}', None, None, None)
@example(b'{"properties":{"a":"1"},"properties":"b"}', None, None, None)
@example(b'{"properties":{"id":" 7 "}}', MARKS[2], "id", None)
@example(b'{"properties":{"id":" "}}', MARKS[2], "id", None)
@example(b'{"properties":{"bulkload_key":"mine"}}', MARKS[1], None, None)
@example(b'{"id":"7","objectWriteTraceId":"t"}', MARKS[0], None, None)
def test_all_ways_have_one_outcome(
    raw: bytes, marks: Marks | None, field: str | None, columns: Columns | None
) -> None:
    together, alone, slowly = both(raw, maker(marks, field, columns=columns))
    assert together == alone
    assert said(alone) == said(slowly)


@pytest.mark.parametrize("columns", [None, COLUMNS])
def test_lines_stay_together_where_nothing_but_their_input_is_to_be_known(
    columns: Columns | None,
) -> None:
    raws = [b'{"subject":"a"}\n', b'{"subject": "b", "n": 1}\n', b"{]\n", b'{"subject":"c"}\n']
    made = list(maker(MARKS[2], columns=columns).lines(0, 0, Stretch(0, 1, raws)))
    assert [len(each) if isinstance(each, Passed) else each.ordinal for each in made] == [2, 2, 1]


@given(members(TEXTS.map(orjson.dumps)), st.sampled_from(MARKS))
def test_what_passes_through_is_one_input_with_the_lines_text(
    raw: bytes, marks: Marks | None
) -> None:
    made = both(raw, maker(marks))[0]
    if not isinstance(made, Entry):
        return
    sent = orjson.loads(made.body)
    own = set(marks or ())
    wanted = {name: text for name, text in orjson.loads(raw).items() if name not in own}
    assert sent.keys() == {"properties", "associations", "objectWriteTraceId"}
    assert {n: t for n, t in sent["properties"].items() if n not in own} == wanted


ESCAPED = b'{"a":"\\u0041\\/\\n","b":"\\ud83d\\ude00"}'
USUAL = [
    b'{"properties":{"hs_timestamp":"1","hs_email_text":"a\\u2028b"}}',
    b'{"hs_timestamp":"1","properties":"p"}',
    ESCAPED,
    b'{"properties": {"hs_timestamp": "1", "hs_email_text": "a"}}',
    b'{"hs_timestamp": "1", "hs_email_text": "a\\"b"}',
    b' { "hs_timestamp" : "1","hs_email_text":  "a"}',
    b'{"\xc3\xa9":"1","\\u0061b":"2"}',
]


@pytest.mark.parametrize("by", BOTH)
@pytest.mark.parametrize("raw", USUAL)
def test_the_usual_lines_are_sent_as_they_are_written(raw: bytes, by: Looking) -> None:
    for marks in MARKS:
        form, ends, keys = Splicer(RUN, 1000, marks, looking=by).inputs([raw + b"\n"], 0, 1)
        (body,) = form.inputs([raw + b"\n"], ends)
        assert raw.rstrip(b"}") in body
        assert len(keys) == (marks is not None)


@pytest.mark.parametrize("by", BOTH)
@pytest.mark.parametrize(
    "raw",
    [
        b'{"properties":{"a":"1"} }',
        b'{"properties":{"a":"1" }}',
        b'{"properties":{"a":"1"}} ',
        b'{"properties": {"a":"1", "a":"1"}}',
        b'{"properties": {"a": "1"}, "properties": {"a": "1"}}',
        b'{"a": "1","b": "2", "c": "3","a": "1"}',
        b'{"a": "1", "b\\"c": "2"}',
        b'{"properties":{"a":"1"},"associations":[]}',
        b'{"properties":{"a":"1","a":"2"}}',
        b'{"properties":{"a":"1"},"properties":{"b":"2"}}',
        b'{"properties":{"a":1}}',
        b'{"properties":{"a":"\xff"}}',
        b'{"properties":{}}',
        b"{}",
        b'{"a":"1"},{"a":"2"}',
        b"",
    ],
)
def test_a_line_that_is_written_otherwise_is_not(raw: bytes, by: Looking) -> None:
    assert by.members(raw + b"\n") is None


@given(LINES | COMPACT | COMPACT.map(b'{"properties":%b}'.__mod__))
@example(ESCAPED)
@example(b'{"properties":{"a":"\\ud800"}}')
def test_msgspec_and_orjson_have_one_verdict(raw: bytes) -> None:
    by_orjson, by_msgspec = ByOrjson(), ByMsgspec()
    one, other = by_orjson.members(raw + b"\n"), by_msgspec.members(raw + b"\n")
    if one is None or other is None:
        assert one == other
        return
    texts = {name: by_msgspec.text(value) for name, value in other.items()}
    assert texts == {name: by_orjson.text(value) for name, value in one.items()}
    written = {name: bytes(text) for name, text in by_msgspec.written(raw, other).items()}
    assert written == by_orjson.written(raw + b"\n", one)


@given(LINES | COMPACT, st.sampled_from(MARKS), st.sampled_from([None, "id"]))
def test_msgspec_and_orjson_make_the_same_bytes(
    raw: bytes, marks: Marks | None, field: str | None
) -> None:
    for columns in (None, COLUMNS, EVERY_RULE, KEPT, RENAMED):
        one, other = (
            (
                Splicer(RUN, 1 << 20, marks, field, by)
                if columns is None
                else Rewriter(RUN, 1 << 20, marks, field, by, columns=columns)
            ).inputs([raw + b"\n"], 0, 7)
            for by in BOTH
        )
        assert one == other


def test_without_msgspec_orjson_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "msgspec", None)
    looking.cache_clear()
    try:
        assert isinstance(looking(), ByOrjson)
    finally:
        looking.cache_clear()


def test_what_splices_goes_to_other_processes() -> None:
    for by in BOTH:
        splicer = Splicer(RUN, 1000, MARKS[2], looking=by)
        again = pickle.loads(pickle.dumps(splicer))  # our own
        assert again.inputs([ESCAPED + b"\n"], 0, 1) == splicer.inputs([ESCAPED + b"\n"], 0, 1)


def test_a_line_that_is_too_large_or_flawed_or_unread_is_a_letter_both_ways() -> None:
    raw = b'{"properties":{"a":"%b"}}' % (b"x" * 200)
    whole, unread = Record(PLACE, "json", raw), Record(PLACE, "json", None, None, "left unread")
    for record, by in (
        (whole, maker(most=100)),
        (whole._replace(flaw="the file ends in it"), maker()),
        (unread, maker()),
    ):
        made = by.make(41, 0, record)
        assert made == by.look(41, 0, record)[0]
        assert not isinstance(made, Entry)


def test_a_key_of_the_users_own_is_sent_as_it_is_asked_for() -> None:
    """Whether the remote keeps blanks round it nobody knows: a read by it would find nothing."""
    raw = b'{"properties":{"a":"1","bulkload_key":" \\tmine "}}'
    for made in both(raw, maker(MARKS[1])):
        assert isinstance(made, Entry)
        assert (made.key, orjson.loads(made.body)["properties"]["bulkload_key"]) == ("mine",) * 2
