"""The files in a folder on an SSH server, or those that fit a pattern there.

Law kept here: nothing left out in silence: a folder that can't be listed refuses the start, a link
to a file is that file, and one that leads nowhere is a file that can't be opened. A link to a
folder is not followed, since it may lead back.
"""

from __future__ import annotations

import errno
import re
import stat
from contextlib import suppress
from itertools import takewhile
from typing import Any

from bulkload.errors import RefusedToStart

MAGIC = frozenset("*?[")


def below(system: Any, path: str, shown: str, *, glob: bool) -> dict[str, dict[str, Any]]:
    """What fsspec's `system` knows of each file, by its name; `shown` is what messages call `path`.

    Raises RefusedToStart, and what a line that breaks raises.
    """
    if not glob:
        return dict(_walked(system, path.rstrip("/") or "/", shown, None))
    parts = path.split("/")
    fixed = list(takewhile(lambda part: not MAGIC.intersection(part), parts))
    depth = None if "**" in path else len(parts) - len(fixed)
    fits = re.compile(_translated(path)).match
    found = _walked(system, "/".join(fixed) or "/", shown, depth)
    return {name: info for name, info in found if fits(name)}


def _walked(
    system: Any, root: str, shown: str, depth: int | None
) -> list[tuple[str, dict[str, Any]]]:
    found = []
    left = [(root, 1)]
    while left:
        folder, level = left.pop()
        for info in _listed(system, folder, shown):
            name = info["name"]
            if info["type"] == "directory":
                if depth is None or level < depth:
                    left.append((name, level + 1))
                continue
            if info["type"] == "link":
                with suppress(FileNotFoundError):  # opening it says so
                    mode = system.ftp.stat(name).st_mode
                    if not stat.S_ISREG(mode):
                        continue
                    info = system.info(name)  # noqa: PLW2901  # of what it leads to
            found.append((name, {**info, "type": "file"}))
    return found


def _listed(system: Any, folder: str, shown: str) -> list[dict[str, Any]]:
    try:
        return list(system.ls(folder, detail=True))
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM):
            raise
        raise RefusedToStart(
            f"{shown}: the folder {folder} can't be listed: {error.strerror or error}. Make it "
            "readable, or name what else is to be read"
        ) from None


def _translated(path: str) -> str:
    from fsspec.utils import glob_translate  # noqa: PLC0415  # part of an extra

    return str(glob_translate(path))
