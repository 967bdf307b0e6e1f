"""Endpoints that write: create, update, upsert, archive.

Law: an endpoint first judges all inputs, then writes; nothing awaits in between. Without a
trace id on every input one bad input refuses the whole batch and nothing is written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bulkload.sandbox import objects
from bulkload.sandbox.answers import Answer, Body, Call, Refused, error, iso, parse, reply
from bulkload.sandbox.schema import Schema, complaint, invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bulkload.sandbox.books import Books, Links, Record
    from bulkload.sandbox.portal import Portal

LINK_KINDS = {198: "contacts", 186: "companies", 210: "deals", 224: "tickets"}


@dataclass(frozen=True, slots=True)
class Problem:
    """Why one input can't be written."""

    category: str
    message: str
    context: Mapping[str, list[str]] | None = None

    def refusal(self) -> Answer:
        status = 409 if self.category == "CONFLICT" else 400
        return error(status, self.category, self.message, context=self.context)


def of(portal: Portal, kind: str) -> tuple[Books, Schema]:
    if kind == "emails":
        return portal.emails, portal.email_schema
    return portal.contacts, portal.contact_schema


def values_of(books: Books, call: Call, one: Mapping[str, Any]) -> dict[str, str]:
    """An input's properties; HubSpot keeps the addresses of contacts in lower case."""
    values = objects.values_of(call.raw, one)
    if books.kind == "CONTACT" and "email" in values:
        return {**values, "email": values["email"].strip().lower()}
    return values


def links_of(portal: Portal, one: Mapping[str, object]) -> tuple[Links, Problem | None]:
    """The associations of an input; unknown types and contacts that do not exist are refused."""
    given = one.get("associations")
    if not given:
        return (), None
    if not isinstance(given, list):
        raise Refused(
            error(
                400,
                "VALIDATION_ERROR",
                "Invalid input JSON on line 1, column 1: associations is no list",
            )
        )
    links: list[tuple[int, str]] = []
    for association in given:
        try:
            other = str(association["to"]["id"])
            types = [
                (str(spec["associationCategory"]), int(spec["associationTypeId"]))
                for spec in association["types"]
            ]
        except (KeyError, TypeError, ValueError):
            return (), Problem(
                "VALIDATION_ERROR", "Some required fields were not set: [to.id, types]"
            )
        for category, type_id in types:
            if category != "HUBSPOT_DEFINED" or type_id not in LINK_KINDS:
                return (), Problem(
                    "VALIDATION_ERROR",
                    f"No association type with category {category} and id {type_id} "
                    f"exists from EMAIL",
                    {"associationTypeId": [str(type_id)]},
                )
            contact = portal.contacts.records.get(other)
            if type_id == 198 and (contact is None or contact.archived_at is not None):
                return (), Problem(
                    "VALIDATION_ERROR",
                    f"Invalid associations: CONTACT with id {other} does not exist",
                    {"id": [other]},
                )
            links.append((type_id, other))
    return tuple(links), None


def judge(schema: Schema, values: Mapping[str, str], books: Books, *, new: bool) -> Problem | None:
    if found := schema.find_faults(values):
        return Problem("VALIDATION_ERROR", invalid(found))
    if new and (missing := schema.missing(values)):
        return Problem(
            "VALIDATION_ERROR",
            f"Error creating {books.kind}. Some required properties were not set.",
            {"properties": missing},
        )
    return None


def conflict(
    portal: Portal, books: Books, mine: str, name: str, value: str, holder: str
) -> Problem:
    message = (
        f"Cannot set PropertyValueCoordinates{{portalId={portal.config.portal_id}, "
        f"objectTypeId=ObjectTypeId{{legacyObjectType={books.kind}}}, objectId={mine}, "
        f"propertyName={name}, value={value}}} on object {mine}. "
        f"{holder} already has that value."
    )
    found = complaint(name, "CONFLICTING_UNIQUE_VALUE", message)
    return Problem(portal.config.conflict_category, invalid([found]))


def create_batch(portal: Portal, call: Call, kind: str) -> Answer:
    _, inputs = objects.inputs_of(call)
    books, schema = of(portal, kind)
    every = [values_of(books, call, one) for one in inputs]
    traced = objects.traced(inputs)
    next_id = int(books.next_id())
    good: list[tuple[Body, dict[str, str], Links]] = []
    bad: list[tuple[Body, Problem]] = []
    taken: dict[tuple[str, str], str] = {}
    unique = [name for name in schema.unique() if not schema.properties[name].read_only]
    for one, values in zip(inputs, every, strict=True):
        links, problem = links_of(portal, one)
        problem = judge(schema, values, books, new=True) or problem
        if problem is None:
            mine = str(next_id + len(good))
            if (clash := books.conflict(values)) is not None:
                problem = conflict(portal, books, mine, clash[0], clash[1], clash[2].id)
            for name in unique:
                if (value := values.get(name)) and problem is None:
                    holder = taken.setdefault((name, value), mine)
                    if holder != mine:
                        books.count_duplicate(name)
                        problem = conflict(portal, books, mine, name, value, holder)
        if problem is None:
            good.append((one, values, links))
        elif not traced:
            return problem.refusal()
        else:
            bad.append((one, problem))
    results = _write(portal, books, good)
    return objects.batch(portal, call, 201, results, _labelled(portal, bad))


def _write(
    portal: Portal, books: Books, good: list[tuple[Body, dict[str, str], Links]]
) -> list[Body]:
    """The commit, and the results in the order of the inputs."""
    config = portal.config
    wall, now = portal.wall(), portal.clock()
    readable, searchable = now + config.read_lag, now + config.search_lag
    stamp = iso(wall)
    made, changed = (
        ("hs_createdate", "hs_lastmodifieddate")
        if books.kind == "EMAIL"
        else ("createdate", "lastmodifieddate")
    )
    results: list[Body] = []
    for one, values, links in good:
        record = books.add(values, links, wall, readable, searchable)
        shown = objects.normalised(values) if config.normalise else values
        properties = {**shown, "hs_object_id": record.id, made: stamp, changed: stamp}
        out: Body = {
            "id": record.id,
            "properties": properties,
            "createdAt": stamp,
            "updatedAt": stamp,
            "archived": False,
        }
        if config.trace_ids and "objectWriteTraceId" in one:
            out["objectWriteTraceId"] = one["objectWriteTraceId"]
        results.append(out)
    return results


def _labelled(portal: Portal, bad: list[tuple[Body, Problem]]) -> list[Body] | None:
    if not bad:
        return None
    label = portal.config.trace_ids
    return objects.merged(
        (problem.category, problem.message, one["objectWriteTraceId"] if label else None)
        for one, problem in bad
    )


def create_one(portal: Portal, call: Call, kind: str) -> Answer:
    one = parse(call.raw)
    books, schema = of(portal, kind)
    values = values_of(books, call, one)
    links, problem = links_of(portal, one)
    problem = judge(schema, values, books, new=True) or problem
    if problem is None and (clash := books.conflict(values)) is not None:
        problem = conflict(portal, books, books.next_id(), clash[0], clash[1], clash[2].id)
    if problem is not None:
        return problem.refusal()
    return reply(201, _write(portal, books, [(one, values, links)])[0])


def _change(
    portal: Portal, books: Books, schema: Schema, record: Record, values: Mapping[str, str]
) -> Problem | None:
    if problem := judge(schema, values, books, new=False):
        return problem
    if clash := books.conflict(values, but=record):
        return conflict(portal, books, record.id, clash[0], clash[1], clash[2].id)
    books.change(record, values, portal.wall())
    return None


def update_one(portal: Portal, call: Call, kind: str) -> Answer:
    books, schema = of(portal, kind)
    id_property = call.query.get("idProperty")
    objects.check_id_property(books, id_property)
    record = objects.find(books, call.match["id"], id_property)
    if record is None or record.archived_at is not None:
        return error(404, "OBJECT_NOT_FOUND", "resource not found")
    values = values_of(books, call, parse(call.raw))
    if problem := _change(portal, books, schema, record, values):
        return problem.refusal()
    return reply(200, objects.result(record, objects.shown(portal, books, record, None)))


def update_batch(portal: Portal, call: Call, kind: str) -> Answer:
    return _by_key(portal, call, kind, insert=False)


def upsert_batch(portal: Portal, call: Call, kind: str) -> Answer:
    return _by_key(portal, call, kind, insert=True)


def _by_key(portal: Portal, call: Call, kind: str, *, insert: bool) -> Answer:
    """Update what is found by id or unique value; with `insert` create the rest."""
    _, inputs = objects.inputs_of(call)
    books, schema = of(portal, kind)
    every = [values_of(books, call, one) for one in inputs]
    for one in inputs:
        objects.check_id_property(books, one.get("idProperty"))
    planned: list[tuple[Body, dict[str, str], Record | None]] = []
    bad: list[tuple[Body, Problem]] = []
    for one, values in zip(inputs, every, strict=True):
        name, key = one.get("idProperty"), objects.key_of(books, one)
        record = objects.find(books, key, name)
        full = {**values, name: key} if name and name in schema.properties else values
        problem = judge(schema, full, books, new=insert and record is None)
        if record is None and not (insert and name):
            problem = problem or Problem("OBJECT_NOT_FOUND", "resource not found", {"ids": [key]})
        if problem is None and (clash := books.conflict(full, but=record)):
            problem = conflict(
                portal, books, record.id if record else books.next_id(), *clash[:2], clash[2].id
            )
        if problem is None:
            planned.append((one, full, record))
        else:
            bad.append((one, problem))
    if bad and not objects.traced(inputs):
        return bad[0][1].refusal()
    results: list[Body] = []
    for one, full, known in planned:
        target = known or objects.find(books, objects.key_of(books, one), one.get("idProperty"))
        if target is None:
            out = _write(portal, books, [(one, full, ())])[0]
        else:
            books.change(target, full, portal.wall())
            out = objects.result(target, objects.shown(portal, books, target, None))
            if portal.config.trace_ids and "objectWriteTraceId" in one:
                out["objectWriteTraceId"] = one["objectWriteTraceId"]
        results.append({**out, "new": target is None} if insert else out)
    return objects.batch(portal, call, 200, results, _labelled(portal, bad))


def archive_batch(portal: Portal, call: Call, kind: str) -> Answer:
    """204 also for ids that are unknown or already archived."""
    _, inputs = objects.inputs_of(call)
    books, _ = of(portal, kind)
    for one in inputs:
        _archive(portal, books, str(one.get("id", "")))
    return Answer(204)


def archive_one(portal: Portal, call: Call, kind: str) -> Answer:
    _archive(portal, of(portal, kind)[0], call.match["id"])
    return Answer(204)


def _archive(portal: Portal, books: Books, identity: str) -> None:
    books.archive(identity, portal.wall(), keep_keys=portal.config.archived_keep_keys)
