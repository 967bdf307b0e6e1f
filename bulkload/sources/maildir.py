"""Maildir: messages in `cur/` and `new/`, a file each, and folders in it.

The position is the message's unique name without its flags, below the folder's own, as
flags change at any time (a mail program renames the file) and the message stays. What is in
`tmp/` is not delivered yet: no message. Folders are Maildir++'s (`.Sent.2019`), or folders
in folders, as Dovecot keeps them with LAYOUT=fs.

Law kept here: a message that is renamed while it is read is found again, and read once.
[Names: cr.yp.to/proto/maildir.html; "!", ";" and "-" stand for ":" where a file's name can't have
one.]
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from bulkload.errors import RefusedToStart
from bulkload.sources.asked import MAX_RECORD_BYTES
from bulkload.sources.folders import maildir_folder
from bulkload.sources.messages import MessageFiles, is_maildir, is_message, size_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bulkload.sources.streams import Stream

_INFO = re.compile(r"(.+)(?:[:;!]2,|-2,(?=[A-Z]*$))([A-Za-z]*)")  # a host's name may have "-2,"
_FLAGS = frozenset("DFPRST")
_PLACES = ("new", "cur")  # in this order: a message moves from the one to the other
_TRIES = 3


class MaildirSource(MessageFiles):
    """Every message of a Maildir and of the Maildirs below it, at whatever depth.

    Memory: three strings' worth a message.
    """

    format = "maildir"
    noun = "message"

    def __init__(
        self,
        path: str | os.PathLike[str],
        name: str | None = None,
        *,
        max_record_bytes: int = MAX_RECORD_BYTES,
        listing: Sequence[str] | None = None,
    ) -> None:
        super().__init__(path, name, max_record_bytes=max_record_bytes, listing=listing)
        self._looked: dict[Path, tuple[int, ...]] = {}

    def _listed(self) -> Iterator[tuple[str, int]]:
        stack = [""]
        while stack:
            prefix = stack.pop()
            held = is_maildir(self.path / prefix)
            if held:
                yield from self._messages(prefix)
            stack += [
                f"{prefix}{entry.name}/"
                for entry in self._entries(prefix)
                if entry.is_dir(follow_symlinks=False)
                and not (held and entry.name in (*_PLACES, "tmp"))
            ]

    def _messages(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Those of one Maildir. What is listed in two places was moved meanwhile, unless both
        files are there: then they are two (a copy made without removing what was renamed).
        """
        found: dict[str, list[os.DirEntry[str]]] = {}
        for place in _PLACES:
            if (self.path / prefix / place).is_dir():
                for entry in self._entries(f"{prefix}{place}/"):
                    if not entry.name.startswith(".") and is_message(entry):
                        found.setdefault(unique(entry.name), []).append(entry)
        for name, entries in found.items():
            held = entries
            if len(entries) > 1:
                held = [each for each in entries if os.path.lexists(each.path)] or entries[-1:]
                held.sort(key=lambda each: each.name)
            for nth, entry in enumerate(held, 1):
                numbered = name if nth == 1 else f"{name} ({nth})"
                shown = self._shown(prefix + numbered)
                self._renamed[shown] = str(Path(entry.path).relative_to(self.path))
                yield shown, size_of(entry)

    def _opened(self, name: str) -> Stream:
        for _ in range(_TRIES):
            try:
                return super()._opened(name)
            except RefusedToStart:
                if os.path.lexists(self.path / self._on_disk(name)):
                    raise
                if not self._find_again(name):
                    raise
        return super()._opened(name)

    def _find_again(self, name: str) -> bool:
        """Look where a message is that was listed elsewhere; its flags were changed since.

        The whole Maildir is listed again, as such changes come by the thousand; and only if it
        changed since it was last, as messages are removed by the thousand, too.
        """
        old = self._on_disk(name)
        maildir = Path(old).parent.parent
        places = [maildir / place for place in _PLACES]
        state = tuple(_changed(self.path / place) for place in places)
        if self._looked.get(maildir) != state:
            self._looked[maildir] = state
            for place in places:
                self._look(place)
        return self._on_disk(name) != old

    def _look(self, place: Path) -> None:
        prefix = f"{place.parent}/" if place.parent.name else ""
        try:
            names = os.listdir(self.path / place)  # noqa: PTH208  # paths cost more than names
        except OSError:
            return
        for now in names:
            shown = os.fsencode(prefix + unique(now)).decode("utf-8", "backslashreplace")
            if shown in self._renamed:
                self._renamed[shown] = str(place / now)

    def _flags(self, name: str) -> str:
        found = _INFO.fullmatch(Path(self._on_disk(name)).name)
        return "".join(sorted(_FLAGS.intersection(found[2]))) if found else ""

    def _folder(self, name: str) -> str:
        return maildir_folder(PurePosixPath(name).parent)

    def _nothing_found(self) -> str:
        return (
            f"{self.name}: no message in cur/ or new/ in this folder or below. Check the path: "
            "a Maildir is named by the folder that holds cur/ and new/."
        )


def _changed(folder: Path) -> int:
    """When a file was last put into the folder or taken from it; 0 where it can't be asked."""
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0


def unique(name: str) -> str:
    """A file's name without its flags: what stays the message's own."""
    found = _INFO.fullmatch(name)
    return found[1] if found else name
