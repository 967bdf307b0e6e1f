"""A real PostgreSQL on loopback, for tests and benchmarks."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
USABLE = PROGRAMS is not None and (os.geteuid() != 0 or shutil.which("runuser") is not None)
WHY = "no PostgreSQL server here (apt-get install postgresql)"


class Server:
    """A server of its own in a temporary folder, which has to belong to who runs it: not root."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "base"
        self._as = ("runuser", "-u", "postgres", "--") if os.geteuid() == 0 else ()
        if self._as:
            self.folder.mkdir()
            shutil.chown(self.folder, "postgres")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._run("initdb", "-U", "ada", "-A", "trust", "--no-sync", "-E", "UTF8", "--no-locale")
        self.start()

    def start(self) -> None:
        options = f"-p {self.port} -h 127.0.0.1 -k '' -F"
        self._run("pg_ctl", "-w", "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-w", "-m", "immediate", "stop")

    @property
    def address(self) -> str:
        return f"postgresql://ada@127.0.0.1:{self.port}/postgres"

    def _run(self, program: str, *words: str) -> None:
        assert PROGRAMS is not None
        command = [*self._as, str(PROGRAMS / program), "-D", str(self.folder), *words]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")


@contextmanager
def database() -> Iterator[Server]:
    # Not pytest's own folder: the server's user may not look into root's.
    folder = Path("/tmp") / f"bulkload-postgres-{os.getpid()}"
    folder.mkdir(mode=0o755)
    try:
        running = Server(folder)
        try:
            yield running
        finally:
            running.stop()
    finally:
        shutil.rmtree(folder)
