"""What every source that is one file has in common, or one member of an archive: its name,
size and fingerprint.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from bulkload.sources import fingerprint
from bulkload.sources.folders import folder_of
from bulkload.sources.members import Member, open_stream
from bulkload.sources.streams import size_on_disk

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    from bulkload.sources.streams import Stream

MAX_RECORD_BYTES = 64 << 20
"""Default of `--max-record-bytes`: what is larger is a dead letter by its position, unread."""


class FileSource:
    """One file, read as a stream. A format adds `records()`.

    `path` is made absolute, so that a run can be resumed from another folder; `name` is what
    messages and dead letters show (default: the path as given). With an `extent` only the
    first so many bytes of the file are the source: what it was before it grew. With a `member`
    (as `options()` wrote it) the source is that part of the archive at `path`; its size and
    what is consumed of it are counted in bytes of its content, and its fingerprint is the
    archive's.
    """

    format = ""
    noun = "record"

    def __init__(
        self,
        path: str | os.PathLike[str],
        name: str | None = None,
        *,
        max_record_bytes: int = MAX_RECORD_BYTES,
        extent: int | None = None,
        member: Sequence[Any] | None = None,
    ) -> None:
        self.path = Path(path).absolute()
        self.name = str(path) if name is None else name
        self.max_record_bytes = max_record_bytes
        self.extent = extent
        self.member = None if member is None else Member(*member)
        self.folder = folder_of(PurePosixPath(self.member.name) if self.member else self.path)
        self._stream: Stream | None = None

    def fingerprint(self) -> dict[str, Any]:
        return fingerprint.of_file(self.path, self.name, self.extent)

    def size(self) -> int | None:
        if self.member is not None:
            return self.member.size
        size = size_on_disk(self.path)
        return size if self.extent is None or size is None else min(size, self.extent)

    def consumed(self) -> int:
        if self._stream is None:
            return 0
        return self._stream.consumed if self.member is None else self._stream.offset

    def options(self) -> dict[str, Any]:
        """What reading needs beside the path: JSON, for the run's journal."""
        options: dict[str, Any] = {
            "max_record_bytes": self.max_record_bytes,
            "extent": self.extent,
        }
        if self.member is not None:
            options["member"] = list(self.member)
        return options

    @contextmanager
    def _opened(self, offset: int = 0) -> Iterator[Stream]:
        stream = open_stream(self.path, self.name, offset, self.extent, self.member)
        self._stream = stream
        try:
            yield stream
        finally:
            stream.close()
