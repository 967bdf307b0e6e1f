"""Bodies: the text and HTML a reader would see, and the names of what is attached.

Nothing is shown twice and nothing readable is dropped: inline text parts are joined in their
order, attached messages are named and not opened.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from bulkload.mail.text import decoded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bulkload.mail.mime import Part

_HTML = re.compile(
    r"\s*(?:<!--.*?-->\s*)?<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)


class Bodies(NamedTuple):
    """What a message holds. Line ends are line feeds."""

    text: str
    html: str
    attachments: tuple[str, ...]


def bodies(message: Part) -> Bodies:
    """Never raises: a part that can't be decoded is taken as it is written.

    A message that holds nothing but another message (a forward) shows that one's text.
    """
    found = _bodies(message)
    if found.text or found.html:
        return found
    for part in _leaves(message):
        if part.parts:
            inner = _bodies(part.parts[0])
            return Bodies(inner.text, inner.html, found.attachments)
    return found


def _bodies(message: Part) -> Bodies:
    plain: list[str] = []
    html: list[str] = []
    other: list[str] = []
    attached: list[str] = []
    for part in _leaves(message):
        kind = part.kind
        name = part.file_name
        if part.disposition == "attachment" or (name and not kind.startswith("text/")):
            attached.append(name or ("message.eml" if kind == "message/rfc822" else "unnamed"))
        elif kind == "message/rfc822":
            attached.append("message.eml")
        elif kind == "text/plain" or kind.startswith("multipart/"):
            # A multipart leaf is one whose boundary is nowhere to be found.
            plain.append(_text(part))
        elif kind == "text/html":
            html.append(_text(part))
        elif name:
            attached.append(name)
        elif kind.startswith("text/"):
            other.append(_text(part))
    if len(plain) == 1 and not html and _HTML.match(plain[0]):
        plain, html = [], plain
    if not plain and not html:
        plain = other
    return Bodies(_joined(plain), _joined(html), tuple(attached))


def _joined(texts: list[str]) -> str:
    return "\n".join(text for text in texts if text.strip())


def _leaves(message: Part) -> Iterator[Part]:
    """The parts that hold content, in order; not those of messages inside the message."""
    stack = [message]
    while stack:
        part = stack.pop()
        if part.parts and part.kind.startswith("multipart/"):
            stack += reversed(part.parts)
        else:
            yield part


def _text(part: Part) -> str:
    text = decoded(part.content(), part.params.get("charset", ""))
    return text.replace("\r\n", "\n").replace("\r", "\n")
