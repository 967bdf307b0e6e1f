"""`python -m benchmarks.reading ADDRESS [TABLE]`: reads a source to its end and no more.

Prints `{"records", "seconds", "early_mb", "late_mb"}`: the resident memory after a fifth of the
records (by `EXPECTED` in the environment), and at the end.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from bulkload.sources import Asked, open_sources


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 1e6


def main(address: str, table: str | None = None) -> None:
    fifth = int(os.environ["EXPECTED"]) // 5
    records, early = 0, 0.0
    began = time.monotonic()
    for source in open_sources([address], Asked(table=table)):
        for record in source.records():
            assert record.flaw is None, record.flaw
            records += 1
            if records == fifth:
                early = resident_mb()
    took = time.monotonic() - began
    found = {"records": records, "seconds": round(took, 3)}
    print(json.dumps({**found, "early_mb": round(early, 1), "late_mb": round(resident_mb(), 1)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
