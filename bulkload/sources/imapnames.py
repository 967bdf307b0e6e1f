"""Pure: what an IMAP server says of folders and messages, in the words that other sources use.

A folder that the server marks by its use (RFC 6154) and whose name does not tell it is shown with
that below its name, as `Post/Junk`. A message's flags are those of a Maildir's name. Gmail's labels
and thread (developers.google.com/workspace/gmail/imap/imap-extensions) become the headers that
Google's Takeout writes, in front of the message's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bulkload.mail.folders import folder_kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_USES = {
    "\\sent": ("sent", "Sent"),
    "\\drafts": ("drafts", "Drafts"),
    "\\trash": ("trash", "Trash"),
    "\\junk": ("spam", "Junk"),
}
_FLAGS = {
    b"\\seen": "S",
    b"\\answered": "R",
    b"\\flagged": "F",
    b"\\draft": "D",
    b"\\deleted": "T",
    b"$forwarded": "P",
}
GROUP_MESSAGES = 50
GROUP_BYTES = 2 << 20
"""Messages that are fetched at a time are no more, nor together larger, unless it is one."""


class Sized(NamedTuple):
    """A message before it is fetched."""

    uid: int
    size: int
    flags: str
    before: bytes


def shown(name: str, delimiter: str, use: str) -> str:
    """The folder as its user knows it, with slashes; `use`: its special use, "" where none."""
    folder = name.replace(delimiter, "/") if delimiter else name
    kind, word = _USES.get(use.lower(), (None, ""))
    return f"{folder}/{word}" if word and folder_kind(folder) != kind else folder


def letters(flags: Iterable[bytes]) -> str:
    """The letters of a Maildir's name, sorted."""
    return "".join(sorted({_FLAGS[flag.lower()] for flag in flags if flag.lower() in _FLAGS}))


def headers(labels: Sequence[str], thread: int | None) -> bytes:
    """Gmail's, as lines of a message's header."""
    names = [label.removeprefix("\\") for label in labels]
    quoted = [
        f'"{name.replace(chr(34), chr(34) * 2)}"' if set(',"') & {*name} else name for name in names
    ]
    lines = [f"X-GM-THRID: {thread}\r\n"] if thread is not None else []
    if quoted:
        lines.append(f"X-Gmail-Labels: {','.join(quoted)}\r\n")
    return "".join(lines).encode()


def grouped(messages: Iterable[Sized], limit: int) -> Iterator[list[Sized]]:
    """In their order; one that is larger than `limit` bytes, and is not fetched, by itself."""
    group: list[Sized] = []
    size = 0
    for message in messages:
        full = len(group) == GROUP_MESSAGES or size + message.size > GROUP_BYTES
        if group and (full or message.size > limit):
            yield group
            group, size = [], 0
        group.append(message)
        size += message.size
        if message.size > limit:
            yield group
            group, size = [], 0
    if group:
        yield group
