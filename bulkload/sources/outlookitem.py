"""Pure: an item of Outlook's, as .pst, .ost and .msg files keep it → the message that it is.

Outlook takes a message apart into properties [MS-OXPROPS]. Here it is put together again: the
headers that came with it, where they are kept, and from the properties what they lack; bodies and
attachments as new MIME parts. The same item makes the same bytes each time.
"""

from __future__ import annotations

import codecs
import hashlib
import re
from base64 import encodebytes
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, NamedTuple, TypeAlias
from urllib.parse import quote

from bulkload.mail import rtf
from bulkload.mail.reading import named_in
from bulkload.mail.text import decoded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Value: TypeAlias = str | bytes | int | datetime

STRING8, UNICODE, BINARY, INTEGER, BOOLEAN, TIME = 0x1E, 0x1F, 0x102, 0x03, 0x0B, 0x40
"""Types of properties [MS-OXCDATA 2.11.1]."""

CLASS, HEADERS, SUBJECT, FLAGS = 0x001A, 0x007D, 0x0037, 0x0E07
TEXT, HTML, RTF = 0x1000, 0x1013, 0x1009
BODY_PAGE, PAGE = 0x3FDE, 0x3FFD
_MESSAGE_ID, _IN_REPLY_TO, _REFERENCES = 0x1035, 0x1042, 0x1039
_TIMES = (0x0039, 0x0E06, 0x3007)  # submitted by its sender, delivered, made
_SENDER = (0x0C1A, 0x5D01, 0x0C1F)  # name, SMTP address, address of whatever kind
_FROM = (0x0042, 0x5D02, 0x0065)
_RECIPIENT = (0x3001, 0x39FE, 0x3003)
_RECIPIENT_TYPE = 0x0C15
_SHOWN = {"To": 0x0E04, "Cc": 0x0E03, "Bcc": 0x0E02}
_TYPES = {1: "To", 2: "Cc", 3: "Bcc"}
CONTENT, METHOD = 0x3701, 0x3705
LONG_NAME, NAME = 0x3707, 0x3001
_FILE_NAMES = (LONG_NAME, 0x3704, NAME)
_MEDIA_TYPE, _CONTENT_ID = 0x370E, 0x3712
_READ, _UNSENT = 0x01, 0x08
_PAGES = {
    1200: "utf-16-le", 1201: "utf-16-be", 65000: "utf-7", 65001: "utf-8",
    20127: "ascii", 28591: "latin-1", 38598: "iso8859_8", 10000: "mac-roman",
    20866: "koi8-r", 21866: "koi8-u",
    50220: "iso2022_jp_ext", 50221: "iso2022_jp_ext", 50222: "iso2022_jp_ext",
    20932: "euc_jp", 51932: "euc_jp", 20949: "cp949", 51949: "cp949", 50225: "iso2022_kr",
    936: "gb18030", 20936: "gb18030", 51936: "gb18030", 54936: "gb18030", 52936: "hz",
}  # fmt: skip
"""Windows' numbers of encodings whose names in Python are others (Microsoft, "Code Page
Identifiers"); the wider one of those that differ in what they hold.
"""
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_MAIL = ("IPM.NOTE", "REPORT.", "IPM.SCHEDULE.MEETING")
_SMIME = "IPM.NOTE.SMIME"
_HEADER = re.compile(r"^([!-9;-~]+)[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*", re.MULTILINE)
_SIGNED = re.compile(rb"^content-type:\s*multipart/signed\b", re.IGNORECASE | re.MULTILINE)
_OURS = ("content-", "mime-version")


class Attached(NamedTuple):
    """A file in an item, or another item."""

    properties: Mapping[int, Value]
    item: Item | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """Properties by their ids; those of each recipient, and of what is attached."""

    properties: Mapping[int, Value]
    recipients: Sequence[Mapping[int, Value]] = ()
    attached: Sequence[Attached] = ()

    @property
    def is_mail(self) -> bool:
        """Whether it is a message, a report on one or an invitation; else a contact or such."""
        return is_mail(_text(self.properties, CLASS))

    @property
    def flags(self) -> str:
        """The letters of a Maildir's name that its state is."""
        kept = self.properties.get(FLAGS)
        flags = kept if isinstance(kept, int) else 0
        return ("D" if flags & _UNSENT else "") + ("S" if flags & _READ else "")


def is_mail(message_class: str) -> bool:
    """Whether items of that class are messages. One without a class is taken for one."""
    return not message_class or message_class.upper().startswith(_MAIL)


def value(kind: int, content: bytes, page: str) -> Value | None:
    """A property as it is stored; `page` is the encoding of text that is not Unicode. None where
    it is of a kind that no message is made of.
    """
    if kind == UNICODE:
        return content.decode("utf-16-le", "replace").rstrip("\0")
    if kind == STRING8:
        return decoded(content, page)
    if kind == BINARY:
        return content
    if kind in (INTEGER, BOOLEAN):
        return int.from_bytes(content[:4], "little", signed=True)
    if kind == TIME and any(content[:8]):
        try:
            return _EPOCH + timedelta(microseconds=int.from_bytes(content[:8], "little") // 10)
        except OverflowError:
            return None  # the last one that can be written stands for "never"
    return None


def encoding_of_page(number: object) -> str:
    """Python's name of a Windows code page."""
    if not isinstance(number, int) or number <= 0:
        return "cp1252"
    name = _PAGES.get(
        number, f"iso8859_{number - 28590}" if 28592 <= number < 28606 else f"cp{number}"
    )
    try:
        codecs.lookup(name)
    except LookupError:
        return "cp1252"
    return name


def message(item: Item) -> bytes:
    """The message (RFC 5322), with line feeds at its lines' ends."""
    head = "".join(f"{line}\n" for line in _headers(item))
    return head.encode("utf-8", "replace") + _body(item)


def _headers(item: Item) -> Iterator[str]:
    written: set[str] = set()
    kept = _text(item.properties, HEADERS).replace("\r\n", "\n").replace("\r", "\n")
    for found in _HEADER.finditer(kept.rstrip("\n") + "\n"):
        name = found[1].lower()
        if not name.startswith(_OURS):
            written.add(name)
            yield found[0].rstrip("\n")
    for name, text in _made(item):
        if text and name.lower() not in written:
            yield f"{name}: {' '.join(text.split())}"
    yield "MIME-Version: 1.0"


def _made(item: Item) -> Iterator[tuple[str, str]]:
    """What the properties say, in the words of headers."""
    properties = item.properties
    sender, author = _address(properties, _SENDER), _address(properties, _FROM)
    yield "From", author or sender
    if author and sender and author != sender:
        yield "Sender", sender
    for number, name in _TYPES.items():
        people = [
            _address(each, _RECIPIENT)
            for each in item.recipients
            if each.get(_RECIPIENT_TYPE, 1) == number
        ]
        if not item.recipients:
            shown = _text(properties, _SHOWN[name]).split(";")
            people = [_phrase(each.strip()) for each in shown]
        yield name, ", ".join(filter(None, people))
    subject = _text(properties, SUBJECT)
    yield "Subject", subject[2:] if subject.startswith("\x01") else subject  # the prefix's length
    times = (properties.get(each) for each in _TIMES)
    when = next((each for each in times if isinstance(each, datetime)), None)
    yield "Date", format_datetime(when) if when else ""
    yield "Message-ID", _text(properties, _MESSAGE_ID)
    yield "In-Reply-To", _text(properties, _IN_REPLY_TO)
    yield "References", _text(properties, _REFERENCES)


def _address(properties: Mapping[int, Value], ids: tuple[int, int, int]) -> str:
    """A name and an address. Exchange's own (/o=…) are nobody's outside, and left out."""
    name, *addresses = (_text(properties, each).strip() for each in ids)
    address = next((each for each in addresses if "@" in each and not each.startswith("/")), "")
    if not address:
        return _phrase(name)
    return f"{_phrase(name)} <{address}>" if name and name != address else address


def _phrase(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if name else ""


def _body(item: Item) -> bytes:
    if signed := _signed(item):
        return signed
    text, html = _bodies(item.properties)
    bodies = [
        _part(f'text/{kind}; charset="utf-8"', content.encode("utf-8", "replace"))
        for kind, content in (("plain", text), ("html", html))
        if content
    ] or [_part('text/plain; charset="utf-8"', b"")]
    main = bodies[0] if len(bodies) == 1 else _several("alternative", bodies)
    attached = [_attachment(each) for each in item.attached]
    return _several("mixed", [main, *attached]) if attached else main


def _signed(item: Item) -> bytes:
    """All that a clear-signed message holds, with its own Content-Type: it is kept as the one
    thing attached to it, and its bodies beside it are a copy or are none [MS-OXOSMIME 2.1]. b""
    where the item is none.
    """
    if len(item.attached) != 1 or not _text(item.properties, CLASS).upper().startswith(_SMIME):
        return b""
    content = item.attached[0].properties.get(CONTENT)
    if not isinstance(content, bytes):
        return b""
    entity = content.replace(b"\r\n", b"\n")
    return entity if _SIGNED.search(entity.partition(b"\n\n")[0]) else b""


def _bodies(properties: Mapping[int, Value]) -> tuple[str, str]:
    text, html = _text(properties, TEXT), properties.get(HTML, "")
    if isinstance(html, bytes):
        page = properties.get(BODY_PAGE)
        html = decoded(html, encoding_of_page(page) if page else named_in(html))
    packed = properties.get(RTF)
    if isinstance(packed, bytes) and not (html or text):
        made = rtf.body(rtf.unpacked(packed))
        text, html = made.text, made.html
    return text, html if isinstance(html, str) else ""


def _attachment(attached: Attached) -> bytes:
    properties = attached.properties
    name = next(filter(None, (_text(properties, each) for each in _FILE_NAMES)), "")
    # Also where it has no name: a part of text without it would be shown behind the body.
    named = "Content-Disposition: attachment"
    named += f"; filename*=UTF-8''{quote(name)}\n" if name else "\n"
    if attached.item is not None:
        return b"Content-Type: message/rfc822\n" + named.encode() + b"\n" + message(attached.item)
    kind = _text(properties, _MEDIA_TYPE)
    if not re.fullmatch(r"(?!multipart/)[\w.+-]+/[\w.+-]+", kind, re.ASCII | re.IGNORECASE):
        kind = "application/octet-stream"  # so is a multipart whose boundary is not known
    content = properties.get(CONTENT, b"")
    if cid := " ".join(_text(properties, _CONTENT_ID).split()):
        named += f"Content-ID: <{cid.strip('<>')}>\n"
    return _part(kind, content if isinstance(content, bytes) else b"", named)


def _part(kind: str, content: bytes, more: str = "") -> bytes:
    head = f"Content-Type: {kind}\n{more}Content-Transfer-Encoding: base64\n\n"
    return head.encode("utf-8", "replace") + encodebytes(content)


def _several(kind: str, parts: list[bytes]) -> bytes:
    """Parts between boundaries that are made of what is in them."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(part)
    mark = digest.hexdigest()
    head = f'Content-Type: multipart/{kind}; boundary="={mark}"\n\n'.encode()
    between = f"--={mark}\n".encode()
    return head + b"".join(between + part + b"\n" for part in parts) + f"--={mark}--\n".encode()


def _text(properties: Mapping[int, Value], number: int) -> str:
    found = properties.get(number, "")
    return found if isinstance(found, str) else ""
