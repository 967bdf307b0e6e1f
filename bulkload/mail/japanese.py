"""Pure: Japanese text as it is written, in place of how its charset is defined.

Mailers of Windows write NEC's and IBM's letters (①, ㈱, 髙) under the names ISO-2022-JP and
EUC-JP, which Python's codecs refuse. Both are two bytes a letter of one table, and so is Shift JIS:
cp932 has those letters at the same places (https://encoding.spec.whatwg.org/#index-jis0208).

Law kept here: what can't be read is one U+FFFD, and costs none of its neighbours.
"""

from __future__ import annotations

import re

_ESCAPE = re.compile(rb"(\x1b(?:\$\([@BD]|\$[@AB]|\([BJI]))")
_TWO_BYTES = frozenset({b"\x1b$@", b"\x1b$B", b"\x1b$(@", b"\x1b$(B"})
_ASCII = frozenset({b"\x1b(B", b"\x1b(J"})
_PAIR = re.compile(rb"([\x21-\x7e])([\x21-\x7e])|([^\x21-\x7e])|(.)", re.DOTALL)
_EUC = re.compile(
    rb"([\xa1-\xfe])([\xa1-\xfe])|([\x00-\x7f]+|\x8e[\xa1-\xdf]|\x8f..)|(.)", re.DOTALL
)
_TORN = "\ufffd"


def is_iso_2022(raw: bytes) -> bool:
    """Whether escapes stand in it that hardly anything else has."""
    return any(escape in raw for escape in (b"\x1b$B", b"\x1b$@", b"\x1b(J"))


def iso_2022_jp(raw: bytes) -> str:
    """`raw` in ISO-2022-JP, where its codec refuses it."""
    first, *others = _ESCAPE.split(raw)
    text = [first.decode("ascii", "replace")]
    for escape, piece in zip(others[::2], others[1::2], strict=True):
        # A line that does not go back to ASCII ends there all the same.
        shifted, feed, rest = piece.partition(b"\n")
        text.append(_piece(escape, shifted))
        text.append((feed + rest).decode("ascii", "replace"))
    return "".join(text)


def _piece(escape: bytes, piece: bytes) -> str:
    if escape in _ASCII:
        return piece.decode("ascii", "replace")
    if escape in _TWO_BYTES:
        return "".join(map(_letter, _PAIR.finditer(piece)))
    return (escape + piece + b"\x1b(B").decode("iso2022_jp_ext", "replace")


def euc_jp(raw: bytes) -> str:
    """`raw` in EUC-JP, where its codec refuses it."""
    return "".join(map(_letter, _EUC.finditer(raw)))


def _letter(found: re.Match[bytes]) -> str:
    row, place, other, _ = found.groups()
    if row is not None:
        return _at(row[0] & 0x7F, place[0] & 0x7F)  # EUC's are the others with the high bit
    return other.decode("euc_jp", "replace") if other is not None else _TORN


def _at(row: int, place: int) -> str:
    """The letter at a place of the table (both from 0x21 on), by Shift JIS."""
    lead = (row - 0x21 >> 1) + 0x81
    lead += 0x40 * (lead > 0x9F)
    trail = place + (0x7E if row % 2 == 0 else 0x1F if place < 0x60 else 0x20)
    try:
        return bytes((lead, trail)).decode("cp932")
    except UnicodeDecodeError:
        return _TORN
