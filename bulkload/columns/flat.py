"""Pure: a JSON object as a row: nested members by dotted path, such as from.email.

Law kept here: text arrives as written. Numbers have to come as their source text (`json.loads`
with `parse_int=str, parse_float=str`), since a parsed one forgets how it was written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bulkload.errors import UnmappableRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

DEEPEST = 32
"""Levels of nesting that are followed."""


def flat(obj: Mapping[str, Any]) -> dict[str, str]:
    """The object's texts by path. Members of arrays share one path, joined by `;`, as HubSpot
    joins several values itself; null is left out.

    Raises UnmappableRecord where it is nested too deep.
    """
    found: dict[str, list[str]] = {}
    for name, value in obj.items():
        _walk(name, value, found, 1)
    return {path: ";".join(texts) for path, texts in found.items()}


def _walk(path: str, value: object, found: dict[str, list[str]], depth: int) -> None:
    if depth > DEEPEST:
        raise UnmappableRecord(f"the object is nested deeper than {DEEPEST} levels")
    if isinstance(value, dict):
        for name, inner in value.items():
            _walk(f"{path}.{name}", inner, found, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _walk(path, inner, found, depth + 1)
    elif isinstance(value, bool):
        found.setdefault(path, []).append("true" if value else "false")
    elif value is not None:
        found.setdefault(path, []).append(str(value))
