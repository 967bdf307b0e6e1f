"""The moving part of an undo on a real journal: refusals, failures, and what a cut leaves.

Emails first; contacts and files below.
"""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import closing
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import pytest

from bulkload import events
from bulkload.afterwards import proving as proofs
from bulkload.afterwards.archiving import Archiving, ByBatch, OneByOne
from bulkload.afterwards.proving import Proving
from bulkload.calls.calling import Caller
from bulkload.calls.hold import Drained
from bulkload.calls.limiter import Limiter
from bulkload.calls.room import RateLimit
from bulkload.errors import StoppedResumable
from bulkload.hubspot.client import Sent
from bulkload.hubspot.remoteclock import RemoteClock
from bulkload.hubspot.replies import Reply
from bulkload.journal import journal as journals
from bulkload.journal import readers, removals, schema, undo
from bulkload.journal.portions import Settled
from bulkload.pipeline.asking import SHOWN_S
from bulkload.rundir import RunDir
from bulkload.runs.runlog import RunLog
from tests.making import FACTS, open_traffic

if TYPE_CHECKING:
    from pathlib import Path

    from bulkload.errors import BulkloadError
    from bulkload.hubspot.sink import Sink


@dataclass
class Remote:
    """Archives ids. `bad`: refused, alone or with others. `gone`: not there. `lost`: files whose
    deletion is answered by nothing of use. `people`: results of reads by address.
    """

    bad: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    people: dict[str, Any] = field(default_factory=dict)
    archived: list[str] = field(default_factory=list)
    read_ids: list[str] = field(default_factory=list)
    calls: int = 0
    most: int = 10**9

    async def read(self, request: bytes) -> Sent:
        ids = [each["id"] for each in json.loads(request)["inputs"]]
        self.read_ids += ids
        missing = [each for each in ids if each in self.gone]
        errors = [{"category": "OBJECT_NOT_FOUND", "context": {"ids": missing}}]
        body = {"results": [{"id": each} for each in ids if each not in self.gone]}
        return answer(200, body | ({"errors": errors} if missing else {}))

    async def archive(self, request: bytes) -> Sent:
        ids = [each["id"] for each in json.loads(request)["inputs"]]
        assert 0 < len(ids) <= 100
        self.calls += 1
        await asyncio.sleep(0)
        if self.calls > self.most:
            return answer(401, {})
        if self.bad & set(ids):
            return answer(400, {"category": "VALIDATION_ERROR", "message": "secret"})
        self.archived += ids
        return answer(204)

    async def read_contacts(self, request: bytes) -> Sent:
        if b"idProperty" not in request:
            return await self.read(request)
        asked = [each["id"] for each in json.loads(request)["inputs"]]
        return answer(
            200, {"results": [self.people[each] for each in asked if each in self.people]}
        )

    async def archive_contacts(self, request: bytes) -> Sent:
        return await self.archive(request)

    async def delete_file(self, file: str) -> Sent:
        self.calls += 1
        await asyncio.sleep(0)
        if self.calls > self.most:
            return answer(401, {})
        if file in self.bad:
            return answer(400, {"category": "VALIDATION_ERROR", "message": "secret"})
        if file in self.gone:
            return answer(404, {"category": "OBJECT_NOT_FOUND"})
        self.gone.add(file)
        self.archived.append(file)
        return answer(500 if file in self.lost else 204)

    async def probe(self) -> Sent:
        return answer(200, {})


def answer(status: int, body: Any = None) -> Sent:
    raw = b"" if body is None else json.dumps(body).encode()
    now = asyncio.get_running_loop().time()
    return Sent(Reply(status, MappingProxyType({}), raw), now, now)


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    made = RunDir(tmp_path / "run")
    made.create()
    journals.create(made, FACTS)
    return made


def fill(run: RunDir, *batches: int) -> list[str]:
    """Attempts that made so many records each; between them ones that made none."""
    ids = iter(range(10**6))
    made = []
    with schema.opened(run.journal, writable=True) as connection:
        for size in batches:
            part = [str(next(ids)) for _ in range(size)]
            made += part
            for packed, outcome in ((",".join(part), "loaded"), (None, "refused")):
                connection.execute(
                    "INSERT INTO attempt(covers, first, source, at, number, nth, digest, sent_at,"
                    " outcome, ids) VALUES ('',0,0,0,0,1,x'',0,?,?)",
                    (outcome, packed),
                )
    return made


def archive(run: RunDir, remote: Remote, in_flight: int = 5) -> tuple[Settled, Any]:
    async def work() -> tuple[Settled, BulkloadError | None]:
        tell = events.Announcer(())
        clock = RemoteClock(asyncio.get_running_loop().time)
        traffic = open_traffic(Limiter(RateLimit(1_000_000, 1.0)), clock)
        caller = Caller(cast("Sink", remote), traffic, random.Random(1), tell, 5.0)
        journal = undo.UndoJournal(run, on_full=lambda _: None)
        sink = caller.sink
        way = ByBatch("record", caller, sink.read, sink.archive, "archive emails")
        archiving = Archiving(caller, journal, way, undo.settled(run), tell, RunLog(run.log))
        try:
            await archiving.run(in_flight)
            if caller.stopped is None:
                await journal.finish()
        finally:
            await journal.close()
        assert archiving.settled == undo.settled(run)
        return archiving.settled, caller.stopped

    return asyncio.run(work())


def test_ids_are_packed_across_attempts(run: RunDir) -> None:
    made = fill(run, 1, 99, 100, 37, 100, 100, 1, 1, 1)
    remote = Remote()
    assert archive(run, remote) == ((440, 0, 0), None)
    assert sorted(remote.archived) == sorted(made)
    assert remote.calls == 5
    assert undo.created(run) == 440


def test_small_attempts_fill_more_than_a_page(run: RunDir) -> None:
    made = fill(run, *[1] * 450, 100)
    remote = Remote()
    assert archive(run, remote)[0] == (550, 0, 0)
    assert sorted(remote.archived) == sorted(made)
    assert remote.calls == 6


def test_the_refused_ones_alone_fail_and_are_logged_without_the_remotes_words(run: RunDir) -> None:
    made = fill(run, 100, 100, 50)
    remote = Remote(bad={"7", "120", "121"}, gone={"8", "249"})
    assert archive(run, remote) == ((245, 2, 3), None)
    assert set(made) - set(remote.archived) == remote.bad
    log = run.log.read_text()
    assert [f"record {each}: " in log for each in ("7", "120", "121", "8")] == [True] * 3 + [False]
    assert "400 VALIDATION_ERROR" in log
    assert "secret" not in log
    assert readers.facts(run)["undo"] == "done"


def test_an_unknown_id_that_is_refused_is_gone_and_no_failure(run: RunDir) -> None:
    fill(run, 100)
    assert archive(run, Remote(bad={"3"}, gone={"3"})) == ((99, 1, 0), None)


def test_a_remote_that_refuses_everything_stops_it_and_nothing_is_called_failed(
    run: RunDir,
) -> None:
    made = fill(run, 100, 100, 100, 100)
    settled, stopped = archive(run, Remote(bad=set(made)), 1)
    assert settled == (0, 0, 0)
    assert "refuses to archive any of 100 records (400 VALIDATION_ERROR)" in str(stopped)
    assert archive(run, Remote()) == ((400, 0, 0), None)


def test_cut_anywhere_the_sum_is_exact_and_nothing_settled_is_read_again(run: RunDir) -> None:
    made = fill(run, *[70] * 30)
    gone = set(made[::9])
    read: list[str] = []
    archived: list[str] = []
    for most in (3, 1, 0, 7, 2, 10**9):
        remote = Remote(gone=gone | set(archived), most=most)
        settled, _ = archive(run, remote, 4)
        assert not set(remote.read_ids) & set(read) & set(archived)
        read += remote.read_ids
        archived += remote.archived
        assert sum(settled) <= len(made)
    assert settled == (len(made) - len(gone), len(gone), 0)
    assert set(archived) == set(made)


def test_a_portion_has_a_row_before_it_is_archived_and_an_end_only_after(run: RunDir) -> None:
    fill(run, 100)

    class Looking(Remote):
        async def archive(self, request: bytes) -> Sent:
            with closing(schema.read_only(run.journal)) as connection:
                rows = connection.execute("SELECT size, archived, failed FROM undone").fetchall()
            assert rows == [(100, None, None)]
            assert readers.facts(run)["undo"] == "begun"
            return await super().archive(request)

    assert archive(run, Looking())[0] == (100, 0, 0)


def test_ten_thousand_portions_that_are_settled_are_passed_over(run: RunDir) -> None:
    with schema.opened(run.journal, writable=True) as connection:
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO attempt(id, covers, first, source, at, number, nth, digest, sent_at,"
            " outcome, ids) VALUES (?,'',0,0,0,0,1,x'',0,'loaded',?)",
            ((n, ",".join(str(n * 100 + k) for k in range(100))) for n in range(1, 10_001)),
        )
        connection.executemany(
            "INSERT INTO undone VALUES (?,?,0,100,'',0,100,0,0)",
            ((n - 1, n) for n in range(1, 10_001) if n not in (3, 9_990)),
        )
        connection.execute("COMMIT")
    remote = Remote()
    assert archive(run, remote)[0] == (1_000_000, 0, 0)
    assert remote.calls == 2


def test_an_id_that_stands_twice_is_archived_once(run: RunDir) -> None:
    with schema.opened(run.journal, writable=True) as connection:
        for ids in ("1,2,3", "3,4"):
            connection.execute(
                "INSERT INTO attempt(covers, first, source, at, number, nth, digest, sent_at,"
                " outcome, ids) VALUES ('',0,0,0,0,1,x'',0,'loaded',?)",
                (ids,),
            )
    remote = Remote()
    assert archive(run, remote)[0] == (4, 1, 0)
    assert remote.archived == ["1", "2", "3", "4"]


# Contacts and files


def fill_people(run: RunDir, ours: int, found: int = 0) -> list[str]:
    """Contacts that the run made (ids c0 …) and such as were there (f0 …), by address in turn."""
    with schema.opened(run.journal, writable=True) as connection:
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO contact VALUES (?,?,?,NULL,NULL)",
            [
                *((f"p{n:04}@x.org", f"c{n}", 1) for n in range(ours)),
                *((f"p{n:04}@y.org", f"f{n}", 0) for n in range(found)),
                ("nobody@x.org", "", 0),
            ],
        )
        connection.execute("COMMIT")
    return [f"c{n}" for n in range(ours)]


def fill_files(run: RunDir, ours: int) -> list[str]:
    with schema.opened(run.journal, writable=True) as connection:
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO file VALUES (?,?,?,?,?,NULL)",
            [
                *((f"{n:064x}", f"u{n}", f"a{n}.pdf", 9, 1) for n in range(ours)),
                ("f" * 64, "theirs", "b.pdf", 9, 0),
                ("e" * 64, "", "c.pdf", 9, 1),
            ],
        )
        connection.execute("COMMIT")
    return [f"u{n}" for n in range(ours)]


def remove(
    run: RunDir, remote: Remote, kind: removals.Kind, in_flight: int = 3
) -> tuple[Settled, Any]:
    async def work() -> tuple[Settled, BulkloadError | None]:
        tell = events.Announcer(())
        clock = RemoteClock(asyncio.get_running_loop().time)
        traffic = open_traffic(Limiter(RateLimit(1_000_000, 1.0)), clock)
        caller = Caller(cast("Sink", remote), traffic, random.Random(1), tell, 5.0)
        journal = undo.UndoJournal(run, on_full=lambda _: None)
        sink, before = caller.sink, removals.made(run, kind).settled
        way = ByBatch("contact", caller, sink.read_contacts, sink.archive_contacts, "archive them")
        archiving = (
            Archiving(caller, journal.contacts, way, before, tell, RunLog(run.log))
            if kind == "contact"
            else Archiving(caller, journal.files, OneByOne(caller), before, tell, RunLog(run.log))
        )
        try:
            await archiving.run(in_flight)
        finally:
            await journal.close()
        assert archiving.settled == removals.made(run, kind).settled
        return archiving.settled, caller.stopped

    return asyncio.run(work())


def test_contacts_that_the_run_made_are_archived_and_no_others(run: RunDir) -> None:
    ours = fill_people(run, 250, found=30)
    assert removals.made(run, "contact") == removals.Made(250, Settled(0, 0, 0))
    remote = Remote(bad={"c7"}, gone={"c100", "c249"})
    assert remove(run, remote, "contact") == ((247, 2, 1), None)
    assert set(remote.archived) | {"c7"} == set(ours)
    assert "contact c7: the remote refuses" in run.log.read_text()
    assert removals.made(run, "contact").left == 0
    again = Remote()
    assert remove(run, again, "contact") == ((247, 2, 1), None)
    assert again.read_ids == again.archived == []


@pytest.mark.parametrize("kind", ["contact", "file"])
def test_cut_anywhere_contacts_and_files_are_counted_once(run: RunDir, kind: removals.Kind) -> None:
    ours = fill_people(run, 730) if kind == "contact" else fill_files(run, 40)
    before = {ours[0], ours[-1], ours[3]}
    archived: list[str] = []
    for most in (2, 1, 0, 3, 10**9):
        remote = Remote(gone=before | set(archived), most=most)
        settled, _ = remove(run, remote, kind, 3)
        archived += remote.archived
        assert sum(settled) <= len(ours)
    # A file that was gone before and whose deletion was cut can't be told from one deleted by it.
    assert settled in {(len(ours) - n, n, 0) for n in ([3] if kind == "contact" else range(4))}
    assert set(archived) | before == set(ours)
    assert len(archived) == len(set(archived))
    assert readers.facts(run)["undo"] == "begun"


def test_a_contact_has_a_row_before_it_is_archived(run: RunDir) -> None:
    fill_people(run, 3)

    class Looking(Remote):
        async def archive(self, request: bytes) -> Sent:
            with closing(schema.read_only(run.journal)) as connection:
                rows = connection.execute("SELECT kind, name, gone, failed FROM removed").fetchall()
            assert rows == [("contact", f"p000{n}@x.org", int(n == 1), None) for n in range(3)]
            return await super().archive(request)

    assert remove(run, Looking(gone={"c1"}), "contact")[0] == (2, 1, 0)


def test_files_that_the_run_uploaded_are_deleted_and_no_others(run: RunDir) -> None:
    ours = fill_files(run, 10)
    assert removals.made(run, "file").made == 10
    remote = Remote(bad={"u2"}, gone={"u3"})
    assert remove(run, remote, "file") == ((8, 1, 1), None)
    assert set(remote.archived) == set(ours) - {"u2", "u3"}


def test_a_file_whose_deletion_was_not_answered_is_deleted_and_not_gone_already(
    run: RunDir,
) -> None:
    fill_files(run, 4)
    assert remove(run, Remote(lost={"u1", "u2"}, gone={"u3"}), "file") == ((3, 1, 0), None)


def proving(caller: Caller, journal: undo.UndoJournal, run: RunDir) -> Proving:
    """A call can't be under way for longer than a tenth of a second."""
    clock = RemoteClock(asyncio.get_running_loop().time)
    log, tell = RunLog(run.log), events.Announcer(())
    return Proving(caller, journal.contacts, clock, 0.1 - SHOWN_S, log, tell)


def prove_people(run: RunDir, remote: Remote) -> None:
    async def work() -> None:
        tell = events.Announcer(())
        clock = RemoteClock(asyncio.get_running_loop().time)
        traffic = open_traffic(Limiter(RateLimit(1_000_000, 1.0)), clock)
        caller = Caller(cast("Sink", remote), traffic, random.Random(1), tell, 5.0)
        journal = undo.UndoJournal(run, on_full=lambda _: None)
        try:
            await proving(caller, journal, run).prove()
        finally:
            await journal.close()

    asyncio.run(work())


def test_a_drain_gives_up_a_read_that_is_not_answered(run: RunDir) -> None:
    async def work() -> None:
        class Mute(Remote):
            async def read_contacts(self, request: bytes) -> Sent:
                caller.drain(StoppedResumable("interrupted"))
                await asyncio.Event().wait()
                raise AssertionError(request)

        limiter = Limiter(RateLimit(1_000_000, 1.0))
        traffic = open_traffic(limiter, RemoteClock(asyncio.get_running_loop().time))
        tell = events.Announcer(())
        caller = Caller(cast("Sink", Mute()), traffic, random.Random(1), tell, 5.0)
        journal = undo.UndoJournal(run, on_full=lambda _: None)
        try:
            async with asyncio.timeout(10):
                with pytest.raises(Drained):
                    await proving(caller, journal, run).prove()
        finally:
            await journal.close()
        assert limiter.under_way == 0, "slots leak"

    with schema.opened(run.journal, writable=True) as connection:
        connection.execute("INSERT INTO contact VALUES ('p@x.org', '', 0, 1.0, 2.0)")
    asyncio.run(work())


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks for what is not shown yet follow each other quickly."""
    monkeypatch.setattr(proofs, "AGAIN_S", 0.02)


@pytest.mark.usefixtures("at_once")
def test_of_contacts_whose_making_was_cut_only_those_made_then_are_the_runs(run: RunDir) -> None:
    since = 1_767_225_600.0
    with schema.opened(run.journal, writable=True) as connection:
        rows = [(f"p{n:03}@x.org", "", 0, since, since + 60) for n in range(205)]
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO contact VALUES (?,?,?,?,?)", rows)
        connection.execute("COMMIT")
    assert removals.made(run, "contact").unsure == 205

    def person(number: int, created: str, email: str = "") -> dict[str, Any]:
        address = email or f"p{number:03}@x.org"
        others = f"p{number:03}@x.org" if email else None
        shown = {"email": address, "hs_additional_emails": others}
        return {"id": str(number), "properties": shown, "createdAt": created}

    since_then, before = "2026-01-01T00:00:00.001Z", "2025-12-31T23:59:59.999Z"
    behind = "2026-01-01T00:01:00.001Z"
    people = [
        person(0, since_then),
        person(1, before),
        person(3, behind),
        person(204, since_then),
    ]
    remote = Remote(people={f"p{int(each['id']):03}@x.org": each for each in people})
    remote.people["p002@x.org"] = person(2, since_then, "other@x.org")
    prove_people(run, remote)
    found = removals.made(run, "contact")
    assert (found.made, found.unsure) == (2, 0)
    assert remove(run, Remote(), "contact")[0] == (2, 0, 0)


@pytest.mark.usefixtures("at_once")
def test_a_contact_whose_making_was_cut_is_looked_for_until_it_would_be_shown(run: RunDir) -> None:
    with schema.opened(run.journal, writable=True) as connection:
        for name in "ab":
            connection.execute(f"INSERT INTO contact VALUES ('{name}@x.org', '', 0, 1.0, 9e9)")

    class Late(Remote):
        looks = 0

        async def read_contacts(self, request: bytes) -> Sent:
            self.looks += 1
            if self.looks == 3:
                made = {"id": "7", "properties": {"email": "a@x.org"}}
                self.people["a@x.org"] = made | {"createdAt": "2026-01-01T00:00:00Z"}
            return await super().read_contacts(request)

    remote = Late()
    prove_people(run, remote)
    found = removals.made(run, "contact")
    assert (found.made, found.unsure) == (1, 0)
    assert remote.looks > 3
