"""S/MIME (RFC 8551): the message inside a signature, and whether one is sealed. Pure.

An opaque signature (smime-type=signed-data) wraps the message in DER, or in BER where a mailer
wrote it piece by piece; what is inside can be read by anyone. The signature is not checked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIGNED_DATA = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"  # OID 1.2.840.113549.1.7.2
_DATA = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"
_SEQUENCE, _OID, _OCTETS, _OCTETS_IN_PIECES, _EXPLICIT = 0x30, 0x06, 0x04, 0x24, 0xA0
_MOST_VALUES = 100_000


def opened(content: bytes) -> bytes | None:
    """The message inside signed data; None where it is sealed, detached or no CMS at all."""
    try:
        return _opened(content) or None
    except (ValueError, IndexError):
        return None


def _opened(content: bytes) -> bytes:
    # ContentInfo ::= SEQUENCE { OID, [0] SignedData };
    # SignedData ::= SEQUENCE { version, digests, SEQUENCE { OID, [0] OCTET STRING }, … }
    kind, start, end = _expect(content, 0, len(content), (_SEQUENCE, 0), (_EXPLICIT, 1))
    if kind != _SIGNED_DATA:
        return b""
    kind, start, end = _expect(content, start, end, (_SEQUENCE, 0), (_SEQUENCE, 2), (_EXPLICIT, 1))
    if kind != _DATA:
        return b""
    return b"".join(_octets(content, start, end, 4))


def _expect(content: bytes, start: int, end: int, *path: tuple[int, int]) -> tuple[bytes, int, int]:
    """Down a path of (tag, its place among its siblings): the OID beside the last, and where the
    last one's value stands.
    """
    beside = b""
    for tag, place in path:
        for at, (found, begin, stop) in enumerate(_values(content, start, end)):
            if found == _OID:
                beside = content[begin:stop]
            if at == place:
                if found != tag:
                    raise ValueError("not of the shape that was looked for")
                start, end = begin, stop
                break
        else:
            raise ValueError("too short")
    return beside, start, end


def _octets(content: bytes, start: int, end: int, levels: int) -> Iterator[bytes]:
    for tag, begin, stop in _values(content, start, end):
        if tag == _OCTETS:
            yield content[begin:stop]
        elif tag == _OCTETS_IN_PIECES and levels:
            yield from _octets(content, begin, stop, levels - 1)


def _values(content: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Each value of a constructed one: its tag, where its content begins and ends."""
    at = start
    while at + 2 <= end:
        tag, length = content[at], content[at + 1]
        at += 2
        if tag == 0 and length == 0:  # the end of a value without a length
            return
        if length == 0x80:
            stop = _closed(content, at, end)
            yield tag, at, stop
            at = stop + 2
            continue
        if length > 0x80:
            size = length & 0x7F
            length = int.from_bytes(content[at : at + size], "big")
            at += size
        stop = min(at + length, end)
        yield tag, at, stop
        at = stop


def _closed(content: bytes, start: int, end: int) -> int:
    """Where the end-of-contents of a value without a length stands."""
    at = start
    depth = 1
    for _ in range(_MOST_VALUES):
        if at + 2 > end:
            return end
        tag, length = content[at], content[at + 1]
        at += 2
        if tag == 0 and length == 0:
            depth -= 1
            if not depth:
                return at - 2
        elif length == 0x80:
            depth += 1
        elif length > 0x80:
            size = length & 0x7F
            at += size + int.from_bytes(content[at : at + size], "big")
        else:
            at += length
    raise ValueError("too many values")
