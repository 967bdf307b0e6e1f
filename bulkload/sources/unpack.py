"""Compression undone that has no way back to a copy of its state: bzip2, xz and Zstandard.

Laws kept here: memory is bounded by two buffers and the format's own window, whatever the stream
holds; nothing is lost in silence: where it is torn or corrupt, what came before is given, up to
the block of 64 KiB in which the fault lies, and `flaw` says where that is.
"""

from __future__ import annotations

import bz2
import lzma
import sys
from typing import TYPE_CHECKING, Any, Literal, Protocol

from bulkload.sources import streams
from bulkload.sources.extras import needed
from bulkload.sources.inflate import GZIP_MAGIC, Inflated
from bulkload.sources.streams import Layer

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulkload.sources.streams import Stream

Packing = Literal["gzip", "bz2", "xz", "zstd"]

PACKED = (".gz", ".bz2", ".xz", ".zst")
"""Endings that a compressed file has behind its own."""

_NAMES = {"bz2": "bzip2", "xz": "xz", "zstd": "Zstandard"}
_BZIP2 = tuple(b"BZh%d1AY&SY" % level for level in range(1, 10))
_XZ = b"\xfd7zXZ\0"
_ZSTD = b"\x28\xb5\x2f\xfd"
_SKIPPABLE = slice(1, 4), b"\x2a\x4d\x18"  # a frame without content, as pzstd writes one first


def packing_of(head: bytes) -> Packing | None:
    """How a file that begins with `head` (16 bytes are enough) is compressed; None: it is not."""
    if head.startswith(GZIP_MAGIC):
        return "gzip"
    if head.startswith(_BZIP2):
        return "bz2"
    if head.startswith(_XZ):
        return "xz"
    if head.startswith(_ZSTD) or (head[_SKIPPABLE[0]] == _SKIPPABLE[1] and head[0] >> 4 == 5):
        return "zstd"
    return None


def unpacked(stored: Stream, packing: str) -> Layer:
    """The content of `stored`. Raises RefusedToStart where a package for it is missing."""
    if packing == "gzip":
        return Inflated(stored, "gzip")
    return Unpacked(stored, packing)


class _Decompressor(Protocol):
    """As bz2, lzma and compression.zstd have it."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class Unpacked(Layer):
    """The content of `packed`, which may be of several streams or frames, one after another."""

    def __init__(self, packed: Stream, packing: str) -> None:
        super().__init__(packed)
        self._packing = packing
        self._new, self._faults = _maker(packing, packed.name)
        self._decompressor: _Decompressor | None = self._new()
        self._pending = b""
        self._ended = False

    def _next(self) -> bytes:
        while self.flaw is None:
            if not self._pending and not self._ended and self._wants_more():
                self._pending = self._inner.read()
                self._ended = not self._pending
            if self._decompressor is None and not self._next_stream():
                return b""
            assert self._decompressor is not None
            if self._ended and self._decompressor.needs_input and not self._pending:
                self.flaw = self._inner.flaw or self._where("ends too early")
                return b""
            given, self._pending = self._pending, b""
            try:
                block = self._decompressor.decompress(given, streams.BLOCK)
            except self._faults:
                self.flaw = self._where("is corrupt")
                return b""
            if self._decompressor.eof:
                self._pending = self._decompressor.unused_data
                self._decompressor = None
            if block:
                return block
        return b""

    def _wants_more(self) -> bool:
        return self._decompressor is None or self._decompressor.needs_input

    def _next_stream(self) -> bool:
        """Start the next one; zeros between two are padding. False at the end of all."""
        while not self._ended:
            self._pending = self._pending.lstrip(b"\0")
            if len(self._pending) >= len(_BZIP2[0]):
                break
            more = self._inner.read()
            self._pending += more
            self._ended = not more
        self._pending = self._pending.lstrip(b"\0")
        if not self._pending:
            self.flaw = self._inner.flaw
            return False
        if packing_of(self._pending[:16]) != self._packing and not self._is_empty_bzip2():
            self.flaw = self._where(f"is followed by bytes that are not {self._name()}")
            return False
        self._decompressor = self._new()
        return True

    def _is_empty_bzip2(self) -> bool:
        return self._packing == "bz2" and self._pending[4:10] == b"\x17rE8P\x90"

    def _name(self) -> str:
        return _NAMES[self._packing]

    def _where(self, what: str) -> str:
        return (
            f"the {self._name()} stream {what} at byte {self.offset:,} of its content, or up to "
            f"{streams.BLOCK:,} bytes after (byte {self._inner.consumed:,} of what it is stored "
            "as, or before): what comes after can't be read; fetch the file again"
        )


def _maker(
    packing: str, name: str
) -> tuple[Callable[[], _Decompressor], tuple[type[Exception], ...]]:
    """What makes a decompressor, and what that raises on bytes that are no such stream."""
    if packing == "bz2":
        return bz2.BZ2Decompressor, (OSError, ValueError)
    if packing == "xz":
        # A corrupt header may ask for gigabytes.
        return lambda: lzma.LZMADecompressor(memlimit=1 << 30), (lzma.LZMAError, MemoryError)
    home = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    zstd: Any = needed(home, "zstd", f"{name}: a file compressed with Zstandard")
    return zstd.ZstdDecompressor, (zstd.ZstdError,)
