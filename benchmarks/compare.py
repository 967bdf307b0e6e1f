"""bulkload beside the least that could do the same calls, and beside the official client.

Rounds are interleaved (A B C A B C) and a ratio is formed within each round, so that what
else the machine does meets all three. Each client is a whole process on one core, the
server has the other. A small load before each real one tells what starting costs.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from benchmarks import ceiling, processes, records, results

if TYPE_CHECKING:
    from pathlib import Path

SMALL = 100
TIMEOUT_S = 120.0
CLIENTS = ("bulkload", "bare", "official")


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured. The official client gets fewer records: it is slow."""

    rounds: int
    records: int
    official: int
    ceiling_s: float


FULL = Size(5, 200_000, 50_000, 5.0)
QUICK = Size(3, 40_000, 10_000, 2.0)


@dataclass(frozen=True, slots=True)
class Loaded:
    """One client's process in one round.

    `inside_per_s` is what it says itself, from its first request on. `marginal_*` is against
    its small load: what is left when starting and ending are taken away.
    """

    client: str
    round: int
    records: int
    wall_s: float
    cpu_s: float
    small_wall_s: float
    small_cpu_s: float
    peak_rss_mb: float
    inside_per_s: float

    @property
    def marginal_per_s(self) -> float:
        return (self.records - SMALL) / (self.wall_s - self.small_wall_s)

    @property
    def cpu_s_per_million(self) -> float:
        return (self.cpu_s - self.small_cpu_s) / (self.records - SMALL) * 1e6


def _command(client: str, source: Path, run: Path, port: int) -> list[str]:
    if client == "bulkload":
        return processes.load(source, run, port)
    return [sys.executable, "-m", f"benchmarks.{client}", str(source), f"http://127.0.0.1:{port}"]


def _run(client: str, source: Path, port: int, count: int) -> tuple[processes.Ended, float]:
    run = source.with_name("run")
    ended = processes.succeeded(
        processes.run(
            _command(client, source, run, port), timeout_s=TIMEOUT_S, core=processes.client_core()
        )
    )
    shutil.rmtree(run, ignore_errors=True)
    said = json.loads(ended.out)
    if said["loaded"] != count:
        raise SystemExit(f"{client} loaded {said['loaded']} of {count}")
    return ended, float(said["records_per_s"])


def measure(size: Size) -> list[Loaded]:
    loads = []
    with records.scratch() as place, processes.answer_server() as server:
        small = records.write(place / "small.ndjson", SMALL)
        counts = {"official": size.official}
        sources = {
            count: records.write(place / f"{count}.ndjson", count)
            for count in {size.records, size.official}
        }
        for number in range(size.rounds):
            for client in CLIENTS:
                count = counts.get(client, size.records)
                start, _ = _run(client, small, server.port, SMALL)
                whole, inside = _run(client, sources[count], server.port, count)
                loads.append(
                    Loaded(
                        client,
                        number,
                        count,
                        whole.wall_s,
                        whole.cpu_s,
                        start.wall_s,
                        start.cpu_s,
                        whole.peak_rss_mb,
                        inside,
                    )
                )
    return loads


def ratios(loads: list[Loaded], client: str) -> dict[str, list[float]]:
    """`client` over the bare loop, round by round."""
    of = {(each.client, each.round): each for each in loads}
    rounds = sorted({each.round for each in loads})
    pairs = [(of[client, number], of["bare", number]) for number in rounds]
    return {
        "records_per_s": [a.marginal_per_s / b.marginal_per_s for a, b in pairs],
        "cpu_per_record": [a.cpu_s_per_million / b.cpu_s_per_million for a, b in pairs],
        "peak_rss": [a.peak_rss_mb / b.peak_rss_mb for a, b in pairs],
    }


def main(*, quick: bool) -> int:
    size = QUICK if quick else FULL
    limit = ceiling.measure(size.ceiling_s)
    loads = measure(size)
    found = {client: ratios(loads, client) for client in CLIENTS}
    fastest = statistics.median(e.marginal_per_s for e in loads if e.client == "bare")
    limit["over_bare_loop"] = round(limit["records_per_s"] / fastest, 2)
    rows = [
        [client, *(results.spread(found[client][name]) for name in found[client])]
        for client in CLIENTS
    ]
    print(f"Ratios to the bare loop, median of {size.rounds} interleaved rounds (least to most):\n")
    header = ("client", "records/s", "CPU s/record", "peak RSS")
    print(results.table(header, rows))
    print(f"\nThe server alone answers {limit['over_bare_loop']} times what the bare loop asks.")
    print("\nFigures of this machine at this hour (median, least to most):\n")
    print(results.table(FIGURES, [_figures(loads, client) for client in CLIENTS]))
    results.keep(
        "compare",
        {
            "pinned": bool(processes.cores()),
            "size": asdict(size),
            "ceiling": limit,
            "ratios_to_bare": found,
            "loads": [
                {
                    **asdict(each),
                    "marginal_per_s": each.marginal_per_s,
                    "cpu_s_per_million": each.cpu_s_per_million,
                }
                for each in loads
            ],
        },
        quick=quick,
    )
    return 0


FIGURES = ("client", "records", "records/s", "CPU s per million", "start and end s", "peak RSS MB")


def _figures(loads: list[Loaded], client: str) -> list[str]:
    mine = [each for each in loads if each.client == client]
    return [
        client,
        f"{mine[0].records:,}",
        results.spread([each.marginal_per_s for each in mine], ",.0f"),
        results.spread([each.cpu_s_per_million for each in mine], ".1f"),
        results.spread([each.small_wall_s for each in mine]),
        results.spread([each.peak_rss_mb for each in mine], ".0f"),
    ]
