"""Whose portal is this, and what properties has it: asked at the start, so that a run is bound.

Law kept here: same account, or no resume. An answer that is not as expected is a warning,
never a stop (401 and 403 aside: nothing would be accepted).

Source: HubSpot's account-info v3, `GET /account-info/v3/details`, and properties v3,
`GET /crm/v3/properties/emails/{name}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from bulkload.hubspot import paths, refusals, wire

if TYPE_CHECKING:
    from bulkload.hubspot.client import Client, Sent
    from bulkload.hubspot.wire import Reply


class Account(NamedTuple):
    """`portal` "" where the remote did not say; `denied` and `trouble` say why."""

    portal: str = ""
    denied: str = ""
    trouble: str = ""


class Property(NamedTuple):
    """A property of emails. `unique`: no two records can have the same value of it."""

    exists: bool = False
    unique: bool = False
    denied: str = ""
    trouble: str = ""


async def ask(client: Client) -> tuple[Account, Sent]:
    """One call; never raises for what the remote answers."""
    sent = await client.get(paths.ACCOUNT)
    return read(sent.reply), sent


async def ask_property(client: Client, name: str) -> tuple[Property, Sent]:
    """One call; never raises for what the remote answers."""
    sent = await client.get(paths.PROPERTY + quote(name, safe=""))
    return read_property(sent.reply), sent


def read(reply: Reply) -> Account:
    """Pure: what the answer says of the account."""
    answer = wire.parsed(reply)
    if reply.status in (401, 403):
        return Account(denied=refusals.denial(reply.status, answer, ""))
    portal = answer.get("portalId")
    if reply.status == 200 and isinstance(portal, int | str) and portal:
        return Account(portal=str(portal))
    return Account(trouble=_trouble(reply, answer))


def read_property(reply: Reply) -> Property:
    """Pure: what the answer says of a property.

    A 403 is a token that may not read definitions: trouble, and no more.
    """
    answer = wire.parsed(reply)
    if reply.status == 401:
        return Property(denied=refusals.denial(reply.status, answer, ""))
    if reply.status == 200 and isinstance(answer.get("name"), str):
        return Property(exists=True, unique=answer.get("hasUniqueValue") is True)
    if reply.status == 404 and "category" in answer:
        return Property()
    return Property(trouble=_trouble(reply, answer))


def _trouble(reply: Reply, answer: dict[str, Any]) -> str:
    if reply.status == 0 or not reply.whole:
        return reply.trouble
    return refusals.describe(reply.status, answer)
