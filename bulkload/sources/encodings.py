"""What encoding a table's text is in, and text in others than UTF-8 as a stream of UTF-8.

Sure is a byte order mark, or text that is UTF-8, but for a damaged place now and then; all else is
a guess, which is said. Law kept here: nothing is replaced in silence: what is no text in its
encoding is `NO_TEXT`, by which the row that it stands in is known.
"""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, NamedTuple

from bulkload.errors import RefusedToStart
from bulkload.mail.guessing import likeliest
from bulkload.sources.streams import Layer

if TYPE_CHECKING:
    from bulkload.sources.streams import Stream

NO_TEXT = "\ufdd0"
"""A code point that is no character (Unicode 23.7), and so in no text."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as the next one does
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_TELLING = 1 << 16
"""Bytes that a guess is made by."""


class Encoding(NamedTuple):
    """`name` as Python has it; `sure`: it was not guessed."""

    name: str
    sure: bool


def encoding_of(head: bytes) -> Encoding:
    """That of a file which begins with `head`."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return Encoding(name, sure=True)
    if pairs := _of_pairs(head):
        return Encoding(pairs, sure=False)
    good, bad = _letters_of_utf8(head)
    if bad and good <= bad:
        return Encoding(likeliest(head, _TELLING), sure=False)
    return Encoding("utf-8", sure=bad * 10 <= good)


def _of_pairs(head: bytes) -> str | None:
    """UTF-16, where it looks like that: many pairs of bytes begin with NUL, or end with it, and
    next to none the other way. A few NULs are damage, or a cell's.
    """
    first, second = head[::2].count(0), head[1::2].count(0)
    most, least = max(first, second), min(first, second)
    if most * 10 <= len(head) or least * 50 > most:
        return None
    return "utf-16-be" if first > second else "utf-16-le"


def _letters_of_utf8(text: bytes) -> tuple[int, int]:
    """How many there are past ASCII, and at how many places `text` is none.

    Text in another encoding has next to none: in two bytes that are a letter of UTF-8 it has an
    accented capital before a sign.
    """
    # Not to its end: the last letter may be torn.
    read = codecs.getincrementaldecoder("utf-8")(_HANDLER).decode(text)
    bad = read.count(NO_TEXT)
    return len(read) - len(read.encode("ascii", "ignore")) - bad, bad


def known(name: str) -> str:
    """Python's name of the encoding. Raises RefusedToStart where it is none of text."""
    try:
        found = codecs.lookup(name)
        "a".encode(found.name)
        is_bytewise(found.name)
    except (LookupError, UnicodeError, ValueError):
        raise RefusedToStart(
            f"--encoding {name}: unknown; one as in utf-8, utf-16, windows-1252 or shift_jis."
        ) from None
    return found.name.removesuffix("-sig")  # a mark is looked for in any case


def is_bytewise(name: str) -> bool:
    """Whether text in it can be cut into rows as it stands: each byte of ASCII is itself, and no
    part of another character.
    """
    if name == "utf-8":
        return True
    text = bytes(range(256)).decode(name, "replace")
    return len(text) == 256 and text[:128].encode("utf-8") == bytes(range(128))


_HALF = re.compile("[\ud800-\udfff]")
"""Half of a pair, which UTF-7 can say and no text can hold."""


class Recoded(Layer):
    """`inner`, which is text in `encoding`, as UTF-8; offsets are those of the UTF-8."""

    def __init__(self, inner: Stream, encoding: str) -> None:
        super().__init__(inner)
        self._decoder = codecs.getincrementaldecoder(encoding)(_HANDLER)
        self._ended = False

    def _next(self) -> bytes:
        while not self._ended:
            block = self._inner.read()
            self._ended = not block
            try:
                text = self._decoder.decode(block, final=self._ended)
            except UnicodeError:  # not of a byte: those are marked
                raise RefusedToStart(
                    f"{self.name}: has no byte order mark, so the order of its bytes is not told: "
                    "say --encoding utf-16-le, or utf-16-be (utf-32-le, utf-32-be)."
                ) from None
            if self._ended:
                self.flaw = self._inner.flaw
            if text:
                return _HALF.sub(NO_TEXT, text).encode()
        return b""


def _marked(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return NO_TEXT, error.end


_HANDLER = "bulkload.no-text"
codecs.register_error(_HANDLER, _marked)
