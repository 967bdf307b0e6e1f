"""Processes under measurement: pinned, bounded in time, ended by their own pid."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parent.parent
RSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in a unit of `ru_maxrss`."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that came to its end. `began`: monotonic time of its start."""

    code: int
    wall_s: float
    cpu_s: float
    peak_rss_mb: float
    out: str
    err: str
    began: float


def cores() -> list[int]:
    """The cores that this process may use; empty where a process can't be pinned."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def client_core() -> int | None:
    return next(iter(cores()), None)


def server_core() -> int | None:
    return next(reversed(cores()), None)


def environment() -> dict[str, str]:
    """Ours without proxies and settings of bulkload, with a token that opens nothing. Modules are
    compiled once, as they are where somebody installs them, whatever is set here.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy")
        and not name.startswith("BULKLOAD_")
        and name != "PYTHONDONTWRITEBYTECODE"
    }
    return {**kept, "HUBSPOT_ACCESS_TOKEN": "x"}


def bulkload(*arguments: str) -> list[str]:
    """The installed command where there is one, else the module."""
    script = Path(sys.executable).with_name("bulkload")
    start = [str(script)] if script.exists() else [sys.executable, "-m", "bulkload"]
    return [*start, *arguments]


def load(source: Path, run: Path, port: int, *more: str, rate: str = "100000/1s") -> list[str]:
    """The command line of a load against the answer server."""
    return bulkload(
        *("load", str(source), "--run", str(run), "--base-url", f"http://127.0.0.1:{port}"),
        *("--rate-limit", rate, "--json", "--no-progress", *more),
    )


def spawn(command: Sequence[str], core: int | None, **streams: Any) -> subprocess.Popen[bytes]:
    """Start `command`, pinned to `core`: a child inherits the affinity it is started under."""
    free = cores()
    if core is not None:
        os.sched_setaffinity(0, {core})
    try:
        return subprocess.Popen(command, cwd=ROOT, env=environment(), **streams)
    finally:
        if core is not None:
            os.sched_setaffinity(0, free)


def run(
    command: Sequence[str], *, timeout_s: float, core: int | None = None, terminal: bool = False
) -> Ended:
    """Run `command` to its end. One that takes longer than `timeout_s` is killed. `terminal`: its
    standard error is one, which somebody reads.
    """
    with (
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
        _terminal() if terminal else nullcontext(err.fileno()) as told,
    ):
        began = time.monotonic()
        process = spawn(command, core, stdin=subprocess.DEVNULL, stdout=out, stderr=told)
        timer = threading.Timer(timeout_s, process.kill)
        timer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        finally:
            timer.cancel()
        wall_s = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        return Ended(
            process.returncode,
            wall_s,
            usage.ru_utime + usage.ru_stime,
            usage.ru_maxrss * RSS_UNIT / 1e6,
            out.read().decode(),
            err.read().decode(),
            began,
        )


@contextmanager
def _terminal() -> Iterator[int]:
    reader, writer = os.openpty()

    def drain() -> None:
        with suppress(OSError):  # its other end is closed
            while os.read(reader, 1 << 16):
                pass

    reading = threading.Thread(target=drain)
    reading.start()
    try:
        yield writer
    finally:
        os.close(writer)
        reading.join()
        os.close(reader)


def succeeded(ended: Ended) -> Ended:
    """`ended`, or SystemExit with what it said last where it failed."""
    if ended.code != 0:
        raise SystemExit(f"a measured process ended with {ended.code}:\n{ended.err[-2000:]}")
    return ended


@dataclass(frozen=True, slots=True)
class Server:
    """A running answer server."""

    port: int
    pid: int

    def records(self) -> int:
        """Records answered so far."""
        return int(self._ask("/benchmark/counts")["records"])

    def arrivals(self) -> list[tuple[float, bool]]:
        """(monotonic time, whether it was a batch create) of each request."""
        return [(float(when), bool(create)) for when, create in self._ask("/benchmark/arrivals")]

    def _ask(self, path: str) -> Any:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


@contextmanager
def answer_server(delay_s: float = 0.0, *, marked: bool = False) -> Iterator[Server]:
    """An answer server on the core that the clients don't use. `marked`: see `server.Books`."""
    command = [sys.executable, "-m", "benchmarks.server", "--delay", str(delay_s)]
    if marked:
        command.append("--marked")
    process = spawn(command, server_core(), stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield Server(int(process.stdout.readline()), process.pid)
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
