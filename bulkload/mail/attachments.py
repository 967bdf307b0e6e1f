"""The files in a message with their bytes, for upload. Pure.

Law kept here: what is uploaded is what was listed: the same files with the same names, in the
order of `Email.attachments`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulkload.mail.bodies import bodies
from bulkload.mail.envelope import without_envelope
from bulkload.mail.files import files
from bulkload.mail.layout import laid_out
from bulkload.mail.mime import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bulkload.model import Attachment


def contents(raw: bytes) -> Iterator[tuple[Attachment, bytes]]:
    """Each file of the message in `raw`, with or without an mbox line in front, and its bytes.

    One file at a time is in memory. Never raises.
    """
    root = parse(without_envelope(raw)[1])
    listed = bodies(root).attachments
    for attachment, file in zip(listed, files(laid_out(root)), strict=True):
        yield attachment, file.content()
