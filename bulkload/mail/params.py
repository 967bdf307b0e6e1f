"""Content-Type and Content-Disposition → a word and its parameters, never raising, linear.

RFC 2045 5.1 and 2231, and what is written instead: missing semicolons and closing quotes,
encoded words in quotes, bytes past ASCII, blanks where none may be, comments, paths of Windows.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from bulkload.mail.text import decoded
from bulkload.mail.words import words

if TYPE_CHECKING:
    from collections.abc import Mapping

_PARAMETER = re.compile(r';\s*([^=;\s"]+)\s*=\s*(?:"([^"\\]*(?:\\.[^"\\]*)*)"?|([^;]*))', re.DOTALL)
_ESCAPED = re.compile(r'\\([\\"])')
_COMMENT = re.compile(r"\s*\([^()]*\)\s*")
_PIECE = re.compile(r"([^*]+)\*(\d{1,4})(\*?)")
_WINDOWS = re.compile(r"[A-Za-z]:\\|\\\\")
_MOST_PIECES = 1_000


def parameters(value: bytes, charset: str = "") -> tuple[str, dict[str, str]]:
    """(what stands before the parameters, in lower case; the parameters by lower-case name).

    Of a name that stands twice the first counts, and its RFC 2231 form before any other.
    """
    if len(value) > _MOST_KNOWN:
        return _read(value, charset)
    kind, params = _known(value, charset)
    return kind, params.copy()


def _read(value: bytes, charset: str) -> tuple[str, dict[str, str]]:
    text = decoded(value, charset)
    word, semicolon, _ = text.partition(";")
    if not semicolon:
        word, _, rest = text.strip().partition(" ")
        if "=" not in rest:
            return _COMMENT.sub("", word).strip().lower(), {}
        text = f"{word};{rest}"
    elif "=" in word:  # text/html charset=x; format=flowed
        text = text.strip().replace(" ", ";", 1)
        word = text.partition(";")[0]
    if "(" in word:
        word = _COMMENT.sub("", word)
    plain: dict[str, str] = {}
    extended: dict[str, str] = {}
    pieces: dict[str, dict[int, tuple[bool, str]]] = {}
    for match in _PARAMETER.finditer(text):
        name = match[1].lower()
        quoted, bare = match[2], match[3]
        if quoted is not None:
            written = _ESCAPED.sub(r"\1", quoted) if "\\" in quoted else quoted
        else:
            written = bare.strip()
            if written.endswith(")"):
                written = _COMMENT.sub("", written)
        if "*" not in name:
            plain.setdefault(name, words(written) if "=?" in written else written)
        elif name.endswith("*") and name.count("*") == 1:
            extended.setdefault(name[:-1], _extended(written))
        elif (piece := _PIECE.fullmatch(name)) and len(pieces) < _MOST_PIECES:
            pieces.setdefault(piece[1], {}).setdefault(int(piece[2]), (bool(piece[3]), written))
    joined = {name: _joined(found) for name, found in pieces.items()} if pieces else {}
    return word.strip().lower(), {**plain, **joined, **extended} if joined or extended else plain


_MOST_KNOWN = 60  # bytes: nearly all types but those of multiparts are the same few
_known = lru_cache(maxsize=512)(_read)


def file_name(disposition: Mapping[str, str], kind: Mapping[str, str]) -> str:
    """The name of a part by its parameters; "" where it has none. One line, no folder in it."""
    name = disposition.get("filename") or kind.get("name") or kind.get("filename")
    if not name:
        return ""
    name = " ".join(name.split())
    return name.rpartition("\\")[2] if _WINDOWS.match(name) else name


def _extended(written: str) -> str:
    """The value of `name*=charset'language'percent-encoded`."""
    charset, quote, rest = written.partition("'")
    _, second, value = rest.partition("'")
    if not (quote and second):
        charset, value = "", written
    return decoded(unquote_to_bytes(value), charset)


def _joined(pieces: dict[int, tuple[bool, str]]) -> str:
    """The value of `name*0*=…; name*1=…`: a character may be cut across the encoded ones."""
    charset = ""
    raw = b""
    for at in sorted(pieces):
        encoded, written = pieces[at]
        if encoded and not raw:
            head, quote, rest = written.partition("'")
            _, second, value = rest.partition("'")
            if quote and second:
                charset, written = head, value
        raw += unquote_to_bytes(written) if encoded else written.encode("utf-8", "replace")
    text = decoded(raw, charset)
    return words(text) if "=?" in text else text
