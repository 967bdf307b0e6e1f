"""The OAuth file: client id and secret, and the refresh token, which the remote may replace.

Laws kept here: the file is whole at every instant, and only its owner can read it; a new refresh
token is durable in it before anything else is done; secrets stay in.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import stat
import tempfile
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulkload.errors import RefusedToStart
from bulkload.hubspot.auth import Hidden, RenewalTrouble, Token, is_token
from bulkload.rundir import sync_directory, write_whole

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

LOCK_POLL_S = 0.1
LOCK_WAIT_S = 120.0
"""Another process holds the file's lock for one refresh, as long as that may take at most."""

FILE_BYTES = 65_536


class OAuthFile(Hidden):
    """A JSON object with client_id, client_secret and refresh_token; what else is in it stays.

    Raises RefusedToStart where it can't be read, lacks one of them, or others may read it.
    """

    __slots__ = ("_members", "_on_disk", "path", "refresh")

    def __init__(self, path: Path) -> None:
        self.path = path
        found = _members(path)
        if isinstance(found, str):
            raise RefusedToStart(f"{path}: {found}")
        self._members = found
        self._on_disk = self.refresh = Token(found["refresh_token"])

    def form(self) -> dict[str, str]:
        return {
            "grant_type": "refresh_token",
            "client_id": self._members["client_id"],
            "client_secret": self._members["client_secret"],
            "refresh_token": self.refresh.reveal(),
        }

    def unwritten(self) -> bool:
        return self._on_disk.reveal() != self.refresh.reveal()

    def look(self) -> bool:
        """Take over what somebody else wrote meanwhile. Whether that changes what is asked.

        What can't be read now is left alone: what is in memory holds.
        """
        found = _members(self.path)
        if isinstance(found, str):
            return False
        before = self.form()
        self._members = found
        if found["refresh_token"] != self._on_disk.reveal():  # theirs is newer than ours
            self._on_disk = self.refresh = Token(found["refresh_token"])
        return self.form() != before

    def write(self) -> str | None:
        """Put the refresh token that holds now into the file. Returns why that failed, if it did.

        The file is whole at every instant, only its owner can read it, and it is durable then.
        """
        members = {**self._members, "refresh_token": self.refresh.reveal()}
        content = json.dumps(members, indent=2).encode("ascii") + b"\n"
        target = self._target()
        try:
            with _replacing(target) as descriptor:
                write_whole(descriptor, content)
                os.fsync(descriptor)
            self._members, self._on_disk = members, self.refresh  # what others read from now on
            sync_directory(target.parent)
        except OSError as error:
            return error.strerror or type(error).__name__
        return None

    def _target(self) -> Path:
        return Path(os.path.realpath(self.path))  # a link stays one

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Hold FILE.lock against other processes. Raises RenewalTrouble where it stays taken.

        Where there can be no lock (a directory that is read-only) it goes on without.
        """
        lock = f"{self._target()}.lock"
        descriptor = -1
        try:
            with suppress(OSError):
                descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            for _ in range(round(LOCK_WAIT_S / LOCK_POLL_S)):
                if descriptor < 0 or _lock(descriptor):
                    break
                await asyncio.sleep(LOCK_POLL_S)
            else:
                raise RenewalTrouble(f"another process holds {lock}")
            yield
        finally:
            if descriptor >= 0:
                os.close(descriptor)


def _members(path: Path) -> dict[str, Any] | str:
    """What the file holds, or why that is of no use: without a word of it."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a new refresh token is written back to it
            return "the OAuth file must be a regular file"
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(FILE_BYTES + 1)
    except OSError as error:
        return f"the OAuth file can't be read ({error.strerror or type(error).__name__})"
    if mode & 0o077:
        return f"others can read the OAuth file, and it holds secrets: chmod 600 {path}"
    try:
        found = json.loads(content) if len(content) <= FILE_BYTES else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        return "the OAuth file must hold one JSON object, as " + _EXAMPLE
    for name in ("client_id", "client_secret", "refresh_token"):
        value = found.get(name)
        if not isinstance(value, str) or not is_token(value):
            return (
                f"{name} is missing, or is no text without blanks: the file must be as {_EXAMPLE}"
            )
    return found


_EXAMPLE = '{"client_id": "…", "client_secret": "…", "refresh_token": "…"}'


@contextmanager
def _replacing(target: Path) -> Iterator[int]:
    """A new file, 0600, beside `target`; in its place once all went well."""
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with suppress(OSError):  # run by root, it stays its owner's
            found = target.stat()
            os.fchown(descriptor, found.st_uid, found.st_gid)
        yield descriptor
        Path(name).rename(target)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True
