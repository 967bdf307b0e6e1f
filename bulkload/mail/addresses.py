"""Address headers → mailboxes (RFC 5322 3.4 and 4.4), as they are found. Pure, linear, no raise.

Read here and not by the standard library, which drops a whole header for one broken mailbox.
Groups are opened, comments are names where there is no other, source routes and `mailto:` go.
A domain past ASCII is given as its A-label (RFC 5890), the form that every system takes.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from bulkload.mail.names import split
from bulkload.mail.text import header_text
from bulkload.mail.words import words
from bulkload.model import Address

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bulkload.mail.headers import Headers

# A mailbox in one of the two forms that nearly all have; no sign in it may mean anything else.
_DOMAIN = r"[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)*"
_LOCAL = r"[\w.!#$%&*+=^{|}~-][\w.!#$%&*+/=^{|}~-]*"
_SIMPLE = re.compile(
    rf'(?:(?:"([^"\\<>]*)"\s*|([^"<>()\[\],;:@\\]*))<({_LOCAL}@{_DOMAIN})>|({_LOCAL}@{_DOMAIN}))'
    r"\s*(?:,\s*|\Z)",
    re.ASCII,
)
_SCHEMES = frozenset({"mailto", "smtp"})
_QUOTED = r'"(?P<quoted>[^"\\]*(?:\\.[^"\\]*)*)"|'
_UNQUOTED = (
    r'(?P<word>=\?[^?\s]*\?[bBqQ]\?[^?"<>]*\?=)'
    r"|<(?P<angle>[^<>]*)>"
    r"|(?P<end>[,;])"
    r"|(?P<colon>:)"
    r"|(?P<open>\()"
    r"|(?P<blank>[\s\[\]]+)"
    r'|(?P<atom>[^\s"<>,;:()\[\]=]+(?:(?<=@)\[[\w.:]{1,60}\])?|=)'
    r"|(?P<other>.)"
)
_TOKEN = re.compile(_QUOTED + _UNQUOTED, re.DOTALL)
_TOKEN_UNQUOTED = re.compile(_UNQUOTED, re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_COMMENT = re.compile(r"\([^()]*\)")
_AROUND = re.compile(r"\s*([@.])\s*")
_FOUND = re.compile(
    r"[^\s<>,;:\"()\[\]@\\]{1,64}@(?:\[[\d.:a-fA-Fv]+\]|[^\s<>,;:\"()\[\]@\\]{1,255})"
)
_EXCHANGE = re.compile(r"/(?:o|cn|c|g|s|dd|a|p|prmd|admd)=|imceaex-|imcea", re.IGNORECASE)
_MOST_CHARACTERS = 1_000
_UNCLOSED = re.compile(r">\s*[,;]")


class Mailboxes(NamedTuple):
    """`nameless` counts what stood for a mailbox and has no address in it: an X.400 or Exchange
    name, a bare word.
    """

    found: tuple[Address, ...]
    nameless: int = 0


def addresses(headers: Headers, name: str, charset: str = "") -> Mailboxes:
    """Every mailbox of the headers of that name, in order. `charset` is what bytes past ASCII
    are in where they are no UTF-8.
    """
    values = headers.all(name)
    if not values:
        return _NONE
    if len(values) == 1:
        return mailboxes(header_text(values[0], charset))
    each = [mailboxes(header_text(value, charset)) for value in values]
    return Mailboxes(
        tuple(address for one in each for address in one.found), sum(one.nameless for one in each)
    )


_NONE = Mailboxes(())


def mailboxes(value: str) -> Mailboxes:
    """Every mailbox in the text of a header, which is unfolded and has its encoded words."""
    # The same few people stand in most messages of a mailbox.
    return _known(value) if len(value) <= _MOST_KNOWN else _read(value)


def _read(value: str) -> Mailboxes:
    simple = _simple(value)
    if simple is not None:
        return Mailboxes(simple)
    found: list[Address] = []
    nameless = 0
    for address in _Reading(value).mailboxes():
        if address is None:
            nameless += 1
        else:
            found.append(address)
    return Mailboxes(tuple(found), nameless)


_MOST_KNOWN = 400  # characters: what is kept is bounded
_known = lru_cache(maxsize=2048)(_read)


def _simple(value: str) -> tuple[Address, ...] | None:
    found: list[Address] = []
    at = 0
    while at < len(value):
        match = _SIMPLE.match(value, at)
        if match is None:
            return None
        quoted, name, angle, bare = match.groups()
        if (bare or angle)[0] in "iI" and _is_exchange(bare or angle):
            return None
        found.append(Address(bare) if bare else _named(angle, quoted or name))
        at = match.end()
    return tuple(found)


class _Reading:
    """One pass over a header. `pieces` is the phrase since the last separator, `angle` what stood
    in brackets; `held` a phrase without an address before a comma: the surname of the next.
    """

    def __init__(self, value: str) -> None:
        self.value = value
        self.pieces: list[str] = []
        self.angle: str | None = None
        self.behind = 0  # where in `pieces` the brackets stood
        self.comments: list[str] = []
        self.held = ""

    def mailboxes(self) -> Iterator[Address | None]:
        at = 0
        token = _TOKEN
        comments = True  # until one is not closed: then none after it is
        value = self.value
        while (match := token.match(value, at)) is not None:
            at = match.end()
            kind = match.lastgroup
            if kind == "quoted":
                if _UNCLOSED.search(match[0]):
                    at = match.start() + 1  # it has swallowed a mailbox
                    continue
                quoted = _unescaped(match["quoted"])
                self.pieces.append(_local(quoted) if value.startswith("@", at) else quoted)
            elif kind == "other" and match[0] == '"':
                token = _TOKEN_UNQUOTED  # not closed, and so none after it is
            elif kind == "angle":
                yield from self._bracketed(match["angle"])
            elif kind == "end":
                yield from self._flush(comma=match[0] == ",")
            elif kind == "colon":
                self._colon()
            elif kind == "open":
                end = _closing(value, at) if comments else -1
                if end < 0:
                    comments = False
                    self.pieces.append(" ")
                else:
                    self.comments.append(value[at : end - 1])
                    at = end
            elif kind == "blank":
                self.pieces.append(" ")
            elif kind in ("atom", "word"):
                self.pieces.append(match[0])
        yield from self._flush(comma=False)

    def _bracketed(self, angle: str) -> Iterator[Address | None]:
        if self.angle is not None:
            if "@" not in self.angle and "@" in angle and self.behind == len(self.pieces):
                self.angle = angle  # <> <a@b.c>
                return
            behind = self.pieces[self.behind :]
            del self.pieces[self.behind :]
            yield from self._flush(comma=False)
            self.pieces = behind
        self.angle = angle
        self.behind = len(self.pieces)
        self.pieces.append(" ")

    def _colon(self) -> None:
        """A group's name ends here, or a scheme, or a label before an address."""
        if self.pieces and self.pieces[-1].lower() in _SCHEMES:
            self.pieces.pop()
        elif self.angle is None:
            self.pieces.clear()
            self.comments.clear()
            self.held = ""

    def _flush(self, *, comma: bool) -> Iterator[Address | None]:
        phrase = _joined(self.pieces)
        others = ""  # where addresses stand side by side without a comma
        if self.angle is not None and "@" in (behind := _joined(self.pieces[self.behind :])):
            phrase, others = _joined(self.pieces[: self.behind]), behind
        angle, self.angle = self.angle, None
        comments, self.comments = self.comments, []
        self.pieces.clear()
        held, self.held = self.held, ""
        if "=?" in phrase and "@" not in f"{phrase}{angle}" and "@" in (inner := words(phrase)):
            # The whole mailbox inside an encoded word: wrong, and common.
            yield from mailboxes(inner.replace("=?", "")).found
            return
        if angle is None and "@" not in phrase and comma and phrase and not held:
            self.held = phrase  # Lovelace, Ada <a@b.c>
            return
        found: str | None
        if angle is not None:
            found = _address(angle)
            if found is None:
                found, _ = _apart(phrase)
                phrase = angle  # the two the other way round
        else:
            found, phrase = _apart(phrase)
            if "@" in phrase:
                phrase, others = "", phrase
        if found is None:
            if phrase or held:
                yield None
            return
        if held:
            if angle is None:
                yield None
            else:
                phrase = f"{held}, {phrase}"
        if not phrase and comments:
            phrase = comments[0]
        yield _named(found, phrase)
        for match in _FOUND.finditer(others):
            if (other := _fit(match[0].strip("'"))) is not None:
                yield Address(other)


def _named(email: str, name: str) -> Address:
    if not name:
        return Address(email)
    name = " ".join(words(name).split()).strip("\"' ")
    # A name that is an address tells nobody's name.
    if not name or ("@" in name and " " not in name):
        return Address(email)
    return Address(email, *split(name))


def _address(written: str) -> str | None:
    """The address in what stands in brackets, or alone; None where there is none."""
    if len(written) > _MOST_CHARACTERS:
        return None
    text = words(written) if "=?" in written else written
    while "(" in text and (less := _COMMENT.sub("", text)) != text:
        text = less
    text = text.strip()
    quoted, quote, domain = text.rpartition('"@')
    if quote and quoted.startswith('"'):
        return _fit(f"{_local(_unescaped(quoted[1:]))}@{domain}")
    text = text.strip("\"'<> ")
    if ":" in text:
        text = text.rpartition(":")[2]  # mailto:, smtp:, a source route
    text = text.partition("?")[0] if "?" in text else text  # mailto:a@b.c?subject=x
    text = "".join(text.split())
    return _fit(text.strip("\"'"))


def _apart(phrase: str) -> tuple[str | None, str]:
    """(the address in a phrase without brackets or None, the rest of the phrase)."""
    if "@" not in phrase:
        return None, phrase
    if " " in phrase:
        joined = _AROUND.sub(r"\1", phrase)
        if _FOUND.fullmatch(joined):
            return _fit(joined), ""
        phrase = re.sub(r"\s*@\s*", "@", phrase)
    if phrase.startswith('"') and '"@' in phrase:
        return _fit(phrase), ""
    if "=?" in phrase:
        phrase = words(phrase)
    match = _FOUND.search(phrase)
    if match is None:
        return None, phrase
    rest = f"{phrase[: match.start()]} {phrase[match.end() :]}".strip()
    return _fit(match[0].strip("'")), rest


def _fit(address: str) -> str | None:
    """`address` where it can be one: a local part, and a domain in A-labels."""
    local, at, domain = address.rpartition("@")
    domain = domain.strip(".>\"' ")
    local = local.lstrip("<")
    if not (local and at and domain) or _is_exchange(local):
        return None
    if "@" in local and not local.startswith('"'):
        match = _FOUND.search(address)
        return match[0] if match else None
    if not domain.isascii():
        domain = _a_labels(domain)
    if len(local) > 256 or not 0 < len(domain) <= 255 or any(mark in domain for mark in " ,;<>()"):
        return None
    return f"{local}@{domain}"


def _is_exchange(text: str) -> bool:
    return _EXCHANGE.match(text) is not None


def _a_labels(domain: str) -> str:
    if len(domain) > 255:
        return ""
    import idna  # noqa: PLC0415  # 60 ms, and rarely needed

    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return ""


def _joined(pieces: list[str]) -> str:
    return " ".join("".join(pieces).split())


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(r"\1", text) if "\\" in text else text


def _local(text: str) -> str:
    """A quoted local part without its quotes where it needs none."""
    if text and not any(letter in ' "(),:;<>@[\\]' for letter in text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _closing(value: str, at: int) -> int:
    """Behind the bracket that closes the comment whose content begins at `at`; -1: none does."""
    depth = 1
    for mark in _MARK.finditer(value, at):
        if mark[0] == "(":
            depth += 1
        elif mark[0] == ")":
            depth -= 1
            if not depth:
                return mark.end()
    return -1


_MARK = re.compile(r"\\.|[()]", re.DOTALL)


def notes(found: Iterable[tuple[str, Mailboxes]]) -> Iterator[str]:
    """What to say of mailboxes that have no address, by the header's name."""
    for name, one in found:
        if one.nameless:
            yield (
                f"{one.nameless} of the mailboxes in {name.capitalize()} "
                f"{'has' if one.nameless == 1 else 'have'} no address and "
                f"{'is' if one.nameless == 1 else 'are'} left out"
            )
