"""Columns → properties: what a mapping says is what is sent, or the record is a dead letter."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bulkload.columns import Associate, Columns, fields_of, from_json, parse
from bulkload.columns.flat import flat
from bulkload.columns.record import texts_of
from bulkload.columns.times import NAMED, flaw, moment
from bulkload.columns.writing import as_toml
from bulkload.errors import RecordError, RefusedToStart, UnmappableRecord
from bulkload.model import Input, Kind, Position, Record

EVERYTHING = """
[properties]
hs_email_subject = "subject"
hs_email_direction = { constant = "INCOMING_EMAIL" }
hs_email_text = { template = "{greeting} {body} {{{n}}}" }
hs_timestamp = { column = "sent", format = ["%d.%m.%Y %H:%M", "iso"], timezone = "Europe/Berlin" }
hs_email_status = { column = "state", values = { ok = "SENT", "no go" = "FAILED" } }
hs_email_headers = { from = { email = "sender", name = "called" }, to = ["to1", "to2"] }
[associations]
contacts = "contact_id"
companies = ["company", "parent"]
[people]
addresses = ["sender", "to1"]
"""

ROW = {
    "subject": "Hello",
    "greeting": "Dear all,",
    "body": "text",
    "n": "1.10",
    "sent": "01.07.2024 12:00",
    "state": "ok",
    "sender": "Ada@X.example",
    "called": "Ada Lovelace",
    "to1": 'b@x.example; "C; D" <c@x.example>',
    "to2": "E F <e@x.example>, g@x.example",
    "contact_id": "12; 13,12",
    "company": "7",
    "unknown": "x",
}


def columns(toml: str, *maps: str, **more: Any) -> Columns:
    return parse(maps, toml, **more)


def one(rule: str, **fields: str) -> str | None:
    """What a single rule makes of the fields; a column beside it keeps the record alive."""
    made = (
        columns(f'[properties]\nalive = "alive"\nx = {rule}').mapped({"alive": "1", **fields}).input
    )
    return made.properties.get("x")


def test_a_row_becomes_what_the_file_says() -> None:
    made = columns(EVERYTHING).mapped(ROW)
    headers = json.loads(made.input.properties.pop("hs_email_headers"))
    assert made.input.properties == {
        "hs_email_subject": "Hello",
        "hs_email_direction": "INCOMING_EMAIL",
        "hs_email_text": "Dear all, text {1.10}",
        "hs_timestamp": "1719828000000",
        "hs_email_status": "SENT",
    }
    assert headers["from"] == {"email": "Ada@X.example", "firstName": "Ada", "lastName": "Lovelace"}
    assert [to["email"] for to in headers["to"]] == [
        "b@x.example",
        "c@x.example",
        "e@x.example",
        "g@x.example",
    ]
    assert [(tie["to"]["id"], tie["types"]) for tie in made.input.associations] == [
        (found, [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": kind}])
        for found, kind in (("12", 198), ("13", 198), ("7", 186))
    ]
    assert tuple(each.email for each in made.people) == (
        "ada@x.example",
        "b@x.example",
        "c@x.example",
    )
    assert made.notes == ()


def test_without_anything_each_column_is_a_property_as_ever() -> None:
    assert parse().mapped({"a": " 1 ", "b": ""}).input == Input({"a": " 1 "}, [])
    with pytest.raises(UnmappableRecord, match="every cell is empty"):
        parse().mapped({"a": ""})


def test_a_map_alone_drops_the_rest_and_says_so() -> None:
    made = columns("", "hs_email_subject=title,hs_timestamp=at")
    assert made.mapped({"title": "t", "at": "1", "other": "o"}).input.properties == {
        "hs_email_subject": "t",
        "hs_timestamp": "1",
    }
    assert made.unused(["title", "at", "other"]) == ["other"]


def test_what_flags_say_goes_before_the_file() -> None:
    made = columns(EVERYTHING, "hs_email_status=raw_state")
    assert made.mapped({**ROW, "raw_state": "SENT"}).input.properties["hs_email_status"] == "SENT"
    assert "state" not in made.used


def test_the_rest_is_kept_where_the_file_says_so() -> None:
    made = columns('[options]\nrest = "keep"\n[properties]\nx = { template = "<{a}>" }')
    assert made.mapped({"a": "1", "b": "2", "x": "taken"}).input.properties == {
        "x": "<1>",
        "b": "2",
    }
    assert made.unused(["a", "b"]) == []


def test_an_association_column_is_no_property_where_nothing_else_is_mapped() -> None:
    made = parse(associate=["deals=deal", "tickets=t"])
    found = made.mapped({"deal": "5", "hs_email_subject": "s"}).input
    assert found.properties == {"hs_email_subject": "s"}
    assert [tie["types"][0]["associationTypeId"] for tie in found.associations] == [210]


def test_a_constant_alone_makes_no_record() -> None:
    made = columns('[properties]\na = { constant = "x" }\nb = "b"')
    with pytest.raises(UnmappableRecord, match="every column that is mapped is empty"):
        made.mapped({"c": "c"})


def test_an_empty_cell_makes_no_property() -> None:
    assert one('"a"', a="") is None
    assert one('{ column = "a", format = "iso" }', a=" ") is None
    assert one('{ column = "a", values = { ok = "SENT" }, otherwise = "SENT" }') is None
    assert one('{ column = "a", values = { "" = "SENT" } }') == "SENT"
    assert one('{ template = "{a}{b}!" }') is None
    assert one('{ from = "a" }') is None


@pytest.mark.parametrize(
    ("form", "text", "utc"),
    [
        ("iso", "2024-01-31", "2024-01-31T00:00:00"),
        ("iso", "2024-01-31T10:00:00Z", "2024-01-31T10:00:00"),
        ("iso", "2024-01-31 10:00:00 UTC", "2024-01-31T10:00:00"),
        ("iso", "2024-01-31 10:00:00 +0100", "2024-01-31T09:00:00"),
        ("iso", "2024-01-31T10:00:00.250+01:00", "2024-01-31T09:00:00.250"),
        ("epoch", "1706695200", "2024-01-31T10:00:00"),
        ("epoch", "1706695200.25", "2024-01-31T10:00:00.250"),
        ("epoch-ms", "1706695200250", "2024-01-31T10:00:00.250"),
        ("rfc5322", "Wed, 31 Jan 2024 10:00:00 +0100 (CET)", "2024-01-31T09:00:00"),
        ("rfc5322", "Wed Jan 31 10:00:00 2024", "2024-01-31T10:00:00"),
        ("rfc5322", "31 Jan 2024 10:00 PM", "2024-01-31T22:00:00"),
        ("rfc5322", "31 Jan 2024 00:30 PM", "2024-01-31T12:30:00"),
        ("rfc5322", "31 Jan 2024 10:00 JST", "2024-01-31T01:00:00"),
        ("rfc5322", "31 Jan 2024 10:00 GMT+0100", "2024-01-31T09:00:00"),
        ("rfc5322", "31 Jan 2024 10:00 UTC+2", "2024-01-31T08:00:00"),
        ("rfc5322", "31 Jan 2024 10:00 +01:00", "2024-01-31T09:00:00"),
        ("rfc5322", "31 Jan 2024 10:00 +01", "2024-01-31T09:00:00"),
        ("%d.%m.%Y %H:%M", "31.01.2024 10:00", "2024-01-31T10:00:00"),
        ("%m/%d/%Y %I:%M %p", " 1/31/2024 10:00 pm ", "2024-01-31T22:00:00"),
        ("%d %b %Y", "31 Jan 2024", "2024-01-31T00:00:00"),
        ("%Y-%m-%d %H:%M:%S %z", "2024-01-31 10:00:00 -0500", "2024-01-31T15:00:00"),
    ],
)
def test_dates_are_read_by_their_format(form: str, text: str, utc: str) -> None:
    expected = datetime.fromisoformat(utc).replace(tzinfo=UTC).timestamp() * 1000
    assert one(f'{{ column = "a", format = "{form}" }}', a=text) == str(int(expected))


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("iso", "31.01.2024"),
        ("iso", "0024-01-31"),
        ("iso", "9999-12-31"),
        ("iso", "2024-01-31+01:00"),
        ("iso", "2024-01-31 -05:00"),
        ("iso", "2024-01-31 UTC"),
        ("iso", "2024-01-31-05"),
        ("epoch", "1706695200250"),
        ("epoch", "1e9"),
        ("epoch", "٣"),
        ("epoch-ms", "99999999999999"),
        ("%d.%m.%Y", "31.02.2024"),
        ("%d.%m.%Y", "31.01.2024 10:00"),
        ("%Y-%m-%d %z", "2024-01-31 +9959"),
        ("rfc5322", "nonsense"),
        ("rfc5322", "31 Jan 2024"),
        ("rfc5322", "1/2/2024 10:00 PM"),
        ("rfc5322", "31 Jan 2024 10:00 XYZ"),
        ("rfc5322", "31 Jan 2024 10:00 +9999"),
    ],
)
def test_what_is_no_such_date_is_a_dead_letter(form: str, text: str) -> None:
    with pytest.raises(UnmappableRecord, match=r"x: column 'a' holds no date of the format") as why:
        one(f'{{ column = "a", format = "{form}" }}', a=text)
    assert text not in str(why.value)


def test_a_day_and_an_hour_in_two_columns_are_one_date() -> None:
    rule = (
        '{ template = "{a} {b}", format = ["%d.%m.%Y %H:%M", "%d.%m.%Y"], timezone = "Asia/Tokyo" }'
    )
    assert one(rule, a="01.07.2024", b="09:00") == "1719792000000"
    assert one(rule, a="01.07.2024", b="") == "1719759600000"
    with pytest.raises(UnmappableRecord, match=r"columns 'a', 'b' hold no date of the format"):
        one(rule, a="01.07.2024", b="nine")
    empty = columns(f"[properties]\nx = {rule}\ny = 'y'").mapped({"a": "", "b": "", "y": "y"}).input
    assert empty.properties == {"y": "y"}


def test_clock_times_are_those_of_the_zone() -> None:
    rule = '{ column = "a", timezone = "America/New_York" }'
    header = rule.replace("timezone", 'format = "rfc5322", timezone')
    assert one(header, a="1 Jul 2024 08:00") == "1719835200000"
    assert one(header, a="1 Jul 2024 08:00 -0000") == "1719820800000"
    assert one(rule, a="2024-07-01 08:00") == "1719835200000"
    assert one(rule, a="2024-01-01 08:00") == "1704114000000"
    assert one(rule, a="2024-07-01 08:00Z") == "1719820800000"
    given_once = columns(
        '[properties]\nx = { column = "a", format = "iso" }', timezone="Asia/Tokyo"
    )
    assert given_once.mapped({"a": "2024-07-01 09:00"}).input.properties == {"x": "1719792000000"}
    assert from_json(given_once.as_json()) == given_once


def test_a_word_that_is_not_listed_is_a_dead_letter_or_noted() -> None:
    listed = '{ column = "a", values = { ok = "SENT" } }'
    assert one(listed, a=" ok ") == "SENT"
    with pytest.raises(UnmappableRecord, match="x: column 'a' holds a value that its") as why:
        one(listed, a="secret")
    assert "secret" not in str(why.value)
    made = columns(
        '[properties]\nx = { column = "a", values = { ok = "SENT" }, otherwise = "FAILED" }'
    ).mapped({"a": "secret"})
    assert made.input.properties == {"x": "FAILED"}
    assert made.notes == ("x: `otherwise` of column 'a': its value is not listed",)


def test_what_is_no_address_beside_others_is_noted() -> None:
    made = columns('[properties]\nx = { to = "t" }').mapped({"t": "a@x.com; john@@doe.com"})
    assert orjson.loads(str(made.input.properties["x"])) == {"to": [{"email": "a@x.com"}]}
    assert made.notes == ("x: to: 1 without an address in column 't', left out",)


def test_a_cell_of_addresses_without_one_is_noted() -> None:
    made = columns('[properties]\nx = { from = "f", to = "t" }\ny = "y"')
    found = made.mapped({"f": "a@x.example, b@x.example", "t": "Ada", "y": "y"})
    assert json.loads(found.input.properties["x"]) == {"from": {"email": "a@x.example"}}
    assert found.notes == ("x: to: no address in column 't'", "x: from: the first of 2 addresses")


def test_names_in_another_column_belong_to_their_addresses() -> None:
    rule = '{ to = { email = "e", name = "n" } }'
    found = json.loads(one(rule, e="a@x.example;b@x.example", n="Ada L;Bob M") or "")
    assert [to["firstName"] for to in found["to"]] == ["Ada", "Bob"]
    quoted = json.loads(one(rule, e="a@x.example", n='Ada "The; One" L') or "")
    assert quoted["to"][0]["firstName"] == "Ada"
    apart = columns(f"[properties]\nx = {rule}").mapped({"e": "a@x.example;b@x.example", "n": "A"})
    assert json.loads(apart.input.properties["x"])["to"][0] == {"email": "a@x.example"}
    assert "names left out" in apart.notes[0]


def test_a_long_cell_takes_no_longer_than_its_length() -> None:
    hostile = '"\\' * 200_000
    rule = '{ to = "a" }'
    assert (
        json.loads(one(rule, a=f"x@x.example;{hostile}") or "")["to"][0]["email"] == "x@x.example"
    )
    assert json.loads(one(rule, a=f"x@x.example;{':' * 200_000}") or "")["to"]
    with pytest.raises(UnmappableRecord):
        one('{ column = "a", format = ["iso", "epoch"] }', a="1" + " " * 200_000 + "1")


def test_an_id_that_is_none_is_a_dead_letter() -> None:
    with pytest.raises(
        UnmappableRecord, match="contacts: column 'c' holds something that is no id"
    ):
        parse(associate=["contacts=c"]).mapped({"c": "12.0", "b": "b"})


def test_a_message_is_tied_by_its_headers() -> None:
    ties = Associate.parse("companies=X-Company", "deals=X-Deal-Id")
    headers = {"X-Deal-Id": ["5", "6, 7"]}
    found = ties.of_headers(lambda name: headers.get(name, []))
    assert [tie["to"]["id"] for tie in found] == ["5", "6", "7"]
    with pytest.raises(UnmappableRecord, match="companies: header 'X-Company'"):
        ties.of_headers(lambda _: ["none"])
    assert Associate.from_json(ties.as_json()) == ties


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("x =", "m.toml: is no valid TOML: .*"),
        ("[propertis]", "m.toml: there is no 'propertis' here .did you mean 'properties'.*"),
        ("properties = 1", r"m.toml: \[properties\]: expected a table"),
        ("[properties]\na = 1", r"m.toml: \[properties\] a: expected a column in quotes"),
        ('[properties]\na = ""', r"\[properties\] a: expected a column's name"),
        ('[properties]\n"a b" = "c"', r"\[properties\]: 'a b' is no property's name"),
        ('[properties]\na = { constnt = "x" }', "'constnt' here .did you mean 'constant'"),
        ('[properties]\na = { column = "x", constant = "y" }', "expected one of column"),
        ('[properties]\na = { template = "{x}", values = {} }', "'values' goes with a column"),
        ('[properties]\na = { template = "x" }', r"a.template: names no column"),
        ('[properties]\na = { template = "ab{x" }', "a.template: the brace at character 3"),
        ('[properties]\na = { template = "ab}" }', "a.template: the brace at character 3 closes"),
        ('[properties]\na = { column = "x", format = "YYYY" }', "a.format: 'YYYY' is none of iso"),
        ('[properties]\na = { column = "x", format = [] }', "a.format: expected a format"),
        ('[properties]\na = { column = "x", format = "%d.%m" }', "has no year"),
        ('[properties]\na = { column = "x", format = "%Y" }', "has no day and month"),
        ('[properties]\na = { column = "x", format = "%d%m%Y%Z" }', "has the code %Z"),
        ('[properties]\na = { column = "x", format = "%d%m%Y%" }', "has the code %;"),
        ('[properties]\na = { column = "x", format = "%d%d%m%Y" }', "has a code twice"),
        ('[properties]\na = { column = "x", format = "%d%m%Y %H %p" }', "has %p without %I"),
        ('[properties]\na = { column = "x", format = "%d%m%Y %I" }', "has %I without %p"),
        ('[properties]\na = { column = "x", format = "%d%m%Y %H %I %p" }', "has %H and %I"),
        ('[properties]\na = { column = "x", timezone = "Berlin/Europe" }', "is no time zone"),
        ('[properties]\na = { column = "x", timezone = ".." }', "is no time zone"),
        ('[properties]\na = { column = "x", otherwise = "y" }', "`otherwise` goes with `values`"),
        ('[properties]\na = { column = "x", format = "iso", values = {} }', "not both"),
        ('[properties]\na = { column = "x", values = { y = [] } }', r"a.values.'y': expected text"),
        ("[properties]\na = { constant = 2024-01-01 }", "a.constant: expected text in quotes"),
        ('[properties]\na = { from = "x", constant = "y" }', "'from' makes a header of addresses"),
        ("[properties]\na = { from = [] }", "expected a column of addresses"),
        ('[properties]\na = { from = { mail = "x" } }', "a.from: there is no 'mail' here"),
        ('[associations]\ncontact = "x"', r"\[associations\]: there is no kind 'contact' .did you"),
        ("[associations]\ncontacts = 1", r"\[associations\] contacts: expected a column's name"),
        ('[people]\naddress = "x"', r"\[people\]: there is no 'address' here"),
        ("[people]\naddresses = [1]", r"\[people\] addresses: expected a column's name"),
        ('[options]\nrest = "hold"', r'\[options\] rest: expected "drop" or "keep"'),
    ],
)
def test_what_cannot_be_meant_is_refused_where_it_stands(toml: str, says: str) -> None:
    with pytest.raises(RefusedToStart, match=says):
        parse((), toml, file="m.toml")


@pytest.mark.parametrize(
    ("maps", "says"),
    [
        ("subject", "--map subject: expected PROPERTY=COLUMN"),
        ("=subject", "expected PROPERTY=COLUMN"),
        ("a=", "expected PROPERTY=COLUMN"),
        ("a=b,a=c", "--map a=c: the property is named twice"),
        ("a b=c", "'a b' is no property's name"),
    ],
)
def test_a_flag_that_cannot_be_meant_is_refused(maps: str, says: str) -> None:
    with pytest.raises(RefusedToStart, match=says):
        parse([maps])


@pytest.mark.parametrize("given_text", ["contacts", "contacts=", "contact=x"])
def test_an_association_that_cannot_be_meant_is_refused(given_text: str) -> None:
    with pytest.raises(RefusedToStart, match="--associate"):
        Associate.parse(given_text)


def test_a_column_that_the_table_lacks_is_refused_with_the_nearest() -> None:
    made = columns("", "hs_email_subject=Subjct")
    with pytest.raises(RefusedToStart, match=r"a.csv: has no column 'Subjct'.*mean 'subject'"):
        made.check(["subject", "date"], "a.csv")
    made.check(["Subjct"], "a.csv")


def _record(raw: bytes | None, kind: Kind = "json", **more: Any) -> Record:
    return Record(Position(0, 1), kind, raw, **more)


@given(st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=5))
def test_an_object_of_texts_is_the_row_that_it_would_be_by_paths(texts: dict[str, str]) -> None:
    raw = orjson.dumps(texts)
    assert fields_of(_record(raw)) == flat(texts_of(raw))


def test_an_object_is_a_row_by_paths() -> None:
    raw = (
        b'{"a": 1.10, "n": 123456789012345678901234567890, "from": {"email": "a@x", "ok": true},'
        b' "to": [{"email": "b@x"}, {"email": "c@x"}], "none": null, "tags": ["x", "y"]}'
    )
    assert fields_of(_record(raw)) == {
        "a": "1.10",
        "n": "123456789012345678901234567890",
        "from.email": "a@x",
        "from.ok": "true",
        "to.email": "b@x;c@x",
        "tags": "x;y",
    }


@pytest.mark.parametrize(
    "record",
    [
        _record(b"[1]"),
        _record(b"{"),
        _record(None),
        _record(b"x", flaw="ragged"),
        _record(b'{"a": 1e999}'),
        _record(b'{"a":' * 900 + b"1" + b"}" * 900),
        _record(b'{"a":' * 40 + b"1" + b"}" * 40),
    ],
)
def test_what_is_no_object_says_so(record: Record) -> None:
    with pytest.raises(RecordError):
        fields_of(record)


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PROPERTIES = NAMES.filter(lambda name: not any(sign.isspace() for sign in name))
FORMS = st.sampled_from(
    [*NAMED, "%d.%m.%Y", "%m/%d/%y %I:%M %p", "%Y-%m-%dT%H:%M:%S%z", "%j %Y %H.%M", "%d %b %Y"]
)
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu"])
ONE_OR_MORE = st.one_of(NAMES, st.lists(NAMES, min_size=1, max_size=2))
RULES = st.one_of(
    NAMES,
    st.fixed_dictionaries({"constant": TEXTS}),
    st.builds(
        lambda text, name: {"template": f"{text}{{{name}}}"},
        TEXTS.map(lambda text: text.replace("{", "{{").replace("}", "}}")),
        NAMES.filter(lambda name: not {"{", "}"} & set(name)),
    ),
    st.fixed_dictionaries(
        {
            "column": NAMES,
            "format": st.one_of(FORMS, st.lists(FORMS, min_size=1, max_size=3)),
            "timezone": ZONES,
        }
    ),
    st.fixed_dictionaries({"template": st.just("{a} {b}"), "format": FORMS, "timezone": ZONES}),
    st.fixed_dictionaries(
        {"column": NAMES, "values": st.dictionaries(TEXTS, TEXTS, max_size=3)},
        optional={"otherwise": TEXTS},
    ),
    st.dictionaries(
        st.sampled_from(["from", "to", "cc", "bcc", "sender"]),
        st.one_of(ONE_OR_MORE, st.fixed_dictionaries({"email": NAMES, "name": NAMES})),
        min_size=1,
    ),
)
MAPPINGS = st.fixed_dictionaries(
    {},
    optional={
        "properties": st.dictionaries(PROPERTIES, RULES, max_size=4),
        "associations": st.dictionaries(
            st.sampled_from(["contacts", "companies", "deals", "tickets"]), ONE_OR_MORE
        ),
        "people": st.fixed_dictionaries({"addresses": st.lists(NAMES, max_size=3)}),
        "options": st.fixed_dictionaries({"rest": st.sampled_from(["drop", "keep"])}),
    },
).map(from_json)
CELLS = st.one_of(
    TEXTS,
    st.sampled_from(["31.12.2024", "2024-02-30", "1700000000", "1e5", "a@b.c; d@e.f", "1;2", "-1"]),
    st.from_regex(r"[0-9]{1,20}([./: -][0-9]{1,4}){0,6}", fullmatch=True),
    st.datetimes().map(str),
)


@given(MAPPINGS, st.data())
def test_mapping_raises_nothing_but_its_own(made: Columns, drawn: st.DataObject) -> None:
    names = st.sampled_from(sorted(made.used) or ["x"]) | NAMES
    fields = drawn.draw(st.dictionaries(names, CELLS, max_size=8))
    try:
        found = made.mapped(fields)
    except UnmappableRecord:
        return
    assert found.input.properties
    orjson.dumps(found.input.properties)
    assert {type(text) for text in found.input.properties.values()} == {str}
    assert all(found.input.properties.values())


def test_words_that_differ_by_their_blanks_are_one_also_when_they_are_kept() -> None:
    made = from_json(
        {"properties": {"a": {"column": "b", "values": {"ok": "SENT", " ok": "FAILED"}}}}
    )
    for each in (made, from_json(made.as_json())):
        assert each.mapped({"b": "ok"}).input.properties == {"a": "SENT"}


@given(MAPPINGS)
def test_a_mapping_is_kept_and_written_whole(made: Columns) -> None:
    assert from_json(orjson.loads(orjson.dumps(made.as_json()))) == made
    assert parse((), as_toml(made, {"[options]": ["a\nremark\x00"]}, ["end"])) == made


@example(datetime(1949, 4, 10, 2, fold=1), "Europe/Berlin", "iso")  # noqa: DTZ001  # as below
@given(
    st.datetimes(datetime(1901, 1, 1), datetime(2198, 1, 1)),  # noqa: DTZ001  # clock times
    ZONES,
    st.sampled_from(["%d.%m.%Y %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "iso", "epoch", "epoch-ms"]),
)
def test_a_date_that_is_written_by_a_format_is_read_by_it(
    clock: datetime, zone: str, form: str
) -> None:
    # Of an hour that comes twice a text does not say which: the first is meant.
    when = clock.replace(microsecond=0, fold=0, tzinfo=ZoneInfo(zone))
    ms = (when - datetime(1970, 1, 1, tzinfo=UTC)) // (datetime.resolution * 1000)
    written = {
        "iso": str(clock.replace(microsecond=0)),
        "epoch": str(ms // 1000),
        "epoch-ms": str(ms),
    }
    assert moment(written.get(form) or clock.strftime(form), form, zone) == ms


@given(
    st.lists(st.sampled_from([*(f"%{code}" for code in "aAbBdmyYHIMSfpjzZcUG%"), "(", "[", " "])),
    st.text(max_size=12),
)
def test_a_format_without_a_flaw_never_raises(codes: list[str], text: str) -> None:
    form = "".join(["%d", "%m", *codes, "%Y"])
    if flaw(form) is None:
        moment(text, form, "UTC")
        assert moment(datetime(2024, 1, 2, tzinfo=UTC).strftime(form), form, "UTC") is not None


@given(st.text(st.sampled_from("{}ab "), max_size=12))
def test_a_template_gives_its_text_back(text: str) -> None:
    escaped = text.replace("{", "{{").replace("}", "}}")
    made = from_json({"properties": {"x": {"template": f"{escaped}{{c}}"}}})
    assert made.mapped({"c": "1.10"}).input.properties == {"x": f"{text}1.10"}


@given(
    st.from_regex(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)
)
def test_a_number_arrives_as_it_is_written(number: str) -> None:
    fields = fields_of(_record(b'{"deep": {"n": %s}}' % number.encode()))
    assert columns("", "x=deep.n").mapped(fields).input.properties == {"x": number}
