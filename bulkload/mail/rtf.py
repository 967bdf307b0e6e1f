"""Outlook's RTF bodies: unpacked (MS-OXRTFCP), and the HTML or text in them. Pure, linear.

Where the RTF was made from HTML (MS-OXRTFEX) that HTML is taken out of it again; what is RTF's own
is read as plain text. Never raises: what breaks off ends there.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from bulkload.mail.text import clean, decoded

_MOST = 8_388_608  # bytes unpacked
_WINDOW = 4_096
_KNOWN = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript "
    rb"\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0"
    b"\r\n"
    rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)
_TOKEN = re.compile(
    r"\\([a-z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-z])|([{}])|[\r\n]+|([^\\{}\r\n]+)"
)
_APART = frozenset({"fonttbl", "colortbl", "stylesheet", "info", "pict", "themedata", "datastore"})
_SIGNS = {
    "par": "\n",
    "line": "\n",
    "tab": "\t",
    "emdash": "—",
    "endash": "–",
    "bullet": "•",
    "lquote": "‘",
    "rquote": "’",
    "ldblquote": "“",
    "rdblquote": "”",
}


class Body(NamedTuple):
    text: str = ""
    html: str = ""


class _Group(NamedTuple):
    skipped: bool = False
    tag: bool = False  # HTML's own, in \*\htmltag
    hidden: bool = False  # RTF's own, in \htmlrtf
    unicode_skip: int = 1


def unpacked(packed: bytes) -> bytes:
    """The RTF in a compressed one, b"" where it is none."""
    kind = packed[8:12]
    if kind == b"MELA":
        return packed[16 : 16 + _MOST]
    if kind != b"LZFu":
        return b""
    size = min(int.from_bytes(packed[4:8], "little"), _MOST)
    out = bytearray(_KNOWN)
    at = 16
    while at < len(packed) and len(out) - len(_KNOWN) < size:
        control = packed[at]
        at += 1
        for bit in range(8):
            if not control >> bit & 1:
                out += packed[at : at + 1]
                at += 1
                continue
            reference = int.from_bytes(packed[at : at + 2], "big")
            at += 2
            back = (len(out) - (reference >> 4)) % _WINDOW
            if not back or back > len(out):
                return bytes(out[len(_KNOWN) :])
            for _ in range((reference & 15) + 2):
                out.append(out[-back])
    return bytes(out[len(_KNOWN) :][:size])


def body(rtf: bytes) -> Body:
    """The HTML that the RTF was made from, else its text."""
    source = rtf.decode("latin-1")
    from_html = "\\fromhtml" in source[:2_000]
    page = "cp1252"
    pieces: list[str] = []
    raw = bytearray()  # of one charset: a character may be two \'hh
    stack: list[_Group] = []
    group = _Group()
    skip = 0  # signs that stand for a \u before them
    for word, number, code, sign, brace, text in _TOKEN.findall(source):
        if raw and not code:
            pieces.append(decoded(bytes(raw), page))
            raw.clear()
        shown = not (group.skipped or group.hidden)
        if brace == "{":
            stack.append(group)
        elif brace:
            group = stack.pop() if stack else _Group()
            skip = 0
        elif word == "ansicpg":
            page = f"cp{number}"
        elif word == "htmltag":
            group = group._replace(skipped=not from_html, tag=True)
        elif word in _APART:
            group = group._replace(skipped=True)
        elif word == "htmlrtf":
            group = group._replace(hidden=from_html and number != "0")
        elif word == "uc":
            group = group._replace(unicode_skip=int(number or 1))
        elif sign == "*":
            group = group._replace(skipped=True)
        elif not shown:
            continue
        elif word == "u" and number:
            pieces.append(chr(int(number) % 65_536))
            skip = group.unicode_skip
        elif word in _SIGNS:
            pieces.append(_SIGNS[word])
        elif code and skip:
            skip -= 1
        elif code:
            raw.append(int(code, 16))
        elif sign:
            pieces.append({"~": "\xa0", "_": "-", "-": ""}.get(sign, sign))
        elif text:
            kept = text[skip:]
            skip = max(0, skip - len(text))
            pieces.append(kept if kept.isascii() else decoded(kept.encode("latin-1"), page))
    pieces.append(decoded(bytes(raw), page))
    whole = clean("".join(pieces))
    return Body(html=whole) if from_html else Body(text=whole)
