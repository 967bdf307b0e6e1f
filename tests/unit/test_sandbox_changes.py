"""Changes while the sandbox runs: a wrong body changes nothing, a right one what it names."""

from __future__ import annotations

from typing import Any

import pytest

from bulkload.sandbox.changing import change_limits, limits_held, outage_of
from bulkload.sandbox.config import Outage, SandboxConfig, parse_rate, written_rate
from bulkload.sandbox.portal import Portal


def portal(**options: Any) -> Portal:
    return Portal(SandboxConfig(**options), clock=lambda: 50.0, wall=lambda: 1_700_000_000.0)


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"rate": "1/1s"},
        {"rate_limit": "fast"},
        {"others": -1},
        {"others": 201},
        {"others": "6"},
        {"others": True},
        {"daily_limit": None},
        {"daily_limit": float("nan")},
        {"daily_reset": 0},
        {"rate_limit": "5/1s", "others": 3, "daily_limit": 7, "daily_reset": "soon"},
    ],
)
def test_a_wrong_body_changes_no_limit(body: Any) -> None:
    one = portal()
    before = limits_held(one)
    with pytest.raises(ValueError, match=r"want|no such|must be|no rate"):
        change_limits(one, body)
    assert limits_held(one) == before


def test_what_is_named_changes_and_the_rest_stays() -> None:
    one = portal(search_limit=None)
    change_limits(one, {"rate_limit": "100/5s", "daily_limit": 7, "daily_reset": 30})
    assert limits_held(one) == {
        "rate_limit": "100/5s",
        "search_limit": "none",
        "others": 0.0,
        "daily_limit": 7,
        "daily_used": 0,
        "daily_remaining": 7,
        "daily_resets_in": 30.0,
    }
    change_limits(one, {"rate_limit": "none", "search_limit": "2/1s", "others": 1.5})
    held = limits_held(one)
    assert (held["rate_limit"], held["search_limit"]) == ("none", "2/1s")
    assert (held["others"], held["daily_limit"]) == (1.5, 7)


def test_what_others_did_before_a_change_is_counted_as_it_was_then() -> None:
    now = 50.0
    one = Portal(SandboxConfig(others=2.0, rate_limit=(8, 1.0)), lambda: now, lambda: now)
    now = 60.0
    change_limits(one, {"others": 0, "rate_limit": "1/1s"})
    assert (one.limits.others.admitted, one.limits.others.refused) == (20, 0)


def test_an_oauth_portal_has_no_daily_limit_to_change() -> None:
    one = portal(token_life=60.0)
    with pytest.raises(ValueError, match="no daily limit"):
        change_limits(one, {"daily_limit": 5})
    assert limits_held(one)["daily_limit"] is None


@pytest.mark.parametrize("text", ["190/10s", "5/1s", "3/0.5s", "none"])
def test_a_rate_is_written_as_it_is_read(text: str) -> None:
    assert written_rate(parse_rate(text)) == text


def test_an_outage_is_read_from_its_object() -> None:
    assert outage_of({"kind": "503", "seconds": 45}) == Outage(0, 45, "503")
    assert outage_of({"kind": "refused", "seconds": 1.5, "after": 2}) == Outage(2, 1.5, "refuse")


@pytest.mark.parametrize(
    "body",
    [
        None,
        {"kind": "503"},
        {"kind": "flood", "seconds": 1},
        {"kind": "503", "seconds": -1},
        {"kind": "503", "seconds": 1, "start": 1},
    ],
)
def test_an_outage_that_can_not_be_read_is_refused(body: Any) -> None:
    with pytest.raises(ValueError, match=r"want|write one|must be|no such"):
        outage_of(body)
