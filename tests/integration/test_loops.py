"""A program of one's own may have another event loop: a load is the same on it."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import orjson
import pytest

from bulkload import Options, load, resume
from bulkload.sandbox.config import SandboxConfig
from bulkload.sandbox.server import start

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RECORDS = 2_500


def loops() -> list[Callable[[], asyncio.AbstractEventLoop]]:
    if sys.platform == "win32":
        return [asyncio.new_event_loop]
    import uvloop  # there is none for Windows

    return [asyncio.new_event_loop, uvloop.new_event_loop]


@pytest.mark.parametrize("new_loop", loops())
def test_a_load_is_the_same_on_each_loop(
    new_loop: Callable[[], asyncio.AbstractEventLoop], tmp_path: Path
) -> None:
    source = tmp_path / "mail.ndjson"
    with source.open("wb") as file:
        for n in range(RECORDS):
            wrong = {"hs_email_direction": "SIDEWAYS"} if n % 500 == 7 else {}
            when = {"hs_timestamp": str(1_700_000_000_000 + n)}
            file.write(orjson.dumps({"properties": {**when, **wrong}}) + b"\n")

    async def work() -> None:
        sandbox = await start(SandboxConfig(rate_limit=None))
        try:
            options = Options(base_url=sandbox.url, rate_limit="1000/1s")
            interrupt = asyncio.Event()
            asyncio.get_running_loop().call_later(0.05, interrupt.set)
            run = tmp_path / "run"
            first = await load(
                str(source), run=run, options=options, token="x", interrupt=interrupt
            )
            assert first.exit_code in (0, 3)
            told = await resume(run, token="x")
            assert (told.loaded, told.dead_lettered) == (RECORDS - 5, 5)
            assert sandbox.portal.emails.live == RECORDS - 5
        finally:
            await sandbox.close()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(work())
