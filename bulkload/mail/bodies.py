"""Bodies: the text and HTML a reader would see, and the names of what is attached.

Nothing is shown twice and nothing readable is dropped: inline text parts are joined in their
order, attached messages are named and not opened.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from bulkload.mail.headers import words
from bulkload.mail.text import attempt, decoded, from_ascii

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message

_HTML = re.compile(
    r"\s*(?:<!--.*?-->\s*)?<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)


class Bodies(NamedTuple):
    """What a message holds. Line ends are line feeds."""

    text: str
    html: str
    attachments: tuple[str, ...]


def bodies(message: Message) -> Bodies:
    """Never raises: a part that can't be decoded is taken as it is written.

    A message that holds nothing but another message (a forward) shows that one's text.
    """
    found = _bodies(message)
    if found.text or found.html:
        return found
    for part in _leaves(message):
        content: object = attempt(part.get_payload, None)
        if isinstance(content, list) and content:
            inner = _bodies(content[0])
            return Bodies(inner.text, inner.html, found.attachments)
    return found


def _bodies(message: Message) -> Bodies:
    plain: list[str] = []
    html: list[str] = []
    other: list[str] = []
    attached: list[str] = []
    for part in _leaves(message):
        kind = attempt(part.get_content_type, "text/plain")
        name = _file_name(part)
        if _is_attached(part) or (name and not kind.startswith("text/")):
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


def _leaves(message: Message) -> Iterator[Message]:
    """The parts that hold content, in order; not those of messages inside the message."""
    stack = [message]
    while stack:
        part = stack.pop()
        content: object = attempt(part.get_payload, None)
        whole = attempt(part.get_content_maintype, "text") == "message"
        if isinstance(content, list) and not whole:
            stack += reversed(content)
        else:
            yield part


def _is_attached(part: Message) -> bool:
    return attempt(part.get_content_disposition, None) == "attachment"


def _file_name(part: Message) -> str:
    name = attempt(part.get_filename, None)
    return " ".join(words(from_ascii(name)).split()) if isinstance(name, str) else ""


def _text(part: Message) -> str:
    raw: object = attempt(lambda: part.get_payload(decode=True), None)
    if not isinstance(raw, bytes):
        written: object = attempt(part.get_payload, None)
        raw = str(written).encode("utf-8", "surrogateescape")
    charset: object = attempt(lambda: part.get_param("charset", ""), "")
    if isinstance(charset, tuple):  # RFC 2231: (charset, language, value)
        charset = charset[-1]
    text = decoded(raw, charset if isinstance(charset, str) else "")
    return text.replace("\r\n", "\n").replace("\r", "\n")
