"""A folder → what mail it holds. Looks at names, and at the first bytes where they don't tell.

Mail programs keep folders of mbox files (Thunderbird: without an ending, with folders named
*.sbd; Apple Mail: `Sent.mbox/mbox`), Maildirs, MH folders, or a file a message. Hidden files
and folders are left out, as are links to folders.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

from bulkload.errors import RefusedToStart
from bulkload.sources.eml import EXTENSIONS
from bulkload.sources.maildir import is_maildir
from bulkload.sources.mbox import ENVELOPE, MBOX_EXTENSIONS
from bulkload.sources.mh import SEQUENCES, is_number
from bulkload.sources.ndjson import BOM

if TYPE_CHECKING:
    from pathlib import Path

_HEADER = re.compile(rb"(?:From |[!-9;-~]+[ \t]*:)")
_MBOX = tuple(each + packed for each in MBOX_EXTENSIONS for packed in ("", ".gz"))


class Survey(NamedTuple):
    """What a folder holds, at whatever depth: its mbox files' paths, sorted, and whether there
    are Maildirs, MH folders and message files.
    """

    mboxes: list[str]
    maildirs: bool
    mh: bool
    files: bool


def survey(root: Path, name: str) -> Survey:
    """Raises RefusedToStart where a folder can't be listed."""
    mboxes: list[str] = []
    maildirs = mh = files = False
    stack = [str(root)]
    while stack:
        here = stack.pop()
        try:
            with os.scandir(here) as entries:
                held = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            raise RefusedToStart(
                f"{name}: the folder {os.path.relpath(here, root)} can't be listed: "
                f"{error.strerror or error}. Make it readable, or move it away."
            ) from None
        folders = [each.name for each in held if each.is_dir(follow_symlinks=False)]
        if is_maildir(folders):
            maildirs = True
            continue
        stack += [os.path.join(here, each) for each in folders if not each.startswith(".")]  # noqa: PTH118  # made for each folder of a tree
        tried = False  # one number is looked into, not a hundred thousand
        for entry in held:
            mh = mh or entry.name == SEQUENCES
            if entry.name.startswith(".") or not entry.is_file():
                continue
            lower = entry.name.lower()
            if lower.endswith(EXTENSIONS):
                files = True
            elif is_number(lower):
                mh = mh or (not tried and _HEADER.match(_begins(entry.path, name)) is not None)
                tried = True
            elif lower.endswith(_MBOX):
                if entry.stat().st_size:
                    mboxes.append(entry.path)
            elif _begins(entry.path, name).removeprefix(BOM).startswith(ENVELOPE):
                mboxes.append(entry.path)
    return Survey(sorted(mboxes), maildirs, mh, files)


def _begins(path: str, name: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123  # a str path costs nothing
            return file.read(256)
    except OSError as error:
        raise RefusedToStart(
            f"{name}: {path} can't be looked into, so what it is can't be told: "
            f"{error.strerror or error}. Make it readable, or move it away."
        ) from None
