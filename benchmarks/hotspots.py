"""Where bulkload's time goes: py-spy's samples of a load, all threads, grouped by room.

Needs py-spy (`pip install py-spy`), which is no dependency: only this reads it.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections import Counter
from pathlib import Path

from benchmarks import processes, records, results

RATE = 500
SHOWN = 15


def spy() -> str:
    beside = Path(sys.executable).with_name("py-spy")
    found = str(beside) if beside.exists() else shutil.which("py-spy")
    if found is None:
        raise SystemExit("py-spy is not installed: pip install py-spy")
    return found


def room(frame: str) -> str | None:
    """The part of bulkload that a frame is in; None where it is in none."""
    match = re.search(r"\(.*?bulkload/(?:bulkload/)?([\w/]+)\.py", frame)
    return match[1] if match else None


def place(frames: list[str]) -> str:
    """Who a stack's time belongs to: its innermost frame of bulkload's, with what that calls."""
    for depth in range(len(frames) - 1, -1, -1):
        if (inside := room(frames[depth])) is not None:
            name = frames[depth].split(" ", 1)[0]
            return f"{inside}:{name}" + (" and what it calls" if depth < len(frames) - 1 else "")
    return "event loop, aiohttp, interpreter"


def read(raw: str) -> Counter[str]:
    """py-spy's raw form, `frame;frame;frame count` a line → samples by place."""
    found: Counter[str] = Counter()
    for line in raw.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        found[place(frames)] += int(count)
    return found


def main(*, quick: bool) -> int:
    count = 50_000 if quick else 200_000
    with records.workplace() as here, processes.answer_server() as server:
        source = records.write(here / "many.ndjson", count)
        out = here / "stacks.txt"
        command = [
            *(spy(), "record", "--format", "raw", "--rate", str(RATE), "--gil", "--nolineno"),
            *("--output", str(out), "--", sys.executable, "-m", "bulkload"),
            *processes.load(source, here / "run", server.port)[len(processes.bulkload()) :],
        ]
        core = processes.client_core()
        processes.succeeded(processes.run(command, timeout_s=300, core=core))
        found = read(out.read_text("utf-8"))
    total = found.total()
    rows = [[f"{n / total:.1%}", where] for where, n in found.most_common(SHOWN)]
    print(results.table(("share", "samples that hold the interpreter lock"), rows))
    kept = dict(found.most_common())
    results.keep("hotspots", {"records": count, "samples": total, "by_place": kept}, quick=quick)
    return 0
