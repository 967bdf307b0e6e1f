"""One thread that writes, committing in groups.

Laws kept here: whoever awaits a write goes on only after its commit is on disk; a failed
commit is never tried again on the same connection. One fsync covers whatever was asked for
while the last one ran. A full disk gets one second chance: the ballast is given back, the
group is written on a fresh connection, and the owner is told to drain.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from bulkload.errors import StoppedResumable
from bulkload.journal import schema

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    T = TypeVar("T")
    Write = Callable[[sqlite3.Connection], Any]

GAP_S = 0.004
"""Least time between commits: fewer, larger groups cost the disk less and the run nothing."""


class Writes(Protocol):
    """What a journal writes through."""

    async def write(self, write: Callable[[sqlite3.Connection], T]) -> T:
        """Run `write` in a transaction; return after its commit."""

    async def stop(self) -> None:
        """Commit what was asked for, and close."""


class _Asked(NamedTuple):
    write: Write
    done: asyncio.Future[Any]


class Writer:
    """Takes writes from one event loop. `stop` commits what was asked for and closes."""

    def __init__(
        self,
        path: Path,
        *,
        on_commit: Callable[[sqlite3.Connection], None],
        on_full: Callable[[str], None],
    ) -> None:
        self._path = path
        self._connection = schema.connect(path)
        self._on_commit = on_commit
        self._on_full = on_full
        self._loop = asyncio.get_running_loop()
        self._asked: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    async def write(self, write: Callable[[sqlite3.Connection], T]) -> T:
        """Run `write` in the next group's transaction; return after its commit.

        Raises StoppedResumable where the disk failed, StoppedForGood where the journal is damaged.
        A caller that is cancelled leaves the write to happen: it may be in a group already.
        """
        if self._failure is not None:
            raise self._failure
        done: asyncio.Future[T] = self._loop.create_future()
        self._asked.put(_Asked(write, done))
        return await done

    async def stop(self) -> None:
        self._asked.put(None)
        while self._thread.is_alive():
            await asyncio.to_thread(self._thread.join, 1.0)

    def _run(self) -> None:
        committed = 0.0
        more = True
        while more:
            group = [self._asked.get()]
            if (early := committed + GAP_S - time.monotonic()) > 0 and group[0] is not None:
                time.sleep(early)
            while not self._asked.empty():
                group.append(self._asked.get())
            more = None not in group
            writes = [each for each in group if each is not None]
            if writes:
                self._settle(writes)
                committed = time.monotonic()
        self._connection.close()

    def _settle(self, group: list[_Asked]) -> None:
        try:
            if self._failure is not None:
                raise self._failure
            try:
                results = self._commit(group)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_FULL:
                    raise
                self._connection.close()
                self._on_full("is full")
                self._connection = schema.connect(self._path)
                results = self._commit(group)
            self._on_commit(self._connection)
        except Exception as error:  # noqa: BLE001  # handed to whoever waits: nobody else would see it
            self._failure = _failed(self._path, error)
            self._post([(each.done, None, self._failure) for each in group])
        else:
            self._post([(e.done, r, None) for e, r in zip(group, results, strict=True)])

    def _commit(self, group: list[_Asked]) -> list[Any]:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            results = [each.write(connection) for each in group]
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return results

    def _post(self, ended: list[tuple[asyncio.Future[Any], Any, BaseException | None]]) -> None:
        def tell() -> None:
            for done, result, error in ended:
                if done.done():
                    continue
                if error is None:
                    done.set_result(result)
                else:
                    done.set_exception(error)
                    done.exception()  # a caller that was cancelled will not fetch it

        try:
            self._loop.call_soon_threadsafe(tell)
        except RuntimeError:  # the loop closed: nobody waits any more
            return


def _failed(path: Path, error: Exception) -> Exception:
    if isinstance(error, (sqlite3.Error, OSError)):
        return StoppedResumable(
            f"the journal can't be written ({error}). Make room or mend the disk, then resume: "
            "what was in flight will be looked at first"
        )
    if isinstance(error, ValueError) and schema.accuses(error):
        return schema.damaged(path, error)
    return error
