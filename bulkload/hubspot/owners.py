"""Pure: the portal's owners, a page at a time, and who has which address.

Laws kept here: an owner who is active comes before one who is archived; a list of pages ends,
whatever the remote calls the next one. Never raises, whatever it answers.

Source: HubSpot's owners v3, `GET /crm/v3/owners?limit=&after=&archived=`: at most 500 a page;
`results[].id` is what `hubspot_owner_id` takes (not `userId`), and `email` may be missing (owners
of type QUEUE). Scope crm.objects.owners.read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from bulkload.hubspot import paths, refusals, replies

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from bulkload.hubspot.replies import Reply

PAGE = 500
"""Owners a page, the most that HubSpot gives."""

READS = "read owners, which needs the scope crm.objects.owners.read"


class Owner(NamedTuple):
    """`id` is what `hubspot_owner_id` takes; `email` is in lower case, "" where there is none."""

    id: str
    email: str
    archived: bool


class Page(NamedTuple):
    """`after`: what the next page is asked for with; "" where this was the last."""

    owners: tuple[Owner, ...]
    after: str = ""


def page_path(*, archived: bool, after: str = "") -> str:
    """The path of a page of owners, of the active or of the archived ones."""
    asked = {"limit": str(PAGE), "archived": str(archived).lower()}
    return f"{paths.OWNERS}?{urlencode(asked | ({'after': after} if after else {}))}"


def judge(reply: Reply, *, archived: bool) -> Page | replies.Trouble:
    """What the answer to a GET of `page_path` shows. Denied where the token may not, or where the
    remote refuses to tell: asking again won't help.
    """
    if (trouble := replies.trouble(reply, may=READS)) is not None:
        return trouble
    answer = replies.parsed(reply)
    if reply.status >= 300:
        told = refusals.describe(reply.status, answer)
        return replies.Denied(f"the remote refuses to list its owners ({told})")
    results = answer.get("results")
    if not isinstance(results, list):
        return replies.Doubtful(replies.unreadable(reply, "list of owners"))
    found = (_owner(each, archived=archived) for each in results)
    return Page(tuple(each for each in found if each is not None), _after(answer))


async def everybody(ask: Callable[[bool, str], Awaitable[Page]]) -> tuple[Owner, ...]:
    """All owners. `ask` gets a page: (archived, after) → the page, asked until it is answered."""
    owners: dict[str, Owner] = {}
    for archived in (False, True):
        after, seen = "", {""}
        while True:
            page = await ask(archived, after)
            for owner in page.owners:
                owners.setdefault(owner.id, owner)
            after = page.after
            if after in seen:
                break
            seen.add(after)
    return tuple(owners.values())


def by_address(owners: Iterable[Owner]) -> Mapping[str, str]:
    """Owner ids by address: an active owner before an archived one, then as they were listed."""
    ids: dict[str, str] = {}
    for owner in sorted(owners, key=lambda owner: owner.archived):
        if owner.email:
            ids.setdefault(owner.email, owner.id)
    return ids


def _owner(result: Any, *, archived: bool) -> Owner | None:
    if not isinstance(result, dict) or not (owner := replies.record_id(result.get("id"))):
        return None
    email = result.get("email")
    address = email.strip().lower() if isinstance(email, str) else ""
    return Owner(owner, address, archived or result.get("archived") is True)


def _after(answer: Mapping[str, Any]) -> str:
    paging = answer.get("paging")
    following = paging.get("next") if isinstance(paging, dict) else None
    after = following.get("after") if isinstance(following, dict) else None
    return str(after) if type(after) in (str, int) else ""
