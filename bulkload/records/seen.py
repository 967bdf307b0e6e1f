"""Which keys a run has read, and in which record first: an index on the disk.

Laws kept here: of the records that have one key, exactly one is the first, and stays it over any
crash; what `commit` returned from is on the disk. Memory is that of the keys asked since.

A key's digest is 80 bits: of ten million keys two are taken for one with odds of 4 in 10¹¹. What is
committed is appended to `log` and then put into the hash table, which alone is looked in; now and
then the table is synced and the log begins anew. An index that is damaged or missing begins empty:
`through` says from which ordinal on the source has to be asked again, so that it is filled as it
was made. A damage within the slots lets a duplicate pass, and no more: a record is called one only
by an ordinal whose check holds.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bulkload.errors import StoppedResumable
from bulkload.records.hashtable import DIGEST, SLOT, Damaged, HashTable
from bulkload.rundir import private, sync_directory, write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

LOGGED = 1 << 17
"""Most keys in the log: what an opening puts again, in about a second."""

_GROUP = struct.Struct(">IIQQ")
"""A commit in the log: how many slots follow, CRC-32 of all that follows, `through` before it
and after it."""


class Seen:
    """Ask by one thread at a time, in the order in which records are read."""

    def __init__(self, directory: Path, *, durable: bool) -> None:
        """Open the index in `directory`, or begin an empty one. `durable`: survives power loss.

        Raises StoppedResumable where the disk fails.
        """
        self._durable = durable
        self._table_path = directory / "seen.table"
        self._log_path = directory / "seen.log"
        self._pending: dict[bytes, int] = {}
        with self._disk():
            self._table = self._opened()
            private(self._log_path)
            self._log = os.open(self._log_path, os.O_RDWR | os.O_CLOEXEC)
            self.through = self._table.through
            self._logged = self._length = 0
            self._replay()
            if durable:
                sync_directory(directory)
        self._asked = self.through

    through: int
    """The first ordinal that may never have been asked, as of the last commit. All before it were,
    or were left out. Where records from it on are settled, the index is behind: ask for them."""

    def first(self, key: bytes | str, ordinal: int) -> int | None:
        """The ordinal of the record that has `key` already; None: this one is the first, and is
        now remembered, or was. What it says of a key never changes, in whatever order it is asked
        again: where fewer records are asked for than were, the first may be one that is not.
        """
        digest = hashlib.blake2b(
            key.encode() if isinstance(key, str) else key, digest_size=DIGEST
        ).digest()
        self._asked = max(self._asked, ordinal + 1)
        found = self._pending.get(digest)
        if found is None:
            try:
                found = self._table.find(digest)
            except (OSError, Damaged) as error:
                raise self._failed(error) from None
        if found is None:
            self._pending[digest] = ordinal
        return None if found == ordinal else found

    def first_of(self, keys: Sequence[str], ordinal: int) -> bool:
        """Whether each of these keys is first in its own record, of those from `ordinal` on."""
        return all(self.first(key, at) is None for at, key in enumerate(keys, ordinal))

    def commit(self) -> None:
        """Make durable what was asked. To be called before any of it is handed on."""
        if self._asked == self.through and not self._pending:
            return
        with self._disk():
            slots = b"".join(
                digest + ordinal.to_bytes(SLOT - DIGEST, "big")
                for digest, ordinal in self._pending.items()
            )
            # Over what a write that failed may have left, and no further.
            os.lseek(self._log, self._length, os.SEEK_SET)
            group = _group(slots, self.through, self._asked)
            write_whole(self._log, group)
            if self._durable:
                os.fdatasync(self._log)
            self._length += len(group)
            self._logged += len(self._pending)
            for digest, ordinal in self._pending.items():
                self._table.put(digest, ordinal)
            self.through = self._asked
            self._pending.clear()
            if self._logged >= LOGGED:
                self._begin_log_anew()

    def close(self) -> None:
        """Forgets what was not committed."""
        with self._disk():
            self._begin_log_anew()
            os.close(self._log)
            self._table.close()

    def _opened(self) -> HashTable:
        try:
            return HashTable(self._table_path, durable=self._durable)
        except Damaged:
            self._remove()
            return HashTable(self._table_path, durable=self._durable)

    def _replay(self) -> None:
        """Put again what the log holds, up to what a crash tore; nothing where the table that it
        belongs to is gone.
        """
        size = os.fstat(self._log).st_size
        with os.fdopen(os.dup(self._log), "rb") as log:
            while len(head := log.read(_GROUP.size)) == _GROUP.size:
                count, _, before, through = _GROUP.unpack(head)
                slots = log.read(min(count * SLOT, size))  # torn, it may say anything
                if before > self.through or head + slots != _group(slots, before, through):
                    break
                for at in range(0, len(slots), SLOT):
                    digest, ordinal = slots[at : at + DIGEST], slots[at + DIGEST : at + SLOT]
                    self._table.put(digest, int.from_bytes(ordinal, "big"))
                self.through = max(self.through, through)
                self._logged += count
                self._length += len(head) + len(slots)
        os.ftruncate(self._log, self._length)

    def _begin_log_anew(self) -> None:
        self._table.sync(self.through)
        os.ftruncate(self._log, 0)
        self._logged = self._length = 0

    def _remove(self) -> None:
        self._table_path.unlink(missing_ok=True)
        self._log_path.unlink(missing_ok=True)

    @contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except (OSError, Damaged) as error:
            raise self._failed(error) from None

    def _failed(self, error: OSError | Damaged) -> StoppedResumable:
        if isinstance(error, OSError):
            return StoppedResumable(
                f"{self._table_path}: the index of keys can't be read or written "
                f"({error.strerror}). Make room or mend the disk, then resume"
            )
        self._remove()
        return StoppedResumable(
            f"{self._table_path}: the index of keys was damaged: {error}. It was taken away; "
            "resume makes it anew from the source"
        )


def _group(slots: bytes, before: int, through: int) -> bytes:
    crc = zlib.crc32(slots, zlib.crc32(b"%d %d" % (before, through)))
    return _GROUP.pack(len(slots) // SLOT, crc, before, through) + slots
