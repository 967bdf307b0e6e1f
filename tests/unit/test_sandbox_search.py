"""Search finds what its filters say, however many records there are and whatever is asked."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from functools import partial
from time import process_time
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from bulkload.hubspot import searching
from bulkload.sandbox import search, writes
from bulkload.sandbox.answers import Call, Refused
from bulkload.sandbox.config import SandboxConfig
from bulkload.sandbox.filters import contains
from bulkload.sandbox.portal import Portal

if TYPE_CHECKING:
    from collections.abc import Iterable


class Remote:
    def __init__(self, **options: Any) -> None:
        self.wall = 1_800_000_000.0
        self.portal = Portal(SandboxConfig(**options), lambda: 0.0, lambda: self.wall)

    def call(self, body: Any) -> Call:
        return Call(orjson.dumps(body), {}, {}, 0.0, self.wall)

    def create(self, properties: Iterable[dict[str, str]], kind: str = "emails") -> list[str]:
        inputs = [{"properties": each, "associations": []} for each in properties]
        act = partial(writes.create_batch, self.portal, kind=kind)
        made = []
        for at in range(0, len(inputs), 100):
            shown = orjson.loads(act(self.call({"inputs": inputs[at : at + 100]})).body)
            made += sorted(one["id"] for one in shown["results"])
        return made

    def search(self, body: Any, kind: str = "emails") -> Any:
        try:
            answer = search.search(self.portal, self.call(body), kind=kind)
        except Refused as refused:
            answer = refused.answer
        return {**orjson.loads(answer.body), "status": answer.status}

    def ids(self, *filters: tuple[str, str, Any], **more: Any) -> list[str]:
        return [one["id"] for one in self.search(asked(*filters, **more))["results"]]


def asked(*filters: tuple[str, str, Any], **more: Any) -> dict[str, Any]:
    """A search by one group; a list is `values`, a pair `value` and `highValue`."""
    group = []
    for name, operator, value in filters:
        one: dict[str, Any] = {"propertyName": name, "operator": operator}
        if isinstance(value, tuple):
            one |= {"value": value[0], "highValue": value[1]}
        else:
            one["values" if isinstance(value, list) else "value"] = value
        group.append(one)
    return {"filterGroups": [{"filters": group}], "limit": 200, **more}


def text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def test_a_search_among_many_records_holds_nobody_up() -> None:
    remote = Remote(search_limit=None)
    remote.create({"hs_timestamp": str(10**12 + n), "bulkload_key": f"k{n}"} for n in range(40_000))
    sought = [str(10**12 + n) for n in range(0, 40_000, 80)]
    last = str(80_000_000_000 + 39_900)
    for body, total in (
        (orjson.loads(searching.request(sought, ["bulkload_key"], remote.wall - 5)), 500),
        (orjson.loads(searching.newest(remote.wall + 1)), 0),
        (asked(("hs_object_id", "GT", last), sorts=["hs_object_id"]), 100),
    ):
        begun = process_time()
        assert remote.search(body)["total"] == total
        assert process_time() - begun < 0.2  # by looking at each it took seconds


def test_indexes_leave_out_nothing_that_looking_at_each_would_find() -> None:
    dice = random.Random(7)
    remote = Remote()
    for n in range(300):
        remote.wall += dice.choice([-3.0, 0.0, 0.001, 5.0])  # clocks are set back too
        stamp = str(dice.randrange(40))
        remote.create([{"hs_timestamp": stamp, "bulkload_key": f"K{n}"}])
    emails = remote.portal.emails
    for record in dice.sample(list(emails.records.values()), 80):
        emails.change(record, {"hs_timestamp": text(dice.randrange(40) / 1000)}, remote.wall)
    everyone = list(emails.records.values())
    for _ in range(200):
        stamps = [str(dice.randrange(45)) for _ in range(dice.randrange(1, 4))]
        since, pick = dice.choice(everyone).created, dice.choice(everyone)
        groups = [
            asked(("hs_timestamp", "IN", stamps), ("hs_createdate", "GTE", text(since))),
            asked(("hs_object_id", "IN", [pick.id, pick.id])),
            asked(
                ("hs_object_id", "GT", pick.id), ("hs_createdate", "BETWEEN", ("0", text(since)))
            ),
        ]
        body = {"filterGroups": [one["filterGroups"][0] for one in groups], "limit": 200}
        lists = [
            [r.id for r in everyone if str(r.stamp) in stamps and r.created >= since],
            [pick.id],
            [r.id for r in everyone if r.number > pick.number and r.created <= since],
        ]
        for one, expected in zip(groups, lists, strict=True):
            assert [each["id"] for each in remote.search(one)["results"]] == expected[:200]
        every = sorted({name for one in lists for name in one})
        found = remote.search(body)
        assert (found["total"], [r["id"] for r in found["results"]]) == (len(every), every[:200])


@pytest.mark.parametrize(
    ("text", "token", "found"),
    [
        ("ann@firm.com", "*@firm.com", True),
        ("ann@firm.com", "firm", True),
        ("ann@firmament.com", "firm", False),
        ("ann@firmament.com", "firm*", True),
        ("confirm the firm", "firm", True),
        ("confirm", "*firm", True),
        ("confirm", "firm*", False),
        ("one two three", "one*three", True),
        ("one two three", "three*one", False),
        ("abab", "ab*ab", True),
        ("aba", "ab*ba", False),
        ("anything", "*", True),
    ],
)
def test_tokens_and_wildcards(text: str, token: str, found: bool) -> None:
    assert contains(text, token.split("*")) == found


def test_no_wildcards_take_longer_than_the_text_is() -> None:
    remote = Remote()
    remote.create([{"hs_timestamp": "1", "hs_email_subject": "a" * 60_000}] * 5)
    begun = process_time()
    assert not remote.ids(("hs_email_subject", "CONTAINS_TOKEN", "*a" * 30 + "!"))
    assert process_time() - begun < 1  # a pattern would not have ended


def test_values_are_compared_whatever_their_case_and_a_record_is_shown_once() -> None:
    remote = Remote()
    (one,) = remote.create([{"hs_timestamp": "1", "bulkload_key": "K1", "hs_email_subject": "Hi"}])
    for value in ("K1", "k1"):
        assert remote.ids(("bulkload_key", "EQ", value)) == [one]
    assert remote.ids(("bulkload_key", "IN", ["K1", "k1", "K1"])) == [one]
    assert remote.ids(("hs_timestamp", "IN", ["1", "1", "1970-01-01T00:00:00.001Z"])) == [one]
    assert remote.ids(("hs_email_subject", "EQ", "hI")) == [one]
    (ann,) = remote.create([{"email": "Ann@Firm.com"}], "contacts")
    found = remote.search(asked(("email", "IN", ["ANN@firm.com", "ann@firm.com"])), "contacts")
    assert [each["id"] for each in found["results"]] == [ann]


ONE = {"propertyName": "hs_timestamp", "operator": "EQ", "value": "1"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"filterGroups": [{"filters": [ONE] * 6}] * 3}, 200),
        ({"filterGroups": [{"filters": [ONE] * 7}]}, 400),
        ({"filterGroups": [{"filters": [ONE] * 5}] * 4}, 400),
        ({"filterGroups": [{"filters": [ONE]}] * 6}, 400),
        (asked(("hs_timestamp", "IN", ["1"] * 100)), 200),
        (asked(("hs_timestamp", "IN", ["1"] * 101)), 400),
        (asked(("hs_timestamp", "NOT_IN", ["1"] * 101)), 400),
        (asked(("hs_timestamp", "BETWEEN", ("1", "abc"))), 400),
        (asked(("hs_timestamp", "IN", "12")), 400),
        (asked(("hs_object_id", "IN", ["nan", "inf", "x"])), 200),
        (asked(("hs_object_id", "GT", "nan")), 200),
        (asked(("hs_object_id", "GT", "inf")), 200),
        ({"query": "x" * 3000}, 200),
        ({"query": "x" * 3001}, 400),
        ({"limit": 1e300}, 400),
        ({"after": -1}, 400),
    ],
)
def test_what_a_search_may_ask_is_bounded(body: dict[str, Any], status: int) -> None:
    remote = Remote()
    remote.create([{"hs_timestamp": "1"}])
    assert remote.search(body)["status"] == status
