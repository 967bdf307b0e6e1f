"""A hash table on the disk: digests → ordinals, in a file of slots, whatever their number.

Open addressing: a digest's home is as far into the file as it is among all digests, and it lies
there or in one of the slots behind, with no empty one between. The slots are read and written and
not mapped, so that memory stays what one look takes. Doubling keeps the order, so it copies the
file once from end to end.

Laws kept here: an ordinal that is not as it was put is never told; what was put since the last
`sync` and is put again in the same order makes the file whole, whichever of its pages a power loss
kept.
"""

from __future__ import annotations

import os
import struct
import zlib
from typing import TYPE_CHECKING

from bulkload.rundir import private, sync_directory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DIGEST = 10
"""Bytes of a digest. Two of ten million keys have the same with odds of 4 in 10¹¹."""

SLOT = 16  # the digest, the ordinal, big-endian, and their check; zeros where it is empty
FULLEST = 0.7

_EMPTY = bytes(SLOT)
_FIRST_BITS = 12
_SPARE = 1024  # slots behind the last home: no probe wraps round
_HEAD = 4096  # bytes in front of the first slot
_NEAR = 16  # slots read at a time
_COPIED = 1 << 14  # slots held at a time while doubling
_HEADER = struct.Struct(">8sBQQ")  # magic, bits, count, through; their CRC-32 follows
_MAGIC = b"bulksee2"
_PRIME = 251  # the check is the remainder: another one wherever a single bit is


class Damaged(Exception):  # noqa: N818  # what the file is
    """It is not as it was written: not a table, of another length, or a slot with another check."""


class HashTable:
    """`count` is how many were put; `through` whatever its owner said at the last `sync`.

    Use by one thread at a time. Raises OSError where the disk fails, Damaged where the file is no
    such table, or what it says of a digest is not what was put.
    """

    def __init__(self, path: Path, *, durable: bool) -> None:
        """Open it, or make an empty one. Not `durable`: a power loss may cost all of it."""
        self._path = path
        self._durable = durable
        self.count = self.through = 0
        self._bits = _FIRST_BITS
        if path.exists():
            self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            try:
                self._read_header()
            except BaseException:
                os.close(self._file)
                raise
        else:
            self._file = _made(path, _FIRST_BITS)
            self.sync(0)
            self._named()

    def find(self, digest: bytes) -> int | None:
        """The ordinal that was put with `digest`."""
        _, ordinal = self._look(digest)
        return ordinal

    def put(self, digest: bytes, ordinal: int) -> None:
        """Remember it. One that is there already stays as it is, though it is counted again: the
        count that `sync` wrote knew nothing of what came after.
        """
        if self.count >= FULLEST * (1 << self._bits):
            self._double()
        offset, found = self._look(digest)
        if found is None:
            said = digest + ordinal.to_bytes(SLOT - DIGEST - 1, "big")
            os.pwrite(self._file, said + _check(said), offset)
        self.count += 1

    def sync(self, through: int) -> None:
        """All that was put is on the disk, and then so is `through`."""
        self._flush()
        self.through = through
        head = _HEADER.pack(_MAGIC, self._bits, self.count, through)
        os.pwrite(self._file, head + _crc(head), 0)
        self._flush()

    def close(self) -> None:
        os.close(self._file)

    def _read_header(self) -> None:
        head = os.pread(self._file, _HEADER.size, 0)
        if len(head) != _HEADER.size or os.pread(self._file, 4, _HEADER.size) != _crc(head):
            raise Damaged("its first bytes are not those of a table")
        magic, self._bits, self.count, self.through = _HEADER.unpack(head)
        if magic != _MAGIC or os.fstat(self._file).st_size != _size(self._bits):
            raise Damaged("it is no table of this version, or of another length than it says")

    def _look(self, digest: bytes) -> tuple[int, int | None]:
        """(where it lies or would lie, its ordinal if it lies there)."""
        offset = _HEAD + _home(digest, self._bits) * SLOT
        while near := os.pread(self._file, _NEAR * SLOT, offset):
            at = 0
            while slot := near[at : at + SLOT]:
                if slot == _EMPTY:
                    return offset + at, None
                if slot.startswith(digest):
                    if slot[-1:] != _check(slot[:-1]):
                        raise Damaged("an ordinal in it is not the one that was put")
                    return offset + at, int.from_bytes(slot[DIGEST:-1], "big")
                at += SLOT
            offset += at
        raise Damaged("it has no empty slot")

    def _double(self) -> None:
        """Copy all into a file twice as long. A crash leaves the one or the other."""
        path = self._path.with_name(f"{self._path.name}.new")
        path.unlink(missing_ok=True)
        bits = self._bits + 1
        file = _made(path, bits)
        with os.fdopen(os.dup(file), "wb") as out:
            out.write(bytes(_HEAD))
            end = 0
            for slots in self._in_order():
                written: list[bytes] = []
                for slot in slots:
                    home = _home(slot, bits)
                    if home > end:
                        written.append(_EMPTY * (home - end))
                        end = home
                    written.append(slot)
                    end += 1
                out.write(b"".join(written))
        os.close(self._file)
        self._file, self._bits = file, bits
        # What was put since the last sync is in it too, and may be put again.
        self.sync(self.through)
        path.rename(self._path)
        self._named()

    def _in_order(self) -> Iterator[list[bytes]]:
        """Every slot that is not empty, by its digest: sorted from one empty slot to another, as
        none lies in front of its home or past an empty slot behind it.
        """
        held: list[bytes] = []
        offset = _HEAD
        while block := os.pread(self._file, _COPIED * SLOT, offset):
            offset += len(block)
            slots = [block[at : at + SLOT] for at in range(0, len(block), SLOT)]
            cut = len(slots)
            while cut and slots[cut - 1] != _EMPTY:
                cut -= 1
            if cut:
                yield sorted(held + [slot for slot in slots[:cut] if slot != _EMPTY])
                held = []
            held += slots[cut:]
        yield sorted(held)

    def _flush(self) -> None:
        if self._durable:
            os.fsync(self._file)

    def _named(self) -> None:
        if self._durable:
            sync_directory(self._path.parent)


def _made(path: Path, bits: int) -> int:
    private(path)
    file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    os.ftruncate(file, _size(bits))
    return file


def _size(bits: int) -> int:
    return _HEAD + ((1 << bits) + _SPARE) * SLOT


def _home(digest: bytes, bits: int) -> int:
    """Which slot it begins in."""
    return int.from_bytes(digest[:8], "big") >> (64 - bits)


def _check(said: bytes) -> bytes:
    return bytes((int.from_bytes(said, "big") % _PRIME,))


def _crc(head: bytes) -> bytes:
    return zlib.crc32(head).to_bytes(4, "big")
