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
_APART = frozenset({"colortbl", "stylesheet", "info", "pict", "themedata", "datastore"})
_SIGNS = {
    "par": "\n",
    "line": "\n",
    "tab": "\t",
    "page": "\n",
    "sect": "\n",
    "cell": "\t",
    "row": "\n",
    "nestcell": "\t",
    "nestrow": "\n",
    "emdash": "—",
    "endash": "–",
    "bullet": "•",
    "lquote": "‘",
    "rquote": "’",
    "ldblquote": "“",
    "rdblquote": "”",
}


_CHARSETS = {
    "77": "macintosh", "128": "cp932", "129": "cp949", "130": "cp1361", "134": "cp936",
    "136": "cp950", "161": "cp1253", "162": "cp1254", "163": "cp1258", "177": "cp1255",
    "178": "cp1256", "186": "cp1257", "204": "cp1251", "222": "cp874", "238": "cp1250",
}  # fmt: skip
"""Of fonts, by their numbers in \\fcharset; others are in the charset of the whole."""


class Body(NamedTuple):
    text: str = ""
    html: str = ""


class _Group(NamedTuple):
    skipped: bool = False
    tag: bool = False  # HTML's own, in \*\htmltag
    hidden: bool = False  # RTF's own, in \htmlrtf
    unicode_skip: int = 1
    fonts: bool = False  # in the table of fonts
    font: str = ""  # its number there; "": the default one


class _Charsets:
    """What bytes past ASCII are in: the font's charset, where it names one, else the whole's."""

    def __init__(self) -> None:
        self._whole = "cp1252"
        self._fonts: dict[str, str] = {}
        self._default = self._described = ""

    def behind(self, word: str, number: str, group: _Group) -> _Group:
        """`group` behind one of `_OF_CHARSETS`."""
        if word == "ansicpg":
            self._whole = f"cp{number}"
        elif word == "deff":
            self._default = number
        elif word == "fonttbl":
            return group._replace(skipped=True, fonts=True)
        elif word == "fcharset":
            self._fonts[self._described] = _CHARSETS.get(number, "")
        elif group.fonts:
            self._described = number
        else:
            return group._replace(font=number)  # \plain has none
        return group

    def of(self, group: _Group) -> str:
        font = "" if group.tag else self._fonts.get(group.font or self._default)
        return font or self._whole


_OF_CHARSETS = frozenset({"ansicpg", "deff", "fonttbl", "fcharset", "f", "plain"})


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
    charsets = _Charsets()
    pieces: list[str] = []
    raw = bytearray()  # of one charset: a character may be two \'hh
    stack: list[_Group] = []
    group = _Group()
    skip = 0  # signs that stand for a \u before them
    for word, number, code, sign, brace, text in _TOKEN.findall(source):
        if raw and not code:
            pieces.append(decoded(bytes(raw), charsets.of(group)))
            raw.clear()
        shown = not (group.skipped or group.hidden)
        if brace == "{":
            stack.append(group)
        elif brace:
            group = stack.pop() if stack else _Group()
            skip = 0
        elif word in _OF_CHARSETS:
            group = charsets.behind(word, number, group)
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
            pieces.append(
                kept if kept.isascii() else decoded(kept.encode("latin-1"), charsets.of(group))
            )
    pieces.append(decoded(bytes(raw), charsets.of(group)))
    whole = clean("".join(pieces))
    return Body(html=whole) if from_html else Body(text=whole)
