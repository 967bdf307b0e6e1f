"""Outages of every kind on a real socket: nothing dies of them, and hardly anybody calls."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest

from tests.acceptance.harness import Cli, Ended, Sandbox, ndjson

START_S, LENGTH_S = 1.5, 8.0
LATENCY_S = 0.1
TIMEOUT_S = 2.0
BATCH, BATCHES, IN_FLIGHT = 10, 60, 8
RECORDS = BATCH * BATCHES

Portal = Callable[..., Sandbox]


def load(cli: Cli, served: Sandbox, *more: object) -> Ended:
    """A load that is in the midst of its work when the outage begins, and goes on after it."""
    source = ndjson(cli.folder / "in.ndjson", RECORDS)
    return cli(
        *("load", source, "--run", "run", "--base-url", served.url, "--json", "--no-progress"),
        *("--batch-size", BATCH, "--max-in-flight", IN_FLIGHT, "--timeout", TIMEOUT_S, *more),
    )


def portal(sandbox: Portal, kind: str, *flags: object) -> Sandbox:
    outage = f"{START_S}+{LENGTH_S}:{kind}"
    return sandbox("--outage", outage, "--latency", LATENCY_S * 1000, *flags)


def at_a_time(calls: list[dict[str, Any]]) -> int:
    """The most calls that were under way together."""
    edges = [(call["t"], 1) for call in calls]
    edges += [(call["ended"] or math.inf, -1) for call in calls]
    return max(itertools.accumulate((change for _, change in sorted(edges))), default=0)


def called_while_down(served: Sandbox, kind: str) -> int:
    """How many called at a time from when the outage can be known until its end."""
    arrivals = served.arrivals()
    begin = arrivals[0]["t"] + START_S
    known = begin + 1.0 + LATENCY_S + (TIMEOUT_S if kind == "stall" else 0.0)
    return at_a_time([a for a in arrivals if known <= a["t"] < begin + LENGTH_S])


@pytest.mark.parametrize("kind", ["503", "html", "reset", "refuse", "stall", "477", "423"])
def test_with_a_key_an_outage_costs_no_record_and_hardly_a_call(
    cli: Cli, sandbox: Portal, kind: str
) -> None:
    served = portal(sandbox, kind)
    ended = load(cli, served).summary()
    assert (ended["exit_code"], ended["loaded"]) == (0, RECORDS)
    assert (ended["dead_lettered"], ended["in_doubt"]) == (0, 0)
    subjects = served.subjects()
    assert len(subjects) == RECORDS
    assert set(subjects.values()) == {1}
    assert ended["elapsed_s"] > START_S + LENGTH_S, "it was over before the outage ended"
    assert called_while_down(served, kind) <= 2


@pytest.mark.parametrize("kind", ["503", "reset", "stall"])
def test_without_a_key_an_outage_puts_in_doubt_what_was_in_flight_and_no_more(
    cli: Cli, sandbox: Portal, kind: str
) -> None:
    served = portal(sandbox, kind, "--bare")
    ended = load(cli, served).summary()
    assert (ended["dead_lettered"], ended["read"]) == (0, RECORDS)
    assert ended["in_doubt"] <= IN_FLIGHT * BATCH
    assert ended["loaded"] == RECORDS - ended["in_doubt"]
    assert set(served.subjects().values()) == {1}, "made twice in silence"
    assert called_while_down(served, kind) <= 2


@pytest.mark.parametrize("kind", ["477", "503"])
def test_patience_ends_an_outage_and_the_printed_command_goes_on(
    cli: Cli, sandbox: Portal, kind: str
) -> None:
    # Hours of it: for 477 that is what the remote asks for.
    served = sandbox("--outage", f"1.5+7200:{kind}")
    source = ndjson(cli.folder / "in.ndjson", RECORDS)
    stopped = cli(
        *("load", source, "--run", "run", "--base-url", served.url, "--json", "--no-progress"),
        *("--batch-size", BATCH, "--max-in-flight", 2, "--rate-limit", "40/2s", "--max-outage", 2),
        patience=20,
        code=3,
    )
    summary = stopped.summary()
    assert (summary["dead_lettered"], summary["in_doubt"]) == (0, 0)
    assert "--max-outage 2" in summary["stopped"]
    command = summary["resume"].split()
    assert command[:2] == ["bulkload", "resume"]
    assert summary["resume"] in stopped.err
    served.faults(outages=[])
    resumed = cli(*command[1:], "--max-outage", "none", "--json", "--no-progress", code=0)
    assert resumed.summary()["loaded"] == RECORDS
    assert set(served.subjects().values()) == {1}
