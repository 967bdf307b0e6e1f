"""The line that an mbox puts before a message, and what it escapes for its sake. Pure."""

from __future__ import annotations

import re

ENVELOPE = re.compile(rb">?From (?![ \t]*:)")
"""How such a line begins: "From : a@b" is a header (RFC 5322 4.5: blanks before the colon)."""

_BOM = b"\xef\xbb\xbf"
_ESCAPED = re.compile(rb"^>(>*From )", re.MULTILINE)


def without_envelope(raw: bytes) -> tuple[bytes, bytes]:
    """(the mbox line or b"", the message): ">From " is unescaped only where a line stood."""
    content = raw.removeprefix(_BOM).lstrip(b"\r\n")
    if not ENVELOPE.match(content):
        return b"", content
    envelope, _, content = content.partition(b"\n")
    if b">From " in content:
        content = _ESCAPED.sub(rb"\1", content)
    return envelope.lstrip(b">"), content
