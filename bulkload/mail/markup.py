"""Safe HTML as it was written by the sanitiser: its tags and texts, one after the other. Pure.

Law kept here: linear time. Only what the sanitiser wrote may be given: there every tag is closed
or void, attributes stand in double quotes, and "<" and ">" are a tag's and nothing else's; so
that a regular expression reads it, and no second parser is needed.
"""

from __future__ import annotations

import re
from html import escape, unescape

TAG = re.compile(r"<(/?)([a-z][a-z0-9]*)([^>]*)>")
"""Groups: "/" of an end tag or "", the name, the attributes as written."""

_ATTRIBUTE = re.compile(r' ([a-z-]+)="([^"]*)"')
_HIDDEN = re.compile(r'style="(?:[^"]*;)?(?:display: *none|visibility: *hidden)', re.IGNORECASE)


def named(names: str) -> frozenset[str]:
    """The words of `names`: of elements or properties."""
    return frozenset(names.split())


VOID = named("area br col hr img wbr")
"""Elements without an end tag, of those that are let through [HTML: void elements]."""

UNREAD = named("iframe noembed noframes noscript script style title")
"""Elements whose content is no text of the page."""


def attributes(written: str) -> dict[str, str]:
    """The third group of TAG as names and values."""
    return {name: unescape(value) for name, value in _ATTRIBUTE.findall(written)}


def shown(html: str) -> str:
    """`html` without the elements that a reader never sees (display: none, visibility: hidden):
    lines for the inbox's preview, another device's layout, trackers.
    """
    # Twice: this is asked of every message, and the first question is quick.
    if "display:" not in html and "visibility:" not in html:
        return html
    if _HIDDEN.search(html) is None:
        return html
    pieces: list[str] = []
    at = 0
    depth = 0  # of the open elements inside a hidden one, itself included
    for tag in TAG.finditer(html):
        end, name, written = tag.groups()
        if depth:
            if name not in VOID:
                depth += -1 if end else 1
            if not depth:
                at = tag.end()
        elif written and _HIDDEN.search(written):
            pieces.append(html[at : tag.start()])
            at = tag.end()
            depth = name not in VOID
    if not depth:
        pieces.append(html[at:])
    return "".join(pieces)


def of_text(text: str) -> str:
    """Plain text as safe HTML: its line ends and runs of blanks kept."""
    if not text.strip():
        return ""
    return f'<div style="white-space:pre-wrap">{escape(text.strip(chr(10)), quote=False)}</div>'
