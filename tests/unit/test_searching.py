"""A search's requests and what its answer shows."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.hubspot import replies, searching
from bulkload.hubspot.searching import Page, Result, judge, milliseconds
from bulkload.sandbox.answers import iso
from tests.making import reply

MS = "1700000000123"
ISO = "2023-11-14T22:13:20.123Z"


def filters(body: bytes) -> list[list[dict[str, Any]]]:
    return [group["filters"] for group in orjson.loads(body)["filterGroups"]]


def test_a_request_asks_for_each_timestamp_once_and_what_was_made_since() -> None:
    stamps = [MS, ISO, "soon", "", " 5 ", "1970-01-01"]
    body = searching.request(stamps, ["a", "hs_timestamp", "a"], 1000.9996, "200")
    assert orjson.loads(body) == {
        "filterGroups": [
            {
                "filters": [
                    {"propertyName": "hs_timestamp", "operator": "IN", "values": ["0", "5", MS]},
                    {"propertyName": "hs_createdate", "operator": "GTE", "value": "999999"},
                ]
            }
        ],
        "properties": ["a", "hs_timestamp", "hs_email_subject"],
        "sorts": [{"propertyName": "hs_createdate", "direction": "ASCENDING"}],
        "limit": 200,
        "after": "200",
    }


def test_without_a_clock_or_a_page_before_neither_is_asked_for() -> None:
    body = searching.request([MS], [], None)
    assert "after" not in orjson.loads(body)
    assert [one["propertyName"] for one in filters(body)[0]] == ["hs_timestamp"]


def test_there_is_nothing_to_ask_by_without_a_timestamp() -> None:
    assert searching.request(["", "soon", "2023-13-01"], ["a"], 5.0) == b""


@pytest.mark.parametrize("count", [1, 100, 101, 500])
def test_a_filter_names_at_most_a_hundred_values(count: int) -> None:
    asked = filters(searching.request(map(str, range(count)), [], 5.0))
    values = [each[0]["values"] for each in asked]
    assert all(len(each) <= 100 for each in values)
    assert sorted(int(ms) for each in values for ms in each) == list(range(count))
    assert {each[1]["propertyName"] for each in asked} == {"hs_createdate"}


def test_more_timestamps_than_a_search_takes_are_refused() -> None:
    with pytest.raises(ValueError, match="501 timestamps"):
        searching.request(map(str, range(501)), [], None)


def test_the_newest_is_one_record_that_is_no_older_than_asked() -> None:
    asked = orjson.loads(searching.newest(1.0001))
    assert asked["limit"] == 1
    assert asked["filterGroups"][0]["filters"] == [
        {"propertyName": "hs_createdate", "operator": "GTE", "value": "1001"}
    ]
    assert asked["sorts"][0]["direction"] == "DESCENDING"


def found(number: int, **properties: Any) -> dict[str, Any]:
    return {"id": str(number), "properties": properties, "createdAt": "1970-01-01T00:00:01.500Z"}


def test_a_page_shows_its_records_and_where_the_next_begins() -> None:
    body = {
        "total": 9,
        "results": [found(1, a="x", b=None, c=5, d=True), {"id": 2, "properties": {}}],
        "paging": {"next": {"after": "2", "link": "?"}},
    }
    records = (
        Result("1", {"a": "x", "c": "5", "d": "true"}, 1.5),
        Result("2", {}, None),
    )
    assert judge(reply(200, body)) == Page(records, "2", 9)


@pytest.mark.parametrize("more", [{}, {"paging": None}, {"paging": {}}, {"paging": {"next": None}}])
def test_the_last_page_says_so(more: dict[str, Any]) -> None:
    assert judge(reply(200, {"total": 0, "results": [], **more})) == Page((), "", 0)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        [],
        {},
        {"total": 1},
        {"results": []},
        {"total": "1", "results": []},
        {"total": True, "results": []},
        {"total": 0, "results": [found(1)]},
        {"total": 1, "results": {}},
        {"total": 1, "results": [None]},
        {"total": 1, "results": [{"properties": {}}]},
        {"total": 1, "results": [{"id": "", "properties": {}}]},
        {"total": 1, "results": [{"id": True, "properties": {}}]},
        {"total": 1, "results": [{"id": "1"}]},
        {"total": 1, "results": [{"id": "1", "properties": []}]},
        {"total": 1, "results": [], "paging": []},
        {"total": 1, "results": [], "paging": {"next": {}}},
        {"total": 1, "results": [], "paging": {"next": {"after": None}}},
        {"total": 1, "results": [], "paging": {"next": {"after": ""}}},
    ],
)
def test_what_is_not_wholly_readable_shows_nothing(body: Any) -> None:
    assert isinstance(judge(reply(200, body)), replies.Doubtful)


def test_a_torn_answer_shows_nothing() -> None:
    torn = reply(200, {"total": 0, "results": []})._replace(whole=False, trouble="cut off")
    assert judge(torn) == replies.Doubtful("cut off")
    assert judge(replies.Reply(0, {}, b"", trouble="no answer in time")) == replies.Doubtful(
        "no answer in time"
    )


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (423, replies.TryLater), (429, replies.TryLater), (477, replies.TryLater),
        (302, replies.Denied), (400, replies.Denied), (401, replies.Denied), (403, replies.Denied),
        (404, replies.Denied), (405, replies.Denied), (413, replies.Denied),
        (409, replies.Doubtful), (500, replies.Doubtful),
        (502, replies.Doubtful), (504, replies.Doubtful),
    ],
)  # fmt: skip
def test_what_else_an_answer_can_be(status: int, kind: type) -> None:
    error = {"category": "VALIDATION_ERROR", "message": "the secret value", "total": 0}
    shown = judge(reply(status, error, Retry_After="7"))
    assert isinstance(shown, kind)
    assert "secret" not in repr(shown)
    if status not in (302, 404, 405):
        assert "VALIDATION_ERROR" in repr(shown)
    if isinstance(shown, replies.TryLater | replies.Doubtful):
        assert shown.after == 7.0


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "1", "x", ISO]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["results", "total", "paging", "next", "after", "id", "properties", "createdAt"]
            ),
            inner,
            max_size=5,
        )
        | st.fixed_dictionaries({"total": inner, "results": st.lists(inner), "paging": inner})
        | st.fixed_dictionaries({"id": inner, "properties": inner, "createdAt": inner})
    ),
    max_leaves=20,
)


@given(
    st.sampled_from([0, 100, 200, 204, 207, 301, 400, 401, 403, 418, 429, 500, 599]),
    st.binary(max_size=30) | _json.map(orjson.dumps),
    st.booleans(),
)
def test_any_answer_is_judged(status: int, body: bytes, whole: bool) -> None:
    shown = judge(replies.Reply(status, {}, body, whole=whole))
    if isinstance(shown, Page):
        assert status in (200, 204, 207)
        assert whole
        assert all(isinstance(value, str) for r in shown.results for value in r.properties.values())


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        (MS, int(MS)), (ISO, int(MS)), ("-1", -1), (" 7 ", 7),
        ("2023-11-14T23:13:20.1239+01:00", int(MS)), ("2023-11-14T22:13:20.123456", int(MS)),
        ("1970-01-02", 86_400_000), ("1970-01-01 00:01", 60_000), ("1970-01-01T00:00:01Z", 1000),
        ("", None), ("soon", None), ("1.5", None), ("1970-13-01", None),
        ("1970-01-01T24:61", None), ("1" * 16, None), ("٣", None), ("1970-01-01T00:00+99:99", None),
    ],
)  # fmt: skip
def test_dates_are_read_as_the_remote_reads_them(text: str, ms: int | None) -> None:
    assert milliseconds(text) == ms


@given(st.integers(0, 4_000_000_000_000))
def test_a_date_is_read_to_the_millisecond_however_it_is_written(ms: int) -> None:
    assert milliseconds(str(ms)) == milliseconds(iso(ms / 1000)) == ms
