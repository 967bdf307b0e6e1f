"""Pure: whose mail it is: which way a message went, who outside it ties to, who owns it.

Directions are HubSpot's [HubSpot: emails guide, hs_email_direction]: EMAIL was sent by the
account's people, INCOMING_EMAIL to them, FORWARDED_EMAIL was forwarded to the CRM. Of mail from a
mailbox the rules, in this order, are:

1. A bounce is INCOMING_EMAIL, though our own server may have written it.
2. From is mine: FORWARDED_EMAIL where it went to HubSpot's forwarding address, or is a forward that
   went to nobody outside; else EMAIL.
3. From is not mine, but somebody else of the message is: INCOMING_EMAIL; EMAIL where there is no
   From and Sender is mine.
4. Nobody is known to be mine: EMAIL in a Sent folder or under such a label, else INCOMING_EMAIL.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Literal

from bulkload.mail.folders import folder_kind
from bulkload.mail.patterns import Patterns, normal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from bulkload.model import Address, Email

Direction = Literal["EMAIL", "INCOMING_EMAIL", "FORWARDED_EMAIL"]

ALSO_MINE = 10
"""An address that sent a tenth as much as the first one is no stray in a Sent folder."""

_LOGGING = re.compile(r"[^@]+@(bcc|forward)(?:[.-][a-z]+\d+)?\.hubspot\.com")
"""Where people send what is to be logged: HubSpot's own addresses, nobody's contact."""

_LOCAL = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*", re.ASCII)
_DOMAIN = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?:xn--[a-z0-9-]{1,59}|[a-z]{2,63})"
)
_NO_TOP = frozenset({"example", "internal", "invalid", "lan", "local", "localhost", "test"})
"""Reserved or of home networks (RFC 2606, 6761, 6762): no contact can have such an address."""


class Mine(Patterns):
    """The addresses and domains of those whose mail is loaded. Empty: nobody is known to be."""

    __slots__ = ()

    @classmethod
    def parse(cls, given: Iterable[str], option: str = "--mine") -> Mine:
        """As `Patterns`. Raises RefusedToStart."""
        return super().parse(given, option)

    def holds_list(self, list_id: str) -> bool:
        """Whether the mailing list is one of ours: a group such as sales@, which Google Workspace
        names sales.example.com.
        """
        name = list_id.strip("<> ").lower()
        if any(address.replace("@", ".") == name for address in self.addresses):
            return True
        while name:
            if self.holds_domain(name):
                return True
            _, _, name = name.partition(".")
        return False


def direction(email: Email, mine: Mine, folder: str = "") -> Direction:
    """Which way the message went; by the rules above."""
    if "bounce" in email.traits:
        return "INCOMING_EMAIL"
    if any(mine.holds(each.email) for each in email.from_):
        return "FORWARDED_EMAIL" if _forwarded(email, mine) else "EMAIL"
    if not email.from_ and any(mine.holds(each.email) for each in email.sender):
        return "EMAIL"
    if any(mine.holds(each.email) for each in (*email.sender, *recipients(email))):
        return "INCOMING_EMAIL"
    return "EMAIL" if was_sent(email, folder) else "INCOMING_EMAIL"


def was_sent(email: Email, folder: str) -> bool:
    """Whether its folder or one of its labels is one of what was sent."""
    return any(folder_kind(name) == "sent" for name in (folder, *email.labels))


def recipients(email: Email) -> Iterator[Address]:
    """To, Cc and Bcc, in this order."""
    yield from email.to
    yield from email.cc
    yield from email.bcc


def participants(email: Email) -> Iterator[str]:
    """Everybody's address, as it stands; HubSpot's logging addresses are nobody."""
    for each in (*email.from_, *email.sender, *recipients(email)):
        if not _LOGGING.fullmatch(each.email.lower()):
            yield each.email


def external_people(email: Email, mine: Mine) -> tuple[Address, ...]:
    """Every sender and recipient that is external, in the order of the headers."""
    return external((*email.from_, *email.sender, *recipients(email)), mine)


def external(addresses: Iterable[Address], mine: Mine) -> tuple[Address, ...]:
    """Those that are not mine: once, their address in lower case with its domain in ASCII. One
    that HubSpot takes for no contact's is left out.
    """
    people: dict[str, Address] = {}
    for each in addresses:
        address = normal(each.email)
        if address not in people and is_contact(address) and not mine.holds(address):
            people[address] = each._replace(email=address)
    return tuple(people.values())


def is_contact(address: str) -> bool:
    """Whether a contact can have it: local@domain, no quotes, under a top-level domain that there
    may be [HubSpot: INVALID_EMAIL]. `address` is as `normal` makes it.
    """
    local, _, domain = address.rpartition("@")
    return (
        len(address) <= 254
        and len(local) <= 64
        and _LOCAL.fullmatch(local) is not None
        and _DOMAIN.fullmatch(domain) is not None
        and domain.rpartition(".")[2] not in _NO_TOP
        and _LOGGING.fullmatch(address) is None
    )


def owner_of(email: Email, owners: Mapping[str, str], mailbox_owner: str = "") -> str:
    """The owner's id: of the sender, else of the first recipient who is an owner, else of the
    mailbox; "" where nobody is. `owners`: ids by address, as `normal` makes it.

    All but the last are the same in every mailbox that holds the message.
    """
    for each in (*email.from_, *email.sender, *recipients(email)):
        address = normal(each.email)
        owner = owners.get(address) or owners.get(_untagged(address))
        if owner:
            return owner
    return mailbox_owner


def guess(sample: Iterable[tuple[Email, str]]) -> tuple[Mine, str]:
    """(who it seems to be, words that say so) from messages and the folders that they lie in.

    Who sent what is in the Sent folders, at least a tenth as much as the first of them; where there
    are none, the one address that is in most messages, as a recipient where two are in as many.
    The same sample in any order gives the same.
    """
    messages = sent = 0
    senders: Counter[str] = Counter()
    present: Counter[str] = Counter()
    received: Counter[str] = Counter()
    for email, folder in sample:
        messages += 1
        to = {_untagged(normal(each.email)) for each in recipients(email)}
        from_ = {_untagged(normal(each.email)) for each in email.from_}
        if was_sent(email, folder):
            sent += 1
            senders.update(filter(is_contact, from_))
        present.update(filter(is_contact, to | from_))
        received.update(filter(is_contact, to))
    if senders:
        most = max(senders.values())
        found = sorted(name for name, count in senders.items() if count * ALSO_MINE >= most)
        why = f"From in the Sent folders ({_number(sent, 'message')})"
    elif present:
        first = min(present, key=lambda name: (-present[name], -received[name], name))
        found = [first]
        why = f"in {present[first]:,} of {_number(messages, 'message')}; no Sent folder was seen"
    else:
        return Mine(), (
            f"whose mail it is can't be guessed from {_number(messages, 'message')}: all counts as "
            "incoming; say so with --mine DOMAIN or --mine ADDRESS"
        )
    return Mine.parse(found), (
        f"guessed whose mail it is: {', '.join(found)}, {why}; "
        "if that is wrong, say so with --mine DOMAIN or --mine ADDRESS"
    )


def _forwarded(email: Email, mine: Mine) -> bool:
    to = [each.email.lower() for each in recipients(email)]
    if any(found[1] == "forward" for found in map(_LOGGING.fullmatch, to) if found):
        return True
    outside = any(not mine.holds(each) and not _LOGGING.fullmatch(each) for each in to)
    return "forward" in email.traits and bool(to) and not outside


def _untagged(address: str) -> str:
    """a@x of a+tag@x."""
    local, at, domain = address.rpartition("@")
    return f"{local.partition('+')[0] or local}{at}{domain}"


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
