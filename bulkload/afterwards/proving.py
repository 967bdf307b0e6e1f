"""Contacts that a cut run may have made: who has these addresses, and since when?

Law kept here: what the run made is not forgotten, and nobody else's contact is called its own: it
was created when the call for it left or later, by the remote's clock, which the journal has as a
lower bound.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from bulkload.hubspot import contacts

if TYPE_CHECKING:
    from bulkload.calls.calling import Caller
    from bulkload.journal.removals import Removals
    from bulkload.runs.runlog import RunLog


async def prove(caller: Caller, ledger: Removals, log: RunLog) -> None:
    """Settle whose the contacts are whose making was cut. Raises Drained."""
    after = ""
    while rows := await ledger.unsure(after):
        after = rows[-1].address
        since = {row.address: row.since for row in rows}
        parts = deque([tuple(since)])
        while parts:
            part = parts.popleft()
            send = partial(caller.sink.read_contacts, contacts.read_body(part))
            shown: contacts.Found | contacts.Refused = await caller.ask(
                send, partial(contacts.judge_read, part), read=True
            )
            if isinstance(shown, contacts.Refused):
                parts.extend(shown.parts)
                continue
            for address, contact in shown.ids.items():
                created = shown.created.get(address)
                ours = created is not None and created >= since[address]
                await ledger.proved(address, contact, made=ours)
                whose = "made by the run" if ours else "not the run's"
                log.write(f"contact {contact}, whose making was cut: {whose}")
