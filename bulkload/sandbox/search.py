"""Search: filters, sorts and pages over what search can already see.

Law: a record is found from `search_lag` after its creation on, never sooner; an archived
one never.

[docs: guide "Search the CRM"] 200 results a page, 10,000 in all, 3,000 characters of `query`. Its
words "the body of your request" may mean the whole body; that is not established, nor kept here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulkload.sandbox import filters, objects
from bulkload.sandbox.answers import Answer, Body, Call, Refused, parse, reply, validation
from bulkload.sandbox.compared import rank, reader
from bulkload.sandbox.judging import of
from bulkload.sandbox.narrowing import candidates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkload.sandbox.portal import Portal
    from bulkload.sandbox.record import Record
    from bulkload.sandbox.schema import Schema

MOST_RESULTS = 10_000
MOST_QUERY = 3_000


def search(portal: Portal, call: Call, kind: str) -> Answer:
    body = parse(call.raw)
    books, schema = of(portal, kind)
    limit, after = _page(body)
    groups = filters.read(body.get("filterGroups") or [], schema)
    query, sorts = _query(body), _sorts(body)
    wanted = objects.names_of(body, ("hs_timestamp", "hs_email_subject", "email"))
    fits = _fits(groups)
    now = call.now
    found = [
        record
        for record in candidates(books, groups)
        if record.searchable_at <= now
        and record.archived_at is None
        and (fits is None or fits(record))
        and (not query or any(query in value.lower() for value in record.values.values()))
    ]
    _sort(found, sorts, schema)
    page = found[after : after + limit]
    out: Body = {
        "total": len(found),
        "results": [
            objects.result(record, objects.shown(portal, books, record, wanted)) for record in page
        ],
    }
    if after + limit < len(found):
        out["paging"] = {"next": {"after": str(after + limit)}}
    return reply(200, out)


def _page(body: Body) -> tuple[int, int]:
    try:
        limit = int(body.get("limit") or 10)
        after = int(body.get("after") or 0)
    except (TypeError, ValueError, OverflowError):
        raise Refused(validation("limit and after must be integers")) from None
    if not 1 <= limit <= 200 or after < 0:
        raise Refused(validation(f"limit must be between 1 and 200, not {limit}"))
    if after + limit > MOST_RESULTS:
        raise Refused(validation(f"Search gives at most {MOST_RESULTS} results"))
    return limit, after


def _query(body: Body) -> str:
    query = str(body.get("query") or "").lower()
    if len(query) > MOST_QUERY:
        raise filters.wrong(f"the query is longer than {MOST_QUERY} characters")
    return query


def _fits(groups: Sequence[Sequence[filters.Filter]]) -> filters.Test | None:
    """Loops, since this is asked of every record; None: each will do."""
    tests = [[one.test for one in group] for group in groups]
    if not tests or not all(tests):
        return None  # a group without filters takes all
    if len(tests) == 1 and len(tests[0]) == 1:
        return tests[0][0]

    def fits(record: Record) -> bool:
        for group in tests:
            for test in group:
                if not test(record):
                    break
            else:
                return True
        return False

    return fits


def _sort(found: list[Record], sorts: Sequence[tuple[str, bool]], schema: Schema) -> None:
    """In place; they come in the order of their ids."""
    for name, descending in reversed(sorts):
        if name == "hs_object_id" and not descending and len(sorts) == 1:
            continue
        read = reader(schema, name)
        found.sort(key=lambda record: rank(read(record)), reverse=descending)


def _sorts(body: Body) -> list[tuple[str, bool]]:
    out: list[tuple[str, bool]] = []
    sorts = body.get("sorts") or []
    if not isinstance(sorts, list):
        raise filters.wrong("sorts is no list")
    for sort in sorts:
        if isinstance(sort, dict):
            out.append((str(sort.get("propertyName")), sort.get("direction") == "DESCENDING"))
        else:
            out.append((str(sort).lstrip("-"), str(sort).startswith("-")))
    return out
