"""Owners: who records can belong to, active and archived apart, by pages.

Law: reading changes nothing; an owner is in one of the two lists, never in both.

[docs: CRM owners, spec and guide] `archived`, `email`, `limit` (100 where not said, at most 500)
and `after` choose; of an archived owner `userId` is null, `userIdIncludingInactive` is not; an id
that is no owner's can't own a record. Not established: that an archived owner can, and that an
address is compared whatever its case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulkload.sandbox.answers import Answer, Body, Call, error, iso, reply, validation
from bulkload.sandbox.schema import natural

if TYPE_CHECKING:
    from bulkload.sandbox.config import SandboxConfig
    from bulkload.sandbox.portal import Portal

MOST = 500
_FIRST = (("41629779", "ada@example.com", "Ada"), ("60158084", "grace@example.com", "Grace"))
_ACTIVE, _ARCHIVED = 70_000_000, 90_000_000


def is_owner(config: SandboxConfig, identity: str) -> bool:
    """Active or archived."""
    if identity in (_FIRST[0][0], _FIRST[1][0]):
        return True
    number = natural(identity) or 0
    return 0 < number - _ACTIVE <= config.owners or 0 < number - _ARCHIVED <= config.archived_owners


def _people(config: SandboxConfig, *, archived: bool) -> list[tuple[str, str, str]]:
    """Id, address and first name of each, in the order of their ids."""
    if archived:
        return [
            (str(_ARCHIVED + n), f"formerowner{n}@example.com", f"Former{n}")
            for n in range(1, config.archived_owners + 1)
        ]
    more = [
        (str(_ACTIVE + n), f"owner{n}@example.com", f"Owner{n}")
        for n in range(1, config.owners + 1)
    ]
    return [*_FIRST, *more]


def _shown(call: Call, identity: str, email: str, first: str, *, archived: bool) -> Body:
    stamp = iso(call.wall)
    user = int(identity) % 1_000_000
    return {
        "id": identity,
        "email": email,
        "type": "PERSON",
        "firstName": first,
        "lastName": "Example",
        "userId": None if archived else user,
        "userIdIncludingInactive": user,
        "createdAt": stamp,
        "updatedAt": stamp,
        "archived": archived,
    }


def _archived(call: Call) -> bool:
    return call.query.get("archived", "").lower() == "true"


def page(portal: Portal, call: Call) -> Answer:
    try:
        limit, after = int(call.query.get("limit") or 100), int(call.query.get("after") or 0)
    except ValueError:
        return validation("limit and after must be integers")
    if not 1 <= limit <= MOST:
        return validation(f"limit must be between 1 and {MOST}, not {limit}")
    archived, wanted = _archived(call), call.query.get("email", "").strip().lower()
    rest = [
        one
        for one in _people(portal.config, archived=archived)
        if int(one[0]) > after and wanted in ("", one[1])
    ]
    out: Body = {"results": [_shown(call, *one, archived=archived) for one in rest[:limit]]}
    if len(rest) > limit:
        out["paging"] = {"next": {"after": rest[limit - 1][0]}}
    return reply(200, out)


def read(portal: Portal, call: Call) -> Answer:
    archived, by_user = _archived(call), call.query.get("idProperty") == "userId"
    for one in _people(portal.config, archived=archived):
        shown = _shown(call, *one, archived=archived)
        if call.match["id"] == (str(shown["userIdIncludingInactive"]) if by_user else shown["id"]):
            return reply(200, shown)
    return error(404, "OBJECT_NOT_FOUND", "resource not found")
