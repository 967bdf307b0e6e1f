"""Outlook's own files: how they are known, and what turns them into mail where they can't be read.

Source: [MS-PST] 2.2.2.6 (`!BDN` at the beginning of .pst and .ost) and [MS-CFB] 2.2 (the compound
file that a .msg is); readpst is of libpst, msgconvert of Email::Outlook::Message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container

_PST, _MSG = b"!BDN", bytes.fromhex("d0cf11e0a1b11ae1")

FROM_PST = "Outlook's .pst and .ost become mbox files by `readpst -r -o FOLDER FILE`"
FROM_MSG = "Outlook's .msg become .eml files by `msgconvert FILE`"


def outlook(endings: Container[str]) -> str:
    """What to do about the files with these endings; "" where none is Outlook's."""
    words = [FROM_PST] if ".pst" in endings or ".ost" in endings else []
    return "; ".join([*words, FROM_MSG] if ".msg" in endings else words)


def outlook_by_content(head: bytes) -> str | None:
    """The format of a file that begins so, if it is one of Outlook's."""
    if head.startswith(_PST):
        return "pst"
    return "msg" if head.startswith(_MSG) else None
