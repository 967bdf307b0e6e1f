"""Never over the limit, by the sandbox's clock when calls arrive, jitter and all."""

from __future__ import annotations

import json
import signal
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.acceptance.harness import Cli, Sandbox, ndjson, until

WAY = ("--latency", 200, "--jitter", 80, "--forget-bodies")
WINDOW_S = 10.0


class Arrival(NamedTuple):
    at: float
    refused: bool


def arrivals(there: Sandbox) -> list[Arrival]:
    return sorted(Arrival(each["t"], each["status"] == 429) for each in there.arrivals())


def admitted(found: list[Arrival]) -> list[float]:
    return [at for at, refused in found if not refused]


def worst(found: list[Arrival], window_s: float = WINDOW_S) -> int:
    """The most that were admitted in any rolling window."""
    moments = admitted(found)
    return max(bisect_left(moments, at + window_s) - n for n, at in enumerate(moments))


def limits(there: Sandbox, **changed: Any) -> float:
    """Change limits; when, by the sandbox's clock, which is the machine's monotonic one."""
    there.limits(**changed)
    return time.monotonic()


@pytest.fixture
def loading(cli: Cli, tmp_path: Path) -> Callable[..., Any]:
    """A load that has more to send than it can; drained at the end of the block."""

    @contextmanager
    def load(there: Sandbox, run: str = "run", *more: object) -> Iterator[None]:
        source = ndjson(tmp_path / f"{run}.ndjson", 8_000, hs_email_subject=lambda n: f"{run} {n}")
        before = there.books()
        process = cli.start(
            *("load", source, "--run", run, "--base-url", there.url, "--batch-size", 10),
            *("--json", "--no-progress", *more),
        )
        try:
            until(lambda: there.books()["creates_seen"] > before["creates_seen"], 20)
            yield
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
        except BaseException:
            process.kill()
            process.communicate()
            raise
        assert process.returncode == 3, err.decode()
        summary = json.loads(out)
        assert summary["dead_lettered"] == summary["in_doubt"] == 0
        assert summary["loaded"] == there.books()["emails"] - before["emails"]

    return load


def test_alone_no_call_is_refused_and_no_window_holds_more(
    sandbox: Callable[..., Sandbox], loading: Callable[..., Any]
) -> None:
    there = sandbox("--rate-limit", "190/10s", *WAY)
    with loading(there):
        time.sleep(21)
    found = arrivals(there)
    assert not [each for each in found if each.refused]
    assert worst(found) <= 190
    assert len(found) > 380  # it was the limit that held it back


@pytest.mark.parametrize(("share", "most"), [("100%", 60), ("50%", 30)])
def test_a_limit_and_an_interval_of_another_size_are_learnt_and_a_share_of_it_is_kept(
    share: str, most: int, sandbox: Callable[..., Sandbox], loading: Callable[..., Any]
) -> None:
    there = sandbox("--rate-limit", "60/3s", *WAY)
    with loading(there, "run", "--rate-share", share):
        time.sleep(8)
    found = arrivals(there)
    assert not [each for each in found if each.refused]
    assert worst(found, 3.0) <= most
    assert len(found) > 2 * most


def test_others_on_the_same_limit_cost_few_refusals(
    sandbox: Callable[..., Sandbox], loading: Callable[..., Any]
) -> None:
    there = sandbox("--rate-limit", "190/10s", *WAY)
    with loading(there):
        time.sleep(9)
        limits(there, others=6)
        time.sleep(17)
    found = arrivals(there)
    refused = sum(each.refused for each in found)
    assert refused < 0.02 * len(found)
    assert there.books()["others"] > 60  # they came, and got in


def test_a_limit_that_is_raised_is_used_and_one_that_is_lowered_is_kept(
    sandbox: Callable[..., Sandbox], loading: Callable[..., Any]
) -> None:
    there = sandbox("--rate-limit", "50/5s", *WAY)
    with loading(there):
        time.sleep(6)
        raised = limits(there, rate_limit="95/5s")
        time.sleep(11)
        lowered = limits(there, rate_limit="50/5s")
        time.sleep(10)
    found = arrivals(there)
    assert not [each for each in found if each.at < lowered and each.refused]
    assert worst([each for each in found if each.at < raised], 5.0) <= 50
    assert worst([each for each in found if each.at < lowered], 5.0) <= 95
    assert worst([each for each in found if each.at > raised + 5], 5.0) > 60
    settled = [each for each in found if each.at > lowered + 5]
    assert worst(settled, 5.0) <= 50
    # Those that were under way, and one round more, can't have known.
    assert sum(each.refused for each in found) <= 25


@pytest.mark.parametrize("who", ["a run of ours", "other apps"])
def test_a_window_that_was_used_before_costs_at_most_a_few_refusals(
    who: str, sandbox: Callable[..., Sandbox], loading: Callable[..., Any]
) -> None:
    there = sandbox("--rate-limit", "95/5s", *WAY)
    if who == "a run of ours":
        with loading(there, "earlier"):
            time.sleep(6)
    else:
        limits(there, others=17)
        time.sleep(5)
        limits(there, others=0)
    known = len(arrivals(there))
    with loading(there, "later"):
        time.sleep(6)
    refused = sum(each.refused for each in arrivals(there)[known:])
    assert refused <= 5
