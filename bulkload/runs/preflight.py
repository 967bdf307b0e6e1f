"""Before the first batch: does the remote answer, whose portal is it, has it a key property?

Law kept here: same account, or no resume. An answer that is not as expected is a warning,
never a stop (401 and 403 aside); a remote that can't be reached is waited for.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from bulkload import events
from bulkload.calls.retry import probe_delay
from bulkload.calls.waiting import unless_over
from bulkload.errors import RefusedToStart, StoppedResumable
from bulkload.hubspot import account, contacts, definitions, lookup, owners, paths, replies, seconds
from bulkload.hubspot.lookup import Marks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from random import Random

    from bulkload.calls.traffic import Traffic
    from bulkload.errors import BulkloadError
    from bulkload.hubspot.account import Account, Property
    from bulkload.hubspot.client import Client, Sent
    from bulkload.hubspot.replies import Reply

    F = TypeVar("F", Account, Property)
    V = TypeVar("V")

TRIES = 3
"""So many server errors are asked again before a new run goes on without the answer."""

NOBODYS = "0" * 64
"""A key that no record has."""

NOBODY = "nobody@bulkload.invalid"
"""An address that no contact has."""

KEY, RUN = "bulkload_key", "bulkload_run"
"""The properties that are used unasked where a portal has them."""


@dataclass(frozen=True, slots=True)
class Preflight:
    """`max_outage_s`: how long it waits, None for ever. `interrupt` ends any wait."""

    client: Client
    traffic: Traffic
    tell: events.Announcer
    random: Random
    max_outage_s: float | None
    interrupt: asyncio.Event

    async def account(self, bound: str | None) -> Account:
        """The account of this token; its portal is `bound` where it was not told.

        Raises StoppedForGood where the run is bound to another, StoppedResumable where the
        token is refused or the remote can't be reached in time.
        """
        tries = TRIES if bound is None else None  # a run that is bound has to know
        found = await self._patient(paths.ACCOUNT, account.read, tries)
        if not found.portal:
            self.tell(
                events.Said(
                    f"the remote did not say which portal this is ({found.trouble}): "
                    + (f"taken to be {bound}" if bound else "the run is not bound to an account")
                )
            )
            return found._replace(portal=bound or "")
        account.same_portal(bound, found, "resume")
        return found

    async def usage(self) -> None:
        """How much of the day is used, and when it is reset, where the remote says so."""
        sent = await self._call(partial(self.client.get, paths.USAGE))
        if (found := account.read_usage(sent.reply).tightest) is not None:
            self.traffic.quota.usage(found, time.time())

    async def marks(self, wanted: str | None) -> Marks | None:
        """The properties that each record of a new run will carry; None: the portal has no key.

        `wanted`: the key property that the user named. Raises RefusedToStart where the portal
        has it not, or not with unique values.
        """
        name = wanted or KEY
        found = await self._property(name)
        if wanted and found.trouble:
            self.tell(
                events.Said(
                    f"the remote did not say what {name} is ({found.trouble}): taken at your word "
                    "to be a property with unique values"
                )
            )
        elif wanted and not found.unique:
            has = "without unique values" if found.exists else "no such property"
            raise RefusedToStart(
                f"--key-property {name}: the portal has {has}. Name a text property of emails "
                "that was made with unique values, or leave the option out"
            )
        elif not found.unique:
            if found.trouble:
                self.tell(
                    events.Said(
                        f"the remote did not say whether it has {KEY} ({found.trouble}): this run "
                        "goes without. To have lost answers settled by it, begin anew later"
                    )
                )
            return None
        run = await self._property(RUN)
        if run.trouble:
            self.tell(
                events.Said(
                    f"the remote did not say whether it has {RUN} ({run.trouble}): this run goes "
                    "without, and tells its records by the remote's clock"
                )
            )
        marks = Marks(name, RUN if run.exists else "")
        if not marks.run:
            await self._read_the_clock(marks)
        return marks

    async def _read_the_clock(self, marks: Marks) -> None:
        """Whose a record is will be told by the remote's clock: a read shows it to milliseconds."""
        read = partial(self.client.post, paths.READ, lookup.by_key([NOBODYS], marks))
        sent = await self._call(read)
        found = lookup.judge([NOBODYS], sent.reply, marks)
        completed = found.completed if isinstance(found, lookup.Findings) else ""
        if completed:
            remote = self.traffic.remote
            remote.observe(sent.reply.headers, sent.sent_at, sent.ended_at, completed)

    async def still_there(self, marks: Marks) -> None:
        """Raises StoppedResumable where the properties that a run's records carry are gone."""
        if not marks.run:
            await self._read_the_clock(marks)
        for name in filter(None, marks):
            found = await self._property(name)
            gone = not found.exists or (name == marks.key and not found.unique)
            if gone and not found.trouble:
                raise StoppedResumable(
                    f"the portal's property {name}, which this run's records carry, is gone or "
                    "has no unique values any more. Make it again, then resume"
                )

    async def named(self, options: Mapping[str, str | None]) -> None:
        """Raises RefusedToStart where the portal has not a property that an option names."""
        for option, name in options.items():
            if not name:
                continue
            found = await self._property(name)
            if not found.exists and not found.trouble:
                raise RefusedToStart(
                    f"{option} {name}: the portal's emails have no such property, and each record "
                    "with it would be refused. Make it in HubSpot's settings, or leave it out"
                )

    async def people(self) -> None:
        """Raises RefusedToStart where the token may not read contacts: a new run would stop at its
        first batch.
        """
        await self._until_answered(
            partial(self.client.post, paths.CONTACTS_READ, contacts.read_body([NOBODY])),
            partial(contacts.judge_read, [NOBODY]),
            lambda why: RefusedToStart(f"{why}; or load without them: --no-contacts"),
        )

    async def warn(self, sample: Sequence[Mapping[str, str]]) -> None:
        """Say what the portal would refuse every record of a sample for: such a mapping can't work;
        and where it would take what was hardly meant.

        A warning and no stop: what the portal tells of its properties may be wrong.
        """
        for text in seconds.suspected(sample):
            self.tell(events.Said(text))
        sent = await self._call(partial(self.client.get, paths.PROPERTIES))
        hopeless = definitions.read(sent.reply).hopeless(sample) if sample else ()
        for why, names in definitions.by_reason(hopeless).items():
            self.tell(
                events.Said(
                    f"the portal will refuse each record for {', '.join(names)}: {why}; all of the "
                    f"first {len(sample):,} have it. Stop, and look: bulkload check, bulkload map"
                )
            )

    async def owners(self) -> Mapping[str, str]:
        """The portal's owners, archived ones too: address → owner id. Raises RefusedToStart."""

        async def page(archived: bool, after: str) -> owners.Page:  # noqa: FBT001  # as `everybody` calls it
            path = owners.page_path(archived=archived, after=after)
            judge = partial(owners.judge, archived=archived)
            return await self._until_answered(
                partial(self.client.get, path),
                judge,
                lambda why: RefusedToStart(f"{why}; or name a file: --owners FILE"),
            )

        return owners.by_address(await owners.everybody(page))

    async def _property(self, name: str) -> Property:
        path = paths.PROPERTY + quote(name, safe="")
        return await self._patient(path, account.read_property, 2 * TRIES)

    async def _patient(self, path: str, read: Callable[[Reply], F], tries: int | None) -> F:
        """Ask until it is answered. `tries`: so many server errors are an answer; None: none is."""
        failures = 0

        def judge(reply: Reply) -> F | replies.Trouble:
            nonlocal failures
            found, denied = read(reply), replies.denied(reply)
            if denied is not None and (denied.expired or reply.hopeless or replies.is_page(reply)):
                return denied
            if found.denied:
                return replies.Denied(found.denied)
            unreached = reply.status == 0 or not reply.whole or reply.status in replies.LATER
            failing = reply.status >= 500 and (tries is None or failures + 1 < tries)
            if not (unreached or failing):
                return found
            daily = replies.is_daily(reply)
            failures = 0 if daily else failures + 1
            return replies.TryLater(found.trouble, None, throttled=False, daily=daily)

        get = partial(self.client.get, path)
        return await self._until_answered(get, judge, StoppedResumable)

    async def _until_answered(
        self,
        send: Callable[[], Awaitable[Sent]],
        judge: Callable[[Reply], V | replies.Trouble],
        refused: Callable[[str], BulkloadError],
    ) -> V:
        """What `judge` makes of the first answer. Raises what `refused` says where none will be."""
        began: float | None = None
        failures = 0
        while True:
            sent = await self._call(send)
            match judged := judge(sent.reply):
                case replies.Denied(expired=True):
                    self.traffic.refused(sent, judged.reason)
                case replies.Denied():
                    raise refused(judged.reason)
                case replies.TryLater(daily=True):
                    began, failures = None, 0  # `traffic` waits for the day; a night is no outage
                case replies.TryLater() | replies.NotSent() | replies.Doubtful():
                    failures += 1
                    began = self._busy() if began is None else began
                    if failures == 1:
                        self.tell(events.Held(None, judged.reason))
                    asked = replies.retry_after(sent.reply.headers) or 0.0
                    await self._wait(failures, began, judged.reason, asked)
                case _:
                    if failures:
                        self.tell(events.Released())
                    return judged

    def _busy(self) -> float:
        """A clock that stands still while the day is used up, or there is no token."""
        return asyncio.get_running_loop().time() - self.traffic.idle_s()

    async def _call(self, send: Callable[[], Awaitable[Sent]]) -> Sent:
        """All that is asked here are reads: an interrupt waits for no answer. Raises
        StoppedResumable then.
        """
        await self._pause(0.0)
        return await unless_over(self._pause, self.traffic.call(send, self._pause))

    async def _wait(self, failures: int, began: float, trouble: str, asked: float) -> None:
        waited = self._busy() - began
        wait = max(probe_delay(failures, waited, self.random), asked)
        if self.max_outage_s is not None:
            if waited >= self.max_outage_s:
                raise StoppedResumable(
                    f"{self.client.base_url} does not answer ({trouble}); gave up after "
                    f"{waited:.0f} s (--max-outage {self.max_outage_s:g})"
                )
            wait = min(wait, max(self.max_outage_s - waited, 0.01))
        await self._pause(wait)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            if not self.interrupt.is_set():  # wait_for would not look, where it may not wait
                await asyncio.wait_for(self.interrupt.wait(), seconds)
            raise StoppedResumable("interrupted before anything was sent")
