"""Pure: the names and texts of a line that can be sent as it is written.

Such a line is a JSON object of texts, or one such object as its "properties": no name twice, and
nothing between its last text and its line feed but braces. Its bytes are then the bytes of one
object and no more, and an end can be written to it.

Laws kept here: one verdict: msgspec, where it is installed, and orjson say the same of each line,
so that a run made with the one goes on with the other; strict: what orjson does not read is none.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SHAPED = (b'{"properties":{', b'{"properties": {')
"""What a line in HubSpot's own shape begins with: without blanks, and with those of Python's."""

_QUOTE = ord('"')
_TEXT = rb'"(?:[^"\\]++|\\.)*+"'
_MEMBER = re.compile(rb"[ \t\r]*(%b)[ \t\r]*:[ \t\r]*(%b)[ \t\r]*" % (_TEXT, _TEXT), re.DOTALL)


class Looking(Protocol):
    """One of the two ways to look at a line."""

    def members(self, raw: bytes) -> Mapping[str, Any] | None:
        """Names with their texts, in whatever form `text` reads; None: it can't be sent as it is.
        `raw` is a line with its line feed.

        Those of its properties where it begins with `SHAPED`, else its own.
        """
        ...

    def text(self, value: Any) -> str:
        """The text itself."""
        ...

    def written(self, raw: bytes, members: Mapping[str, Any]) -> Mapping[str, Any]:
        """The names of a line's `members`, each with its text as it is written there: bytes, or
        what can be joined with them.
        """
        ...


class ByOrjson:
    """It reads every text."""

    def members(self, raw: bytes) -> dict[str, str] | None:
        try:
            said = orjson.loads(raw)
        except orjson.JSONDecodeError:
            return None
        if type(said) is not dict:
            return None
        inner = said
        if raw.startswith(SHAPED):
            inner = said["properties"]
            if type(inner) is not dict or len(said) != 1:
                return None
        if set(map(type, inner.values())) != {str}:
            return None
        if orjson.dumps(said) == raw[:-1] and '"' not in "".join(inner):
            return inner
        return inner if len(_texts(raw)) == len(inner) else None

    def text(self, value: Any) -> str:
        return str(value)

    def written(self, raw: bytes, members: Mapping[str, Any]) -> dict[str, bytes]:
        return dict(zip(members, _texts(raw), strict=True))


def _texts(raw: bytes) -> list[bytes]:
    """Those of a line's members as they are written; none where its end is another, or a name has
    a quote in it.
    """
    shape = next((begins for begins in SHAPED if raw.startswith(begins)), b"{")
    end = len(raw) - len(b"}}\n" if len(shape) > 1 else b"}\n")
    at, found = raw.index(b"{") + len(shape), list[bytes]()
    while (member := _MEMBER.match(raw, at)) is not None:
        name, text = member.groups()
        if name.count(b'"') > 2:
            return []
        found.append(text)
        at = member.end() + 1
        if raw[at - 1 : at] != b",":
            break
    return found if at - 1 == end and raw[end - 1] == _QUOTE else []


class ByMsgspec:
    """It steps over the texts. What it takes for a text, orjson does too, but for bytes that are
    no UTF-8 [tried with two million texts]. Raises ImportError where it is not installed.
    """

    def __init__(self) -> None:
        import msgspec  # noqa: PLC0415  # of the extra `fast`

        self._bad = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
        texts = dict[str, msgspec.Raw]
        line = msgspec.defstruct("Line", [("properties", texts)], forbid_unknown_fields=True)
        self._shaped: Callable[[bytes], Any] = msgspec.json.Decoder(line).decode
        self._flat = msgspec.json.Decoder(texts).decode
        self._text = msgspec.json.Decoder(str).decode

    def __reduce__(self) -> tuple[type[ByMsgspec], tuple[()]]:
        return ByMsgspec, ()  # its decoders can't go to another process

    def members(self, raw: bytes) -> dict[str, Any] | None:
        shaped = raw.startswith(SHAPED)
        try:
            inner = self._shaped(raw).properties if shaped else self._flat(raw)
            if not raw.isascii():
                raw.decode()
        except self._bad:
            return None
        return inner if _is_compact(raw, inner, shaped) or _is_whole(raw, inner, shaped) else None

    def text(self, value: Any) -> str:
        return str(self._text(value))

    def written(self, raw: bytes, members: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG002  # it kept them as they are
        return members


def _is_compact(raw: bytes, inner: dict[str, Any], shaped: bool) -> bool:  # noqa: FBT001  # of two ends
    """Whether there are no blanks in a line, no escapes in its names, and none of them twice: each
    makes the sum of its parts fall short of its length, and nothing can make it longer. Most are.
    """
    at, ends = (len(SHAPED[0]), 1) if shaped else (1, 0)
    for name, value in inner.items():
        at += len(name) + 3
        if raw[at] != _QUOTE:
            return False
        at += len(value) + 1
    return bool(inner) and at + ends == len(raw) - 1


def _is_whole(raw: bytes, inner: dict[str, Any], shaped: bool) -> bool:  # noqa: FBT001  # as above
    """The same of a line with blanks: a name that comes twice brings quotes that are not among
    those of `inner`. One with a quote in it is none.
    """
    texts = b"\0".join(inner.values())  # which stands in no JSON
    return (
        raw.endswith(b'"}}\n' if shaped else b'"}\n')
        and {text[:1] for text in texts.split(b"\0")} == {b'"'}
        and _quotes(raw) == _quotes(texts) + 2 * len(inner) + 2 * shaped
    )


def _quotes(text: bytes) -> int:
    return len(text) - len(text.replace(b'"', b""))  # in half the time of `count`


@cache
def looking() -> Looking:
    """The faster of those that are installed."""
    try:
        return ByMsgspec()
    except ImportError:
        return ByOrjson()
