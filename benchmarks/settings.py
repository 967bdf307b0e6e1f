"""What each part of a load costs: the same load with one thing changed, as a ratio to the load as
it is.

What can't be switched off by an option is switched off in the process (`without`).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from benchmarks import processes, results, rounds
from benchmarks.compare import bulkload
from benchmarks.rounds import Contender

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

AS_IT_IS = "as it is"


def without(part: str) -> Callable[[Path, Path, int], list[str]]:
    """Bulkload with a part of it switched off."""

    def command(source: Path, run: Path, port: int) -> list[str]:
        load = processes.load(source, run, port)[len(processes.bulkload()) :]
        return [sys.executable, "-m", "benchmarks.without", part, *load]

    return command


def shown(source: Path, run: Path, port: int) -> list[str]:
    """With progress on a terminal."""
    command = processes.load(source, run, port)
    return [word for word in command if word != "--no-progress"]


PARTS = (
    Contender(AS_IT_IS, bulkload()),
    Contender("progress on a terminal", shown, terminal=True),
    Contender("no observers", without("observers")),
    Contender("journal without fsync", without("fsync")),
    Contender("no journal", without("journal")),
    Contender("no limiter", without("limiter")),
    Contender("no msgspec", without("msgspec")),
)
SIZES = (
    Contender("1 in flight", bulkload("--max-in-flight", "1")),
    Contender("8 in flight", bulkload("--max-in-flight", "8")),
    Contender("32 in flight", bulkload("--max-in-flight", "32")),
    Contender("answers after 50 ms", bulkload(), delay_s=0.05, share=0.5),
    Contender("answers after 300 ms", bulkload(), delay_s=0.3, share=0.2),
    Contender("a tenth of the records", bulkload(), share=0.1),
    Contender("ten times the records", bulkload(), share=10.0),
)


def main(*, quick: bool) -> int:
    count, number, chosen = (20_000, 2, PARTS) if quick else (60_000, 5, PARTS + SIZES)
    loads = rounds.measure(chosen, count, number)
    print(f"Ratios to the load as it is, median of {number} rounds (least to most):\n")
    print(rounds.table(loads, AS_IT_IS))
    kept = [each.as_json() for each in loads]
    results.keep("settings", {"records": count, "rounds": number, "loads": kept}, quick=quick)
    return 0
