"""Bytes → text that JSON can hold, never raising.

Law kept here: a message with a wrong charset is a message with a few wrong letters, never a
message lost. NUL and lone surrogates go, since no JSON API takes them.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from functools import lru_cache

from bulkload.guessing import likeliest
from bulkload.mail.charsets import codec

_UNFIT = re.compile("[\0\ud800-\udfff]")
_SHIFT = re.compile(rb"\x1b(?:\$[@B]|\([BJ])")
_MARK = "\ufeff"  # of the order of bytes
_TORN = "\ufffd"


def decoded(raw: bytes, charset: str = "") -> str:
    """`raw` as clean text: by its charset, else UTF-8, else as its bytes look.

    A charset that is declared and fits all but a few bytes is kept, and those are U+FFFD.
    """
    name = _codec(charset)
    if raw.isascii() and name not in _NO_SUPERSETS:
        text = raw.decode("ascii")
        return text.replace("\0", "") if "\0" in text else text
    for candidate in (name, "utf-8"):
        try:
            return clean(raw.decode(candidate)).removeprefix(_MARK)
        except (LookupError, ValueError):
            # Unknown, no text encoding ("hex", "zip"), or wrong for these bytes.
            continue
    return _nearest(raw, name, declared=bool(charset))


def header_text(raw: bytes, charset: str = "") -> str:
    """A header's `raw` as clean text: UTF-8 where it is that, else as `decoded` has it, `charset`
    being that of the message's text; ISO-2022-JP where its escapes stand in it.
    """
    if b"\x1b" in raw and _SHIFT.search(raw):
        return decoded(raw, "iso-2022-jp")
    try:
        return clean(raw.decode())
    except ValueError:
        return decoded(raw, charset)


def encoded_in(text: str, charset: str) -> bytes:
    """`text` in `charset` where that can hold it, else in UTF-8: what `decoded` undoes."""
    if not text.isascii():
        try:
            return text.encode(_codec(charset))
        except (LookupError, ValueError):
            pass
    return text.encode("utf-8", "replace")


def clean(text: str) -> str:
    """`text` without NUL, each lone surrogate as U+FFFD."""
    if text.isascii():
        return text.replace("\0", "") if "\0" in text else text
    if _UNFIT.search(text) is None:
        return text
    # Two halves that stand side by side are one character, written by a careless encoder.
    joined = text.replace("\0", "").encode("utf-16", "surrogatepass")
    return joined.decode("utf-16", "replace")


def _nearest(raw: bytes, name: str, *, declared: bool) -> str:
    if raw.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        return clean(raw.decode("utf-16", "replace"))
    if declared:
        try:
            text = raw.decode(name, "replace")
        except (LookupError, ValueError):
            pass
        else:
            torn = text.count(_TORN)
            fit = sum(map(len, _PAST_ASCII.findall(text))) - torn
            # UTF-8 by mere name is cp1252 more often than torn UTF-8.
            if fit > torn * (4 if name == "utf-8" else 1):
                return clean(text)
    return clean(raw.decode(likeliest(raw, _SAMPLED), "replace"))


_PAST_ASCII = re.compile(r"[^\x00-\x7f]+")
_SAMPLED = 2_048
"""Bytes that tell which charset one is: enough, and a mailbox has many such parts."""
_NO_SUPERSETS = frozenset(
    {"utf-7", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "hz"}
    | {"iso2022_jp", "iso2022_jp_ext", "iso2022_jp_2", "iso2022_kr", "cp037", "cp500", "cp1140"}
)
"""Where a byte below 0x80 may not be the letter that it is in ASCII."""

_codec = lru_cache(maxsize=256)(codec)
