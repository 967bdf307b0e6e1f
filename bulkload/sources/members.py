"""From "what, and from which byte" to a stream: a file, compressed or not, or a member of an
archive.

A plain file and a stored member are sought; what is compressed is read again from its
beginning (zlib undoes some 300 MB/s). Compression of a file is known by its first bytes,
never by its name.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, NamedTuple

from bulkload.sources.inflate import Inflated
from bulkload.sources.streams import Layer, Part
from bulkload.sources.unpack import packing_of, unpacked

if TYPE_CHECKING:
    from bulkload.sources.places import Place
    from bulkload.sources.streams import Beginning, Stream

_ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")  # the second: an empty one
_TAR_MAGIC = slice(257, 262)


def is_zip(head: bytes) -> bool:
    return head.startswith(_ZIP_MAGIC)


def is_archive(head: bytes) -> bool:
    """Whether a file that begins with `head`, its compression undone, is a zip or a tar."""
    return is_zip(head) or head[_TAR_MAGIC] == b"ustar"


class Member(NamedTuple):
    """Where in an archive one file lies: all that reading it needs beside the archive's path.

    `at`: of its first byte, in the archive or, where `packing` is a `Packing` (the whole archive
    is one compressed stream), in what that holds. `size`: of its content; `packed`: of what it is
    stored as. `packing`: "" as it is, "deflate" on its own. `crc`: CRC-32 of its content, -1 where
    the archive keeps none.
    """

    name: str
    at: int
    size: int
    packed: int
    packing: str
    crc: int = -1


def open_stream(
    place: Place,
    name: str,
    offset: int = 0,
    extent: int | None = None,
    member: Member | None = None,
) -> Stream:
    """The bytes from `offset` on of the file at `place`, or of that `member` of it.

    `extent`: only the file's first so many bytes count. Raises RefusedToStart.
    """
    if member is not None:
        return open_member(place.open(name), offset, member)
    stream = place.open(name, extent)
    if packing := packing_of(stream.head()):
        return _skipped(_over(stream, packing), offset)
    stream.seek(offset)
    return stream


def open_member(stored: Beginning, offset: int, member: Member) -> Stream:
    """The bytes from `offset` on of that member of the archive which is `stored`."""
    left = max(0, member.size - offset)
    if member.packing == "deflate":
        stored.seek(member.at)
        packed = Part(stored, member.packed)
        content = Part(Inflated(packed, "deflate"), member.size)
        return _skipped(Checked(content, member.crc), offset)
    if member.packing:
        whole = _over(stored, member.packing)
        return Part(_skipped(whole, member.at + offset), left, offset)
    stored.seek(member.at + offset)
    part = Part(stored, left, offset)
    return part if offset or member.crc < 0 else Checked(part, member.crc)


def _over(stored: Stream, packing: str) -> Layer:
    try:
        return unpacked(stored, packing)
    except BaseException:
        stored.close()
        raise


def _skipped(stream: Layer, offset: int) -> Stream:
    """`stream` from `offset` on."""
    try:
        stream.skip_to(offset)
    except BaseException:
        stream.close()
        raise
    return stream


class Checked(Layer):
    """`inner`, held against its checksum at its end: what differs is a flaw."""

    def __init__(self, inner: Stream, crc: int) -> None:
        super().__init__(inner)
        self._wanted = crc
        self._crc = 0

    def _next(self) -> bytes:
        block = self._inner.read()
        self._crc = zlib.crc32(block, self._crc)
        if not block:
            self.flaw = self._inner.flaw
            if self.flaw is None and self._crc != self._wanted:
                self.flaw = (
                    "the checksum kept in the archive is not that of the content: somewhere "
                    "before this it is damaged; fetch the archive again"
                )
        return block
