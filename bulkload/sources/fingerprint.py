"""What binds a run to a folder: the names in it. (What binds it to a file: `places.py`.)

Law kept here: same source or no resume.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


def of_names(named: Iterable[tuple[str, int]]) -> dict[str, Any]:
    """`{"count", "size", "names"}` of a folder: (relative name, bytes), in sorted order."""
    digest = hashlib.sha256()
    count = size = 0
    for name, length in named:
        digest.update(os.fsencode(name) + b"\0" + str(length).encode() + b"\n")
        count += 1
        size += max(length, 0)
    return {"count": count, "size": size, "names": digest.hexdigest()}
