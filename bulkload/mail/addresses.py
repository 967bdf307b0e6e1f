"""Address headers → mailboxes (RFC 5322 3.4 and 4.4), as they are found. Pure, linear, no raise.

Read here and not by the standard library, which drops a whole header for one broken mailbox.
Groups are opened, comments are names where there is no other, source routes and `mailto:` go.
Law kept here: nothing is lost in silence: what stands for a mailbox without an address is counted.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from bulkload.mail.addrspecs import (
    DOMAIN,
    address,
    apart,
    is_exchange,
    local,
    unescaped,
    within,
)
from bulkload.mail.names import split
from bulkload.mail.text import header_text
from bulkload.mail.words import words
from bulkload.model import Address

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bulkload.mail.headers import Headers

# A mailbox in one of the two forms that nearly all have; no sign in it may mean anything else.
_LOCAL = r"[\w.!#$%&*+=^~-][\w.!#$%&*+/=^{|}~-]*"
_SIMPLE = re.compile(
    rf'(?:(?:"([^"\\<>]*)"\s*|([^"<>()\[\],;:@\\]*))<({_LOCAL}@{DOMAIN})>|({_LOCAL}@{DOMAIN}))'
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
    r"|(?P<blank>\s+)"
    r"|(?P<bracket>[\[\]])"
    r'|(?P<atom>[^\s"<>,;:()\[\]=]+(?:(?<=@)\[[\w.:]{1,60}\])?|=)'
    r"|(?P<other>.)"
)
_TOKEN = re.compile(_QUOTED + _UNQUOTED, re.DOTALL)
_TOKEN_UNQUOTED = re.compile(_UNQUOTED, re.DOTALL)
_BRACKETED = re.compile(r"\[([^\[\]]*)\]")
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
    for one in _Reading(value).mailboxes():
        if one is None:
            nameless += 1
        else:
            found.append(one)
    return Mailboxes(tuple(found), nameless)


_MOST_SIMPLE = 250  # characters: a longer one is looked at more closely
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
        email = bare or angle
        if len(email) > _MOST_SIMPLE or (email[0] in "iI" and is_exchange(email)):
            return None
        found.append(Address(email) if bare else _named(angle, quoted or name))
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
                quoted = unescaped(match["quoted"])
                self.pieces.append(local(quoted) if value.startswith("@", at) else quoted)
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
            elif kind in ("atom", "word", "bracket"):
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
            inside = mailboxes(inner.replace("=?", ""))
            yield from (*inside.found, *[None] * inside.nameless)
            return
        if angle is None and "@" not in phrase and comma and phrase and not held:
            self.held = phrase  # Lovelace, Ada <a@b.c>
            return
        if angle is None:
            found, phrase = apart(phrase)
        elif (one := address(angle)) is not None:
            found = [one]
        elif any(several := within(angle)):
            found = several
        else:
            found, phrase = apart(phrase)[0], angle  # the two the other way round
        if others:
            found += apart(others)[0]
        if not found:
            if phrase or held:
                yield None
            return
        if held:
            if angle is None:
                yield None
            else:
                phrase = f"{held}, {phrase}"
        if len(found) > 1 and angle is None:
            phrase = ""  # whose it would be is not known
        elif not phrase and comments:
            phrase = comments[0]
        for at, each in enumerate(found):
            yield each if each is None else _named(each, "" if at else phrase)


def _named(email: str, name: str) -> Address:
    if not name:
        return Address(email)
    name = " ".join(words(name).split()).strip("\"' ")
    name = found[1] if (found := _BRACKETED.fullmatch(name)) else name
    if name.count("[") != name.count("]"):
        name = " ".join(re.sub(r"[\[\]]", " ", name).split())
    # A name that is an address tells nobody's name.
    if not any(map(str.isalnum, name)) or ("@" in name and " " not in name):
        return Address(email)
    return Address(email, *split(name))


def _joined(pieces: list[str]) -> str:
    return " ".join("".join(pieces).split())


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
