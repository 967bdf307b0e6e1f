"""Files that become others in mid-run: nothing of them is sent, or the run says so for good."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from bulkload import Options, RefusedToStart, StoppedForGood, StoppedResumable, load, resume, status
from bulkload.afterwards.extending import extend
from bulkload.events import Settled, Started
from bulkload.sandbox.config import SandboxConfig
from bulkload.sandbox.server import start
from bulkload.sources import streams
from bulkload.sources.ndjson import NdjsonSource

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from bulkload.runs.summary import Summary

LINE = '{"hs_timestamp":"1700000000000","hs_email_subject":"%s %d","hs_email_text":"%s"}\n'


def lines(name: str, count: int, size: int = 10) -> bytes:
    return "".join(LINE % (name, number, "x" * size) for number in range(count)).encode()


def once(kind: type, do: Callable[[], object]) -> Callable[[object], None]:
    """An observer that does it at the first event of the kind."""
    done: list[object] = []

    def observe(event: object) -> None:
        if isinstance(event, kind) and not done:
            done.append(do())

    return observe


def with_sandbox(work: Callable[[Options], Awaitable[None]]) -> None:
    async def run() -> None:
        sandbox = await start(SandboxConfig(rate_limit=None))
        try:
            await work(Options(base_url=sandbox.url, batch_size=20, max_in_flight=1))
        finally:
            await sandbox.close()

    asyncio.run(run())


@pytest.mark.parametrize("suffix", [".ndjson", ".eml"])
def test_a_file_that_is_replaced_before_its_turn_gives_no_record(
    tmp_path: Path, suffix: str
) -> None:
    first, second, run = tmp_path / "a.ndjson", tmp_path / f"b{suffix}", tmp_path / "run"
    mail = suffix == ".eml"
    first = tmp_path / "a.eml" if mail else first
    message = b"Date: Mon, 6 Jan 2020 10:00:00 +0000\nSubject: %s\n\nhello\n"
    old = message % b"old" if mail else lines("old", 30)
    first.write_bytes(message % b"a" if mail else lines("a", 30))
    second.write_bytes(old)
    other = message % b"new" if mail else lines("new", 30)

    async def work(options: Options) -> None:
        other_one = once(Started, lambda: second.write_bytes(other))
        given: dict[str, Any] = {"token": "x", "run": run, "options": options}
        stopped = await load(first, second, observers=[other_one], **given)
        assert stopped.exit_code == 4
        assert stopped.loaded <= (1 if mail else 30)
        assert "nothing of what it is now was read" in (stopped.stopped or "")
        second.write_bytes(old)
        ended = await resume(run, token="x")
        assert (ended.exit_code, ended.loaded) == (0, 2 if mail else 60)

    with_sandbox(work)


def test_once_another_files_records_may_be_settled_the_run_stays_stopped(tmp_path: Path) -> None:
    source, run = tmp_path / "a.ndjson", tmp_path / "run"
    old = lines("old", 400, 1000)
    source.write_bytes(old)

    async def work(options: Options) -> None:
        other_one = once(Settled, lambda: source.write_bytes(lines("new", 400, 1000)))
        ended = await load(source, run=run, options=options, observers=[other_one], token="x")
        source.write_bytes(old)
        stays_stopped(ended)

    def stays_stopped(ended: Summary) -> None:
        stands = status(run)
        for each in (ended, stands):
            assert (each.exit_code, each.resume) == (4, None)
            assert "records of another file may be loaded" in (each.stopped or "")

    with_sandbox(work)
    for call in (resume, extend):
        with pytest.raises(StoppedForGood, match=r"after an undo of this one: bulkload undo "):
            asyncio.run(call(run, token="x"))


def test_one_that_is_written_over_by_a_shorter_one_was_another(tmp_path: Path) -> None:
    source, run = tmp_path / "a.ndjson", tmp_path / "run"
    source.write_bytes(lines("old", 400, 1000))

    async def work(options: Options) -> None:
        other_one = once(Settled, lambda: source.write_bytes(lines("new", 300, 1000)))
        ended = await load(source, run=run, options=options, observers=[other_one], token="x")
        assert ended.exit_code == 4
        assert "records of another file may be loaded" in (ended.stopped or "")
        assert ended.loaded < 400

    with_sandbox(work)


def test_one_that_was_only_cut_goes_on_once_it_is_whole_again(tmp_path: Path) -> None:
    source, run = tmp_path / "a.ndjson", tmp_path / "run"
    old = lines("old", 400, 1000)
    source.write_bytes(old)

    async def work(options: Options) -> None:
        cut = once(Settled, lambda: source.write_bytes(old[: len(old) // 2]))
        ended = await load(source, run=run, options=options, observers=[cut], token="x")
        assert ended.exit_code == 4
        assert "Put the old one back to resume" in (ended.stopped or "")
        source.write_bytes(old)
        ended = await resume(run, token="x")
        assert (ended.exit_code, ended.loaded) == (0, 400)

    with_sandbox(work)


def test_a_row_that_goes_among_those_loaded_last_is_no_reason_to_lose_another(
    tmp_path: Path,
) -> None:
    path, run = tmp_path / "crm.db", tmp_path / "run"

    def change(*statements: str) -> None:
        with closing(sqlite3.connect(path)) as base, base:
            for statement in statements:
                base.execute(statement)

    row = "INSERT INTO t VALUES ({0}, 1700000000000, 's {0}')"
    change("CREATE TABLE t (id INTEGER PRIMARY KEY, hs_timestamp, hs_email_subject)")
    change(*(row.format(number) for number in range(1, 2001)))

    async def work(options: Options) -> None:
        interrupt, told = asyncio.Event(), [0]

        def observe(event: object) -> None:
            told[0] += isinstance(event, Settled)
            if told[0] == 3:
                interrupt.set()

        asked = replace(options, table="t", exclude=("id",))
        given: dict[str, Any] = {"token": "x", "observers": [observe], "interrupt": interrupt}
        cut = await load(f"sqlite:///{path}", run=run, options=asked, **given)
        assert (cut.exit_code, cut.loaded >= 60) == (3, True)
        change("DELETE FROM t WHERE id IN (3, 1990)", f"DELETE FROM t WHERE id = {cut.loaded - 5}")
        stopped = await resume(run, token="x")
        assert (stopped.exit_code, stopped.loaded) == (4, cut.loaded)
        assert f"row {cut.loaded:,} has another number now" in (stopped.stopped or "")
        change(row.format(cut.loaded - 5))
        ended = await resume(run, token="x")
        assert (ended.exit_code, ended.loaded) == (0, 1999)

    with_sandbox(work)


def test_what_a_source_stops_with_before_a_run_has_begun_speaks_of_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, run = tmp_path / "a.ndjson", tmp_path / "run"
    source.write_bytes(lines("a", 10))
    silent = "a.ndjson: can't be read at byte 0: it is silent. Resume when it answers again."
    for error in (StoppedResumable(silent), streams.cut_short("a.ndjson", 5, 10)):

        def fail(*_: object, error: Exception = error) -> None:
            raise error

        for where in ("fingerprint", "records"):
            with monkeypatch.context() as patch:
                patch.setattr(NdjsonSource, where, fail)
                patch.setattr(NdjsonSource, "stretches", fail)
                if where == "records":
                    patch.setattr("bulkload.loader.decide", fail)
                with pytest.raises(RefusedToStart) as refused:
                    asyncio.run(load(source, run=run, token="x"))
            assert "no run was begun: run it again" in str(refused.value)
            assert "esume" not in str(refused.value)
            assert "--run" not in str(refused.value)
