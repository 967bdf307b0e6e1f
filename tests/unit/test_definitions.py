"""What a portal's definitions would refuse: only what they leave no doubt about."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.hubspot.definitions import LONGEST, Complaint, Definitions, read
from bulkload.sandbox.config import SandboxConfig
from bulkload.sandbox.properties import email_schema
from tests.making import reply

OPTIONS = [{"value": "EMAIL"}, {"value": "INCOMING_EMAIL"}]
ANSWER = {
    "results": [
        {"name": "hs_timestamp", "type": "datetime"},
        {"name": "hs_email_subject", "type": "string"},
        {"name": "way", "type": "enumeration", "fieldType": "select", "options": OPTIONS},
        {"name": "ways", "type": "enumeration", "fieldType": "checkbox", "options": OPTIONS},
        {"name": "owner", "type": "enumeration", "externalOptions": True, "options": []},
        {
            "name": "user",
            "type": "enumeration",
            "referencedObjectType": "OWNER",
            "options": OPTIONS,
        },
        {"name": "size", "type": "number"},
        {"name": "flag", "type": "bool"},
        {"name": "made", "type": "string", "modificationMetadata": {"readOnlyValue": True}},
        {"name": "sum", "type": "number", "calculated": True},
        {"name": "bulkload_key", "type": "string", "hasUniqueValue": True},
    ]
}
DEFINITIONS = read(reply(200, ANSWER))
GOOD = {"hs_timestamp": "1700000000000"}


def why(**properties: str) -> list[str]:
    return [each.why for each in DEFINITIONS.complaints(GOOD | properties)]


@pytest.mark.parametrize(
    ("properties", "complaint"),
    [
        ({"nowhere": "x"}, "no such property"),
        ({"made": "x"}, "read-only"),
        ({"sum": "1"}, "read-only"),
        ({"way": "email"}, "none of its options: EMAIL, INCOMING_EMAIL"),
        ({"way": "EMAIL;INCOMING_EMAIL"}, "none of its options"),
        ({"ways": "EMAIL;SOME"}, "none of its options"),
        ({"size": "twelve"}, "not a number"),
        ({"flag": "yes"}, "neither true nor false"),
        ({"hs_timestamp": "yesterday"}, "neither milliseconds"),
        ({"hs_email_subject": "x" * (LONGEST + 1)}, "longer than 65,536 characters"),
        ({"hs_timestamp": ""}, "required"),
    ],
)
def test_what_is_refused(properties: dict[str, str], complaint: str) -> None:
    (found,) = why(**properties)
    assert complaint in found
    assert not any(len(value) > 3 and value in found for value in properties.values())


@pytest.mark.parametrize(
    "properties",
    [
        {"way": "EMAIL", "ways": "EMAIL;INCOMING_EMAIL", "owner": "77", "user": "12"},
        {"size": "-1.5e3", "flag": "true", "hs_email_subject": "x" * LONGEST},
        {"way": "", "size": ""},
        {"hs_timestamp": "2024-02-29T12:00:00Z"},
        {"bulkload_key": "k"},
    ],
)
def test_what_is_taken(properties: dict[str, str]) -> None:
    assert why(**properties) == []


def test_where_the_portal_does_not_tell_only_what_hubspot_requires_is_missed() -> None:
    for answer in (reply(403, {"status": "error", "message": "no"}), reply(200, {"results": 3})):
        found = read(answer)
        assert found.trouble
        assert found.complaints({"nowhere": "x", "hs_timestamp": "1"}) == ()
        assert [each.name for each in found.complaints({"nowhere": "x"})] == ["hs_timestamp"]


def test_unique_is_read() -> None:
    assert DEFINITIONS.known["bulkload_key"].unique
    assert not DEFINITIONS.known["way"].unique


def test_a_mapping_is_hopeless_where_every_record_is_refused_alike() -> None:
    bad, worse = {**GOOD, "nowhere": "x"}, {**GOOD, "nowhere": "y", "way": "z"}
    (common,) = DEFINITIONS.hopeless([bad, worse])
    assert common.name == "nowhere"
    assert DEFINITIONS.hopeless([bad, GOOD, worse]) == ()
    assert DEFINITIONS.hopeless([]) == ()


@given(
    st.dictionaries(
        st.sampled_from(
            ["hs_timestamp", "hs_email_direction", "hubspot_owner_id", "hs_object_id", "other"]
        ),
        st.one_of(st.text(max_size=12), st.integers(-9, 2**50).map(str), st.just("EMAIL")),
    )
)
def test_what_the_sandbox_would_take_has_no_complaint(properties: dict[str, str]) -> None:
    schema = email_schema(SandboxConfig())
    answer = {"results": [prop.public() for prop in schema.properties.values()]}
    refused = schema.find_faults(properties) or schema.missing(properties)
    found = read(reply(200, answer)).complaints(properties)
    if not refused:
        assert not found
    unsure = {"hubspot_owner_id", "hs_timestamp"}  # each parses a number or date in its own way
    assert {each.name for each in found} >= {
        fault["name"] for fault in schema.find_faults(properties)
    } - unsure


NAMES = ["results", "name", "type", "options", "value", "modificationMetadata"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda each: (
        st.lists(each, max_size=3) | st.dictionaries(st.sampled_from(NAMES), each, max_size=4)
    ),
)


@given(JSON)
def test_no_answer_makes_it_raise(answer: Any) -> None:
    found = read(reply(200, {"results": answer}))
    assert isinstance(found, Definitions)
    found.complaints({"x": "y"})


def test_a_complaint_reads_as_text() -> None:
    assert str(Complaint("a", "not a number")) == "a: not a number"
