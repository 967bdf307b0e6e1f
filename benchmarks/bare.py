"""The least that can do the same calls: aiohttp and orjson in a loop, no journal, no care.

As many workers share the lines of a file as bulkload has in flight. What it leaves out is
the point: nothing is written down, nothing is retried, a failure ends it.
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
PATH = "/crm/v3/objects/emails/batch/create"


async def work(
    session: aiohttp.ClientSession,
    url: str,
    lines: Iterable[bytes],
    numbers: count[int],
    size: int,
) -> int:
    loaded = 0
    while batch := list(islice(lines, size)):
        inputs = [
            {
                "properties": orjson.loads(line)["properties"],
                "associations": [],
                "objectWriteTraceId": str(number),
            }
            for line, number in zip(batch, numbers, strict=False)
        ]
        headers = {"Content-Type": "application/json", "Authorization": "Bearer x"}
        async with session.post(
            url, data=orjson.dumps({"inputs": inputs}), headers=headers
        ) as response:
            response.raise_for_status()
            loaded += len(orjson.loads(await response.read())["results"])
    return loaded


async def load(source: Path, base_url: str, size: int) -> None:
    with source.open("rb") as file:
        lines, numbers = iter(file), count()
        async with aiohttp.ClientSession() as session:
            loaded = await asyncio.gather(
                *(work(session, base_url + PATH, lines, numbers, size) for _ in range(IN_FLIGHT))
            )
    print(json.dumps({"loaded": sum(loaded)}))


if __name__ == "__main__":
    size = int(sys.argv[3]) if len(sys.argv) > 3 else BATCH
    asyncio.run(load(Path(sys.argv[1]), sys.argv[2], size))
