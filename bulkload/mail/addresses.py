"""Address headers → mailboxes, never raising."""

from __future__ import annotations

import re
from email.utils import getaddresses
from typing import TYPE_CHECKING

from bulkload.mail.text import attempt, decoded
from bulkload.mail.words import words
from bulkload.model import Address

if TYPE_CHECKING:
    from bulkload.mail.headers import Headers

_ADDRESS = re.compile(
    r"[^\s<>,;:\"'()\[\]]{1,64}@[^\s<>,;:\"'()\[\]]{1,255}"
)  # bounded: a long header without an @ would take quadratic time


def addresses(headers: Headers, name: str, charset: str = "") -> tuple[Address, ...]:
    """Every mailbox of the headers of that name, in order; groups opened, oddities dropped."""
    found: list[Address] = []
    for value in headers.all(name):
        if value:
            found += _mailboxes(decoded(value, charset))
    return tuple(found)


def _mailboxes(value: str) -> list[Address]:
    pairs: list[tuple[str, str]] = attempt(lambda: getaddresses([value]), [])
    found = [_address(name, email) for name, email in pairs if "@" in email]
    if not found and "=?" in value and words(value) != value:
        # The whole mailbox inside an encoded word: wrong, and common.
        return _mailboxes(words(value).replace("=?", ""))
    # Where the standard library gives up on one mailbox it drops them all.
    return found or [Address(email) for email in _ADDRESS.findall(value)]


def _address(name: str, email: str) -> Address:
    email = "".join(words(email).split())
    name = " ".join(words(name).split()).strip("\"' ")
    if not name or name.lower() == email.lower():
        return Address(email)
    last, comma, first = name.partition(",")
    if comma and first.strip() and "," not in first:
        return Address(email, first.strip(), last.strip())
    first, _, last = name.partition(" ")
    return Address(email, first, last)
