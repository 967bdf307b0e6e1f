"""An address names one contact at most, whatever calls came before; addresses as HubSpot judges."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.sandbox import reads, writes
from bulkload.sandbox.answers import Answer, Call, Refused
from bulkload.sandbox.config import SandboxConfig, parse_contacts
from bulkload.sandbox.portal import Portal
from bulkload.sandbox.schema import Property, Schema

if TYPE_CHECKING:
    from pathlib import Path

ADDRESSES = tuple(f"{name}@firm.com" for name in "abcde")
ACTS = {
    "create": partial(writes.create_batch, kind="contacts"),
    "update": partial(writes.update_batch, kind="contacts"),
    "upsert": partial(writes.upsert_batch, kind="contacts"),
    "archive": partial(writes.archive_batch, kind="contacts"),
    "read": partial(reads.read_batch, kind="contacts"),
}


def portal(**options: Any) -> Portal:
    return Portal(SandboxConfig(**options), clock=lambda: 0.0, wall=lambda: 1_700_000_000.0)


def call(books: Portal, act: str, body: Any, **query: str) -> tuple[int, Any]:
    asked = Call(orjson.dumps(body), {}, query, 0.0, 1_700_000_000.0)
    try:
        answer: Answer = ACTS[act](books, asked)
    except Refused as refused:
        answer = refused.answer
    return answer.status, orjson.loads(answer.body) if answer.body else None


def upsert(books: Portal, *inputs: tuple[str, dict[str, str]], traced: bool = False) -> Any:
    return call(
        books,
        "upsert",
        {
            "inputs": [
                {
                    "id": key,
                    "idProperty": "email",
                    "properties": values,
                    **({"objectWriteTraceId": str(place)} if traced else {}),
                }
                for place, (key, values) in enumerate(inputs)
            ]
        },
    )


def read(books: Portal, *keys: str, **query: str) -> tuple[dict[str, str], list[str]]:
    """Ids by primary address, and what was not found."""
    body = {
        "idProperty": "email",
        "properties": ["email", "hs_additional_emails"],
        "inputs": [{"id": key} for key in keys],
    }
    _, answer = call(books, "read", body, **query)
    missing = [one for error in answer.get("errors", ()) for one in error["context"]["ids"]]
    return {one["properties"].get("email", ""): one["id"] for one in answer["results"]}, missing


ONE = st.sampled_from(ADDRESSES)
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "email": ONE,
        "hs_additional_emails": st.lists(ONE, max_size=2).map(";".join),
        "firstname": st.sampled_from(["Ann", ""]),
    },
)
IDS = st.integers(1001, 1006)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("create"), st.lists(VALUES, min_size=1, max_size=3)),
        st.tuples(st.just("upsert"), st.lists(st.tuples(ONE, VALUES), min_size=1, max_size=3)),
        st.tuples(st.just("update"), st.lists(st.tuples(IDS, VALUES), min_size=1, max_size=2)),
        st.tuples(st.just("archive"), st.lists(IDS, min_size=1, max_size=2)),
    ),
    max_size=8,
)


@given(steps=STEPS, traced=st.booleans(), primary_only=st.booleans())
def test_an_address_names_one_contact_at_most(
    steps: list[tuple[str, list[Any]]], traced: bool, primary_only: bool
) -> None:
    books = portal(primary_only=primary_only)
    for act, inputs in steps:
        made: list[dict[str, Any]] = [
            {"properties": one}
            if act == "create"
            else {"id": str(one)}
            if act == "archive"
            else {"id": str(one[0]), "properties": one[1]}
            | ({"idProperty": "email"} if act == "upsert" else {})
            for one in inputs
        ]
        for place, one in enumerate(made):
            if traced:
                one["objectWriteTraceId"] = str(place)
        before = {one["id"]: one for one in books.contacts.export()}
        status, _ = call(books, act, {"inputs": made})
        after = list(books.contacts.export())
        if status >= 400:
            assert {one["id"]: one for one in after} == before
        owned: dict[str, str] = {}
        for one in after:
            if not one["archived"]:
                for address in {one["email"], *one["additional"]} - {""}:
                    assert owned.setdefault(address, one["id"]) == one["id"]
        for address in ADDRESSES:
            found, missing = read(books, address)
            if found:
                assert owned[address] in found.values()
            elif primary_only:
                assert all(one["email"] != address or one["archived"] for one in after)
            else:
                assert address not in owned
            assert bool(found) != bool(missing)


def test_a_secondary_address_finds_its_contact_and_does_not_become_the_primary_one() -> None:
    books = portal()
    known = books.add_contact("Ann@firm.com;ann@home.com")
    assert read(books, "ANN@home.com") == ({"ann@firm.com": known}, [])
    status, answer = upsert(books, ("ann@home.com", {"email": "ann@home.com", "firstname": "Ann"}))
    (result,) = answer["results"]
    assert (status, result["new"], result["id"]) == (200, False, known)
    assert result["properties"]["email"] == "ann@firm.com"
    assert result["properties"]["firstname"] == "Ann"


def test_where_reads_know_primary_addresses_alone_the_upsert_names_who_has_it() -> None:
    books = portal(primary_only=True)
    known = books.add_contact("ann@firm.com;ann@home.com")
    assert read(books, "ann@home.com") == ({}, ["ann@home.com"])
    status, answer = upsert(books, ("ann@home.com", {}))
    assert (status, answer["category"]) == (409, "CONFLICT")
    assert answer["message"] == f"Contact already exists. Existing ID: {known}"
    status, answer = upsert(books, ("ann@home.com", {}), ("bob@firm.com", {}), traced=True)
    assert status == 207
    assert [one["new"] for one in answer["results"]] == [True]


def test_an_upsert_says_which_contacts_are_new() -> None:
    books = portal(contacts=1)
    status, answer = upsert(books, ("contact1@example.com", {}), ("New@Firm.com", {}))
    assert status == 200
    assert {one["properties"]["email"]: one["new"] for one in answer["results"]} == {
        "contact1@example.com": False,
        "new@firm.com": True,
    }
    assert books.contacts.made == 1
    assert [one["made"] for one in books.contacts.export()] == ["sandbox", "api"]


@pytest.mark.parametrize("traced", [True, False])
@pytest.mark.parametrize("keys", [("a@firm.com", "A@firm.com"), ("ann@firm.com", "ann@home.com")])
def test_one_contact_twice_in_a_call_refuses_the_call(traced: bool, keys: tuple[str, str]) -> None:
    books = portal()
    books.add_contact("ann@firm.com;ann@home.com")
    status, answer = upsert(books, *((key, {}) for key in keys), traced=traced)
    assert status == 400
    said = f"Duplicate IDs found in batch input: [{keys[1].lower()}]. IDs must be unique"
    assert answer["message"] == said
    assert answer["context"] == {"ids": [keys[1].lower()]}
    assert books.contacts.live == 1


def test_an_archived_contact_sets_its_addresses_free_and_can_be_asked_for() -> None:
    books = portal()
    first = books.add_contact("ann@firm.com;ann@home.com")
    call(books, "archive", {"inputs": [{"id": first}]})
    assert read(books, "ann@firm.com", "ann@home.com")[1] == ["ann@firm.com", "ann@home.com"]
    assert read(books, "ann@home.com", archived="true") == ({"ann@firm.com": first}, [])
    _, answer = upsert(books, ("ann@home.com", {}))
    assert answer["results"][0]["new"]


JUDGED = [
    ("ann@firm.com", True),
    ("ann.b+tag_1@sub.firm.co.uk", True),
    ("o'brien@firm.com", True),
    ("ann@firm.design", True),
    ("ann@firm.xn--3e0b707e", True),
    ("ann@email.삼성", True),
    ('"Ann B"@firm.com', False),
    ("ann@firm.c", False),
    ("ann@firm", False),
    ("ann@firm.123", False),
    ("ann@localhost", False),
    ("ann@firm.example", False),
    ("ann@firm.local", False),
    ("ann@[10.0.0.1]", False),
    (".ann@firm.com", False),
    ("ann..b@firm.com", False),
    ("ann@-firm.com", False),
    ("ann@firm..com", False),
    ("ann firm.com", False),
    ("ann@b@firm.com", False),
    ("undisclosed-recipients:;", False),
    ("a" * 65 + "@firm.com", False),
]


@pytest.mark.parametrize(("address", "good"), JUDGED)
def test_addresses_are_judged_as_hubspot_judges_them(address: str, good: bool) -> None:
    found = Schema([Property("email", "email")]).find_faults({"email": address})
    assert [one["error"] for one in found] == ([] if good else ["INVALID_EMAIL"])
    assert all(one["message"] == f"Email address {address} is invalid" for one in found)


def test_an_address_can_be_refused_by_its_look() -> None:
    books = portal(refuse_addresses="^bad")
    status, answer = upsert(books, ("bad@firm.com", {}), ("good@firm.com", {}), traced=True)
    assert (status, answer["numErrors"]) == (207, 1)
    assert "INVALID_EMAIL" in answer["errors"][0]["message"]
    assert answer["errors"][0]["context"]["objectWriteTraceId"] == ["0"]
    assert books.contacts.live == 1


def test_a_file_of_contacts(tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text('email,name\nann@firm.com;ann@home.com,Ann\n\n"bob@firm.com",Bob\n')
    lines = parse_contacts(str(people))
    assert lines == ("ann@firm.com;ann@home.com", "bob@firm.com")
    books = portal(contacts=lines)
    assert [(one["email"], one["additional"]) for one in books.contacts.export()] == [
        ("ann@firm.com", ["ann@home.com"]),
        ("bob@firm.com", []),
    ]
    assert parse_contacts("12") == 12
    people.write_text("ann@firm.com\nnobody\n")
    with pytest.raises(ValueError, match="line 2"):
        parse_contacts(str(people))
    with pytest.raises(ValueError, match="neither a number nor a file"):
        parse_contacts(str(tmp_path / "absent"))
    with pytest.raises(ValueError, match="has the address"):
        portal(contacts=("ann@firm.com;x@home.com", "bob@firm.com;x@home.com"))
