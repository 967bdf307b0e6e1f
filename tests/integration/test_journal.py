"""The journal on a real disk: durable before it is said, one transaction, whole after a crash."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import sqlite3
import stat
import threading
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING, Any

import pytest

from bulkload import status
from bulkload.batch import Letter, Skip
from bulkload.errors import BulkloadError, StoppedForGood, StoppedResumable
from bulkload.journal import claims, projection, readers, schema
from bulkload.journal import journal as journals
from bulkload.journal.journal import Journal
from bulkload.journal.people import Reading
from bulkload.journal.settlement import Resend, Settlement
from bulkload.journal.writer import Writer
from bulkload.model import Position
from bulkload.ordinals import Covered
from bulkload.rundir import RunDir
from bulkload.runs import inquiry
from bulkload.runs.summary import Summary
from tests.making import FACTS, batch, letter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

LINES = [b'{"n":%d}' % n for n in range(4)]


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    made = RunDir(tmp_path / "run")
    made.create()
    journals.create(made, FACTS)
    return made


@asynccontextmanager
async def opened(run: RunDir) -> AsyncIterator[Journal]:
    journal = Journal.of(run, on_full=lambda _: None)
    try:
        yield journal
    finally:
        await journal.close()


def seen(run: RunDir, query: str) -> list[Any]:
    """What another connection sees: what is committed."""
    with closing(schema.read_only(run.journal)) as connection:
        return connection.execute(query).fetchall()


def crashed(run: RunDir, where: Path) -> RunDir:
    """The run as a crash at this instant would leave it."""
    shutil.copytree(run.path, where)
    return RunDir(where)


def test_an_intent_is_durable_before_the_request_may_leave(run: RunDir) -> None:
    async def intends() -> None:
        async with opened(run) as journal:
            attempt = await journal.intend(batch(range(5)), b"digest")
            rows = seen(run, "SELECT id, covers, nth, digest, outcome FROM attempt")
            assert rows == [(attempt, "0-4", 1, b"digest", None)]
            assert await journal.sent_since(0) == 1

    asyncio.run(intends())


def test_a_settlement_is_whole_or_not_there(run: RunDir) -> None:
    async def settles() -> None:
        async with opened(run) as journal:
            sent = batch(range(5))
            attempt = await journal.intend(sent, b"d")
            await journal.settle(
                attempt,
                Settlement(
                    207,
                    loaded=((0, "10"), (1, "11")),
                    loose_ids=("99",),
                    letters=(letter(2),),
                    doubtful=sent.entries[3:],
                ),
            )
        assert readers.counts(run)[:4] == (2, 0, 1, 2)
        assert seen(run, "SELECT covers, ids, tied FROM attempt") == [("0-1", "10,11,99", 0)]
        assert [d["ordinal"] for d in readers.doubts(run)] == [3, 4]
        assert seen(run, "SELECT ordinal FROM letter ORDER BY 1") == [(2,)]

    asyncio.run(settles())


def test_half_a_settlement_is_rolled_back(run: RunDir) -> None:
    async def settles() -> None:
        async with opened(run) as journal:
            await journal.bury([letter(1)])
            attempt = await journal.intend(batch(range(3)), b"d")
            twice = Settlement(207, loaded=((0, "10"),), letters=(letter(2), letter(1)))
            with pytest.raises(StoppedResumable):
                await journal.settle(attempt, twice)
        assert seen(run, "SELECT ordinal FROM letter ORDER BY 1") == [(1,)]
        assert readers.counts(run).loaded == 0

    asyncio.run(settles())


def test_a_withdrawn_intent_leaves_nothing(run: RunDir) -> None:
    async def withdraws() -> None:
        async with opened(run) as journal:
            await journal.withdraw(await journal.intend(batch(range(5)), b"d"))
            assert (await journal.state()).open == []
            assert seen(run, "SELECT * FROM attempt") == []

    asyncio.run(withdraws())


def test_a_resend_opens_its_attempt_with_the_first_doubt_and_its_own_digest(run: RunDir) -> None:
    async def resends() -> None:
        async with opened(run) as journal:
            sent = batch(range(3))
            first = await journal.intend(sent, b"whole")
            again = Resend(sent, b"whole")
            (second,) = await journal.settle(first, Settlement(503, "503", resend=(again,)))
            part = Resend(sent.only({1}), b"part")
            (third,) = await journal.settle(
                second, Settlement(207, loaded=((0, "1"),), resend=(part,))
            )
            (opened_,) = (await journal.state()).open
            assert (opened_.id, opened_.covers, opened_.digest) == (third, "1", b"part")
        rows = seen(run, "SELECT outcome, digest, doubtful_since, sent_at FROM attempt")
        assert [row[0] for row in rows] == ["resent", "loaded", None]
        assert [row[1] for row in rows] == [b"whole", b"whole", b"part"]
        assert rows[0][2] is None
        assert rows[1][2] == rows[2][2] == rows[0][3]

    asyncio.run(resends())


def test_what_a_crash_leaves_is_what_was_committed(run: RunDir, tmp_path: Path) -> None:
    async def lives() -> None:
        async with opened(run) as journal:
            await journal.note({"portal": "7"})
            done = await journal.intend(batch(range(10)), b"a")
            await journal.settle(
                done, Settlement(201, loaded=tuple((n, str(n)) for n in range(10)))
            )
            hole = await journal.intend(batch(range(10, 15)), b"b")
            later = await journal.intend(batch(range(15, 20)), b"c")
            await journal.settle(
                later,
                Settlement(
                    207, loaded=tuple((n, "x") for n in range(15, 19)), letters=(letter(19),)
                ),
            )
            cut = crashed(run, tmp_path / "cut")
            await journal.settle(hole, Settlement(400))
        async with opened(cut) as again:
            assert again.facts == {**FACTS, "portal": "7"}
            assert again.counts == (14, 0, 1, 0, 0, 2)
            state = await again.state()
            assert [(o.id, o.covers, o.first, o.digest) for o in state.open] == [
                (hole, "10-14", 10, b"b")
            ]
            # What is open is spoken for: it is looked at by itself, and not read as new.
            assert state.covered.low_water == 20
            assert [n for n in range(25) if n not in state.covered] == [*range(20, 25)]
            assert state.seek == (19, 0, Position(190, 20))

    asyncio.run(lives())


def test_a_new_run_reads_from_the_beginning_and_a_whole_one_from_its_last(run: RunDir) -> None:
    async def reads() -> None:
        async with opened(run) as journal:
            assert (await journal.state()).seek == (0, 0, None)
            await journal.bury([letter(0), letter(1)])
            state = await journal.state()
            assert (state.covered.low_water, state.seek) == (2, (1, 0, Position(10, 2)))

    asyncio.run(reads())


def test_many_writes_share_a_commit(run: RunDir) -> None:
    async def crowds() -> int:
        async with opened(run) as journal:
            commits: list[int] = []
            writer = threaded(journal)
            commit = writer._commit

            def counted(group: Any) -> Any:
                commits.append(len(group))
                return commit(group)

            writer._commit = counted  # type: ignore[method-assign]
            await asyncio.gather(*(journal.intend(batch([n]), b"d") for n in range(200)))
            assert sum(commits) == 200
            return len(commits)

    assert asyncio.run(crowds()) <= 20
    assert seen(run, "SELECT count(*) FROM attempt") == [(200,)]


def test_a_writer_that_fails_tells_everybody_who_waits_and_whoever_comes(run: RunDir) -> None:
    async def fails() -> None:
        async with opened(run) as journal:
            writes = [journal.intend(batch([n]), b"d") for n in range(5)]
            broken = journal._writer.write(lambda connection: connection.execute("SELECT nope"))
            found = await asyncio.gather(*writes, broken, return_exceptions=True)
            assert isinstance(found[-1], StoppedResumable)
            with pytest.raises(StoppedResumable):
                await journal.withdraw(1)
            told = [f for f in found if isinstance(f, StoppedResumable)]
        committed = seen(run, "SELECT count(*) FROM attempt")[0][0]
        assert committed == len(found) - len(told)

    asyncio.run(fails())


def test_a_mistake_of_ours_is_not_called_the_disks(run: RunDir) -> None:
    async def writes() -> None:
        async with opened(run) as journal:
            with pytest.raises(OverflowError):
                await journal.bury([letter(1)._replace(position=Position(2**70, 1))])

    asyncio.run(writes())


def test_a_caller_that_is_cancelled_leaves_its_write_to_happen(run: RunDir) -> None:
    async def cancels() -> None:
        async with opened(run) as journal:
            doing = asyncio.ensure_future(journal.intend(batch([0]), b"d"))
            await asyncio.sleep(0)
            doing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await doing
        assert seen(run, "SELECT count(*) FROM attempt") == [(1,)]

    asyncio.run(cancels())


def test_a_full_disk_gets_one_second_chance(run: RunDir) -> None:
    freed: list[str] = []

    class Full(sqlite3.OperationalError):
        sqlite_errorcode = sqlite3.SQLITE_FULL

    async def fills() -> None:
        journal = Journal.of(run, on_full=freed.append)
        writer = threaded(journal)
        commit = writer._commit
        failed: list[int] = []

        def once(group: Any) -> Any:
            if not failed:
                failed.append(1)
                raise Full("full")
            return commit(group)

        writer._commit = once  # type: ignore[method-assign]
        await journal.bury([letter(0)])
        await journal.close()

    asyncio.run(fills())
    assert freed == ["is full"]
    assert seen(run, "SELECT ordinal FROM letter ORDER BY 1") == [(0,)]


def bury(run: RunDir) -> bytes:
    """Four dead letters; returns the file as it should be."""

    async def buries() -> None:
        async with opened(run) as journal:
            await journal.bury([letter(n, line) for n, line in enumerate(LINES)])

    asyncio.run(buries())
    return b"".join(line + b"\n" for line in LINES)


def threaded(journal: Journal) -> Writer:
    """The writer that a run's directory is written by."""
    assert isinstance(journal._writer, Writer)
    return journal._writer


def restored(run: RunDir) -> Path | None:
    async def opens() -> Path | None:
        async with opened(run) as journal:
            return journal.set_aside

    return asyncio.run(opens())


def test_letters_are_in_the_file_after_they_are_in_the_journal(run: RunDir) -> None:
    whole = bury(run)
    assert run.letters.read_bytes() == whole
    assert seen(run, "SELECT ordinal FROM letter ORDER BY 1") == [(0,), (1,), (2,), (3,)]


def test_a_file_that_was_torn_anywhere_is_made_whole(run: RunDir) -> None:
    whole = bury(run)
    with closing(schema.connect(run.journal)) as connection:
        for size in range(len(whole) + 1):
            run.letters.write_bytes(whole[:size])
            assert projection.restore(run.letters, connection) is None
            assert run.letters.read_bytes() == whole
        run.letters.unlink()
        assert projection.restore(run.letters, connection) is None
        assert run.letters.read_bytes() == whole


def test_a_full_disk_stops_resumable_before_anything_else(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = bury(run)
    run.letters.write_bytes(whole[:10])
    with closing(schema.connect(run.journal)) as connection:
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", full)
            with pytest.raises(StoppedResumable, match=r"dead-letters.*No space left.*Make room"):
                projection.restore(run.letters, connection)
        assert projection.restore(run.letters, connection) is None
    assert run.letters.read_bytes() == whole


def full(_: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("edit", ["changed", "longer", "cut-inside", "reordered"])
def test_a_file_that_a_person_edited_is_set_aside_and_never_cut(run: RunDir, edit: str) -> None:
    whole = bury(run)
    edited = {
        "changed": whole.replace(b"2", b"9"),
        "longer": whole + b"mine\n",
        "cut-inside": whole[9:],
        "reordered": whole[9:] + whole[:9],
    }[edit]
    for number in (1, 2):
        run.letters.write_bytes(edited)
        aside = restored(run)
        assert aside == run.path / f"dead-letters.edited-{number}.ndjson"
        assert aside.read_bytes() == edited
        assert run.letters.read_bytes() == whole


def test_a_line_that_the_disk_cut_off_is_taken_back_before_it_is_written_again(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    full: list[int] = []

    def write(descriptor: int, content: bytes) -> int:
        if len(full) < 2:
            full.append(1)
            if len(full) == 2:
                raise OSError(28, "no space")
            return real(descriptor, content[:3])
        return real(descriptor, content)

    async def fills() -> None:
        freed: list[str] = []
        journal = Journal.of(run, on_full=freed.append)
        monkeypatch.setattr(os, "write", write)
        await journal.bury([letter(0, LINES[0])])
        assert (run.letters.read_bytes(), freed) == (b"", ["is full"])
        await journal.bury([letter(1, LINES[1])])
        await journal.close()

    asyncio.run(fills())
    assert run.letters.read_bytes() == LINES[0] + b"\n" + LINES[1] + b"\n"


def test_run_files_are_their_owners_only(run: RunDir) -> None:
    run.letters.write_bytes(b"")
    run.letters.chmod(0o644)

    async def lives() -> None:
        async with opened(run) as journal:
            run.letters.unlink()
            await journal.bury([letter(0)])
            modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in run.path.iterdir()}
            assert set(modes.values()) == {0o600}, modes

    asyncio.run(lives())
    run.letters.chmod(0o644)
    restored(run)
    assert stat.S_IMODE(run.letters.stat().st_mode) == 0o600


def test_a_damaged_page_stops_for_good(run: RunDir) -> None:
    async def fills() -> None:
        async with opened(run) as journal:
            await journal.bury([Letter(n, 0, Position(n, n), b"x" * 2000) for n in range(50)])

    asyncio.run(fills())
    size = run.journal.stat().st_size
    with run.journal.open("r+b") as file:
        for page in range(3, size // schema.PAGE_BYTES):
            file.seek(page * schema.PAGE_BYTES)
            file.write(os.urandom(64))
    with pytest.raises(StoppedForGood, match="damaged"):
        restored(run)


@pytest.mark.parametrize("content", [b"not a database, not at all" * 50, b"\0" * 8192])
def test_a_file_that_is_no_database_stops_for_good(run: RunDir, content: bytes) -> None:
    run.journal.write_bytes(content)
    for ask in (readers.facts, readers.counts, restored):
        with pytest.raises(StoppedForGood):
            ask(run)


@pytest.mark.parametrize(
    "damage",
    [
        """UPDATE run SET value='{!"timeout":60}' WHERE name='options'""",
        "UPDATE run SET name='optionr' WHERE name='options'",
        "UPDATE run SET value='[]' WHERE name='options'",
        "UPDATE run SET value=x'7b22fe' WHERE name='rules'",
        "UPDATE run SET value='null' WHERE name='created'",
    ],
)
def test_a_fact_that_is_not_as_it_was_written_stops_for_good(tmp_path: Path, damage: str) -> None:
    """No page shows it: SQLite calls such a journal sound."""
    damaged, sound = RunDir(tmp_path / "damaged"), RunDir(tmp_path / "sound")
    for run in (damaged, sound):
        run.create()
        journals.create(run, FACTS)
    assert readers.facts(damaged) == FACTS
    with schema.opened(damaged.journal, writable=True) as connection:
        connection.execute(damage)
    with pytest.raises(StoppedForGood, match="the journal is damaged"):
        status(damaged.path)
    listed = {path.name: type(stands) for path, stands in inquiry.runs(tmp_path)}
    assert listed == {"damaged": StoppedForGood, "sound": Summary}


def test_ordinals_that_are_not_as_they_were_written_stop_for_good(run: RunDir) -> None:
    async def looks() -> None:
        async with opened(run) as journal:
            await journal.intend(batch(range(5)), b"d")
        with schema.opened(run.journal, writable=True) as connection:
            connection.execute("UPDATE attempt SET covers='0,4x'")
        with pytest.raises(StoppedForGood, match="the journal is damaged"):
            readers.under_way(run)
        async with opened(run) as journal:
            with pytest.raises(StoppedForGood, match="the journal is damaged"):
                await journal.state()
            with pytest.raises(StoppedForGood, match="the journal is damaged"):
                await journal.note({"complete": True})

    asyncio.run(looks())


def test_a_journal_of_another_version_is_not_touched(run: RunDir) -> None:
    with closing(schema.connect(run.journal)) as connection:
        connection.execute("PRAGMA user_version=99")
    with pytest.raises(StoppedForGood, match="version 99"):
        readers.facts(run)


def test_a_disk_that_is_in_the_way_is_no_damage(run: RunDir) -> None:
    class Busy(sqlite3.OperationalError):
        sqlite_errorcode = sqlite3.SQLITE_BUSY | 0x100

    assert isinstance(schema.damaged(run.journal, Busy("locked")), StoppedResumable)
    run.journal.unlink()
    with pytest.raises(BulkloadError) as found:
        readers.counts(run)
    assert not isinstance(found.value, StoppedForGood)


def test_a_process_that_was_killed_too_early_leaves_no_run(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "early")
    run.create()
    assert not readers.is_committed(run)
    run.journal.touch()
    assert not readers.is_committed(run)
    run.journal.unlink()
    journals.create(run, FACTS, [(0, 7)])
    assert readers.is_committed(run)
    assert [*readers.lineage(run)] == [(0, 7, False, False)]


def skip(ordinal: int, first: int | None = None, made: str = "") -> Skip:
    return Skip(ordinal, 0, Position(ordinal * 10, ordinal + 1), first, made)


async def doubted(journal: Journal, numbers: range, since: float | None = None) -> int:
    """A batch that is held in doubt. Returns its attempt."""
    sent = batch(numbers)
    attempt = await journal.intend(sent, b"whole", since)
    await journal.settle(attempt, Settlement(503, "503", doubtful=sent.entries))
    return attempt


def test_a_settlement_says_who_exists_and_who_is_skipped(run: RunDir) -> None:
    async def settles() -> None:
        async with opened(run) as journal:
            attempt = await journal.intend(batch(range(6)), b"d")
            outcome = Settlement(
                207,
                loaded=((0, "10"),),
                letters=(letter(1),),
                existing=((4, "40"), (2, "20")),
                skipped=(skip(3, 0), skip(5, made="10")),
            )
            assert await journal.settle(attempt, outcome) == []
        assert readers.counts(run) == (1, 2, 1, 0, 2, 1)
        rows = seen(run, "SELECT outcome, covers, ids, existing_covers, existing_ids FROM attempt")
        assert rows == [("loaded", "0", "10", "2,4", "20,40")]
        assert seen(run, "SELECT ordinal, first, id FROM skip") == [(3, 0, None), (5, None, "10")]

    asyncio.run(settles())


@pytest.mark.parametrize(
    ("outcome", "name", "counted"),
    [
        (Settlement(409, existing=((0, "1"), (1, "2"))), "existing", 1),
        (Settlement(409, skipped=(skip(0, 7), skip(1, 8))), "skipped", 1),
        (Settlement(409, existing=((0, "1"),), skipped=(skip(1),)), "existing", 1),
        (Settlement(409, existing=((0, "1"),), letters=(letter(1),)), "existing", 1),
        (Settlement(409, skipped=(skip(0),), letters=(letter(1),)), "rejected", 1),
        (Settlement(400), "refused", 0),
    ],
)
def test_an_attempt_that_loaded_nothing_covers_who_is_settled_and_nobody_else(
    run: RunDir, outcome: Settlement, name: str, counted: int
) -> None:
    async def settles() -> None:
        async with opened(run) as journal:
            attempt = await journal.intend(batch(range(3)), b"d")
            await journal.settle(attempt, outcome)
            covered = (await journal.state()).covered
            assert 2 not in covered
            assert sum(n in covered for n in range(3)) == (2 if outcome.counts else 0)
        assert seen(run, "SELECT outcome FROM attempt") == [(name,)]
        assert readers.counts(run).batches == counted

    asyncio.run(settles())


def test_what_was_asked_for_without_an_open_attempt_is_settled_by_one_of_its_own(
    run: RunDir,
) -> None:
    async def settles() -> None:
        async with opened(run) as journal:
            attempt = await journal.intend(batch(range(3)), b"d")
            await journal.settle(attempt, Settlement(409, "its key is taken"))
            left = batch(range(1, 3))
            outcome = Settlement(409, existing=((1, "5"),), skipped=(skip(2, made="9"),))
            assert await journal.settle(left, outcome) == []
            assert (await journal.state()).open == []
        rows = seen(run, "SELECT outcome, covers, nth, remote_since FROM attempt ORDER BY id")
        assert rows == [("refused", "0-2", 1, None), ("existing", "1-2", 1, None)]
        assert readers.counts(run)[:5] == (0, 1, 0, 0, 1)

    asyncio.run(settles())


def test_a_crash_forgets_neither_who_exists_nor_who_is_skipped(run: RunDir, tmp_path: Path) -> None:
    async def lives() -> None:
        async with opened(run) as journal:
            await journal.bury([letter(0)], [skip(1, 0)])
            done = await journal.intend(batch(range(2, 8)), b"a")
            outcome = Settlement(
                207,
                loaded=((2, "2"), (3, "3")),
                existing=((5, "50"),),
                skipped=(skip(6, made="2"),),
            )
            await journal.settle(done, outcome)
            await journal.settle(batch([4]), Settlement(409, existing=((4, "40"),)))
            cut = crashed(run, tmp_path / "cut")
            await journal.bury([letter(7)])
        async with opened(cut) as again:
            assert again.counts == (2, 2, 1, 0, 2, 2)
            state = await again.state()
            assert [n for n in range(10) if n not in state.covered] == [7, 8, 9]
            assert state.covered.low_water == 7
            assert state.seek == (6, 0, Position(60, 7))
            assert state.open == []

    asyncio.run(lives())


def test_one_record_is_never_skipped_twice(run: RunDir) -> None:
    async def skips() -> None:
        async with opened(run) as journal:
            await journal.bury([], [skip(1, 0)])
            with pytest.raises(StoppedResumable):
                await journal.bury([], [skip(1, 0)])
        assert readers.counts(run).skipped == 1

    asyncio.run(skips())


def test_the_remotes_clock_at_the_first_doubt_is_kept_through_all_that_follow(
    run: RunDir,
) -> None:
    async def resends() -> None:
        async with opened(run) as journal:
            sent = batch(range(4))
            attempt = await journal.intend(sent, b"0", 1234.5)
            for number in range(3):
                again = Resend(sent, b"%d" % number)
                (attempt,) = await journal.settle(attempt, Settlement(503, resend=(again,)))
            halves = [Resend(half, b"half") for half in sent.split(2)]
            both = await journal.settle(attempt, Settlement(503, resend=tuple(halves)))
            found = (await journal.state()).open
            assert [each.id for each in found] == both
            assert [(each.covers, each.since, each.nth) for each in found] == [
                ("0-1", 1234.5, 1),
                ("2-3", 1234.5, 1),
            ]
            later = await journal.intend(batch([9]), b"9")
            assert [each.since for each in (await journal.state()).open if each.id == later] == [
                None
            ]
        first = seen(run, "SELECT sent_at FROM attempt ORDER BY id")[0]
        rows = seen(run, "SELECT doubtful_since, remote_since FROM attempt WHERE outcome IS NULL")
        assert rows == [(*first, 1234.5), (*first, 1234.5), (None, None)]

    asyncio.run(resends())


def test_doubts_that_are_reopened_are_open_with_all_that_was_known_of_them(run: RunDir) -> None:
    async def reopens() -> None:
        async with opened(run) as journal:
            await journal.note({"complete": True})
            first = await doubted(journal, range(3), 1234.5)
            second = await doubted(journal, range(3, 6))
            would = await journal.doubted()
            assert (await journal.state()).open == [], "nothing is made yet"
            assert await journal.reopen_doubts() == 6
            state = await journal.state()
            assert would == [opened._replace(id=0) for opened in state.open]
            assert [(o.covers, o.first, o.digest, o.since, o.nth) for o in state.open] == [
                ("0-2", 0, b"whole", 1234.5, 1),
                ("3-5", 3, b"whole", None, 1),
            ]
            assert [o.position for o in state.open] == [Position(0, 1), Position(30, 4)]
            assert state.covered.low_water == 6, "what is open is spoken for"
            assert await journal.reopen_doubts() == 0
        assert list(readers.doubts(run)) == []
        assert readers.facts(run)["complete"] is False
        assert readers.facts(run)["whole"] is True, "all of its sources were read"
        assert readers.counts(run)[:5] == (0, 0, 0, 0, 0)
        rows = seen(run, "SELECT id, outcome FROM attempt ORDER BY id LIMIT 2")
        assert rows == [(first, "resent"), (second, "resent")]
        since = seen(run, "SELECT sent_at, doubtful_since FROM attempt ORDER BY id")
        assert since[2][1] == since[0][0]
        assert since[3][1] == since[1][0]

    asyncio.run(reopens())


def test_of_doubts_only_the_chosen_are_reopened_and_a_part_has_no_digest(run: RunDir) -> None:
    async def reopens() -> None:
        async with opened(run) as journal:
            await doubted(journal, range(4))
            await doubted(journal, range(4, 8))
            assert await journal.reopen_doubts(Covered([(1, 2), (4, 99)])) == 6
            found = [(o.covers, o.first, o.digest) for o in (await journal.state()).open]
            # The digest is that of all who went together.
            assert found == [("1-2", 1, b""), ("4-7", 4, b"whole")]
            assert [d["ordinal"] for d in readers.doubts(run)] == [0, 3]
            assert seen(run, "SELECT outcome FROM attempt ORDER BY id")[:2] == [
                ("doubt",), ("resent",),
            ]  # fmt: skip
            assert await journal.reopen_doubts(Covered([(50, 60)])) == 0
            assert await journal.reopen_doubts() == 2
            assert [o.covers for o in (await journal.state()).open] == ["1-2", "4-7", "0,3"]

    asyncio.run(reopens())


def test_doubts_of_an_attempt_that_loaded_the_others_are_reopened_by_themselves(
    run: RunDir,
) -> None:
    async def reopens() -> None:
        async with opened(run) as journal:
            sent = batch(range(4))
            attempt = await journal.intend(sent, b"whole", 5.0)
            outcome = Settlement(
                207, loaded=((0, "10"),), existing=((1, "11"),), doubtful=sent.entries[2:]
            )
            await journal.settle(attempt, outcome)
            assert await journal.reopen_doubts() == 2
            (found,) = (await journal.state()).open
            assert (found.covers, found.digest, found.since) == ("2-3", b"", 5.0)
            assert (await journal.state()).covered.low_water == 4
        assert readers.counts(run)[:4] == (1, 1, 0, 0)

    asyncio.run(reopens())


def test_what_the_user_says_is_there_is_loaded_and_in_doubt_no_more(run: RunDir) -> None:
    async def believes() -> None:
        async with opened(run) as journal:
            await doubted(journal, range(4))
            await doubted(journal, range(4, 6))
            assert await journal.believe(Covered([(1, 1), (3, 4)])) == 3
            assert await journal.believe(Covered([(1, 1)])) == 0
            state = await journal.state()
            assert (state.open, state.covered.low_water) == ([], 6)
        assert [d["ordinal"] for d in readers.doubts(run)] == [0, 2, 5]
        assert readers.counts(run)[:5] == (3, 0, 0, 3, 0)
        rows = seen(run, "SELECT covers, loaded, ids, tied FROM attempt WHERE outcome='loaded'")
        assert rows == [("1,3", 2, None, 0), ("4", 1, None, 0)]

    asyncio.run(believes())


def test_what_is_believed_outlives_a_crash(run: RunDir, tmp_path: Path) -> None:
    async def lives() -> None:
        async with opened(run) as journal:
            await doubted(journal, range(3))
            await journal.believe(Covered([(0, 2)]))
            cut = crashed(run, tmp_path / "cut")
        async with opened(cut) as again:
            assert again.counts[:4] == (3, 0, 0, 0)
            assert (await again.state()).covered.low_water == 3

    asyncio.run(lives())


def test_an_id_is_claimed_where_a_record_that_is_loaded_has_it(run: RunDir) -> None:
    async def claims() -> None:
        async with opened(run) as journal:
            first = await journal.intend(batch(range(4)), b"d")
            await journal.settle(
                first,
                Settlement(
                    207,
                    loaded=((0, "10"), (1, "11")),
                    loose_ids=("99",),
                    existing=((2, "20"),),
                    skipped=(skip(3, made="10"),),
                ),
            )
            untied = await journal.intend(batch(range(4, 6)), b"d")
            everyone = Settlement(201, loaded=((4, ""), (5, "")), loose_ids=("30", "31"))
            await journal.settle(untied, everyone)
            asked = {"10", "11", "20", "30", "31", "99", "1", "0", "10,11"}
            assert await journal.claimed(asked) == {"10", "11", "30", "31"}
            assert await journal.claimed({"20", "99"}) == set()
            assert await journal.claimed(set()) == set()

    asyncio.run(claims())


def test_who_asks_for_what_was_made_since_a_moment_is_told_of_no_less(run: RunDir) -> None:
    async def claims() -> None:
        async with opened(run) as journal:
            for number in range(5):
                attempt = await journal.intend(batch([number]), b"d", 100.0 + number)
                await journal.settle(attempt, Settlement(201, loaded=((number, str(number)),)))
            unknown = await journal.intend(batch([5]), b"d")
            await journal.settle(unknown, Settlement(201, loaded=((5, "5"),)))
            everything = {str(n) for n in range(6)}
            assert await journal.claimed(everything) == everything
            for number in range(5):
                since = {str(n) for n in range(number, 6)}
                assert await journal.claimed(everything, 100.0 + number) >= since

    asyncio.run(claims())


def test_a_doubt_that_was_settled_late_is_claimed_though_it_began_before(run: RunDir) -> None:
    async def claims() -> None:
        async with opened(run) as journal:
            sent = batch([0])
            early = await journal.intend(sent, b"d", 100.0)
            again = Resend(sent, b"d")
            (resent,) = await journal.settle(early, Settlement(503, resend=(again,)))
            other = await journal.intend(batch([1]), b"d", 200.0)
            await journal.settle(other, Settlement(201, loaded=((1, "1"),)))
            await journal.settle(resent, Settlement(201, loaded=((0, "0"),)))
            assert await journal.claimed({"0", "1"}, 150.0) == {"0", "1"}

    asyncio.run(claims())


def test_claims_are_looked_for_page_by_page_and_beside_the_writer(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long that takes, nobody who writes waits for it; those who ask meanwhile share the
    next look.
    """
    monkeypatch.setattr(claims, "ROWS", 2)
    looks: list[set[str]] = []
    looking, go_on = threading.Event(), threading.Event()
    look = claims.claimed

    def slow(connection: sqlite3.Connection, ids: set[str], since: float | None) -> set[str]:
        looks.append(set(ids))
        looking.set()
        assert go_on.wait(10)
        return look(connection, ids, since)

    async def asks() -> None:
        async with opened(run) as journal:
            for number in range(7):
                attempt = await journal.intend(batch([number]), b"d")
                await journal.settle(attempt, Settlement(201, loaded=((number, f"1{number}"),)))
            for few in (0, 100):
                monkeypatch.setattr(claims, "FEW", few)
                assert await journal.claimed({"10", "13", "16", "1", "0"}) == {"10", "13", "16"}
            monkeypatch.setattr(claims, "claimed", slow)
            first = asyncio.create_task(journal.claimed({"10", "9"}))
            assert await asyncio.to_thread(looking.wait, 10)
            others = [asyncio.create_task(journal.claimed(ids)) for ids in ({"11"}, {"12", "9"})]
            late = await journal.intend(batch([7]), b"d")
            await journal.settle(late, Settlement(201, loaded=((7, "17"),)))
            assert looks == [{"10", "9"}], "the writer went on, and only one looks"
            go_on.set()
            assert await first == {"10"}
            assert await asyncio.gather(*others) == [{"11"}, {"12"}]
            assert looks[1:] == [{"11", "12", "9"}]
            assert await journal.claimed({"17"}) == {"17"}

    asyncio.run(asks())


def test_a_look_for_claims_that_fails_is_made_again_for_who_waits(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def asks() -> None:
        async with opened(run) as journal:
            attempt = await journal.intend(batch([0]), b"d")
            await journal.settle(attempt, Settlement(201, loaded=((0, "10"),)))
            looks = iter([False, True])

            def look(*_: object) -> set[str]:
                if next(looks):
                    return {"10"}
                raise ValueError("no row")

            monkeypatch.setattr(claims, "claimed", look)
            asked = [asyncio.create_task(journal.claimed({"10"})) for _ in range(3)]
            first, *others = await asyncio.gather(*asked, return_exceptions=True)
            assert isinstance(first, StoppedForGood)
            assert others == [{"10"}, {"10"}]

    asyncio.run(asks())


def test_a_replay_is_kept_by_its_name_also_where_that_is_no_text(run: RunDir) -> None:
    names = [b"caf\xe9-replay-1", "café-replay-1".encode()]
    for name in names:
        journals.register_replay(run, run.path / os.fsdecode(name))
    assert {os.fsencode(path) for path in readers.replays(run)} == {
        os.fsencode(run.path) + b"/" + name for name in names
    }


def test_what_can_not_be_written_down_is_not_the_journals_fault(run: RunDir) -> None:
    """Neither within the writer nor beside it."""
    with pytest.raises(UnicodeEncodeError), schema.opened(run.journal, writable=True) as connection:
        connection.execute("INSERT INTO replay VALUES (?)", ("\udce9",))
    with pytest.raises(StoppedForGood, match="damaged"), schema.opened(run.journal):
        raise ValueError("no number")

    async def writes() -> None:
        async with opened(run) as journal:
            with pytest.raises(UnicodeEncodeError):
                await journal.bury([letter(1)._replace(position=Position("\udce9", 1))])

    asyncio.run(writes())


def test_a_journal_that_can_not_be_read_beside_leaves_no_thread(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        error = sqlite3.OperationalError("unable to open database file")
        error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
        raise error

    async def opens() -> None:
        with monkeypatch.context() as patched:
            patched.setattr(schema, "read_only", fails)
            with pytest.raises(StoppedResumable, match="can't be opened"):
                Journal.of(run, on_full=lambda _: None)
        closed, close = [], Reading.close

        def closes(look: Reading) -> None:
            closed.append(look)
            close(look)

        with monkeypatch.context() as patched:
            patched.setattr(Reading, "close", closes)
            patched.setattr(journals, "Writer", fails)
            with pytest.raises(sqlite3.OperationalError):
                Journal.of(run, on_full=lambda _: None)
        assert len(closed) == 1

    asyncio.run(opens())
    assert "journal" not in [thread.name for thread in threading.enumerate()]
