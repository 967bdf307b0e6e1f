"""One create: its intent, its call, the verdict on its answer.

Laws kept here: written before said: the intent is durable before the request leaves; never over the
limit: a slot comes back when the remote's window forgets the call, and at once where none left.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from bulkload import events
from bulkload.hubspot import replies, wire
from bulkload.hubspot.span import leaving

if TYPE_CHECKING:
    from bulkload.batch import Batch
    from bulkload.calls.hold import Gate
    from bulkload.hubspot.client import Sent
    from bulkload.pipeline.loads import Load
    from bulkload.pipeline.parts import Parts, Tally


class Tried(NamedTuple):
    """A create that was made, and its answer. `load` counts it among its tries; `attempt` is its
    own in the journal. `falls`: those of the gate when it left; `trial`: it tried the remote, and
    no other has to meanwhile.
    """

    load: Load
    attempt: int
    sent: Sent
    judged: wire.Verdict
    falls: int
    trial: bool


class Creating:
    """For one run. `key_property`: "" where it has none; `quiet_s`: so long after its beginning a
    call may still be carried out. `under_way`: the batches of attempts that are not settled;
    whoever settles one takes it out.
    """

    def __init__(
        self, parts: Parts, gate: Gate, tally: Tally, key_property: str, quiet_s: float
    ) -> None:
        self._parts = parts
        self._gate = gate
        self._tally = tally
        self._key_property = key_property
        self._quiet_s = quiet_s
        self.under_way: dict[int, Batch] = {}

    async def create(self, load: Load, *, trial: bool) -> Tried | None:
        """For who has a slot and a pass, which are given back. None: the gate fell before anything
        left.
        """
        request, falls = wire.body(load.batch), self._gate.falls
        journal = self._parts.journal
        span = leaving(self._parts.traffic.remote, self._quiet_s)
        since, until = span or (None, None)
        try:
            attempt = await self._intend(load, request, since, until)
            if self._gate.withdrawn(falls) if trial else self._gate.closed:
                self._parts.traffic.give_back()
                if trial and self._gate.tries(falls):
                    self._gate.untried()
                if load.attempt is None:
                    await journal.withdraw(attempt)
                return None
            if not trial:
                falls = self._gate.falls  # it may have fallen and opened since
            self.under_way[attempt] = load.batch
            sent, judged = await self._send(request, load)
        except BaseException:
            if trial and self._gate.tries(falls):
                self._gate.untried()
            raise
        finally:
            self._gate.leave()
        # Where the gate fell meanwhile, another one tries: this one's answer opens nothing.
        trial = trial and self._gate.tries(falls)
        times = load.batch.attempt + (not isinstance(judged, replies.NotSent))
        batch = replace(load.batch, attempt=times)
        load = replace(load, batch=batch, tries=load.tries + 1)
        if load.attempt is None:
            load = replace(load, since=since)
        if isinstance(judged, replies.Doubtful) or (
            isinstance(judged, wire.Outcomes) and judged.silent
        ):
            load = replace(load, until=until)  # what it may have made is not known
        return Tried(load, attempt, sent, judged, falls, trial)

    async def _intend(
        self, load: Load, request: bytes, since: float | None, until: float | None
    ) -> int:
        """Write down what leaves next. Returns its attempt. What can't be written down doesn't
        leave: its slot is for those who wait, or they would not see that the run ends.
        """
        journal = self._parts.journal
        try:
            if load.attempt is None:
                digest = wire.digest(load.batch, request)
                return await journal.intend(load.batch, digest, since, until)
            if until is not None:
                await journal.prolong(load.attempt, until)
            return load.attempt
        except BaseException:
            self._parts.traffic.give_back()
            raise

    async def _send(self, request: bytes, load: Load) -> tuple[Sent, wire.Verdict]:
        traffic, tally = self._parts.traffic, self._tally
        tally.first_request = tally.first_request or time.monotonic()
        sent, used = await traffic.leave(partial(self._parts.sink.create, request))
        judged = wire.judge(load.batch, sent.reply, self._key_property)
        worked, completed = 0.0, ""
        if isinstance(judged, wire.Outcomes):
            worked, completed = judged.worked_s, judged.completed
        traffic.ended(sent, used, worked_s=worked, completed=completed)
        tally.requests += sent.sent_at > 0
        tally.retries += load.tries > 0
        self._parts.tell(events.Answered(sent.reply.status, sent.seconds, load.tries > 0))
        return sent, judged
