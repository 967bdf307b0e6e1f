"""Texts that are too long for a property are cut, or their record is refused. Pure and linear.

Law kept here: nothing vanishes in silence: what is cut says so where it ends. Lengths are counted
in UTF-16 code units: HubSpot's documents say "characters" [field: 65,536], and a count in units,
where an emoji is two, is never below any other that they may mean.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Literal

from bulkload.errors import UnmappableRecord
from bulkload.mail.markup import TAG, VOID

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST = 65_536
"""Of one property's value."""

TooLong = Literal["cut", "reject"]

_FEWEST = 200  # what is never asked to hold less than a mark
_ENTITY = re.compile(r"&(?:[a-z]{1,8}|#x?[0-9a-f]{1,7});|&", re.IGNORECASE)
_JOINING = ("\u200d", "\ufe0e", "\ufe0f", *(chr(at) for at in range(0x1F3FB, 0x1F400)))


def units(text: str) -> int:
    """The length of `text` in UTF-16 code units."""
    if text.isascii():
        return len(text)
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def fitted(
    name: str, value: str, too_long: TooLong, cut: Callable[[str, int], str], room: int = LONGEST
) -> tuple[str, str]:
    """(`value` of the property `name` in `room` units, a note where it was cut, else "").

    Raises UnmappableRecord where it is too long and `too_long` is "reject".
    """
    if len(value) * 2 <= room or (length := units(value)) <= room:
        return value, ""
    if too_long == "reject":
        raise UnmappableRecord(
            f"{name} is {length:,} characters long, and HubSpot takes {LONGEST:,}: "
            "load it cut with --too-long cut"
        )
    return cut(value, room), f"{name} was cut from {length:,} to {room:,} characters"


def cut_text(text: str, room: int) -> str:
    """The beginning of `text` that goes into `room` units (at least 200) with a mark after it.

    Cut between characters as a reader sees them: not before a combining mark or inside an emoji.
    """
    if units(text) <= room:
        return text
    end = _end(text, max(room, _FEWEST) - len(_mark(len(text))) - 1)
    head = text[:end]
    return f"{head}\n{_mark(len(text) - len(head))}"


def cut_line(text: str, room: int) -> str:
    """The same, on one line."""
    return cut_text(text, room).replace("\n", " ")


def cut_html(html: str, room: int) -> str:
    """The same of safe HTML: cut between tags or characters, every element closed, the mark in a
    paragraph of its own.
    """
    if units(html) <= room:
        return html
    mark = f"<p>{_mark(len(html))}</p>"
    left = max(room, _FEWEST) - len(mark)
    open_: list[str] = []
    at = 0
    for tag in TAG.finditer(html):
        text = html[at : tag.start()]
        end, name, _ = tag.groups()
        closes = not end and name not in VOID
        # What an element will need to be closed is set aside when it is opened.
        needed = units(text) + (0 if end else units(tag[0]) + closes * (len(name) + 3))
        if needed > left:
            break
        left -= needed
        at = tag.end()
        if end:
            open_.pop()
        elif closes:
            open_.append(name)
    text = html[at : (found.start() if (found := TAG.search(html, at)) else len(html))]
    at += _end_of_html(text, left)
    closing = "".join(f"</{name}>" for name in reversed(open_))
    return f"{html[:at]}{closing}<p>{_mark(len(html) - at)}</p>"


def _mark(more: int) -> str:
    return f"[… cut by bulkload: {more:,} characters more]"


def _end(text: str, room: int) -> int:
    """The longest beginning of `text` in `room` units that ends between two characters."""
    end = max(0, min(len(text), room))
    while units(text[:end]) > room:
        end -= (units(text[:end]) - room + 1) // 2
    for back in range(32):
        at = end - back
        if at <= 0 or at >= len(text):
            return max(at, 0)
        if not (
            unicodedata.combining(text[at]) or text[at] in _JOINING or text[at - 1] == "\u200d"
        ):
            return at
    return end


def _end_of_html(text: str, room: int) -> int:
    end = _end(text, room)
    begun = text.rfind("&", max(0, end - 12), end)
    if begun >= 0 and (entity := _ENTITY.match(text, begun)) and entity.end() > end:
        return begun
    return end
