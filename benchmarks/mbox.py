"""`check` of an mbox of a million messages, 4 GB: messages a second, and memory of all processes.

The memory is what no two of them share (`Private_*` of smaps_rollup), summed over the processes of
the check at each moment.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import mail, results
from bulkload.sources.mbox import MboxSource

LEAST_PER_S = 6_000
LEAST_SPLIT_PER_S = 100_000
MOST_MB = 250.0
EVERY_S = 0.5
TIMEOUT_S = 1800.0


class Measured(NamedTuple):
    """What one check said, the seconds that it took and the memory at most."""

    said: dict[str, Any]
    seconds: float
    peak_mb: float


def unshared_mb(pid: int) -> float:
    """Of a process and those below it, in MB; 0 once it is gone, or where there is no /proc."""
    total, left = 0, [pid]
    while left:
        each = left.pop()
        try:
            rollup = Path(f"/proc/{each}/smaps_rollup").read_text("ascii")
            children = Path(f"/proc/{each}/task/{each}/children").read_text("ascii")
        except OSError:
            continue
        total += sum(
            int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Private_")
        )
        left += map(int, children.split())
        left += _of_threads(each)
    return total * 1024 / 1e6


def _of_threads(pid: int) -> list[int]:
    """Children that another thread of the process started."""
    found: list[int] = []
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        if thread.parent.name != str(pid):
            try:
                found += map(int, thread.read_text("ascii").split())
            except OSError:
                continue
    return found


def check(path: Path, *words: str) -> Measured:
    """`bulkload check` of one file, in processes of its own."""
    command = [
        sys.executable, "-m", "bulkload", "check", str(path), "--json", "--no-progress",
        "--offline", "--mine", mail.MINE, "--leave-out", "none", *words,
    ]  # fmt: skip
    began, peak = time.monotonic(), 0.0
    with tempfile.TemporaryFile() as out, subprocess.Popen(command, stdout=out) as process:
        try:
            while process.poll() is None:
                if time.monotonic() - began > TIMEOUT_S:
                    raise SystemExit(f"not done after {TIMEOUT_S:.0f} s")
                peak = max(peak, unshared_mb(process.pid))
                time.sleep(EVERY_S)
        finally:
            process.kill()
        took = time.monotonic() - began
        if process.wait() not in (0, 1):
            raise SystemExit(f"the check ended with {process.returncode}")
        out.seek(0)
        return Measured(json.load(out), took, peak)


def split(path: Path) -> tuple[int, float]:
    """(messages, seconds) of reading the file's messages and no more."""
    began = time.monotonic()
    count = sum(1 for _ in MboxSource(path).records())
    return count, time.monotonic() - began


def main(*, quick: bool) -> int:
    count = 20_000 if quick else 1_000_000
    with tempfile.TemporaryDirectory(prefix="bulkload-mbox-") as place:
        path = Path(place, "many.mbox")
        began = time.monotonic()
        made = mail.write(path, count)
        print(
            f"{made.messages:,} messages, {made.size / 1e9:.2f} GB, {made.broken:,} broken, "
            f"made in {time.monotonic() - began:.0f} s"
        )
        found, split_s = split(path)
        measured = check(path)
    said = measured.said
    if not (found == said["read"] == count):
        raise SystemExit(f"made {count:,} messages, split {found:,}, checked {said['read']:,}")
    per_s, split_per_s = count / measured.seconds, count / split_s
    passed = (
        per_s >= LEAST_PER_S and measured.peak_mb <= MOST_MB and split_per_s >= LEAST_SPLIT_PER_S
    )
    print(
        f"{'PASS' if passed else 'FAIL'}: check {per_s:,.0f} messages/s on {os.cpu_count()} cores "
        f"(at least {LEAST_PER_S:,}), unshared memory {measured.peak_mb:.0f} MB at most "
        f"(at most {MOST_MB:.0f}), splitting alone {split_per_s:,.0f}/s "
        f"(at least {LEAST_SPLIT_PER_S:,}); {said['would_load']:,} would be loaded, "
        f"{said['would_dead_letter']:,} dead letters, {said['skipped']:,} skipped"
    )
    kept = {
        "messages": count,
        "bytes": made.size,
        "broken": made.broken,
        "passed": passed,
        "per_s": round(per_s),
        "peak_unshared_mb": round(measured.peak_mb, 1),
        "split_per_s": round(split_per_s),
        "seconds": round(measured.seconds, 2),
        "said": {
            name: said[name] for name in ("read", "would_load", "would_dead_letter", "skipped")
        },
    }
    results.keep("mbox", kept, quick=quick)
    return 0 if passed else 1
