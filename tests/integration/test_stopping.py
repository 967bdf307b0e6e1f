"""A run that stops early leaves nothing open: a program of one's own goes on living after it."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from bulkload import Options, OwnSource, load, resolve, resume, status
from bulkload.cli import doubts
from bulkload.errors import RefusedToStart
from bulkload.events import Answered
from bulkload.handed import NotHandedIn
from bulkload.journal.readers import is_committed
from bulkload.ordinals import Covered
from bulkload.records.recent import Recent
from bulkload.report import words
from bulkload.rundir import RunDir
from bulkload.runs.inquiry import under_way
from bulkload.sandbox.config import SandboxConfig
from bulkload.sandbox.server import start
from bulkload.sources.streams import FileStream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from bulkload.runs.summary import Summary

LINE = b'{"properties":{"hs_timestamp":"1700000000000"}}\n'


async def loaded(
    tmp_path: Path,
    read: Callable[[int | str | None], AsyncIterator[tuple[int | str, dict[str, str]]]],
    interrupt: asyncio.Event | None = None,
    observers: Sequence[Callable[[object], None]] = (),
    **options: Any,
) -> Summary:
    """A source of one's own into a sandbox."""
    sandbox = await start(SandboxConfig(rate_limit=None))
    try:
        return await load(
            OwnSource("mine", read), run=tmp_path / "run", token="x", interrupt=interrupt,
            observers=observers, options=Options(base_url=sandbox.url, **options),
        )  # fmt: skip
    finally:
        await sandbox.close()


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


def test_a_source_that_takes_long_to_close_holds_up_nobody_and_may_fail(tmp_path: Path) -> None:
    answered, ends = threading.Event(), threading.Event()

    async def read(_start: int | str | None) -> AsyncIterator[tuple[int | str, dict[str, str]]]:
        try:
            for number in range(1_000_000):
                yield number, {"hs_timestamp": "1700000000000"}
        finally:
            if answered.is_set() and not ends.wait(60):
                raise AssertionError("the loop was held up")
            if answered.is_set():
                raise ValueError("the server hung up")

    async def work() -> Summary:
        interrupt, loop = asyncio.Event(), asyncio.get_running_loop()

        def observer(event: object) -> None:
            if isinstance(event, Answered):
                interrupt.set()
                answered.set()
                # Heard while the source closes, or it would not close before its minute is over.
                loop.call_later(0.2, ends.set)

        return await loaded(tmp_path, read, interrupt, [observer])

    summary = asyncio.run(work())
    assert summary.exit_code == 3
    assert "the server hung up" in (tmp_path / "run" / "run.log").read_text()


@pytest.mark.parametrize("slow_from", [0, 120])
def test_a_drain_waits_for_no_batch_of_a_source_that_is_slow(
    tmp_path: Path, slow_from: int
) -> None:
    """While a new run's first records are looked at, and while the rest is read."""
    asked, read_after = threading.Event(), 0

    async def read(start: int | str | None) -> AsyncIterator[tuple[int | str, dict[str, str]]]:
        nonlocal read_after
        for number in range(int(start or 0), 1_000_000):
            if number >= slow_from:
                slow.set()
                await asyncio.to_thread(asked.wait, 60)  # the next record comes no sooner
            read_after += asked.is_set()
            yield number, {"hs_timestamp": "1700000000000"}

    slow = threading.Event()

    async def work() -> Summary:
        interrupt = asyncio.Event()

        async def ask() -> None:
            await asyncio.to_thread(slow.wait, 60)
            interrupt.set()
            await asyncio.sleep(0)  # whoever listens has heard it
            await asyncio.sleep(0)
            asked.set()

        asking = asyncio.create_task(ask())
        try:
            return await loaded(tmp_path, read, interrupt)
        finally:
            await asking

    summary = asyncio.run(work())
    assert summary.exit_code == 3
    assert "interrupted" in (summary.stopped or "")
    assert summary.in_doubt == 0
    assert read_after <= 1


def test_a_run_that_is_interrupted_before_it_began_reads_and_sends_nothing(tmp_path: Path) -> None:
    read_records: list[int] = []

    async def read(start: int | str | None) -> AsyncIterator[tuple[int | str, dict[str, str]]]:
        for number in range(int(start or 0), 1_000):
            read_records.append(number)
            yield number, {"hs_timestamp": "1700000000000"}

    async def work() -> Summary:
        interrupt = asyncio.Event()
        interrupt.set()
        return await loaded(tmp_path, read, interrupt)

    summary = asyncio.run(work())
    assert (summary.exit_code, summary.read, summary.requests) == (3, 0, 0)
    assert summary.resume is not None
    assert len(read_records) <= 1


def test_any_drain_ends_the_reading(tmp_path: Path) -> None:
    read_records: list[int] = []

    async def read(start: int | str | None) -> AsyncIterator[tuple[int | str, dict[str, str]]]:
        for number in range(int(start or 0), 1_000):
            if number > 100:
                await asyncio.sleep(0.02)  # a batch would take two seconds
            read_records.append(number)
            yield number, {"hs_timestamp": "never", "hs_email_subject": str(number)}

    summary = asyncio.run(loaded(tmp_path, read, max_dead_letters="5"))
    assert summary.exit_code == 3
    assert "dead letters" in (summary.stopped or "")
    assert len(set(read_records)) < 200


@pytest.mark.parametrize("how", ["interrupt", "cancel"])
@pytest.mark.parametrize("hangs_at", [0, 150])
def test_who_stops_waits_for_no_source_that_does_not_answer(
    tmp_path: Path, how: str, hangs_at: int
) -> None:
    waits, ended = threading.Event(), threading.Event()

    async def read(start: int | str | None) -> AsyncIterator[tuple[int | str, dict[str, str]]]:
        for number in range(int(start or 0), 1_000):
            if number == hangs_at:
                waits.set()
                try:
                    await asyncio.Event().wait()
                finally:
                    ended.set()
                    raise ValueError("the server hung up")
            yield number, {"hs_timestamp": "1700000000000"}

    async def work() -> Summary | None:
        interrupt = asyncio.Event()
        loading = asyncio.create_task(loaded(tmp_path, read, interrupt))
        await asyncio.to_thread(waits.wait, 60)
        if how == "interrupt":
            interrupt.set()
        else:
            loading.cancel()
        done, _ = await asyncio.wait([loading], timeout=30)
        assert done
        return None if loading.cancelled() else loading.result()

    summary = asyncio.run(work())
    assert ended.is_set()
    assert "the server hung up" in (tmp_path / "run" / "run.log").read_text()
    if how == "interrupt":
        assert summary is not None
        assert (summary.exit_code, summary.in_doubt) == (3, 0)
        assert "interrupted" in (summary.stopped or "")
    else:
        assert summary is None


@pytest.mark.parametrize("fails_at", [0, 350])
def test_a_source_that_fails_drains_the_run(tmp_path: Path, fails_at: int) -> None:
    """While the first records are looked at, and while calls are in flight: without a key a call
    that is cut would leave its records in doubt.
    """
    answered = threading.Event()

    async def read(start: int | str | None) -> AsyncIterator[tuple[int | str, dict[str, str]]]:
        for number in range(int(start or 0), 1_000):
            if number == fails_at:
                if fails_at:
                    await asyncio.to_thread(answered.wait, 60)
                    await asyncio.sleep(0.1)  # the others are in flight now
                raise KeyError("a value of record 350")
            yield number, {"hs_timestamp": "1700000000000", "hs_email_subject": str(number)}

    def observer(event: object) -> None:
        if isinstance(event, Answered):
            answered.set()

    async def work() -> Summary:
        sandbox = await start(SandboxConfig(rate_limit=None, bare=True, latency=0.3))
        try:
            return await load(
                OwnSource("mine", read), run=tmp_path / "run", token="x", observers=[observer],
                options=Options(base_url=sandbox.url, batch_size=50),
            )  # fmt: skip
        finally:
            await sandbox.close()

    summary = asyncio.run(work())
    assert (summary.exit_code, summary.in_doubt) == (3, 0)
    assert summary.read == summary.loaded
    assert (summary.loaded > 0) == (fails_at > 0)
    assert f"mine: its reading failed at record {fails_at + 1} (KeyError" in (summary.stopped or "")
    kept = (tmp_path / "run" / "summary.json").read_text()
    assert json.loads(kept)["stopped"] == summary.stopped
    assert "a value" not in kept + (tmp_path / "run" / "run.log").read_text()


def test_what_a_source_of_ones_own_left_in_doubt_is_settled_from_its_program(
    tmp_path: Path,
) -> None:
    run = tmp_path / "run"

    async def read(start: int | str | None) -> AsyncIterator[tuple[int | str, dict[str, str]]]:
        for number in range(int(start or 0), 3):
            yield number, {"hs_timestamp": "1700000000000", "hs_email_subject": str(number)}

    async def work() -> tuple[Summary, Summary, Summary]:
        sandbox = await start(SandboxConfig(rate_limit=None, bare=True, latency=0.5))
        source = OwnSource("mine", read)
        try:
            options = Options(base_url=sandbox.url)
            loading = asyncio.create_task(load(source, run=run, token="x", options=options))
            while not (run.is_dir() and is_committed(RunDir(run)) and under_way(run)):
                await asyncio.sleep(0.01)
            loading.cancel()
            await asyncio.wait([loading])
            left = status(run)
            held = await resume(run, source, token="x")
            listed = CliRunner().invoke(doubts.command, [str(run)]).output
            assert f"bulkload.resolve({str(run)!r}, ...)" in listed
            everything = Covered([(0, 10)])
            with pytest.raises(NotHandedIn, match="with the source handed in again"):
                await resolve(run, there=False, chosen=everything, token="x")
            sent_again = await resolve(run, source, there=False, chosen=everything, token="x")
            return left, held, sent_again
        finally:
            await sandbox.close()

    left, held, sent_again = asyncio.run(work())
    assert left.resume == f"from the program that has mine: bulkload.resume({str(run)!r}, ...)"
    assert (held.in_doubt > 0, held.own, held.resume) == (True, ("mine",), None)
    told = words.summary(held)
    assert f"from the program that has mine: bulkload.resolve({str(run)!r}, ...)" in told
    assert f"bulkload resolve {run} --as loaded RECORD" in told
    assert (sent_again.in_doubt, sent_again.loaded, sent_again.exit_code) == (0, 3, 0)
    assert "bulkload.re" not in words.summary(sent_again)


def test_a_source_that_gives_fewer_than_it_gave_is_told_what_to_do(tmp_path: Path) -> None:
    run, end = tmp_path / "run", 150
    answered, lost = threading.Event(), threading.Event()

    async def read(start: int | str | None) -> AsyncIterator[tuple[int | str, dict[str, str]]]:
        for number in range(int(start or 0), end):
            if number == 149 and not lost.is_set():
                await asyncio.to_thread(answered.wait, 60)
                raise OSError
            yield number, {"hs_timestamp": "1700000000000", "hs_email_subject": str(number)}

    def observer(event: object) -> None:
        if isinstance(event, Answered):
            answered.set()

    async def work() -> Summary:
        nonlocal end
        sandbox = await start(SandboxConfig(rate_limit=None))
        options = Options(base_url=sandbox.url, batch_size=10, max_in_flight=1)
        try:
            first = await load(
                OwnSource("mine", read), run=run, token="x", options=options, observers=[observer]
            )
            assert first.loaded >= 10
            lost.set()
            end = first.loaded - 5
            return await resume(run, OwnSource("mine", read), token="x")
        finally:
            await sandbox.close()

    summary = asyncio.run(work())
    assert (summary.exit_code, summary.loaded) == (3, end + 5)
    said = f"gave {end} records to their end, and {end + 5} are settled: one gives fewer"
    assert said in (summary.stopped or "")


def test_one_source_in_two_loads_at_once_disturbs_neither(tmp_path: Path) -> None:
    reads = threading.Event()

    async def read(start: int | str | None) -> AsyncIterator[tuple[int | str, dict[str, str]]]:
        for number in range(int(start or 0), 1_000):
            if number == 150:
                reads.set()
                await asyncio.Event().wait()
            yield number, {"hs_timestamp": "1700000000000", "hs_email_subject": str(number)}

    async def work() -> tuple[Summary, Summary]:
        sandbox = await start(SandboxConfig(rate_limit=None))
        source, interrupt = OwnSource("mine", read), asyncio.Event()
        options = Options(base_url=sandbox.url)

        def begun(run: str) -> asyncio.Task[Summary]:
            given = load(
                source, run=tmp_path / run, token="x", options=options, interrupt=interrupt
            )
            return asyncio.create_task(given)

        try:
            loads = begun("one"), begun("two")
            await asyncio.wait(loads, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.to_thread(reads.wait, 60)
            with pytest.raises(RefusedToStart, match="mine: another load reads it now"):
                await asyncio.wait_for(begun("three"), 30)
            interrupt.set()
            one, two = await asyncio.gather(*loads)
            return one, two
        finally:
            await sandbox.close()

    stopped = sorted((each.stopped or "") for each in asyncio.run(work()))
    assert stopped[0].startswith("interrupted")
    assert stopped[1].startswith("mine: another load reads it now")


def test_who_is_cancelled_twice_leaves_no_source_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, twice = threading.Event(), threading.Event()
    closed_by: list[str] = []

    def commit(_: Recent) -> None:
        reading.set()
        assert twice.wait(60)  # a disk that nothing hurries

    async def read(start: int | str | None) -> AsyncIterator[tuple[int | str, dict[str, str]]]:
        try:
            for number in range(int(start or 0), 1_000_000):
                yield number, {"hs_timestamp": "1700000000000"}
        finally:
            closed_by.append(threading.current_thread().name.partition("_")[0])

    async def work() -> None:
        loading = asyncio.create_task(loaded(tmp_path, read))
        await asyncio.to_thread(reading.wait, 60)
        closed_by.clear()  # of the look at the first records
        loading.cancel()
        await asyncio.wait([loading], timeout=0.2)  # by then it waits for who reads
        loading.cancel()
        threading.Timer(0.2, twice.set).start()
        await asyncio.wait([loading], timeout=30)
        assert loading.cancelled()

    monkeypatch.setattr(Recent, "commit", commit)
    gc.disable()
    try:
        asyncio.run(work())
        assert closed_by == ["reader"]
    finally:
        gc.enable()
