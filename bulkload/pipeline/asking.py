"""Questions to the remote: who has these keys? The answers settle what was in doubt.

Law kept here: nothing twice. Nothing is decided by an answer that is not whole; a key that is
called taken is looked for again and again, then among what was archived, before its record is
given up.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING

from bulkload import events
from bulkload.calls.retry import ASK_AGAIN
from bulkload.hubspot import lookup, refusals, replies
from bulkload.model import MAX_INPUTS
from bulkload.pipeline import answering

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from bulkload.calls.outage import Outage
    from bulkload.hubspot.client import Sent
    from bulkload.hubspot.lookup import Found
    from bulkload.pipeline.loads import Load, Step
    from bulkload.pipeline.parts import Parts, Policy, Tally

GUESSED_WRONG = (400, 404, 422)
"""Numbers in a message that are no ids."""

SHOWN_S = 15.0
"""So long after it was made a record is shown to a read by key, at the latest."""


@dataclass(frozen=True, slots=True)
class Asking:
    """By key, for the workers of one run, whose `policy` has marks."""

    parts: Parts
    outage: Outage
    policy: Policy
    tally: Tally

    async def ask(self, load: Load, sent: Sent | None = None) -> Step | Load:
        """What becomes of a load's records. `sent`: the answer, where the read was made already.

        A load: ask again later. Raises Drained where the run ends meanwhile.
        """
        question, gate = load.question, self.outage.gate
        assert question is not None
        if sent is None and question.asked and not question.archived:
            await gate.pause(ASK_AGAIN.delay(question.asked, self.parts.random))
        read = partial(self.read, load)
        while True:
            falls = gate.falls
            if sent is None:
                sent, falls, _ = await self.outage.read(read)
            judged = self._judge(load, sent)
            if isinstance(judged, lookup.Findings):
                ours = await self._made_here(load, judged.found)
                return answering.answered(
                    load, judged.found, ours, self.policy, self.parts.letters, gate.successes
                )
            self.tally.throttled += isinstance(judged, replies.TryLater) and judged.throttled
            # Where somebody has to ask until the remote answers, he asks for this.
            sent = await self.outage.met(judged, sent, falls, ask=read)

    async def _made_here(self, load: Load, found: Mapping[str, Found]) -> Collection[str]:
        """Of the ids found, those that another record of this run has, as the journal knows.

        Those of whom the record itself tells that another run made them are not looked for. What
        was made after the doubt began can only be of a call from about then on.
        """
        assert load.question is not None
        began, since = self.policy.began, load.since if load.question.doubted else None
        older: set[str] = set()
        newer: set[str] = set()
        for each in found.values():
            if self._marks.run and each.run != self.policy.run:
                continue
            if each.created is None or since is None or each.created < since:
                if each.created is None or began is None or each.created >= began:
                    older.add(each.id)
            else:
                newer.add(each.id)
        claimed, journal = set(), self.parts.journal
        if older:
            claimed |= await journal.claimed(older)
        if newer and since is not None:
            claimed |= await journal.claimed(newer, since - self.policy.quiet_s)
        return claimed

    def _judge(self, load: Load, sent: Sent) -> lookup.Findings | replies.Trouble:
        """What an answer shows."""
        ids = self._holders(load)
        if ids and sent.reply.status in GUESSED_WRONG:
            return lookup.Findings({})
        judged = lookup.judge(self._names(load), sent.reply, self._marks, by_id=bool(ids))
        if isinstance(judged, lookup.Findings) and judged.completed:
            remote = self.parts.traffic.remote
            remote.observe(sent.reply.headers, sent.sent_at, sent.ended_at, judged.completed)
        return judged

    async def read(self, load: Load) -> Sent:
        """One call: the records of a load by their keys, or by ids among what was archived."""
        assert load.question is not None
        names, sink = self._names(load), self.parts.sink
        if load.question.archived:
            named = lookup.by_id if self._holders(load) else lookup.by_key
            sent = await sink.read_archived(named(names, self._marks))
        else:
            sent = await sink.read(lookup.by_key(names, self._marks))
        self.tally.requests += sent.sent_at > 0
        self.parts.tell(events.Answered(sent.reply.status, sent.seconds))
        return sent

    def _names(self, load: Load) -> list[str]:
        return self._holders(load) or [entry.key for entry in load.batch.entries]

    def _holders(self, load: Load) -> list[str]:
        """Among what was archived: the ids that the remote named as having the keys."""
        assert load.question is not None
        if not load.question.archived:
            return []
        said = [refusals.holders(why.message) for why in load.question.conflicts.values()]
        # The likeliest of each conflict before any that is less so.
        ranked = (holder for ids in zip_longest(*said) for holder in ids if holder is not None)
        return list(dict.fromkeys(ranked))[:MAX_INPUTS]

    @property
    def _marks(self) -> lookup.Marks:
        assert self.policy.marks is not None, "only a run with a key asks by it"
        return self.policy.marks
