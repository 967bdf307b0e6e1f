"""The least that can do the same calls: aiohttp and orjson in a loop, no journal, no care.

As many workers share the lines of a file as bulkload has in flight. What it leaves out is
the point: nothing is written down, nothing is retried, a failure ends it. `alone`: a record a call;
`unread`: neither lines nor answers are looked at, which shows the floor.
"""

from __future__ import annotations

import asyncio
import json
import sys
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable

IN_FLIGHT = 20
BATCH = 100
READ = 1 << 20
"""What a script does not think of, and the floor has to."""

PATH = "/crm/v3/objects/emails/batch/create"


def read(lines: list[bytes], numbers: count[int]) -> bytes:
    """The body of a call, as one writes it."""
    inputs = [
        {
            "properties": orjson.loads(line)["properties"],
            "associations": [],
            "objectWriteTraceId": str(number),
        }
        for line, number in zip(lines, numbers, strict=False)
    ]
    return orjson.dumps({"inputs": inputs})


def unread(lines: list[bytes], numbers: count[int]) -> bytes:
    """The same of lines that nobody looks at: what no loader can do, and none can go below."""
    pieces: list[bytes | memoryview] = [b'{"inputs":[']
    for line, number in zip(lines, numbers, strict=False):
        end = b',"associations":[],"objectWriteTraceId":"%d"},' % number
        pieces += (memoryview(line)[:-2], end)
    pieces[-1] = end[:-1]
    return b"".join((*pieces, b"]}"))


async def work(
    session: aiohttp.ClientSession,
    url: str,
    lines: Iterable[bytes],
    numbers: count[int],
    how: str,
) -> int:
    loaded, size = 0, 1 if how == "alone" else BATCH
    headers = {"Content-Type": "application/json", "Authorization": "Bearer x"}
    while batch := list(islice(lines, size)):
        body = unread(batch, numbers) if how == "unread" else read(batch, numbers)
        async with session.post(url, data=body, headers=headers) as response:
            response.raise_for_status()
            answer = await response.read()
        loaded += len(batch) if how == "unread" else len(orjson.loads(answer)["results"])
    return loaded


async def load(source: Path, base_url: str, how: str) -> None:
    with source.open("rb", buffering=READ if how == "unread" else -1) as file:
        lines, numbers = iter(file), count()
        async with aiohttp.ClientSession() as session:
            loaded = await asyncio.gather(
                *(work(session, base_url + PATH, lines, numbers, how) for _ in range(IN_FLIGHT))
            )
    print(json.dumps({"loaded": sum(loaded)}))


if __name__ == "__main__":
    asyncio.run(load(Path(sys.argv[1]), sys.argv[2], "".join(sys.argv[3:])))
