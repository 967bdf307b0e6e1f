"""How a run stands, told with what came of it since: replays, an undo."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING, Any

import click
import pytest

from bulkload import Options, extend, load, replay, resolve, status, undo
from bulkload.cli import cli
from bulkload.errors import BulkloadError, RefusedToStart
from bulkload.journal import journal as journals
from bulkload.journal import readers, schema
from bulkload.journal.portions import mark
from bulkload.report import words
from bulkload.rundir import RunDir
from bulkload.runs import lineage
from bulkload.runs.inquiry import runs
from bulkload.sandbox.config import SandboxConfig
from bulkload.sandbox.server import start
from tests.making import FACTS

if TYPE_CHECKING:
    from pathlib import Path

LINE = '{"properties":{"hs_timestamp":"%s","hs_email_subject":"%d"}}\n'


async def lives(source: Path) -> list[tuple[Any, str]]:
    """The summary and its words after each thing that may come of a run."""
    sandbox = await start(SandboxConfig(rate_limit=None))
    seen: list[tuple[Any, str]] = []

    def look() -> None:
        found = status("mail.ndjson")
        seen.append((found, words.summary(found)))

    try:
        await load(str(source), options=Options(base_url=sandbox.url), token="x")
        look()
        letters = source.parents[1] / "bulkload-runs" / "mail.ndjson" / "dead-letters.ndjson"
        letters.write_text(letters.read_text().replace("never", "1700000000000"))
        await replay("mail.ndjson", changes={"limit": 2}, token="x")
        look()
        await replay("mail.ndjson", token="x")
        look()
        await undo("mail.ndjson", token="x")
        look()
    finally:
        await sandbox.close()
    return seen


def test_a_run_tells_of_its_replays_and_its_undo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "in" / "mail.ndjson"
    source.parent.mkdir()
    bad = (3, 77, 120)
    source.write_text(
        "".join(LINE % ("never" if n in bad else "1700000000000", n) for n in range(250))
    )
    loaded, once, twice, gone = asyncio.run(lives(source))

    found, text = loaded
    assert (found.loaded, found.dead_lettered, found.letters_left) == (247, 3, 3)
    assert found.requests > 0
    assert f"{found.requests} calls in" in text
    assert text.endswith("bulkload replay bulkload-runs/mail.ndjson")

    found, text = once
    assert [(each.state, each.loaded) for each in found.replays] == [("ended", 2)]
    assert found.letters_left == 1
    assert "mail.ndjson-replay-1: 2 loaded\nDead letters that no replay settled: 1\n" in text
    assert text.endswith("bulkload replay bulkload-runs/mail.ndjson")

    found, text = twice
    assert [each.loaded for each in found.replays] == [2, 1]
    assert found.letters_left == 0
    assert "bulkload replay" not in text

    found, text = gone
    assert (found.undo, found.undone["archived"]) == ("done", 247)
    assert "\nUndone: 247 archived\n" in text
    assert "bulkload undo" not in text

    (tmp_path / "bulkload-runs" / "broken").mkdir()
    (tmp_path / "bulkload-runs" / "broken" / "journal.db").write_bytes(b"no database at all" * 99)
    listed = dict(runs())
    assert [path.name for path in listed] == [
        "broken", "mail.ndjson", "mail.ndjson-replay-1", "mail.ndjson-replay-2",
    ]  # fmt: skip
    assert isinstance(next(iter(listed.values())), BulkloadError)
    lines = words.runs(list(listed.items())).splitlines()
    assert "broken                can't be read: bulkload-runs/broken" in lines[0]
    assert lines[1].endswith("mail.ndjson           undone     247 loaded, 3 dead letters")
    assert lines[3].endswith("mail.ndjson-replay-2  ended      1 loaded")


def test_a_run_that_is_none_names_where_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert list(runs()) == []
    with pytest.raises(RefusedToStart, match=r"no such run directory\. Those in bulkload-runs/"):
        status("mail")


def test_numbers_of_a_process_are_those_of_the_one_that_ended_last(
    tmp_path: Path,
) -> None:
    source = tmp_path / "mail.ndjson"
    source.write_text("".join(LINE % ("1700000000000", n) for n in range(10)))

    async def work() -> None:
        sandbox = await start(SandboxConfig(rate_limit=None))
        try:
            options = Options(base_url=sandbox.url)
            await load(str(source), run=tmp_path / "run", options=options, token="x")
        finally:
            await sandbox.close()

    asyncio.run(work())
    assert status(tmp_path / "run").requests == 1
    for damage in (b"", b"[1]", b'{"read": 9, "requests": 7}'):
        (tmp_path / "run" / "summary.json").write_bytes(damage)
        assert status(tmp_path / "run").requests is None


def test_dead_letters_and_what_was_left_out_are_listed_with_their_reasons(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "mail.mbox"
    message = "From a@b.example Mon Jan  1 10:00:00 2024\n{}From: a@b.example\nSubject: {}\n\nx\n\n"
    dated, spam = "Date: Mon, 1 Jan 2024 10:00:00 +0000\n", "X-Gmail-Labels: Spam\n"
    heads = [(dated, "a"), (dated, "a"), (dated + spam, "b"), (dated + spam, "c"), ("", "d")]
    text = "".join(message.format(*head) for head in heads)
    envelope = message.partition("\n")[0]
    source.write_text("From -".join(text.rsplit(envelope, 1)))  # the last has no date anywhere

    async def work() -> None:
        sandbox = await start(SandboxConfig(rate_limit=None))
        try:
            options = Options(base_url=sandbox.url, contacts=False)
            await load(str(source), run=tmp_path / "run", options=options, token="x")
        finally:
            await sandbox.close()

    asyncio.run(work())
    found = status(tmp_path / "run")
    assert (found.loaded, found.dead_lettered, found.skipped) == (1, 1, 3)
    code = cli.main(
        ["status", str(tmp_path / "run"), "--letters", "--skipped"], standalone_mode=False
    )
    assert code == 1
    letter, duplicate, left = capsys.readouterr().out.splitlines()
    assert letter.startswith(f"{source} 5 (record 4): unmappable: message 5: ")
    assert duplicate == f"{source} 2 (record 1): duplicate of record 0"
    assert left == f"{source} 3 (record 2) and 1 behind it: spam"
    with pytest.raises(click.UsageError, match="are of one run"):
        cli.main(["status", "--letters"], standalone_mode=False)
    monstrous = {"source": "s", "position": {"at": "a\x1b[2Jb", "number": 1}, "ordinal": 0}
    line = words.record({**monstrous, "reason": "rejected", "message": "x" * 999})
    assert "\x1b" not in line
    assert len(line) == words.LONGEST


def test_a_replay_that_cant_be_read_breaks_nothing_but_the_next_one(tmp_path: Path) -> None:
    source, run = tmp_path / "mail.ndjson", tmp_path / "run"
    source.write_text(LINE % ("never", 1) + LINE % ("1700000000000", 2))
    child = tmp_path / "run-replay-1"

    async def again() -> None:
        with pytest.raises(BulkloadError, match=r"run-replay-1"):
            await replay(run, token="x")

    async def work() -> None:
        sandbox = await start(SandboxConfig(rate_limit=None))
        try:
            await load(str(source), run=run, options=Options(base_url=sandbox.url), token="x")
            await replay(run, token="x")
            whole = (child / "journal.db").read_bytes()
            (child / "journal.db").write_bytes(b"no database at all" + whole[18:])
            found = status(run)
            assert [each.state for each in found.replays] == ["unreadable"]
            assert found.letters_left == 1
            text = words.summary(found)
            assert "run-replay-1 (unreadable): what it loaded can't be known" in text
            assert "bulkload replay" not in text
            await again()
            source.write_text(source.read_text() + LINE % ("1700000000000", 3))
            grown = await extend(run, token="x")
            assert (grown.loaded, grown.exit_code) == (2, 1)
            # A copy of a run in the place of its replay is a replay of itself.
            shutil.rmtree(child)
            shutil.copytree(run, child)
            assert [each.state for each in status(run).replays] == ["ended"]
            shutil.rmtree(child)
            assert [each.state for each in status(run).replays] == ["gone"]
            await again()
        finally:
            await sandbox.close()

    asyncio.run(work())


def test_what_a_replay_loaded_and_an_undo_took_away_is_sent_again(tmp_path: Path) -> None:
    """Also where both were moved meanwhile."""
    source, run = tmp_path / "mail.ndjson", tmp_path / "a" / "run"
    source.write_text("".join(LINE % ("never" if n < 3 else "1700000000000", n) for n in range(5)))

    async def work() -> None:
        sandbox = await start(SandboxConfig(rate_limit=None, archived_keep_keys=False))
        try:
            await load(str(source), run=run, options=Options(base_url=sandbox.url), token="x")
            letters = run / "dead-letters.ndjson"
            first, second, third = letters.read_text().splitlines()
            mended = [each.replace("never", "1700000000000") for each in (first, second)]
            letters.write_text("\n".join([*mended, third, ""]))
            once = await replay(run, token="x")
            assert (once.loaded, once.dead_lettered) == (2, 1)
            assert status(run).letters_left == 1
            (tmp_path / "a").rename(tmp_path / "b")
            moved, child = tmp_path / "b" / "run", tmp_path / "b" / "run-replay-1"
            found = status(moved)
            assert [each[:3] for each in found.replays] == [(str(child), "ended", 2)]
            assert found.letters_left == 1
            # An undo that was cut: which of them are there can't be known.
            with schema.opened(child / "journal.db", writable=True) as connection:
                connection.execute("""INSERT INTO run VALUES ('undo', '"begun"')""")
            found = status(moved)
            assert [each.state for each in found.replays] == ["partly undone"]
            assert (found.letters_left, found.exit_code) == (3, 1)
            text = words.summary(found)
            assert f"bulkload undo {child} --yes" in text
            assert "bulkload replay" not in text
            with pytest.raises(RefusedToStart, match="is undone in part"):
                await replay(moved, token="x")
            assert (await undo(child, token="x")).archived == 2
            found = status(moved)
            assert [each.state for each in found.replays] == ["undone"]
            assert (found.letters_left, found.exit_code) == (3, 1)
            assert "(undone): 2 loaded" in words.summary(found)
            assert f"bulkload replay {moved}" in words.summary(found)
            letters = moved / "dead-letters.ndjson"
            letters.write_text(letters.read_text().replace("never", "1700000000000"))
            again = await replay(moved, token="x")
            assert (again.loaded, again.exit_code) == (3, 0)
            found = status(moved)
            assert [each.state for each in found.replays] == ["undone", "ended"]
            assert (found.letters_left, found.exit_code) == (0, 0)
        finally:
            await sandbox.close()

    asyncio.run(work())


def test_of_an_undone_replay_what_it_left_in_doubt_or_was_replayed_stays_settled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made(name: str, of: str, ups: list[tuple[int, int]], **more: Any) -> RunDir:
        run = RunDir(tmp_path / name)
        run.create()
        journals.create(run, {**FACTS, "run_id": name, "replays": of, **more}, ups)
        return run

    def settles() -> set[int]:
        return {*lineage.settled(run, lambda *_: None)}

    run = made("r", "", [])
    child = made("r1", "r", [(n, n + 10) for n in range(4)], undo="done")
    below = made("r2", "r1", [(0, 1)], complete=True)
    for of, replayed in ((run, child), (child, below)):
        journals.register_replay(of, replayed.path)
    with schema.opened(child.journal, writable=True) as connection:
        connection.execute("INSERT INTO letter VALUES (1,1,0,0,1,'{}')")
        connection.execute(
            "INSERT INTO attempt(id,covers,first,source,at,number,nth,digest,sent_at,outcome)"
            " VALUES (1,'0-3',0,0,0,1,1,'',1.0,'loaded')"
        )
        connection.execute("INSERT INTO doubt VALUES (3,1,0,0,4)")
    assert settles() == {11, 13}
    monkeypatch.setattr(readers, "SMALL", 1)
    assert settles() == {11, 13}
    # Without a key, one that could not be archived is there, and nobody knows which.
    with schema.opened(child.journal, writable=True) as connection:
        connection.execute("INSERT INTO undone VALUES (0,1,0,2,'',0,1,1,1.0)")
    assert settles() == set()
    assert [state for _, state in lineage.replays(run)] == ["partly undone"]
    with schema.opened(child.journal, writable=True) as connection:
        connection.execute("""INSERT INTO run VALUES ('marks', '["bulkload_key", ""]')""")
    assert settles() == {11, 13}


def test_a_letter_is_settled_by_the_replays_of_the_runs_above_too(tmp_path: Path) -> None:
    """Record 2 of r is 1 of a and 0 of c; b, which is of r too, has loaded it."""

    def made(name: str, of: RunDir | None, ups: list[tuple[int, int]], *left: int) -> RunDir:
        run = RunDir(tmp_path / name)
        run.create()
        facts = {**FACTS, "run_id": name, "complete": True}
        if of is not None:
            facts |= {"replays": of.path.name, "replays_at": str(of.path)}
            journals.register_replay(of, run.path)
        journals.create(run, facts, ups)
        with schema.opened(run.journal, writable=True) as connection:
            for each in left:
                connection.execute("INSERT INTO letter VALUES (NULL,?,0,0,1,'{}')", (each,))
        return run

    first = made("r", None, [], 1, 2, 3)
    a = made("a", first, [(0, 1), (1, 2), (2, 3)], 0, 1, 2)
    c = made("c", a, [(0, 1), (1, 2)], 0, 1)
    met: list[str] = []

    def settled(run: RunDir) -> set[int]:
        met.clear()
        return set(lineage.settled(run, lambda child, *_: met.append(child.path.name)))

    assert settled(c) == set()
    made("b", first, [(0, 2)])
    made("d", first, [(0, 1)])  # of a letter that c has none of
    assert (settled(c), met) == ({0}, ["b"])
    assert (settled(a), met) == ({0, 1}, ["c", "b", "d"])
    assert settled(first) == {1, 2}
    assert lineage.first(c).path == first.path.resolve() == lineage.first(first).path


def test_a_replay_of_another_run_beside_it_is_none_of_its(tmp_path: Path) -> None:
    run, other = RunDir(tmp_path / "r"), RunDir(tmp_path / "r-replay-1")
    run.create()
    other.create()
    journals.create(run, FACTS)
    journals.register_replay(run, tmp_path / "gone" / "r-replay-1")
    assert [state for _, state in lineage.replays(run)] == ["gone"]
    journals.create(other, {**FACTS, "replays": "another"})
    assert [state for _, state in lineage.replays(run)] == ["gone"]
    with schema.opened(other.journal, writable=True) as connection:
        connection.execute("""UPDATE run SET value='"r"' WHERE name='replays'""")
    assert list(lineage.replays(run)) == [(RunDir(tmp_path.resolve() / "r-replay-1"), "not ended")]


def test_of_a_replay_all_is_settled_but_its_letters_as_far_as_it_read(tmp_path: Path) -> None:
    run, child = RunDir(tmp_path / "r"), RunDir(tmp_path / "r1")
    for made in (run, child):
        made.create()
    journals.create(run, FACTS)
    journals.register_replay(run, child.path)
    facts = {**FACTS, "run_id": "r1", "replays": "r", "complete": True, "options": {"limit": 3}}
    journals.create(child, facts, [(n, n + 10) for n in range(5)])
    with schema.opened(child.journal, writable=True) as connection:
        connection.execute("INSERT INTO letter VALUES (1,1,0,0,1,'{}')")
    assert [*lineage.settled(run, lambda *_: None)] == [10, 12]


def test_doubts_are_read_page_by_page(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "r")
    run.create()
    journals.create(run, FACTS)
    with schema.opened(run.journal, writable=True) as connection:
        connection.execute(
            "INSERT INTO attempt(id,covers,first,source,at,number,nth,digest,sent_at,outcome)"
            " VALUES (1,'0-1200',0,0,0,1,1,'',1.0,'doubt')"
        )
        rows = ((n, 1, n % 2, 0, n) for n in range(1201))
        connection.executemany("INSERT INTO doubt VALUES (?,?,?,?,?)", rows)
    assert [doubt["ordinal"] for doubt in readers.doubts(run)] == list(range(1201))
    assert list(readers.doubted(run)) == [(n, n % 2) for n in range(1201)]


def test_where_a_run_is_already_nothing_is_advised_that_would_be_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bad = LINE.replace('"}}', '","hs_email_direction":"BAD"}}') % ("1700000000000", 0)
    (tmp_path / "in.ndjson").write_text(bad)

    async def work() -> list[str]:
        sandbox = await start(SandboxConfig(rate_limit=None, bare=True))
        options = Options(base_url=sandbox.url)
        told = []

        async def look() -> None:
            with pytest.raises(RefusedToStart) as refused:
                await load("in.ndjson", run="r", options=options, token="x")
            told.append(str(refused.value))

        try:
            await load("in.ndjson", run="r", options=options, token="x")
            await look()
            with RunDir(tmp_path / "r").locked():
                await look()
            await replay("r", token="x")
            child = RunDir(tmp_path / "r-replay-1")
            with schema.opened(child.journal, writable=True) as connection:
                connection.execute("UPDATE run SET value='false' WHERE name='complete'")
            await look()
            for state in ("begun", "done"):
                run = RunDir(tmp_path / "r")
                with schema.opened(run.journal, writable=True) as connection:
                    mark(connection, state)
                await look()
        finally:
            await sandbox.close()
        return told

    ended, at_work, replayed, begun, undone = asyncio.run(work())
    assert "bulkload replay r\n" in ended
    assert "bulkload resume" not in ended
    assert "bulkload resume r-replay-1" in replayed.replace(f"{tmp_path}/", "")
    assert "bulkload replay" not in replayed
    assert "bulkload undo r\n" in begun
    assert "as another run: --again, with another --key-property" in undone
    for text in (begun, undone, at_work):
        assert "bulkload resume r\n" not in text
    for text in (begun, undone):
        assert "bulkload replay" not in text


def test_a_resolve_that_is_interrupted_is_gone_on_with_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resume would hold the records in doubt again, and look for none."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.ndjson").write_text("".join(LINE % ("1700000000000", n) for n in range(3)))

    async def work() -> None:
        sandbox = await start(
            SandboxConfig(rate_limit=None, bare=True, faults={"504-after": 1.0}, retry_after=0)
        )
        try:
            options = Options(base_url=sandbox.url)
            held = await load("in.ndjson", run="r", options=options, token="x")
            assert (held.in_doubt, held.exit_code) == (3, 1)
            sandbox.portal.plan.change({})
            interrupt = asyncio.Event()
            asyncio.get_running_loop().call_later(1.0, interrupt.set)
            cut = await resolve("r", token="x", interrupt=interrupt)
            found = status("r")
            for each in (cut, found):
                assert (each.read, each.in_doubt, each.exit_code) == (3, 3, 3)
                assert each.resume == "bulkload resolve r"
            assert "3 records read and settled" in words.summary(found)
            assert (await resolve("r", there=True)).loaded == 3
            assert (status("r").exit_code, status("r").resume) == (0, None)
        finally:
            await sandbox.close()

    asyncio.run(work())
