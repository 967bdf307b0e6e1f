"""What is attached: names, kinds, sizes; bytes only where they are asked for. Pure.

winmail.dat is replaced by the files in it; files that are written into a text (uuencode) come
last. A file without a name is named by its kind.
"""

from __future__ import annotations

import re
import string
from typing import TYPE_CHECKING, NamedTuple

from bulkload.mail import tnef
from bulkload.mail.layout import CALENDARS, PKCS7, content_id
from bulkload.mail.reading import may_hold_files, text
from bulkload.mail.text import clean
from bulkload.mail.uu import separated
from bulkload.model import Attachment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bulkload.mail.layout import Layout
    from bulkload.mail.mime import Part

TNEF = frozenset({"application/ms-tnef", "application/vnd.ms-tnef"})

_MOST_NAME = 255
_BASE64 = (string.ascii_letters + string.digits + "+/").encode()
_BLANK = b" \t\r\n"
_ENDINGS = {
    "application/octet-stream": "bin",
    "image/jpeg": "jpg",
    "image/svg+xml": "svg",
    "message/delivery-status": "txt",
    "text/plain": "txt",
    "text/rfc822-headers": "txt",
    "text/x-vcard": "vcf",
}
_ENDING = re.compile(r"[a-z0-9]{2,5}\Z")


class File(NamedTuple):
    attachment: Attachment
    content: Callable[[], bytes]


def files(layout: Layout, shown: frozenset[str] = frozenset()) -> Iterator[File]:
    """Each file, in order. `shown`: the content ids that the HTML refers to."""
    for part in layout.attached:
        inside = unpacked(part)
        if inside is not None and (inside.files or inside.text or inside.html or inside.rtf):
            for file in inside.files:
                name = _fit(file.name) or _by_kind(file.kind)
                found = Attachment(name, file.kind.lower(), len(file.content))
                yield File(found, lambda content=file.content: content)  # type: ignore[misc]
            continue
        cid = clean(content_id(part))
        name = _fit(part.file_name) or _by_kind(part.kind)
        found = Attachment(name, part.kind, size(part), inline=bool(cid) and cid in shown)
        yield File(found, part.content)
    for part in layout.text:
        if may_hold_files(part):
            for name, content in separated(text(part))[1]:
                found = Attachment(_fit(name), "application/octet-stream", len(content))
                yield File(found, lambda content=content: content)  # type: ignore[misc]


def unpacked(part: Part) -> tnef.Tnef | None:
    """What is in a winmail.dat; None where the part is none."""
    if part.kind in TNEF or part.file_name.lower() == "winmail.dat":
        return tnef.opened(part.content())
    return None


def size(part: Part) -> int:
    """Of its content in bytes, without decoding it where its encoding tells."""
    encoding = part.encoding
    if encoding.startswith("base64"):
        body = part.body
        foreign = body.translate(None, _BASE64 + _BLANK)
        if not foreign.strip(b"=") and len(foreign) <= 2 and body.rstrip().endswith(foreign):
            letters = len(body) - len(foreign) - sum(body.count(blank) for blank in _BLANK)
            if letters % 4 != 1:
                return letters * 3 // 4
    elif encoding in ("", "7bit", "8bit", "binary"):
        return len(part.body)
    return len(part.content())


def _fit(name: str) -> str:
    return clean(" ".join(name.split()))[:_MOST_NAME]


def _by_kind(kind: str) -> str:
    if kind in ("message/rfc822", "message/global", "message/news"):
        return "message.eml"
    if kind in CALENDARS:
        return "invite.ics"
    if kind in PKCS7:
        return "smime.p7m"
    ending = _ENDINGS.get(kind) or kind.partition("/")[2]
    return f"unnamed.{ending}" if _ENDING.match(ending) else "unnamed"
