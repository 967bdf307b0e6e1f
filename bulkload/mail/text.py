"""Bytes → text that JSON can hold, never raising.

Law kept here: a message with a wrong charset is a message with a few wrong letters, never a
message lost. NUL and lone surrogates go, since no JSON API takes them.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from functools import lru_cache

from bulkload.mail import japanese
from bulkload.mail.charsets import codec
from bulkload.mail.guessing import likeliest

_UNFIT = re.compile("[\0\ud800-\udfff]")
_MARK = "\ufeff"  # of the order of bytes
_FITTING = re.compile("[^\x00-\x7f\ufffd]")
_TORN = "\ufffd"
_ESCAPE = b"\x1b"
_WIDE = ("utf-16", "utf-32")
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_SAMPLED = 2_048
"""Bytes that tell which charset one is: enough, and a mailbox has many such parts."""


def decoded(raw: bytes, charset: str = "") -> str:
    """`raw` as clean text: by its charset, else UTF-8, else as its bytes look.

    A charset that fits all but a few places is kept, and those are U+FFFD.
    """
    name = _codec(charset)
    if raw.isascii():
        if _ESCAPE in raw and japanese.is_iso_2022(raw) and _keeps_ascii(name):
            name = "iso2022_jp_ext"
        elif _keeps_ascii(name) or (name.startswith(_WIDE) and not _CONTROLS.search(raw)):
            return clean(raw.decode("ascii"))
    text = _strictly(raw, name)
    if text is None and not raw.isascii():
        text = _strictly(raw, "utf-8")
    if text is None:
        text = _nearly(raw, name, declared=bool(charset))
    return clean(text).removeprefix(_MARK)


def header_text(raw: bytes, charset: str = "") -> str:
    """A header's `raw` as clean text: UTF-8 where it is that, else as `decoded` has it, `charset`
    being that of the message's text.
    """
    text = None if _ESCAPE in raw else _strictly(raw, "utf-8")
    return decoded(raw, "" if raw.isascii() else charset) if text is None else clean(text)


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


def _strictly(raw: bytes, name: str) -> str | None:
    try:
        return raw.decode(name)
    except (LookupError, ValueError):
        # Unknown, no text encoding ("hex", "zip"), or wrong for these bytes.
        return None


def _nearly(raw: bytes, name: str, *, declared: bool) -> str:
    if raw.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        return raw.decode("utf-16", "replace")
    for candidate in dict.fromkeys((name, "utf-8")):
        text = _loosely(raw, candidate)
        fitting = len(text) if candidate.startswith(_WIDE) else len(_FITTING.findall(text))
        # Text in another charset has next to no letters of this one. In a few letters of Chinese
        # or Japanese there may be more of UTF-8 than places that are none.
        if fitting > text.count(_TORN) * (1 if declared and candidate == name else 2):
            return text
    return raw.decode("ascii" if raw.isascii() else likeliest(raw, _SAMPLED), "replace")


def _loosely(raw: bytes, name: str) -> str:
    """What can be read of it; empty where nobody knows the charset."""
    if name.startswith("iso2022_jp"):
        return japanese.iso_2022_jp(raw)
    if name == "euc_jp":
        return japanese.euc_jp(raw)
    for errors in ("surrogatepass", "replace") if name == "utf-8" else ("replace",):
        try:
            return raw.decode(name, errors)
        except (LookupError, ValueError):
            continue
    return ""


@lru_cache(maxsize=256)
def _keeps_ascii(name: str) -> bool:
    """Whether a byte below 0x80 is the letter that it is in ASCII."""
    ascii_ = bytes(range(128))
    try:
        return ascii_.decode(name) == ascii_.decode("ascii")
    except (LookupError, UnicodeError) as error:
        return isinstance(error, LookupError)


_codec = lru_cache(maxsize=256)(codec)
