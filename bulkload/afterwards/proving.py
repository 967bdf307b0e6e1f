"""Contacts that a cut run may have made: who has these addresses, and since when?

Laws kept here: what the run made is not forgotten: an address counts as having no contact only
where no call of the run can make one any more, and what one made is shown. Nobody else's contact is
called the run's own: it was created while a call for it may have been carried out, by the remote's
clock, of which the journal has the bounds.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from bulkload import events
from bulkload.hubspot import contacts
from bulkload.hubspot.span import Span
from bulkload.pipeline.asking import SHOWN_S
from bulkload.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkload.calls.calling import Caller
    from bulkload.hubspot.remoteclock import RemoteClock
    from bulkload.journal.removals import Removals, Unsure
    from bulkload.runs.runlog import RunLog

AGAIN_S = 5.0
"""Between two looks for what is not shown yet."""


@dataclass(frozen=True, slots=True)
class Proving:
    """`remote`: its clock; `quiet_s`: so long after its beginning a call may be carried out."""

    caller: Caller
    ledger: Removals
    remote: RemoteClock
    quiet_s: float
    log: RunLog
    tell: events.Announcer

    async def prove(self) -> None:
        """Settle whose the contacts are whose making was cut. Raises Drained."""
        clock = asyncio.get_running_loop().time
        most_s = self.quiet_s + SHOWN_S
        over, told = clock() + most_s, False  # whatever the journal says: the run's calls are past
        while left := await self._look(surely=clock() > over):
            if not told:
                self.tell(
                    events.Said(
                        f"{counted(left, 'contact')} may have been made as the run was cut, and "
                        f"not be shown yet: looked for until that can't be, {most_s:.0f} s at most"
                    )
                )
                told = True
            await self.caller.pause(AGAIN_S)

    async def _look(self, *, surely: bool) -> int:
        """Returns of how many it can't be known yet. `surely`: what is not shown is not there."""
        after, left, unknown = "", 0, 0
        now = self.remote.at_least()
        while rows := await self.ledger.unsure(after):
            after = rows[-1].address
            shown = await self._read(rows)
            for row in rows:
                if (found := shown.get(row.address)) is not None:
                    contact, created = found
                    unknown += not _is_bounded(row)
                    await self._settle(row, contact, created)
                elif surely or (now is not None and _is_over(row, now)):
                    await self.ledger.proved(row.address, "", made=False)
                else:
                    left += 1
        if unknown:
            self.tell(
                events.Said(
                    f"of {counted(unknown, 'contact')} it can't be known whether the run made them "
                    "as it was cut, since the remote never told its time: they are left"
                )
            )
        return left

    async def _read(self, rows: Sequence[Unsure]) -> dict[str, tuple[str, float | None]]:
        """Address → the contact that has it, and when that was created as far as it is its own."""
        found: dict[str, tuple[str, float | None]] = {}
        parts = deque([tuple(row.address for row in rows)])
        while parts:
            part = parts.popleft()
            send = partial(self.caller.sink.read_contacts, contacts.read_body(part))
            shown: contacts.Found | contacts.Refused = await self.caller.ask(
                send, partial(contacts.judge_read, part), read=True
            )
            if isinstance(shown, contacts.Refused):
                parts.extend(shown.parts)
                continue
            found |= {who: (to, shown.created.get(who)) for who, to in shown.ids.items()}
        return found

    async def _settle(self, row: Unsure, contact: str, created: float | None) -> None:
        ours = Span(row.since, row.until).holds(created)
        await self.ledger.proved(row.address, contact, made=ours)
        whose = "made by the run" if ours else "not the run's"
        self.log.write(f"contact {contact}, whose making was cut: {whose}")


def _is_bounded(row: Unsure) -> bool:
    """Whether the remote's clock was known when the call left."""
    return row.since <= row.until


def _is_over(row: Unsure, now: float) -> bool:
    """Whether a read that is made now shows what a call for it made, if one did."""
    return _is_bounded(row) and now > row.until + SHOWN_S
