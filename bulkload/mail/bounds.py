"""HTML that would take its parser quadratic time is cut, or taken as its text. Pure.

Law kept here: linear time, for any input. The parser (html5ever) walks the open elements at
nearly every tag, opens again in each paragraph what was left open before, compares every
attribute of a tag with its others, and moves what is left of a text at every "&".
"""

from __future__ import annotations

import re
from collections import Counter
from html import escape, unescape

from bulkload.mail.markup import UNREAD, named

MOST_CHARACTERS = 524_288
"""Of HTML, once pictures written in it, style sheets and comments are gone: eight times what a
property holds."""

_MOST_AMPERSANDS = 50_000
_FEW_TAGS = 500
_MOST_WALKED = 5_000_000  # open elements passed, over all tags: tenths of a second
_MOST_REOPENED = 200_000  # the same for those of _FORMATTING: each is made anew

_DATA_URI = re.compile(r"data:[a-z]+/[^\"'()<>\s]{100,}", re.IGNORECASE)
_COMMENT = re.compile(r"<!--"), re.compile(r"-->")
_UNREAD = {
    name: (
        re.compile(rf"<{name}\b", re.IGNORECASE),
        re.compile(rf"</{name}\b[^>]*>", re.IGNORECASE),
    )
    for name in UNREAD
}
_TAG = re.compile(r"<(/?)([a-z][a-z0-9]*)", re.IGNORECASE)
_ANY_TAG = re.compile(r"<[/!?a-z][^<>]*>?", re.IGNORECASE)
_WHOLE_TAG = re.compile(r"<(/?)([a-z][a-z0-9]*)\b([^<>]*)>", re.IGNORECASE)
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_LINE = re.compile(r"<(?:br|/?(?:p|div|tr|li|h[1-6]|table|blockquote))\b[^<>]*>?", re.IGNORECASE)
_VOID = named("area base br col embed hr img input link meta param source wbr")
_IMPLIED = named("body dd dt head html li option p tbody td tfoot th thead tr")
_OPEN_ENDED = _VOID | _IMPLIED
_FORMATTING = named("a b big code em font i nobr s small strike strong tt u")


def bounded(source: str) -> tuple[str, tuple[str, ...]]:
    """(`source`, or what of it can be parsed in linear time, and what was done to it)."""
    notes: list[str] = []
    if len(source) > MOST_CHARACTERS:
        source = _without(_DATA_URI.sub("data:,", source), *_COMMENT)
        source = _without(source, *_UNREAD["style"])
    end = min(len(source), MOST_CHARACTERS)
    if source.count("&") > _MOST_AMPERSANDS:
        end = min(end, _nth(source, "&", _MOST_AMPERSANDS))
    if end < len(source):
        end = source.rfind(">", 0, end) + 1 or end  # inside a tag the mark would be lost
        notes.append(f"the HTML is {len(source):,} characters long: the first {end:,} were read")
        source = source[:end] + "<p>[… the HTML goes on: it is longer than bulkload reads]</p>"
    if source.count("<") > _FEW_TAGS and _is_quadratic(source):
        notes.append("the HTML is nested too deeply: it is shown as its text")
        for marks in (_COMMENT, *_UNREAD.values()):
            source = _without(source, *marks)
        source = _without_hidden(source)
        text = unescape(_ANY_TAG.sub("", _LINE.sub("\n", source)))
        source = "<br>".join(escape(line, quote=False) for line in text.split("\n"))
    return source, tuple(notes)


def _is_quadratic(source: str) -> bool:
    open_: Counter[str] = Counter()
    depth = formatting = walked = reopened = 0
    for end, name in _TAG.findall(source):
        name = name.lower()  # noqa: PLW2901  # the name as written is of no use
        if name not in _OPEN_ENDED:
            step = 1 if not end else -1 if open_[name] else 0
            open_[name] += step
            depth += step
            if name in _FORMATTING:
                formatting += step
        walked += depth
        reopened += formatting
    return walked > _MOST_WALKED or reopened > _MOST_REOPENED


def _without(source: str, start: re.Pattern[str], end: re.Pattern[str]) -> str:
    """`source` without what stands between these marks; one that never ends is left."""
    pieces: list[str] = []
    at = 0
    while (begin := start.search(source, at)) and (stop := end.search(source, begin.end())):
        pieces.append(source[at : begin.start()])
        at = stop.end()
    return "".join([*pieces, source[at:]])


def _without_hidden(source: str) -> str:
    """`source` without the elements that no reader sees; one that never ends is left."""
    pieces: list[str] = []
    at = depth = 0
    hidden = ""
    for tag in _WHOLE_TAG.finditer(source):
        end, name = tag[1], tag[2].lower()
        if depth:
            if name == hidden:
                depth += -1 if end else 1
            if not depth:
                at = tag.end()
        elif not end and name not in _OPEN_ENDED and _HIDDEN.search(tag[3]):
            pieces.append(source[at : tag.start()])
            at, hidden, depth = tag.start(), name, 1
    return "".join([*pieces, source[at:]])


def _nth(text: str, sign: str, count: int) -> int:
    at = -1
    for _ in range(count):
        at = text.find(sign, at + 1)
    return at
