"""run.log: what happened to a run, a line each, for whoever asks afterwards.

Law kept here: secrets and bodies stay in. Events carry statuses, categories and ids; no
message of the remote, no property value and no token.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bulkload import events

if TYPE_CHECKING:
    from pathlib import Path


class RunLog:
    """An observer that appends to a 0600 file. A full disk costs lines, never the run."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting = ""

    def __call__(self, event: events.Event) -> None:
        match event:
            case events.Started():
                self.write(f"started run {event.run}, {event.already} records settled before")
            case events.Said():
                self.write(event.text)
            case events.Held():
                wait = "until it answers" if event.seconds is None else f"{event.seconds:.1f} s"
                self.write(f"held ({wait}): {event.reason}")
            case events.Released():
                self.write("released")
            case events.Quota() if event.words != self._waiting:
                self._waiting = event.words
                self.write(f"waits: {event.words}")
            case events.Renewed():
                self._waiting = ""
                self.write("the day's calls are there again")
            case events.Settled(dead_lettered=dead, in_doubt=doubt) if dead or doubt:
                self.write(f"settled {dead} dead letters, {doubt} in doubt")
            case _:
                pass

    def write(self, text: str) -> None:
        line = f"{datetime.now(UTC).isoformat(timespec='milliseconds')} {text}\n"
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                os.write(descriptor, line.encode("utf-8", "backslashreplace"))
            finally:
                os.close(descriptor)
        except OSError:
            return
