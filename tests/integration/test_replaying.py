"""A replay is begun, or nothing of it is left; why it could not begin is said in its words."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
import threading
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from bulkload import load, replay, resolve, status, undo
from bulkload.afterwards import replaying, spooling
from bulkload.errors import RefusedToStart
from bulkload.journal import journal as journals
from bulkload.journal import schema
from bulkload.options import Options
from bulkload.ordinals import Ticked
from bulkload.records.rules import Rules
from bulkload.rundir import RunDir
from bulkload.runs import beginning, lineage
from bulkload.sandbox.config import SandboxConfig
from bulkload.sandbox.server import start
from tests.making import FACTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LETTER = b'{"run":"r","ordinal":3,"record":{"properties":{"hs_timestamp":"1700000000000"}}}\n'


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    made = RunDir(tmp_path / "run")
    made.create()
    rules = Rules().as_json()
    journals.create(made, {**FACTS, "options": Options().as_json(), "rules": rules})
    made.letters.write_bytes(LETTER)
    return made


def full(*_: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def locked(run: RunDir, _path: Path) -> None:
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = sqlite3.SQLITE_BUSY
    raise schema.damaged(run.journal, error)


@pytest.mark.parametrize(
    ("where", "what", "fails", "why"),
    [
        (spooling, "private", full, "No space left"),
        (spooling, "_name", full, "No space left"),
        (journals, "register_replay", locked, "database is locked"),
        (RunDir, "lay_ballast", full, "No space left"),
        (journals, "create", full, "No space left"),
    ],
)
def test_what_keeps_it_from_beginning_refuses_it_and_leaves_nothing(
    run: RunDir,
    monkeypatch: pytest.MonkeyPatch,
    where: object,
    what: str,
    fails: Callable[..., None],
    why: str,
) -> None:
    """But a directory that the run knows of: it would be missed by the next replay."""
    child = run.path.with_name("run-replay-1")
    with monkeypatch.context() as patched:
        patched.setattr(where, what, fails)
        said = f"can't be begun .*{why}.*; nothing was sent"
        with pytest.raises(RefusedToStart, match=said) as told:
            asyncio.run(replay(run.path, token="x"))
    assert "resume" not in str(told.value)
    known = [state for _, state in lineage.replays(run)]
    assert known in ([], ["not begun"])
    left = {path.name for path in child.iterdir()} if child.exists() else set()
    assert left <= {"run.lock"}
    assert not lineage.settled(run, replaying._refuse)


def test_a_mark_of_an_editor_is_no_part_of_a_letter(run: RunDir, tmp_path: Path) -> None:
    """A letter that is not known again would be sent by each replay."""
    run.letters.write_bytes(b"\xef\xbb\xbf" + LETTER)
    spool = tmp_path / "spool"
    assert spooling.spool(run.letters, spool, "r", Ticked()).sent == 1
    assert list(spooling.lineage(spool, "r")) == [(0, 3)]
    assert spool.read_bytes() == LETTER


def test_letters_are_told_apart_in_a_few_bits_each(tmp_path: Path) -> None:
    """There may be as many as records."""
    file, spool = tmp_path / "letters", tmp_path / "spool"
    several = (n for n in (*range(20_000), *range(100)) for _ in range(2))
    file.write_bytes(b"".join(b'{"run":"r","ordinal":%d}\n' % n for n in several))
    tracemalloc.start()
    try:
        spooled = spooling.spool(file, spool, "r", Ticked(range(0, 20_000, 2)))
        ups = spooling.lineage(spool, "r")
        assert all(up == 2 * at + 1 for at, up in ups)
        assert tracemalloc.get_traced_memory()[1] < 500_000
    finally:
        tracemalloc.stop()
    assert (spooled.sent, spooled.settled, spooled.repeated) == (10_000, 10_000, 20_200)


@pytest.mark.parametrize("ordinal", [b"-1", b"9223372036854775808", b"true", b"1.0"])
def test_what_is_no_ordinal_names_no_letter(ordinal: bytes, tmp_path: Path) -> None:
    """It is sent, as any line of one's own is, and is no reason to fail."""
    file, spool = tmp_path / "letters", tmp_path / "spool"
    file.write_bytes(b'{"run":"r","ordinal":%b}\n' % ordinal * 2)
    assert spooling.spool(file, spool, "r", Ticked()).sent == 2
    assert list(spooling.lineage(spool, "r")) == []


def test_what_goes_through_all_letters_is_beside_the_event_loop(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: dict[str, int] = {}

    def noted(where: Any, what: str) -> None:
        does = getattr(where, what)

        def do(*given: Any) -> Any:
            threads[what] = threading.get_ident()
            return does(*given)

        monkeypatch.setattr(where, what, do)

    noted(journals, "check")
    noted(lineage, "settled")
    noted(spooling, "spool")
    noted(journals, "create")

    async def goes_on(*_: Any) -> Any:
        """It has begun, and what it does is a run's."""

    monkeypatch.setattr(replaying, "carry_on", goes_on)
    asyncio.run(replay(run.path, token="x"))
    assert set(threads) == {"check", "settled", "spool", "create"}
    assert threading.get_ident() not in threads.values()


def test_who_is_cancelled_waits_for_what_writes_beside_the_loop() -> None:
    ended: list[bool] = []
    began, go_on = threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        ended.append(go_on.wait(10))

    async def cancels() -> None:
        working = asyncio.create_task(beginning.beside(work))
        assert await asyncio.to_thread(began.wait, 10)
        working.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not working.done()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await working
        assert ended == [True]

    asyncio.run(cancels())


LINE = '{"properties":{"hs_timestamp":"1700000000000","hs_email_subject":"%d"%s}}\n'
BAD = ',"hs_email_direction":"BAD"'


def mend(run: Path) -> None:
    """What keeps its letters from being loaded is mended."""
    letters = run / "dead-letters.ndjson"
    letters.write_text(letters.read_text().replace('"BAD"', '"EMAIL"'))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where runs are kept; r is loaded from `in.ndjson`, whose record is refused."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.ndjson").write_text(LINE % (0, BAD))
    return tmp_path


def test_what_a_replay_loaded_is_not_sent_by_one_of_its_siblings_letters(place: Path) -> None:
    async def run() -> None:
        sandbox = await start(SandboxConfig(rate_limit=None, bare=True))
        try:
            await load("in.ndjson", run="r", options=Options(base_url=sandbox.url), token="x")
            assert (await replay("r", token="x")).dead_lettered == 1
            left = status("r-replay-1")
            assert (left.letters_left, left.exit_code) == (1, 1)
            mend(place / "r")
            assert (await replay("r", token="x")).loaded == 1
            # Its letter is the same record, which a sibling has loaded meanwhile.
            found = status("r-replay-1")
            assert (found.letters_left, found.exit_code) == (0, 0)
            assert [each[:3] for each in found.replays] == [(str(place / "r-replay-2"), "ended", 1)]
            mend(place / "r-replay-1")
            with pytest.raises(RefusedToStart, match="1 were sent by earlier replays"):
                await replay("r-replay-1", token="x")
            assert sandbox.portal.emails.live == 1
            # Undone, it is to be sent again, from wherever it is replayed.
            await undo("r-replay-2", token="x")
            assert status("r-replay-1").letters_left == 1
            assert (await replay("r-replay-1", token="x")).loaded == 1
            assert status("r").letters_left == 0
            # Of a run that is not there any more nobody knows what its replays did.
            (place / "r").rename(place / "away")
            with pytest.raises(RefusedToStart, match=r"kept at .*/r and is not there"):
                await replay("r-replay-1", token="x")
        finally:
            await sandbox.close()

    asyncio.run(run())


def test_while_another_replay_of_the_family_is_begun_none_is(place: Path) -> None:
    async def run() -> None:
        sandbox = await start(SandboxConfig(rate_limit=None, bare=True))
        try:
            await load("in.ndjson", run="r", options=Options(base_url=sandbox.url), token="x")
            await replay("r", token="x")
            with (
                RunDir(place / "r").locked(),
                pytest.raises(RefusedToStart, match="another bulkload works on this run"),
            ):
                await replay("r-replay-1", token="x")
            assert (await replay("r-replay-1", token="x")).dead_lettered == 1
        finally:
            await sandbox.close()

    asyncio.run(run())


def test_of_an_undone_replay_what_was_called_loaded_is_not_sent_again(place: Path) -> None:
    """An undo leaves it, since it has no id."""
    (place / "in.ndjson").write_text("".join(LINE % (n, BAD) for n in range(20)))

    async def run() -> None:
        sandbox = await start(SandboxConfig(rate_limit=None, bare=True))
        try:
            options = Options(base_url=sandbox.url, batch_size=5, max_in_flight=1)
            await load("in.ndjson", run="r", options=options, token="x")
            mend(place / "r")
            sandbox.portal.plan.change({"504-after": 0.5})
            held = await replay("r", token="x")
            sandbox.portal.plan.change({})
            assert 0 < held.in_doubt < 20
            await resolve("r-replay-1", there=True)
            await undo("r-replay-1", token="x")
            assert status("r").letters_left == 20 - held.in_doubt
            again = await replay("r", token="x")
            assert again.loaded == 20 - held.in_doubt
        finally:
            await sandbox.close()

    asyncio.run(run())


def test_letters_go_to_the_portal_of_their_run(place: Path) -> None:
    async def run() -> None:
        first = await start(SandboxConfig(rate_limit=None, portal_id=111))
        await load("in.ndjson", run="r", options=Options(base_url=first.url), token="x")
        await first.close()
        mend(place / "r")
        other = await start(SandboxConfig(rate_limit=None, portal_id=222))
        try:
            to_other = {"base_url": other.url}
            stopped = await replay("r", changes=to_other, token="x")
            assert (stopped.exit_code, stopped.loaded) == (4, 0)
            assert "portal 222, the run was begun on portal 111" in (stopped.stopped or "")
            # A copy of the letters is of no run, and goes wherever it is sent.
            (place / "copy.ndjson").write_bytes((place / "r/dead-letters.ndjson").read_bytes())
            assert (await replay("copy.ndjson", changes=to_other, token="x")).loaded == 1
        finally:
            await other.close()

    asyncio.run(run())
