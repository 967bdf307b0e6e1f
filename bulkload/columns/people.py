"""Pure: the addresses that cells hold → mailboxes, and HubSpot's header JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bulkload.model import Address


def mailboxes(text: str) -> tuple[list[Address], int]:
    """(each mailbox of a cell, in order; how many beside them were left out, being no addresses).

    They are divided by commas as in a header, or by semicolons or line breaks as spreadsheets and
    Outlook do.
    """
    if "@" not in text:
        return [], 0
    text = " , ".join(text.splitlines()) if "\n" in text or "\r" in text else text
    from bulkload.mail import addresses  # noqa: PLC0415  # long to import, and few rows need it

    read = addresses.mailboxes(text)
    return list(read.found), read.nameless


def named(found: list[Address], names: str) -> tuple[list[Address], bool]:
    """Mailboxes whose names stand in another cell, divided by semicolons; False where there are
    not as many names as addresses: then they have none.
    """
    called = names.split(";") if len(found) != 1 else [names]
    if not names.strip():
        return found, True
    if len(called) != len(found):
        return [one._replace(first_name="", last_name="") for one in found], False
    return [_with_name(one, name) for one, name in zip(found, called, strict=True)], True


def distinct(addresses: Iterable[Address]) -> tuple[Address, ...]:
    """Each once, with its address in lower case, in order."""
    found: dict[str, Address] = {}
    for address in addresses:
        found.setdefault(email := address.email.lower(), address._replace(email=email))
    return tuple(found.values())


def shape(address: Address) -> dict[str, str]:
    """A mailbox as it stands in hs_email_headers [HubSpot: emails guide]."""
    made = {"email": address.email}
    if address.first_name:
        made["firstName"] = address.first_name
    if address.last_name:
        made["lastName"] = address.last_name
    return made


def _with_name(address: Address, name: str) -> Address:
    quoted = name.strip().replace("\\", "\\\\").replace('"', '\\"')
    # One parser splits names, wherever they stand.
    read, _ = mailboxes(f'"{quoted}" <{address.email}>') if quoted else ([], 0)
    return read[0] if len(read) == 1 and read[0].email == address.email else address
