"""Headers → decoded text and addresses, never raising.

The encoded words are decoded here and not by the standard library, which raises on bad
base64 and joins words of one character wrongly.
"""

from __future__ import annotations

import base64
import binascii
import re
from email.utils import getaddresses
from typing import TYPE_CHECKING

from bulkload.mail.text import attempt, clean, decoded, encoded_in, from_ascii
from bulkload.model import Address

if TYPE_CHECKING:
    from collections.abc import Iterable
    from email.message import Message

_WORD = re.compile(r"=\?([^?\s]*)\?([bBqQ])\?([^?\r\n]*)\?=")
_GAP = re.compile(r"(\?=)\s+(?==\?[^?\s]*\?[bBqQ]\?)")
_FOLD = re.compile(r"[\r\n]+[ \t]*")
_ADDRESS = re.compile(
    r"[^\s<>,;:\"'()\[\]]{1,64}@[^\s<>,;:\"'()\[\]]{1,255}"
)  # bounded: a long header without an @ would take quadratic time
_HEX = re.compile(rb"=([0-9a-fA-F]{2})")


def values(message: Message, name: str) -> list[str]:
    """Every header of that name, unfolded; bytes past ASCII as UTF-8 or cp1252; encoded
    words as they are.
    """
    wanted = name.lower()
    return [
        _FOLD.sub(" ", from_ascii(str(value))).strip()
        for key, value in message.raw_items()
        if key.lower() == wanted
    ]


def text(message: Message, name: str) -> str:
    """The first header of that name that isn't empty, decoded; "" where there is none."""
    return next((words(value) for value in values(message, name) if value), "")


def words(value: str) -> str:
    """`value` with its encoded words (RFC 2047) decoded; broken ones stay as written."""
    if "=?" not in value:
        return value
    value = _GAP.sub(r"\1", value)
    pieces: list[str] = []
    held = b""  # of one charset: a character may be cut across words
    held_charset = ""
    at = 0
    for match in _WORD.finditer(value):
        charset = match[1].partition("*")[0].lower()
        raw = _word_bytes(charset, match[2], match[3])
        if raw is None:
            continue
        if match.start() > at or charset != held_charset:
            pieces += (decoded(held, held_charset), value[at : match.start()])
            held, held_charset = b"", charset
        held += raw
        at = match.end()
    pieces += (decoded(held, held_charset), value[at:])
    return clean(_FOLD.sub(" ", "".join(pieces)))


def addresses(message: Message, name: str) -> tuple[Address, ...]:
    """Every mailbox of the headers of that name, in order; groups opened, oddities dropped."""
    found: list[Address] = []
    for value in values(message, name):
        if value:
            found += _mailboxes(value)
    return tuple(found)


def as_written(raw: bytes, names: Iterable[str]) -> dict[str, bytes]:
    """The first header of each name, as its bytes stand in `raw` (unfolded, outer blanks
    trimmed), by lower-case name; absent ones are left out.

    For keys: no decoding, so that a better decoder never makes another key.
    """
    wanted = {name.lower().encode() for name in names}
    found: dict[str, bytes] = {}
    current: bytes | None = None
    for line in _header_lines(raw):
        if line[:1] in (b" ", b"\t"):
            if current is not None:
                found[current.decode()] += b" " + line.strip()
            continue
        key, colon, value = line.partition(b":")
        key = key.strip().lower()
        current = None
        if colon and key in wanted and key.decode() not in found:
            current = key
            found[key.decode()] = value.strip()
    return {key: value.strip() for key, value in found.items()}


def _header_lines(raw: bytes) -> Iterable[bytes]:
    at = len(raw) - len(raw.lstrip(b"\r\n"))
    while at < len(raw):
        end = raw.find(b"\n", at)
        end = len(raw) if end < 0 else end
        line = raw[at:end].rstrip(b"\r")
        if not line:
            return
        yield line
        at = end + 1


def _word_bytes(charset: str, encoding: str, content: str) -> bytes | None:
    # Letters past ASCII have no place in an encoded word; those that stand in one were
    # written in its charset, as the rest of it.
    encoded = encoded_in(content, charset)
    if encoding in "qQ":
        return _HEX.sub(lambda match: bytes([int(match[1], 16)]), encoded.replace(b"_", b" "))
    try:
        return base64.b64decode(encoded + b"=" * (-len(encoded) % 4))
    except (binascii.Error, ValueError):
        return None


def _mailboxes(value: str) -> list[Address]:
    pairs: list[tuple[str, str]] = attempt(lambda: getaddresses([value]), [])
    found = [_address(name, email) for name, email in pairs if "@" in email]
    if not found and "=?" in value and words(value) != value:
        # The whole mailbox inside an encoded word: wrong, and common.
        return _mailboxes(words(value).replace("=?", ""))
    # Where the standard library gives up on one mailbox it drops them all.
    return found or [Address(email) for email in _ADDRESS.findall(value)]


def _address(name: str, email: str) -> Address:
    email = "".join(words(email).split())
    name = " ".join(words(name).split()).strip("\"' ")
    if not name or name.lower() == email.lower():
        return Address(email)
    last, comma, first = name.partition(",")
    if comma and first.strip() and "," not in first:
        return Address(email, first.strip(), last.strip())
    first, _, last = name.partition(" ")
    return Address(email, first, last)
