"""Bytes → text that JSON can hold, never raising.

Law kept here: a message with a wrong charset is a message with a few wrong letters, never a
message lost. NUL and lone surrogates go, since no JSON API takes them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
D = TypeVar("D")

_UNFIT = re.compile("[\0\ud800-\udfff]")

# What mailers write for a charset where Python knows another name, or where a superset is
# what they mean (as browsers read them).
_MEANT = {
    "": "utf-8",
    "ascii": "utf-8",
    "us-ascii": "utf-8",
    "ansi_x3.4-1968": "utf-8",
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-8-e": "iso-8859-8",
    "windows-874": "cp874",
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
    "shift_jis": "cp932",
    "x-sjis": "cp932",
    "macintosh": "mac-roman",
    "x-mac-roman": "mac-roman",
    "unicode-1-1-utf-7": "utf-7",
    "utf8": "utf-8",
    # No charset of a message, and slow to no end on long input.
    "idna": "utf-8",
    "punycode": "utf-8",
}


def attempt(call: Callable[[], T], otherwise: D) -> T | D:
    """What `call` returns, or `otherwise` where the standard library gives up.

    Its mail parser raises nearly anything on malformed mail (IndexError, AttributeError,
    RecursionError, …), and differently in each Python version.
    """
    try:
        return call()
    except Exception:  # noqa: BLE001  # the one place that wraps the standard library's crashes
        return otherwise


def decoded(raw: bytes, charset: str = "") -> str:
    """`raw` as clean text: by its charset, else UTF-8, else cp1252, else with U+FFFD."""
    name = _meant(charset)
    for candidate, errors in ((name, "strict"), ("utf-8", "strict"), (name, "replace")):
        if errors == "replace" and candidate == "utf-8":
            break  # what claims UTF-8 and is not is cp1252 more often than torn UTF-8
        try:
            return clean(raw.decode(candidate, errors))
        except (LookupError, ValueError):
            # Unknown, no text encoding ("hex", "zip"), or wrong for these bytes.
            continue
    return clean(raw.decode("cp1252", "replace"))


def encoded_in(text: str, charset: str) -> bytes:
    """`text` in `charset` where that can hold it, else in UTF-8: what `decoded` undoes."""
    name = _meant(charset)
    if not text.isascii():
        try:
            return text.encode(name)
        except (LookupError, ValueError):
            pass
    return text.encode("utf-8", "replace")


def clean(text: str) -> str:
    """`text` without NUL, each lone surrogate as U+FFFD."""
    if _UNFIT.search(text) is None:
        return text
    # Two halves that stand side by side are one character, written by a careless encoder.
    joined = text.replace("\0", "").encode("utf-16", "surrogatepass")
    return joined.decode("utf-16", "replace")


def from_ascii(text: str) -> str:
    """Text of the parser, in which bytes past ASCII are surrogates, as what they are."""
    if text.isascii():
        return clean(text)
    return decoded(text.encode("utf-8", "surrogateescape"))


def _meant(charset: str) -> str:
    charset = charset.strip().strip("\"'").lower()
    return _MEANT.get(charset, charset)
