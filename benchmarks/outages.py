"""How a load gets through outages, and through single failures, at the sandbox's full rate.

Judged by what arrived at the sandbox and when: who called while it was down, how soon the rate
was back, what became of the records. Several loads run side by side, each with a sandbox of its
own: they wait more than they work.
"""

from __future__ import annotations

import itertools
import json
import math
import subprocess
from bisect import bisect_left
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

from benchmarks import processes, rate, records, results

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KINDS = ("503", "502", "reset", "refuse", "stall", "477", "423")
CALLS, WINDOW_S = 190, 10.0
LATENCY_S = 0.3
BATCH = 10
TOGETHER = 4
MOST_AT_A_TIME = 2
BACK_S = 15.0
LEAST_RATE = 0.9
LEAST_USE = 0.98
KNOWN_S = 1.0
"""So long after an outage began it is known by all, a call's time beside."""

Arrival = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Span:
    """An outage as it was, by the sandbox's clock."""

    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class Portal:
    port: int

    def arrivals(self) -> list[Arrival]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", "/_sandbox/arrivals")
            return [json.loads(line) for line in connection.getresponse().read().splitlines()]
        finally:
            connection.close()


@contextmanager
def portal(*flags: str) -> Iterator[Portal]:
    """A sandbox with HubSpot's limit and answer times."""
    timing = ("--rate-limit", f"{CALLS}/{WINDOW_S:g}s", "--latency", f"{LATENCY_S * 1000:g}")
    command = processes.bulkload("sandbox", "--port", "0", "--forget-bodies", *timing, *flags)
    process = processes.spawn(
        command, None, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        assert process.stdout is not None
        yield Portal(int(process.stdout.readline().rsplit(b":", 1)[1]))
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def most_at_a_time(calls: list[Arrival]) -> int:
    edges = [(call["t"], 1) for call in calls]
    edges += [(math.inf if call["ended"] is None else call["ended"], -1) for call in calls]
    return max(itertools.accumulate(change for _, change in sorted(edges)), default=0)


def creates(arrivals: list[Arrival]) -> list[float]:
    return [each["t"] for each in arrivals if each["path"].endswith("/batch/create")]


def rate_from(moments: list[float], begin: float, seconds: float) -> float:
    """Calls from `begin` on, as a share of what the limit allows."""
    counted = bisect_left(moments, begin + seconds) - bisect_left(moments, begin)
    return counted / seconds / (CALLS / WINDOW_S)


def back_after(moments: list[float], end: float) -> float:
    """Seconds from the end of an outage until a whole window has the rate; inf: never."""
    last = moments[-1] - WINDOW_S
    starts = (end + n / 10 for n in itertools.count())
    for start in itertools.takewhile(lambda at: at <= last, starts):
        if rate_from(moments, start, WINDOW_S) > LEAST_RATE:
            return round(start - end, 1)
    return math.inf


def load(place: Path, name: str, port: int, seconds: float) -> dict[str, Any]:
    source = records.write(place / f"{name}.ndjson", round(CALLS / WINDOW_S * seconds) * BATCH)
    command = processes.load(
        source, place / name, port, "--batch-size", str(BATCH), rate=f"{CALLS}/{WINDOW_S:g}s"
    )
    ended = processes.run(command, timeout_s=seconds + 180)
    if ended.code not in (0, 1):
        raise SystemExit(f"{name}: a measured load ended with {ended.code}:\n{ended.err[-2000:]}")
    summary: dict[str, Any] = json.loads(ended.out)
    return summary


def outage(kind: str, place: Path, *, before: float, lasts: float, after: float) -> dict[str, Any]:
    """One load through one outage, at the full rate before and after it."""
    with portal("--outage", f"{before:g}+{lasts:g}:{kind}") as served:
        summary = load(place, kind, served.port, before + after)
        arrivals = served.arrivals()
    began = arrivals[0]["t"]
    down = Span(began + before, began + before + lasts)
    known = down.begin + KNOWN_S + LATENCY_S
    calls = [each for each in arrivals if known <= each["t"] < down.end]
    moments = creates(arrivals)
    return {
        "kind": kind,
        "dead_lettered": summary["dead_lettered"],
        "in_doubt": summary["in_doubt"],
        "loaded_all": summary["loaded"] == summary["read"],
        "throttled": summary["throttled"],
        "calls_while_down": len(calls),
        "most_at_a_time": most_at_a_time(calls),
        "rate_before": round(rate_from(moments, down.begin - before / 2, before / 2), 3),
        "rate_after_15_s": round(rate_from(moments, down.end + BACK_S, WINDOW_S), 3),
        "back_after_s": back_after(moments, down.end),
        "arrivals_s": [round(each["t"] - began, 2) for each in arrivals],
    }


def blips(place: Path, *, seconds: float) -> dict[str, Any]:
    """One call in a hundred is answered by a 503, and nobody else's is."""
    with portal("--fault", "503=1%") as served:
        summary = load(place, "blips", served.port, seconds)
        arrivals = served.arrivals()
    moments = [each["t"] for each in arrivals if each["t"] > arrivals[0]["t"] + WINDOW_S]
    return {
        "failed": sum(each["status"] == 503 for each in arrivals),
        "dead_lettered": summary["dead_lettered"],
        "throttled": summary["throttled"],
        "loaded_all": summary["loaded"] == summary["read"],
        "worst_window": rate.worst(moments, WINDOW_S),
        "use": round(rate.use(moments, WINDOW_S, CALLS), 4),
        "arrivals_s": [round(each["t"] - arrivals[0]["t"], 2) for each in arrivals],
    }


def judged(found: list[dict[str, Any]], single: dict[str, Any]) -> list[tuple[str, str, str, bool]]:
    """(figure, measured, must, held)."""
    rows = []
    for each in found:
        name = each["kind"]
        lost = each["dead_lettered"] + each["in_doubt"]
        back = each["rate_after_15_s"]
        most = each["most_at_a_time"]
        rows += [
            (f"{name}: records lost", f"{lost}", "0", lost == 0 and each["loaded_all"]),
            (
                f"{name}: calls at a time", f"{most} ({each['calls_while_down']} in all)",
                f"at most {MOST_AT_A_TIME}", most <= MOST_AT_A_TIME,
            ),
            (
                f"{name}: rate 15 s after", f"{back:.1%} (back after {each['back_after_s']} s)",
                f"over {LEAST_RATE:.0%}", back > LEAST_RATE,
            ),
        ]  # fmt: skip
    rows += [
        (
            "1 % single 503: calls made", f"{single['use']:.1%} of the limit",
            f"at least {LEAST_USE:.0%}", single["use"] >= LEAST_USE,
        ),
        (
            "1 % single 503: dead letters, 429s",
            f"{single['dead_lettered']}, {single['throttled']}", "0, 0",
            single["dead_lettered"] == single["throttled"] == 0 and single["loaded_all"],
        ),
    ]  # fmt: skip
    return rows


def main(*, quick: bool) -> int:
    before, lasts, after, seconds = (8.0, 8.0, 28.0, 40.0) if quick else (15.0, 45.0, 28.0, 70.0)
    kinds = KINDS[:3] if quick else KINDS
    with records.scratch() as place, ThreadPoolExecutor(TOGETHER) as pool:
        single = pool.submit(partial(blips, place, seconds=seconds))
        measure = partial(outage, place=place, before=before, lasts=lasts, after=after)
        found = list(pool.map(measure, kinds))
        rows = judged(found, single.result())
    passed = all(held for *_, held in rows)
    print(f"{lasts:g} s outages at {CALLS}/{WINDOW_S:g}s, answers after {LATENCY_S:g} s (median)")
    shown = [(figure, is_, must, "held" if held else "BROKEN") for figure, is_, must, held in rows]
    print(results.table(("figure", "measured", "must", ""), shown))
    print("PASS" if passed else "FAIL")
    kept = {"passed": passed, "limit": f"{CALLS}/{WINDOW_S:g}s", "latency_s": LATENCY_S}
    kept |= {"lasted_s": lasts, "outages": found, "single_failures": single.result()}
    results.keep("outages", kept, quick=quick)
    return 0 if passed else 1
