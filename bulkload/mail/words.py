"""Encoded words (RFC 2047), as they are found rather than as they should be.

Decoded here and not by the standard library, which raises on bad base64 and joins words of one
character wrongly. Words are decoded wherever they stand: in quotes, glued to other text, with
blanks inside, cut off at the header's end.
"""

from __future__ import annotations

import binascii
import re

from bulkload.mail.charsets import codec
from bulkload.mail.text import clean, decoded, encoded_in

# The content runs to "?=" and never past the start of another word: linear, whatever stands there.
_WORD = re.compile(
    r"=\?([^?\s]*)\?([bBqQ])\?([^?=]*(?:(?:=(?!\?(?!=))|\?(?!=))[^?=]*)*)(?:\?=|\??\Z)"
)
_GAP = re.compile(r"(\?=)\s+(?==\?[^?\s]*\?[bBqQ]\?)")
_FOLD = re.compile(r"[\r\n]+[ \t]*")


def words(value: str) -> str:
    """`value` with its encoded words decoded; those that can't be stay as written."""
    if "=?" not in value:
        return value
    if value.count("=?") > 1:
        value = _GAP.sub(r"\1", value)
    pieces: list[str] = []
    held = b""  # of one codec: a character may be cut across words
    held_charset = ""
    at = 0
    for match in _WORD.finditer(value):
        charset = match[1].partition("*")[0].lower()
        content = match[3]
        if content.endswith("=") and match[2] in "qQ" and match[0].endswith("?="):
            content += "3D"  # one that nobody encoded, not the end of a cut line
        raw = _bytes(charset, match[2], content)
        if raw is None:
            continue
        if match.start() > at or not held or codec(charset) != codec(held_charset):
            pieces += (decoded(held, held_charset), value[at : match.start()])
            held, held_charset = b"", charset
        held += raw
        at = match.end()
    pieces += (decoded(held, held_charset), value[at:])
    text = "".join(pieces)
    return clean(_FOLD.sub(" ", text) if "\n" in text or "\r" in text else text)


def _bytes(charset: str, encoding: str, content: str) -> bytes | None:
    # Letters past ASCII have no place in an encoded word; those that stand in one were
    # written in its charset, as the rest of it.
    encoded = encoded_in(content, charset)
    if encoding in "qQ":
        return binascii.a2b_qp(encoded, header=True)
    try:
        return binascii.a2b_base64(encoded + b"==")
    except ValueError:
        return None
