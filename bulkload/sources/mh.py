"""MH: a folder whose messages are files named by numbers, and folders in it likewise.

The position is the file's name below the root: folder by folder, and in each by number.
What MH keeps beside them (.mh_sequences, and ",12" for a message that was removed) is no
message.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from bulkload.sources.messages import MessageFiles, is_message, size_of

if TYPE_CHECKING:
    from collections.abc import Iterator

SEQUENCES = ".mh_sequences"


class MhSource(MessageFiles):
    """Every message of an MH folder and of the folders below it (hidden ones, and Maildirs,
    left out).
    """

    format = "mh"

    def _listed(self) -> Iterator[tuple[str, int]]:
        for name, entry in self._files():
            if is_number(entry.name) and is_message(entry):
                yield self._shown(name), size_of(entry)

    def _order(self, name: str) -> tuple[str, int, str]:
        folder, _, number = name.rpartition("/")
        return folder, int(number) if is_number(number) else 0, number

    def _folder(self, name: str) -> str:
        """Named by the path below the root; by the root's own name for what lies in it."""
        above = PurePosixPath(name).parent
        return str(above) if above.parts else self.path.name

    def _nothing_found(self) -> str:
        return (
            f"{self.name}: no file named by a number in this folder or below, so it is no MH "
            "folder. Check the path, or leave --format away."
        )


def is_number(name: str) -> bool:
    """Whether a file of that name is a message of MH."""
    return name.isascii() and name.isdigit() and len(name) < 16
