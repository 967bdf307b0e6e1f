"""Ten million small records: whether the last costs what the first did, what the journal keeps of
each, and how soon a run that is nearly done goes on.

The load is told to end (SIGTERM, which drains) when all but its last records are settled; `status`
and `resume` then find a run with millions behind it.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks import memory, processes, records, results

if TYPE_CHECKING:
    from pathlib import Path

RECORD_BYTES = 300
REST = 200_000
"""Records that are left for the resume."""

MOST_MB = 150.0
JOURNAL_BYTES = 20.0
RESUME_S = 5.0
STATUS_S = 0.5
SLOWER = 0.10
TIMEOUT_S = 900.0
EVERY_S = 0.25


class Seen(NamedTuple):
    """Seconds since the start, records answered so far, megabytes resident at most so far."""

    s: float
    answered: int
    peak_mb: float


def pace(seen: list[Seen], first: int, last: int) -> float:
    """Records a second from the one to the other."""
    begin = next(each for each in seen if each.answered >= first)
    end = next(each for each in seen if each.answered >= last)
    return (end.answered - begin.answered) / (end.s - begin.s)


def load(source: Path, run: Path, server: processes.Server, count: int) -> list[Seen]:
    """Load all but the last records; what was seen meanwhile."""
    seen: list[Seen] = []
    began = time.monotonic()
    process = processes.spawn(
        processes.load(source, run, server.port),
        processes.client_core(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while process.poll() is None:
            took, answered = time.monotonic() - began, server.records()
            if took > TIMEOUT_S:
                raise SystemExit(f"not done after {TIMEOUT_S:.0f} s")
            if (now := memory.resident(process.pid)) is not None:
                seen.append(Seen(took, answered, now[1]))
            if answered >= count:
                process.send_signal(signal.SIGTERM)
                process.wait(60)
            time.sleep(EVERY_S)
    finally:
        process.kill()
        process.wait()
    if process.returncode != 3:
        raise SystemExit(f"the load ended with {process.returncode}: it should have been told to")
    return seen


def resume_s(run: Path, server: processes.Server) -> float:
    """From the start of a resume's process to its first batch create."""
    before = len(server.arrivals())
    ended = processes.succeeded(
        processes.run(
            processes.bulkload("resume", str(run), "--json", "--no-progress"),
            timeout_s=120,
            core=processes.client_core(),
        )
    )
    creates = [when for when, creates in server.arrivals()[before:] if creates]
    return creates[0] - ended.began


def main(*, quick: bool) -> int:
    count = 500_000 if quick else 10_000_000
    part = count // 10
    with records.scratch() as place, processes.answer_server() as server:
        source = records.write(place / "many.ndjson", count + REST, RECORD_BYTES)
        run = place / "run"
        seen = load(source, run, server, count)
        settled = server.records()
        journal = sum(path.stat().st_size for path in run.glob("journal.db*"))
        status = processes.bulkload("status", str(run), "--json")
        processes.run(status, timeout_s=60)  # warm files
        told = [processes.run(status, timeout_s=60).wall_s for _ in range(5)]
        goes_on = resume_s(run, server)
        shutil.rmtree(run)
    ratio = pace(seen, count - part, count) / pace(seen, part, 2 * part)
    figures = (
        ("peak memory, MB", max(each.peak_mb for each in seen), MOST_MB),
        ("journal, bytes a record", journal / settled, JOURNAL_BYTES),
        ("`resume` until its first create, s", goes_on, RESUME_S),
        ("`status`, s", sorted(told)[2], STATUS_S),
    )
    steady = ratio >= 1 - SLOWER
    passed = steady and all(figure <= most for _, figure, most in figures)
    rows = [[what, f"{figure:.2f}", f"≤ {most:g}"] for what, figure, most in figures]
    rows.append(["pace of the last tenth, beside the second", f"{ratio:.2f}", f"≥ {1 - SLOWER:g}"])
    print(results.table((f"{count:,} records of {RECORD_BYTES} bytes", "figure", "must"), rows))
    print("PASS" if passed else "FAIL")
    measured: dict[str, Any] = {
        "records": count,
        "record_bytes": RECORD_BYTES,
        "passed": passed,
        "figures": {what: round(figure, 3) for what, figure, _ in figures},
        "last_tenth_to_second": round(ratio, 3),
        "records_per_s": round(pace(seen, part, count)),
        "seen": [(round(each.s, 2), each.answered, round(each.peak_mb, 1)) for each in seen[::8]],
    }
    results.keep("millions", measured, quick=quick)
    return 0 if passed else 1
