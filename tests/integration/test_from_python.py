"""The public functions as a program calls them: what they take, and what they say of a mistake."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import pytest

from bulkload import (
    Options,
    RefusedToStart,
    check,
    doubts,
    load,
    replay,
    resolve,
    resume,
    status,
    undo,
)
from bulkload.sandbox.config import SandboxConfig
from bulkload.sandbox.faults import FaultPlan
from bulkload.sandbox.server import start

if TYPE_CHECKING:
    from pathlib import Path

LINE = '{"properties":{"hs_timestamp":"1700000000000","hs_email_subject":"%d"}}\n'


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HUBSPOT_ACCESS_TOKEN", raising=False)
    path = tmp_path / "mail.ndjson"
    path.write_text("".join(LINE % n for n in range(200)))
    return path


def test_paths_are_taken_as_paths_or_as_text(source: Path, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("x")

    async def run() -> None:
        sandbox = await start(SandboxConfig(rate_limit=None))
        try:
            options = Options(base_url=sandbox.url)
            assert (await check(source, options=options, offline=True)).tally.load == 200
            first = await load(source, options=options, token_file=str(token))
            assert (first.loaded, first.run) == (200, os.path.join("bulkload-runs", source.name))
        finally:
            await sandbox.close()

    asyncio.run(run())


def test_what_is_no_source_is_refused_in_words(source: Path) -> None:
    listed: Any = [str(source)]
    with pytest.raises(RefusedToStart, match="a path, an address or an OwnSource, not a list"):
        asyncio.run(load(listed, token="x"))


def test_a_text_is_one_value_of_an_option_that_holds_several() -> None:
    one: Any = "example.com"
    assert Options(mine=one).mine == ("example.com",)


def test_a_name_that_is_no_options_is_refused(source: Path) -> None:
    async def run() -> None:
        sandbox = await start(SandboxConfig(rate_limit=None))
        try:
            await load(str(source), run="run", options=Options(base_url=sandbox.url), token="x")
            wrong = {"batchsize": 1}
            for call in (replay, resume, undo):
                with pytest.raises(RefusedToStart, match=r"'batchsize'.*did you mean 'batch_size'"):
                    await call("run", changes=wrong, token="x")
        finally:
            await sandbox.close()

    asyncio.run(run())


def test_a_run_at_work_in_this_process_is_told_as_such(source: Path) -> None:
    seen = []

    async def run() -> None:
        sandbox = await start(SandboxConfig(rate_limit=None))
        try:
            options = Options(base_url=sandbox.url, batch_size=10)
            await load(
                str(source),
                run="run",
                options=options,
                token="x",
                observers=[lambda _: seen.append(status("run"))],
            )
        finally:
            await sandbox.close()

    asyncio.run(run())
    assert {each.stopped for each in seen if each.exit_code == 3} == {
        f"process {os.getpid()} works on it"
    }
    assert not any(each.resume for each in seen)
    ended = status("run")
    assert (ended.exit_code, ended.stopped) == (0, None)


@pytest.mark.parametrize("there", [True, False])
def test_a_users_word_is_for_all_that_is_held_where_none_is_named(
    source: Path, *, there: bool
) -> None:
    async def run() -> None:
        sandbox = await start(SandboxConfig(rate_limit=None, bare=True, faults={"504-after": 0.3}))
        try:
            options = Options(base_url=sandbox.url, batch_size=10, max_in_flight=4)
            held = await load(str(source), run="run", options=options, token="x")
            assert held.in_doubt
            assert len(list(doubts("run"))) == held.in_doubt
            sandbox.portal.plan = FaultPlan(0, {}, ())
            after = await resolve("run", there=there, token="x")
            assert (after.in_doubt, after.loaded) == (0, 200)
        finally:
            await sandbox.close()

    asyncio.run(run())
