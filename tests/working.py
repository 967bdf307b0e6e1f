"""Work for a pool's processes. It imports little: each of them imports it."""

from __future__ import annotations

import os
import signal
from typing import NamedTuple


class Item(NamedTuple):
    """What a process is told to do with one record."""

    number: int
    kind: str = ""
    size: int = 0


def work(group: list[Item]) -> list[tuple[int, str, bytes]]:
    """The number and kind of each; some records are more than a process bears."""
    for item in group:
        if item.kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif item.kind == "raise":
            raise ValueError("no record of ours")
        elif item.kind == "memory":
            raise MemoryError
        elif item.kind == "print":
            print("a library has something to say")
        while item.kind == "hang":
            pass
    return [(item.number, item.kind, bytes(item.size)) for item in group]


def lost(item: Item) -> Item:
    return item._replace(kind="lost")
