"""Owners: every page is asked for, an active owner comes first, and no answer makes it raise."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.hubspot.owners import Owner, Page, by_address, everybody, judge, page_path
from bulkload.hubspot.replies import Denied, Doubtful, NotSent, Reply, TryLater
from tests.making import NO_HEADERS, reply


def test_a_page_is_asked_for_with_the_cursor_of_the_last_one() -> None:
    first, second = urlsplit(page_path(archived=False)), page_path(archived=True, after="a&b=1")
    assert first.path == "/crm/v3/owners"
    assert parse_qs(first.query) == {"limit": ["500"], "archived": ["false"]}
    asked = parse_qs(urlsplit(second).query)
    assert asked == {"limit": ["500"], "archived": ["true"], "after": ["a&b=1"]}


def test_a_page_shows_owners_and_where_it_goes_on() -> None:
    body = {
        "results": [
            {"id": "41", "email": "Ann@X.org ", "userId": 9, "archived": False},
            {"id": 42, "type": "QUEUE"},
            {"email": "nobody@x.org"},
            "what",
        ],
        "paging": {"next": {"after": "NTAw", "link": "?after=NTAw"}},
    }
    assert judge(reply(200, body), archived=False) == Page(
        (Owner("41", "ann@x.org", archived=False), Owner("42", "", archived=False)), "NTAw"
    )
    archived = judge(reply(200, {"results": [{"id": "1"}]}), archived=True)
    assert archived == Page((Owner("1", "", archived=True),))


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Reply(0, NO_HEADERS, b"", left=False), NotSent),
        (reply(429), TryLater),
        (reply(502), Doubtful),
        (reply(200, {"results": {}}), Doubtful),
        (reply(200, b"<html>"), Doubtful),
        (reply(401), Denied),
        (reply(400, {"category": "VALIDATION_ERROR"}), Denied),
    ],
)
def test_trouble_is_no_page(answer: Reply, kind: type) -> None:
    assert isinstance(judge(answer, archived=False), kind)


def test_a_403_names_the_scope() -> None:
    denied = judge(reply(403, {"category": "MISSING_SCOPES"}), archived=False)
    assert isinstance(denied, Denied)
    assert "crm.objects.owners.read" in denied.reason


def test_everybody_is_asked_for_page_by_page_and_an_endless_list_ends() -> None:
    asked: list[tuple[bool, str]] = []

    async def ask(archived: bool, after: str) -> Page:
        asked.append((archived, after))
        if archived:
            return Page((Owner("9", "gone@x.org", archived=True),), "round")
        number = len(asked)
        return Page((Owner(str(number), "", archived=False),), f"p{number}" if number < 3 else "")

    owners = asyncio.run(everybody(ask))
    assert [owner.id for owner in owners] == ["1", "2", "3", "9"]
    assert asked == [(False, ""), (False, "p1"), (False, "p2"), (True, ""), (True, "round")]


@given(st.permutations([("1", False), ("2", True), ("3", True)]))
def test_an_active_owner_comes_before_an_archived_one(order: list[tuple[str, bool]]) -> None:
    owners = [Owner(number, "a@x.org", archived) for number, archived in order]
    assert by_address([*owners, Owner("7", "", archived=False)]) == {"a@x.org": "1"}


@given(st.binary(max_size=100), st.integers(0, 700), st.booleans(), st.booleans())
def test_no_answer_makes_it_raise(body: bytes, status: int, whole: bool, left: bool) -> None:
    judge(Reply(status, NO_HEADERS, body, left, whole), archived=False)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-9, 2**40) | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["results", "paging", "next", "after", "id"]), inner)
        ),
    )
)
def test_no_json_makes_it_raise(body: Any) -> None:
    judge(reply(200, body), archived=True)
