"""The tree of parts → what is read, one part after the other, and what is attached. Pure.

The rules are those of RFC 8621 4.1.4 (how a mail client tells bodies from attachments), with what
mailers do against them. Two laws: nothing is shown twice (of alternatives one is taken for the
text and one for the HTML), and nothing is dropped (what is not shown is attached) but these:
signatures of signed messages, PGP's version line, and alternatives in other languages of text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bulkload.mail.mime import parse
from bulkload.mail.smime import opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bulkload.mail.mime import Part

_SIGNATURES = frozenset(
    {"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"}
)
PKCS7 = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
CALENDARS = frozenset({"text/calendar", "application/ics"})

_MOST_SEALS = 3
_OF_A_MESSAGE = frozenset({"content-type", "content-transfer-encoding", "mime-version", "subject"})
_SHOWN = frozenset({"text/plain", "text/html"})
_HTML = "text/html"


class Layout(NamedTuple):
    """`text` and `html`: the parts to be read, of either kind, where one can be had of the
    better kind that one; `attached`: the others, in order.
    """

    text: tuple[Part, ...] = ()
    html: tuple[Part, ...] = ()
    attached: tuple[Part, ...] = ()


def laid_out(part: Part, *, first: bool = True, level: int = 0) -> Layout:
    """Never raises. A multipart whose parts can't be told apart is read as the text it is.

    `first`: it is the first of its multipart, where a text is read though it has a name. `level`:
    how many opaque signatures it lies in.
    """
    kind = part.kind
    if kind.startswith("multipart/"):
        if not part.parts:
            return Layout((part,), (part,))
        if kind == "multipart/alternative":
            return _best([laid_out(child, level=level) for child in part.parts])
        if kind == "multipart/related":
            return _related(part, level)
        if kind == "multipart/encrypted":
            whole = [child for child in part.parts if child.kind != "application/pgp-encrypted"]
            return Layout((), (), tuple(whole or part.parts))
        if kind == "multipart/report":
            head = laid_out(part.parts[0], level=level)
            return head._replace(attached=(*head.attached, *part.parts[1:]))
        return _mixed(part, level)
    if kind in PKCS7 and level < _MOST_SEALS and (inside := _signed_inside(part, first=first)):
        return laid_out(inside, level=level + 1)
    if kind in _SHOWN and part.disposition != "attachment" and (first or not part.file_name):
        return Layout((part,), (part,))
    return Layout((), (), (part,))


def _signed_inside(part: Part, *, first: bool) -> Part | None:
    """The message inside an opaque signature; None where it is sealed, or a file that was signed
    (contract.pdf.p7m): what is in that is no text of the mail.
    """
    if not (first or part.file_name.lower() in ("", "smime.p7m")):
        return None
    content = opened(part.content())
    inside = None if content is None else parse(content)
    return inside if inside and inside.headers.has(_OF_A_MESSAGE) else None


def _mixed(whole: Part, level: int) -> Layout:
    text: list[Part] = []
    html: list[Part] = []
    attached: list[Part] = []
    signed = whole.kind == "multipart/signed"
    protocol = whole.params.get("protocol", "").lower()
    for at, part in enumerate(whole.parts):
        if at and signed and (part.kind in _SIGNATURES or part.kind == protocol):
            continue
        found = laid_out(part, first=not at, level=level)
        text += found.text
        html += found.html
        attached += found.attached
    return Layout(tuple(text), tuple(html), tuple(attached))


def _best(choices: list[Layout]) -> Layout:
    """Of alternatives: the longest plain text, and the last HTML."""
    plain = [choice for choice in choices if any(part.kind != _HTML for part in choice.text)]
    html = [choice for choice in choices if any(part.kind == _HTML for part in choice.html)]
    if len(plain) > 1:
        plain.sort(key=lambda choice: sum(len(part.content().strip()) for part in choice.text))
    attached = [part for choice in choices for part in choice.attached]
    if plain or html:
        attached = [part for part in attached if not _is_dialect(part)]
    return Layout(
        text=(plain or html or [Layout()])[-1].text,
        html=(html or plain or [Layout()])[-1].html,
        attached=tuple(attached),
    )


def _is_dialect(part: Part) -> bool:
    """Whether an alternative is the same text in another language (enriched, AMP, a watch's)."""
    return (
        part.kind.startswith("text/")
        and part.kind not in _SHOWN
        and part.kind not in CALENDARS
        and part.disposition != "attachment"
        and not part.file_name
    )


def _related(part: Part, level: int) -> Layout:
    """The root (RFC 2387), and of the rest what nobody refers to and a reader can read."""
    start = part.params.get("start", "").strip("<> ")
    root = next(
        (child for child in part.parts if start and content_id(child) == start), part.parts[0]
    )
    found = laid_out(root, level=level)
    text, html, attached = list(found.text), list(found.html), list(found.attached)
    for child in part.parts:
        if child is root:
            continue
        stray = child.kind in _SHOWN or child.kind.startswith("multipart/")
        other = laid_out(child, first=False, level=level)
        if stray and not content_id(child):
            text += other.text
            html += other.html
            attached += other.attached
        else:
            attached += other.attached or (child,)
    return Layout(tuple(text), tuple(html), tuple(attached))


def parts_of(root: Part) -> Iterator[Part]:
    """Every part of this message; not those of messages inside it."""
    stack = [root]
    while stack:
        part = stack.pop()
        yield part
        if part.kind.startswith("multipart/"):
            stack += reversed(part.parts)


def content_id(part: Part) -> str:
    """Its Content-ID without angle brackets; "" where it has none."""
    written = part.headers.get("content-id")
    return "" if written is None else written.decode("latin-1").strip("<> \t")
