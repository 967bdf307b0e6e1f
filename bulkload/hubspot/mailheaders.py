"""`hs_email_headers`, the JSON that HubSpot fills its address fields from; and the list of files.

Law kept here: the JSON stays whole. Where a message has more recipients than a property holds,
those at the end are left out, bcc first, and a note says how many.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from bulkload.errors import UnmappableRecord
from bulkload.mail.cut import LONGEST, TooLong, units

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkload.model import Address, Attachment, Email

_MOST_LISTED = 1_000  # characters of file names
_KB, _MB = 1_000, 1_000_000


def headers_json(email: Email, too_long: TooLong) -> tuple[str, str]:
    """({"from", "sender", "to", "cc", "bcc"} as JSON, "" where there are none; a note or "").

    HubSpot takes one `from` and one `sender`, and lists of the rest. Raises UnmappableRecord where
    it is too long and may not be cut.
    """
    one = (("from", email.from_[:1]), ("sender", email.sender[:1]))
    lists = (("to", email.to), ("cc", email.cc), ("bcc", email.bcc))
    whole = _json(
        {name: _person(found[0]) for name, found in one if found}
        | {name: [_person(address) for address in found] for name, found in lists if found}
    )
    if len(whole) * 2 <= LONGEST or (length := units(whole)) <= LONGEST:
        return whole, ""
    if too_long == "reject":
        raise UnmappableRecord(
            f"hs_email_headers is {length:,} characters long, and HubSpot takes {LONGEST:,}: "
            "load it with fewer recipients with --too-long cut"
        )
    return _shortened(one, lists)


def listing(attachments: Sequence[Attachment]) -> str:
    """`Attachments: report.pdf (12 KB), …`: those that the HTML does not show itself."""
    files = [file for file in attachments if not file.inline]
    if not files:
        return ""
    listed: list[str] = []
    room = _MOST_LISTED
    for file in files:
        words = f"{file.name} ({_size(file.size)})"
        room -= units(words)
        if room < 0:
            listed.append(f"and {len(files) - len(listed):,} more")
            break
        listed.append(words)
    return f"Attachments: {', '.join(listed)}"


def _shortened(
    one: Sequence[tuple[str, Sequence[Address]]], lists: Sequence[tuple[str, Sequence[Address]]]
) -> tuple[str, str]:
    kept: dict[str, object] = {}
    room = LONGEST - len("{}")
    left_out = 0
    for name, found in one:
        for address in found:
            shape = _person(address)
            needed = units(_json(shape)) + len(f'"{name}":,')
            if needed > room // 4:  # a name without end: the address alone
                shape = {"email": address.email}
                needed = units(_json(shape)) + len(f'"{name}":,')
            if needed <= room // 4:
                kept[name] = shape
                room -= needed
            else:
                left_out += 1
    for name, found in lists:
        room -= len(f'"{name}":[],')
        people: list[dict[str, str]] = []
        for address in found:
            shape = _person(address)
            needed = units(_json(shape)) + 1
            if needed > room:
                break
            room -= needed
            people.append(shape)
        left_out += len(found) - len(people)
        if people:
            kept[name] = people
    return _json(kept), f"{left_out:,} addresses were left out of hs_email_headers: it was too long"


def _json(shape: object) -> str:
    return orjson.dumps(shape).decode() if shape else ""


def _person(address: Address) -> dict[str, str]:
    shape = {"email": address.email}
    if address.first_name:
        shape["firstName"] = address.first_name
    if address.last_name:
        shape["lastName"] = address.last_name
    return shape


def _size(size: int) -> str:
    if size >= _MB:
        return f"{size / _MB:,.1f} MB"
    return f"{max(1, round(size / _KB)):,} KB" if size >= _KB else f"{size} byte{'s' * (size != 1)}"
