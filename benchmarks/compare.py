"""bulkload beside the least that could do the same calls, and beside other clients.

Everything is a ratio to the bare loop (aiohttp and orjson, no journal, no care). bulkload runs with
its journal and fsync on, and a rate limit out of reach.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks import ceiling, processes, records, results, rounds
from benchmarks.rounds import Contender

if TYPE_CHECKING:
    from collections.abc import Callable

BARE = "bare loop"
PASSED, FIELD, LINE, MAPPED = (
    "bulkload",
    "bulkload, key from a field",
    "bulkload, key from the line",
    "bulkload, mapped",
)
OFFICIAL = "official client"
OTHERS = ("httpx", "requests", "niquests")
"""Other clients, each installed by its name."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured; slow clients get a share of the records."""

    rounds: int
    records: int
    ceiling_s: float
    others: bool


FULL = Size(5, 100_000, 5.0, others=True)
QUICK = Size(2, 20_000, 1.0, others=False)


def bulkload(*more: str) -> Callable[[Path, Path, int], list[str]]:
    return lambda source, run, port: processes.load(source, run, port, *more)


def module(name: str, *more: str) -> Callable[[Path, Path, int], list[str]]:
    """A client of this folder's, as a module of this environment."""

    def command(source: Path, _: Path, port: int) -> list[str]:
        address = f"http://127.0.0.1:{port}"
        return [sys.executable, "-m", f"benchmarks.{name}", str(source), address, *more]

    return command


def elsewhere(python: Path, name: str) -> Callable[[Path, Path, int], list[str]]:
    """One of `others`, by the Python of its own environment."""
    script = str(Path(__file__).with_name("others.py"))

    def command(source: Path, _: Path, port: int) -> list[str]:
        return [str(python), script, name, str(source), f"http://127.0.0.1:{port}"]

    return command


def contenders() -> list[Contender]:
    columns = [f"--map={name}={column}" for name, column in records.OWN.items()]
    return [
        Contender(BARE, module("bare")),
        Contender(PASSED, bulkload()),
        Contender(FIELD, bulkload("--key", records.KEY_FIELD), marked=True),
        Contender(LINE, bulkload(), marked=True),
        Contender(MAPPED, bulkload(*columns), kind="own"),
        Contender("bare loop, all unread", module("bare", "unread")),
        Contender("bare loop, a record a call", module("bare", "alone"), share=0.05),
        Contender(OFFICIAL, module("official"), share=0.25),
    ]


def others(place: Path) -> list[Contender]:
    """Those that can be installed here; of the rest is told."""
    found = []
    for name in OTHERS:
        python = place / name / "bin" / "python"
        try:
            for command in (
                [sys.executable, "-m", "venv", str(place / name)],
                [str(python), "-m", "pip", "install", "--quiet", "orjson", name],
            ):
                processes.succeeded(processes.run(command, timeout_s=120))
        except SystemExit:
            print(f"{name} can't be installed here: left out")
            continue
        found.append(Contender(name, elsewhere(python, name), share=0.25))
    return found


def main(*, quick: bool) -> int:
    size = QUICK if quick else FULL
    limit = ceiling.measure(size.ceiling_s)
    with TemporaryDirectory(prefix="bulkload-benchmark-") as place:
        chosen = contenders() + (others(Path(place)) if size.others else [])
        loads = rounds.measure(chosen, size.records, size.rounds)
    fastest = max(each.marginal_per_s for each in loads)
    limit["over_fastest"] = round(limit["records_per_s"] / fastest, 2)
    print(f"Ratios to the bare loop, median of {size.rounds} interleaved rounds (least to most):\n")
    print(rounds.table(loads, BARE))
    print(f"\nThe server alone answers {limit['over_fastest']} times what the fastest asks.")
    results.keep(
        "compare",
        {
            "pinned": bool(processes.cores()),
            "size": asdict(size),
            "ceiling": limit,
            "loads": [each.as_json() for each in loads],
        },
        quick=quick,
    )
    return 0
