"""`python -m benchmarks [NAME] [--quick]`.

Without a name: compare, settings, start, rate and steady. Exit code 1 where a promise is not kept.
"""

from __future__ import annotations

import argparse

from benchmarks import (
    compare,
    hotspots,
    mbox,
    memory,
    millions,
    moods,
    outages,
    rate,
    settings,
    sources,
    start,
    steady,
)

NAMED = {
    "compare": compare.main,
    "mbox": mbox.main,
    "memory": memory.main,
    "millions": millions.main,
    "start": start.main,
    "rate": rate.main,
    "moods": moods.main,
    "outages": outages.main,
    "hotspots": hotspots.main,
    "settings": settings.main,
    "sources": sources.main,
    "steady": steady.main,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="?", choices=NAMED)
    parser.add_argument("--quick", action="store_true", help="smaller; everything in 2 minutes")
    given = parser.parse_args()
    chosen = [given.name] if given.name else ["compare", "settings", "start", "rate", "steady"]
    return max(NAMED[name](quick=given.quick) for name in chosen)


if __name__ == "__main__":
    raise SystemExit(main())
