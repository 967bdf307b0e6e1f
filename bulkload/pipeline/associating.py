"""Records and their people: each address is looked up once, and each record tied to its contacts.

What a batch asks for is asked as soon as it is read, while others before it are sent. One call
asks for a hundred addresses; where unknown ones are made, that is one more.

Laws kept here: written before said: a contact that this run makes is in the journal before the
call leaves, with the time in which it may be carried out, and whose it is before a record is tied
to it; what somebody made outside that time is never called the run's; the remote's trouble is not
the record's: a look-up is repeated until it is answered.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from bulkload.hubspot import contacts, replies
from bulkload.hubspot.span import NEVER, Span, leaving
from bulkload.model import MAX_INPUTS
from bulkload.records import added

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from bulkload.batch import Batch, Entry, Letter
    from bulkload.calls.repeating import Repeating
    from bulkload.hubspot.client import Sent
    from bulkload.hubspot.replies import Reply
    from bulkload.model import Address
    from bulkload.options import UnknownContacts
    from bulkload.pipeline.parts import Parts
    from bulkload.records.people import People

NOBODY = contacts.Contact("", made=False)
"""Of an address that the remote takes for none."""


class Tied(NamedTuple):
    """A batch that is tied to its contacts, and the letters of those that are not to be sent."""

    batch: Batch
    letters: tuple[Letter, ...] = ()


class Associating:
    """For the workers of one run. `quiet_s`: so long after its beginning a call may still be
    carried out; `shown_s`: so long after that a read shows what it made, at the latest.
    """

    def __init__(
        self,
        parts: Parts,
        repeating: Repeating,
        people: People,
        unknown: UnknownContacts,
        *,
        quiet_s: float,
        shown_s: float,
    ) -> None:
        self._parts = parts
        self._repeating = repeating
        self._people = people
        self._unknown = unknown
        self._quiet_s, self._shown_s = quiet_s, shown_s
        self._asked: dict[str, asyncio.Task[None]] = {}
        self._open: dict[str, Span] | None = None
        self._opening = asyncio.Lock()

    def expect(self, people: Iterable[Address]) -> None:
        """Ask for them, unless somebody does: their records come next."""
        new = {each.email: each for each in people if each.email not in self._asked}
        unknown = [who for who in new if self._people.contact(who) is None]
        for at in range(0, len(unknown), MAX_INPUTS):
            group = {who: new[who] for who in unknown[at : at + MAX_INPUTS]}
            asking = asyncio.create_task(self._ask(group))
            self._asked |= dict.fromkeys(group, asking)
            asking.add_done_callback(partial(self._answered, tuple(group)))

    async def tie(self, batch: Batch) -> Tied:
        """The batch with links to its contacts, as soon as they are known. Raises Drained."""
        if batch.plain:
            return Tied(batch)
        open_ = [entry for entry in batch.entries if entry.people and not entry.tied]
        if not open_:
            return Tied(batch)
        wanted = {who.email: who for entry in open_ for who in entry.people}
        while left := [who for who in wanted if self._people.contact(who) is None]:
            self.expect(wanted[who] for who in left)
            asking = dict.fromkeys(self._asked[who] for who in left if who in self._asked)
            # A worker that is cancelled must not take away what others wait for.
            await asyncio.gather(*map(asyncio.shield, asking))
        entries: list[Entry] = []
        letters: list[Letter] = []
        for entry in batch.entries:
            found = [self._people.contact(who.email) or "" for who in entry.people]
            if not all(found) and self._unknown == "reject" and not batch.attempt:
                letters.append(self._letter(entry, found))
            elif entry.people and not entry.tied:
                entries.append(added.linked(entry, filter(None, found)))
            else:
                entries.append(entry)
        return Tied(batch.of(entries), tuple(letters))

    async def untie(self, batch: Batch, gone: Mapping[int, Collection[str]]) -> Batch:
        """Those records, tied to what is left: those contacts are not there any more."""
        entries = [entry for entry in batch.entries if entry.ordinal in gone]
        lost = {
            who.email
            for entry in entries
            for who in entry.people
            if self._people.contact(who.email) in gone[entry.ordinal]
        }
        await self._parts.journal.people.lose(lost)
        self._people.learn(dict.fromkeys(lost, ""))
        return batch.of(added.unlinked(entry, gone[entry.ordinal]) for entry in entries)

    async def close(self) -> None:
        """Nobody waits any more."""
        asking = tuple(dict.fromkeys(self._asked.values()))
        for each in asking:
            each.cancel()
        if asking:  # of nothing, gather looks for a loop, and makes one where none runs any more
            await asyncio.gather(*asking, return_exceptions=True)

    def _letter(self, entry: Entry, found: Sequence[str]) -> Letter:
        pairs = zip(entry.people, found, strict=True)
        unknown = [who.email for who, contact in pairs if not contact]
        return self._parts.letters.of_entry(
            entry,
            "unmappable",
            f"the portal has no contact with the address {', '.join(unknown)} "
            "(--unknown-contacts reject)",
            attempts=0,
        )

    def _answered(self, group: Sequence[str], asking: asyncio.Task[None]) -> None:
        for who in group:
            self._asked.pop(who, None)
        if not asking.cancelled():
            asking.exception()  # told to who waits; where nobody does, it is told again

    async def _ask(self, group: Mapping[str, Address]) -> None:
        """Look up, make what is to be made, and remember."""
        open_ = await self._left_open()
        began = self._parts.traffic.remote.at_least()
        missing = await self._look_up(tuple(group), group)
        if missing and self._unknown != "create":
            await self._remember(dict.fromkeys(missing, ""))
            return
        # What an earlier life's call may yet make, or has made and no read shows yet, is that
        # one's: alone, since each has its own time. What is absent behind it is nobody's.
        late = {
            who: open_[who]
            for who in missing
            if who in open_ and (began is None or began <= open_[who].until + self._shown_s)
        }
        if fresh := [who for who in missing if who not in late]:
            await self._make({who: group[who] for who in fresh})
        for who, span in late.items():
            await self._make({who: group[who]}, lost=span)

    async def _look_up(self, group: Sequence[str], people: Mapping[str, Address]) -> list[str]:
        """Returns those that the portal has no contact of."""
        read = partial(self._parts.sink.read_contacts, contacts.read_body(group))
        found: contacts.Found | contacts.Refused = await self._repeating.until_answered(
            read, partial(contacts.judge_read, group)
        )
        if isinstance(found, contacts.Refused):
            return [
                *found.blamed,
                *[who for part in found.parts for who in await self._look_up(part, people)],
            ]
        await self._found(found, people)
        missing = [who for who in group if who in found.missing]
        if not found.unexplained or len(group) == 1:
            return missing
        # Neither shown nor named as not found: alone, what is shown can only be theirs.
        named = [who for who in missing if who not in found.unexplained]
        alone = [who for who in missing if who in found.unexplained]
        return named + [each for who in alone for each in await self._look_up([who], people)]

    async def _found(self, found: contacts.Found, people: Mapping[str, Address]) -> None:
        """They are there; made by an earlier life's call where that was under way then."""
        open_ = await self._left_open()
        doubted = {who: to for who, to in found.ids.items() if who in open_}
        if doubted:
            settled = {
                who: contacts.Contact(to, open_[who].holds(found.created.get(who)))
                for who, to in doubted.items()
            }
            await self._name({to.id: people[who] for who, to in settled.items() if to.made})
            await self._settle(settled)
        await self._remember({who: to for who, to in found.ids.items() if who not in doubted})

    async def _remember(self, found: Mapping[str, str]) -> None:
        await self._parts.journal.people.learn(found)
        self._people.learn(found)

    async def _make(
        self, group: Mapping[str, Address], lost: Span | None = None, rounds: int = 3
    ) -> None:
        """Make the contacts of these. `lost`: when earlier calls for them, whose answers are not
        known, may have been carried out.
        """
        people, remote = self._parts.journal.people, self._parts.traffic.remote
        addresses, body = tuple(group), contacts.upsert_body(tuple(group))
        span = leaving(remote, self._quiet_s) or NEVER
        written = Span(lost.since if lost else span.since, span.until)
        await people.intend(addresses, *written)

        async def upsert() -> Sent:
            nonlocal written
            most = remote.at_most()
            if most is not None and written.until < most + self._quiet_s:
                # It waited long to leave: for an outage, or for the day.
                now = leaving(remote, self._quiet_s) or NEVER
                written = Span(lost.since if lost else now.since, now.until)
                await people.intend(addresses, *written)
            return await self._parts.sink.upsert_contacts(body)

        def judge(reply: Reply) -> contacts.Upserted | contacts.Refused | replies.Trouble:
            nonlocal lost
            judged = contacts.judge_upsert(addresses, reply, lost)
            if isinstance(judged, replies.Doubtful):
                lost = written
            return judged

        answer: contacts.Upserted | contacts.Refused = await self._repeating.until_answered(
            upsert, judge
        )
        if isinstance(answer, contacts.Refused):
            await self._settle(dict.fromkeys(answer.blamed, NOBODY))
            for part in answer.parts:
                await self._make({who: group[who] for who in part}, lost)
            return
        await self._name({c.id: group[who] for who, c in answer.contacts.items() if c.made})
        await self._settle({**answer.contacts, **dict.fromkeys(answer.refused, NOBODY)})
        for who in answer.silent:
            if rounds:
                await self._make({who: group[who]}, written, rounds - 1)
            else:
                # A remote that never names it would be asked for ever. It may have made it: the
                # journal keeps it open, and an undo looks for it.
                self._people.learn({who: ""})

    async def _name(self, made: Mapping[str, Address]) -> None:
        """Before they are settled: what is cut in between is done again."""
        if made and (request := contacts.names_body(made)):
            name = partial(self._parts.sink.name_contacts, request)
            await self._repeating.until_answered(name, contacts.judge_names)

    async def _settle(self, made: Mapping[str, contacts.Contact]) -> None:
        if made:
            await self._parts.journal.people.settle(made)
            self._people.learn({who: contact.id for who, contact in made.items()})

    async def _left_open(self) -> dict[str, Span]:
        async with self._opening:
            if self._open is None:
                left = await self._parts.journal.people.open()
                self._open = {who: Span(*bounds) for who, bounds in left.items()}
            return self._open
