"""Record → Input, and what a dead letter keeps so that it can be sent again."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.columns import from_json
from bulkload.errors import RecordError, UnmappableRecord, UnreadableRecord
from bulkload.mail.mine import Mine
from bulkload.model import Input, Kind, Mapped, Position, Record
from bulkload.records import mailing, mapping
from bulkload.records.content import letter_fields, letter_of
from bulkload.records.rules import Rules
from tests.making import mapped

MAIL = b"Date: Mon, 01 Jan 2024 10:00:00 +0000\nSubject: x\n\nbody\n"


def record(raw: bytes | None, kind: Kind = "json", **more: Any) -> Record:
    return Record(Position(7, 3), kind, raw, **more)


def letter(fields: dict[str, Any]) -> Record:
    shape = {
        "bulkload": "dead-letter/1",
        "run": "r1",
        "source": "a.ndjson",
        "position": {"at": 7, "number": 3},
        "ordinal": 5,
        "reason": "rejected",
        **fields,
    }
    return record(orjson.dumps(shape), "letter")


def test_numbers_are_sent_as_they_are_written() -> None:
    raw = b'{"a":1.10,"b":123456789012345678901234567890,"c":-0,"d":1E2,"e":true,"f":"x"}'
    assert mapped(record(raw)).properties == {
        "a": "1.10",
        "b": "123456789012345678901234567890",
        "c": "-0",
        "d": "1E2",
        "e": "true",
        "f": "x",
    }


def test_the_people_of_a_row_are_those_that_are_not_mine() -> None:
    columns = from_json({"properties": {"x": "x"}, "people": {"addresses": ["from", "to"]}})
    rules = Rules(mine=Mine.parse(["acme.de"]), columns=columns, people=True)
    fields = {"x": "1", "from": "Ada@acme.de", "to": "Bob@client.org; root@localhost"}
    row = record(None, "row", fields=fields)
    line = record(orjson.dumps(fields))
    for each in (row, line):
        made = mapping.map_record(each, rules)
        assert isinstance(made, Mapped)
        assert [who.email for who in made.people] == ["bob@client.org"]
        alone = mapping.map_record(each, replace(rules, people=False))
        assert isinstance(alone, Mapped)
        assert alone.people == ()


def test_numbers_in_associations_stay_numbers() -> None:
    raw = (
        b'{"properties":{"a":1.10},"associations":[{"to":{"id":5},'
        b'"types":[{"associationTypeId":198}]}]}'
    )
    made = mapped(record(raw))
    assert made.properties == {"a": "1.10"}
    assert made.associations == [{"to": {"id": 5}, "types": [{"associationTypeId": 198}]}]


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b'{"a":', "no valid JSON"),
        (b"[1]", "the line is an array"),
        (b'"secret"', "the line is a string"),
        (b"12", "the line is a number"),
        (b"true", "the line is a boolean"),
        (b"null", "the line is null"),
        (b"\xff", "no valid JSON"),
        (b'{"a":"\\ud800"}', "no valid JSON"),
        (b'{"a":NaN}', "no valid JSON"),
        (b"{'secret':1}", "no valid JSON"),
        (b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}", "no valid JSON"),
    ],
)
def test_unreadable_lines(raw: bytes, words: str) -> None:
    with pytest.raises(UnreadableRecord, match=words) as error:
        mapped(record(raw))
    assert "secret" not in str(error.value)


def test_a_flaw_is_the_letters_message() -> None:
    with pytest.raises(UnreadableRecord, match=r"^too large$"):
        mapped(record(None, flaw="too large"))


def test_rows_and_mail() -> None:
    assert mapped(record(b"1", "row", fields={"a": "1"})) == Input({"a": "1"}, [])
    made = mapped(record(MAIL, "mail"))
    assert made.properties["hs_timestamp"] == "1704103200000"


def test_a_crash_in_mapping_is_that_records_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(raw: bytes, zone: str) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(mailing, "read_email", crash)
    with pytest.raises(UnmappableRecord, match="mail record: ZeroDivisionError") as error:
        mapped(record(MAIL, "mail"))
    assert "secret" not in str(error.value)


@given(
    st.binary(max_size=200) | st.text(max_size=50).map(str.encode),
    st.sampled_from(["json", "row", "mail", "letter"]),
)
def test_any_bytes_end_as_an_input_or_a_record_error(raw: bytes, kind: Kind) -> None:
    one = record(raw, kind)
    with suppress(RecordError):
        mapped(one)
    orjson.dumps(letter_fields(one, None))


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
_keys = st.sampled_from(
    ["bulkload", "record", "record_base64", "input", "format", "properties", "associations", "a"]
)


@given(st.dictionaries(_keys, _json, max_size=6), st.sampled_from(["json", "letter"]))
def test_any_object_ends_as_an_input_or_a_record_error(obj: dict[str, Any], kind: Kind) -> None:
    one = record(json.dumps(obj).encode(), kind)
    try:
        made = mapped(one)
    except RecordError:
        pass
    else:
        assert all(type(value) is str for value in made.properties.values())
    orjson.dumps(letter_fields(one, None))


def sent_again(one: Record, value: Input | None = None) -> Record:
    return letter(orjson.loads(orjson.dumps(letter_fields(one, value))))


def test_a_letter_of_a_line_holds_its_text() -> None:
    raw = b'{ "b":1.10, "a":123456789012345678901234567890}'
    fields = letter_fields(record(raw), None)
    assert orjson.dumps(fields) == b'{"record":' + raw + b',"format":"ndjson"}'
    line = b'{"bulkload":"dead-letter/1",' + orjson.dumps(fields)[1:]
    assert mapped(record(line, "letter")) == mapped(record(raw))


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"[1]", {"record": "[1]"}),
        (b'{"a":', {"record": '{"a":'}),
        (b"\xff", {"record_base64": base64.b64encode(b"\xff").decode()}),
        (None, {"record": None}),
    ],
)
def test_a_letter_of_what_could_not_be_read(raw: bytes | None, expected: dict[str, object]) -> None:
    one = record(raw, flaw="x")
    assert letter_fields(one, None) == {**expected, "format": "ndjson"}
    with pytest.raises(UnreadableRecord):
        mapped(sent_again(one))


def test_a_letter_of_a_row_is_its_fields() -> None:
    one = record(b"1,", "row", fields={"a": "1"})
    assert letter_fields(one, None) == {"record": {"a": "1"}, "format": "csv"}
    assert mapped(sent_again(one)) == mapped(one)
    ragged = record(b"1,2,3", "row", flaw="ragged")
    assert letter_fields(ragged, None) == {"record": "1,2,3", "format": "csv"}
    with pytest.raises(UnreadableRecord, match="an object of properties"):
        mapped(sent_again(ragged))


def test_a_letter_of_a_message_holds_its_input_and_its_bytes() -> None:
    one = record(MAIL.replace(b"body", b"caf\xe9"), "mail")
    made = mapped(one)
    fields = letter_fields(one, made)
    assert set(fields) == {"record_base64", "format", "input"}
    assert fields["format"] == "mail"
    assert mapped(sent_again(one, made)) == made
    assert mapped(sent_again(one)) == made


def test_an_input_that_was_edited_is_sent_as_it_is() -> None:
    made = mapped(letter({"record": "x", "format": "mail", "input": {"properties": {"a": 1}}}))
    assert made == Input({"a": "1"}, [])


def test_a_letter_without_its_record_says_where_to_find_it() -> None:
    with pytest.raises(UnreadableRecord, match=r"read it from its source, a.ndjson, position 7"):
        mapped(letter({"record": None}))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"record": 5}, "the letter's record is a number"),
        ({"record_base64": "%"}, "no valid base64"),
        ({"record": "x", "format": "xml"}, "none of ndjson, csv, mail"),
    ],
)
def test_broken_letters(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(UnreadableRecord, match=words):
        mapped(letter(fields))


def test_a_plain_line_among_letters_is_a_record() -> None:
    one = record(b'{"a":1.10}', "letter")
    assert mapped(one).properties == {"a": "1.10"}
    assert orjson.dumps(letter_fields(one, None)) == b'{"record":{"a":1.10},"format":"ndjson"}'
    assert letter_of(one) is None


def test_a_letter_that_fails_again_keeps_its_content_and_its_first_origin() -> None:
    first = letter({"record": {"a": "1"}, "format": "ndjson"})
    fields = orjson.loads(orjson.dumps(letter_fields(first, mapped(first))))
    assert fields == {
        "record": {"a": "1"},
        "format": "ndjson",
        "origin": {
            "run": "r1",
            "ordinal": 5,
            "source": "a.ndjson",
            "position": {"at": 7, "number": 3},
        },
    }
    again = letter({**fields, "run": "r2", "ordinal": 1})
    assert orjson.loads(orjson.dumps(letter_fields(again, None))) == fields
    assert (letter_of(again) or {})["run"] == "r2"
