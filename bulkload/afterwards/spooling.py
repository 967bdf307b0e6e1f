"""The letters that a replay sends, copied into its own directory before it begins.

Laws kept here: nothing twice: a letter is known by its record; one that is settled, or stands in
the file twice, is not copied. Memory is bounded: of each letter some bits are held. Blocking.
"""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from bulkload.errors import RefusedToStart
from bulkload.ordinals import Ticked
from bulkload.rundir import private
from bulkload.sources.letters import is_letter
from bulkload.sources.ndjson import BOM

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LAST = 1 << 63
"""No journal counts so far: it is no record's ordinal."""


@dataclass(slots=True)
class Spooled:
    """Letters that will be sent, and how many were left out, and why. `letters`: whether any line
    is one.
    """

    sent: int = 0
    settled: int = 0
    repeated: int = 0
    letters: bool = False

    def why_less(self) -> str:
        """Text to put behind a sentence; empty where every letter will be sent."""
        told = []
        if self.settled:
            told.append(f"{self.settled:,} were sent by earlier replays")
        if self.repeated:
            told.append(f"{self.repeated:,} stand in the file twice")
        return f" ({', '.join(told)})" if told else ""


def spool(file: Path, to: Path, parent: str | None, settled: Ticked) -> Spooled:
    """Copy the letters that are to be sent, durable before the run is committed."""
    spooled = Spooled()
    seen: defaultdict[str, Ticked] = defaultdict(Ticked)
    private(to)
    with to.open("wb") as out:
        for line in _lines(file):
            spooled.letters = spooled.letters or is_letter(line)
            name = _name(line)
            if name is not None:
                run, ordinal = name
                if not seen[run].tick(ordinal):
                    spooled.repeated += 1
                    continue
                if run == parent and ordinal in settled:
                    spooled.settled += 1
                    continue
            out.write(line + b"\n")
            spooled.sent += 1
        out.flush()
        os.fsync(out.fileno())
    return spooled


def lineage(spool: Path, parent: str | None) -> Iterator[tuple[int, int]]:
    """(ordinal in the replay, ordinal of the letter in its parent), read again from what is sent:
    there may be too many to be held.
    """
    if parent is None:
        return
    with spool.open("rb") as letters:
        for number, line in enumerate(letters):
            name = _name(line)
            if name is not None and name[0] == parent:
                yield number, name[1]


def _lines(file: Path) -> Iterator[bytes]:
    try:
        with file.open("rb") as letters:
            for number, line in enumerate(letters):
                # An editor may have written a mark: the letter behind it is the run's all the same.
                if stripped := (line if number else line.removeprefix(BOM)).strip():
                    yield stripped
    except OSError as error:
        raise RefusedToStart(f"{file}: can't be read ({error.strerror})") from None


def _name(line: bytes) -> tuple[str, int] | None:
    """Which record a letter is of: its run and ordinal. None for a line that is no letter."""
    try:
        letter = orjson.loads(line)
    except ValueError:
        return None
    if not isinstance(letter, dict):
        return None
    run, ordinal = letter.get("run"), letter.get("ordinal")
    if isinstance(run, str) and type(ordinal) is int and 0 <= ordinal < LAST:
        return run, ordinal
    return None
