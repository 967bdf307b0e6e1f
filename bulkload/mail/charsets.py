"""Pure: what the name of a charset means."""

from __future__ import annotations

import codecs
import re

# What mailers write for a charset that Python has under another name.
_ALIASES = {
    "": "utf-8",
    "7bit": "utf-8",
    "8bit": "utf-8",
    "utf-8n": "utf-8",
    "utf8mb4": "utf-8",
    "unicode": "utf-8",
    "unicode-1-1-utf-8": "utf-8",
    "unicode-1-1-utf-7": "utf-7",
    "unicode-2-0-utf-7": "utf-7",
    "ucs-2": "utf-16-be",
    "iso-10646-ucs-2": "utf-16-be",
    "8859_1": "cp1252",
    "ansi": "cp1252",
    "latin-9": "iso8859-15",
    "latin-15": "iso8859-15",
    "iso-8859-8-i": "iso8859-8",
    "iso-8859-8-e": "iso8859-8",
    "gb_2312-80": "gb18030",
    "cn-gb": "gb18030",
    "big5-eten": "big5hkscs",
    "cn-big5": "big5hkscs",
    "windows-31j": "cp932",
    "ms-cp932": "cp932",
    "iso-2022-jp-ms": "iso2022_jp_ext",
    "cp50220": "iso2022_jp_ext",
    "cp50221": "iso2022_jp_ext",
    "cp50222": "iso2022_jp_ext",
    "koi8-ru": "koi8-u",
    "koi8": "koi8-r",
    "koi": "koi8-r",
    "mac": "mac-roman",
    "mac-ce": "mac-latin2",
    "mac-centraleurope": "mac-latin2",
}
# The superset that is meant by a charset, as browsers read it
# (https://encoding.spec.whatwg.org/#names-and-labels).
_SUPERSETS = {
    "ascii": "utf-8",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "cp950": "big5hkscs",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "iso2022_jp": "iso2022_jp_ext",
    # No charset of a message, and slow to no end on long input.
    "idna": "utf-8",
    "punycode": "utf-8",
}
_CODE_PAGE = re.compile(r"(?:windows|win|cp|ibm|ms|dos)[-_ ]?(\d{3,5})")
_NAME = re.compile(r"(?:charset=)?[\"']?([^\s\"';,\0]*)")
# Those that have never meant anything: the bytes have to tell.
_MEANINGLESS = frozenset(
    {"unknown-8bit", "x-unknown", "unknown", "default", "x-user-defined", "user-defined", "none"}
)


def codec(charset: str) -> str:
    """The name that Python's codec has of what `charset` means; of what Python does not know, the
    name itself.

    "x-unknown" and its like are no charset and give "ascii", which no byte past ASCII fits.
    """
    match = _NAME.match(charset.strip().lower())
    name = match[1] if match else ""
    if name in _MEANINGLESS:
        return "ascii"
    while (bare := name.removeprefix("x-")) != name:
        name = bare
    page = _CODE_PAGE.fullmatch(name)
    name = f"cp{page[1]}" if page else name
    name = _ALIASES.get(name, name)
    try:
        found = codecs.lookup(name).name
    except LookupError:
        found = name
    return _SUPERSETS.get(found, found)
