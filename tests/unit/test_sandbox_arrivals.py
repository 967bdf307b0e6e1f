"""The arrival log tells when each call came and ended, cheaply."""

from __future__ import annotations

import tracemalloc

from bulkload.sandbox.arrivals import Arrivals


def test_a_call_is_under_way_from_its_arrival_to_its_end() -> None:
    log = Arrivals()
    first = log.open("/a", 1.0, "GET")
    second = log.open("/a", 2.0, "POST")
    log.close(first, 200, 3.5)
    assert list(log) == [
        {"t": 1.0, "ended": 3.5, "method": "GET", "path": "/a", "status": 200},
        {"t": 2.0, "ended": None, "method": "POST", "path": "/a", "status": 0},
    ]
    log.close(second, 0, 4.0)
    assert [one["ended"] for one in log] == [3.5, 4.0]
    assert (log.paths, log.statuses) == ({"/a": 2}, {200: 1, 0: 1})


def test_methods_that_nobody_knows_are_kept_as_one() -> None:
    log = Arrivals()
    for number in range(70_000):  # more kinds than the log can number
        log.open("/{tail}", float(number), f"M{number}")
    assert {one["method"] for one in log} == {"*"}


def test_twenty_thousand_arrivals_cost_less_than_a_megabyte() -> None:
    tracemalloc.start()
    try:
        log = Arrivals()
        for number in range(20_000):
            log.close(log.open("/a", float(number)), 201, number + 0.5)
        assert tracemalloc.get_traced_memory()[0] < 1_000_000
    finally:
        tracemalloc.stop()
    assert sum(1 for _ in log) == 20_000
