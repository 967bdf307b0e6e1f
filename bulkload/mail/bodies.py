"""Bodies: the text and HTML that a reader would see, and what is attached. Pure, never raises.

`layout.py` tells which parts are read and which are attached. Where there is no plain text it is
made from the HTML; where there is nothing to read at all, the first of these stands in: what
Outlook packed into winmail.dat, an invitation in words, any other text, the message inside (a
forward as attachment), or the words that the message is encrypted.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from bulkload.mail import rtf
from bulkload.mail.calendar import summary
from bulkload.mail.files import files, unpacked
from bulkload.mail.html import safe
from bulkload.mail.htmltext import text_of
from bulkload.mail.layout import CALENDARS, PKCS7, Layout, content_id, laid_out, parts_of
from bulkload.mail.markup import of_text
from bulkload.mail.reading import text as text_in
from bulkload.mail.reading import words
from bulkload.mail.smime import opened

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bulkload.mail.mime import Part
    from bulkload.model import Attachment

SEALED = "[This message is encrypted: only its recipient's key opens it.]"

_MOST_LEVELS = 3  # of messages inside messages that are looked into for something to read
_PAGE = re.compile(
    r"\s*(?:<!--.*?-->\s*)?<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)
_ANY_TAG = re.compile(r"<[a-z!/?]", re.IGNORECASE)
_CID = re.compile(r"cid:([^\"'\s<>)]{1,998})", re.IGNORECASE)


class Bodies(NamedTuple):
    """Line ends are line feeds; `html` is safe to show, "" where the message has none."""

    text: str = ""
    html: str = ""
    attachments: tuple[Attachment, ...] = ()
    notes: tuple[str, ...] = ()


def bodies(root: Part) -> Bodies:
    """What of the message is read, and what is attached."""
    return _bodies(root, 1)


def _bodies(root: Part, level: int) -> Bodies:
    layout = laid_out(root)
    reader = _Reader(layout)
    html = reader.html(layout.html)
    text = reader.text(layout.text)
    if not text.strip() and html:
        text = reader.text(layout.html)
    if not text.strip() and "<img" not in html:
        text, html, note = _instead(root, layout, reader, level)
        if note:
            reader.notes.append(note)
    if any(part.kind.startswith("multipart/") for part in layout.text):
        reader.notes.append("its parts can't be told apart: the body is the text as written")
    attached = tuple(file.attachment for file in files(layout, frozenset(reader.shown)))
    return Bodies(text, html, attached, tuple(dict.fromkeys(reader.notes)))


class _Reader:
    """Parts → text and HTML. Remembers what the HTML refers to, and what was done to it."""

    def __init__(self, layout: Layout) -> None:
        self.notes: list[str] = []
        self.shown: set[str] = set()
        self._names = {cid: part.file_name for part in layout.attached if (cid := content_id(part))}
        self._safe: dict[int, str] = {}

    def text(self, parts: Iterable[Part]) -> str:
        texts = []
        for part in parts:
            if part.kind == "text/html" or self._is_page(part):
                texts.append(text_of(self._html_of(part)))
            else:
                texts.append(words(part))
        return _joined(texts)

    def html(self, parts: tuple[Part, ...]) -> str:
        """Empty where none of them is HTML: then the text says it all."""
        if not any(part.kind == "text/html" or self._is_page(part) for part in parts):
            return ""
        return _joined(
            self._html_of(part)
            if part.kind == "text/html" or self._is_page(part)
            else of_text(words(part))
            for part in parts
        )

    def made_safe(self, source: str) -> str:
        if "cid:" in source or "CID:" in source:
            self.shown.update(unquote(cid) for cid in _CID.findall(source))
        html, notes = safe(source, self._names)
        self.notes += notes
        return html

    def _html_of(self, part: Part) -> str:
        html = self._safe.get(id(part))
        if html is None:
            source = text_in(part)
            # What is called HTML and is none keeps its lines.
            html = self.made_safe(source) if _ANY_TAG.search(source) else of_text(source)
            self._safe[id(part)] = html
        return html

    def _is_page(self, part: Part) -> bool:
        """Whether a page of HTML is called plain text."""
        if id(part) in self._safe:
            return True
        body = part.body
        return b"<" in body[:500] and bool(_PAGE.match(text_in(part)[:2_000]))


def _instead(root: Part, layout: Layout, reader: _Reader, level: int) -> tuple[str, str, str]:
    """(text, HTML, note) for a message without a body."""
    for part in layout.attached:
        inside = unpacked(part)
        if inside is None:
            continue
        made = rtf.body(rtf.unpacked(inside.rtf)) if inside.rtf else rtf.Body()
        source = inside.html or made.html
        html = reader.made_safe(source) if source else ""
        text = inside.text or made.text or text_of(html)
        if text.strip() or html:
            return text, html, "the body was taken out of winmail.dat"
    for part in layout.attached:
        if part.kind in CALENDARS and (invitation := summary(text_in(part))):
            return invitation, "", "the text is the invitation in words"
    if any(part.kind == "multipart/encrypted" for part in parts_of(root)) or any(
        part.kind in PKCS7 and opened(part.content()) is None for part in layout.attached
    ):
        return SEALED, "", "the message is encrypted"
    other = _joined(
        text_in(part)
        for part in layout.attached
        if not part.file_name
        and part.disposition != "attachment"
        and (part.kind.startswith("text/") or part.kind == "message/delivery-status")
    )
    if other.strip():
        return other, "", ""
    if level < _MOST_LEVELS:
        inner = [_bodies(part.parts[0], level + 1) for part in layout.attached if part.parts]
        text = _joined(found.text for found in inner)
        if text.strip():
            html = _joined(found.html or of_text(found.text) for found in inner)
            reader.notes += (note for found in inner for note in found.notes)
            html = html if any(found.html for found in inner) else ""
            return text, html, "the text is that of the message inside"
    return "", "", ""


def _joined(texts: Iterable[str]) -> str:
    return "\n".join(text for text in texts if text.strip())
