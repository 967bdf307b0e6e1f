"""Pure: which contact, and which refusal, is which address's. Results come back in any order.

Law kept here: an answer carries the address, never an index: by trace id, else by what it shows.
Addresses are in lower case, as the remote keeps them.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from bulkload.hubspot import refusals, replies
from bulkload.hubspot.lookup import moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from bulkload.hubspot.refusals import Refusal


class Shown(NamedTuple):
    """A contact as a result shows it. `email` "" where it shows none; `new` None: not said."""

    id: str
    email: str
    others: frozenset[str]
    created: float | None
    new: bool | None
    trace: str
    archived: bool


def shown(result: object) -> Shown | None:
    """One of an answer's results; None where it is no contact."""
    properties = result.get("properties") if isinstance(result, dict) else None
    if not isinstance(result, dict) or not isinstance(properties, dict):
        return None
    if not (contact := replies.record_id(result.get("id"))):
        return None
    others = _text(properties, "hs_additional_emails").split(";")
    new = result.get("new")
    return Shown(
        contact,
        _text(properties, "email"),
        frozenset(other.strip() for other in others) - {""},
        moment(result.get("createdAt")),
        new if isinstance(new, bool) else None,
        _text(result, "objectWriteTraceId"),
        result.get("archived") is True,
    )


def _text(of: Mapping[str, Any], name: str) -> str:
    value = of.get(name)
    return value.strip().lower() if isinstance(value, str) else ""


def trace(address: str) -> str:
    """The `objectWriteTraceId` that an address travels with: 16 hex digits."""
    return hashlib.sha256(address.encode(errors="surrogatepass")).hexdigest()[:16]


def tie(addresses: Sequence[str], shown: Sequence[Shown]) -> tuple[dict[str, Shown], list[Shown]]:
    """Contacts by the address that each is for: by trace id, then by what it shows; the rest."""
    by_trace, asked = {trace(each): each for each in addresses}, frozenset(addresses)
    tied: dict[str, Shown] = {}
    for contact in shown:
        if contact.trace in by_trace:
            tied.setdefault(by_trace[contact.trace], contact)
    for contact in shown:
        if contact.email in asked:
            tied.setdefault(contact.email, contact)
    for contact in shown:
        for other in contact.others & asked:
            tied.setdefault(other, contact)
    used = {contact.id for contact in tied.values()}
    return tied, list({c.id: c for c in shown if c.id not in used}.values())


def blame(
    addresses: Sequence[str], errors: Iterable[object], status: int, *, surely: bool = False
) -> dict[str, Refusal]:
    """The addresses that errors name: by trace id, or in what they say. `surely`: an error that
    has no trace id is about them, whatever it says.
    """
    blamed: dict[str, Refusal] = {}
    by_trace = {trace(each): each for each in addresses}
    for error in errors:
        if not isinstance(error, dict):
            continue
        named = [by_trace[each] for each in refusals.trace_ids(error) if each in by_trace]
        if not refusals.trace_ids(error):
            said = "\n".join(_said(error))
            named = [each for each in addresses if surely or _quotes(said, each)]
        for each in named:
            blamed.setdefault(each, refusals.read(error, status))
    return blamed


def _said(error: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(message := error.get("message"), str):
        yield message[: refusals.READ_LIMIT].lower()
    context = error.get("context")
    for values in context.values() if isinstance(context, dict) else ():
        for value in values if isinstance(values, list) else [values]:
            if isinstance(value, str):
                yield value[: refusals.MESSAGE_LIMIT].lower()


def _quotes(said: str, address: str) -> bool:
    """Whether it names this address, and not one of which this is a part."""
    if not address or address not in said:
        return False
    return re.search(rf"(?<![\w.+@-]){re.escape(address)}(?![\w@-]|\.\w)", said) is not None
