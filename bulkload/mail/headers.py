"""A header block → its fields, as bytes as they were written, never raising.

Laws kept here: linear time, whatever the block holds; and `as_written`, of which keys are made,
gives the same bytes for ever: a better parser must never make another key.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from bulkload.mail.envelope import ENVELOPE
from bulkload.mail.text import header_text
from bulkload.mail.words import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# A field's name (RFC 5322 3.6.8; blanks before the colon: 4.5), its value and its folded lines.
_FIELD = re.compile(rb"([!-9;-~]*)[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)\n?")
_FIELDS = re.compile(
    rb"^([!-9;-~]*)[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)\n", re.MULTILINE
)  # _FIELD, at the beginning of any line
_MOST_SOUND = 16_384  # bytes that are looked at in one go, for each part
# A name with blanks or letters past ASCII in it: none by the rules, and none of another field.
_MISNAMED = re.compile(
    rb"((?:[\w\x80-\xff-]+ ){0,3}[\w\x80-\xff-]+)[ \t]*:(?=\s)([^\n]*(?:\n[ \t][^\n]*)*)\n?"
)
_FOLDED = re.compile(rb"[ \t][^\n]*(?:\n[ \t][^\n]*)*\n?")
_FOLD = re.compile(rb"[\r\n]+[ \t]*")
_KNOWN = re.compile(
    rb"(?:[^\n]*\n){1,3}?(?:date|from|to|cc|subject|message-id|received|mime-version|content-type"
    rb"|return-path):",
    re.IGNORECASE,
)
_BLANK_LINE = re.compile(rb"\n\r?\n")


class Headers:
    """The fields of one part, in order.

    `fields` are (name in lower case, value as it stands after the colon, folds and all);
    `stray`: some line among them was none, and was taken as part of the one before.
    """

    __slots__ = ("_texts", "_values", "fields", "stray")

    def __init__(self, fields: list[tuple[str, bytes]], *, stray: bool = False) -> None:
        self.fields = fields
        self.stray = stray
        values: dict[str, list[bytes]] = {}
        for name, value in fields:
            if name in values:
                values[name].append(value)
            else:
                values[name] = [value]
        self._values = values
        self._texts: dict[str, str] = {}

    def get(self, name: str) -> bytes | None:
        """The first value of that name that isn't empty, unfolded; None where there is none.

        `name` has to be in lower case.
        """
        values = self._values.get(name)
        if values is not None:
            for value in values:
                if unfolded := _unfolded(value):
                    return unfolded
        return None

    def all(self, name: str) -> list[bytes]:
        """Every value of that name, in any case, unfolded."""
        values = self._values.get(name.lower())
        return [] if values is None else [_unfolded(value) for value in values]

    def has(self, names: frozenset[str]) -> bool:
        """Whether there is a field of any of these names, which are in lower case."""
        return not names.isdisjoint(self._values)

    def text(self, name: str, charset: str = "") -> str:
        """`get`, decoded: encoded words, and bytes past ASCII by `charset` where they are not
        UTF-8. "" where there is none.
        """
        if (known := self._texts.get(name)) is not None:
            return known
        value = self.get(name)
        if value is None:
            return ""
        text = words(header_text(value, charset))
        if value.isascii():  # then `charset` has no part in it
            self._texts[name] = text
        return text


def scanned(raw: bytes, start: int, end: int) -> tuple[Headers, int]:
    """The header block at `start`, and where the body after it begins.

    A line that is no field ends the block, as if a blank line stood before it; unless a
    well-known field follows within three lines (a fold that lost its blank, a cut line, a field
    with a name that is none).
    """
    at = start
    if ENVELOPE.match(raw, at, end):
        at = _next_line(raw, at, end)
    for feeds in (b"\n\n", b"\n\r\n"):
        blank = raw.find(feeds, at, min(end, at + _MOST_SOUND))
        if blank >= 0 and (fields := _sound(raw, at, blank + 1)) is not None:
            return Headers(fields), blank + len(feeds)
    return _line_by_line(raw, at, end)


def _sound(raw: bytes, start: int, end: int) -> list[tuple[str, bytes]] | None:
    """The fields of a block in which every line is a field or a fold; None where one is none."""
    found = _FIELDS.findall(raw, start, end)
    lines = raw.count(b"\n", start, end)
    folds = raw.count(b"\n ", start, end) + raw.count(b"\n\t", start, end)
    if len(found) != lines - folds or raw.startswith((b" ", b"\t"), start):
        return None
    return [(_lower(name), value) for name, value in found]


@lru_cache(maxsize=256)
def _lower(name: bytes) -> str:
    return name.decode("ascii").lower()


def _line_by_line(raw: bytes, at: int, end: int) -> tuple[Headers, int]:
    fields: list[tuple[str, bytes]] = []
    stray = False
    while at < end:
        field = _FIELD.match(raw, at, end)
        if field is not None:
            fields.append((field[1].decode("ascii").lower(), field[2]))
            at = field.end()
        elif raw.startswith(b"\n", at, end):
            at += 1
            break
        elif raw.startswith(b"\r\n", at, end):
            at += 2
            break
        else:
            folded = _FOLDED.match(raw, at, end) if fields else None
            if folded is None:
                # A delimiter is never stray, and a blank line among the three ends the search.
                following = None if raw.startswith(b"--", at) else _KNOWN.match(raw, at, end)
                if following is None or _BLANK_LINE.search(raw, at, following.end()):
                    break
                if misnamed := _MISNAMED.match(raw, at, end):
                    fields.append((misnamed[1].decode("latin-1").lower(), misnamed[2]))
                    at = misnamed.end()
                    continue
                stray = True
            after = folded.end() if folded else _next_line(raw, at, end)
            name, value = fields.pop() if fields else ("", b"")
            fields.append((name, value + b"\n" + raw[at:after]))
            at = after
    return Headers(fields, stray=stray), at


def as_written(raw: bytes, names: Iterable[str]) -> dict[str, bytes]:
    """The first header of each name, as its bytes stand in `raw` (unfolded, outer blanks
    trimmed), by lower-case name; absent ones are left out.

    For keys: no decoding, so that a better decoder never makes another key.
    """
    wanted = {name.lower().encode() for name in names}
    found: dict[str, bytes] = {}
    current: bytes | None = None
    for line in _header_lines(raw):
        if line[:1] in (b" ", b"\t"):
            if current is not None:
                found[current.decode()] += b" " + line.strip()
            continue
        key, colon, value = line.partition(b":")
        key = key.strip().lower()
        current = None
        if colon and key in wanted and key.decode() not in found:
            current = key
            found[key.decode()] = value.strip()
    return {key: value.strip() for key, value in found.items()}


def _header_lines(raw: bytes) -> Iterator[bytes]:
    at = len(raw) - len(raw.lstrip(b"\r\n"))
    while at < len(raw):
        end = raw.find(b"\n", at)
        end = len(raw) if end < 0 else end
        line = raw[at:end].rstrip(b"\r")
        if not line:
            return
        yield line
        at = end + 1


def _next_line(raw: bytes, at: int, end: int) -> int:
    feed = raw.find(b"\n", at, end)
    return end if feed < 0 else feed + 1


def _unfolded(value: bytes) -> bytes:
    value = value.strip()
    return _FOLD.sub(b" ", value) if b"\n" in value or b"\r" in value else value
