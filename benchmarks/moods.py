"""The rate as the remote's moods leave it, judged by the sandbox's clock when calls arrive.

Each scenario is real: the sandbox as a process, the command as a process, in wall-clock time.
The sandbox answers after 0.3 s (lognormal), and a call is up to 40 ms on its way before it
arrives, so calls overtake each other. Work never runs out: each load is ended by a signal.
"""

from __future__ import annotations

import os
import shutil
import time
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks import records, results
from benchmarks.rate import GRID_S, worst
from benchmarks.staging import BATCH, JITTER_MS, LATENCY_MS, LINE_BYTES, STALLED, loading, sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from benchmarks.staging import Sandbox

WINDOW_S = 10.0
A_FEW = 5


@dataclass(frozen=True, slots=True)
class Seen:
    """What arrived at the sandbox, and when the limits changed, by the clock of this machine.

    `seconds` from the first create to the end of the measurement.
    """

    arrivals: list[tuple[float, int]]  # seconds since the first create, status
    changes: list[float]
    seconds: float
    stalls: int = 0

    def admitted(self, begin: float, end: float) -> int:
        return sum(begin <= at < end for at, status in self.arrivals if status != 429)

    def refused(self, begin: float = 0.0, end: float = float("inf")) -> int:
        return sum(begin <= at < end for at, status in self.arrivals if status == 429)

    def use(self, begin: float, end: float, calls: int, window_s: float = WINDOW_S) -> float:
        """The mean of the windows in [begin, end), as a share of `calls`: calls come in clusters,
        so that the count between two moments says less.
        """
        admitted = sorted(at for at, status in self.arrivals if status != 429)
        counts = [
            bisect_left(admitted, at + window_s) - bisect_left(admitted, at)
            for at in (
                begin + n * GRID_S for n in range(int((end - begin - window_s) / GRID_S) + 1)
            )
        ]
        if not counts:
            raise SystemExit("what is measured is shorter than a window")
        return sum(counts) / len(counts) / calls

    def worst(self, window_s: float = WINDOW_S) -> int:
        return worst(sorted(at for at, status in self.arrivals if status != 429), window_s)

    def per_second(self, *, refused: bool) -> str:
        """How many arrived in each second since the first create, in order."""
        counts = [0] * (int(self.seconds) + 1)
        for at, status in self.arrivals:
            if 0 <= at < len(counts) and (status == 429) == refused:
                counts[int(at)] += 1
        return " ".join(map(str, counts))


@dataclass(frozen=True, slots=True)
class Figure:
    """`held`: by `figure` and `must` as they are shown."""

    what: str
    figure: str
    must: str
    held: bool


@dataclass(frozen=True, slots=True)
class Scenario:
    """`changes`: limits that are set so many seconds after the first create."""

    name: str
    seconds: float
    judge: Callable[[Seen], list[Figure]]
    sandbox: tuple[str, ...] = ("--rate-limit", "190/10s")
    load: tuple[str, ...] = ()
    changes: tuple[tuple[float, Mapping[str, Any]], ...] = ()
    before: Callable[[Sandbox, Path], None] = lambda _sandbox, _place: None
    tls: bool = False
    stalls: tuple[int, int] | None = None  # the first fdatasync that stalls, and every nth then


def _used_already(there: Sandbox, _place: Path) -> None:
    """Other apps fill most of the window, then go."""
    there.limits(others=17)
    time.sleep(WINDOW_S)
    there.limits(others=0)


def _ran_already(there: Sandbox, place: Path) -> None:
    with loading(there, place / "source.ndjson", place / "before"):
        time.sleep(WINDOW_S)


def perform(scenario: Scenario, place: Path) -> Seen:
    """One scenario for real."""
    with sandbox(scenario.sandbox, place, tls=scenario.tls) as there:
        scenario.before(there, place)
        known, earlier = there.creates(), len(there.arrivals())
        changed: list[float] = []
        run = place / "run"
        with loading(there, place / "source.ndjson", run, *scenario.load, stalls=scenario.stalls):
            patience = time.monotonic() + 30
            while there.creates() == known:
                if time.monotonic() > patience:
                    raise SystemExit(f"{scenario.name}: nothing was sent")
                time.sleep(0.02)
            began = time.monotonic()
            for after, limits in scenario.changes:
                time.sleep(max(began + after - time.monotonic(), 0.0))
                changed.append(there.limits(**limits))
            time.sleep(max(began + scenario.seconds - time.monotonic(), 0.0))
        arrived = there.arrivals()[earlier:]
    traced = place / "traced"
    stalled = traced.read_text().count(STALLED) if scenario.stalls is not None else 0
    zero = next(each["t"] for each in arrived if each["path"].endswith("/create"))
    for each in ("run", "before"):
        shutil.rmtree(place / each, ignore_errors=True)
    return Seen(
        [(each["t"] - zero, each["status"]) for each in arrived],
        [at - zero for at in changed],
        scenario.seconds,
        stalled,
    )


def _no_refusal(seen: Seen) -> Figure:
    refused = seen.refused()
    return Figure("429s", str(refused), "0", refused == 0)


def _at_least(what: str, share: float, least: float) -> Figure:
    return Figure(what, f"{share:.1%}", f"≥ {least:.0%}", share >= least)


def _at_most(what: str, number: int, most: int) -> Figure:
    return Figure(what, str(number), f"≤ {most}", number <= most)


def alone(
    least: float = 0.98, calls: int = 190, window_s: float = WINDOW_S
) -> Callable[[Seen], list[Figure]]:
    def judge(seen: Seen) -> list[Figure]:
        used = seen.use(window_s, seen.seconds, calls, window_s)
        return [
            _no_refusal(seen),
            _at_most("worst window", seen.worst(window_s), calls),
            _at_least("use after the first window", used, least),
        ]

    return judge


def shared(seen: Seen) -> list[Figure]:
    come, gone = seen.changes
    refused = seen.refused(come)
    share = refused / max(refused + seen.admitted(come, seen.seconds), 1)
    return [
        Figure("429s of the calls since others came", f"{share:.2%}", "< 2%", share < 0.02),
        _at_least("use of 190, before", seen.use(WINDOW_S, come, 190), 0.98),
        _at_least("use of 130, 20 s after they came", seen.use(come + 20, gone, 130), 0.95),
        _at_least("use of 190, 20 s after they went", seen.use(gone + 20, seen.seconds, 190), 0.95),
    ]


def changed(seen: Seen) -> list[Figure]:
    (at,) = seen.changes
    return [
        _no_refusal(seen),
        _at_least("use of 100, before", seen.use(WINDOW_S, at, 100), 0.98),
        _at_least("use of 190, 20 s after the change", seen.use(at + 20, seen.seconds, 190), 0.95),
    ]


def again(seen: Seen) -> list[Figure]:
    used = seen.use(WINDOW_S * 2, seen.seconds, 190)
    return [
        _at_most("429s", seen.refused(), A_FEW),
        _at_least("use after 20 s", used, 0.95),
    ]


def half(seen: Seen) -> list[Figure]:
    return [
        _no_refusal(seen),
        _at_most("worst window", seen.worst(), 95),
        _at_least("use of 95 after the first window", seen.use(WINDOW_S, seen.seconds, 95), 0.98),
    ]


def scenarios(*, quick: bool) -> list[Scenario]:
    long = 25.0 if quick else 61.0
    every = [
        Scenario("alone", long, alone()),
        Scenario(
            "limit 100 → 190",
            52.0 if quick else 60.0,
            changed,
            sandbox=("--rate-limit", "100/10s"),
            changes=((20.0, {"rate_limit": "190/10s"}),),
        ),
        Scenario("others used the window before", 31.0, again, before=_used_already),
    ]
    if quick:
        return every
    return [
        *every,
        Scenario("a second run right after", 31.0, again, before=_ran_already),
        Scenario("TLS", long, alone(), tls=True),
        Scenario(
            "no processing times",
            long,
            alone(0.96),
            sandbox=("--rate-limit", "190/10s", "--no-processing-times"),
        ),
        Scenario("disk stalls of 2 s", long, alone(), stalls=(150, 600)),
        Scenario(
            "others take 60 of 190 for 60 s",
            125.0,
            shared,
            changes=((25.0, {"others": 6}), (85.0, {"others": 0})),
        ),
        Scenario("auto, 60 in 4 s", 31.0, alone(0.96, 60, 4.0), sandbox=("--rate-limit", "60/4s")),
        Scenario("a share of 50 %", 31.0, half, load=("--rate-share", "50%")),
    ]


def main(*, quick: bool) -> int:
    chosen = scenarios(quick=quick)
    kept, rows, passed = [], [], True
    with records.scratch() as place:
        most = max(each.seconds for each in chosen) + WINDOW_S
        records.write(place / "source.ndjson", int(most * 25) * BATCH, LINE_BYTES)
        for each in chosen:
            if each.stalls is not None and shutil.which("strace") is None:
                rows.append((each.name, "not measured: there is no strace", "", ""))
                continue
            load = os.getloadavg()[0]
            seen = perform(each, place)
            figures = each.judge(seen)
            passed = passed and all(figure.held for figure in figures)
            for figure in figures:
                held = "yes" if figure.held else "NO"
                name = f"{each.name} ({seen.stalls})" if seen.stalls else each.name
                rows.append((f"{name}: {figure.what}", figure.figure, figure.must, held))
                print(*rows[-1], sep="  ", flush=True)
            kept.append(
                {
                    "scenario": each.name,
                    "load_1min": round(load, 2),
                    "figures": [
                        {"what": f.what, "figure": f.figure, "must": f.must, "held": f.held}
                        for f in figures
                    ],
                    "stalls": seen.stalls,
                    "changes_s": [round(at, 2) for at in seen.changes],
                    "statuses": {
                        str(s): n for s, n in Counter(s for _, s in seen.arrivals).items()
                    },
                    "admitted_per_s": seen.per_second(refused=False),
                    "refused_per_s": seen.per_second(refused=True),
                }
            )
    print(results.table(("what", "figure", "must", "held"), rows))
    print("PASS" if passed else "FAIL")
    told = {"passed": passed, "latency_ms": LATENCY_MS, "jitter_ms": JITTER_MS, "batch": BATCH}
    results.keep("moods", {**told, "scenarios": kept}, quick=quick)
    return 0 if passed else 1
