"""Outlook's own files: they are not read, and whoever has them is told what turns them into mail.

Source: [MS-PST] 2.2.2.6 (`!BDN` at the beginning of .pst and .ost) and [MS-CFB] 2.2 (the compound
file that a .msg is); readpst is of libpst, msgconvert of Email::Outlook::Message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container

_PST, _MSG = b"!BDN", bytes.fromhex("d0cf11e0a1b11ae1")

_FROM_PST = "Outlook's .pst and .ost become mbox files by `readpst -r -o FOLDER FILE`"
_FROM_MSG = "Outlook's .msg become .eml files by `msgconvert FILE`"


def outlook(endings: Container[str]) -> str:
    """What to do about the files with these endings; "" where none is Outlook's."""
    words = [_FROM_PST] if ".pst" in endings or ".ost" in endings else []
    return "; ".join([*words, _FROM_MSG] if ".msg" in endings else words)


def outlook_by_content(head: bytes) -> str:
    """As `outlook`, of a file that begins so."""
    if head.startswith(_PST):
        return _FROM_PST
    return _FROM_MSG if head.startswith(_MSG) else ""
