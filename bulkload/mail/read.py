"""Message bytes → Email. Pure, and never raises anything but UnreadableRecord.

Law kept here: nothing lost: whatever bytes stand in a mailbox end as an Email, best effort, or
as an error that says why.
"""

from __future__ import annotations

from bulkload.errors import UnreadableRecord
from bulkload.mail import addresses
from bulkload.mail.bodies import bodies
from bulkload.mail.dates import sent_at
from bulkload.mail.envelope import without_envelope
from bulkload.mail.mime import parse
from bulkload.mail.threads import identified, labels
from bulkload.mail.traits import traits
from bulkload.model import Email

_PEOPLE = ("sender", "from", "to", "cc", "bcc")


def read_email(raw: bytes, zone: str = "UTC") -> Email:
    """The message in `raw`, with or without an mbox line in front of it.

    `zone` is the IANA name of the time zone that a date without one is meant in. Raises
    UnreadableRecord where there is neither a header nor a body.
    """
    envelope, content = without_envelope(raw)
    if not content.strip(b"\r\n\t \0"):
        raise UnreadableRecord("the message is empty: no headers and no body")
    notes: list[str] = []
    root = parse(content)
    body = bodies(root)
    headers = root.headers
    if headers.stray:
        notes.append("a line among the headers is none: it was taken as part of the one before")
    if not headers.fields:
        if not (body.text.strip() or body.html.strip()):
            raise UnreadableRecord("the message has no headers and no readable body")
        notes.append("the message has no headers")
    charset = root.params.get("charset", "")
    people = {name: addresses.addresses(headers, name, charset) for name in _PEOPLE}
    moment, date_notes = sent_at(headers, envelope, zone)
    return Email(
        sent_at=moment,
        subject=" ".join(headers.text("subject", charset).split()),
        text=body.text,
        html=body.html,
        sender=people["sender"].found,
        from_=people["from"].found,
        to=people["to"].found,
        cc=people["cc"].found,
        bcc=people["bcc"].found,
        message_id=next(iter(identified(headers, "message-id")), ""),
        in_reply_to=next(iter(identified(headers, "in-reply-to")), ""),
        references=identified(headers, "references"),
        thread_id=headers.text("x-gm-thrid").strip(),
        list_id=next(iter(identified(headers, "list-id")), ""),
        labels=labels(headers),
        attachments=body.attachments,
        traits=traits(root),
        notes=(*notes, *body.notes, *date_notes, *addresses.notes(people.items())),
    )
