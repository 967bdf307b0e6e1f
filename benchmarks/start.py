"""How soon it is there: `bulkload --help`, and the first request of a load."""

from __future__ import annotations

import statistics
import sys

from benchmarks import processes, records, results

ROUNDS = 15
HELP_MS = 150.0
FIRST_MS = 400.0


def wall_ms(command: list[str]) -> float:
    return processes.succeeded(processes.run(command, timeout_s=20)).wall_s * 1000


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def first_ms() -> tuple[float, float]:
    """From the start of a load's process: its first request, its first batch create.

    Both clocks are the system's monotonic one, which all its processes share.
    """
    with records.scratch() as place, processes.answer_server() as server:
        source = records.write(place / "few.ndjson", 100)
        command = processes.load(source, place / "run", server.port)
        ended = processes.succeeded(processes.run(command, timeout_s=60))
        arrivals = server.arrivals()
    create = next(when for when, creates in arrivals if creates)
    return (arrivals[0][0] - ended.began) * 1000, (create - ended.began) * 1000


def main(*, quick: bool) -> int:
    rounds = 5 if quick else ROUNDS
    shown = processes.bulkload("--help")
    wall_ms(shown)  # warm files
    helps, bare, http, firsts = [], [], [], []
    for _ in range(rounds):
        helps.append(wall_ms(shown))
        bare.append(wall_ms(python("pass")))
        http.append(wall_ms(python("import aiohttp")))
        firsts.append(first_ms())
    first = statistics.median(first for first, _ in firsts)
    passed = statistics.median(helps) <= HELP_MS and first <= FIRST_MS
    rows = [
        ["bulkload --help", results.spread(helps, ".0f")],
        ["python, nothing", results.spread(bare, ".0f")],
        ["python, import aiohttp", results.spread(http, ".0f")],
        ["load: first request", results.spread([first for first, _ in firsts], ".0f")],
        ["load: first create", results.spread([create for _, create in firsts], ".0f")],
    ]
    print(results.table(("start", f"ms, median of {rounds} (least to most)"), rows))
    print(
        f"{'PASS' if passed else 'FAIL'}: --help in at most {HELP_MS:.0f} ms, a load's first "
        f"request in {FIRST_MS:.0f}"
    )
    measured = {
        "passed": passed,
        "help_ms": helps,
        "python_ms": bare,
        "import_aiohttp_ms": http,
        "first_request_and_create_ms": firsts,
    }
    results.keep("start", measured, quick=quick)
    return 0 if passed else 1
