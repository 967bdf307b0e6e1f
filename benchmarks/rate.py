"""How steadily the limiter holds the rate: judged by when requests arrived at the server."""

from __future__ import annotations

from bisect import bisect_left

from benchmarks import processes, records, results

DELAY_S = 0.2
"""What the server takes for a batch: about what the real one does, and enough that calls
overlap.
"""
LEAST_USE = 0.98
GRID_S = 0.01


def worst(arrivals: list[float], window_s: float) -> int:
    """The most arrivals in any rolling window [t, t + window)."""
    return max(bisect_left(arrivals, when + window_s) - n for n, when in enumerate(arrivals))


def use(arrivals: list[float], window_s: float, calls: int) -> float:
    """The mean count of the windows between the first and the last arrival, as a share.

    Windows begin every 10 ms, not at arrivals: those lie where calls are dense.
    """
    room = arrivals[-1] - arrivals[0] - window_s
    if room <= 0:
        raise SystemExit("the run is shorter than its window")
    starts = [arrivals[0] + n * GRID_S for n in range(int(room / GRID_S) + 1)]
    counts = [
        bisect_left(arrivals, when + window_s) - bisect_left(arrivals, when) for when in starts
    ]
    return sum(counts) / len(counts) / calls


def main(*, quick: bool) -> int:
    calls, window_s, seconds = (38, 2.0, 8) if quick else (190, 10.0, 32)
    count = round(calls / window_s * seconds)
    with records.scratch() as place, processes.answer_server(DELAY_S) as server:
        source = records.write(place / "slow.ndjson", count * 10)
        rate = f"{calls}/{window_s:g}s"
        command = processes.load(
            source, place / "run", server.port, "--batch-size", "10", rate=rate
        )
        processes.succeeded(processes.run(command, timeout_s=seconds * 3))
        arrivals = [when for when, _ in server.arrivals()]
    most = worst(arrivals, window_s)
    used = use(arrivals, window_s, calls)
    passed = most <= calls and used >= LEAST_USE
    print(
        f"{'PASS' if passed else 'FAIL'}: {len(arrivals)} calls in "
        f"{arrivals[-1] - arrivals[0]:.1f} s under {rate}: worst rolling window {most}, mean "
        f"window {used:.1%} of the limit (at least {LEAST_USE:.0%})"
    )
    results.keep(
        "rate",
        {
            "passed": passed,
            "limit": rate,
            "server_delay_s": DELAY_S,
            "calls": len(arrivals),
            "worst_window": most,
            "use": round(used, 4),
            "arrivals_s": [round(when - arrivals[0], 4) for when in arrivals],
        },
        quick=quick,
    )
    return 0 if passed else 1
