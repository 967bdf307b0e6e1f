"""Files written into a text (uuencode), as mailers did before there were parts. Pure, linear.

Law kept here: nothing readable is dropped: only what is surely a file, each of its lines decoded
and its end found, is taken out of the text.
"""

from __future__ import annotations

import binascii
import re
from typing import NamedTuple

_BEGIN = re.compile(r"^begin [0-7]{3,4} (\S[^\n]{0,254})\n", re.MULTILINE)
_END = re.compile(r"^end[ \t]*(?:\n|\Z)", re.MULTILINE)


class UuFile(NamedTuple):
    name: str
    content: bytes


def separated(text: str) -> tuple[str, tuple[UuFile, ...]]:
    """(`text`, which has line feeds, without its files; the files in order)."""
    if "begin " not in text:
        return text, ()
    pieces: list[str] = []
    files: list[UuFile] = []
    at = 0
    for begin in _BEGIN.finditer(text):
        if begin.start() < at:
            continue
        end = _END.search(text, begin.end())
        if end is None:
            break
        content = _content(text[begin.end() : end.start()])
        if content is None:
            continue
        pieces.append(text[at : begin.start()])
        files.append(UuFile(begin[1].strip(), content))
        at = end.end()
    return "".join([*pieces, text[at:]]), tuple(files)


def _content(encoded: str) -> bytes | None:
    lines: list[bytes] = []
    short = 0  # lines with fewer letters than their first promises, less those that have all
    for line in encoded.split("\n"):
        written = line.rstrip()
        if not written:
            continue  # the standard library takes it for 32 zeros
        try:
            lines.append(binascii.a2b_uu(written))
        except ValueError:
            return None
        short += 1 if len(line) <= (len(lines[-1]) + 2) // 3 * 4 else -1
    # Blanks, which are zeros, get lost at the end of some lines; in prose of nearly all.
    return None if short > 0 else b"".join(lines) or None
