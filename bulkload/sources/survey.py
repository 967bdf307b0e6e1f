"""A folder → what mail it holds. Looks at names, and at the first bytes where they don't tell.

Mail programs keep folders of mbox files (Thunderbird: without an ending, with folders named
*.sbd; Apple Mail: `Sent.mbox/mbox`), Maildirs, MH folders, or a file a message. Hidden files
and folders are left out, as are links to folders.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from bulkload.errors import RefusedToStart
from bulkload.sources.eml import EXTENSIONS
from bulkload.sources.mbox import MBOX_EXTENSIONS, begins_as_mbox
from bulkload.sources.messages import is_maildir, is_message, size_of
from bulkload.sources.mh import SEQUENCES, is_number
from bulkload.sources.unpack import PACKED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HEADER = re.compile(rb"(?:From |[!-9;-~]+[ \t]*:)")
_LETTER = re.compile(
    rb"(?:[!-9;-~]+[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*){0,40}?"
    rb"(?i:received|return-path|delivered-to|message-id|mime-version|from|to|subject|date)[ \t]*:"
    rb"[^\n]*\n(?:[ \t][^\n]*\n)*[!-9;-~]+[ \t]*:"
)
"""A header that mail has, and another one after it."""
_MBOX = tuple(each + packed for each in MBOX_EXTENSIONS for packed in ("", *PACKED))


class Survey(NamedTuple):
    """What a folder holds, at whatever depth: its mbox files' paths, sorted, and whether there
    are Maildirs, MH folders and message files. `left_out`: the other files, by their endings;
    `letters`: those that begin as messages do, and are named as something else.
    """

    mboxes: list[str]
    maildirs: bool
    mh: bool
    files: bool
    left_out: Counter[str]
    letters: Counter[str]


def survey(root: Path, name: str) -> Survey:
    """Raises RefusedToStart where a folder can't be listed."""
    mboxes: list[str] = []
    left_out: Counter[str] = Counter()
    letters: Counter[str] = Counter()
    maildirs = mh = files = False
    stack = [root]
    while stack:
        here = stack.pop()
        if is_maildir(here):
            maildirs = True
            continue
        tried = False  # one number is looked into, not a hundred thousand
        for entry in _entries(here, root, name):
            mh = mh or entry.name == SEQUENCES
            if entry.name.startswith("."):
                continue
            lower = entry.name.lower()
            if entry.is_dir(follow_symlinks=False):
                stack.append(here / entry.name)
            elif lower.endswith(EXTENSIONS):
                files = files or is_message(entry)
            elif not _is_file(entry):
                continue
            elif is_number(lower):
                mh = mh or (not tried and _HEADER.match(_begins(entry.path, name)) is not None)
                tried = True
            elif lower.endswith(_MBOX):
                if size_of(entry):
                    mboxes.append(entry.path)
            elif begins_as_mbox(begins := _begins(entry.path, name)):
                mboxes.append(entry.path)
            elif begins:
                kind = os.path.splitext(lower)[1] or "no ending"  # noqa: PTH122  # as above
                (letters if _LETTER.match(begins) else left_out)[kind] += 1
    return Survey(sorted(mboxes), maildirs, mh, files, left_out, letters)


def _entries(here: Path, root: Path, name: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(here) as entries:
            yield from entries
    except OSError as error:
        raise RefusedToStart(
            f"{name}: the folder {here.relative_to(root)} can't be listed: "
            f"{error.strerror or error}. Make it readable, or move it away."
        ) from None


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False  # a link to itself


def _begins(path: str, name: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123  # a str path costs nothing
            return file.read(256)
    except OSError as error:
        raise RefusedToStart(
            f"{name}: {path} can't be looked into, so what it is can't be told: "
            f"{error.strerror or error}. Make it readable, or move it away."
        ) from None
