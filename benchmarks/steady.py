"""How many calls a second the limiter itself holds, and how late each call leaves: no network, no
journal, as many callers as a busy load has.

A call is due one window after the one that had its slot before; what it leaves later than that is
the guard that the limiter keeps, and what the loop and the pace cost.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from typing import Any

from benchmarks import processes, results
from benchmarks.rate import use, worst
from bulkload.calls.limiter import Limiter
from bulkload.calls.room import RateLimit

CALLERS = 20
SHARES = {"p50": 499, "p99": 989, "p99.9": 998}
LIMITS = ((190, 10.0), (1_000, 1.0), (10_000, 10.0))
ENOUGH = 0.98
"""Of the limit, over the mean window after the first."""


async def calls(count: int, window_s: float, seconds: float) -> list[float]:
    """When each call left, in seconds from the first."""
    limiter = Limiter(RateLimit(count, window_s))
    clock = asyncio.get_running_loop().time
    until, turnstile = clock() + seconds, asyncio.Lock()
    left: list[float] = []

    async def caller() -> None:
        while clock() < until:
            async with turnstile:
                await limiter.acquire()
            now = clock()
            left.append(now)
            limiter.end(now, now)  # it arrived at once

    async with asyncio.TaskGroup() as group:
        for _ in range(CALLERS):
            group.create_task(caller())
    return [when - left[0] for when in left if when < until]


def judged(left: list[float], count: int, window_s: float) -> dict[str, Any]:
    """The rate that was held, the worst window, and how late the calls were, in milliseconds."""
    late = [b - a - window_s for a, b in zip(left, left[count:], strict=False)]
    used = use(left, window_s, count)
    shares = statistics.quantiles(late, n=1000)
    return {
        "limit": f"{count}/{window_s:g}s",
        "calls": len(left),
        "per_s": round(used * count / window_s, 1),
        "use": round(used, 4),
        "worst_window": worst(left, window_s),
        "late_ms": {name: round(shares[at] * 1000, 2) for name, at in SHARES.items()},
    }


def main(*, quick: bool) -> int:
    if (core := processes.client_core()) is not None:
        os.sched_setaffinity(0, {core})
    found, passed = [], True
    for count, window_s in LIMITS[1:2] if quick else LIMITS:
        began = time.process_time()
        left = asyncio.run(calls(count, window_s, 4 * window_s))
        cpu_us = (time.process_time() - began) / len(left) * 1e6
        figures = judged(left, count, window_s)
        passed = passed and figures["worst_window"] <= count and figures["use"] >= ENOUGH
        found.append({**figures, "cpu_us_a_call": round(cpu_us, 1)})
    rows = [
        [
            *(each["limit"], f"{each['per_s']:,}", f"{each['use']:.1%}"),
            f"{each['worst_window']:,}",
            " / ".join(f"{each['late_ms'][name]:.1f}" for name in SHARES),
            f"{each['cpu_us_a_call']:.0f}",
        ]
        for each in found
    ]
    late = f"late by ms, {' / '.join(SHARES)}"
    header = ("limit", "calls/s", "of it", "worst window", late, "CPU us a call")
    print(results.table(header, rows))
    print("PASS" if passed else "FAIL", f"(no window over its limit, {ENOUGH:.0%} of it used)")
    results.keep("steady", {"passed": passed, "limits": found}, quick=quick)
    return 0 if passed else 1
