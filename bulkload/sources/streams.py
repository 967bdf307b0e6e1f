"""Streams: bytes from an offset of something, forwards. Files are the first of them.

Laws kept here: memory is bounded by two buffers, whatever is read; nothing is lost in
silence: where a stream ends before it should, all that came before is given, and `flaw` says
what is missing. A stream is made of streams: `sources/inflate.py` undoes compression,
`sources/members.py` reads what lies inside an archive; what they read from need not be a
file.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, BinaryIO, Protocol

from bulkload.errors import Mixed, RefusedToStart, StoppedForGood, StoppedResumable

if TYPE_CHECKING:
    from pathlib import Path

BLOCK = 1 << 16
"""Bytes asked of a file, and given out, at a time, unless more are asked for."""

BEGINNING = 1 << 12
"""Bytes by which a file that was cut is told from one that was written over."""

_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.ESTALE})
"""Says nothing about the file: it must not make a dead letter of a message."""


class Stream(Protocol):
    """Bytes from an offset on. Not seekable: a new offset is a new stream.

    Opening raises RefusedToStart where what is to be read isn't there; reading raises
    StoppedResumable where the disk fails.
    """

    name: str

    offset: int
    """Of the next byte that `read` gives, in what is read (of gzip: its content)."""

    flaw: str | None
    """Why it ended before it should have; final once `read` gave b""."""

    @property
    def consumed(self) -> int:
        """Bytes taken so far of what it is stored as (of gzip: the file's), for progress."""
        ...

    def read(self, most: int | None = None) -> bytes:
        """The next bytes, at most `most` (None: BLOCK); b"" at the end."""
        ...

    def close(self) -> None: ...


class Beginning(Stream, Protocol):
    """A place's bytes as they are stored, from the first on, or from where it is put."""

    def head(self) -> bytes:
        """The first 16 bytes, fewer where there are no more, wherever reading stands."""
        ...

    def seek(self, offset: int) -> None: ...


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
            f"{name}: is a folder, not a file. Mail is read by folder; "
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


def mixed(name: str) -> str:
    """Against what was another file for some of the time in which it was read."""
    return (
        f"{name}: it changed while it was read, so records of another file may be loaded in place "
        "of its own. Nothing that is put back mends that. Load it anew as another run (--again), "
        "after an undo of this one"
    )


def cut_short(name: str, end: int, extent: int) -> StoppedForGood:
    """Against what ends before its extent: what was read of its last record is half of one."""
    return StoppedForGood(
        f"{name}: it ends at byte {end:,}, and had {extent:,}: it changed while it was read. Put "
        "the old one back to resume"
    )


class FileStream:
    """A file's bytes as they are on the disk; with an `extent`, only the first so many."""

    def __init__(self, path: Path, name: str, offset: int = 0, extent: int | None = None) -> None:
        self.name = name
        self.flaw: str | None = None
        self._extent = extent
        self._file = open_file(path, name)
        self._begins = self._beginning()
        self.seek(offset)

    def seek(self, offset: int) -> None:
        self.offset = self.consumed = offset
        self._file.seek(offset)

    def head(self) -> bytes:
        """The first 16 bytes of the file, wherever reading stands."""
        return self._begins[:16]

    def _beginning(self) -> bytes:
        try:
            return os.pread(self._file.fileno(), BEGINNING, 0)
        except OSError:
            return b""  # reading it says what is wrong

    def read(self, most: int | None = None) -> bytes:
        size = most or BLOCK
        try:
            left = size if self._extent is None else self._extent - self.offset
            block = self._file.read(max(0, min(size, left)))
        except OSError as error:
            raise StoppedResumable(
                f"{self.name}: can't be read at byte {self.offset}: "
                f"{error.strerror or error}. Resume when the disk answers again."
            ) from error
        if not block and size and left > 0 and self._extent is not None:
            if not self._begins.startswith(self._beginning()):  # not cut: written over
                raise Mixed(mixed(self.name))
            raise cut_short(self.name, self.offset, self._extent)
        self.offset += len(block)
        self.consumed = self.offset
        return block

    def close(self) -> None:
        self._file.close()


class Layer:
    """A stream made of another one. A layer adds `_next`: its next bytes, b"" at the end."""

    def __init__(self, inner: Stream, offset: int = 0) -> None:
        self.name = inner.name
        self.offset = offset
        self.flaw: str | None = None
        self._inner = inner
        self._ahead = b""

    @property
    def consumed(self) -> int:
        return self._inner.consumed

    def read(self, most: int | None = None) -> bytes:  # noqa: ARG002  # a layer makes no more
        if self._ahead:
            block, self._ahead = self._ahead, b""
        else:
            block = self._next()
        self.offset += len(block)
        return block

    def skip_to(self, offset: int) -> None:
        """Read on to `offset`, which is not behind, or to the end."""
        while self.offset < offset and (block := self.read()):
            over = max(0, self.offset - offset)
            self._ahead = block[len(block) - over :]
            self.offset -= over

    def close(self) -> None:
        self._inner.close()

    def _next(self) -> bytes:
        raise NotImplementedError


class Part(Layer):
    """The `size` bytes of `inner` that come next; `offset` is the first one's in the part.

    Where `inner` ends before them, that is a flaw.
    """

    def __init__(self, inner: Stream, size: int, offset: int = 0) -> None:
        super().__init__(inner, offset)
        self._left = size

    def _next(self) -> bytes:
        if not self._left:
            return b""
        block = self._inner.read()[: self._left]
        if not block:
            self.flaw = self._inner.flaw or (
                f"the file ends {self._left:,} bytes before this does: "
                "what comes after can't be read; fetch the file again"
            )
            self._left = 0
        self._left -= len(block)
        return block


class Reading:
    """A stream as a file object that is read forwards: just as many bytes as are asked for."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self._ahead = b""

    @property
    def offset(self) -> int:
        """Of the next byte that `read` gives."""
        return self.stream.offset - len(self._ahead)

    def read(self, size: int) -> bytes:
        """The next `size` bytes; fewer at the end."""
        parts = [self._ahead]
        held = len(self._ahead)
        while held < size and (block := self.stream.read()):
            parts.append(block)
            held += len(block)
        whole = b"".join(parts)
        self._ahead = whole[size:]
        return whole[:size]

    def skip_to(self, offset: int) -> None:
        """Leave out what comes before `offset`, which is not behind."""
        while self.offset < offset and self.read(min(BLOCK, offset - self.offset)):
            pass
