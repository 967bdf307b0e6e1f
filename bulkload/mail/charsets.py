"""Pure: what the name of a charset means."""

from __future__ import annotations

import re

# What mailers write for a charset where Python knows another name, or where a superset is
# what they mean (as browsers read them: https://encoding.spec.whatwg.org/#names-and-labels).
_MEANT = {
    "": "utf-8",
    "ascii": "utf-8",
    "us-ascii": "utf-8",
    "ansi_x3.4-1968": "utf-8",
    "iso646-us": "utf-8",
    "7bit": "utf-8",
    "8bit": "utf-8",
    "utf": "utf-8",
    "utf8": "utf-8",
    "utf-8n": "utf-8",
    "utf8mb4": "utf-8",
    "unicode": "utf-8",
    "unicode-1-1-utf-8": "utf-8",
    "unicode-1-1-utf-7": "utf-7",
    "iso-8859-1": "cp1252",
    "iso_8859-1": "cp1252",
    "iso8859-1": "cp1252",
    "8859_1": "cp1252",
    "latin1": "cp1252",
    "latin-1": "cp1252",
    "ansi": "cp1252",
    "iso-8859-9": "cp1254",
    "latin5": "cp1254",
    "iso-8859-11": "cp874",
    "tis-620": "cp874",
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-8-e": "iso-8859-8",
    "gb2312": "gb18030",
    "gb_2312-80": "gb18030",
    "gb2312-80": "gb18030",
    "gbk": "gb18030",
    "cn-gb": "gb18030",
    "chinese": "gb18030",
    "hz-gb-2312": "hz",
    "big5": "big5hkscs",
    "big5-eten": "big5hkscs",
    "cn-big5": "big5hkscs",
    "ks_c_5601-1987": "cp949",
    "ks_c_5601": "cp949",
    "ksc5601": "cp949",
    "korean": "cp949",
    "euc-kr": "cp949",
    "uhc": "cp949",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "sjis": "cp932",
    "ms_kanji": "cp932",
    "windows-31j": "cp932",
    "ms-cp932": "cp932",
    "iso-2022-jp": "iso2022_jp_ext",
    "koi8-ru": "koi8-u",
    "koi8": "koi8-r",
    "koi": "koi8-r",
    "macintosh": "mac-roman",
    "mac": "mac-roman",
    "mac-ce": "mac-latin2",
    # No charset of a message, and slow to no end on long input.
    "idna": "utf-8",
    "punycode": "utf-8",
}
_CODE_PAGE = re.compile(r"(?:windows|win|cp|ibm|ms)[-_ ]?(\d{3,4})")
_NAME = re.compile(r"(?:charset=)?[\"']?([^\s\"';,]*)")
# Those that have never meant anything: the bytes have to tell.
_MEANINGLESS = frozenset(
    {"unknown-8bit", "x-unknown", "unknown", "default", "x-user-defined", "user-defined", "none"}
)


def codec(charset: str) -> str:
    """Python's name of what `charset` means; of what it does not know, the name itself.

    "x-unknown" and its like are no charset and give "ascii", which no byte past ASCII fits.
    """
    match = _NAME.match(charset.strip().lower())
    name = match[1] if match else ""
    if name in _MEANINGLESS:
        return "ascii"
    if name in _MEANT:
        return _MEANT[name]
    name = name.removeprefix("x-")
    if name in _MEANT:
        return _MEANT[name]
    page = _CODE_PAGE.fullmatch(name)
    if page is None:
        return name
    return {"936": "gb18030", "950": "big5hkscs", "65001": "utf-8"}.get(page[1], f"cp{page[1]}")
