"""How what the doctor learned of a portal lengthens the waits of a run there."""

from __future__ import annotations

import pytest

from bulkload.pipeline.asking import SHOWN_S
from bulkload.runs.binding import _slow_s
from bulkload.runs.learnt import Learnt


@pytest.mark.parametrize(
    ("known", "slow_s"),
    [
        (None, 0.0),
        (Learnt(), 0.0),
        (Learnt(read_lag_s=0.3), 0.0),
        (Learnt(read_lag_s=SHOWN_S), SHOWN_S),
        (Learnt(read_lag_s=60.0), 120.0 - SHOWN_S),
    ],
)
def test_a_portal_that_shows_late_is_waited_for_twice_as_long_as_was_seen_and_never_shorter(
    known: Learnt | None, slow_s: float
) -> None:
    assert _slow_s(known) == slow_s
