"""A path → the mail folder that it stands for, as its user knows it. Pure.

Dialects: Thunderbird keeps the folders below `Inbox` in `Inbox.sbd/`; Apple Mail makes
`Sent.mbox/mbox` and `Sent.mbox/…/Messages/1.emlx`; Maildir++ writes `.Sent.2019` for
`Sent/2019` [Courier's and Dovecot's documentation]; IMAP servers keep names in modified UTF-7
[RFC 3501, 5.1.3]. Folders are shown with slashes.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from bulkload.sources.unpack import PACKED

if TYPE_CHECKING:
    from pathlib import PurePath

INBOX = "INBOX"

_MBOX = (".mbox", ".mbx", ".sbd")
_ENCODED = re.compile(r"&([A-Za-z0-9+,]*)-")


def folder_of(path: PurePath) -> str:
    """The folder that an mbox file is: its stem, below what the folders around it show; what
    is no UTF-8 in it is escaped.
    """
    above = [stem(part) for part in path.parts[:-1] if part.lower().endswith(_MBOX)]
    own = stem(path.name)
    folder = "/".join(above if above and own == "mbox" else [*above, own])
    return os.fsencode(folder).decode("utf-8", "backslashreplace")


def folder_above(path: PurePath) -> str:
    """The folder that a message's file at `path`, below the source's root, lies in."""
    boxes = [stem(part) for part in path.parts[:-1] if part.lower().endswith(_MBOX)]
    return "/".join(boxes or path.parts[:-1])


def stem(name: str) -> str:
    """A file's name without what says only its format."""
    for endings in (PACKED, _MBOX):
        ending = next((each for each in endings if name.lower().endswith(each)), "")
        name = name[: len(name) - len(ending)] or name
    return name


def maildir_folder(path: PurePath) -> str:
    """The folder that a Maildir is; `path` is below the source's root, "." the root itself.

    A folder named Maildir is a user's whole mailbox, so its own messages are the inbox.
    """
    parts = [part for part in path.parts if part.strip(".").lower() != "maildir"]
    names = [name for part in parts for name in (part[1:].split(".") if part[0] == "." else [part])]
    return "/".join(decoded(name) for name in names if name) or INBOX


def decoded(name: str) -> str:
    """`name` out of IMAP's modified UTF-7; as it stands where it is none."""
    try:
        return _ENCODED.sub(lambda found: _utf7(found[1]), name)
    except UnicodeError:
        return name


def _utf7(text: str) -> str:
    return f"+{text.replace(',', '/')}-".encode().decode("utf-7") if text else "&"
