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
SHOWN = 25
OWN = ("<lambda> (<string>)", "__create_fn__")
"""Frames of generated constructors (named tuples, dataclasses): their caller's own."""


def spy() -> str:
    beside = Path(sys.executable).with_name("py-spy")
    found = str(beside) if beside.exists() else shutil.which("py-spy")
    if found is None:
        raise SystemExit("py-spy is not installed: pip install py-spy")
    return found


def home(frame: str) -> tuple[str, str]:
    """(package, module) of a frame such as `name (package/part/file.py)`."""
    match = re.search(r"\((?:.*site-packages/|.*lib/python[\d.]+/)?([^()]+)\)$", frame)
    path = match[1] if match else ""
    if "bulkload/" in path:
        return "bulkload", path.rpartition("bulkload/")[2].removesuffix(".py")
    return path.split("/", 1)[0].removesuffix(".py"), path


def place(frames: list[str]) -> str:
    """Who a stack's time belongs to: bulkload's innermost module, and the package it called.

    Only the thread that holds the interpreter lock is sampled: one that sleeps on a pinned
    core looks as if it ran. What C code takes under the lock (orjson, sockets) is its
    caller's; what it takes without (hashing, SQLite, fsync) is not seen.
    """
    if any("importlib" in frame for frame in frames):
        return "start: imports"
    for depth in range(len(frames) - 1, -1, -1):
        package, module = home(frames[depth])
        if package == "bulkload" and not module.startswith(("cli/", "__main__")):
            if depth == len(frames) - 1 or frames[depth + 1].startswith(OWN):
                return module
            return f"{module} calling {home(frames[depth + 1])[0]}"
    return "event loop, aiohttp's and pool's own work"


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
    with records.scratch() as here, processes.answer_server() as server:
        source = records.write_mail(here / "many.ndjson", count)
        out = here / "stacks.txt"
        command = [
            *(spy(), "record", "--format", "raw", "--rate", str(RATE), "--gil", "--nolineno"),
            *("--output", str(out), "--", sys.executable, "-m", "bulkload"),
            *processes.load(source, here / "run", server.port)[len(processes.bulkload()) :],
        ]
        processes.succeeded(processes.run(command, timeout_s=300))
        found = read(out.read_text("utf-8"))
    total = found.total()
    rows = [[f"{n / total:.1%}", where] for where, n in found.most_common(SHOWN)]
    print(results.table(("share", "samples of the thread that holds the interpreter lock"), rows))
    kept = dict(found.most_common())
    results.keep("hotspots", {"records": count, "samples": total, "by_place": kept}, quick=quick)
    return 0
