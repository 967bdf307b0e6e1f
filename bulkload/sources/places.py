"""Where the bytes of one file are: on this machine, or somewhere that is asked for ranges of them.

A format reads from a place and does not know which it is. Law kept here: same source, or no
resume: a place has a fingerprint that a file which only grew keeps over its old extent.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from bulkload.sources import fingerprint
from bulkload.sources.remote import Remote
from bulkload.sources.streams import FileStream, open_file

if TYPE_CHECKING:
    from collections.abc import Hashable

    from bulkload.sources.streams import Beginning


class Place(Protocol):
    """`str(place)` is all that `place_of` needs to find it again; no password is in it.

    `name` is what messages call it. Raises RefusedToStart where it can't be read.
    """

    @property
    def path(self) -> PurePath:
        """Its name with its endings, and the folders that it lies in."""
        ...

    @property
    def identity(self) -> Hashable:
        """Equal for two names of one file."""
        ...

    def open(self, name: str, extent: int | None = None) -> Beginning:
        """Its bytes; with an `extent`, only the first so many."""
        ...

    def file(self, name: str) -> BinaryIO:
        """A file object that can be sought."""
        ...

    def size(self) -> int | None:
        """Bytes stored; None where it can't be asked."""
        ...

    def fingerprint(self, name: str, extent: int | None = None) -> dict[str, Any]:
        """What binds a run to it, or to the first `extent` bytes of it: `size` and more."""
        ...


class Local:
    """A file on this machine. The path is made absolute, so that it is found from anywhere."""

    __slots__ = ("path",)

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).absolute()

    def __str__(self) -> str:
        return str(self.path)

    @property
    def identity(self) -> Hashable:
        return self.path.resolve()

    def open(self, name: str, extent: int | None = None) -> Beginning:
        return FileStream(self.path, name, extent=extent)

    def file(self, name: str) -> BinaryIO:
        return open_file(self.path, name)

    def size(self) -> int | None:
        try:
            return os.stat(self.path).st_size  # noqa: PTH116  # as a path it costs more
        except OSError:
            return None

    def fingerprint(self, name: str, extent: int | None = None) -> dict[str, Any]:
        """`{"size", "head", "tail"}`: SHA-256 of the first and the last MiB."""
        with self.file(name) as file:
            size = os.fstat(file.fileno()).st_size
            return fingerprint.of_edges(file, size if extent is None else min(size, extent), name)


def place_of(where: str | os.PathLike[str] | Place) -> Place:
    """The place that a path or an address names. Raises RefusedToStart."""
    if isinstance(where, str) and "://" in where and not os.path.isabs(where):  # noqa: PTH117  # a string
        return Remote(where)
    if isinstance(where, str | os.PathLike):
        return Local(where)
    return where
