"""Endpoints that read: a batch by id or by a unique property, one record, a page of them.

Law: a record is seen by reads from `read_lag` on, never sooner.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from bulkload.sandbox import objects
from bulkload.sandbox.answers import Answer, Body, Call, Refused, error, reply, standard_error
from bulkload.sandbox.answers import validation as refuse
from bulkload.sandbox.judging import LINK_KINDS, of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bulkload.sandbox.books import Books
    from bulkload.sandbox.portal import Portal
    from bulkload.sandbox.record import Record

_DEFAULT = {
    "EMAIL": ("hs_email_subject", "hs_timestamp"),
    "CONTACT": ("email", "firstname", "lastname"),
}


def seen(record: Record | None, call: Call, *, archived: bool) -> bool:
    return (
        record is not None
        and record.readable_at <= call.now
        and (record.archived_at is not None) == archived
    )


def wants_archived(call: Call) -> bool:
    return call.query.get("archived", "").lower() == "true"  # HubSpot's own client says "True"


def read_batch(portal: Portal, call: Call, kind: str) -> Answer:
    body, inputs = objects.keyed_inputs_of(call)
    books, _ = of(portal, kind)
    id_property = body.get("idProperty")
    objects.check_id_property(books, id_property)
    wanted = objects.names_of(body, _DEFAULT[books.kind])
    archived = wants_archived(call)
    found: dict[str, Record] = {}
    missing: list[str] = []
    for one in inputs:
        key = str(one.get("id", ""))
        record = objects.find(books, objects.key_of(books, one), id_property, archived=archived)
        if record is not None and seen(record, call, archived=archived):
            found[record.id] = record
        else:
            missing.append(key)
    results: list[Body] = [
        objects.result(record, objects.shown(portal, books, record, wanted))
        for record in found.values()
    ]
    errors = None
    if missing:
        message = (
            f"Could not get some {books.kind} objects, they may be deleted or not exist. "
            "Check that ids are valid."
        )
        errors = [standard_error("OBJECT_NOT_FOUND", message, {"ids": missing})]
    return objects.batch(portal, call, 200, results, errors)


def _wanted(call: Call, books: Books) -> Iterable[str]:
    names = [name for name in call.query.get("properties", "").split(",") if name]
    return names or _DEFAULT[books.kind]


def _with_associations(portal: Portal, call: Call, record: Record, out: Body) -> Body:
    kinds = {name for name in call.query.get("associations", "").split(",") if name}
    groups: dict[str, dict[str, list[dict[str, str]]]] = {}
    for type_id, other in record.links:
        plural = LINK_KINDS[type_id]
        if not portal.exists(plural, other):
            continue  # archived since: its associations went with it
        if plural in kinds or plural[:-1] in kinds:
            singular = {"companies": "company"}.get(plural, plural[:-1])
            group = groups.setdefault(plural, {"results": []})
            group["results"].append({"id": other, "type": f"email_to_{singular}"})
    if groups:
        out["associations"] = groups
    return out


def read_one(portal: Portal, call: Call, kind: str) -> Answer:
    books, _ = of(portal, kind)
    id_property = call.query.get("idProperty")
    objects.check_id_property(books, id_property)
    archived = wants_archived(call)
    key = objects.key_of(books, call.match)
    record = objects.find(books, key, id_property, archived=archived)
    if record is None or not seen(record, call, archived=archived):
        return error(404, "OBJECT_NOT_FOUND", "resource not found")
    out = objects.result(record, objects.shown(portal, books, record, _wanted(call, books)))
    return reply(200, _with_associations(portal, call, record, out))


def read_page(portal: Portal, call: Call, kind: str) -> Answer:
    books, _ = of(portal, kind)
    try:
        limit = int(call.query.get("limit", "10"))
        after = int(call.query.get("after") or 0)
    except ValueError:
        raise Refused(refuse("limit and after must be integers")) from None
    if not 1 <= limit <= 100:
        raise Refused(refuse("limit must be between 1 and 100"))
    archived = wants_archived(call)
    records = books.archived_beyond(after) if archived else books.beyond(after)
    fitting = (record for record in records if seen(record, call, archived=archived))
    page = list(islice(fitting, limit + 1))
    out: Body = {
        "results": [
            _with_associations(
                portal,
                call,
                record,
                objects.result(record, objects.shown(portal, books, record, _wanted(call, books))),
            )
            for record in page[:limit]
        ]
    }
    if len(page) > limit:
        out["paging"] = {"next": {"after": page[limit - 1].id}}
    return reply(200, out)
