"""Safe HTML → the text that a reader of it sees. Pure and linear.

Blocks become lines, list points get their sign, quotations their ">", cells of a row stand beside
each other, pictures say their alternative text. Links keep their words, not their addresses.

The HTML is written first as its text with signs for what divides it (control characters, none of
which a text may hold), and what stands between two pieces of text is then made into line ends.
"""

from __future__ import annotations

import re
from functools import lru_cache
from html import escape

from bulkload.mail.markup import VOID, attributes, named

_LINE, _BLANK_LINE, _QUOTE, _UNQUOTE, _WRITTEN_END = "\x01", "\x02", "\x03", "\x04", "\x05"
_SHORT = 32
_HARD = "\xa0"  # a blank that does not collapse

_BLOCKS = dict.fromkeys(
    named(
        "address article aside caption center dd dir div dt figcaption figure footer header li "
        "main nav section table tr"
    ),
    _LINE,
)
_BLOCKS |= dict.fromkeys(named("dl h1 h2 h3 h4 h5 h6 p pre ul ol"), _BLANK_LINE)
_BLOCKS |= {"br": "\n", "td": "\t", "th": "\t", "hr": f"{_LINE}{'-' * 20}{_LINE}"}
_SIGNS = _BLOCKS | {f"/{name}": sign for name, sign in _BLOCKS.items()}
_SIGNS |= {"blockquote": _QUOTE, "/blockquote": _UNQUOTE}
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
_TAG = re.compile(r"<([^>]*)>")
_COUNTED = frozenset({"li", "ol", "ul", "/ol", "/ul"})
_RUN = re.compile(r"[ \t\r\n]+")
_DIVIDED = re.compile(r"[ \t]*[\n\x01-\x04][ \t\n\x01-\x04]*")
_BLANKS = re.compile(r" {2,}")
_CELLS = re.compile(r" *\t[ \t]*")
_EMPTY = re.compile(r"^ +$", re.MULTILINE)
_TIGHT = re.compile(
    r'[";] *(?:margin *: *0[a-z]*(?: +0[a-z]*)*|margin-bottom *: *0[a-z]*) *(?:[;"]|$)',
    re.IGNORECASE,
)
_INTEGER = re.compile(r"-?\d{1,9}", re.ASCII)
_ROMAN = tuple(
    zip(
        (1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1),
        ("M", "CM", "D", "CD", "C", "XC", "L", "XL", "X", "IX", "V", "IV", "I"),
        strict=True,
    )
)
_PRE = re.compile(r"white-space *: *pre(?!-line)", re.IGNORECASE)


def text_of(html: str) -> str:
    """`html`, as `html.safe` returns it, as text with line feeds, no blank at either end."""
    pieces: list[str] = []
    lists: list[tuple[int, str] | None] = []  # the next number of each list around, and its style
    written: list[str] = []  # the elements from the first whose blanks are kept as written
    tight = False  # the paragraph at hand has no margins
    split = _TAG.split(_CONTROL.sub("", html))
    for text, tag in zip(split[::2], [*split[1::2], "br"], strict=True):
        if text:
            pieces.append(_kept(text) if written else _RUN.sub(" ", text))
        name, _, attrs = tag.partition(" ")
        sign = _SIGNS.get(name)
        if name == "p":
            tight = bool(attrs and _TIGHT.search(attrs))
        if sign is not None:
            if tight and name in ("p", "/p"):
                sign = _LINE
            pieces.append(sign)
        if name in _COUNTED:
            pieces.append(_counted(name, attrs, lists))
        elif name == "img":
            pieces.append(_picture(attrs))
        if written:
            if name[0] == "/":
                written.pop()
            elif name not in VOID:
                written.append(name)
        elif name == "pre" or (attrs and "white-space" in attrs and _PRE.search(attrs)):
            written.append(name)
    return _lines("".join(pieces))


def _kept(text: str) -> str:
    return text.replace("\t", "    ").replace(" ", _HARD).replace("\n", _WRITTEN_END)


def _counted(name: str, attrs: str, lists: list[tuple[int, str] | None]) -> str:
    """What a list's or a point's tag adds to the text."""
    if name[0] == "/":
        if lists:
            lists.pop()
        return ""
    said = attributes(f" {attrs}") if attrs else {}
    if name != "li":
        start = (_number(said.get("start", ""), 1), said.get("type", "1"))
        lists.append(start if name == "ol" else None)
        return ""
    at = lists[-1] if lists else None
    if at is None:
        return "• "
    number = _number(said.get("value", ""), at[0])
    lists[-1] = (number + 1, at[1])
    return f"{_numeral(number, at[1])}. "


def _number(written: str, otherwise: int) -> int:
    return int(written) if _INTEGER.fullmatch(written.strip()) else otherwise


def _numeral(number: int, style: str) -> str:
    if style in ("a", "A") and number > 0:
        letters = ""
        while number:
            number, letter = divmod(number - 1, 26)
            letters = chr(ord(style) + letter) + letters
        return letters
    if style in ("i", "I") and 0 < number < 4_000:
        letters = ""
        for worth, roman in _ROMAN:
            letters += roman * (number // worth)
            number %= worth
        return letters if style == "I" else letters.lower()
    return str(number)


def _picture(attrs: str) -> str:
    alt = " ".join(attributes(f" {attrs}").get("alt", "").split())
    return escape(f"[image: {alt}]", quote=False) if alt else ""


def _lines(marked: str) -> str:
    text = _DIVIDED.sub(_divided, f"{_BLANK_LINE}{marked}{_BLANK_LINE}")
    if "  " in text:
        text = _BLANKS.sub(" ", text)
    if "\t" in text:
        text = _CELLS.sub(_HARD * 2, text)
    if _QUOTE in text:
        text = _quoted(text)
    text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"')
    text = text.replace("&nbsp;", " ").replace("&#x27;", "'").replace("&amp;", "&")
    text = text.replace(_HARD, " ").replace(_WRITTEN_END, "\n")
    if "\n " in text:
        text = _EMPTY.sub("", text)
    return text.strip("\n").rstrip()


def _divided(between: re.Match[str]) -> str:
    signs = between[0]
    # A newsletter asks the same a hundred times; what is long is not worth keeping.
    return _known_line_ends(signs) if len(signs) < _SHORT else _line_ends(signs)


@lru_cache(1024)
def _known_line_ends(between: str) -> str:
    return _line_ends(between)


def _line_ends(between: str) -> str:
    """The line ends that a browser shows for what stands between two pieces of text.

    A <br> at the end of a block ends no further line; one alone in a block is an empty line.
    """
    signs = between.replace(" ", "").replace("\t", "")
    ends = signs.count("\n") + (not signs.startswith("\n"))
    if signs.strip("\n" + _LINE):
        ends = 2
    quotes = "".join(sign for sign in signs if sign in (_QUOTE, _UNQUOTE))
    return "\n" * min(ends, 2) + quotes


def _quoted(text: str) -> str:
    lines: list[str] = []
    depth = 0
    for line in text.split("\n"):
        words = line.lstrip(_QUOTE + _UNQUOTE)
        signs = line[: len(line) - len(words)]
        after = max(0, depth + signs.count(_QUOTE) - signs.count(_UNQUOTE))
        # An empty line between two depths belongs to the outer one.
        if lines and not lines[-1].strip("> ") and after < depth:
            lines[-1] = ">" * after
        depth = after
        lines.append(">" * depth + (" " if depth and words else "") + words)
    return "\n".join(lines)
