"""Stdin, kept: written to a file before the first record is read, so that a run can resume."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

from bulkload.errors import RefusedToStart
from bulkload.sources.streams import BLOCK

if TYPE_CHECKING:
    from pathlib import Path


def spool_stdin(folder: Path) -> Path:
    """All of stdin in `folder`/stdin.ndjson (0600), durable. Raises RefusedToStart."""
    if sys.stdin is None or sys.stdin.isatty():
        raise RefusedToStart("-: stdin is a terminal: pipe the records in, or name a file.")
    path = folder / "stdin.ndjson"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file, BLOCK)
            file.flush()
            os.fsync(file.fileno())
        directory = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise RefusedToStart(
            f"-: stdin can't be kept in {path}: {error.strerror or error}."
        ) from None
    return path
