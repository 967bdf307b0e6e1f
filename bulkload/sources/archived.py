"""Messages that are a file each inside an archive: a zip or a tar of .eml files.

The position is a message's name in the archive, its number the place in the archive's order:
a compressed tar can be read forwards only, so it is gone through once. The names are made known by
listing the archive, again at each resume. Memory: a hundred bytes a message.

Law kept here: nothing is unpacked, and no name in an archive is a path.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from bulkload.model import Position, Record
from bulkload.sources.asked import MAX_RECORD_BYTES
from bulkload.sources.folders import folder_above
from bulkload.sources.lines import too_large
from bulkload.sources.members import Member, open_member
from bulkload.sources.messages import MessageFiles
from bulkload.sources.places import Place, place_of
from bulkload.sources.streams import Part, Reading
from bulkload.sources.unpack import unpacked

if TYPE_CHECKING:
    import os
    from collections.abc import Generator, Iterable, Iterator

    from bulkload.sources.streams import Beginning, Stream


class ArchivedSource(MessageFiles):
    """The .eml files of one archive. (`--format` has no name for it: archives are known by
    their content.)
    """

    format = "archived"

    def __init__(
        self,
        where: str | os.PathLike[str] | Place,
        name: str | None = None,
        *,
        max_record_bytes: int = MAX_RECORD_BYTES,
        members: list[Member] | None = None,
    ) -> None:
        self.place = place_of(where)
        super().__init__(
            self.place.path, str(where) if name is None else name, max_record_bytes=max_record_bytes
        )
        self._members = members
        self._forwards: Reading | None = None
        self._stored: Beginning | None = None

    @property
    def address(self) -> str:
        return str(self.place)

    def fingerprint(self) -> dict[str, Any]:
        return self.place.fingerprint(self.name)

    def listing(self) -> None:
        """What binds it is the archive."""

    def still(self, bound: dict[str, Any]) -> bool:
        return self.fingerprint() == bound

    def records(self, start: Position | None = None) -> Generator[Record, None, None]:
        try:
            yield from super().records(start)
        finally:
            self._close()

    def _close(self) -> None:
        if self._stored is not None:
            self._stored.close()
            self._stored = None
        if self._forwards is not None:
            self._forwards.stream.close()
            self._forwards = None

    def _listed(self) -> Iterator[tuple[str, int]]:
        # zipfile and tarfile cost ten times what the rest of this package does to import.
        from bulkload.sources.archives import held_in  # noqa: PLC0415  # as said above

        if self._members is None:
            self._members = held_in(self.place, self.name).messages
        seen: dict[str, int] = {}
        for member in self._members:
            nth = seen[member.name] = seen.get(member.name, 0) + 1
            yield member.name if nth == 1 else f"{member.name} ({nth})", member.size

    def _in_order(self, found: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
        return list(found)

    def _index(self, start: Position) -> int:
        return start.number - 1

    def _record(self, name: str, index: int) -> Record:
        assert self._members is not None  # listed by now
        self._member = self._members[index]
        if self._member.size > self.max_record_bytes:
            flaw = too_large("message", self._member.size, self.max_record_bytes)
            return Record(Position(name, index + 1), "mail", None, None, flaw, self._folder(name))
        return super()._record(name, index)

    def _opened(self, name: str) -> Stream:
        member = self._member
        if member.packing in ("", "deflate"):
            # Kept open: each opening of a file that is far away is several calls.
            self._stored = self._stored or self.place.open(self.name)
            return open_member(_Shared(self._stored), 0, member)
        if self._forwards is None:
            self._forwards = Reading(unpacked(self.place.open(self.name), member.packing))
        self._forwards.skip_to(member.at)
        return Part(_Held(name, self._forwards, member.size), member.size)

    def _folder(self, name: str) -> str:
        return folder_above(PurePosixPath(name))

    def _nothing_found(self) -> str:
        return f"{self.name}: holds no .eml file. Check the archive."


class _Shared:
    """The archive as one of its members is read from it: it stays open for the next one."""

    def __init__(self, stored: Beginning) -> None:
        self._stored = stored
        self.name = stored.name
        self.flaw: str | None = None
        self.offset = stored.offset

    @property
    def consumed(self) -> int:
        return self._stored.consumed

    def head(self) -> bytes:
        return self._stored.head()

    def seek(self, offset: int) -> None:
        self._stored.seek(offset)
        self.offset = offset

    def read(self, most: int | None = None) -> bytes:
        block = self._stored.read(most)
        self.offset += len(block)
        return block

    def close(self) -> None:
        """Not yet."""


class _Held:
    """The next `size` bytes that `reading` gives, in memory."""

    def __init__(self, name: str, reading: Reading, size: int) -> None:
        self.name = name
        self.offset = self.consumed = 0
        self._content = reading.read(size)
        self.flaw = reading.stream.flaw

    def read(self, most: int | None = None) -> bytes:  # noqa: ARG002  # all there is
        content, self._content = self._content, b""
        self.offset = self.consumed = self.offset + len(content)
        return content

    def close(self) -> None:
        """The archive stays open for the next one."""
