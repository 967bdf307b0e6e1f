"""A part that is read → its text, its charset, line ends and broken lines undone. Never raises."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bulkload.mail.flowed import unfolded
from bulkload.mail.text import decoded
from bulkload.mail.uu import separated

if TYPE_CHECKING:
    from bulkload.mail.mime import Part

_META = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", re.IGNORECASE)


def named_in(html: bytes) -> str:
    """The charset that HTML names itself, "" where none. UTF-16 can't be it, or it could not have
    been read (https://html.spec.whatwg.org/#prescan-a-byte-stream-to-determine-its-encoding).
    """
    said = _META.search(html[:4_096])
    name = said[1].decode("latin-1").lower() if said else ""
    return "utf-8" if name.startswith("utf-16") else name


def may_hold_files(part: Part) -> bool:
    """Whether files may be written into the text of the part: asked before it is decoded twice."""
    return part.kind == "text/plain" and (
        b"begin " in part.body or part.encoding.startswith("base64")
    )


def words(part: Part) -> str:
    """`text` without the files that are written into it."""
    return separated(text(part))[0] if may_hold_files(part) else text(part)


def text(part: Part) -> str:
    """With line feeds; of HTML its source, by the charset that it names itself where no other."""
    content = part.content()
    charset = part.params.get("charset", "")
    if not charset and part.kind == "text/html":
        charset = named_in(content)
    found = decoded(content, charset)
    if "\r" in found:
        found = found.replace("\r\n", "\n").replace("\r", "\n")
    if part.kind == "text/plain" and part.params.get("format", "").lower() == "flowed":
        return unfolded(found, delsp=part.params.get("delsp", "").lower() == "yes")
    return found
