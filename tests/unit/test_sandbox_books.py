"""The books through deleted properties, archived records, missing ids and forgotten bodies."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from bulkload.sandbox import definitions, reads, tokens, writes
from bulkload.sandbox.answers import Answer, Call, Refused
from bulkload.sandbox.config import SandboxConfig
from bulkload.sandbox.portal import Portal

if TYPE_CHECKING:
    from collections.abc import Callable

ACTS: dict[str, Callable[..., Answer]] = {
    "create": writes.create_batch,
    "update": writes.update_batch,
    "upsert": writes.upsert_batch,
    "archive": writes.archive_batch,
    "read": reads.read_batch,
}
UNIQUE = {
    "name": "mark",
    "label": "mark",
    "type": "string",
    "fieldType": "text",
    "groupName": "email",
    "hasUniqueValue": True,
}


class Remote:
    def __init__(self, **options: Any) -> None:
        self.portal = Portal(SandboxConfig(**options), lambda: 0.0, lambda: 1_800_000_000.0)

    def __call__(self, act: str, *inputs: dict[str, Any], **more: Any) -> tuple[int, Any]:
        body = {"inputs": [{"properties": {}, "associations": [], **one} for one in inputs], **more}
        return self.run(partial(ACTS[act], kind="emails"), body)

    def run(self, act: Callable[..., Answer], body: Any = None, **match: str) -> tuple[int, Any]:
        call = Call(orjson.dumps(body), match, {}, 0.0, 1_800_000_000.0)
        try:
            answer = act(self.portal, call)
        except Refused as refused:
            answer = refused.answer
        return answer.status, orjson.loads(answer.body) if answer.body else None

    def create(self, **values: str) -> str:
        status, body = self("create", {"properties": {"hs_timestamp": "1", **values}})
        assert status == 201, body
        return str(body["results"][0]["id"])

    def define(self) -> None:
        assert self.run(partial(definitions.create, kind="emails"), UNIQUE)[0] == 201

    def drop(self) -> None:
        assert self.run(partial(definitions.archive, kind="emails"), name="mark")[0] == 204


@pytest.mark.parametrize("free", [False, True])
def test_a_record_is_archived_whole_though_its_property_is_gone(free: bool) -> None:
    remote = Remote(archived_keep_keys=not free)
    remote.define()
    one = remote.create(mark="v", bulkload_key="k")
    remote.drop()
    assert remote("archive", {"id": one})[0] == 204
    again = remote("create", {"properties": {"hs_timestamp": "1", "bulkload_key": "k"}})
    assert again[0] == (201 if free else 400)


@pytest.mark.parametrize("forget", [False, True])
def test_values_are_unique_still_when_their_property_is_made_anew(forget: bool) -> None:
    remote = Remote(forget_bodies=forget)
    remote.define()
    one = remote.create(mark="v")
    remote.drop()
    remote.define()
    assert remote("create", {"properties": {"hs_timestamp": "1", "mark": "v"}})[0] == 400
    assert remote("update", {"id": one, "properties": {"mark": "w"}})[0] == 200
    remote.create(mark="v")


@pytest.mark.parametrize("free", [False, True])
def test_nothing_is_written_to_an_archived_record(free: bool) -> None:
    remote = Remote(archived_keep_keys=not free)
    one = remote.create(bulkload_key="k", hs_email_subject="before")
    remote("archive", {"id": one})
    new = {"hs_email_subject": "after", "hs_timestamp": "2"}
    status, body = remote("update", {"id": one, "properties": new})
    assert (status, body["category"]) == (400, "OBJECT_NOT_FOUND")
    by_key = {"id": "k", "idProperty": "bulkload_key", "properties": new}
    assert remote("update", by_key)[0] == 400
    status, body = remote("upsert", by_key)
    assert status == (200 if free else 400)
    assert free or f"{one} already has that value" in body["message"]
    assert remote.portal.emails.records[one].values["hs_email_subject"] == "before"


@pytest.mark.parametrize("act", ["update", "upsert", "archive", "read"])
@pytest.mark.parametrize("one", [{}, {"id": ""}, {"id": None}, {"id": " "}, {"id": ["k"]}])
def test_an_input_that_names_no_record_refuses_the_call(act: str, one: dict[str, Any]) -> None:
    remote = Remote()
    remote.create(bulkload_key="k")
    by_key = {**one, "idProperty": "bulkload_key", "objectWriteTraceId": "1"}
    for asked in (one, by_key):
        status, body = remote(act, asked, {"id": "k", "objectWriteTraceId": "2"})
        assert (status, body["category"]) == (400, "VALIDATION_ERROR")
        assert ("String" if one.get("id") == ["k"] else "not set: [id]") in body["message"]
    assert remote.portal.emails.live == 1


def test_what_is_forgotten_is_known_by_no_digest_of_before() -> None:
    remote = Remote(forget_bodies=True)
    one = remote.create(bulkload_key="k", hs_email_text="long", bulkload_run="r")
    (before,) = remote.portal.emails.export()
    assert before["properties"] == {"hs_timestamp": "1", "bulkload_key": "k", "bulkload_run": "r"}
    remote("update", {"id": one, "properties": {"hs_email_text": "short", "hs_timestamp": "2"}})
    (after,) = remote.portal.emails.export()
    assert before["digest"]
    assert after["digest"] == ""
    assert after["properties"] == {**before["properties"], "hs_timestamp": "2"}


def test_pages_of_archived_records() -> None:
    remote = Remote()
    ids = [remote.create() for _ in range(9)]
    for place in (7, 2, 4):
        remote("archive", {"id": ids[place]})
    books = remote.portal.emails
    assert [one.id for one in books.archived_beyond(0)] == [ids[2], ids[4], ids[7]]
    assert [one.id for one in books.archived_beyond(int(ids[2]))] == [ids[4], ids[7]]
    assert (books.live, books.archived) == (6, 3)


def test_tokens_that_were_seen_are_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "MOST", 3)
    known = tokens.Tokens(None, 60.0, "r", 0.0)
    for number in range(5):
        assert known.refuse(f"Bearer t{number}", float(number)) is None
    assert known.refuse("Bearer t4", 65.0) is not None
    assert known.refuse("Bearer t0", 65.0) is None  # long forgotten: it begins anew
