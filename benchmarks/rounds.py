"""Loads side by side: rounds are interleaved (A B C A B C), and a ratio is formed within its round,
so that what else the machine does meets all of them.

Each is a whole process on one core, the server has the other. A small load before each real one
tells what starting and ending cost, which is taken away.
"""

from __future__ import annotations

import json
import shutil
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from benchmarks import processes, records, results

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

SMALL = 100
TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True)
class Contender:
    """`command`: from a source, a run's directory and the server's port.

    `kind`: whether the lines are "shaped" as HubSpot's or in somebody's "own" columns. `share`: of
    the records; a slow one gets fewer. `marked`: the portal has a key property; `delay_s`: what
    the server takes for a call. `terminal`: its standard error is one.
    """

    name: str
    command: Callable[[Path, Path, int], list[str]]
    kind: str = "shaped"
    share: float = 1.0
    marked: bool = False
    delay_s: float = 0.0
    terminal: bool = False


@dataclass(frozen=True, slots=True)
class Loaded:
    """One process in one round. `small_*` are of its small load."""

    client: str
    round: int
    records: int
    wall_s: float
    cpu_s: float
    small_wall_s: float
    small_cpu_s: float
    peak_rss_mb: float

    @property
    def marginal_per_s(self) -> float:
        """Records a second, without starting and ending."""
        return (self.records - SMALL) / (self.wall_s - self.small_wall_s)

    @property
    def cpu_s_per_million(self) -> float:
        return (self.cpu_s - self.small_cpu_s) / (self.records - SMALL) * 1e6

    def as_json(self) -> dict[str, Any]:
        marginal = {"per_s": self.marginal_per_s, "cpu_s_per_million": self.cpu_s_per_million}
        return {**asdict(self), **marginal}


def measure(contenders: Sequence[Contender], count: int, rounds: int) -> list[Loaded]:
    """Every contender in every round, with `count` records or its share of them."""
    loads: list[Loaded] = []
    with ExitStack() as kept:
        place = kept.enter_context(records.scratch())
        servers = {
            (delay_s, marked): kept.enter_context(processes.answer_server(delay_s, marked=marked))
            for delay_s, marked in {(each.delay_s, each.marked) for each in contenders}
        }
        counts = {each.name: max(SMALL * 10, int(count * each.share)) for each in contenders}
        sources = {
            (each.kind, size): _written(place, each.kind, size)
            for each in contenders
            for size in (SMALL, counts[each.name])
        }
        for number in range(rounds):
            for each in contenders:
                port, size = servers[each.delay_s, each.marked].port, counts[each.name]
                small = _run(each, sources[each.kind, SMALL], port, SMALL)
                whole = _run(each, sources[each.kind, size], port, size)
                loads.append(
                    Loaded(
                        *(each.name, number, size, whole.wall_s, whole.cpu_s),
                        *(small.wall_s, small.cpu_s, whole.peak_rss_mb),
                    )
                )
    return loads


def _written(place: Path, kind: str, count: int) -> Path:
    path = place / f"{kind}-{count}.ndjson"
    return path if path.exists() else records.write_mail(path, count, own=kind == "own")


def _run(each: Contender, source: Path, port: int, count: int) -> processes.Ended:
    run = source.with_name("run")
    ended = processes.succeeded(
        processes.run(
            each.command(source, run, port),
            timeout_s=TIMEOUT_S,
            core=processes.client_core(),
            terminal=each.terminal,
        )
    )
    shutil.rmtree(run, ignore_errors=True)
    loaded = json.loads(ended.out)["loaded"]
    if loaded != count:
        raise SystemExit(f"{each.name} loaded {loaded} of {count}")
    return ended


def ratios(loads: Sequence[Loaded], client: str, base: str) -> dict[str, list[float]]:
    """`client` over `base`, round by round."""
    of = {(each.client, each.round): each for each in loads}
    numbers = sorted({each.round for each in loads})
    pairs = [(of[client, number], of[base, number]) for number in numbers]
    return {
        "records_per_s": [a.marginal_per_s / b.marginal_per_s for a, b in pairs],
        "cpu_per_record": [a.cpu_s_per_million / b.cpu_s_per_million for a, b in pairs],
        "peak_rss": [a.peak_rss_mb / b.peak_rss_mb for a, b in pairs],
    }


HEADER = ("", "records/s", "CPU s/record", "records/s here", "CPU s a million", "peak MB")


def table(loads: Sequence[Loaded], base: str) -> str:
    """Ratios to `base`, then this machine's figures: each the median (least to most)."""
    rows = []
    for name in dict.fromkeys(each.client for each in loads):
        mine = [each for each in loads if each.client == name]
        found = ratios(loads, name, base)
        rows.append(
            [
                name,
                results.spread(found["records_per_s"]),
                results.spread(found["cpu_per_record"]),
                results.spread([each.marginal_per_s for each in mine], ",.0f"),
                results.spread([each.cpu_s_per_million for each in mine], ".1f"),
                results.spread([each.peak_rss_mb for each in mine], ".0f"),
            ]
        )
    return results.table(HEADER, rows)
