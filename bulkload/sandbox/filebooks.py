"""The portal's files: what was uploaded, where it lies, what became of it. Pure.

Law: in one folder no two files that are not deleted have the same name. Contents are hashed,
not kept.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST_FILE = 170_000_000_001
FIRST_FOLDER = 160_000_000_001
_KINDS = {
    "IMG": {"png", "jpg", "jpeg", "gif", "svg", "webp", "bmp", "tif", "tiff", "ico", "heic"},
    "DOCUMENT": {"pdf", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "txt", "csv", "rtf", "odt"},
    "AUDIO": {"mp3", "wav", "ogg", "m4a", "aac", "flac"},
    "MOVIE": {"mp4", "mov", "avi", "mkv", "webm", "mpg", "mpeg"},
}


@dataclass(slots=True)
class File:
    id: str
    stem: str
    extension: str
    folder: str  # its path
    size: int
    sha256: str
    md5: str
    access: str
    created: float
    deleted_at: float | None = None

    @property
    def name(self) -> str:
        return f"{self.stem}.{self.extension}" if self.extension else self.stem

    @property
    def kind(self) -> str:
        """IMG, DOCUMENT, AUDIO, MOVIE or OTHER [spec: File.type]."""
        return next((kind for kind, known in _KINDS.items() if self.extension in known), "OTHER")


class FileBooks:
    def __init__(self) -> None:
        self.files: dict[str, File] = {}
        self.folders: dict[str, str] = {}  # path → id
        self._places: dict[tuple[str, str], File] = {}  # folder and name; live ones only
        self._numbers: dict[tuple[str, str, str], int] = {}  # folder, stem, extension → last given
        self._hashes: dict[str, dict[str, File]] = {}  # sha256 → id → file; live ones only

    @property
    def live(self) -> int:
        return len(self._places)

    def folder(self, path: str) -> str:
        """The folder with this path, made where there is none → its id."""
        return self.folders.setdefault(path, str(FIRST_FOLDER + len(self.folders)))

    def folder_path(self, identity: str) -> str | None:
        return next((path for path, known in self.folders.items() if known == identity), None)

    def same(self, content: bytes, folder: str | None) -> File | None:
        """A file with the same content, in one folder or (None) anywhere."""
        known = self._hashes.get(hashlib.sha256(content).hexdigest(), {})
        return next((one for one in known.values() if folder in (None, one.folder)), None)

    def add(
        self, content: bytes, name: str, folder: str, access: str, wall: float, *, overwrite: bool
    ) -> File:
        """With `overwrite` the file in its place goes; else the new one gets another name."""
        path = PurePosixPath(name.replace("/", "_"))
        extension = path.suffix[1:].lower()
        stem = (path.stem if extension else path.name) or "file"
        standing = self._places.get((folder, _joined(stem, extension)))
        if standing is not None and overwrite:
            self.delete(standing, wall)
        free = self._free(folder, stem, extension)
        self.folder(folder)
        file = File(
            str(FIRST_FILE + len(self.files)),
            free,
            extension,
            folder,
            len(content),
            hashlib.sha256(content).hexdigest(),
            hashlib.md5(content, usedforsecurity=False).hexdigest(),
            access,
            wall,
        )
        self.files[file.id] = self._places[folder, file.name] = file
        self._hashes.setdefault(file.sha256, {})[file.id] = file
        return file

    def _free(self, folder: str, stem: str, extension: str) -> str:
        """The stem as it is or, where that is taken, with the next number."""
        free, number = stem, self._numbers.get((folder, stem, extension), 0)
        while (folder, _joined(free, extension)) in self._places:
            number += 1
            free = f"{stem}-{number}"
        if free != stem:
            self._numbers[folder, stem, extension] = number
        return free

    def find(self, identity: str) -> File | None:
        """None: it never was, or is deleted."""
        file = self.files.get(identity)
        return None if file is None or file.deleted_at is not None else file

    def delete(self, file: File, wall: float) -> None:
        file.deleted_at = wall
        del self._places[file.folder, file.name]
        del self._hashes[file.sha256][file.id]

    def export(self) -> Iterator[dict[str, Any]]:
        """Every file in the order of arrival, for tests to hold against what went in."""
        for file in list(self.files.values()):
            yield {
                "id": file.id,
                "name": file.name,
                "path": _path(file.folder, file.name),
                "size": file.size,
                "sha256": file.sha256,
                "access": file.access,
                "createdAt": file.created,
                "deleted": file.deleted_at is not None,
                "deletedAt": file.deleted_at,
            }


def _joined(stem: str, extension: str) -> str:
    return f"{stem}.{extension}" if extension else stem


def _path(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}"
