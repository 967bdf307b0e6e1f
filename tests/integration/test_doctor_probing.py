"""Probe records against a remote that answers by a script: what is learned, what is left."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import orjson
import pytest

from bulkload.doctor import asking, probing
from bulkload.doctor.asking import Asker
from bulkload.doctor.probing import Probing
from bulkload.hubspot.client import Sent
from bulkload.hubspot.replies import Reply
from tests.making import reply

if TYPE_CHECKING:
    from bulkload.doctor.facts import Probed
    from bulkload.hubspot.sink import Sink

KEY = "bulkload_key"
LOST = Reply(0, {}, b"", left=True, whole=False, trouble="reset")
GONE = Reply(0, {}, b"", left=False, whole=False, trouble="refused")
DOWN = reply(503, b"<html>")
MADE = reply(201, {"results": [{"id": "1"}, {"id": "2"}]})
TAKEN = reply(207, {"results": [], "errors": [{"category": "CONFLICT", "message": "unique"}]})
LATER = reply(429, {"policyName": "SECONDLY"})


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "READ_EVERY_S", 0.001)
    monkeypatch.setattr(probing, "SEARCH_EVERY_S", 0.001)
    monkeypatch.setattr(probing, "SLOWEST_S", 0.002)
    monkeypatch.setattr(probing, "LONGEST_S", 0.05)


@dataclass
class Remote:
    """Holds records. `script`: answers of each kind of call, before it answers as it should."""

    unique: bool = True
    keeps: bool = True
    shows: bool = True
    searches: bool = True
    script: dict[str, list[Reply]] = field(default_factory=dict)
    live: dict[str, dict[str, str]] = field(default_factory=dict)
    archived: dict[str, dict[str, str]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def _answer(self, kind: str, right: Reply) -> Sent:
        self.calls.append(kind)
        waiting = self.script.get(kind, [])
        clock = asyncio.get_running_loop().time()
        return Sent(waiting.pop(0) if waiting else right, clock, clock)

    async def create(self, request: bytes) -> Sent:
        waiting = self.script.get("create")
        if waiting and waiting[0] in (GONE, LATER):
            return self._answer("create", GONE)
        results: list[Any] = []
        errors: list[Any] = []
        for one in orjson.loads(request)["inputs"]:
            key, trace = one["properties"].get(KEY), one["objectWriteTraceId"]
            held = [*self.live.values(), *(self.archived.values() if self.keeps else ())]
            if self.unique and key and any(each.get(KEY) == key for each in held):
                errors.append({"category": "CONFLICT", "message": f"{key}: 9 already has it"})
                continue
            identity = str(len(self.live) + len(self.archived) + 1)
            self.live[identity] = one["properties"]
            results.append({"id": identity, "objectWriteTraceId": trace})
        status = 207 if errors else 201
        body = {"status": "COMPLETE", "results": results, "errors": errors}
        return self._answer("create", reply(status, body))

    async def read(self, request: bytes) -> Sent:
        asked = orjson.loads(request)
        names: list[str] = [one["id"] for one in asked["inputs"]]
        by_key = "idProperty" in asked
        found: list[dict[str, Any]] = [
            {"id": identity, "properties": values}
            for identity, values in (self.live.items() if self.shows else ())
            if (values.get(KEY) if by_key else identity) in names
        ]
        shown = {one["properties"][KEY] if by_key else one["id"] for one in found}
        missing = [name for name in names if name not in shown]
        errors = [{"category": "OBJECT_NOT_FOUND", "context": {"ids": missing}}] if missing else []
        return self._answer("read", reply(200, {"results": found, "errors": errors}))

    async def search(self, request: bytes) -> Sent:
        times = orjson.loads(request)["filterGroups"][0]["filters"][0]["values"]
        found = [
            {"id": identity, "properties": values}
            for identity, values in (self.live.items() if self.shows and self.searches else ())
            if values["hs_timestamp"] in times
        ]
        return self._answer("search", reply(200, {"results": found, "total": len(found)}))

    async def archive(self, request: bytes) -> Sent:
        waiting = self.script.get("archive")
        if not waiting:
            for one in orjson.loads(request)["inputs"]:
                if one["id"] in self.live:
                    self.archived[one["id"]] = self.live.pop(one["id"])
        return self._answer("archive", Reply(204, {}, b""))


async def _probe(remote: Remote, key: str, interrupt_at: str = "") -> Probed:
    interrupt = asyncio.Event()

    def tell(line: str) -> None:
        if interrupt_at and line.startswith(interrupt_at):
            interrupt.set()

    asker = Asker(interrupt, tell, wait_s=0.001)
    return await Probing(cast("Sink", remote), asker, key, lambda _: None).run()


def probe(remote: Remote, key: str = KEY, interrupt_at: str = "") -> Probed:
    return asyncio.run(_probe(remote, key, interrupt_at))


def test_a_portal_is_learned() -> None:
    remote = Remote()
    found = probe(remote)
    assert not found.trouble
    assert found.conflict == "CONFLICT"
    assert found.learnt._replace(read_lag_s=0, search_lag_s=0)[:5] == (0, 0, True, True, True)
    assert not remote.live
    assert len(remote.archived) == 2


def test_a_portal_that_does_not_hold_to_unique_values_is_told() -> None:
    remote = Remote(unique=False)
    found = probe(remote)
    assert found.learnt.unique_emails is False
    assert found.learnt.archived_keeps_key is None
    assert not remote.live
    assert len(remote.archived) == 3


def test_a_key_that_is_free_again_is_told_and_its_record_archived() -> None:
    remote = Remote(keeps=False)
    assert probe(remote).learnt.archived_keeps_key is False
    assert not remote.live
    assert len(remote.archived) == 3


def test_without_a_key_what_can_be_learned_is() -> None:
    remote = Remote()
    found = probe(remote, key="")
    assert found.learnt.read_lag_s is not None
    assert found.learnt.search_lag_s is not None
    assert found.learnt.unique_emails is None
    assert not remote.live


def test_a_portal_that_shows_nothing_has_the_longest_lag() -> None:
    found = probe(Remote(shows=False))
    assert found.learnt.read_lag_s == found.learnt.search_lag_s == 0.05  # as it is here


@pytest.mark.parametrize("answer", [LOST, DOWN])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_lost_answer_leaves_no_record_and_is_never_sent_again(answer: Reply, number: int) -> None:
    """The first, the second and the third create: all were carried out."""
    whole = Remote()
    probe(whole)
    remote = Remote(unique=False) if number == 1 else Remote(keeps=number != 2)
    remote.script["create"] = [*(MADE, TAKEN)[:number], answer]
    found = probe(remote)
    assert not remote.live
    assert not found.left
    assert remote.calls.count("create") <= whole.calls.count("create")


def test_what_was_lost_is_found_by_key_before_search_shows_it_and_without_a_key_by_search() -> None:
    for remote, key in ((Remote(searches=False), KEY), (Remote(), "")):
        remote.script["create"] = [LOST]
        found = probe(remote, key)
        assert not found.unsure
        assert not remote.live
        assert len(remote.archived) == 2


def test_what_was_lost_is_looked_for_to_the_end_though_it_is_cut_short() -> None:
    script = {"create": [LOST], "read": [LATER], "search": [LATER]}
    remote = Remote(script=script)
    found = probe(remote, interrupt_at="create two")
    assert not found.unsure
    assert not remote.live
    assert len(remote.archived) == 2


def test_a_record_that_nobody_can_find_is_not_passed_over() -> None:
    remote = Remote(shows=False, script={"create": [LOST]})
    found = probe(remote)
    assert found.unsure
    assert remote.calls.count("create") == 1


@pytest.mark.parametrize("answer", [GONE, LATER])
def test_what_never_left_or_was_put_off_is_sent_again(answer: Reply) -> None:
    remote = Remote(script={"create": [answer]})
    assert not probe(remote).trouble
    assert len(remote.archived) == 2


@pytest.mark.parametrize("answer", [LOST, DOWN, GONE, LATER])
def test_archiving_is_tried_again(answer: Reply) -> None:
    remote = Remote(script={"archive": [answer] * 3})
    assert not probe(remote).left
    assert not remote.live


def test_what_can_not_be_archived_is_named() -> None:
    remote = Remote(script={"archive": [DOWN] * 100})
    assert set(probe(remote).left) == set(remote.live) == {"1", "2"}


@pytest.mark.parametrize("at", ["create two", "create a record with the same", "read", "search",
                                "archive", "create a record with an archived"])  # fmt: skip
@pytest.mark.parametrize("shows", [True, False])
def test_wherever_it_is_cut_short_nothing_is_left(at: str, shows: bool) -> None:
    remote = Remote(shows=shows, keeps=False)
    found = probe(remote, interrupt_at=at)
    assert not remote.live
    assert not found.left
    assert not found.unsure


def test_a_read_is_left_at_once_when_it_is_cut_short() -> None:
    async def scene() -> None:
        interrupt = asyncio.Event()
        asker = Asker(interrupt, lambda _: None)
        asyncio.get_running_loop().call_later(0.01, interrupt.set)

        async def never() -> Sent:
            await asyncio.sleep(3600)
            raise AssertionError

        async with asyncio.timeout(5):
            with pytest.raises(asking.CutShort):
                await asker.read("what", never)

    asyncio.run(scene())
