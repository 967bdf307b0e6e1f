"""Messages as files: one .eml file, or a folder of them. The position is the file's name
below the folder, in sorted order, so that a resume opens nothing before it.

Laws kept here: nothing lost in silence: a file that can't be opened, or is too large, is a
record with a flaw, and a subfolder that can't be listed refuses the start.
"""

from __future__ import annotations

import os
from array import array
from bisect import bisect_left
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulkload.errors import RefusedToStart
from bulkload.model import Position, Record
from bulkload.sources import fingerprint
from bulkload.sources.files import MAX_RECORD_BYTES
from bulkload.sources.lines import too_large
from bulkload.sources.streams import Stream

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

EXTENSIONS = (".eml", ".eml.gz")


class EmlSource:
    """One message file, or every one below a folder (hidden files and folders left out).

    `all_files` takes any file below the folder, not only *.eml (`--format eml`). The listing
    is made once, at first need: two strings' worth of memory a file, and no open file.
    Listing raises RefusedToStart where a folder can't be listed or holds no message.
    """

    format = "eml"
    noun = "file"

    def __init__(
        self,
        path: str | os.PathLike[str],
        name: str | None = None,
        *,
        max_record_bytes: int = MAX_RECORD_BYTES,
        all_files: bool = False,
    ) -> None:
        self.path = Path(path).absolute()
        self.name = str(path) if name is None else name
        self.max_record_bytes = max_record_bytes
        self.all_files = all_files
        self._names: list[str] | None = None
        self._sizes = array("q")
        self._renamed: dict[str, str] = {}
        self._consumed = 0

    def options(self) -> dict[str, Any]:
        """What reading needs beside the path: JSON, for the run's journal."""
        return {"max_record_bytes": self.max_record_bytes, "all_files": self.all_files}

    def fingerprint(self) -> dict[str, Any]:
        if not self.path.is_dir():
            return fingerprint.of_file(self.path, self.name)
        return fingerprint.of_names(zip(self.names(), self._sizes, strict=True))

    def size(self) -> int | None:
        try:
            self.names()
        except RefusedToStart:
            return None
        return sum(self._sizes)

    def consumed(self) -> int:
        return self._consumed

    def names(self) -> list[str]:
        """The files' names below the folder, sorted."""
        if self._names is None:
            self._names = self._listed()
        return self._names

    def records(self, start: Position | None = None) -> Generator[Record, None, None]:
        names = self.names()
        first = bisect_left(names, str(start.at)) if start else 0
        self._consumed = sum(self._sizes[:first])
        for index in range(first, len(names)):
            yield self._record(names[index], index)
            self._consumed += self._sizes[index]

    def _record(self, name: str, index: int) -> Record:
        position = Position(name, index + 1)
        folder = self.path if self.path.is_dir() else self.path.parent
        path = folder / self._renamed.get(name, name)
        try:
            stream = Stream(path, name)
        except RefusedToStart as error:
            return Record(position, "mail", None, None, str(error))
        held: list[bytes] = []
        size = 0
        try:
            while block := stream.read():
                size += len(block)
                if size > self.max_record_bytes:
                    break
                held.append(block)
        finally:
            stream.close()
        if size > self.max_record_bytes:
            size = max(size, self._sizes[index])  # of gzip: what was read of it
            flaw = too_large("message", size, self.max_record_bytes)
            return Record(position, "mail", None, None, flaw)
        return Record(position, "mail", b"".join(held), None, stream.flaw)

    def _listed(self) -> list[str]:
        if not self.path.is_dir():
            self._sizes = array("q", [_size(self.path)])
            return [_shown(self.path.name, self._renamed)]
        found = sorted(self._walk(self.path, ""))
        if not found:
            raise RefusedToStart(self._nothing_found())
        self._sizes = array("q", (size for _, size in found))
        return [name for name, _ in found]

    def _walk(self, folder: Path, prefix: str) -> Iterator[tuple[str, int]]:
        # An explicit stack: a deep tree must not meet the recursion limit.
        stack = [(str(folder), prefix)]
        while stack:
            here, prefix = stack.pop()
            try:
                with os.scandir(here) as entries:
                    for entry in entries:
                        if entry.name.startswith("."):
                            continue
                        if entry.is_dir(follow_symlinks=False):
                            stack.append((entry.path, f"{prefix}{entry.name}/"))
                        elif self._wanted(entry):
                            yield _shown(prefix + entry.name, self._renamed), _size(entry)
            except OSError as error:
                raise RefusedToStart(
                    f"{self.name}: the folder {prefix or '.'} can't be listed: "
                    f"{error.strerror or error}. Make it readable, or move it away."
                ) from None

    def _wanted(self, entry: os.DirEntry[str]) -> bool:
        if not self.all_files and not entry.name.lower().endswith(EXTENSIONS):
            return False
        # A link that leads nowhere is a file that can't be opened, never left out; a link to a
        # folder is not followed (it may lead back), and sockets and pipes are no messages.
        return entry.is_file() or (entry.is_symlink() and not os.path.exists(entry.path))  # noqa: PTH110

    def _nothing_found(self) -> str:
        wanted = "no file" if self.all_files else "no *.eml file"
        text = f"{self.name}: {wanted} in this folder or below (hidden ones are left out)."
        others = sorted(
            {
                suffix
                for entry in os.scandir(self.path)
                for suffix in (".ndjson", ".jsonl", ".csv", ".tsv", ".mbox")
                if entry.name.lower().endswith((suffix, suffix + ".gz"))
            }
        )
        if others:
            globs = " ".join(f"'{self.name.rstrip('/')}/*{suffix}'" for suffix in others)
            return f"{text} It holds {', '.join(others)} files: name them, as in {globs}."
        return text if self.all_files else f"{text} With --format eml every file is a message."


def _size(entry: os.DirEntry[str] | Path) -> int:
    try:
        return entry.stat().st_size
    except OSError:
        return 0


def _shown(name: str, renamed: dict[str, str]) -> str:
    """A name that JSON can hold; `renamed` remembers those that are not UTF-8 on disk."""
    shown = os.fsencode(name).decode("utf-8", "backslashreplace")
    if shown != name:
        renamed[shown] = name
    return shown
