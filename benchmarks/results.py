"""Raw results as JSON, with the facts of the machine that a figure means nothing without."""

from __future__ import annotations

import json
import os
import platform
import statistics
import tempfile
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulkload.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

PLACE = Path(__file__).resolve().parent / "results"


def cpu_model() -> str:
    try:
        facts = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = [line.split(":", 1)[1].strip() for line in facts if line.startswith("model name")]
    return names[0] if names else platform.machine()


def fsync_ms() -> float:
    """The median of 30 appends of 4 KB with fsync where runs are kept during a benchmark."""
    taken = []
    with tempfile.NamedTemporaryFile() as file:
        for _ in range(30):
            began = time.perf_counter()
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
            taken.append((time.perf_counter() - began) * 1000)
    return round(statistics.median(taken), 3)


def machine() -> dict[str, Any]:
    """No host name, no path: nothing that says whose machine it is."""
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "cores": os.cpu_count(),
        "cpu": cpu_model(),
        "fsync_ms": fsync_ms(),
        "load_1min": round(os.getloadavg()[0], 2),
        "bulkload": __version__,
        **{name: metadata.version(name) for name in ("aiohttp", "orjson")},
    }


def keep(name: str, measured: dict[str, Any], *, quick: bool = False) -> None:
    """Write `measured` to results/NAME.json; a quick run never replaces a full one."""
    PLACE.mkdir(exist_ok=True)
    when = datetime.now(UTC).isoformat(timespec="seconds")
    kept = {"measured": name, "quick": quick, "at": when, "machine": machine(), **measured}
    path = PLACE / f"{name}{'-quick' if quick else ''}.json"
    path.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")


def spread(values: Sequence[float], form: str = ".2f") -> str:
    """Median and, in brackets, least and most."""
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{middle:{form}} ({low:{form}} to {high:{form}})"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[n]) for row in (header, *rows)) for n in range(len(header))]
    shown = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in shown
    )
