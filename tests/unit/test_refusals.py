"""The remote's error bodies: who is named, and nothing relies on a field."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.hubspot import refusals
from bulkload.hubspot.refusals import Blame, Flaw

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    ["message", "category", "context", "errors", "correlationId", "objectWriteTraceId"]
)


def invalid(*flaws: dict[str, Any]) -> dict[str, Any]:
    text = orjson.dumps(list(flaws)).decode()
    return {"category": "VALIDATION_ERROR", "message": f"Property values were not valid: {text}"}


@given(st.dictionaries(FIELDS, JSON), st.integers(0, 599))
def test_no_body_is_too_odd_to_read(answer: dict[str, Any], status: int) -> None:
    read = refusals.read(answer, status)
    assert read.status == status
    assert read.message
    assert read.category
    assert all(isinstance(trace, str) for trace in refusals.trace_ids(answer))
    assert isinstance(refusals.blame(answer, {"a": "b"}), Blame)
    assert refusals.describe(status, answer).startswith(str(status))
    assert refusals.denial(status, answer, "")


@given(st.text())
def test_no_message_is_too_odd_to_read(message: str) -> None:
    refusals.column(message)
    for text in (message, "[{" + message, f"[{{{message}}}]"):
        assert all(isinstance(flaw, Flaw) for flaw in refusals.flaws(text))


def test_trace_ids_are_a_list_or_one_text() -> None:
    assert refusals.trace_ids({"context": {"objectWriteTraceId": ["a", 1, "b"]}}) == ["a", "b"]
    assert refusals.trace_ids({"context": {"objectWriteTraceId": "a"}}) == ["a"]
    assert refusals.trace_ids({"context": ["a"]}) == []
    assert refusals.trace_ids({}) == []


def test_a_property_that_does_not_exist_is_the_fault_of_those_that_have_it() -> None:
    answer = invalid({"name": "nope", "error": "PROPERTY_DOESNT_EXIST", "message": "x"})
    assert refusals.blame(answer, {"nope": "1"}) is Blame.SURE
    assert refusals.blame(answer, {"yes": "1"}) is Blame.NONE


def test_a_missing_property_is_the_fault_of_those_without_it() -> None:
    answer = invalid({"name": "hs_timestamp", "error": "REQUIRED_FIELD", "message": "x"})
    assert refusals.blame(answer, {"a": "1"}) is Blame.SURE
    assert refusals.blame(answer, {"hs_timestamp": "1"}) is Blame.NONE


def test_a_quoted_value_is_a_hint_and_a_part_of_a_word_is_none() -> None:
    answer = invalid(
        {"name": "dir", "error": "INVALID_OPTION", "message": "LEFT was not one of [RIGHT, UP]"}
    )
    assert refusals.blame(answer, {"dir": "LEFT"}) is Blame.MAYBE
    assert refusals.blame(answer, {"dir": "EF"}) is Blame.NONE
    assert refusals.blame(answer, {"dir": ""}) is Blame.NONE
    assert refusals.blame(answer, {"other": "LEFT"}) is Blame.NONE


def test_a_letter_says_the_flaws_of_its_own_record_only() -> None:
    answer = invalid(
        {"name": "a", "error": "PROPERTY_DOESNT_EXIST", "message": "mine"},
        {"name": "b", "error": "PROPERTY_DOESNT_EXIST", "message": "another's"},
    )
    read = refusals.read(answer, 400, for_=({"a": "1"}, Blame.SURE))
    assert read.message == "a: PROPERTY_DOESNT_EXIST mine"


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ("Invalid input JSON on line 1, column 245: Cannot deserialize", 245),
        ("[line: 1, column: 17]", 17),
        ("on line 2, column 3", None),
        ("line 12, column 3", None),
        ("no place", None),
    ],
)
def test_a_column_is_read_of_the_first_line_only(message: str, found: int | None) -> None:
    assert refusals.column(message) == found


def test_a_description_never_quotes_the_message() -> None:
    answer = {
        "category": "VALIDATION_ERROR",
        "message": "secret",
        "correlationId": "aa-bb",
        "errorType": "two words secret",
    }
    assert refusals.describe(400, answer) == "400 VALIDATION_ERROR aa-bb"


def test_missing_scopes_are_named() -> None:
    answer = {"errors": [{"context": {"requiredGranularScopes": ["crm.x", "bad one", "crm.x"]}}]}
    assert "it lacks the scopes crm.x." in refusals.denial(403, answer, "")


def test_a_long_message_is_cut() -> None:
    assert len(refusals.read({"message": "x" * 10_000}, 400).message) == refusals.MESSAGE_LIMIT
