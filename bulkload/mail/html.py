"""HTML of strangers → HTML that is safe to show, by the sanitiser of the ammonia project (nh3).

What is let through: text, structure, tables, links (http, https, mailto), pictures of the web,
and of the inline styles those that set type, colour, size and space. What is not: scripts, style
sheets, forms, objects, event handlers, comments, whatever is hidden, and pictures of at most one
pixel, which tell a sender that and where a message is read. A picture inside the message (cid:,
data:) has no address of its own: its name is shown in its place.

Law kept here: never raises, and linear time: `bounds.py` sees to it that the sanitiser is never
given what would take it quadratic time.
"""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import unquote

import nh3

from bulkload.mail.bounds import bounded
from bulkload.mail.markup import UNREAD, attributes, named, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

_TAGS = named(
    "a abbr acronym address article aside b bdi bdo big blockquote br caption center cite code col "
    "colgroup dd del dfn dir div dl dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 header "
    "hr i img ins kbd li main mark nav ol p pre q rp rt ruby s samp section small span strike "
    "strong sub summary sup table tbody td tfoot th thead time tr tt u ul var wbr"
)
_BOX = {"align", "bgcolor", "height", "valign", "width"}
_ATTRIBUTES: dict[str, set[str]] = {
    "*": {"dir", "lang", "style", "title"},
    "a": {"href"},
    "blockquote": {"type"},
    "col": {"span", *_BOX},
    "colgroup": {"span", *_BOX},
    "div": {"align"},
    "font": {"color", "face", "size"},
    "hr": {"align", "size", "width"},
    "img": {"align", "alt", "border", "height", "hspace", "src", "vspace", "width"},
    "li": {"type", "value"},
    "ol": {"start", "type"},
    "p": {"align"},
    "table": {"border", "cellpadding", "cellspacing", *_BOX},
    "tbody": _BOX,
    "td": {"colspan", "nowrap", "rowspan", *_BOX},
    "th": {"colspan", "nowrap", "rowspan", *_BOX},
    "tr": _BOX,
    "ul": {"type"},
}
_STYLES = named(
    "background-color border border-bottom border-collapse border-color border-left border-radius "
    "border-right border-spacing border-style border-top border-width clear color direction "
    "display float font font-family font-size font-style font-variant font-weight height "
    "letter-spacing line-height list-style-type margin margin-bottom margin-left margin-right "
    "margin-top max-height max-width min-height min-width padding padding-bottom padding-left "
    "padding-right padding-top table-layout text-align text-decoration text-indent "
    "text-transform vertical-align visibility white-space width word-break word-wrap"
)
_WORD_CLASS = "MsoNormal"
_SANITISER = nh3.Cleaner(
    tags=set(_TAGS),
    clean_content_tags=set(UNREAD),
    attributes=_ATTRIBUTES,
    tag_attribute_values={tag: {"class": {_WORD_CLASS}} for tag in ("div", "li", "p")},
    filter_style_properties=set(_STYLES),
    url_schemes={"http", "https", "mailto", "cid"},
    url_relative="deny",
    link_rel=None,
)
_PICTURE = re.compile(r"<img\b[^>]*>")
_LINK_INSIDE = re.compile(r'<a [^>]*href="cid:[^>]*>')
_OF_WORD = re.compile(rf'<[a-z]+[^>]*? class="{_WORD_CLASS}"[^>]*>')
_SIZE = re.compile(r"(?<![\w-])(width|height) *: *([\d.]+) *(?:px)? *(?:;|$)", re.IGNORECASE)
_NUMBER = re.compile(r" *(\d+)(?:\.\d*)? *(?:px)? *$", re.IGNORECASE)


def safe(source: str, files: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """(`source` as safe HTML, notes on what was done to it beyond the rules above).

    `files`: the names of the message's own files by their content id.
    """
    fit, notes = bounded(source)
    html = shown(_SANITISER.clean(fit))
    if "<img" in html:
        html = _PICTURE.sub(lambda picture: _placed(picture[0], files), html)
    if _WORD_CLASS in html:
        html = _OF_WORD.sub(lambda tag: _tight(tag[0]), html)
    if '"cid:' in html:
        html = _LINK_INSIDE.sub("<a>", html)
    return html.strip(), notes


def _tight(written: str) -> str:
    """A paragraph of Outlook's, without the margins that its style sheet took from it."""
    tag = written.replace(f' class="{_WORD_CLASS}"', "", 1)
    if ' style="' in tag:
        return tag.replace(' style="', ' style="margin:0;', 1)
    return f'{tag[:-1]} style="margin:0">'


def _placed(written: str, files: Mapping[str, str]) -> str:
    """A picture that may stay, or what stands in its place."""
    picture = attributes(written[4:-1])
    if _is_tracker(picture):
        return ""
    source = picture.get("src", "")
    if source and not source.lower().startswith("cid:"):
        return written
    name = " ".join(picture.get("alt", "").split())
    name = name or files.get(unquote(source[4:]).strip("<> "), "")
    if not (name or source) and "alt" in picture:
        return ""  # an ornament, and said to be one
    return escape(f"[image: {name}]" if name else "[image]", quote=False)


def _is_tracker(picture: Mapping[str, str]) -> bool:
    sizes = {
        name: int(number[1])
        for name in ("width", "height")
        if (number := _NUMBER.match(picture.get(name, "")))
    }
    for name, number in _SIZE.findall(picture.get("style", "")):
        sizes[name.lower()] = int(float(number)) if number.count(".") < 2 and number != "." else 9
    return 0 in sizes.values() or (len(sizes) == 2 and max(sizes.values()) <= 1)
