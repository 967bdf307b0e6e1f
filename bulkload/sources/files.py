"""What every source that is one file has in common: its name, size and fingerprint."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulkload.sources import fingerprint
from bulkload.sources.folders import folder_of
from bulkload.sources.streams import Stream, size_on_disk

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

MAX_RECORD_BYTES = 64 << 20
"""Default of `--max-record-bytes`: what is larger is a dead letter by its position, unread."""


class FileSource:
    """One file, read as a stream. A format adds `records()`.

    `path` is made absolute, so that a run can be resumed from another folder; `name` is what
    messages and dead letters show (default: the path as given). With an `extent` only the
    first so many bytes of the file are the source: what it was before it grew.
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
    ) -> None:
        self.path = Path(path).absolute()
        self.name = str(path) if name is None else name
        self.max_record_bytes = max_record_bytes
        self.extent = extent
        self.folder = folder_of(self.path)
        self._stream: Stream | None = None

    def fingerprint(self) -> dict[str, Any]:
        return fingerprint.of_file(self.path, self.name, self.extent)

    def size(self) -> int | None:
        size = size_on_disk(self.path)
        return size if self.extent is None or size is None else min(size, self.extent)

    def consumed(self) -> int:
        return self._stream.consumed if self._stream else 0

    def options(self) -> dict[str, Any]:
        """What reading needs beside the path: JSON, for the run's journal."""
        return {"max_record_bytes": self.max_record_bytes, "extent": self.extent}

    @contextmanager
    def _opened(self, offset: int = 0) -> Iterator[Stream]:
        stream = self._stream = Stream(self.path, self.name, offset, self.extent)
        try:
            yield stream
        finally:
            stream.close()
