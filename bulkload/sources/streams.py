"""Files read forwards in buffers of one MiB, gzip undone.

Laws kept here: memory is bounded by two buffers, whatever the file holds (a gzip bomb too);
nothing is lost in silence: where a gzip stream is torn or corrupt, everything before the
fault is given and `flaw` says where it is. Gzip is known by its first bytes, never by name.
"""

from __future__ import annotations

import errno
import os
import stat
import zlib
from typing import TYPE_CHECKING, BinaryIO

from bulkload.errors import RefusedToStart, StoppedResumable

if TYPE_CHECKING:
    from pathlib import Path

BLOCK = 1 << 20
"""Bytes asked of the file, and given out, at a time."""

GZIP_MAGIC = b"\x1f\x8b\x08"

_GZIP_WBITS = 31

_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.ESTALE})
"""Says nothing about the file: it must not make a dead letter of a message."""


def open_file(path: Path, name: str) -> BinaryIO:
    """The file, unbuffered. Raises RefusedToStart, naming it, where it can't be opened, or is
    a pipe or a device: what can be read only once can't be resumed.
    """
    try:
        mode = path.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise RefusedToStart(
                f"{name}: is a pipe or a device, which can be read only once. Pipe it into "
                "stdin and name '-', or write it to a file first."
            )
        return path.open("rb", buffering=0)
    except FileNotFoundError:
        raise RefusedToStart(f"{name}: there is no such file. Check the path.") from None
    except IsADirectoryError:
        raise RefusedToStart(
            f"{name}: is a folder, not a file. Only .eml messages are read by folder; "
            f"for other formats name the files, as in '{name}/*.ndjson'."
        ) from None
    except PermissionError:
        raise RefusedToStart(
            f"{name}: permission denied. Make it readable for this user and run again."
        ) from None
    except OSError as error:
        if error.errno in _OURS:
            raise StoppedResumable(
                f"{name}: can't be opened now: {error.strerror or error}. That is this machine's "
                "trouble, not the file's: mend it (ulimit -n), then resume."
            ) from None
        raise RefusedToStart(f"{name}: can't be opened: {error.strerror or error}.") from None


class Stream:
    """One file as a stream of bytes, from an offset on.

    Offsets count the bytes given out (for gzip: decompressed bytes); `consumed` counts the
    bytes of the file itself, so that it can be held against the file's size. Opening raises
    RefusedToStart where the file can't be opened; reading raises StoppedResumable where the
    disk fails. With an `extent` the file ends after so many of its own bytes. Not seekable: a
    new offset is a new stream.
    """

    def __init__(self, path: Path, name: str, offset: int = 0, extent: int | None = None) -> None:
        self.name = name
        self.consumed = 0
        self.offset = 0
        """Offset of the next byte that `read` gives."""
        self.flaw: str | None = None
        self._extent = extent
        self._file = open_file(path, name)
        try:
            self._pending = self._take()
            self._gzip = self._pending.startswith(GZIP_MAGIC)
            self._inflate = zlib.decompressobj(_GZIP_WBITS) if self._gzip else None
            self._skip_to(offset)
        except BaseException:
            self._file.close()
            raise

    def read(self) -> bytes:
        """The next bytes, at most one MiB; b"" at the end (then `flaw` is final)."""
        block = self._read_gzip() if self._gzip else self._read_plain()
        self.offset += len(block)
        return block

    def close(self) -> None:
        self._file.close()

    def _skip_to(self, offset: int) -> None:
        if not self._gzip:
            if offset > len(self._pending):
                self._file.seek(offset)
                self._pending = b""
            else:
                self._pending = self._pending[offset:]
            self.consumed = offset + len(self._pending)
            self.offset = offset
            return
        while self.offset < offset:
            block = self.read()
            if not block:
                return
            if self.offset > offset:
                self._unread = block[offset - self.offset :]
                self.offset = offset

    _unread = b""

    def _take(self) -> bytes:
        try:
            left = BLOCK if self._extent is None else self._extent - self.consumed
            block = self._file.read(max(0, min(BLOCK, left)))
        except OSError as error:
            raise StoppedResumable(
                f"{self.name}: can't be read at byte {self.consumed}: "
                f"{error.strerror or error}. Resume when the disk answers again."
            ) from error
        self.consumed += len(block)
        return block

    def _read_plain(self) -> bytes:
        if self._pending:
            block, self._pending = self._pending, b""
            return block
        return self._take()

    def _read_gzip(self) -> bytes:
        if self._unread:
            block, self._unread = self._unread, b""
            return block
        while self.flaw is None:
            if not self._pending:
                self._pending = self._take()
            if not self._pending:
                if self._inflate is not None:
                    # What zlib still holds back where the input simply ends.
                    rest = self._inflate.flush(BLOCK)
                    self.flaw = self._where("ends too early", len(rest))
                    return rest
                return b""
            if self._inflate is None and not self._next_member():
                continue
            block = self._inflated()
            if block:
                return block
        return b""

    def _next_member(self) -> bool:
        """Start the next gzip member; zeros between members are padding (tapes, tar)."""
        self._pending = self._pending.lstrip(b"\0")
        if not self._pending:
            return False
        if len(self._pending) < len(GZIP_MAGIC):
            self._pending += self._take()
        if not self._pending.startswith(GZIP_MAGIC):
            self.flaw = self._where("is followed by bytes that are not gzip")
            return False
        self._inflate = zlib.decompressobj(_GZIP_WBITS)
        return True

    def _inflated(self) -> bytes:
        assert self._inflate is not None
        before = self._inflate.copy()
        given, self._pending = self._pending, b""
        try:
            block = self._inflate.decompress(given, BLOCK)
        except zlib.error:
            return self._up_to_the_fault(before, given)
        if self._inflate.eof:
            self._pending = self._inflate.unused_data
            self._inflate = None
        else:
            self._pending = self._inflate.unconsumed_tail
        return block

    def _up_to_the_fault(self, inflate: zlib._Decompress, given: bytes) -> bytes:
        # zlib drops what it had already inflated when it meets the fault: go over the
        # same bytes again one by one and keep what came before it.
        parts: list[bytes] = []
        held = 0
        try:
            for at in range(len(given)):
                part = inflate.decompress(given[at : at + 1])
                parts.append(part)
                held += len(part)
        except zlib.error:
            pass
        self._inflate = None
        self.flaw = self._where("is corrupt", held)
        return b"".join(parts)

    def _where(self, what: str, more: int = 0) -> str:
        return (
            f"the gzip stream {what} at byte {self.offset + more} of its content "
            f"(byte {self.consumed - len(self._pending)} of the file, or up to one MiB before): "
            "what comes after can't be read; fetch the file again"
        )


def size_on_disk(path: Path) -> int | None:
    """Bytes of the file; None where it can't be asked."""
    try:
        return os.stat(path).st_size  # noqa: PTH116  # a str path costs nothing here
    except OSError:
        return None
