"""Email, object, row → HubSpot's input."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bulkload.errors import UnmappableRecord
from bulkload.hubspot.properties import as_json, from_email, from_object, from_row
from bulkload.model import Address, Email, Input

EMAIL = Email(
    sent_at=1_700_000_000_123,
    subject="Hello",
    text="text",
    html="<p>",
    sender=(Address("s@x"),),
    from_=(Address("a@x", "Ada", "Lovelace"), Address("second@x")),
    to=(Address("b@x"), Address("c@x", "C")),
    bcc=(Address("d@x"),),
)


def test_an_email_becomes_every_property() -> None:
    made, notes = from_email(EMAIL)
    assert notes == ()
    headers = json.loads(made.properties.pop("hs_email_headers"))
    assert made == Input(
        {
            "hs_timestamp": "1700000000123",
            "hs_email_direction": "EMAIL",
            "hs_email_status": "SENT",
            "hs_email_subject": "Hello",
            "hs_email_text": "text",
            "hs_email_html": "<p>",
        },
        [],
    )
    assert headers == {
        "from": {"email": "a@x", "firstName": "Ada", "lastName": "Lovelace"},
        "sender": {"email": "s@x"},
        "to": [{"email": "b@x"}, {"email": "c@x", "firstName": "C"}],
        "bcc": [{"email": "d@x"}],
    }


def test_what_an_email_has_not_is_left_out() -> None:
    made, _ = from_email(Email(sent_at=1, subject="", text="", html=""))
    assert set(made.properties) == {"hs_timestamp", "hs_email_direction", "hs_email_status"}


def test_an_email_without_a_date_says_where_it_was_looked_for() -> None:
    email = Email(None, "secret", "secret", "", notes=("the date of the Date header is empty",))
    with pytest.raises(UnmappableRecord, match=r"Date header, the mbox line .*Received") as error:
        from_email(email)
    assert "Date header is empty" in str(error.value)
    assert "secret" not in str(error.value)


def test_both_shapes_of_an_object() -> None:
    assert from_object({"a": "1"}) == Input({"a": "1"}, [])
    association = {"to": {"id": "1"}, "types": [{"associationTypeId": 198}]}
    made = from_object(
        {"properties": {"a": "1"}, "associations": [association], "objectWriteTraceId": "t"}
    )
    assert made == Input({"a": "1"}, [association], "t")
    assert from_object(as_json(made)) == made
    assert from_object({"properties": {"a": "1"}, "associations": None}) == Input({"a": "1"}, [])
    assert from_object({"properties": "a word"}) == Input({"properties": "a word"}, [])


def test_values_become_their_json_text() -> None:
    made = from_object({"a": 12, "b": True, "c": False, "d": 1.5, "e": None, "f": ""})
    assert made.properties == {"a": "12", "b": "true", "c": "false", "d": "1.5", "f": ""}


@pytest.mark.parametrize(
    ("obj", "words"),
    [
        ({"a": ["secret"]}, "property 'a' is an array"),
        ({"a": {"b": "secret"}}, "property 'a' is an object"),
        ({"properties": {"a": {"b": "secret"}}}, "property 'a' is an object"),
        ({"properties": {"a": "1"}, "id": "secret"}, "unknown key 'id'"),
        ({"properties": {"a": "1"}, "associations": {"secret": 1}}, "associations is an object"),
        ({"properties": {"a": "1"}, "associations": ["secret"]}, r"associations\[0\]"),
        ({"properties": {"a": "1"}, "objectWriteTraceId": 1}, "objectWriteTraceId is a number"),
        ({"properties": {}}, "no properties"),
        ({"a": None}, "no properties"),
        ({}, "no properties"),
        ({"": "secret"}, "empty name"),
        ({"a": float("nan")}, "property 'a' is a number"),
    ],
)
def test_what_can_not_be_mapped(obj: dict[str, Any], words: str) -> None:
    with pytest.raises(UnmappableRecord, match=words) as error:
        from_object(obj)
    assert "secret" not in str(error.value)


def test_a_row_is_its_cells_that_hold_something() -> None:
    assert from_row({"a": "1", "b": ""}) == Input({"a": "1"}, [])
    with pytest.raises(UnmappableRecord, match="every cell is empty"):
        from_row({})
