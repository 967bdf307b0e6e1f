"""What the account says of itself is read where it is there, and nothing it says can hurt."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.hubspot import account
from bulkload.hubspot.account import Account, Usage, Usages
from bulkload.hubspot.replies import Reply

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


def reply(body: Any, status: int = 200) -> Reply:
    return Reply(status, {}, orjson.dumps(body))


def usage(**members: Any) -> dict[str, Any]:
    return {
        "name": "private-apps-api-calls-daily",
        "currentUsage": 120,
        "usageLimit": 625_000,
        "fetchStatus": "SUCCESS",
        "resetsAt": "2026-11-25T23:00:00Z",
        **members,
    }


def test_the_time_zone_and_its_offset_are_read() -> None:
    found = account.read(
        reply({"portalId": 42, "timeZone": "US/Eastern", "utcOffsetMilliseconds": -18_000_000})
    )
    assert found == Account("42", time_zone="US/Eastern", utc_offset_s=-18_000)


@pytest.mark.parametrize(
    ("members", "seconds"),
    [
        ({"utcOffset": "+05:30"}, 19_800),
        ({"utcOffset": "-05:00"}, -18_000),
        ({"utcOffset": "-0500", "utcOffsetMilliseconds": "?"}, -18_000),
        ({"utcOffset": "+99:00"}, None),
        ({"utcOffset": "east"}, None),
        ({"utcOffsetMilliseconds": True}, None),
        ({"utcOffsetMilliseconds": 10**12}, None),
        ({}, None),
    ],
)
def test_an_offset_that_can_not_be_is_none(members: dict[str, Any], seconds: float | None) -> None:
    found = account.read(reply({"portalId": 42, "timeZone": 7, **members}))
    assert (found.portal, found.time_zone, found.utc_offset_s) == ("42", "", seconds)


def test_todays_use_is_read() -> None:
    found = account.read_usage(reply({"results": [usage()]}))
    assert found == Usages((Usage("private-apps-api-calls-daily", 120, 625_000, 1_795_647_600.0),))
    assert found.tightest == found.found[0]


def test_the_one_that_is_used_up_first_counts() -> None:
    listed = [usage(), usage(name="b", currentUsage=90, usageLimit=100)]
    tightest = account.read_usage(reply({"results": listed})).tightest
    assert tightest is not None
    assert tightest.name == "b"
    assert account.read_usage(reply({"results": []})) == Usages()
    assert Usages().tightest is None


@pytest.mark.parametrize(
    "members",
    [
        {"currentUsage": -1},
        {"currentUsage": True},
        {"currentUsage": 10**15},
        {"currentUsage": None},
        {"usageLimit": 0},
        {"usageLimit": "many"},
        {"fetchStatus": "FAILED"},
    ],
)
def test_a_use_that_can_not_be_is_left_out(members: dict[str, Any]) -> None:
    found = account.read_usage(reply({"results": [usage(**members), "?", usage(name="sound")]}))
    assert [one.name for one in found.found] == ["sound"]


def test_a_reset_that_is_no_time_leaves_the_count() -> None:
    found = account.read_usage(reply({"results": [usage(resetsAt="tomorrow", name=3)]}))
    assert found.found == (Usage("", 120, 625_000, None),)


def test_only_a_dead_token_is_denied_the_use() -> None:
    assert account.read_usage(reply({}, 401)).denied
    for status in (403, 404, 429, 503):
        found = account.read_usage(reply({"message": "no"}, status))
        assert found.trouble
        assert not found.denied
    assert account.read_usage(Reply(0, {}, b"", trouble="reset")).trouble == "reset"
    assert account.read_usage(reply([1])).trouble


@given(
    st.integers(0, 599),
    st.dictionaries(
        st.sampled_from(
            ["portalId", "timeZone", "utcOffset", "utcOffsetMilliseconds", "results", "message"]
        ),
        JSON
        | st.lists(
            st.dictionaries(
                st.sampled_from(["name", "currentUsage", "usageLimit", "resetsAt", "fetchStatus"]),
                JSON,
            ),
            max_size=3,
        ),
    ),
    st.booleans(),
)
def test_whatever_the_remote_answers_nothing_is_raised(
    status: int, body: dict[str, Any], whole: bool
) -> None:
    answer = Reply(status, {}, orjson.dumps(body), whole=whole, trouble="cut")
    assert isinstance(account.read(answer), Account)
    for one in account.read_usage(answer).found:
        assert one.used >= 0
        assert one.limit > 0
