"""Folders on an SSH server: what can't be listed is said, also where the line breaks."""

from __future__ import annotations

from typing import Any

import pytest

from bulkload.errors import RefusedToStart
from bulkload.sources.sftpfolders import below


class System:
    """What is asked of fsspec's."""

    def __init__(self, folders: dict[str, list[str] | OSError]) -> None:
        self.folders = folders

    def ls(self, folder: str, *, detail: bool) -> list[dict[str, Any]]:
        assert detail
        found = self.folders[folder]
        if isinstance(found, OSError):
            raise found
        return [
            {"name": f"{folder}/{name.rstrip('/')}", "type": "directory" if "/" in name else "file"}
            for name in found
        ]


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (PermissionError(13, "Permission denied"), RefusedToStart, "folder /a/b can't be listed"),
        (OSError("Socket is closed"), OSError, "Socket is closed"),
    ],
)
def test_a_folder_that_can_not_be_listed(error: OSError, kind: type[Exception], says: str) -> None:
    system = System({"/a": ["1.csv", "b/"], "/a/b": error})
    with pytest.raises(kind, match=says):
        below(system, "/a/", "sftp://host/a/", glob=False)
    with pytest.raises(kind, match=says):
        below(system, "/a/**/*.csv", "sftp://host/a/**/*.csv", glob=True)
    assert [*below(system, "/a/*.csv", "sftp://host/a/*.csv", glob=True)] == ["/a/1.csv"]
