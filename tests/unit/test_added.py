"""What others add to an entry is sent, and never changes what its record alone makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.hubspot import replies, wire
from bulkload.hubspot.refusals import Refusal
from bulkload.mail.cut import LONGEST
from bulkload.model import Address
from bulkload.pipeline.untying import gone, without
from bulkload.records.added import (
    HTML,
    TEXT,
    contacts_of,
    linked,
    noted,
    unlinked,
    with_properties,
)
from tests.making import batch, entry

if TYPE_CHECKING:
    from bulkload.batch import Entry

_ids = st.lists(st.integers(1, 30).map(str), max_size=8)


def sent(one: Entry) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(one.sent)
    return found


@given(_ids, _ids)
def test_links_come_once_each_and_can_be_taken_back(first: list[str], more: list[str]) -> None:
    before = entry(1)
    tied = linked(linked(before, first), more)
    assert tied.body == before.body
    assert contacts_of(tied.sent) == frozenset(first) | frozenset(more)
    assert len(sent(tied)["associations"]) == len(contacts_of(tied.sent))
    assert contacts_of(unlinked(tied, frozenset(more)).sent) == frozenset(first) - frozenset(more)
    assert sent(tied)["properties"] == orjson.loads(before.body)["properties"]


def test_a_batch_is_told_by_its_records_alone() -> None:
    plain = batch(range(3))
    tied = plain.of(linked(each, ["7"]) for each in plain.entries)
    assert wire.digest(tied) == wire.digest(plain)
    assert wire.body(tied) != wire.body(plain)
    assert len(orjson.loads(wire.body(tied))["inputs"]) == 3


def test_the_users_own_links_stay() -> None:
    own = {
        "to": {"id": "5"},
        "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 186}],
    }
    body = orjson.dumps({"properties": {"a": "1"}, "associations": [own]})
    tied = linked(entry(1)._replace(body=body), ["5"])
    assert sent(tied)["associations"][0] == own
    assert sent(unlinked(tied, {"5"}))["associations"] == [own]


@given(st.text(max_size=30), st.sampled_from([0, 10, LONGEST - 5, LONGEST]))
def test_a_note_stands_at_the_end_and_nothing_grows_too_long(words: str, length: int) -> None:
    words = words.encode("utf-8", "ignore").decode()
    made = noted(entry(1, {TEXT: "x" * length, HTML: "<p>y</p>"}), words)
    properties = sent(made)["properties"]
    assert properties[TEXT].endswith(f"[{words}]")
    assert len(properties[TEXT]) <= LONGEST
    assert properties[HTML].startswith("<p>y</p><p>[")


def test_a_property_is_put_in_the_place_of_the_one_before() -> None:
    assert sent(with_properties(entry(1, {"a": "1"}), {"a": "2", "b": "3"}))["properties"] == {
        "a": "2",
        "b": "3",
    }


def refusal(message: str) -> Refusal:
    return Refusal(400, "VALIDATION_ERROR", message, "")


def test_a_contact_that_is_gone_is_known_by_the_refusal() -> None:
    people = (Address("a@x.com"), Address("b@x.com"))
    tied = linked(entry(1)._replace(people=people), ["101", "1012"])
    whole = batch([0]).of([entry(0), tied])
    told = refusal("Invalid associations: CONTACT with id 101 does not exist")
    outcomes = wire.Outcomes((), ((0, told), (1, told)))
    assert gone(whole, outcomes) == {1: frozenset({"101"})}
    assert without(outcomes, {1: None}).rejected == ((0, told),)
    assert gone(whole, wire.Outcomes((), ((1, refusal("101 was no valid option")),))) == {}
    alone = whole.of([tied])
    assert gone(alone, wire.Refused(told, ())) == {1: frozenset({"101"})}
    assert gone(whole, replies.Doubtful("reset")) == {}


@pytest.mark.parametrize(
    ("message", "lost"),
    [
        ("Invalid associations: CONTACT with id 101 does not exist", {"101"}),
        ("Invalid associations: 101 does not exist", {"101"}),
        ("Invalid associations: COMPANY with id 101 does not exist", set()),
        ("Invalid associations: no companies with ids 101, 102", set()),
        ("Invalid associations: CONTACT 101, DEAL 102", {"101"}),
        ("Invalid associations: CONTACT 101, 7 do not exist", {"101"}),
    ],
)
def test_what_is_missing_of_another_kind_costs_nobodys_ties(message: str, lost: set[str]) -> None:
    """A company's id may be a contact's too: 7 and 102 are of both."""
    body = orjson.loads(entry(1).body)
    of_company = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 186}
    body["associations"] = [{"to": {"id": other}, "types": [of_company]} for other in ("7", "102")]
    tied = linked(entry(1)._replace(body=orjson.dumps(body)), ["7", "101", "102"])
    found = gone(batch([1]).of([tied]), wire.Refused(refusal(message), ()))
    assert found == ({1: frozenset(lost)} if lost else {})
