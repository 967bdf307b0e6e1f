"""Endpoints are plain functions: whatever is sent, they answer or refuse, and keep the books."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkload.sandbox import reads, search, writes
from bulkload.sandbox.answers import Answer, Call, Refused
from bulkload.sandbox.arrivals import Arrivals
from bulkload.sandbox.config import SandboxConfig
from bulkload.sandbox.portal import Portal

if TYPE_CHECKING:
    from collections.abc import Callable

ACTS: dict[str, Callable[[Portal, Call], Answer]] = {
    "create": partial(writes.create_batch, kind="emails"),
    "create one": partial(writes.create_one, kind="emails"),
    "contacts": partial(writes.create_batch, kind="contacts"),
    "contacts upsert": partial(writes.upsert_batch, kind="contacts"),
    "contacts read": partial(reads.read_batch, kind="contacts"),
    "update": partial(writes.update_batch, kind="emails"),
    "upsert": partial(writes.upsert_batch, kind="emails"),
    "archive": partial(writes.archive_batch, kind="emails"),
    "read": partial(reads.read_batch, kind="emails"),
    "search": partial(search.search, kind="emails"),
}
WORDS = st.sampled_from(
    [
        *("", "1", "k", "hs_timestamp", "bulkload_key", "hs_email_headers", "EMAIL", "EQ"),
        *('{"from":1}', "email", "a@firm.com", "a@firm.com;b@firm.com;"),
    ]
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-5, 300), WORDS)
KEYS = st.sampled_from(
    [
        "inputs",
        "properties",
        "associations",
        "types",
        "to",
        "id",
        "idProperty",
        "objectWriteTraceId",
        "filterGroups",
        "filters",
        "propertyName",
        "operator",
        "value",
        "values",
        "sorts",
        "limit",
        "after",
        "hs_timestamp",
        "bulkload_key",
        "hs_email_headers",
        "email",
        "hs_additional_emails",
        "associationCategory",
        "associationTypeId",
    ]
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)
INPUT = st.one_of(ANYTHING, st.dictionaries(KEYS, ANYTHING, max_size=5))
GROUP = st.one_of(ANYTHING, st.fixed_dictionaries({"filters": ANYTHING}))
BODY = st.one_of(
    ANYTHING,
    st.fixed_dictionaries(
        {"inputs": st.lists(INPUT, max_size=3)},
        optional={"idProperty": WORDS, "properties": ANYTHING},
    ),
    st.fixed_dictionaries(
        {
            "filterGroups": st.lists(
                st.one_of(ANYTHING, st.fixed_dictionaries({"filters": ANYTHING}))
            )
        },
        optional={"sorts": ANYTHING, "properties": ANYTHING, "limit": ANYTHING},
    ),
)


def call(body: Any) -> Call:
    return Call(orjson.dumps(body), {"id": "80000000001"}, {}, 0.0, 1_700_000_000.0)


def portal(**options: Any) -> Portal:
    return Portal(SandboxConfig(**options), clock=lambda: 0.0, wall=lambda: 1_700_000_000.0)


@pytest.mark.parametrize("name", ACTS)
@settings(max_examples=60)
@given(body=BODY)
def test_no_body_makes_an_endpoint_fail(name: str, body: Any) -> None:
    books = portal()
    good = {"properties": {"hs_timestamp": "1", "bulkload_key": "k"}, "associations": []}
    ACTS["create"](books, call({"inputs": [good]}))
    try:
        answer = ACTS[name](books, call(body))
    except Refused as refused:
        answer = refused.answer
    assert answer.status < 500
    if answer.status >= 400:
        said = orjson.loads(answer.body)
        assert said["correlationId"]
        assert said["category"]


BATCHES = st.lists(
    st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=1, max_size=6), max_size=8
)


@given(batches=BATCHES, traced=st.booleans())
def test_what_is_answered_is_what_the_books_hold(
    batches: list[list[tuple[int, bool]]], traced: bool
) -> None:
    books = portal()
    keys: list[str] = []
    for batch in batches:
        inputs: list[dict[str, Any]] = [
            {
                "properties": {"hs_timestamp": "1" if good else "never", "bulkload_key": f"{key}"},
                "associations": [],
                **({"objectWriteTraceId": f"{place}"} if traced else {}),
            }
            for place, (key, good) in enumerate(batch)
        ]
        answer = ACTS["create"](books, call({"inputs": inputs}))
        body = orjson.loads(answer.body)
        if answer.status == 400:
            assert not traced
            continue
        named = [t for one in body.get("errors", ()) for t in one["context"]["objectWriteTraceId"]]
        assert len(body["results"]) + len(named) == len(batch)
        assert answer.status == (207 if named else 201)
        keys += [one["properties"]["bulkload_key"] for one in body["results"]]
    assert len(set(keys)) == len(keys) == books.emails.live
    assert keys == [] or set(keys) == {
        one["properties"]["bulkload_key"] for one in books.emails.export()
    }


def test_the_arrival_log_is_bounded() -> None:
    log = Arrivals(most=20)
    first = log.open("/a", 0.0)
    for number in range(1, 50):
        log.close(log.open("/b", float(number)), 201)
    log.close(first, 503)  # long forgotten: must not be written over another call
    kept = list(log)
    assert len(kept) <= 20
    assert [one["t"] for one in kept] == [float(n) for n in range(50 - len(kept), 50)]
    assert {one["status"] for one in kept} == {201}
    assert log.paths == {"/a": 1, "/b": 49}
