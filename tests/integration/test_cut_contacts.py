"""Contacts whose making was cut: who made them is told by when, and none is forgotten."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bulkload import Options, extend, load, resume, undo
from bulkload.afterwards import proving
from bulkload.afterwards.undoplan import looked_at
from bulkload.journal import schema
from bulkload.rundir import RunDir
from bulkload.sandbox.config import SandboxConfig
from bulkload.sandbox.server import start

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bulkload.sandbox.server import RunningSandbox

MESSAGE = """From x Mon Jan  1 00:00:00 2024
Message-ID: <%s@t>
Date: Mon, 1 Jan 2024 00:00:00 +0000
From: me@mine.com
To: %s
Subject: s

hello

"""
NEW = "new@cust.com"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where runs are kept; in m.mbox one message is to somebody known, one to nobody yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(proving, "AGAIN_S", 0.05)
    both = ("1", "contact1@example.com"), ("2", f"New Person <{NEW}>")
    (tmp_path / "m.mbox").write_text("".join(MESSAGE % each for each in both))
    return tmp_path


def cut(fault: str, then: Callable[[RunningSandbox, RunDir], Awaitable[None]], **more: Any) -> None:
    """A load that ended while it made the contact; then with the portal well again."""

    async def run() -> None:
        faults = {f"contacts:{fault}": 1.0}
        sandbox = await start(SandboxConfig(rate_limit=None, contacts=1, faults=faults, **more))
        try:
            options = Options(
                base_url=sandbox.url, mine=("mine.com",), unknown_contacts="create", max_outage=1
            )
            stopped = await load("m.mbox", run="r", options=options, token="x")
            assert stopped.exit_code == 3
            sandbox.portal.plan.change({})
            await then(sandbox, RunDir(Path("r")))
        finally:
            await sandbox.close()

    asyncio.run(run())


def past(run: RunDir) -> None:
    """The calls of the run are over for long."""
    with schema.opened(run.journal, writable=True) as connection:
        connection.execute("UPDATE contact SET since=since-900, until=since-600 WHERE id=''")


def of(sandbox: RunningSandbox) -> list[tuple[dict[str, str], bool]]:
    """The contacts of the new address: properties, and whether each is archived."""
    found = [each for each in sandbox.portal.contacts.export() if NEW in str(each["properties"])]
    return [(each["properties"], each["archived"]) for each in found]


@pytest.mark.usefixtures("place")
def test_what_somebody_made_after_the_call_was_over_is_not_renamed_and_not_archived() -> None:
    async def then(sandbox: RunningSandbox, run: RunDir) -> None:
        past(run)
        sandbox.portal.add_contact(NEW)
        assert (await resume("r", token="x")).contacts == {"found": 2, "missing": 0, "made": 0}
        assert (await undo("r", token="x")).contacts.made == 0
        ((properties, archived),) = of(sandbox)
        assert "lastname" not in properties
        assert not archived

    cut("reset-before", then)


@pytest.mark.usefixtures("place")
def test_what_the_cut_call_made_is_named_and_archived() -> None:
    async def then(sandbox: RunningSandbox, _: RunDir) -> None:
        assert (await resume("r", token="x")).contacts == {"found": 1, "missing": 0, "made": 1}
        ((properties, archived),) = of(sandbox)
        assert (properties["lastname"], archived) == ("Person", False)
        assert (await undo("r", token="x")).contacts.archived == 1
        assert [archived for _, archived in of(sandbox)] == [True]

    cut("503-after", then)


@pytest.mark.usefixtures("place")
def test_what_is_absent_behind_the_cut_call_is_made_anew() -> None:
    async def then(sandbox: RunningSandbox, run: RunDir) -> None:
        past(run)
        assert (await resume("r", token="x")).contacts == {"found": 1, "missing": 0, "made": 1}
        assert (await undo("r", token="x")).contacts.archived == 1
        assert [archived for _, archived in of(sandbox)] == [True]

    cut("reset-before", then)


@pytest.mark.usefixtures("place")
def test_an_undo_that_kept_contacts_leaves_those_that_were_cut_to_the_next() -> None:
    async def then(sandbox: RunningSandbox, _: RunDir) -> None:
        planned = looked_at("r")
        assert any("cut while it made 1 contact:" in told for told in planned.warnings())
        await undo("r", token="x", keep_contacts=True)
        assert [archived for _, archived in of(sandbox)] == [False]
        assert (await undo("r", token="x")).contacts.archived == 1
        assert [archived for _, archived in of(sandbox)] == [True]

    cut("503-after", then)


@pytest.mark.usefixtures("place")
def test_an_undo_waits_for_a_contact_that_reads_do_not_show_yet() -> None:
    async def then(sandbox: RunningSandbox, _: RunDir) -> None:
        assert (await undo("r", token="x")).contacts.archived == 1
        assert [archived for _, archived in of(sandbox)] == [True]

    cut("503-after", then, read_lag=4.0)


@pytest.mark.usefixtures("place")
def test_an_undo_that_is_interrupted_while_it_waits_is_not_done() -> None:
    async def then(sandbox: RunningSandbox, _: RunDir) -> None:
        interrupt = asyncio.Event()
        asyncio.get_running_loop().call_later(1.0, interrupt.set)
        ended = await undo("r", token="x", interrupt=interrupt)
        assert (ended.exit_code, ended.resume) == (3, "bulkload undo r --yes")
        del sandbox

    cut("reset-before", then)


def test_an_extension_asks_again_for_who_had_no_contact(place: Path) -> None:
    async def run() -> None:
        sandbox = await start(SandboxConfig(rate_limit=None, contacts=1))
        try:
            options = Options(base_url=sandbox.url, mine=("mine.com",))
            first = await load("m.mbox", run="r", options=options, token="x")
            listed = place / "r" / "unknown-contacts.txt"
            assert (first.contacts["missing"], listed.read_text()) == (1, f"{NEW}\n")
            made = sandbox.portal.add_contact(NEW)
            with (place / "m.mbox").open("a") as file:
                file.write(MESSAGE % ("3", NEW))
            assert (await extend("r", token="x")).contacts["missing"] == 0
            *_, last = sandbox.portal.emails.export()
            assert {"type": 198, "id": made} in [
                {"type": int(each["type"]), "id": each["id"]} for each in last["associations"]
            ]
            assert not listed.exists()
        finally:
            await sandbox.close()

    asyncio.run(run())
