"""What every source that is one file has in common, or one member of an archive: its name,
size and fingerprint.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from bulkload.sources.asked import MAX_RECORD_BYTES
from bulkload.sources.folders import folder_of
from bulkload.sources.members import Member, open_stream
from bulkload.sources.places import Place, place_of

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    from bulkload.sources.streams import Stream


class FileSource:
    """One file, read as a stream. A format adds `records()`.

    `where` is a path or a place; `name` is what messages and dead letters show (default: the path
    as given). With an `extent` only the
    first so many bytes of the file are the source: what it was before it grew. With a `member`
    (as `options()` wrote it) the source is that part of the archive there; its size and
    what is consumed of it are counted in bytes of its content, and its fingerprint is the
    archive's.
    """

    format = ""
    noun = "record"

    def __init__(
        self,
        where: str | os.PathLike[str] | Place,
        name: str | None = None,
        *,
        max_record_bytes: int = MAX_RECORD_BYTES,
        extent: int | None = None,
        member: Sequence[Any] | None = None,
    ) -> None:
        self.place = place_of(where)
        self.name = str(where) if name is None else name
        self.max_record_bytes = max_record_bytes
        self.extent = extent
        self.member = None if member is None else Member(*member)
        self.folder = folder_of(PurePosixPath(self.member.name) if self.member else self.place.path)
        self._stream: Stream | None = None

    def fingerprint(self) -> dict[str, Any]:
        return self.place.fingerprint(self.name, self.extent)

    def still(self, bound: dict[str, Any]) -> bool:
        return self.place.fingerprint(self.name, bound["size"]) == bound

    def size(self) -> int | None:
        if self.member is not None:
            return self.member.size
        size = self.place.size()
        return size if self.extent is None or size is None else min(size, self.extent)

    def consumed(self) -> int:
        if self._stream is None:
            return 0
        return self._stream.consumed if self.member is None else self._stream.offset

    @property
    def address(self) -> str:
        return str(self.place)

    def options(self) -> dict[str, Any]:
        """What reading needs beside the place: JSON, for the run's journal."""
        options: dict[str, Any] = {
            "max_record_bytes": self.max_record_bytes,
            "extent": self.extent,
        }
        if self.member is not None:
            options["member"] = list(self.member)
        return options

    @contextmanager
    def _opened(self, offset: int = 0) -> Iterator[Stream]:
        stream = open_stream(self.place, self.name, offset, self.extent, self.member)
        self._stream = stream
        try:
            yield stream
        finally:
            stream.close()
