"""Messages that are a file each: what eml trees, Maildirs and MH folders have in common.

Laws kept here: nothing lost in silence: a file that can't be opened, or is too large, is a
record with a flaw, and a folder that can't be listed refuses the start; a resume opens
nothing before its position.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from array import array
from bisect import bisect_left
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from bulkload.errors import RefusedToStart
from bulkload.model import Position, Record
from bulkload.sources import fingerprint
from bulkload.sources.asked import MAX_RECORD_BYTES
from bulkload.sources.lines import too_large
from bulkload.sources.mbox import holds_several
from bulkload.sources.members import open_stream
from bulkload.sources.places import Local

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from bulkload.protocols import Source
    from bulkload.sources.streams import Stream


GONE = -1
"""The size of a message that is not there any more."""


SEVERAL = "the file holds several messages: it is an mbox. Load it alone, with --format mbox"


class MessageFiles:
    """A folder of messages. A format says which files they are (`_listed`), and in what order
    (`_order`); a position is a file's name below the folder, with slashes.

    The listing is made once, at first need: two strings' worth of memory a file, and no open
    file. Listing raises RefusedToStart where a folder can't be listed or holds no message. With
    the `listing` of an earlier life, those messages are the source, whatever came since.
    """

    format = ""
    noun = "file"

    def __init__(
        self,
        path: str | os.PathLike[str],
        name: str | None = None,
        *,
        max_record_bytes: int = MAX_RECORD_BYTES,
        listing: Sequence[str] | None = None,
    ) -> None:
        self.path = Path(path).absolute()
        self.name = str(path) if name is None else name
        self.max_record_bytes = max_record_bytes
        self._kept = listing
        self._names: list[str] | None = None
        self._sizes = array("q")
        self._renamed: dict[str, str] = {}
        self._consumed = 0

    @property
    def address(self) -> str:
        return str(self.path)

    def options(self) -> dict[str, Any]:
        """What reading needs beside the path: JSON, for the run's journal."""
        return {"max_record_bytes": self.max_record_bytes}

    def fingerprint(self) -> dict[str, Any]:
        return fingerprint.of_names(zip(self.names(), self._sizes, strict=True))

    def listing(self) -> Sequence[str] | None:
        """What a later life needs to know the source by; None: its fingerprint is enough."""
        return self.names() if self._kept is None else self._kept

    def gone(self) -> list[str]:
        """Those of the listing that are not there any more."""
        return [name for name, size in zip(self.names(), self._sizes, strict=True) if size == GONE]

    def extended(
        self,
        earlier: Iterable[Source],
        last: Position | None,  # noqa: ARG002  # names are all that is needed
    ) -> Self | None:
        """The messages that came since; see `protocols.Growing`. What is one file has none."""
        if self.listing() is None:
            return None
        known: set[str] = set()
        for each in earlier:
            if isinstance(each, MessageFiles):
                known.update(each.listing() or ())
        now = type(self)(self.path, self.name, **self.options())
        came = [name for name in now.found() if name not in known]
        return type(self)(self.path, self.name, **self.options(), listing=came) if came else None

    def still(self, bound: dict[str, Any]) -> bool:  # noqa: ARG002  # as the protocol has it
        """Each message is opened by its name, and missed by it."""
        return True

    def size(self) -> int | None:
        try:
            self.names()
        except RefusedToStart:
            return None
        return sum(self._sizes)

    def consumed(self) -> int:
        return self._consumed

    def names(self) -> list[str]:
        """The messages' positions, in order; never none."""
        if not self.found():
            raise RefusedToStart(self._nothing_found())
        return self.found()

    def found(self) -> list[str]:
        """As `names`; but it may be that there is none."""
        if self._names is None:
            if self._kept is None:
                found = self._in_order(self._listed())
            else:
                sizes = dict(self._listed())
                found = [(name, sizes.get(name, GONE)) for name in self._kept]
            self._sizes = array("q", (size for _, size in found))
            self._names = [name for name, _ in found]
        return self._names

    def records(self, start: Position | None = None) -> Generator[Record, None, None]:
        names = self.names()
        first = 0 if start is None else self._index(start)
        self._consumed = sum(self._sizes[:first])
        for index in range(first, len(names)):
            yield self._record(names[index], index)
            self._consumed += self._sizes[index]

    @abstractmethod
    def _listed(self) -> Iterable[tuple[str, int]]:
        """(position, bytes) of each message, in any order."""

    @abstractmethod
    def _nothing_found(self) -> str:
        """What to say where there is no message."""

    @abstractmethod
    def _folder(self, name: str) -> str:
        """The mail folder of the message at this position."""

    def _order(self, name: str) -> Any:
        return name

    def _in_order(self, found: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
        return sorted(found, key=lambda each: self._order(each[0]))

    def _index(self, start: Position) -> int:
        return bisect_left(self.names(), self._order(str(start.at)), key=self._order)

    def _opened(self, name: str) -> Stream:
        return open_stream(Local(self.path / self._on_disk(name)), name)

    def _on_disk(self, name: str) -> str:
        return self._renamed.get(name, name)

    def _flags(self, name: str) -> str:  # noqa: ARG002  # a Maildir's are in the name
        return ""

    def _content(self, name: str, raw: bytes) -> tuple[bytes, str | None]:  # noqa: ARG002  # so is Apple's format
        """The message in a file, and why it is none."""
        return raw, None

    def _record(self, name: str, index: int) -> Record:
        position = Position(name, index + 1)
        folder = self._folder(name)
        try:
            stream = self._opened(name)
        except RefusedToStart as error:
            return Record(position, "mail", None, None, str(error), folder)
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
        flags = self._flags(name)
        if size > self.max_record_bytes:
            size = max(size, self._sizes[index])  # of gzip: what was read of it
            flaw = too_large("message", size, self.max_record_bytes)
            return Record(position, "mail", None, None, flaw, folder, flags)
        raw, cut = self._content(name, b"".join(held))
        why = stream.flaw or cut or (SEVERAL if holds_several(raw) else None)
        return Record(position, "mail", raw, None, why, folder, flags)

    def _shown(self, name: str) -> str:
        """A name that JSON can hold; `_renamed` remembers those that are not UTF-8 on disk."""
        shown = os.fsencode(name).decode("utf-8", "backslashreplace")
        if shown != name:
            self._renamed[shown] = name
        return shown

    def _files(self, *, maildirs: bool = False) -> Iterator[tuple[str, os.DirEntry[str]]]:
        """(name below the root, entry) of each file, those in `maildirs` too; hidden files and
        folders left out.
        """
        # An explicit stack: a deep tree must not meet the recursion limit.
        stack = [""]
        while stack:
            prefix = stack.pop()
            if not maildirs and is_maildir(self.path / prefix):
                continue
            for entry in self._entries(prefix):
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    stack.append(f"{prefix}{entry.name}/")
                else:
                    yield prefix + entry.name, entry

    def _entries(self, prefix: str) -> Iterator[os.DirEntry[str]]:
        """What lies in a folder below the root; `prefix` is its name with a slash, or ""."""
        try:
            with os.scandir(self.path / prefix) as entries:
                yield from entries
        except OSError as error:
            if not prefix and not self.path.exists():
                raise RefusedToStart(
                    f"{self.name}: there is no such file. Check the path."
                ) from None
            raise RefusedToStart(
                f"{self.name}: the folder {prefix or '.'} can't be listed: "
                f"{error.strerror or error}. Make it readable, or move it away."
            ) from None


def is_maildir(folder: Path) -> bool:
    """Whether it is one by its own right; it may hold others."""
    return (folder / "cur").is_dir() and (folder / "new").is_dir()


def size_of(entry: os.DirEntry[str] | Path) -> int:
    """Bytes of a file; 0 where it can't be asked."""
    try:
        return entry.stat().st_size
    except OSError:
        return 0


def is_message(entry: os.DirEntry[str]) -> bool:
    """Whether it is a file, or a link that leads nowhere: a file that can't be opened, never
    left out. A link to a folder is not followed (it may lead back); sockets are no messages.
    """
    try:
        return entry.is_file() or (entry.is_symlink() and not os.path.exists(entry.path))  # noqa: PTH110  # a path object a file is dear
    except OSError:
        return True  # a link to itself
