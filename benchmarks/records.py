"""What is loaded: NDJSON lines in HubSpot's input shape, about 1 KB each, none like another."""

from __future__ import annotations

import random
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LINE_BYTES = 1024
WORDS = ("order", "invoice", "meeting", "notes", "shipment", "price", "offer", "thanks", "review")


def lines(count: int, size: int = LINE_BYTES) -> Iterator[bytes]:
    """`count` lines of exactly `size` bytes with their line feed, the same at every call."""
    rng = random.Random(1)
    texts = [" ".join(rng.choices(WORDS, k=size // 4)).encode() for _ in range(64)]
    for number in range(count):
        head = (
            b'{"properties":{"hs_timestamp":"%d","hs_email_direction":"EMAIL",'
            b'"hs_email_status":"SENT","hs_email_subject":"No %d","hs_email_text":"'
            % (1_700_000_000_000 + number * 1000, number)
        )
        room = size - len(head) - len(b'"}}\n')
        yield b'%b%b"}}\n' % (head, texts[number % 64][:room])


@contextmanager
def scratch() -> Iterator[Path]:
    """A directory for inputs and runs, removed at the end."""
    place = Path(tempfile.mkdtemp(prefix="bulkload-benchmark-"))
    try:
        yield place
    finally:
        shutil.rmtree(place)


def write(path: Path, count: int, size: int = LINE_BYTES) -> Path:
    with path.open("wb") as file:
        file.writelines(lines(count, size))
    return path
