"""A part that is read → its text, its charset, line ends and broken lines undone. Never raises."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bulkload.mail.flowed import unfolded
from bulkload.mail.text import decoded

if TYPE_CHECKING:
    from bulkload.mail.mime import Part

_META = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", re.IGNORECASE)


def text(part: Part) -> str:
    """With line feeds; of HTML its source, by the charset that it names itself where no other."""
    content = part.content()
    charset = part.params.get("charset", "")
    if not charset and part.kind == "text/html" and (said := _META.search(content[:4_096])):
        charset = said[1].decode("latin-1")
    words = decoded(content, charset)
    if "\r" in words:
        words = words.replace("\r\n", "\n").replace("\r", "\n")
    if part.kind == "text/plain" and part.params.get("format", "").lower() == "flowed":
        return unfolded(words, delsp=part.params.get("delsp", "").lower() == "yes")
    return words
