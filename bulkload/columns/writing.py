"""Pure: a mapping → the TOML of a mapping file, which reads back as the same mapping."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bulkload.columns.columns import Columns

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def as_toml(
    columns: Columns, remarks: Mapping[str, Iterable[str]] | None = None, end: Iterable[str] = ()
) -> str:
    """`remarks` stand as comments above the property (or the section, named "[people]") that they
    are about; `end` below it all.
    """
    lines: list[str] = []
    said = remarks or {}
    for section, members in columns.as_json().items():
        if lines:
            lines.append("")
        lines += _comments(said.get(f"[{section}]", ()))
        lines.append(f"[{section}]")
        for name, value in members.items():
            lines += _comments(said.get(name, ()))
            lines.append(f"{_key(name)} = {_value(value)}")
    closing = [*_comments(end)]
    return "\n".join([*lines, *([""] if closing else []), *closing, ""])


def _comments(texts: Iterable[str]) -> list[str]:
    return ["# " + "".join(sign if sign.isprintable() else "�" for sign in text) for text in texts]


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _quoted(name)


def _value(value: Any) -> str:
    if isinstance(value, dict):
        inner = ", ".join(f"{_key(name)} = {_value(one)}" for name, one in value.items())
        return f"{{ {inner} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return _quoted(value)


def _quoted(text: str) -> str:
    # JSON's escapes are TOML's, which refuses DEL as well.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
