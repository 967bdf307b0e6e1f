"""A million records: what bulkload's process holds, sampled from outside while it loads."""

from __future__ import annotations

import statistics
import subprocess
import time
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import processes, records, results

MOST_MB = 150.0
GROWTH_MB = 5.0
"""What the median of the last fifth may lie over that of the second, before it counts."""

LARGE_BYTES = 10_240
EVERY_S = 0.25
TIMEOUT_S = 540.0


class Sample(NamedTuple):
    """Megabytes resident now and at most so far, with `answered` records behind it."""

    answered: int
    rss_mb: float
    peak_mb: float


def resident(pid: int) -> tuple[float, float] | None:
    """(VmRSS, VmHWM) in MB; None once the process is gone, or where there is no /proc."""
    try:
        status = Path(f"/proc/{pid}/status").read_text("ascii")
    except OSError:
        return None
    kept = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    if "VmHWM" not in kept:
        return None
    now, most = (int(kept[name].split()[0]) * 1024 / 1e6 for name in ("VmRSS", "VmHWM"))
    return now, most


def growth(samples: list[Sample], count: int) -> float:
    """MB that the median of the last fifth lies over that of the second fifth.

    The first fifth is left out: there a process is still filling its pools.
    """
    early = [s.rss_mb for s in samples if count * 0.2 <= s.answered < count * 0.4]
    late = [s.rss_mb for s in samples if count * 0.8 <= s.answered]
    if not early or not late:
        raise SystemExit("too few samples to judge: load more records")
    return statistics.median(late) - statistics.median(early)


def sample(count: int, size: int = records.LINE_BYTES) -> tuple[list[Sample], float]:
    """Load `count` records in a process of its own; its samples, and the seconds it took."""
    samples: list[Sample] = []
    with records.scratch() as place, processes.answer_server() as server:
        source = records.write(place / "many.ndjson", count, size)
        command = processes.load(source, place / "run", server.port)
        began = time.monotonic()
        process = processes.spawn(
            command, processes.client_core(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            while process.poll() is None:
                if time.monotonic() - began > TIMEOUT_S:
                    raise SystemExit(f"not done after {TIMEOUT_S:.0f} s")
                if (now := resident(process.pid)) is not None:
                    samples.append(Sample(server.records(), *now))
                time.sleep(EVERY_S)
        finally:
            process.kill()
            process.wait()
        took = time.monotonic() - began
        if process.returncode != 0 or server.records() != count:
            raise SystemExit(
                f"the load ended with {process.returncode}, {server.records()} of {count} loaded"
            )
    return samples, took


def _rounded(samples: list[Sample]) -> list[tuple[int, float, float]]:
    return [(s.answered, round(s.rss_mb, 2), round(s.peak_mb, 2)) for s in samples]


def main(*, quick: bool) -> int:
    count = 100_000 if quick else 1_000_000
    samples, took = sample(count)
    peak, grown = max(s.peak_mb for s in samples), growth(samples, count)
    past = next(s.peak_mb for s in samples if s.answered >= count * 0.2)
    passed = peak <= MOST_MB and grown <= GROWTH_MB
    print(
        f"{'PASS' if passed else 'FAIL'}: {count:,} records of {records.LINE_BYTES} bytes: peak "
        f"{peak:.1f} MB (at most {MOST_MB:.0f}), {grown:+.1f} MB from the second fifth to the "
        f"last (at most +{GROWTH_MB:.0f}); the peak was {past:.1f} MB after the first fifth; "
        f"{count / took:,.0f} records/s"
    )
    large, _ = sample(count // 10, LARGE_BYTES)
    most = max(s.peak_mb for s in large)
    print(
        f"without a verdict: {count // 10:,} records of {LARGE_BYTES:,} bytes: peak {most:.1f} MB"
    )
    measured: dict[str, Any] = {
        "records": count,
        "record_bytes": records.LINE_BYTES,
        "passed": passed,
        "peak_mb": round(peak, 2),
        "growth_mb": round(grown, 2),
        "peak_after_first_fifth_mb": round(past, 2),
        "seconds": round(took, 2),
        "samples": _rounded(samples),
        "large": {
            "records": count // 10,
            "record_bytes": LARGE_BYTES,
            "peak_mb": round(most, 2),
            "samples": _rounded(large),
        },
    }
    results.keep("memory", measured, quick=quick)
    return 0 if passed else 1
