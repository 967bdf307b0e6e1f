"""dead-letters.ndjson: a projection of the journal's letters, for people and for replay.

Laws kept here: a letter is in the journal before it is in the file; at each start the file
is made whole. A file that a person edited is theirs: it is set aside, never cut.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bulkload.errors import StoppedResumable
from bulkload.rundir import private, sync_directory, write_whole

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

LINES = "SELECT id, line FROM letter WHERE id > ? ORDER BY id"


class Projection:
    """Appends what was committed since the last call. Used by one thread at a time."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.set_aside = restore(path, connection)
        (self._last,) = connection.execute("SELECT coalesce(max(id), 0) FROM letter").fetchone()

    def append(self, connection: sqlite3.Connection) -> None:
        """Raises OSError where the disk refuses; `restore` mends it at the next start."""
        rows = connection.execute(LINES, (self._last,)).fetchall()
        if not rows:
            return
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            try:
                for _, line in rows:
                    write_whole(descriptor, line + b"\n")
            except OSError:
                os.ftruncate(descriptor, size)  # half a line would look like a person's edit
                raise
        finally:
            os.close(descriptor)
        self._last = rows[-1][0]

    def sync(self) -> None:
        """Make the file durable. Raises OSError where the disk refuses."""
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_directory(self.path.parent)


def restore(path: Path, connection: sqlite3.Connection) -> Path | None:
    """Make the file equal to the journal. Returns where an edited file was put, if one was.

    A file that is a prefix of what it should be was cut by a crash: the rest is appended. Raises
    StoppedResumable where the disk refuses.
    """
    try:
        return _restored(path, connection)
    except OSError as error:
        raise StoppedResumable(
            f"{path}: can't be written ({error.strerror or error}). Make room or mend the disk, "
            "then try again"
        ) from None


def _restored(path: Path, connection: sqlite3.Connection) -> Path | None:
    private(path)
    if _complete(path, connection):
        return None
    number = 1
    while (aside := path.with_name(f"dead-letters.edited-{number}.ndjson")).exists():
        number += 1
    path.rename(aside)
    private(path)
    _complete(path, connection)
    sync_directory(path.parent)
    return aside


def _complete(path: Path, connection: sqlite3.Connection) -> bool:
    """Write what the file lacks. False, and nothing written, where it holds anything else.

    Only the end of the file can lack something, so whatever is written comes after all that
    is there was compared.
    """
    with path.open("r+b") as file:
        for _, line in connection.execute(LINES, (0,)):
            wanted = line + b"\n"
            found = file.read(len(wanted))
            if not wanted.startswith(found):
                return False
            file.write(wanted[len(found) :])
        if file.read(1):
            return False
        file.flush()
        os.fsync(file.fileno())
    return True
