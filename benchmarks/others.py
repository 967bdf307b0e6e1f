"""The same calls by other HTTP clients, in the plainest use of each: run as a script, in an
environment of its own that has nothing of ours.

httpx asynchronously, 20 in flight; requests and niquests serially over one session, since on one
core threads only add to their work. All of them read and write JSON with orjson.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

IN_FLIGHT = 20
BATCH = 100
PATH = "/crm/v3/objects/emails/batch/create"
HEADERS = {"Content-Type": "application/json", "Authorization": "Bearer x"}


def bodies(lines: Iterable[bytes]) -> Iterator[bytes]:
    numbers = count()
    rest = iter(lines)
    while batch := list(islice(rest, BATCH)):
        inputs = [
            {
                "properties": orjson.loads(line)["properties"],
                "associations": [],
                "objectWriteTraceId": str(next(numbers)),
            }
            for line in batch
        ]
        yield orjson.dumps({"inputs": inputs})


def made(answer: Any) -> int:
    answer.raise_for_status()
    return len(orjson.loads(answer.content)["results"])


async def concurrently(client: Any, url: str, sent: Iterator[bytes]) -> int:
    async def work() -> int:
        return sum([made(await client.post(url, content=body)) for body in sent])

    async with client:
        return sum(await asyncio.gather(*(work() for _ in range(IN_FLIGHT))))


def load(name: str, source: Path, base_url: str) -> int:
    library, url = importlib.import_module(name), base_url + PATH
    with source.open("rb") as lines:
        sent = bodies(lines)
        if name == "httpx":
            client = library.AsyncClient(headers=HEADERS, timeout=60.0)
            return asyncio.run(concurrently(client, url, sent))
        with library.Session() as session:
            session.headers.update(HEADERS)
            return sum(made(session.post(url, data=body)) for body in sent)


if __name__ == "__main__":
    print(json.dumps({"loaded": load(sys.argv[1], Path(sys.argv[2]), sys.argv[3])}))
