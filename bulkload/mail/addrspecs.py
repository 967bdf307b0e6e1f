"""Text in which an address may stand → the address (RFC 5322 3.4.1). Pure, linear, no raise.

Law kept here: none goes out that can be none: a domain is of labels of letters, digits and hyphens,
or an address in brackets. One past ASCII is given as its A-labels (RFC 5890), the form that every
system takes.
"""

from __future__ import annotations

import re

from bulkload.mail.words import words

DOMAIN = r"[\w-]+(?:\.[\w-]+)*"
"""In ASCII. Underscores stand in the names of hosts inside firms."""

_HOST = re.compile(rf"{DOMAIN}|\[[\w.:]{{1,60}}\]", re.ASCII)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_COMMENT = re.compile(r"\([^()]*\)")
_AROUND = re.compile(r"\s*([@.])\s*")
_IN_LOCAL = r"[^\s<>,;:\"()\[\]@\\]"
_BEGINS = r"[^\s<>,;:\"()\[\]@\\|/]"  # what parts two in a list begins none
_IN_DOMAIN = r"[^\s\x00-,/:-@\[-^`{-\x7f]"
_ENDS = r"(?=[\s<>,;:\"()\[\]\\]|$|[}'!?](?!\w)|\?\w+=|[|/][^\s@|/]{1,256}@)"
_FOUND = re.compile(
    rf"(?<!@)(?<!{_BEGINS}){_BEGINS}{_IN_LOCAL}{{0,255}}"
    rf"@(?:\[[\w.:]{{1,60}}\]|{_IN_DOMAIN}{{1,255}}+){_ENDS}"
)
_NOT_IN_LOCAL = re.compile(r"[\s<>,;:\"()\[\]@\\]")
_EXCHANGE = re.compile(
    r"(?:/(?:o|cn|c|g|s|dd|a|p|prmd|admd)=|(?:o|cn|c|g|s|dd|a|p|prmd|admd)=[^/]*/|imceaex-|imcea)",
    re.IGNORECASE,
)
_MOST_CHARACTERS = 1_000


def address(written: str) -> str | None:
    """The address in what stands in angle brackets; None where there is none, or several."""
    if len(written) > _MOST_CHARACTERS:
        return None
    text = words(written) if "=?" in written else written
    while "(" in text and (less := _COMMENT.sub("", text)) != text:
        text = less
    text = text.strip()
    quoted, quote, domain = text.rpartition('"@')
    if quote and quoted.startswith('"'):
        return _fit(f"{local(unescaped(quoted[1:]))}@{domain}")
    text, bracket, literal = text.strip("\"'<> ").partition("[")
    if ":" in text:
        text = text.rpartition(":")[2]  # mailto:, smtp:, a source route
    text = text.partition("?")[0] if "?" in text else text  # mailto:a@b.c?subject=x
    return _fit("".join(f"{text}{bracket}{literal}".split()).strip("\"'"))


def apart(phrase: str) -> tuple[list[str | None], str]:
    """(each address in text without angle brackets, None for what stands for one and is none; the
    words of it that are not theirs).
    """
    if "@" not in phrase:
        return [], phrase
    if " " in phrase:
        joined = _AROUND.sub(r"\1", phrase)
        if _FOUND.fullmatch(joined):
            return [_fit(joined)], ""
        phrase = re.sub(r"\s*@\s*", "@", phrase)
    if phrase.startswith('"') and '"@' in phrase:
        return [_fit(phrase)], ""
    if "=?" in phrase:
        phrase = words(phrase)
    rest = [word for word in phrase.split() if "@" not in word]
    return [each for word in phrase.split() if "@" in word for each in within(word)], " ".join(rest)


def within(text: str) -> list[str | None]:
    """Each address that is written in it, or one None."""
    found = (each[0].strip("'") for each in _FOUND.finditer(text))
    # Of a list in braces; but {a}@b.c is one.
    return [_fit(each if "}" in each else each.removeprefix("{")) for each in found] or [None]


def is_exchange(text: str) -> bool:
    """Whether it is a name of Exchange's or X.400's own."""
    return _EXCHANGE.match(text) is not None


def local(text: str) -> str:
    """A quoted local part without its quotes where it needs none."""
    if text and not any(letter in ' "(),:;<>@[\\]' for letter in text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def unescaped(text: str) -> str:
    return _ESCAPE.sub(r"\1", text) if "\\" in text else text


def _fit(written: str) -> str | None:
    """`written` where it can be an address, its domain in A-labels."""
    name, _, domain = written.rpartition("@")
    domain = domain.strip(".>\"' ")
    name = name.lstrip("<")
    if not 0 < len(name) <= 256 or is_exchange(name):
        return None
    if not name.startswith('"') and _NOT_IN_LOCAL.search(name):
        return None
    if not domain.isascii():
        domain = _a_labels(domain)
    if len(domain) > 255 or not _HOST.fullmatch(domain):
        return None
    return f"{name}@{domain}"


def _a_labels(domain: str) -> str:
    if len(domain) > 255:
        return ""
    import idna  # noqa: PLC0415  # 60 ms, and rarely needed

    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return ""
