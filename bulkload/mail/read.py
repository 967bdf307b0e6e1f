"""Message bytes → Email. Pure, and never raises anything but UnreadableRecord.

Law kept here: nothing lost: whatever bytes stand in a mailbox end as an Email, best effort, or
as an error that says why. The standard library parses under its oldest policy, which keeps
headers as written; decoding them is done here, where it can't crash.
"""

from __future__ import annotations

import re
from email import message_from_bytes
from email._policybase import Compat32
from email.message import Message

from bulkload.errors import UnreadableRecord
from bulkload.mail.bodies import Bodies, bodies
from bulkload.mail.dates import sent_at
from bulkload.mail.headers import addresses, text, values
from bulkload.mail.text import attempt, decoded
from bulkload.model import Attachment, Email

_BOM = b"\xef\xbb\xbf"
_ESCAPED = re.compile(rb"^>(>*From )", re.MULTILINE)
_HEADER = re.compile(rb"From |[!-9;-~]*:|[ \t]")
_KNOWN = re.compile(
    rb"(?:date|from|to|cc|subject|message-id|received|mime-version|content-type|return-path):",
    re.IGNORECASE,
)
_MOST_HEADER_LINES = 10_000
_MOST_PARAMETERS = 8_192
_BLANK_LINE = re.compile(rb"\r?\n[ \t]*\r?\n")


class _AsWritten(Compat32):
    """Headers as they stand: the parent turns bytes past ASCII into U+FFFD."""

    def header_fetch_parse(self, name: str, value: str) -> str:
        # Parameters are parsed in quadratic time: a megabyte of semicolons takes a minute.
        if len(value) > _MOST_PARAMETERS and name.lower().startswith("content-"):
            return value[:_MOST_PARAMETERS]
        return value


_POLICY = _AsWritten()


def read_email(raw: bytes) -> Email:
    """The message in `raw`, with or without an mbox line in front of it.

    Raises UnreadableRecord where there is neither a header nor a body.
    """
    envelope, content = without_envelope(raw)
    if not content.strip(b"\r\n\t \0"):
        raise UnreadableRecord("the message is empty: no headers and no body")
    notes: list[str] = []
    mended = _mended(content)
    if mended is not content:
        notes.append("a line among the headers is none: it was taken as part of the one before")
    message = attempt(lambda: _parsed(mended), None)
    if message is None:
        # Parts nested past the recursion limit, mostly: the headers can still be had.
        message, body = _apart(content)
        notes.append("the parts can't be told apart: the body is the text as written")
    else:
        body = bodies(message)
    if not message.keys():
        if not (body.text.strip() or body.html.strip()):
            raise UnreadableRecord("the message has no headers and no readable body")
        notes.append("the message has no headers")
    moment, date_notes = sent_at(message, envelope)
    return Email(
        sent_at=moment,
        subject=" ".join(text(message, "Subject").split()),
        text=body.text,
        html=body.html,
        sender=addresses(message, "Sender"),
        from_=addresses(message, "From"),
        to=addresses(message, "To"),
        cc=addresses(message, "Cc"),
        bcc=addresses(message, "Bcc"),
        message_id=next(iter(values(message, "Message-ID")), "").strip("<> "),
        attachments=tuple(map(Attachment, body.attachments)),
        notes=(*notes, *date_notes),
    )


def without_envelope(raw: bytes) -> tuple[bytes, bytes]:
    """(the mbox line or b"", the message): ">From " is unescaped only where a line stood."""
    content = raw.removeprefix(_BOM).lstrip(b"\r\n")
    if not content.startswith((b"From ", b">From ")):
        return b"", content
    envelope, _, content = content.partition(b"\n")
    if b">From " in content:
        content = _ESCAPED.sub(rb"\1", content)
    return envelope.lstrip(b">"), content


def _mended(content: bytes) -> bytes:
    """`content` with the stray lines among its headers (a fold without its blank, a cut first
    line) joined to the header before them: the parser would take all the rest for the body.

    A line is stray only where a well-known header follows within three lines.
    """
    cut = _BLANK_LINE.search(content)
    end = cut.start() if cut else len(content)
    lines = content[:end].split(b"\n")
    stray = [at for at, line in enumerate(lines) if not _HEADER.match(line)]
    if not stray or len(lines) > _MOST_HEADER_LINES:
        return content
    for at in stray:
        if not any(_KNOWN.match(line) for line in lines[at + 1 : at + 4]):
            return content
    for at in stray:
        lines[at] = b" " + lines[at] if at else b"X-Stray-Line: " + lines[at]
    return b"\n".join(lines) + content[end:]


def _apart(content: bytes) -> tuple[Message, Bodies]:
    cut = _BLANK_LINE.search(content)
    head, body = (content[: cut.start()], content[cut.end() :]) if cut else (content, b"")
    message = attempt(lambda: _parsed(head + b"\n\n"), None)
    return message or Message(), Bodies(decoded(body).replace("\r\n", "\n"), "", ())


def _parsed(content: bytes) -> Message:
    return message_from_bytes(content, policy=_POLICY)
