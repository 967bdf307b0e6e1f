"""A record's key: from the source alone, and the same wherever the record stands."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulkload.errors import RecordError, UnmappableRecord, UnreadableRecord
from bulkload.model import Kind, Position, Record
from bulkload.records.keys import key_of
from bulkload.records.letters import LetterWriter
from bulkload.sources.csvs import CsvSource
from bulkload.sources.eml import EmlSource
from bulkload.sources.mbox import MboxSource

if TYPE_CHECKING:
    from pathlib import Path

WRITER = LetterWriter("run1", ["a", "b"])
KINDS: st.SearchStrategy[Kind] = st.sampled_from(["json", "row", "mail", "letter"])
ENVELOPE = b"From a@b.c Mon Jan  1 10:00:00 2024\n"


def record(raw: bytes | None, kind: Kind = "json", **more: Any) -> Record:
    return Record(Position(7, 3), kind, raw, **more)


def row(**fields: str) -> Record:
    return record(b"1", "row", fields=fields)


def sha(text: str | bytes) -> str:
    return hashlib.sha256(text if isinstance(text, bytes) else text.encode()).hexdigest()


def lettered(one: Record, *, key: str | None = None) -> Record:
    """The dead letter of a record, as its run wrote it; without `key` its key is taken out."""
    line = WRITER.write(5, 1, one.position, one, "rejected", "no", key=key or "k").line
    if key is None:
        line = line.replace(b'"key":"k",', b"", 1)
    return record(line, "letter")


def outcome(one: Record, field: str | None = None) -> str:
    try:
        return key_of(one, field)
    except RecordError as error:
        return type(error).__name__


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
_objects = st.dictionaries(st.sampled_from(["id", "properties", "a", "bulkload", "key"]), _json)
_lines = st.one_of(
    st.binary(max_size=60),
    _json.map(lambda value: json.dumps(value).encode()),
    _objects.map(lambda value: json.dumps(value, ensure_ascii=False, indent=1).encode()),
    st.tuples(_objects, _objects).map(
        lambda two: json.dumps({"bulkload": "dead-letter/1", "record": two[0], **two[1]}).encode()
    ),
    st.text(max_size=20).map(lambda t: b"\xef\xbb\xbf " + json.dumps({"id": t}).encode()),
    st.tuples(
        st.sampled_from([b"", ENVELOPE, b"\xef\xbb\xbf", b"\r\n"]),
        st.lists(
            st.sampled_from(
                [b"Message-ID: <1@x>\n", b"message-id:\r\n <1@x>\r\n", b"Date: d\n", b"From: f\n",
                 b"Message-ID:\n", b"\n", b">From x\n", b"From x\n", b"\xff\n"]
            ),
            max_size=6,
        ).map(b"".join),
    ).map(b"".join),
)  # fmt: skip
_rows = st.dictionaries(st.sampled_from(["id", "a", "b c", "é"]), st.text(max_size=5))


@given(_lines, KINDS, st.none() | _rows, st.none() | st.just("torn"))
def test_any_record_has_a_key_of_64_hex_digits(
    raw: bytes, kind: Kind, fields: dict[str, str] | None, flaw: str | None
) -> None:
    key = key_of(record(raw, kind, fields=fields, flaw=flaw))
    if kind != "letter" or b'"key"' not in raw:
        assert len(key) == 64
        assert set(key) <= set("0123456789abcdef")


@given(_lines, KINDS, st.none() | _rows, st.sampled_from(["id", "a", "properties", ""]))
def test_with_a_field_nothing_but_the_two_errors_is_raised(
    raw: bytes, kind: Kind, fields: dict[str, str] | None, field: str
) -> None:
    with suppress(UnmappableRecord):
        key_of(record(raw, kind, fields=fields), field)
    with pytest.raises(UnreadableRecord, match=r"^too large$"):
        key_of(record(None, kind, flaw="too large"), field)
    with pytest.raises(UnreadableRecord):
        key_of(record(None, kind))


@given(
    _lines,
    st.sampled_from(["json", "row", "mail"]),
    st.none() | _rows,
    st.none() | st.just("torn"),
    st.sampled_from([None, "id", "a"]),
)
def test_a_record_and_its_dead_letter_have_one_key(
    raw: bytes, kind: Kind, fields: dict[str, str] | None, flaw: str | None, field: str | None
) -> None:
    one = record(raw, kind, fields=fields, flaw=flaw)
    assert outcome(lettered(one), field) == outcome(one, field)
    assert key_of(lettered(one, key="first"), field) == "first"


@given(_lines, st.integers(), st.integers())
def test_a_key_does_not_know_where_the_record_stands(raw: bytes, at: int, number: int) -> None:
    here = record(raw)
    assert key_of(here) == key_of(here._replace(position=Position(at, number)))


@pytest.mark.parametrize("raw", [b'{"a": 1.10}', b' {"a": 1.10}\r', b'\xef\xbb\xbf {"a": 1.10} '])
def test_a_line_is_known_by_its_bytes_without_outer_blanks(raw: bytes) -> None:
    assert key_of(record(raw)) == sha('{"a": 1.10}')
    assert key_of(record(raw)) != key_of(record(b'{"a": 1.1}'))


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ('{"id":"x"}', "x"),
        ('{"id":" x\\t"}', "x"),
        ('{"\\u0069d":"\\u00e9"}', "é"),
        ('{"id":5}', "5"),
        ('{"id":-0}', "-0"),
        ('{"a":[{"id":2}],"id" : 1.10 , "b":{"id":3}}', "1.10"),
        ('{"a":"\\\\\\"id\\":2","id":1E2}', "1E2"),
        ('{"id":123456789012345678901234567890}', "123456789012345678901234567890"),
        ('{"id":true}', "true"),
        ('{"properties":{"id":1.50},"id":2}', "1.50"),
        ('{"id":7,"properties":"x"}', "7"),
        ('{"id":2.50,"id":3.50}', "3.50"),
        ("\ufeff" + '{"id":1.0}', "1.0"),
    ],
)
def test_a_field_is_known_by_its_value_in_json_rows_and_letters_alike(line: str, text: str) -> None:
    one = record(line.encode())
    assert key_of(one, "id") == sha(text)
    assert key_of(row(id=f" {text}", other="x"), "id") == sha(text)
    assert key_of(lettered(one), "id") == sha(text)
    assert key_of(lettered(row(id=text)), "id") == sha(text)


@pytest.mark.parametrize(
    "one",
    [
        *(
            record(raw)
            for raw in (b'{"id":{"secret":1}}', b'{"id":["secret"]}', b'{"id":null}', b'{"id":" "}',
                        b'{"secret":1}', b'["secret"]', b'"secret"', b"secret", b"\xff", b"",
                        b'{"properties":{"secret":1},"id":1}')
        ),
        row(secret="1"),
        row(id=" ", secret="1"),
        record(b"secret", "row", flaw="ragged"),
    ],
)  # fmt: skip
def test_a_record_without_a_value_in_the_field_is_refused_and_not_quoted(one: Record) -> None:
    for each in (one, lettered(one)):
        with pytest.raises(UnmappableRecord, match="'id'") as error:
            key_of(each, "id")
        assert "secret" not in str(error.value)


@given(_rows, st.randoms())
def test_a_row_is_known_by_its_cells_whatever_their_order(
    fields: dict[str, str], dice: Any
) -> None:
    names = list(fields)
    dice.shuffle(names)
    shuffled = {name: fields[name] for name in names}
    full = {name: cell for name, cell in fields.items() if cell}
    key = key_of(record(b"1", "row", fields=fields))
    assert key == key_of(record(b"2", "row", fields=shuffled))
    assert key == key_of(record(b"3", "row", fields=full))
    assert key == sha(orjson.dumps(full, option=orjson.OPT_SORT_KEYS))


def test_a_row_that_cannot_be_read_is_known_by_its_bytes() -> None:
    flawed = record(b" a,b\xff", "row", flaw="ragged")
    assert key_of(flawed) == key_of(lettered(flawed)) == sha(b" a,b\xff")


@settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=30)
@given(cells=st.lists(st.text("ab,;\"' \n", max_size=6), min_size=3, max_size=3))
def test_quotes_and_delimiters_make_no_other_key(tmp_path: Path, cells: list[str]) -> None:
    cells[0] += "x"  # a row of blanks is no record
    keys: set[str] = set()
    for delimiter, quoted, order in (
        (",", False, [0, 1, 2]),
        (";", True, [2, 0, 1]),
        ("\t", True, [1, 2, 0]),
    ):
        out = io.StringIO(newline="")
        quoting: Literal[0, 1] = csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL
        table = csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator="\n")
        table.writerow(["one", "two", "three"][at] for at in order)
        table.writerow(cells[at] for at in order)
        path = tmp_path / "rows.csv"
        path.write_bytes(out.getvalue().encode())
        keys.update(key_of(one) for one in CsvSource(path, delimiter=delimiter).records())
    assert len(keys) == 1


HEADERS = b"Message-ID: <1@x>\nDate: Mon, 1 Jan 2024 10:00:00 +0000\nFrom: A <a@b.c>\n"


def test_a_message_is_known_by_three_headers_as_written() -> None:
    expected = sha("<1@x>\nMon, 1 Jan 2024 10:00:00 +0000\nA <a@b.c>")
    folded = HEADERS.replace(b": ", b":\n  ", 1).replace(b"\n", b"\r\n")
    for raw in (HEADERS, HEADERS + b"\nbody", folded + b"X: y\r\n\r\nbody", ENVELOPE + HEADERS):
        assert key_of(record(raw, "mail"), "id") == key_of(record(raw, "mail")) == expected
    later = HEADERS.replace(b"Mon, 1", b"Tue, 2")
    assert key_of(record(later, "mail")) != expected
    assert key_of(record(b"Message-ID: <1@x>\n\n", "mail")) == sha("<1@x>\n\n")


def test_headers_of_one_message_do_not_run_into_each_other() -> None:
    one = record(b"Message-ID: a\nDate: b\n\n", "mail")
    two = record(b"Message-ID: a\nFrom: b\n\n", "mail")
    three = record(b"a\n\nb\n", "mail")
    assert len({key_of(one), key_of(two), key_of(three)}) == 3


@settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=60)
@given(
    headers=st.sampled_from([HEADERS, b"Subject: x\n", b"Message-ID: \nSubject: x\n"]),
    lines=st.lists(
        st.sampled_from(
            [b"text\n", b"\n", b"From here on\n", b">From there\n", b">>From\n", b"\xff\n"]
        ),
        max_size=6,
    ),
    crlf=st.tuples(st.booleans(), st.booleans()),
    end=st.sampled_from([b"", b"\n", b"\n\n"]),
    last=st.booleans(),
    bom=st.booleans(),
)
def test_a_message_has_one_key_as_a_file_and_in_a_mailbox(
    tmp_path: Path,
    headers: bytes,
    lines: list[bytes],
    crlf: tuple[bool, bool],
    end: bytes,
    last: bool,
    bom: bool,
) -> None:
    message = headers + b"\n" + b"".join(lines)
    escaped = b"".join(
        b">" + line if line.lstrip(b">").startswith(b"From ") else line
        for line in message.splitlines(keepends=True)
    )
    mailbox = ENVELOPE + escaped + b"\n" + (b"" if last else ENVELOPE + b"Subject: next\n\n")
    message = message.rstrip(b"\n") + end
    if crlf[0]:
        message = message.replace(b"\n", b"\r\n")
    if crlf[1]:
        mailbox = mailbox.replace(b"\n", b"\r\n")
    (tmp_path / "m.eml").write_bytes(b"\xef\xbb\xbf" * bom + message)
    (tmp_path / "m.mbox").write_bytes(b"\xef\xbb\xbf" * bom + mailbox)
    alone = next(EmlSource(tmp_path / "m.eml").records())
    among = next(MboxSource(tmp_path / "m.mbox").records())
    assert key_of(alone) == key_of(among)


def letter(**fields: Any) -> Record:
    return record(orjson.dumps({"bulkload": "dead-letter/1", **fields}), "letter")


def test_a_letters_first_key_is_kept_whatever_became_of_its_record() -> None:
    assert key_of(letter(key="k", record={"id": 1})) == "k"
    assert key_of(letter(key="k", record={"id": 1}), "id") == "k"
    assert key_of(letter(key="k", record=None)) == "k"
    for none in ("", None, 5, ["k"]):
        assert key_of(letter(key=none, record={"id": 1}), "id") == sha("1")


def test_a_letter_without_a_record_is_known_by_its_input_or_its_line() -> None:
    sent = {"properties": {"id": "x"}, "associations": []}
    assert key_of(letter(input=sent)) == sha(orjson.dumps(sent))
    assert key_of(letter(input=sent, record=None), "id") == sha("x")
    assert key_of(letter(input=sent, record={"id": "y"}), "id") == sha("y")
    for fields in ({}, {"record": None}, {"record": [1]}, {"record_base64": "!"}):
        one = letter(**fields)
        assert key_of(one) == sha(one.raw or b"")


def test_an_edited_row_in_a_letter_is_a_row() -> None:
    edited = letter(record={"b": 1.5, "a": "x", "c": None, "d": ""}, format="csv")
    assert key_of(edited) == sha('{"a":"x","b":1.5}')
    assert key_of(edited, "b") == key_of(row(b="1.5"), "b")


def test_a_line_among_letters_that_is_none_is_a_line() -> None:
    for raw in (b' {"id":1}', b"[1]", b"{"):
        assert key_of(record(raw, "letter")) == key_of(record(raw))
