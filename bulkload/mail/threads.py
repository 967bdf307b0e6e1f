"""What ties a message to others: its id, those it answers, and the labels it lies under."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bulkload.mail.headers import Headers

_BRACKETED = re.compile(r"<([^<>]*)>")
_BARE = re.compile(r"[^\s<>,;\"()]+@[^\s<>,;\"()]+")


def identified(headers: Headers, name: str) -> tuple[str, ...]:
    """The message ids in the first header of that name, without their brackets, each once.

    Without brackets a single word is an id, and so is what has an @ among other words
    ("Your message of … <id>", as RFC 822 had it, is left to the brackets).
    """
    raw = headers.get(name)
    if raw is None:
        return ()
    if raw.isascii() and b"=?" not in raw and b"\0" not in raw:
        value = raw.decode("ascii")
        written = value.split()
        if all(one[0] == "<" and one[-1] == ">" and one.count("<") == 1 for one in written):
            found = [identifier for one in written if (identifier := one.strip("<>"))]
            return tuple(found) if len(found) == 1 else tuple(dict.fromkeys(found))
    else:
        value = headers.text(name)
    value = value.strip()
    if "<" in value:
        found = ["".join(written.split()) for written in _BRACKETED.findall(value)]
        found = found or [value.strip("<> ")]
    else:
        value = value.strip("> ")
        found = _BARE.findall(value) if " " in value else [value]
    return tuple(dict.fromkeys(identifier for identifier in found if identifier))


def labels(headers: Headers) -> tuple[str, ...]:
    """Gmail's labels, as Takeout writes them: commas between them, quotes round those that hold
    one.
    """
    value = " ".join(headers.text("x-gmail-labels").split())
    if '"' not in value:
        return tuple(dict.fromkeys(label.strip() for label in value.split(",") if label.strip()))
    try:
        row = next(csv.reader([value], skipinitialspace=True))
    except csv.Error:  # a field past its limit
        row = value.split(",")
    return tuple(dict.fromkeys(label.strip() for label in row if label.strip()))
