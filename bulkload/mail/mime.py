"""Message bytes → the tree of its parts (RFC 2045 to 2049). Pure, never raises.

Laws kept here: nothing lost: bytes that can't be told apart stay the body of the part that they
are in; and linear time: at most 50 levels and 10,000 parts are told apart. What is nested deeper,
or comes after them, stays in one part, whose `parts` are empty: it is to be read as text.

The standard library's parser takes five times as long and knows fewer of the ways in which
messages are broken.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bulkload.mail.headers import Headers, scanned
from bulkload.mail.params import file_name, parameters
from bulkload.mail.transfer import undone

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_LEVELS = 50
MOST_PARTS = 10_000

_CLOSE = re.compile(rb"^(--[^\s-][^\r\n]{0,200}?)--[ \t]*\r?$", re.MULTILINE)
_LINE_END = (b"\n", b"\r\n")


class Part:
    """One node of the tree.

    `kind`: the media type in lower case, text/plain (in a digest message/rfc822) where it is
    missing or none. `params`: those of the Content-Type, by lower-case name, decoded.
    `disposition`: "attachment", "inline", whatever else is written, or "". `file_name`: decoded,
    "" where it has none. `parts`: of a multipart in order; of a message/rfc822 the one message
    inside; empty where they can't be told apart. `left`: that the limits left parts untold.
    """

    __slots__ = (
        "_encoding",
        "_end",
        "_raw",
        "_start",
        "disposition",
        "file_name",
        "headers",
        "kind",
        "left",
        "params",
        "parts",
    )

    def __init__(self, headers: Headers, raw: bytes, start: int, end: int, default: str) -> None:
        self.headers = headers
        self._raw, self._start, self._end = raw, start, end
        self.parts: list[Part] = []
        self.left = False
        self._encoding: str | None = None
        self.kind = default
        self.params: dict[str, str] = {}
        self.disposition = ""
        self.file_name = ""
        written = headers.get("content-type")
        if written is not None:
            kind, self.params = parameters(written)
            main, _, sub = kind.partition("/")
            if main and sub and " " not in kind:
                self.kind = kind
            elif default != "text/plain":
                self.kind = "text/plain"
        disposition = headers.get("content-disposition")
        if disposition is not None:
            self.disposition, params = parameters(disposition)
            self.file_name = file_name(params, self.params)
        elif self.params:
            self.file_name = file_name({}, self.params)

    @property
    def body(self) -> bytes:
        """The bytes below the headers as written, transfer encoding and all; a copy of them."""
        return self._raw[self._start : self._end]

    def content(self) -> bytes:
        """`body`, its transfer encoding undone: base64, quoted-printable, uuencode as found."""
        plain = self.kind == "text/plain" and not self.file_name
        return undone(self.body, self.encoding, plain=plain)

    @property
    def encoding(self) -> str:
        """The transfer encoding in lower case as it is written; "" where there is none."""
        if self._encoding is None:
            written = self.headers.get("content-transfer-encoding") or b""
            self._encoding = written.decode("latin-1").strip("\"'; ").lower()
        return self._encoding


def parse(raw: bytes) -> Part:
    """The message in `raw`, which begins with its headers (or an mbox line)."""
    if b"\r" in raw and b"\n" not in raw:
        raw = raw.replace(b"\r", b"\n")
    elif raw[: raw.find(b"\n") + 1].endswith(b"\r\r\n"):
        raw = raw.replace(b"\r\r\n", b"\r\n")  # made CRLF once too often
    return _Tree().part(raw, 0, len(raw), "text/plain", 1)


class _Tree:
    """How many parts may still be told apart in this message."""

    __slots__ = ("parts_left",)

    def __init__(self) -> None:
        self.parts_left = MOST_PARTS

    def part(self, raw: bytes, start: int, end: int, default: str, level: int) -> Part:
        headers, body = scanned(raw, start, end)
        part = Part(headers, raw, body, end, default)
        self.parts_left -= 1
        kind = part.kind
        if kind.startswith("multipart/") or "boundary" in part.params:
            if level >= MOST_LEVELS:
                part.left = True
                return part
            self._divide(part, raw, body, end, level)
            if part.parts and not kind.startswith("multipart/"):
                part.kind = "multipart/mixed"  # text/html; boundary=x, and parts below it
        elif kind in ("message/rfc822", "message/global", "message/news"):
            if level >= MOST_LEVELS or self.parts_left <= 0:
                part.left = True
            elif part.encoding.startswith(("base64", "quoted")):
                # Forbidden (RFC 2046 5.2.1), and found.
                content = part.content().lstrip(b"\r\n")
                part.parts = [self.part(content, 0, len(content), "text/plain", level + 1)]
            else:
                while raw.startswith(_LINE_END, body, end):
                    body += 1 if raw.startswith(b"\n", body) else 2
                part.parts = [self.part(raw, body, end, "text/plain", level + 1)]
        return part

    def _divide(self, part: Part, raw: bytes, start: int, end: int, level: int) -> None:
        delimiter = b"--" + part.params.get("boundary", "").rstrip().encode("utf-8")
        if len(delimiter) == 2 or raw.find(delimiter, start, end) < 0:
            likely = _likely(raw, start, end) if part.kind.startswith("multipart/") else None
            if likely is None:
                return
            delimiter = likely
        default = "message/rfc822" if part.kind == "multipart/digest" else "text/plain"
        begun = -1  # where the part at hand began; -1: still before the first
        for line, after, last in _delimiters(raw, start, end, delimiter):
            if begun >= 0:
                part.parts.append(self.part(raw, begun, max(begun, line), default, level + 1))
            # Parts behind the end are parts: gateways add them, and mailers close too early.
            begun = -1 if last else after
            if self.parts_left <= 0:
                part.left = True
                rest = Part(Headers([]), raw, after, end, "text/plain")
                part.parts.append(rest)
                return
        if begun >= 0 and (begun < end or not part.parts):
            part.parts.append(self.part(raw, begun, end, default, level + 1))


def _likely(raw: bytes, start: int, end: int) -> bytes | None:
    """The delimiter that a multipart seems to have where it names none that stands in it: one
    that closes it and stood before on a line of its own.
    """
    close = _CLOSE.search(raw, start, end)
    if close is None:
        return None
    line = close[1]
    before = raw.find(line, start, close.start())
    if before < 0 or (before > start and raw[before - 1] != 10):
        return None
    after = before + len(line)
    return line if raw.startswith((b"\n", b"\r\n"), after) else None


def _delimiters(
    raw: bytes, start: int, end: int, delimiter: bytes
) -> Iterator[tuple[int, int, bool]]:
    """Each delimiter line: (where the content before it ends, where the next line begins,
    whether it closes the multipart). The line end before it belongs to it (RFC 2046 5.1.1).
    """
    at = start
    while (at := raw.find(delimiter, at, end)) >= 0:
        after = at + len(delimiter)
        if at > start and raw[at - 1] != 10:
            at = after
            continue
        feed = raw.find(b"\n", after, end)
        next_line = end if feed < 0 else feed + 1
        tail = raw[after : min(next_line, after + 200)].strip(b" \t\r\n")
        if tail and tail != b"--":
            at = after
            continue
        line = at
        if line > start:
            line -= 2 if line - 2 >= start and raw[line - 2] == 13 else 1
        yield line, next_line, bool(tail)
        at = next_line
