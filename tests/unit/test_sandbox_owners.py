"""Owners by pages: active and archived ones apart, each seen once."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.sandbox import owners
from bulkload.sandbox.answers import Call
from bulkload.sandbox.config import SandboxConfig
from bulkload.sandbox.portal import Portal

FIRST = ["ada@example.com", "grace@example.com"]


def portal(**options: Any) -> Portal:
    return Portal(SandboxConfig(**options), clock=lambda: 0.0, wall=lambda: 1_700_000_000.0)


def page(books: Portal, **query: str) -> tuple[int, Any]:
    answer = owners.page(books, Call(b"", {}, query, 0.0, 1_700_000_000.0))
    return answer.status, orjson.loads(answer.body)


@given(more=st.integers(0, 25), gone=st.integers(0, 25), limit=st.integers(1, 9))
def test_pages_show_each_owner_once(more: int, gone: int, limit: int) -> None:
    books = portal(owners=more, archived_owners=gone)
    for archived, count in (("false", more + 2), ("true", gone)):
        ids: list[str] = []
        after = ""
        while True:
            _, said = page(books, limit=str(limit), archived=archived, after=after)
            assert len(said["results"]) <= limit
            assert all(one["archived"] == (archived == "true") for one in said["results"])
            ids += [one["id"] for one in said["results"]]
            if "paging" not in said:
                break
            after = said["paging"]["next"]["after"]
        assert len(ids) == len(set(ids)) == count


def test_an_owner_by_address_and_by_id() -> None:
    books = portal(owners=120, archived_owners=2)
    assert len(page(books)[1]["results"]) == 100
    assert len(page(books, limit="500")[1]["results"]) == 122
    assert [one["email"] for one in page(portal())[1]["results"]] == FIRST
    (found,) = page(books, email="Owner7@example.com")[1]["results"]
    assert found["email"] == "owner7@example.com"
    assert page(books, email="formerowner1@example.com")[1]["results"] == []
    (gone,) = page(books, email="formerowner1@example.com", archived="true")[1]["results"]
    assert gone["userId"] is None

    def read(identity: str, **query: str) -> int:
        status: int = owners.read(books, Call(b"", {"id": identity}, query, 0.0, 0.0)).status
        return status

    assert read(found["id"]) == 200
    assert read(str(found["userId"]), idProperty="userId") == 200
    assert (read(gone["id"]), read(gone["id"], archived="true")) == (404, 200)


@pytest.mark.parametrize("limit", ["0", "501", "many"])
def test_a_limit_that_is_none_is_refused(limit: str) -> None:
    status, said = page(portal(), limit=limit)
    assert (status, said["category"]) == (400, "VALIDATION_ERROR")
