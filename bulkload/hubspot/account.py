"""Whose portal is this: asked once at the start, so that a run is bound to its account.

Law kept here: same account, or no resume. An answer that is not as expected is a warning,
never a stop (401 and 403 aside: nothing would be accepted).

Source: HubSpot's account-info v3, `GET /account-info/v3/details`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import orjson

from bulkload.hubspot import paths, refusals

if TYPE_CHECKING:
    from bulkload.hubspot.client import Client, Sent
    from bulkload.hubspot.wire import Reply


class Account(NamedTuple):
    """`portal` "" where the remote did not say; `denied` and `trouble` say why."""

    portal: str = ""
    denied: str = ""
    trouble: str = ""


async def ask(client: Client) -> tuple[Account, Sent]:
    """One call; never raises for what the remote answers."""
    sent = await client.get(paths.ACCOUNT)
    return read(sent.reply), sent


def read(reply: Reply) -> Account:
    """Pure: what the answer says of the account."""
    try:
        answer = orjson.loads(reply.body) if reply.whole else {}
    except ValueError:
        answer = {}
    if not isinstance(answer, dict):
        answer = {}
    if reply.status in (401, 403):
        return Account(denied=refusals.denial(reply.status, answer, ""))
    portal = answer.get("portalId")
    if reply.status == 200 and isinstance(portal, int | str) and portal:
        return Account(portal=str(portal))
    if reply.status == 0 or not reply.whole:
        return Account(trouble=reply.trouble)
    return Account(trouble=refusals.describe(reply.status, answer))
