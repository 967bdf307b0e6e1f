"""Pure: what bytes are written in that are text, but no UTF-8.

The guess is chardet's, among the charsets that mail and tables are written in.
"""

from __future__ import annotations

import re

WESTERN = "cp1252"

_LATIN = (
    WESTERN, "cp1250", "cp1254", "cp1257", "iso8859-2", "iso8859-15", "mac-roman", "cp850", "cp852",
)  # fmt: skip
_OTHERS = (
    "cp1251", "cp1253", "cp1255", "cp1256", "cp874", "koi8-r", "koi8-u",
)  # fmt: skip
_IN_PAIRS = ("cp932", "euc_jis_2004", "gb18030", "big5hkscs", "cp949")
"""Of relatives the one that has all letters of the others. Among more of them, or among its
supersets, chardet would be wrong more often."""

_FEWEST, _FEWEST_ALONE = 4, 8
"""Bytes past ASCII: by fewer any charset could be meant, and most often it is the western one. In
alphabets of their own they stand side by side; where they don't, more are needed to tell."""

_BEFORE = 40
"""Bytes in front of a line's first letter past ASCII that are looked at."""

_TELLING = re.compile(rb"[\x80-\xff][^\n]*")
_BESIDE = re.compile(rb"[\x80-\xff]{2,}")


def likeliest(raw: bytes, most: int) -> str:
    """Python's name of it, by about `most` bytes of those lines that are not ASCII: the others tell
    nothing, and much of that nothing looks western.
    """
    telling = _telling(raw, most)
    past = len(telling.translate(None, bytes(range(128))))
    beside = 2 * sum(map(len, _BESIDE.findall(telling))) >= past
    if past < (_FEWEST if beside else _FEWEST_ALONE):
        return WESTERN
    from chardet import detect  # noqa: PLC0415  # 80 ms, and seldom needed

    likely = (*_LATIN, *_IN_PAIRS, *(_OTHERS if beside else ()))
    found = detect(telling, include_encodings=likely, compat_names=False)["encoding"] or WESTERN
    try:  # relatives differ in letters that may not be there
        same = telling.decode(WESTERN) == telling.decode(found)
    except (LookupError, UnicodeDecodeError):
        same = False
    return WESTERN if same else found


def _telling(raw: bytes, most: int) -> bytes:
    pieces, held = list[bytes](), 0
    for found in _TELLING.finditer(raw):
        first = max(found.start() - _BEFORE, 0)
        start = max(first, raw.rfind(b"\n", first, found.start()) + 1)
        pieces.append(raw[start : min(found.end(), start + most)])
        held += len(pieces[-1])
        if held >= most:
            break
    return b"\n".join(pieces)[:most]
