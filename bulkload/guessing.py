"""Pure: what bytes are written in that are text, but no UTF-8.

The guess is chardet's, among the charsets that mail and tables are written in.
"""

from __future__ import annotations

_LIKELY = (
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp874",
    "iso8859-2", "iso8859-15", "koi8-r", "koi8-u", "mac-roman", "cp850", "cp852", "cp866",
    "cp932", "euc_jis_2004", "gb18030", "big5hkscs", "cp949",
)  # fmt: skip
"""Of relatives the one that has all letters of the others. Among more of them, or among its
supersets, chardet would be wrong more often."""

WESTERN = "cp1252"

_FEWEST = 4
"""Bytes past ASCII: by fewer any charset could be meant, and most often it is the western one."""


def likeliest(raw: bytes, most: int) -> str:
    """Python's name of it, by `most` bytes of those lines that are not ASCII: the others tell
    nothing, and much of that nothing looks western.
    """
    telling = b"\n".join(line for line in raw.split(b"\n") if not line.isascii())[:most]
    if len(telling.translate(None, bytes(range(128)))) < _FEWEST:
        return WESTERN
    from chardet import detect  # noqa: PLC0415  # 80 ms, and seldom needed

    found = detect(telling, include_encodings=_LIKELY, compat_names=False)["encoding"] or WESTERN
    try:  # relatives differ in letters that may not be there
        same = telling.decode(WESTERN) == telling.decode(found)
    except (LookupError, UnicodeDecodeError):
        same = False
    return WESTERN if same else found
