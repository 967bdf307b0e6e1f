"""Endpoints that write: create, update, upsert, archive.

Law: an endpoint first judges all inputs, then writes; nothing awaits in between. Without a
trace id on every input one bad input refuses the whole batch and nothing is written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulkload.sandbox import objects
from bulkload.sandbox.answers import (
    Answer,
    Body,
    Call,
    Refused,
    error,
    iso,
    parse,
    reply,
    validation,
)
from bulkload.sandbox.judging import Problem, conflict, judge, links_of, of, values_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bulkload.sandbox.books import Books
    from bulkload.sandbox.portal import Portal
    from bulkload.sandbox.record import Links, Record
    from bulkload.sandbox.schema import Schema


def create_batch(portal: Portal, call: Call, kind: str) -> Answer:
    _, inputs = objects.inputs_of(call)
    books, schema = of(portal, kind)
    every = [values_of(books, call, one) for one in inputs]
    traced = objects.traced(inputs)
    next_id = int(books.next_id())
    good: list[tuple[Body, dict[str, str], Links]] = []
    bad: list[tuple[Body, Problem]] = []
    taken: dict[tuple[str, str], str] = {}
    for one, values in zip(inputs, every, strict=True):
        links, problem = links_of(portal, one)
        problem = judge(portal, schema, values, books, new=True) or problem
        if problem is None:
            mine = str(next_id + len(good))
            if (clash := books.conflict(values)) is not None:
                problem = conflict(portal, books, mine, clash[0], clash[1], clash[2].id)
            elif (twin := _taken(books, values, mine, taken)) is not None:
                problem = conflict(portal, books, mine, *twin)
        if problem is None:
            good.append((one, values, links))
        elif not traced:
            return problem.refusal()
        else:
            bad.append((one, problem))
    results = _write(portal, books, good)
    return objects.batch(portal, call, 201, results, _labelled(portal, bad))


def _taken(
    books: Books, values: Mapping[str, str], mine: str, taken: dict[tuple[str, str], str]
) -> tuple[str, str, str] | None:
    """The unique value that an earlier input of the same call has, and that one's id."""
    for name, value in books.marks(values):
        holder = taken.setdefault((name, value), mine)
        if holder != mine:
            books.count_duplicate(name)
            return name, value, holder
    return None


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
        if config.trace_ids and isinstance(one.get("objectWriteTraceId"), str):
            out["objectWriteTraceId"] = one["objectWriteTraceId"]
        results.append(out)
    return results


def _labelled(portal: Portal, bad: list[tuple[Body, Problem]]) -> list[Body] | None:
    if not bad:
        return None
    label = portal.config.trace_ids
    return objects.merged(
        (
            problem.category,
            problem.message,
            problem.context or {},
            one["objectWriteTraceId"] if label else None,
        )
        for one, problem in bad
    )


def create_one(portal: Portal, call: Call, kind: str) -> Answer:
    one = parse(call.raw)
    books, schema = of(portal, kind)
    values = values_of(books, call, one)
    links, problem = links_of(portal, one)
    problem = judge(portal, schema, values, books, new=True) or problem
    if problem is None and (clash := books.conflict(values)) is not None:
        problem = conflict(portal, books, books.next_id(), clash[0], clash[1], clash[2].id)
    if problem is not None:
        return problem.refusal()
    return reply(201, _write(portal, books, [(one, values, links)])[0])


def _change(
    portal: Portal, books: Books, schema: Schema, record: Record, values: Mapping[str, str]
) -> Problem | None:
    if problem := judge(portal, schema, values, books, new=False):
        return problem
    if clash := books.conflict(values, but=record):
        return conflict(portal, books, record.id, clash[0], clash[1], clash[2].id)
    books.change(record, values, portal.wall())
    return None


def update_one(portal: Portal, call: Call, kind: str) -> Answer:
    books, schema = of(portal, kind)
    id_property = call.query.get("idProperty")
    objects.check_id_property(books, id_property)
    record = objects.find(books, objects.key_of(books, call.match), id_property)
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
    _, inputs = objects.keyed_inputs_of(call)
    books, schema = of(portal, kind)
    every = [values_of(books, call, one) for one in inputs]
    for one in inputs:
        objects.check_id_property(books, one.get("idProperty"))
    _check_distinct(books, inputs)
    planned: list[tuple[Body, dict[str, str], Record | None]] = []
    bad: list[tuple[Body, Problem]] = []
    taken: dict[tuple[str, str], str] = {}
    next_id = int(books.next_id())
    for one, values in zip(inputs, every, strict=True):
        name, key = one.get("idProperty"), objects.key_of(books, one)
        record = objects.find(books, key, name)
        if record is not None and record.archived_at is not None:
            record = None  # nothing can be written to it; its key may still be taken
        full = dict(values)
        if record is None and name in schema.properties:
            full[name] = key
        elif record is not None and full.get(name or "") == key:
            del full[name or ""]  # it is its own already, if as a secondary address
        problem = judge(portal, schema, full, books, new=insert and record is None)
        if record is None and not (insert and name):
            problem = problem or Problem("OBJECT_NOT_FOUND", "resource not found", {"ids": [key]})
        if problem is None:
            mine = str(next_id + len(planned)) if record is None else record.id
            if (clash := books.conflict(full, but=record)) is not None:
                problem = conflict(portal, books, mine, *clash[:2], clash[2].id)
            elif (twin := _taken(books, full, mine, taken)) is not None:
                problem = conflict(portal, books, mine, *twin)
        if problem is None:
            planned.append((one, full, record))
        else:
            bad.append((one, problem))
    if bad and not objects.traced(inputs):
        return bad[0][1].refusal()
    results: list[Body] = []
    for one, full, target in planned:
        if target is None:
            out = _write(portal, books, [(one, full, ())])[0]
        else:
            books.change(target, full, portal.wall())
            out = objects.result(target, objects.shown(portal, books, target, None))
            if portal.config.trace_ids and isinstance(one.get("objectWriteTraceId"), str):
                out["objectWriteTraceId"] = one["objectWriteTraceId"]
        results.append({**out, "new": target is None} if insert else out)
    return objects.batch(portal, call, 200, results, _labelled(portal, bad))


def _check_distinct(books: Books, inputs: list[Body]) -> None:
    """Two inputs for one record refuse the batch, with trace ids too [field].

    HubSpot's words as rudderstack's and others' tests record them. That two addresses of one
    contact are the same is not established.
    """
    twice: dict[str, None] = {}
    seen: set[tuple[object, str]] = set()
    for one in inputs:
        key, name = objects.key_of(books, one), one.get("idProperty")
        record = objects.find(books, key, name)
        mark = (name, key) if record is None else (None, record.id)
        if mark in seen:
            twice[key] = None
        seen.add(mark)
    if twice:
        message = f"Duplicate IDs found in batch input: [{', '.join(twice)}]. IDs must be unique"
        raise Refused(validation(message, context={"ids": list(twice)}))


def archive_batch(portal: Portal, call: Call, kind: str) -> Answer:
    """204 also for ids that are unknown or already archived."""
    _, inputs = objects.keyed_inputs_of(call)
    books, _ = of(portal, kind)
    for one in inputs:
        books.archive(str(one["id"]), portal.wall())
    return Answer(204)


def archive_one(portal: Portal, call: Call, kind: str) -> Answer:
    of(portal, kind)[0].archive(call.match["id"], portal.wall())
    return Answer(204)
