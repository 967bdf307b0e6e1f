"""Messages as files: one .eml file, or a folder of them. The position is the file's name
below the folder, in sorted order.

Apple Mail's .emlx is one too: a line with a count of bytes, the message, then a property list
of Apple's own, which is no part of the record.
"""

from __future__ import annotations

import os
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar

from bulkload.sources.asked import MAX_RECORD_BYTES
from bulkload.sources.folders import folder_above
from bulkload.sources.messages import MessageFiles, is_message, size_of
from bulkload.sources.places import Local
from bulkload.sources.unpack import PACKED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

EXTENSIONS = (".eml", *(f".eml{packed}" for packed in PACKED), ".emlx")


_OTHERS = (
    ".ndjson", ".jsonl", ".csv", ".tsv", ".mbox", ".zip", ".tgz", ".tar", ".pst", ".ost",
)  # fmt: skip

MOST_DIGITS = 15
"""Of the count of bytes that an .emlx begins with."""


class EmlSource(MessageFiles):
    """One message file, or every one below a folder (hidden files and folders left out).

    `all_files` takes any file below the folder, not only *.eml outside Maildirs
    (`--format eml`).
    """

    format = "eml"
    extensions: ClassVar[tuple[str, ...]] = EXTENSIONS

    def __init__(
        self,
        path: str | os.PathLike[str],
        name: str | None = None,
        *,
        max_record_bytes: int = MAX_RECORD_BYTES,
        listing: Sequence[str] | None = None,
        all_files: bool = False,
    ) -> None:
        super().__init__(path, name, max_record_bytes=max_record_bytes, listing=listing)
        self.all_files = all_files

    def options(self) -> dict[str, Any]:
        return {**super().options(), "all_files": self.all_files}

    def fingerprint(self) -> dict[str, Any]:
        if not self.path.is_dir():
            return Local(self.path).fingerprint(self.name)
        return super().fingerprint()

    def still(self, bound: dict[str, Any]) -> bool:
        return self.path.is_dir() or self.fingerprint() == bound

    def listing(self) -> Sequence[str] | None:
        return super().listing() if self.path.is_dir() else None

    def _listed(self) -> Iterator[tuple[str, int]]:
        if not self.path.is_dir():
            yield self._shown(self.path.name), size_of(self.path)
            return
        for name, entry in self._files(maildirs=self.all_files):
            if self._wanted(entry):
                yield self._shown(name), size_of(entry)

    def _wanted(self, entry: os.DirEntry[str]) -> bool:
        if not self.all_files and not entry.name.lower().endswith(self.extensions):
            return False
        return is_message(entry)

    def _folder(self, name: str) -> str:
        return folder_above(PurePosixPath(name))

    def _on_disk(self, name: str) -> str:
        name = super()._on_disk(name)
        return name if self.path.is_dir() else str(self.path.parent / name)

    def _content(self, name: str, raw: bytes) -> tuple[bytes, str | None]:
        count, _, rest = raw.partition(b"\n")
        count = count.strip()
        if not name.lower().endswith(".emlx") or not count.isdigit() or len(count) > MOST_DIGITS:
            return raw, None
        size = int(count)
        flaw = f"the file ends {size - len(rest):,} bytes before its message does"
        return rest[:size], flaw if size > len(rest) else None

    def _nothing_found(self) -> str:
        wanted = "no file" if self.all_files else "no *.eml file"
        text = f"{self.name}: {wanted} in this folder or below (hidden ones are left out)."
        others = sorted(
            {
                suffix
                for entry in os.scandir(self.path)
                for suffix in _OTHERS
                if entry.name.lower().endswith((suffix, *(suffix + packed for packed in PACKED)))
            }
        )
        if others:
            globs = " ".join(f"'{self.name.rstrip('/')}/*{suffix}'" for suffix in others)
            return f"{text} It holds {', '.join(others)} files: name them, as in {globs}."
        return (
            text
            if self.all_files
            else (
                f"{text} Nor is there an mbox file, a Maildir or an MH folder. "
                "With --format eml every file is a message."
            )
        )
