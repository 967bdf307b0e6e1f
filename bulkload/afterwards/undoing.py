"""`undo`: archives what a run created, and only that: emails, then contacts, then files.

Laws kept here: same account, or nothing is archived; what is about to happen is told first; a
contact or a file goes only after every email that may be tied to it; never over the limit: what
the run used of it, and of its share of the day's calls, is counted, and what its undo uses is kept.
"""

from __future__ import annotations

import asyncio
import os
import random
from contextlib import AsyncExitStack, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from bulkload import events
from bulkload.afterwards.archiving import Archiving, ByBatch, OneByOne
from bulkload.afterwards.proving import Proving
from bulkload.afterwards.undoplan import Keep, Plan, Undone, plan
from bulkload.calls import hold
from bulkload.calls.calling import Caller
from bulkload.errors import BulkloadError, StoppedForGood, StoppedResumable
from bulkload.hubspot import account, archive, contacts, paths, replies
from bulkload.hubspot.sink import Sink
from bulkload.journal import removals
from bulkload.journal import undo as journals
from bulkload.runs import binding
from bulkload.runs.call import Access, Call
from bulkload.runs.connecting import connected
from bulkload.runs.inquiry import existing
from bulkload.runs.life import QUIET_S
from bulkload.runs.runlog import RunLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from bulkload.afterwards.archiving import Ledger, Way
    from bulkload.calls.traffic import Traffic
    from bulkload.events import Observer
    from bulkload.hubspot.account import Account
    from bulkload.hubspot.client import Client
    from bulkload.hubspot.replies import Reply
    from bulkload.journal.portions import Portion, Settled

P = TypeVar("P", bound="Portion")

MOST_IN_FLIGHT = 20


async def undo(
    run: str | Path,
    *,
    dry_run: bool = False,
    token: str | None = None,
    token_file: str | Path | None = None,
    oauth_file: str | Path | None = None,
    ca_file: str | Path | None = None,
    observers: Sequence[Observer] = (),
    interrupt: asyncio.Event | None = None,
    changes: dict[str, Any] | None = None,
    keep_contacts: bool = False,
    keep_files: bool = False,
) -> Undone:
    """Archive what a run created. Asks nobody: what it will do is told to `observers` first.

    `dry_run`: told, and nothing else; the remote is asked whose portal the token is for, where
    there is one. `changes`: options of the run that are given again. `keep_contacts`,
    `keep_files`: those that the run made are left as they are.

    Returns an Undone, also where it stopped early (`stopped`, `exit_code` 3 or 4), and for a run
    that is undone already. Raises RefusedToStart where nothing was sent.
    """
    access = Access.of(token, token_file, oauth_file, ca_file)
    call = Call(access, tuple(observers), interrupt)
    directory = existing(run)
    with directory.locked():
        planned = plan(directory, changes, Keep(keep_contacts, keep_files))
        tell = events.Announcer(call.observers)
        if planned.done:
            if not planned.expected:
                _warn(planned, tell)
            return planned.result(planned.settled)
        if dry_run and _tokenless(call):
            _announce(planned, tell, planned.portal, " (by its journal: no token to ask with)")
            return planned.result(planned.settled)
        access.check()
        return await _Life(planned, call, dry_run=dry_run).live()


class _Life:
    """One process's work on one run's undo. The lock is held."""

    def __init__(self, planned: Plan, call: Call, *, dry_run: bool) -> None:
        self._plan = planned
        self._access = call.access
        self._dry = dry_run
        self._interrupt = call.interrupt or asyncio.Event()
        self._log = RunLog(planned.directory.log)
        self._tell = events.Announcer(call.observers if dry_run else (self._log, *call.observers))
        self._settled = planned.settled
        self._contacts, self._files = planned.contacts, planned.files

    async def live(self) -> Undone:
        options, plan = self._plan.options, self._plan
        in_flight = min(options.max_in_flight, MOST_IN_FLIGHT)
        jitter = random.Random()  # noqa: S311  # no secret
        async with AsyncExitStack() as stack:
            client, traffic = await stack.enter_async_context(
                connected(options, self._access, jitter, self._tell)
            )
            caller = Caller(Sink(client), traffic, jitter, self._tell, options.max_outage)
            stack.enter_context(self._drained_when_told(caller))
            try:
                journal = None if self._dry else await self._open(caller, traffic, stack)
                found = await self._account(caller, client)
                zone = binding.settled_in(found, traffic)
                _announce(plan, self._tell, found.portal or None)
                if journal is not None:
                    await journal.note(zone)
                    await binding.note_day(journal, traffic, options)
                    await self._remove(caller, traffic, journal, in_flight)
            except hold.Drained:
                pass
            except (StoppedResumable, StoppedForGood) as error:
                caller.drain(error)
        result = plan.result(self._settled, self._contacts, self._files, caller.stopped)
        if not self._dry:
            told = result.stopped or "settled"
            self._log.write(f"the undo ended with exit code {result.exit_code}: {told}")
        return result

    async def _open(
        self, caller: Caller, traffic: Traffic, stack: AsyncExitStack
    ) -> journals.UndoJournal:
        """The journal, until `stack` ends, with what it knows of the limit and of the day."""
        directory, options = self._plan.directory, self._plan.options
        with suppress(OSError):  # a full disk: what it was for has happened
            directory.lay_ballast()
        journal = journals.UndoJournal(directory, on_full=self._disk_trouble(caller))
        stack.push_async_callback(journal.close)
        await binding.remember(journal, traffic, options)

        async def note_day() -> None:
            with suppress(BulkloadError):  # a full disk: what left is counted by its intents
                await binding.note_day(journal, traffic, options)

        stack.push_async_callback(note_day)
        return journal

    async def _remove(
        self, caller: Caller, traffic: Traffic, journal: journals.UndoJournal, in_flight: int
    ) -> None:
        directory, keep = self._plan.directory, self._plan.keep
        # Its bytes are ids here: the share that is done tells how long it takes.
        before = sum(self._settled) + sum(sum(made.settled) for made in self._plan.wanted)
        self._tell(
            events.Started(
                self._plan.facts["run_id"], str(directory.path), self._plan.expected, before
            )
        )
        sink = caller.sink
        emails = ByBatch("record", caller, sink.read, sink.archive, archive.EMAILS)
        of_emails = self._archiving(caller, journal, emails, self._settled)
        try:
            await of_emails.run(in_flight)
        finally:
            self._settled = of_emails.settled
        if not keep.contacts:
            await self._remove_contacts(caller, traffic, journal, in_flight)
        if not keep.files:
            of_files = self._archiving(caller, journal.files, OneByOne(caller), self._files.settled)
            try:
                await of_files.run(in_flight)
            finally:
                self._files = self._files._replace(settled=of_files.settled)
        caller.go_on()
        await journal.finish()

    async def _remove_contacts(
        self, caller: Caller, traffic: Traffic, journal: journals.UndoJournal, in_flight: int
    ) -> None:
        caller.go_on()
        if self._contacts.unsure:
            quiet_s = self._plan.options.timeout + QUIET_S
            ledger, remote = journal.contacts, traffic.remote
            await Proving(caller, ledger, remote, quiet_s, self._log, self._tell).prove()
            self._contacts = removals.made(self._plan.directory, "contact")
        sink = caller.sink
        way = ByBatch("contact", caller, sink.read_contacts, sink.archive_contacts, contacts.WRITES)
        archiving = self._archiving(caller, journal.contacts, way, self._contacts.settled)
        try:
            await archiving.run(in_flight)
        finally:
            self._contacts = self._contacts._replace(settled=archiving.settled)

    def _archiving(
        self, caller: Caller, ledger: Ledger[P], way: Way, settled: Settled
    ) -> Archiving[P]:
        others = sum(self._settled) + sum(self._contacts.settled) + sum(self._files.settled)
        before = others - sum(settled)
        return Archiving(caller, ledger, way, settled, self._tell, self._log, before=before)

    async def _account(self, caller: Caller, client: Client) -> Account:
        """The account of this token. Raises where it is not, or may not be, the run's."""
        bound = self._plan.portal
        found = await caller.ask(partial(client.get, paths.ACCOUNT), _judge_account, read=True)
        if bound and not found.portal:
            raise StoppedResumable(
                f"the remote did not say which portal this token is for ({found.trouble}), and "
                f"the run was begun on portal {bound}: nothing was archived"
            )
        account.same_portal(bound, found, "undo it")
        return found

    @contextmanager
    def _drained_when_told(self, caller: Caller) -> Iterator[None]:
        async def wait() -> None:
            await self._interrupt.wait()
            caller.drain(StoppedResumable("interrupted; what was in flight is settled"))

        watch = asyncio.create_task(wait())
        try:
            yield
        finally:
            watch.cancel()

    def _disk_trouble(self, caller: Caller) -> Callable[[str], None]:
        """Called in the journal's thread, with what the disk is."""
        loop, directory = asyncio.get_running_loop(), self._plan.directory

        def give_room(what: str) -> None:
            directory.drop_ballast()
            told = f"the disk of {directory.path} {what}. Make room or mend it, then go on"
            loop.call_soon_threadsafe(caller.drain, StoppedResumable(told))

        return give_room


def _judge_account(reply: Reply) -> Account | replies.Trouble:
    found = account.read(reply)
    if found.denied:
        return replies.denied(reply) or replies.Denied(found.denied)
    if reply.status in replies.NO_HANDLER:
        return found  # it does not say
    return replies.trouble(reply) or found


def _announce(planned: Plan, tell: events.Announcer, portal: str | None, whence: str = "") -> None:
    tell(events.Said(planned.words(portal, whence)))
    _warn(planned, tell)


def _warn(planned: Plan, tell: events.Announcer) -> None:
    for warning in planned.warnings():
        tell(events.Said(warning))


def _tokenless(call: Call) -> bool:
    access, there = call.access, os.environ.get("HUBSPOT_ACCESS_TOKEN", "").strip()
    return not (there or access.token or access.token_file or access.oauth_file)
