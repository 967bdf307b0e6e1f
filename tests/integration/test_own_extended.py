"""A run with sources of a program's own is extended by others, and says what was not looked for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from bulkload import Options, OwnSource, extend, load
from bulkload.errors import RefusedToStart
from bulkload.events import Said
from bulkload.sandbox.config import SandboxConfig
from bulkload.sandbox.server import start

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


def source(name: str, first: int, end: int) -> OwnSource:
    async def read(start: int | str | None) -> AsyncIterator[tuple[int | str, dict[str, str]]]:
        for number in range(int(start or first), end):
            yield number, {"hs_timestamp": "1700000000000", "hs_email_subject": f"s {number}"}

    return OwnSource(name, read)


def test_what_came_is_a_source_of_another_name(tmp_path: Path) -> None:
    run, mixed, file = tmp_path / "run", tmp_path / "mixed", tmp_path / "mail.ndjson"
    file.write_text('{"properties":{"hs_timestamp":"1700000000000"}}\n')
    said: list[str] = []

    def observer(event: object) -> None:
        if isinstance(event, Said):
            said.append(event.text)

    async def work() -> None:
        sandbox = await start(SandboxConfig(rate_limit=None))
        given: dict[str, Any] = {"token": "x", "observers": [observer]}
        options = Options(base_url=sandbox.url)
        try:
            await load(source("crm", 0, 5), run=run, options=options, **given)
            with pytest.raises(RefusedToStart, match=r"program's own sources \(crm\), which can"):
                await extend(run, **given)
            with pytest.raises(RefusedToStart, match="crm: what came since to"):
                await extend(run, source("crm", 0, 9), **given)
            said.clear()
            wider = await extend(run, source("crm 2", 5, 9), **given)
            assert (wider.loaded, wider.exit_code, wider.own) == (9, 0, ("crm", "crm 2"))
            assert said[0] == "came since: crm 2"
            await load(str(file), source("erp", 20, 25), run=mixed, options=options, **given)
            said.clear()
            assert (await extend(mixed, **given)).loaded == 6
            assert said[0].startswith("erp: what came since to a program's own source can't be")
            assert "was not looked for" in said[0]
            assert said[1] == "nothing came since to the other sources of this run"
        finally:
            await sandbox.close()

    asyncio.run(work())
