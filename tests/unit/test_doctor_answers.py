"""What a doctor is answered: read as far as it can be, whatever it is."""

from __future__ import annotations

from itertools import count
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.hubspot import inspecting, probes
from bulkload.hubspot.auth import Token
from bulkload.hubspot.inspecting import Definition, Grant
from bulkload.hubspot.probes import Created
from bulkload.hubspot.replies import Reply
from tests.making import reply

KEY = "bulkload_key"
PRIVATE = {"userId": 1, "hubId": 62515, "appId": 7, "scopes": ["a.b", "a.b", "no scope!", 5]}
OAUTH = {"hub_id": 62515, "scopes": ["a.b"], "expires_in": 1799, "token": "secret"}
LOST = Reply(0, {}, b"", left=True, whole=False, trouble="reset")
UNSENT = Reply(0, {}, b"", left=False, whole=False, trouble="refused")


def test_a_private_apps_token_is_told_by_its_beginning() -> None:
    assert inspecting.is_private(Token("pat-na1-x"))
    assert not inspecting.is_private(Token("CJ-pat-"))


def test_both_kinds_of_token_are_read() -> None:
    scopes = frozenset({"a.b"})
    assert inspecting.read_private(reply(200, PRIVATE)) == Grant("private app", "62515", scopes)
    assert inspecting.read_oauth(reply(200, OAUTH)) == Grant("OAuth app", "62515", scopes, 1799.0)
    assert inspecting.read_private(reply(200, OAUTH)).trouble
    assert inspecting.read_oauth(reply(404, {"category": "NO"})).trouble == "404 NO"
    assert inspecting.read_oauth(LOST).trouble == "reset"


def test_trouble_never_quotes_what_the_remote_wrote() -> None:
    told = reply(400, {"category": "VALIDATION_ERROR", "message": "token pat-secret is bad"})
    assert inspecting.trouble(told) == "400 VALIDATION_ERROR"


def test_a_missing_scope_is_named() -> None:
    context = {"requiredGranularScopes": ["crm.schemas.contacts.write"]}
    body = {"category": "MISSING_SCOPES", "errors": [{"context": context}]}
    made = inspecting.read_made(reply(403, body))
    assert "may not make properties of emails" in made.denied
    assert "crm.schemas.contacts.write" in made.denied


def test_definitions_are_read_by_name_and_the_group_is_the_subjects() -> None:
    results = [
        {"name": KEY, "type": "string", "hasUniqueValue": True},
        {"name": "hs_email_subject", "type": "string", "groupName": "g", "hubspotDefined": True},
        {"name": "gone", "type": "string", "archived": True},
        {"type": "string"},
        "what",
    ]
    found = inspecting.read_definitions(reply(200, {"results": results}))
    assert found.named == {
        KEY: Definition("string", unique=True),
        "hs_email_subject": Definition("string", unique=False, hubspots=True),
    }
    assert found.group == "g"
    assert inspecting.read_definitions(reply(200, {"results": []})).group == inspecting.GROUP


def test_the_key_is_made_with_unique_values_and_the_run_without() -> None:
    key = orjson.loads(inspecting.key_definition(KEY, "g"))
    run = orjson.loads(inspecting.run_definition("bulkload_run", "g"))
    assert key["hasUniqueValue"] is True
    assert "hasUniqueValue" not in run
    for made in (key, run):
        assert (made["type"], made["fieldType"], made["groupName"]) == ("string", "text", "g")


def test_only_hubspots_own_association_types_count() -> None:
    results = [
        {"category": "HUBSPOT_DEFINED", "typeId": 198},
        {"category": "USER_DEFINED", "typeId": 210},
        {"typeId": True},
    ]
    assert inspecting.read_labels(reply(200, {"results": results})).types == {198}


# probes

NAMES = count()
PAIR = probes.draw(2, 1_700_000_000_000, lambda: f"{next(NAMES):064x}", keyed=True)


def made(*results: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"status": "COMPLETE", "results": list(results), **more}


def echo(number: int, identity: str) -> dict[str, Any]:
    return {"id": identity, "objectWriteTraceId": PAIR[number].trace}


def test_probes_are_tied_to_nobody_and_each_is_its_own() -> None:
    inputs = orjson.loads(probes.request(PAIR, KEY))["inputs"]
    assert [one["associations"] for one in inputs] == [[], []]
    assert {one["properties"]["hs_email_subject"] for one in inputs} == {probes.SUBJECT}
    for name in ("hs_timestamp", KEY):
        assert len({one["properties"][name] for one in inputs}) == 2
    bare = probes.draw(1, 5, lambda: "n", keyed=False)
    assert KEY not in orjson.loads(probes.request(bare, ""))["inputs"][0]["properties"]


@pytest.mark.parametrize(
    ("answer", "shows"),
    [
        (reply(201, made(echo(1, "8"), echo(0, "9"))), Created(("8", "9"), echoed=True)),
        (reply(200, made({"id": 8}, {"id": "9"})), Created(("8", "9"), echoed=False)),
        (reply(207, made(echo(0, "9"))), Created(("9",), True, unsure="207 that leaves out some")),
        (reply(201, {"status": "PENDING", "results": []}), Created(unsure="201 that leaves")),
        (reply(201, b"<html>"), Created(unsure="201")),
        (reply(503, b"<html>"), Created(unsure="503")),
        (LOST, Created(unsure="reset")),
        (UNSENT, Created(refused="refused")),
        (reply(429, {}), Created(refused="429")),
        (reply(401, {}), Created(refused="the remote does not accept the token")),
        (reply(404, {}), Created(refused="404")),
        (reply(400, {"category": "VALIDATION_ERROR"}), Created(refused="400 VALIDATION_ERROR")),
    ],
)
def test_a_lost_answer_is_told_apart_from_a_refusal(answer: Reply, shows: Created) -> None:
    found = probes.read_created(PAIR, answer, KEY)
    assert found[:3] == shows[:3]
    assert found.refused.startswith(shows.refused)
    assert found.unsure.startswith(shows.unsure)
    assert bool(found.refused) is bool(shows.refused)
    assert bool(found.unsure) is bool(shows.unsure)


def test_a_key_that_is_taken_is_told_by_its_category_in_both_kinds_of_refusal() -> None:
    words = f"Cannot set PropertyValueCoordinates{{propertyName={KEY}, value=x}}. 9 already has it"
    refusal = {"category": "CONFLICT", "message": words}
    whole = probes.read_created(PAIR[:1], reply(409, refusal), KEY)
    part = probes.read_created(PAIR[:1], reply(207, made(errors=[refusal])), KEY)
    assert (whole.taken, part.taken) == ("CONFLICT", "CONFLICT")
    assert part.ids == ()
    assert not part.unsure
    assert part.refused == "207 CONFLICT"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "results",
                    "errors",
                    "id",
                    "name",
                    "hubId",
                    "hub_id",
                    "scopes",
                    "category",
                    "typeId",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    st.sampled_from([0, 200, 201, 207, 301, 400, 401, 403, 404, 407, 409, 429, 477, 500, 503]),
    JSON.map(orjson.dumps) | st.binary(max_size=30),
    st.booleans(),
    st.booleans(),
)
def test_whatever_is_answered_is_read(status: int, body: bytes, left: bool, whole: bool) -> None:
    answer = Reply(status, {}, body, left, whole, "" if whole else "cut off")
    for read in (
        inspecting.read_private,
        inspecting.read_oauth,
        inspecting.read_definitions,
        inspecting.read_made,
        inspecting.read_labels,
    ):
        read(answer)
    found = probes.read_created(PAIR, answer, KEY)
    if status == 0 and left:
        assert found.unsure
    if found.ids:
        assert 200 <= status < 300
    # Nothing is left open: they are there, or refused, or it is not known.
    assert found.refused or found.unsure or len(found.ids) >= 1
