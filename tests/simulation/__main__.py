"""Runs the simulation: `python -m tests.simulation [--seeds N] [--from N] [--jobs N] [--mode M]`.

A seed that breaks a law is printed with the command that replays it. Exits 1 where one did.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

from tests.simulation.world import MODES, PEOPLED, one

if TYPE_CHECKING:
    from collections.abc import Iterable

PORTION = 250


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seeds", type=int, default=2_000, help="how many runs")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument(
        "--mode", default=",".join((*MODES, *PEOPLED)), help="one or more, with commas"
    )
    parser.add_argument("--seed", type=int, help="this run alone")
    parser.add_argument("--trace", action="store_true", help="tell all that happens")
    parser.add_argument("--until-broken", action="store_true", help="stop at the first")
    asked = parser.parse_args()
    modes = tuple(asked.mode.split(","))
    if asked.seed is not None:
        asked.first, asked.seeds = asked.seed, 1
    found: Iterable[tuple[str, int, list[str]]]
    if asked.trace or asked.jobs == 1 or asked.seeds == 1:
        found = map(partial(one, modes=modes, trace=asked.trace), seeds(asked))
        return report(found, asked.seeds, stop=asked.until_broken)
    with multiprocessing.get_context("spawn").Pool(asked.jobs) as pool:
        found = pool.imap(partial(one, modes=modes), seeds(asked), chunksize=PORTION)
        return report(found, asked.seeds, stop=asked.until_broken)


def seeds(asked: argparse.Namespace) -> range:
    return range(asked.first, asked.first + asked.seeds)


def report(found: Iterable[tuple[str, int, list[str]]], count: int, *, stop: bool) -> int:
    began, broken = time.monotonic(), 0
    for number, (mode, seed, laws) in enumerate(found, 1):
        if laws:
            broken += 1
            print(f"BROKEN --mode {mode} --seed {seed}: {'; '.join(laws)[:300]}")
            print(f"    python -m tests.simulation --mode {mode} --seed {seed} --trace", flush=True)
            if stop:
                break
        if number % 5_000 == 0 or number == count:
            took = time.monotonic() - began
            print(
                f"{number:,} runs in {took:.0f} s, {1000 * took / number:.2f} ms each; "
                f"{broken} broke a law",
                file=sys.stderr,
                flush=True,
            )
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
