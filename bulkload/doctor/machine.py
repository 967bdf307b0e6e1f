"""The machine: the disk of the runs is measured here; it and the proxy are judged.

Law kept here: nothing stays behind: what is written to measure a disk has no name, or loses it at
once, and no folder is made.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from typing import TYPE_CHECKING

from bulkload.doctor.facts import Check, Disk, Facts

if TYPE_CHECKING:
    from pathlib import Path

WRITES, BYTES = 20, 4096

LITTLE_FREE, HARDLY_FREE = 1 << 30, 64 << 20
"""A run of ten million records keeps some 400 MB; a run lays 8 MiB aside before it begins."""

FAST_S, SLOW_S = 0.02, 0.2
"""One sync a batch: twenty batches under way share it."""


def measure(runs: Path) -> Disk:
    """What the disk of `runs`, or of the nearest folder above it that exists, can do."""
    folder = runs.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        return Disk(str(folder), trouble="it is no folder")
    try:
        free = os.statvfs(folder)
        seconds = _write(folder)
    except OSError as error:
        return Disk(str(folder), trouble=error.strerror or type(error).__name__)
    return Disk(str(folder), free.f_bavail * free.f_frsize, seconds)


def _write(folder: Path) -> float:
    """Median seconds of a small write made durable."""
    took = []
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(WRITES):
            began = time.perf_counter()
            file.write(bytes(BYTES))
            os.fsync(file.fileno())
            took.append(time.perf_counter() - began)
    return statistics.median(took)


def check_proxy(facts: Facts) -> Check:
    if facts.proxy:
        return Check("proxy", "ok", f"calls go through {facts.proxy}")
    return Check("proxy", "ok", "none: calls go straight to the remote")


def check_space(facts: Facts) -> Check:
    name, disk = "disk space", facts.disk
    if disk.free_bytes is None:
        return Check(
            name,
            "fail",
            f"{disk.folder} can't be written: {disk.trouble}",
            "give another folder with --run DIR",
        )
    says = f"{_size(disk.free_bytes)} free at {disk.folder}"
    if disk.free_bytes < HARDLY_FREE:
        return Check(name, "fail", says, "make room, or give another folder with --run DIR")
    if disk.free_bytes < LITTLE_FREE:
        return Check(name, "warn", f"{says}: ten million records keep some 400 MB")
    return Check(name, "ok", says)


def check_sync(facts: Facts) -> Check:
    name, seconds = "disk sync", facts.disk.sync_s
    if seconds is None:
        return Check(name, "warn", f"not measured: {facts.disk.trouble}")
    says = f"a small write is durable after {seconds * 1000:.1f} ms (median of {WRITES})"
    if seconds < FAST_S:
        return Check(name, "ok", says)
    if seconds < SLOW_S:
        return Check(name, "warn", f"{says}: a fast load may wait for it")
    return Check(name, "warn", f"{says}: a load waits for it", "keep runs on a local disk")


def _size(count: int) -> str:
    if count < 1 << 30:
        return f"{count / (1 << 20):,.0f} MiB"
    return f"{count / (1 << 30):,.1f} GiB"
