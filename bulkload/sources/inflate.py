"""Compression undone, as a stream over a stream: gzip, and the deflate inside a zip.

Laws kept here: memory is bounded by two buffers, whatever the stream holds (a gzip bomb
too); nothing is lost in silence: where it is torn or corrupt, everything before the fault is
given and `flaw` says where it is.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Literal

from bulkload.sources import streams
from bulkload.sources.streams import Layer

if TYPE_CHECKING:
    from bulkload.sources.streams import Stream

GZIP_MAGIC = b"\x1f\x8b\x08"

Packing = Literal["gzip", "deflate"]

_WBITS: dict[Packing, int] = {"gzip": 31, "deflate": -15}


class Inflated(Layer):
    """The content of `packed`. Gzip may be of several members, as `cat a.gz b.gz` makes."""

    def __init__(self, packed: Stream, packing: Packing) -> None:
        super().__init__(packed)
        self._packing = packing
        self._pending = b""
        self._inflate: zlib._Decompress | None = zlib.decompressobj(_WBITS[packing])

    def _next(self) -> bytes:
        while self.flaw is None:
            if not self._pending:
                self._pending = self._inner.read()
            if not self._pending:
                if self._inflate is not None:
                    # What zlib still holds back where the input simply ends.
                    rest = self._inflate.flush(streams.BLOCK)
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
        if self._packing == "deflate":
            self._pending = b""
            return False
        self._pending = self._pending.lstrip(b"\0")
        if not self._pending:
            return False
        if len(self._pending) < len(GZIP_MAGIC):
            self._pending += self._inner.read()
        if not self._pending.startswith(GZIP_MAGIC):
            self.flaw = self._where("is followed by bytes that are not gzip")
            return False
        self._inflate = zlib.decompressobj(_WBITS[self._packing])
        return True

    def _inflated(self) -> bytes:
        assert self._inflate is not None
        before = self._inflate.copy()
        given, self._pending = self._pending, b""
        try:
            block = self._inflate.decompress(given, streams.BLOCK)
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
            f"the {self._packing} stream {what} at byte {self.offset + more} of its content "
            f"(byte {self._inner.consumed - len(self._pending)} of what it is stored as, or up "
            f"to {streams.BLOCK:,} bytes before): what comes after can't be read; fetch the "
            "file again"
        )
