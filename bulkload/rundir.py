"""A run's directory: where its files are, its lock, and the ballast against a full disk.

Laws kept here: run files are 0600; one process at a time works on a run (flock, which the
kernel gives back after kill -9); a name is durable once its file, its directory and the
parent are synced.
"""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bulkload.errors import RefusedToStart

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNS = Path("bulkload-runs")
"""Where runs are kept that are given no place of their own."""

BALLAST_BYTES = 8 << 20
"""Given back to the disk when it is full, so that what is in flight can be settled."""


def name_for(source: str) -> str:
    """What the run of a source is called that has that name."""
    return re.sub(r"[^\w.-]+", "_", source).strip("._") or "run"


def sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class RunDir:
    """The paths of one run. Nothing here opens the journal."""

    path: Path

    @property
    def journal(self) -> Path:
        return self.path / "journal.db"

    @property
    def letters(self) -> Path:
        return self.path / "dead-letters.ndjson"

    @property
    def unknown_contacts(self) -> Path:
        return self.path / "unknown-contacts.txt"

    @property
    def summary(self) -> Path:
        return self.path / "summary.json"

    @property
    def log(self) -> Path:
        return self.path / "run.log"

    @property
    def ballast(self) -> Path:
        return self.path / "ballast"

    def listing(self, source: int) -> Path:
        """The names of the messages in a source that is a folder, as the run found it."""
        return self.path / f"listing-{source}.z"

    @property
    def lock_file(self) -> Path:
        return self.path / "run.lock"

    def create(self) -> None:
        """Make the directory, durable. Raises RefusedToStart where that can't be."""
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            probe = self.path / ".writable"
            private(probe)
            probe.unlink()
            sync_directory(self.path.parent)
        except OSError as error:
            raise RefusedToStart(
                f"{self.path}: the run directory can't be written ({error.strerror}); "
                "give another with --run DIR"
            ) from None

    def discard(self) -> None:
        """Take away a directory in which no run was begun."""
        self.lock_file.unlink(missing_ok=True)
        with suppress(OSError):  # the user keeps something in it
            self.path.rmdir()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run's lock. Raises RefusedToStart where another process holds it."""
        try:
            descriptor = os.open(self.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise RefusedToStart(
                f"{self.lock_file}: can't be opened ({error.strerror}); "
                "the run directory must exist and be writable"
            ) from None
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                holder = os.read(descriptor, 64).decode("ascii", "replace").strip()
                raise RefusedToStart(
                    f"{self.path}: another bulkload works on this run"
                    + (f" (process {holder})" if holder else "")
                    + f"; watch it with: bulkload status {self.path}"
                ) from None
            with suppress(OSError):  # a full disk: whose lock it is is told, nothing more
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, str(os.getpid()).encode(), 0)
            try:
                yield
            finally:
                with suppress(OSError):
                    os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)

    def holder(self) -> int | None:
        """The process that works on the run, as far as can be told without taking its lock."""
        try:
            process = int(self.lock_file.read_text("ascii"))
            os.kill(process, 0)
        except PermissionError:
            return process
        except (OSError, ValueError):
            return None
        return process

    def lay_ballast(self) -> None:
        """Take the space now that settling will need when the disk is full."""
        if self.ballast.exists() and self.ballast.stat().st_size >= BALLAST_BYTES:
            return
        descriptor = os.open(self.ballast, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            write_whole(descriptor, bytes(BALLAST_BYTES))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def drop_ballast(self) -> None:
        with suppress(FileNotFoundError):
            self.ballast.unlink()


def write_whole(descriptor: int, content: bytes) -> None:
    """os.write may stop half way, on a disk that is nearly full: then the next one says why."""
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]


def private(path: Path) -> None:
    """Make sure that a file exists and only its owner can read it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)
