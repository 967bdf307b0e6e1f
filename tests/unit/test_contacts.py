"""Contacts by address: what is asked, what answers show, and that no answer makes a wrong one."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.hubspot import addressing, contacts, replies
from bulkload.hubspot.contacts import (
    Contact,
    Found,
    Refused,
    Upserted,
    judge_names,
    judge_read,
    judge_upsert,
    names_body,
    read_body,
    upsert_body,
)
from bulkload.hubspot.replies import Denied, Doubtful, NotSent, Reply, TryLater
from bulkload.hubspot.span import Span
from bulkload.model import Address
from tests.making import NO_HEADERS, reply

ASKED = ("a@x.org", "b@x.org", "c@x.org")
MADE = "2026-01-01T00:00:00.250Z"
MADE_S = 1767225600.25


def shown(email: str | None, number: int, *others: str, **more: Any) -> dict[str, Any]:
    properties = {"email": email, "hs_additional_emails": ";".join(others) or None}
    return {"id": str(number), "properties": properties, "createdAt": MADE, **more}


def answer(*results: Any, **more: Any) -> dict[str, Any]:
    return {"status": "COMPLETE", "results": list(results), **more}


def missing(*addresses: str, **more: Any) -> dict[str, Any]:
    return {"category": "OBJECT_NOT_FOUND", "context": {"ids": list(addresses)}, **more}


def traced(address: str, **more: Any) -> dict[str, Any]:
    context = {"objectWriteTraceId": [addressing.trace(address)]}
    return {"category": "VALIDATION_ERROR", "message": "no", "context": context, **more}


def invalid(address: str) -> str:
    flaw = {
        "isValid": False,
        "message": f"Email address {address} is invalid",
        "error": "INVALID_EMAIL",
        "name": "email",
    }
    return f"Property values were not valid: {orjson.dumps([flaw]).decode()}"


def read(status: int, body: Any) -> Any:
    return judge_read(ASKED, reply(status, body))


def upsert(status: int, body: Any) -> Any:
    return judge_upsert(ASKED, reply(status, body))


# What is asked


def test_a_read_asks_by_address_and_wants_the_second_ones_too() -> None:
    assert orjson.loads(read_body(ASKED[:2])) == {
        "idProperty": "email",
        "properties": ["email", "hs_additional_emails"],
        "inputs": [{"id": "a@x.org"}, {"id": "b@x.org"}],
    }


def test_an_upsert_carries_nothing_that_could_change_a_contact() -> None:
    inputs = orjson.loads(upsert_body(ASKED))["inputs"]
    assert [each["properties"] for each in inputs] == [{"email": address} for address in ASKED]
    assert {(each["id"], each["idProperty"]) for each in inputs} == {(a, "email") for a in ASKED}
    assert len({each["objectWriteTraceId"] for each in inputs}) == 3


def test_names_go_by_id_and_only_where_there_are_some() -> None:
    people = {
        "7": Address("a@x.org", "Ann", "Lee"),
        "8": Address("b@x.org"),
        "9": Address("c@x.org", last_name="Ng"),
    }
    assert orjson.loads(names_body(people)) == {
        "inputs": [
            {"id": "7", "properties": {"firstname": "Ann", "lastname": "Lee"}},
            {"id": "9", "properties": {"lastname": "Ng"}},
        ]
    }
    assert names_body({"8": Address("b@x.org")}) == b""


# What a read shows


def test_a_whole_answer_shows_who_is_there_and_who_is_not() -> None:
    some = read(207, answer(shown("B@X.org", 5), errors=[missing("A@x.org", "c@x.org")]))
    assert some == Found(
        {"b@x.org": "5"}, frozenset({"a@x.org", "c@x.org"}), created={"b@x.org": MADE_S}
    )
    assert read(200, answer()) == Found({}, frozenset(ASKED))
    everybody = read(200, answer(*(shown(each, n) for n, each in enumerate(ASKED, 1))))
    assert everybody.missing == frozenset()
    assert everybody.ids == {"a@x.org": "1", "b@x.org": "2", "c@x.org": "3"}


def test_a_second_address_shows_whose_it_is_and_two_addresses_may_be_one_contact() -> None:
    body = answer(shown("z@x.org", 5, "Y@x.org", "B@x.org"), shown("a@x.org", 6, "c@x.org"))
    found = read(200, body)
    assert found.ids == {"b@x.org": "5", "a@x.org": "6", "c@x.org": "6"}
    assert found.created.keys() == {"a@x.org"}
    assert not found.missing


def test_the_one_contact_left_is_that_of_the_one_address_left() -> None:
    strange = answer(shown("z@x.org", 9), shown("a@x.org", 5), errors=[missing("c@x.org")])
    assert read(207, strange).ids == {"a@x.org": "5", "b@x.org": "9"}
    two = answer(shown("z@x.org", 9), shown("a@x.org", 5))
    found = read(200, two)
    assert found.ids == {"a@x.org": "5"}
    assert found.missing == found.unexplained == {"b@x.org", "c@x.org"}


def test_an_address_that_the_answer_leaves_out_is_missing_and_said_to_be_unexplained() -> None:
    found = read(207, answer(shown("a@x.org", 5), errors=[missing("c@x.org")]))
    assert found.missing == {"b@x.org", "c@x.org"}
    assert found.unexplained == {"b@x.org"}


def test_an_archived_contact_is_not_there() -> None:
    assert read(200, answer(shown("a@x.org", 5, archived=True))).ids == {}


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        {},
        {"results": None},
        {"results": {}},
        answer(None),
        answer({"id": "5"}),
        answer({"id": "5\n6", "properties": {"email": "a@x.org"}}),
        answer(shown("a@x.org", 5), shown("a@x.org", 6)),
        answer(shown("a@x.org", 5), status="PENDING"),
        answer(shown("a@x.org", 5), errors={"what": 1}),
        answer(shown("a@x.org", 5), errors=["what"]),
        answer(shown("a@x.org", 5), errors=[missing("b@x.org", category="INTERNAL_ERROR")]),
        answer(shown("a@x.org", 5), errors=[{"category": "OBJECT_NOT_FOUND", "context": "b"}]),
        answer(shown("a@x.org", 5), numErrors=2),
    ],
    ids=str,
)
def test_a_read_that_is_not_whole_is_asked_again(body: Any) -> None:
    assert isinstance(read(207, body), Doubtful)


def test_a_read_that_one_address_spoils_goes_on_without_it() -> None:
    told = {"category": "VALIDATION_ERROR", "message": "b@x.org is no address"}
    refused = read(400, told)
    assert isinstance(refused, Refused)
    assert list(refused.blamed) == ["b@x.org"]
    assert refused.parts == (("a@x.org", "c@x.org"),)


# What an upsert shows


def test_who_is_new_was_made_here() -> None:
    body = answer(
        shown("b@x.org", 2, new=True), shown("a@x.org", 1, new=False), shown("c@x.org", 3)
    )
    assert upsert(200, body).contacts == {
        "a@x.org": Contact("1", made=False),
        "b@x.org": Contact("2", made=True),
        "c@x.org": Contact("3", made=False),
    }


def test_after_a_lost_answer_who_was_created_while_it_was_under_way_was_made_by_it() -> None:
    def made(since: float | None, *others: str, until: float = MADE_S + 1, **more: Any) -> bool:
        email = "z@x.org" if others else "a@x.org"
        body = answer(shown(email, 1, *others, **more))
        lost = None if since is None else Span(since, until)
        found = judge_upsert(ASKED[:1], reply(200, body), lost)
        assert isinstance(found, Upserted)
        return found.contacts["a@x.org"].made

    assert made(MADE_S, new=False)
    assert made(MADE_S - 100)
    assert not made(MADE_S + 0.001, new=False)
    # Behind the time in which the call may have been carried out somebody else made it.
    assert made(MADE_S - 100, until=MADE_S, new=False)
    assert not made(MADE_S - 100, until=MADE_S - 0.001, new=False)
    assert made(MADE_S - 100, until=MADE_S - 0.001, new=True)
    assert not made(None, new=False)
    assert not made(MADE_S - 100, new=False, createdAt="yesterday")
    assert made(MADE_S + 100, new=True)
    # Whose second address it is was there before, whenever it was created.
    assert not made(MADE_S - 100, "a@x.org", new=False)


def test_a_trace_id_ties_a_contact_that_shows_another_address() -> None:
    results = [
        shown("old@x.org", 1, objectWriteTraceId=addressing.trace("b@x.org"), new=False),
        shown(None, 2, objectWriteTraceId=addressing.trace("a@x.org"), new=True),
    ]
    found = upsert(207, answer(*results, errors=[traced("c@x.org")]))
    assert found.contacts == {
        "a@x.org": Contact("2", made=True),
        "b@x.org": Contact("1", made=False),
    }
    assert found.refused["c@x.org"].category == "VALIDATION_ERROR"
    assert found.silent == ()


def test_an_error_without_a_trace_id_is_about_whom_it_quotes() -> None:
    body = answer(shown("a@x.org", 1), errors=[{"category": "X", "message": invalid("b@x.org")}])
    found = upsert(207, body)
    assert found.refused.keys() == {"b@x.org"}
    assert found.silent == ("c@x.org",)


def test_an_address_inside_another_is_not_quoted() -> None:
    addresses = ("ann@x.org", "n@x.org", "ann@x.org.uk", "ann@x.or")
    body = {"category": "VALIDATION_ERROR", "message": invalid("ann@x.org.uk") + " ann@x.org."}
    found = judge_upsert(addresses, reply(400, body))
    assert isinstance(found, Refused)
    assert found.blamed.keys() == {"ann@x.org", "ann@x.org.uk"}


def test_a_refusal_of_the_whole_call_goes_on_with_the_others() -> None:
    named = upsert(400, {"category": "VALIDATION_ERROR", "message": invalid("b@x.org")})
    assert named.blamed.keys() == {"b@x.org"}
    assert named.parts == (("a@x.org", "c@x.org"),)
    nobody = upsert(400, {"category": "VALIDATION_ERROR", "message": "no"})
    assert nobody.blamed == {}
    assert nobody.parts == (("a@x.org",), ("b@x.org", "c@x.org"))
    alone = judge_upsert(ASKED[:1], reply(400, {"category": "VALIDATION_ERROR", "message": "no"}))
    assert isinstance(alone, Refused)
    assert alone.blamed.keys() == {"a@x.org"}
    assert alone.parts == ()
    assert upsert(413, {}).parts == nobody.parts


def test_a_conflict_alone_tells_whose_the_address_is() -> None:
    told = {"category": "CONFLICT", "message": "Contact already exists. Existing ID: 512"}
    assert upsert(409, told).parts == (("a@x.org",), ("b@x.org", "c@x.org"))
    alone = judge_upsert(ASKED[:1], reply(409, told), Span(0.0, 1.0))
    assert alone == Upserted({"a@x.org": Contact("512", made=False)}, {})


def test_a_conflict_beside_others_tells_whose_the_address_is() -> None:
    told = {"category": "CONFLICT", "message": "Contact already exists. Existing ID: 512"}
    error = {**told, "context": {"objectWriteTraceId": [addressing.trace("b@x.org")]}}
    found = upsert(207, answer(shown("a@x.org", 1, new=True), errors=[error]))
    assert found.contacts["b@x.org"] == Contact("512", made=False)
    assert found.refused == {}
    unsaid = {**error, "message": "Contact already exists"}
    found = upsert(207, answer(shown("a@x.org", 1, new=True), errors=[unsaid]))
    assert found.refused.keys() == {"b@x.org"}


@pytest.mark.parametrize("judge", [judge_read, judge_upsert])
def test_a_refusal_that_was_cut_off_blames_nobody(judge: Any) -> None:
    cut = Reply(409, NO_HEADERS, b"", whole=False, trouble="the answer was cut off")
    assert isinstance(judge(ASKED[:1], cut), Doubtful)


def test_one_that_is_named_in_a_conflict_is_sent_alone_and_not_blamed() -> None:
    told = {"category": "CONFLICT", "message": "b@x.org already exists. Existing ID: 512"}
    found = upsert(409, told)
    assert found.blamed == {}
    assert found.parts == (("b@x.org",), ("a@x.org", "c@x.org"))


def test_two_addresses_of_one_contact_are_sent_apart() -> None:
    message = "Duplicate IDs found in batch input: [a@x.org, c@x.org]. IDs must be unique"
    found = upsert(400, {"category": "VALIDATION_ERROR", "message": message})
    assert found.blamed == {}
    assert found.parts == (("a@x.org",), ("c@x.org",), ("b@x.org",))


def test_the_one_error_is_about_the_one_address() -> None:
    body = answer(errors=[{"category": "VALIDATION_ERROR", "message": "no"}])
    alone = judge_upsert(ASKED[:1], reply(207, body))
    assert isinstance(alone, Upserted)
    assert alone.refused.keys() == {"a@x.org"}
    assert upsert(207, body).silent == ASKED


def test_what_is_not_done_yet_is_not_refused() -> None:
    found = upsert(207, answer(errors=[traced("a@x.org")], status="PENDING"))
    assert found == Upserted({}, {}, ASKED)


def test_names_that_are_refused_are_no_trouble() -> None:
    assert judge_names(reply(200, answer())) == contacts.Named()
    told = judge_names(reply(400, {"category": "VALIDATION_ERROR", "message": "Ann"}))
    assert told == contacts.Named("400 VALIDATION_ERROR")


# What no answer may do


@pytest.mark.parametrize("judge", [judge_read, judge_upsert])
@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (Reply(0, NO_HEADERS, b"", left=False, trouble="refused"), NotSent),
        (Reply(0, NO_HEADERS, b"", left=True, trouble="reset"), Doubtful),
        (Reply(200, NO_HEADERS, b"", whole=False), Doubtful),
        (reply(429), TryLater),
        (reply(423), TryLater),
        (reply(503), Doubtful),
        (reply(401), Denied),
        (reply(403), Denied),
        (reply(404), Denied),
        (reply(400, b"<html>", Content_Type="text/html"), Denied),
    ],
)
def test_trouble_says_nothing_of_any_address(judge: Any, given: Reply, kind: type) -> None:
    assert isinstance(judge(ASKED, given), kind)
    assert isinstance(judge_names(given), kind)


def test_a_403_names_the_scope() -> None:
    denied = judge_read(ASKED, reply(403, {"category": "MISSING_SCOPES"}))
    assert isinstance(denied, Denied)
    assert "crm.objects.contacts.read" in denied.reason
    unwritten = judge_upsert(ASKED, reply(403, {"category": "MISSING_SCOPES"}))
    assert isinstance(unwritten, Denied)
    assert "crm.objects.contacts.write" in unwritten.reason


FIELDS = (
    *("results", "errors", "status", "numErrors", "message", "category", "context", "ids"),
    *("id", "properties", "email", "hs_additional_emails", "new", "createdAt", "archived"),
    "objectWriteTraceId",
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 2**40)
    | st.text(max_size=8)
    | st.sampled_from(ASKED),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5)
    ),
    max_leaves=20,
)
STATUS = st.sampled_from([0, 200, 201, 207, 400, 404, 409, 413, 429, 500]) | st.integers(0, 700)


MOMENT = st.floats(allow_nan=False)


@given(JSON, STATUS, st.none() | st.builds(Span, MOMENT, MOMENT))
def test_no_answer_raises_and_each_address_is_in_exactly_one_place(
    body: Any, status: int, lost: Span | None
) -> None:
    given = reply(status, body)
    match judge_read(ASKED, given):
        case Found() as found:
            assert found.ids.keys() | found.missing == set(ASKED)
            assert not found.ids.keys() & found.missing
            assert found.unexplained <= found.missing
        case Refused() as refused:
            narrowed(refused)
    match judge_upsert(ASKED, given, lost):
        case Upserted() as done:
            places = [*done.contacts, *done.refused, *done.silent]
            assert sorted(places) == sorted(ASKED)
            assert all(replies.record_id(each.id) for each in done.contacts.values())
        case Refused() as refused:
            narrowed(refused)
    judge_names(given)


def narrowed(refused: Refused) -> None:
    others = [each for part in refused.parts for each in part]
    assert sorted([*refused.blamed, *others]) == sorted(ASKED)
    assert all(0 < len(part) < len(ASKED) for part in refused.parts)


@given(st.binary(max_size=100), STATUS, st.booleans(), st.booleans())
def test_no_bytes_raise(body: bytes, status: int, whole: bool, left: bool) -> None:
    given = Reply(status, NO_HEADERS, body, left, whole)
    judge_read(ASKED, given)
    judge_upsert(ASKED, given)
    judge_names(given)


@given(st.frozensets(st.integers(0, 99), max_size=10), st.booleans())
def test_however_it_is_refused_the_bad_ones_are_found_and_the_others_made(
    bad: frozenset[int], quoting: bool
) -> None:
    addresses = tuple(f"p{n}@x.org" for n in range(100))
    wrong = {addresses[n] for n in bad}
    parts, refused, made = [addresses], set[str](), list[str]()
    while parts:
        part = parts.pop()
        if faults := [each for each in part if each in wrong]:
            message = invalid(faults[0]) if quoting else "a bad address"
            told = reply(400, {"category": "VALIDATION_ERROR", "message": message})
            judged = judge_upsert(part, told)
            assert isinstance(judged, Refused)
            refused |= judged.blamed.keys()
            parts.extend(judged.parts)
        else:
            made += part
    assert refused == wrong
    assert sorted(made) == sorted(set(addresses) - wrong)
