"""Pure: the names and texts of a line that can be sent as it is written.

Such a line is a JSON object of texts, or one such object as its "properties": without blanks
between its words, no name twice, names in plain ASCII without escapes. Its bytes are then the
bytes of one object and no more, and an end can be written to it.

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

SHAPED = b'{"properties":{'
_QUOTE = ord('"')
_NAMES = re.compile(r"[ !#-\[\]-\x7f]*")
_TEXT = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_MEMBER = re.compile(rb'"[ !#-\[\]-\x7f]*":' + _TEXT.pattern, re.DOTALL)


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
        at, inner = 1, said
        if raw.startswith(SHAPED):
            at, inner = len(SHAPED), said["properties"]
            if type(inner) is not dict or len(said) != 1:
                return None
        raw = raw[:-1]
        if set(map(type, inner.values())) != {str} or not _NAMES.fullmatch("".join(inner)):
            return None
        if orjson.dumps(said) == raw:
            return inner
        # Its texts may be written in another way, with more escapes than there need be.
        found = [match.end() - match.start() for match in _MEMBER.finditer(raw, at)]
        ends = at if at == 1 else at + 1
        compact = len(found) == len(inner) and ends + sum(found) + len(found) == len(raw)
        return inner if compact else None

    def text(self, value: Any) -> str:
        return str(value)

    def written(self, raw: bytes, members: Mapping[str, Any]) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        at = len(SHAPED) if raw.startswith(SHAPED) else 1
        for name, text in members.items():
            at += len(name) + 3
            found[name] = orjson.dumps(text)
            if not raw.startswith(found[name], at):  # there are more escapes than there need be
                found[name] = _TEXT.match(raw, at)[0]  # type: ignore[index]  # a text stands there
            at += len(found[name]) + 1
        return found


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
        try:
            if raw.startswith(SHAPED):
                at, ends, inner = len(SHAPED), 1, self._shaped(raw).properties
            else:
                at, ends, inner = 1, 0, self._flat(raw)
            if not raw.isascii():
                raw.decode()
        except self._bad:
            return None
        # Where each member must stand if the line is compact. A blank, a name that comes twice, an
        # escape in a name: each makes the sum fall short of the line's length.
        for name, value in inner.items():
            at += len(name) + 3
            if raw[at] != _QUOTE:
                return None
            at += len(value) + 1
        return inner if inner and at + ends == len(raw) - 1 else None

    def text(self, value: Any) -> str:
        return str(self._text(value))

    def written(self, raw: bytes, members: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG002  # it kept them as they are
        return members


@cache
def looking() -> Looking:
    """The faster of those that are installed."""
    try:
        return ByMsgspec()
    except ImportError:
        return ByOrjson()
