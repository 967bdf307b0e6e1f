"""Pure: what a column's values look like."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from bulkload.proposing.dates import Dates, dates

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_TAG = re.compile(
    r"<(?:!doctype|html|head|body|p|div|br|table|span|a|ul|ol|b|i|strong|em|h[1-6])\b[^<>]*>",
    re.IGNORECASE,
)
_IDS = re.compile(r"[0-9]{1,19}(?:\s*[,;]\s*[0-9]{1,19})*")
_MOSTLY = 0.8
_FEW_WORDS = 12
_BETWEEN = re.compile(r"[;,\r\n]+")
_ADDRESS = r"[^\s@<>]{1,64}@[^\s@<>]{1,255}"
_MAILBOX = re.compile(rf"[^<>]{{0,80}}<{_ADDRESS}>|{_ADDRESS}(?: ?\([^()@]{{0,80}}\))?")


class Look(NamedTuple):
    """`filled` cells aren't empty; `words` are its values where they are few and short."""

    filled: int = 0
    dates: Dates = Dates()
    addresses: bool = False
    html: bool = False
    ids: bool = False
    words: tuple[str, ...] = ()
    length: float = 0.0


def looks(columns: Iterable[str], rows: Sequence[Mapping[str, str]]) -> dict[str, Look]:
    """Each column's look."""
    return {
        column: look([text for row in rows if (text := row.get(column, "").strip())])
        for column in columns
    }


def look(values: Sequence[str]) -> Look:
    """`values` are cells that aren't empty."""
    if not values:
        return Look()
    distinct = dict.fromkeys(values)
    few = len(distinct) <= _FEW_WORDS and all(len(word) <= 40 for word in distinct)
    return Look(
        len(values),
        dates(values),
        _part(map(_is_addresses, values), values) >= _MOSTLY,
        _part((_TAG.search(text) is not None for text in values), values) >= _MOSTLY,
        all(_IDS.fullmatch(text) for text in values),
        tuple(sorted(distinct)) if few else (),
        sum(map(len, values)) / len(values),
    )


def _part(yes: Iterable[bool], values: Sequence[str]) -> float:
    return sum(yes) / len(values)


def _is_addresses(text: str) -> bool:
    """Whether nothing else stands in it: a body that names an address is none."""
    pieces = [piece.strip() for piece in _BETWEEN.split(text)]
    mailboxes = [piece for piece in pieces if "@" in piece]
    names = len([piece for piece in pieces if piece]) - len(mailboxes)
    return bool(mailboxes) and names <= len(mailboxes) and all(map(_MAILBOX.fullmatch, mailboxes))
