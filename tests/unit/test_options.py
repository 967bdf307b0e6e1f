"""What can't be is refused at the start; what decides the records can't change."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.calls.room import RateLimit
from bulkload.errors import RefusedToStart
from bulkload.options import Options


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch_size": 0},
        {"batch_size": 101},
        {"max_in_flight": 0},
        {"max_batch_bytes": 0},
        {"max_record_bytes": 0},
        {"max_attempts": 0},
        {"timeout": 0},
        {"timeout": math.nan},
        {"timeout": math.inf},
        {"max_outage": -1},
        {"max_outage": math.nan},
        {"limit": 0},
        {"rate_limit": "fast"},
        {"rate_limit": "0/10s"},
        {"rate_limit": "10/0s"},
        {"rate_limit": "9" * 400 + "/1s"},
        {"max_dead_letters": "some"},
        {"max_dead_letters": "-1"},
        {"max_dead_letters": "101%"},
        {"max_dead_letters": "nan%"},
        {"in_doubt": "verify?"},
    ],
    ids=str,
)
def test_a_value_that_can_not_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(RefusedToStart):
        Options(**wrong)


@given(
    st.builds(
        Options,
        limit=st.none() | st.integers(1),
        batch_size=st.integers(1, 100),
        max_outage=st.none() | st.floats(0, 1e9),
        max_dead_letters=st.sampled_from(["0", "20%", "0.5%", "100"]),
    )
)
def test_options_survive_the_journal(options: Options) -> None:
    kept = json.loads(json.dumps(options.as_json()))
    assert Options.from_json(kept | {"of another version": 1}) == options


def test_the_same_value_may_be_given_again_and_another_may_not() -> None:
    options = Options(batch_size=50)
    assert options.changed({"batch_size": 50}) == options
    assert options.changed({"timeout": 5.0}).timeout == 5.0
    with pytest.raises(RefusedToStart, match="--batch-size can't change"):
        options.changed({"batch_size": 60})
    with pytest.raises(RefusedToStart):
        options.changed({"timeout": -5.0})


def test_dead_letters_are_a_count_or_a_share() -> None:
    assert Options(max_dead_letters="500").dead_letters_allowed() == (500, None)
    assert Options(max_dead_letters=" 20% ").dead_letters_allowed() == (None, 0.2)


@given(st.integers(1, 10**9 - 1), st.integers(1, 3600))
def test_a_rate_is_read_as_it_is_shown(calls: int, window: int) -> None:
    limit = RateLimit(calls, float(window))
    assert RateLimit.parse(str(limit)) == limit


@given(st.text())
def test_any_text_is_a_rate_or_a_value_error(text: str) -> None:
    try:
        limit = RateLimit.parse(text)
    except ValueError:
        return
    assert limit.calls >= 1
    assert limit.window_s > 0


@pytest.mark.parametrize("again", [["a.example"], "a.example", ("a.example",)])
def test_what_holds_several_may_be_given_again_in_any_form(again: object) -> None:
    options = Options(mine=("a.example",), batch_size=50)
    assert options.changed({"mine": again}) == options
    assert Options(mine=again) == replace(options, batch_size=100)  # type: ignore[arg-type]
    with pytest.raises(RefusedToStart, match=r"--mine can't change .*'b\.example'"):
        options.changed({"mine": ["b.example"]})
