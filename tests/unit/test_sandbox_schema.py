"""Values are judged in HubSpot's words, and pass untouched or not at all."""

from __future__ import annotations

import pytest

from bulkload.sandbox.config import SandboxConfig
from bulkload.sandbox.objects import normalised
from bulkload.sandbox.properties import derived, email_schema
from bulkload.sandbox.schema import Property, Schema, milliseconds


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("foo", "x", "PROPERTY_DOESNT_EXIST"),
        ("hs_email_direction", "SIDEWAYS", "INVALID_OPTION"),
        ("hs_email_status", "LOST", "INVALID_OPTION"),
        ("hs_timestamp", "yesterday", "INVALID_DATE"),
        ("hs_timestamp", "2026-13-01T00:00:00Z", "INVALID_DATE"),
        ("hs_timestamp", "999999999999999", "INVALID_DATE"),
        ("hs_timestamp", "-99999999999999", "INVALID_DATE"),
        ("hs_timestamp", "0001-01-01T00:00:00+14:00", "INVALID_DATE"),
        ("hs_timestamp", "9999-12-31T23:59:59-14:00", "INVALID_DATE"),
        ("hs_timestamp", "\u0661\u0667", "INVALID_DATE"),
        ("hs_email_headers", "{from", "INVALID_JSON"),
        *(
            ("hubspot_owner_id", value, "INVALID_INTEGER")
            for value in ("ada", "nan", "inf", "1_000", " 12 ", "\u0663", "-", ".")
        ),
        ("hs_email_text", "x" * 65_537, "PROPERTY_VALUE_TOO_LONG"),
        ("hs_email_from_email", "a@b.c", "READ_ONLY_VALUE"),
        ("hs_unique_creation_key", "1", "READ_ONLY_VALUE"),
    ],
)
def test_a_bad_value_is_named(name: str, value: str, code: str) -> None:
    (found,) = email_schema(SandboxConfig()).find_faults({name: value})
    assert (found["name"], found["error"], found["isValid"]) == (name, code, False)


def test_good_values_pass() -> None:
    assert not email_schema(SandboxConfig()).find_faults(
        {
            "hs_timestamp": "2026-11-24T16:00:00.123Z",
            "hs_email_direction": "EMAIL",
            "hs_email_text": "x" * 65_536,
            "hs_email_headers": '{"from":{"email":"a@b.c"}}',
            "hubspot_owner_id": "41629779",
            "bulkload_key": "k",
            "bulkload_run": "r",
        }
    )


def test_a_bare_portal_lacks_our_properties() -> None:
    bare = email_schema(SandboxConfig(bare=True)).properties
    only = email_schema(SandboxConfig(only_key=True)).properties
    assert "bulkload_key" not in bare
    assert "bulkload_run" not in bare
    assert "bulkload_key" in only
    assert "bulkload_run" not in only


def test_dates_are_read_as_hubspot_reads_them() -> None:
    assert milliseconds("1700000000000") == 1_700_000_000_000
    assert milliseconds("1970-01-01T00:00:01Z") == 1000
    assert milliseconds("1970-01-01") == 0
    assert milliseconds("24.11.2026") is None


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("-62135596800000", "0001-01-01T00:00:00.000Z"),
        ("253402300799999", "9999-12-31T23:59:59.999Z"),
        ("0001-01-01T14:00:00+14:00", "0001-01-01T00:00:00.000Z"),
        ("2026-11-24T16:00:00.123Z", "2026-11-24T16:00:00.123Z"),
        ("-1", "1969-12-31T23:59:59.999Z"),
    ],
)
def test_every_date_that_is_taken_can_be_shown(value: str, shown: str) -> None:
    assert not email_schema(SandboxConfig()).find_faults({"hs_timestamp": value})
    assert normalised({"hs_timestamp": value}) == {"hs_timestamp": shown}


def test_what_is_derived_comes_from_the_headers() -> None:
    values = {
        "hs_email_headers": '{"from":{"email":"a@b.c","firstName":"A"},'
        '"to":[{"email":"x@y.z"},{"email":"u@v.w"}],"cc":[]}'
    }
    assert derived(values) == {
        "hs_email_from_email": "a@b.c",
        "hs_email_from_firstname": "A",
        "hs_email_to_email": "x@y.z;u@v.w",
    }
    assert derived({}) == {}


def test_a_boolean_is_one_of_two_words() -> None:
    schema = Schema([Property("done", "bool")])
    assert [one["error"] for one in schema.find_faults({"done": "maybe"})] == ["INVALID_BOOLEAN"]
    assert not any(schema.find_faults({"done": value}) for value in ("true", "false", ""))


def test_numbers_are_numbers() -> None:
    schema = Schema([Property("n", "number")])
    assert not any(schema.find_faults({"n": one}) for one in ("1", "-1.5", ".5", "1e9", "5.", ""))
