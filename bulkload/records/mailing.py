"""Message → what is sent for it, by the rules of its run, or what leaves it out. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulkload.hubspot.properties import Shape, from_email
from bulkload.mail.envelope import without_envelope
from bulkload.mail.mime import parse
from bulkload.mail.mine import direction, external_people, owner_of
from bulkload.mail.read import read_email
from bulkload.mail.text import decoded
from bulkload.model import LeftOut, Mapped

if TYPE_CHECKING:
    from bulkload.model import Record
    from bulkload.records.rules import Rules


def from_mail(record: Record, raw: bytes, rules: Rules) -> Mapped | LeftOut:
    email = read_email(raw, rules.timezone)
    if (reason := rules.filters.reason(email, record, rules.mine)) is not None:
        return LeftOut(reason)
    shape = Shape(
        direction(email, rules.mine, record.folder),
        owner_of(email, rules.owners),
        rules.thread_property,
        rules.label_property,
        rules.too_long,
        rules.attachments,
    )
    value, notes = from_email(email, shape)
    if rules.associate:
        headers = parse(without_envelope(raw)[1]).headers
        tied = rules.associate.of_headers(lambda name: map(decoded, headers.all(name)))
        value = value._replace(associations=[*value.associations, *tied])
    return Mapped(
        value,
        external_people(email, rules.mine) if rules.people else (),
        notes,
        0 if rules.attachments == "list" else len(email.attachments),
        email.labels if rules.label_property else (),
        tuple(attachment.size for attachment in email.attachments),
    )
