"""Probe records: made, looked for, archived at once. The only part that creates anything.

Laws kept here: whatever was made is archived before this ends, on a signal too; what could not be
is named. An answer that was lost is looked into before it is left. The records are tied to nobody.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from bulkload.doctor.asking import TRIES_TO_UNDO, Asker, CutShort
from bulkload.doctor.facts import Probed
from bulkload.hubspot import archive, lookup, probes, searching
from bulkload.hubspot.lookup import Marks
from bulkload.runs.learnt import LONGEST_S

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from bulkload.hubspot.client import Sent
    from bulkload.hubspot.probes import Created, Probe
    from bulkload.hubspot.sink import Sink

READ_EVERY_S, SEARCH_EVERY_S, SLOWEST_S = 0.2, 0.5, 3.0
"""Waits between looks: the first ones, and what they grow to."""

LOOKS = 8
"""So often a record whose answer was lost is looked for."""


@dataclass(slots=True)
class Probing:
    """`key`: the portal's key property, "" where it has none. `say`: a line for the user."""

    sink: Sink
    asker: Asker
    key: str
    say: Callable[[str], None]
    ids: list[str] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)
    _lost: list[Probe] = field(default_factory=list)
    _found: Probed = field(default_factory=Probed)

    async def run(self) -> Probed:
        """Make, look, archive. Never raises for what the remote answers, or for a signal."""
        self._found = Probed(keyed=bool(self.key))
        try:
            await self._learn()
        except CutShort:
            self._note("interrupted")
        finally:
            await self._clean()
        return self._found

    async def _learn(self) -> None:
        pair = self._draw(2)
        made, ended = await self._create("two probe records", pair)
        if made.ids:
            self._know(echoes_trace_id=made.echoed)
        if len(made.ids) < len(pair):
            self._note(made.unsure or made.refused or "not all probe records were made")
            return
        self.say(f"made the probe records {', '.join(made.ids)}: they are archived in a moment")
        looks = [self._look_by_read(pair, ended), self._look_by_search(pair, ended)]
        await asyncio.gather(*(self._same_key(pair),) if self.key else (), *looks)
        await self.asker.pause(0)
        if await self._archive() and self._found.learnt.unique_emails:
            await self._key_of_archived(pair)

    async def _same_key(self, pair: Sequence[Probe]) -> None:
        """Does the remote refuse a second record with one key?"""
        second = self._draw(1)[0]._replace(key=pair[0].key)
        try:
            made, _ = await self._create("a record with the same key", (second,))
        except CutShort:
            return
        if made.taken:
            self._know(unique_emails=True)
            self._found = replace(self._found, conflict=made.taken)
        elif made.ids:
            self._know(unique_emails=False)
        else:
            self._note(made.unsure or made.refused)

    async def _key_of_archived(self, pair: Sequence[Probe]) -> None:
        third = self._draw(1)[0]._replace(key=pair[0].key)
        made, _ = await self._create("a record with an archived one's key", (third,))
        if made.taken or made.ids:
            self._know(archived_keeps_key=bool(made.taken))
        else:
            self._note(made.unsure or made.refused)

    async def _look_by_read(self, pair: Sequence[Probe], ended: float) -> None:
        found = partial(self._shown_by_read, pair, list(self.ids))
        lag = await self._until_shown(found, ended, READ_EVERY_S)
        self._know(read_lag_s=lag)

    async def _look_by_search(self, pair: Sequence[Probe], ended: float) -> None:
        found = partial(self._shown_by_search, pair, list(self.ids))
        lag = await self._until_shown(found, ended, SEARCH_EVERY_S)
        self._know(search_lag_s=lag)

    async def _until_shown(
        self, shown: Callable[[], Awaitable[float | None]], ended: float, every: float
    ) -> float | None:
        """Seconds from the create's answer to the first look that shows its records."""
        clock = asyncio.get_running_loop().time
        try:
            while True:
                seen = await shown()
                if seen is not None:
                    return round(min(max(seen - ended, 0.0), LONGEST_S), 3)
                if clock() - ended >= LONGEST_S:
                    return LONGEST_S
                await self.asker.pause(every)
                every = min(every * 1.3, SLOWEST_S)
        except CutShort:
            return None

    async def _shown_by_read(self, pair: Sequence[Probe], ids: Sequence[str]) -> float | None:
        """When a look that shows all of them began; None: they are not shown yet."""
        marks, by_id = Marks(self.key), not self.key
        names = ids if by_id else [probe.key for probe in pair]
        request = lookup.by_id(names, marks) if by_id else lookup.by_key(names, marks)
        sent = await self.asker.read("read", partial(self.sink.read, request))
        if by_id:
            shown = archive.judge_read(names, sent.reply)
            there = isinstance(shown, archive.Shown) and shown.ids.issuperset(names)
            return sent.sent_at if there and sent.reply.status < 300 else None
        told = lookup.judge(names, sent.reply, marks)
        whole = isinstance(told, lookup.Findings) and told.found.keys() >= set(names)
        return sent.sent_at if whole else None

    async def _shown_by_search(self, pair: Iterable[Probe], ids: Iterable[str]) -> float | None:
        request = searching.request([str(p.timestamp) for p in pair], [], None)
        sent = await self.asker.read("search", partial(self.sink.search, request))
        page = searching.judge(sent.reply)
        if not isinstance(page, searching.Page):
            return None
        return sent.sent_at if {r.id for r in page.results}.issuperset(ids) else None

    async def _create(self, what: str, some: Sequence[Probe]) -> tuple[Created, float]:
        """(what its answer shows, when that came by the loop's clock)."""
        request = probes.request(some, self.key)
        sent = await self.asker.change(f"create {what}", partial(self.sink.create, request))
        made = probes.read_created(some, sent.reply, self.key)
        self._there(made.ids)
        if made.unsure:
            self._lost += some
        return made, sent.ended_at

    async def _clean(self) -> None:
        """Find what was lost, archive what there is. Nothing of it is cut short."""
        for number in range(LOOKS if self._lost else 0):
            if number:
                await asyncio.sleep(min(READ_EVERY_S * 2**number, SLOWEST_S))
            if await self._find_lost():
                break
        else:
            self._found = replace(self._found, unsure=bool(self._lost))
        await self._archive()
        self._found = replace(self._found, left=tuple(self.ids))

    async def _find_lost(self) -> bool:
        """Whether every record whose answer was lost is found now: by key, or by time and subject.

        A key under which only a record is found that was known before proves nothing.
        """
        if self.key:
            keys = list(dict.fromkeys(probe.key for probe in self._lost))
            request = lookup.by_key(keys, Marks(self.key))
            sent = await self._ask_for_lost(partial(self.sink.read, request))
            told = lookup.judge(keys, sent.reply, Marks(self.key))
            found = told.found if isinstance(told, lookup.Findings) else {}
            fresh = {key: each.id for key, each in found.items() if each.id not in self._seen}
            self._there(fresh.values())
            self._lost = [probe for probe in self._lost if probe.key not in fresh]
        if self._lost:
            request = searching.request([str(probe.timestamp) for probe in self._lost], [], None)
            sent = await self._ask_for_lost(partial(self.sink.search, request))
            page = searching.judge(sent.reply)
            results = page.results if isinstance(page, searching.Page) else ()
            ours = [r for r in results if r.properties.get(searching.SUBJECT) == probes.SUBJECT]
            self._there(result.id for result in ours)
            times = {
                searching.milliseconds(r.properties.get(searching.TIMESTAMP, "")) for r in ours
            }
            self._lost = [probe for probe in self._lost if probe.timestamp not in times]
        return not self._lost

    async def _ask_for_lost(self, send: Callable[[], Awaitable[Sent]]) -> Sent:
        return await self.asker.change("look for what was lost", send, cut=False)

    def _there(self, ids: Iterable[str]) -> None:
        """These are there, and to be archived."""
        fresh = [each for each in dict.fromkeys(ids) if each not in self.ids]
        self.ids += fresh
        self._seen.update(fresh)

    async def _archive(self) -> bool:
        """Whether all that is known to be there is archived now: it is forgotten then."""
        if not self.ids:
            return True
        send = partial(self.sink.archive, archive.request(self.ids))
        sent = await self.asker.change(
            "archive the probe records", send, tries=TRIES_TO_UNDO, again=True, cut=False
        )
        if not isinstance(archive.judge(sent.reply), archive.Archived):
            return False
        self.ids.clear()
        return True

    def _draw(self, count: int) -> tuple[Probe, ...]:
        now = int(time.time() * 1000)
        return probes.draw(count, now, partial(secrets.token_hex, 32), keyed=bool(self.key))

    def _know(self, **found: Any) -> None:
        known = self._found.learnt._replace(**{n: v for n, v in found.items() if v is not None})
        self._found = replace(self._found, learnt=known)

    def _note(self, trouble: str) -> None:
        if not self._found.trouble:
            self._found = replace(self._found, trouble=trouble)
