"""Records and their attachments: each content is uploaded once, whoever has it and when."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from bulkload.batch import Batch
from bulkload.calls.hold import Drained
from bulkload.hubspot.client import Sent
from bulkload.journal import journal as journals
from bulkload.journal.files import FilesBook
from bulkload.pipeline.attaching import Attaching
from bulkload.pipeline.parts import Policy, Tally
from tests.clock import run_virtual
from tests.making import entry, reply
from tests.moods import Inline

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bulkload.batch import Entry
    from bulkload.hubspot.replies import Reply

MESSAGE = (
    b'Subject: s\nContent-Type: multipart/mixed; boundary="b"\n\n--b\nContent-Type: text/plain\n\n'
    b"hello\n--b\nContent-Type: application/pdf\nContent-Disposition: attachment;"
    b' filename="a.pdf"\n\nalways the same\n--b--\n'
)


def mail(n: int) -> Entry:
    bare = entry(n)
    return bare._replace(record=bare.record._replace(kind="mail", raw=MESSAGE), files=1)


def test_one_content_is_uploaded_once_though_the_first_was_refused() -> None:
    """While one upload is under way for it nobody begins another, come they early or late."""
    answers = [reply(400, {"category": "VALIDATION_ERROR", "message": "no"})]
    under_way, most, calls = 0, 0, 0

    async def upload(_: Any) -> Sent:
        nonlocal under_way, most, calls
        calls, under_way = calls + 1, under_way + 1
        most = max(most, under_way)
        await asyncio.sleep(1)
        under_way -= 1
        answer = answers.pop() if answers else reply(201, {"id": "77"})
        return Sent(answer, 1.0, 2.0)

    async def until_answered(
        send: Callable[[], Awaitable[Sent]], judge: Callable[[Reply], Any]
    ) -> Any:
        return judge((await send()).reply)

    async def runs() -> list[Entry]:
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
            journals.lay_out(database, {"run_id": "r"})
            writer: Any = Inline(database)
            journal = SimpleNamespace(files=FilesBook(writer))
            parts: Any = SimpleNamespace(journal=journal, sink=SimpleNamespace(upload=upload))
            repeating: Any = SimpleNamespace(until_answered=until_answered)
            attaching = Attaching(parts, repeating, Policy(run="r", uploads=True), Tally())

            async def one(n: int, after: float) -> Entry:
                await asyncio.sleep(after)
                return (await attaching.attach(Batch((mail(n),)))).batch.entries[0]

            # The third comes when the first has just let go, and the second has its turn.
            return list(await asyncio.gather(one(0, 0.0), one(1, 0.5), one(2, 1.5)))

    refused, *others = run_virtual(runs())
    assert b"were not uploaded" in refused.sent
    assert all(b'"hs_attachment_ids":"77"' in each.sent for each in others)
    assert (calls, most) == (2, 1)


@pytest.mark.parametrize("lost", [False, True])
def test_a_refused_token_leaves_no_file_that_may_be_stored(*, lost: bool) -> None:
    """But where an answer before was lost, one may be."""

    async def upload(_: Any) -> Sent:
        return Sent(reply(403, {"category": "MISSING_SCOPES"}), 1.0, 2.0)

    async def until_answered(
        send: Callable[[], Awaitable[Sent]], judge: Callable[[Reply], Any]
    ) -> Any:
        if lost:
            judge(reply(503))
        judge((await send()).reply)
        raise Drained

    async def runs() -> list[Any]:
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
            journals.lay_out(database, {"run_id": "r"})
            writer: Any = Inline(database)
            journal = SimpleNamespace(files=FilesBook(writer))
            parts: Any = SimpleNamespace(journal=journal, sink=SimpleNamespace(upload=upload))
            repeating: Any = SimpleNamespace(until_answered=until_answered)
            attaching = Attaching(parts, repeating, Policy(run="r", uploads=True), Tally())
            with pytest.raises(Drained):
                await attaching.attach(Batch((mail(0),)))
            return database.execute("SELECT id FROM file").fetchall()

    assert run_virtual(runs()) == ([("",)] if lost else [])
