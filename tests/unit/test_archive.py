"""Archiving, the pure part: what answers mean, and how a refusal is narrowed."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.hubspot import archive, replies

IDS = ("1", "2", "3")


def reply(status: int, body: Any = None, **more: Any) -> replies.Reply:
    headers = MappingProxyType(more.pop("headers", {}))
    raw = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
    return replies.Reply(status, headers, raw, **more)


def shown(*ids: str, **more: Any) -> dict[str, Any]:
    return {"status": "COMPLETE", "results": [{"id": each} for each in ids], **more}


def missing(*ids: str, category: str = "OBJECT_NOT_FOUND") -> dict[str, Any]:
    return {"status": "error", "category": category, "context": {"ids": list(ids)}}


def test_the_requests_name_the_ids() -> None:
    assert orjson.loads(archive.request(IDS)) == {"inputs": [{"id": each} for each in IDS]}
    assert orjson.loads(archive.read_request(IDS)) == {
        "properties": [],
        "inputs": [{"id": each} for each in IDS],
    }


@pytest.mark.parametrize("status", [204, 200, 202])
def test_a_2xx_means_archived(status: int) -> None:
    assert archive.judge(reply(status)) == archive.Archived()
    assert archive.judge(reply(207, {"status": "COMPLETE"})) == archive.Archived()


@pytest.mark.parametrize("status", [400, 409, 413, 414, 422])
def test_a_refusal_is_about_the_ids(status: int) -> None:
    body = {"category": "VALIDATION_ERROR", "message": "secret value"}
    assert archive.judge(reply(status, body)) == archive.NotArchived(f"{status} VALIDATION_ERROR")
    assert archive.judge(reply(status, b"<html>")) == archive.NotArchived(f"{status}")


def test_a_207_with_errors_and_a_404_of_records_are_refusals() -> None:
    partly = {"status": "COMPLETE", "errors": [missing("2")]}
    assert archive.judge(reply(207, partly)) == archive.NotArchived("207")
    assert archive.judge(reply(207, {"numErrors": 1})) == archive.NotArchived("207")
    unknown = reply(404, {"category": "OBJECT_NOT_FOUND"})
    assert archive.judge(unknown) == archive.NotArchived("404 OBJECT_NOT_FOUND")
    assert isinstance(archive.judge(reply(404, b"<html>")), replies.Denied)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (reply(0, left=False, trouble="refused"), replies.NotSent),
        (reply(0, left=True, trouble="reset"), replies.Doubtful),
        (reply(204, whole=False), replies.Doubtful),
        (reply(429), replies.TryLater),
        (reply(423), replies.TryLater),
        (reply(477), replies.TryLater),
        (reply(503), replies.Doubtful),
        (reply(502, b"<html>"), replies.Doubtful),
        (reply(418), replies.Doubtful),
        (reply(401), replies.Denied),
        (reply(403), replies.Denied),
        (reply(307), replies.Denied),
    ],
)
def test_trouble_says_nothing_of_any_id(answer: replies.Reply, kind: type) -> None:
    assert isinstance(archive.judge(answer), kind)
    assert isinstance(archive.judge_read(IDS, answer), kind)


def test_a_403_says_what_the_token_may_not() -> None:
    denied = archive.judge(reply(403, {"category": "MISSING_SCOPES"}))
    assert isinstance(denied, replies.Denied)
    assert "may not archive emails" in denied.reason


def test_a_read_shows_who_is_there() -> None:
    assert archive.judge_read(IDS, reply(200, shown(*IDS))) == archive.Shown(frozenset(IDS))
    partly = shown("1", "9", errors=[missing("2"), missing("3")])
    assert archive.judge_read(IDS, reply(207, partly)) == archive.Shown(frozenset("1"))
    silent = archive.judge_read(IDS, reply(200, shown("1")))
    assert silent == archive.Shown(frozenset("1"))
    was = {"results": [{"id": 1}, {"id": "2", "archived": True}]}
    assert archive.judge_read(IDS, reply(200, was)) == archive.Shown(frozenset("1"))


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        {"results": "none"},
        shown("1", status="PENDING"),
        shown("1", errors=[missing("2", "3", category="INTERNAL_ERROR")]),
        shown("1", errors=[missing("2")]),
        shown("1", errors=["what"]),
        shown("1", numErrors=2),
        shown("1", errors=[missing()]),
        shown("1", errors={"what": 1}),
    ],
)
def test_a_read_that_leaves_ids_unexplained_is_asked_again(body: Any) -> None:
    assert isinstance(archive.judge_read(IDS, reply(207, body)), replies.Doubtful)


def test_a_refused_read_shows_nothing_and_an_unknown_address_stops() -> None:
    assert archive.judge_read(IDS, reply(400, {})) == archive.Shown(frozenset(IDS))
    gone = reply(404, {"category": "OBJECT_NOT_FOUND"})
    assert isinstance(archive.judge_read(IDS, gone), replies.Denied)


@given(st.binary(max_size=200), st.integers(0, 700), st.booleans(), st.booleans())
def test_no_answer_makes_it_raise(body: bytes, status: int, whole: bool, left: bool) -> None:
    answer = replies.Reply(status, MappingProxyType({}), body, left, whole)
    archive.judge(answer)
    archive.judge_read(IDS, answer)


@given(
    st.integers(1, 100).flatmap(
        lambda size: st.tuples(
            st.just(tuple(str(n) for n in range(size))),
            st.frozensets(st.integers(0, size - 1).map(str)),
            st.frozensets(st.integers(0, size - 1).map(str)),
        )
    )
)
def test_narrowing_finds_exactly_those_that_are_refused(
    drawn: tuple[tuple[str, ...], frozenset[str], frozenset[str]],
) -> None:
    ids, there, bad = drawn
    parts, calls = [ids], 0
    archived: list[str] = []
    failed: list[str] = []
    while parts:
        part = parts.pop()
        calls += 1
        if not bad & set(part):
            archived.extend(part)
            continue
        narrowed = archive.narrow(part, there)
        assert all(len(each) < len(part) for each in narrowed.parts)
        parts.extend(narrowed.parts)
        failed.extend(narrowed.failed)
    assert set(failed) == bad & there
    assert len(failed) == len(set(failed))
    assert set(archived) >= there - bad
    assert len(archived) == len(set(archived))
    assert calls <= 3 + 16 * max(len(bad & there), 1)
