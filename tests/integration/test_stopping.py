"""A run that stops early leaves nothing open: a program of one's own goes on living after it."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

from bulkload import Options, load
from bulkload.events import Answered
from bulkload.sandbox.config import SandboxConfig
from bulkload.sandbox.server import start
from bulkload.sources.streams import FileStream

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

LINE = b'{"properties":{"hs_timestamp":"1700000000000"}}\n'


def test_sources_are_closed_by_who_read_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "mail.ndjson"
    source.write_bytes(LINE * 50_000)
    opened: list[FileStream] = []
    begin = FileStream.__init__

    def kept(stream: FileStream, *given: Any, **more: Any) -> None:
        begin(stream, *given, **more)
        opened.append(stream)

    monkeypatch.setattr(FileStream, "__init__", kept)

    async def work() -> None:
        sandbox = await start(SandboxConfig(rate_limit=None))
        interrupt = asyncio.Event()

        def observer(event: object) -> None:
            if isinstance(event, Answered):
                interrupt.set()

        try:
            options = Options(base_url=sandbox.url, rate_limit="1000/1s")
            summary = await load(
                str(source), run=tmp_path / "run", options=options, token="x",
                observers=[observer], interrupt=interrupt,
            )  # fmt: skip
            assert summary.exit_code == 3
        finally:
            await sandbox.close()

    gc.disable()
    try:
        asyncio.run(work())
        assert opened
        assert all(stream._file.closed for stream in opened)
    finally:
        gc.enable()
