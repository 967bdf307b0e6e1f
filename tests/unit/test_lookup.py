"""A read by key: what it asks, and what its answer shows. Absent is what the answer says is."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.hubspot import lookup, replies
from bulkload.hubspot.lookup import Findings, Found, Marks, by_id, by_key, judge, moment
from bulkload.hubspot.replies import Denied, Doubtful, NotSent, Reply, TryLater
from tests.making import reply

MARKS = Marks("bulkload_key", "bulkload_run")
KEY_ONLY = Marks("bulkload_key")
ASKED = ["k0", "k1", "k2"]
MADE = "2026-01-01T00:00:00.250Z"
MADE_S = 1767225600.25


def shown(key: str, **more: Any) -> dict[str, Any]:
    """A result with this key: the id of k7 is 107, made by run r."""
    properties = {"bulkload_key": key, "bulkload_run": "r", **more.pop("properties", {})}
    made = {"id": f"10{key[1:]}", "properties": properties, "createdAt": MADE, "archived": False}
    return {**made, **more}


def missing(*names: str, **more: Any) -> dict[str, Any]:
    """The error that names what was not found."""
    return {
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "message": "Could not get some EMAIL objects, they may be deleted or not exist.",
        "context": {"ids": list(names)},
        **more,
    }


def answer(*keys: str, **more: Any) -> dict[str, Any]:
    return {"status": "COMPLETE", "results": [shown(key) for key in keys], **more}


def findings(found: object) -> Findings:
    assert isinstance(found, Findings)
    return found


def ask(status: int, body: Any = None, marks: Marks = MARKS, **headers: str) -> object:
    return judge(ASKED, reply(status, body, **headers), marks)


def test_a_read_asks_by_the_key_property_and_wants_the_marks_back() -> None:
    assert orjson.loads(by_key(["a", "b"], MARKS)) == {
        "idProperty": "bulkload_key",
        "properties": ["bulkload_key", "bulkload_run"],
        "inputs": [{"id": "a"}, {"id": "b"}],
    }


def test_where_the_portal_has_no_run_property_none_is_asked_for() -> None:
    assert orjson.loads(by_key(["a"], KEY_ONLY))["properties"] == ["bulkload_key"]


def test_a_read_by_id_names_no_property_to_look_by() -> None:
    assert orjson.loads(by_id(["512"], MARKS)) == {
        "properties": ["bulkload_key", "bulkload_run"],
        "inputs": [{"id": "512"}],
    }


@pytest.mark.parametrize("status", [200, 207])
def test_what_was_found_is_there_with_its_id_its_run_and_its_time(status: int) -> None:
    found = findings(ask(status, answer("k1", "k0", "k2"))).found
    assert found == {f"k{n}": Found(f"10{n}", "r", MADE_S) for n in range(3)}


def test_what_an_error_names_as_not_found_is_absent() -> None:
    some = findings(ask(207, answer("k1", numErrors=1, errors=[missing("k0", "k2")])))
    assert some.found.keys() == {"k1"}
    none = findings(ask(207, answer(errors=[missing("k0"), missing("k2", "k1")])))
    assert none.found == {}


def test_a_200_without_errors_shows_all_that_is_there() -> None:
    assert findings(ask(200, answer("k1"))).found.keys() == {"k1"}
    assert findings(ask(200, answer())).found == {}
    assert findings(ask(200, {"results": []})).found == {}
    assert findings(ask(200, answer("k1", errors=None))).found.keys() == {"k1"}


def test_a_number_among_the_ids_is_the_key_of_that_text() -> None:
    body = answer(errors=[missing() | {"context": {"ids": [5, 6]}}])
    assert findings(judge(["5", "6"], reply(207, body), MARKS)).found == {}


@pytest.mark.parametrize(
    "error",
    [
        missing("k0", "k2", category="VALIDATION_ERROR"),
        missing("k0", "k2", category=None),
        {"category": "OBJECT_NOT_FOUND", "message": "k0, k2"},
        {"category": "OBJECT_NOT_FOUND", "context": {"ids": "k0"}},
        {"category": "OBJECT_NOT_FOUND", "context": ["k0", "k2"]},
        "k0, k2 not found",
        None,
    ],
    ids=str,
)
def test_an_error_that_is_not_about_what_is_missing_leaves_all_in_question(error: Any) -> None:
    found = ask(207, answer("k1", errors=[error]))
    assert isinstance(found, Doubtful)
    alongside = ask(207, answer("k1", errors=[missing("k0", "k2"), error]))
    assert isinstance(alongside, Doubtful)


def test_a_key_that_is_neither_found_nor_named_leaves_all_in_question() -> None:
    assert isinstance(ask(207, answer("k1", errors=[missing("k0")])), Doubtful)
    assert isinstance(ask(207, answer(errors=[missing("k0", "k1", "other")])), Doubtful)
    assert isinstance(ask(207, answer("k1", errors={"k0": "gone"})), Doubtful)


def test_errors_that_are_counted_and_not_listed_leave_all_in_question() -> None:
    assert isinstance(ask(207, answer("k1", numErrors=2, errors=[])), Doubtful)


@pytest.mark.parametrize("properties", [{}, {"bulkload_key": None}, None], ids=str)
def test_a_result_that_does_not_show_its_key_leaves_all_in_question(properties: Any) -> None:
    body = {"status": "COMPLETE", "results": [{"id": "100", "properties": properties}]}
    assert isinstance(judge(["k0"], reply(200, body), MARKS), Doubtful)


def test_the_id_of_one_record_explains_no_other_key_of_the_same_text() -> None:
    body = {
        "status": "COMPLETE",
        "results": [shown("600", id="512")],
        "errors": [missing("something else")],
    }
    assert isinstance(judge(["512", "600"], reply(207, body), MARKS), Doubtful)


@pytest.mark.parametrize("status", ["PENDING", "PROCESSING", "CANCELED", "", None])
def test_an_answer_that_is_not_complete_shows_nothing(status: Any) -> None:
    assert isinstance(ask(200, answer(*ASKED) | {"status": status}), Doubtful)


def test_an_answer_that_says_nothing_of_its_state_is_complete() -> None:
    body = answer(*ASKED)
    del body["status"]
    assert len(findings(ask(200, body)).found) == 3


def test_what_was_archived_is_found_as_such() -> None:
    body = {"results": [shown("k0", archived=True), shown("k1", archived="true"), shown("k2")]}
    found = findings(ask(200, body)).found
    assert [found[key].archived for key in ASKED] == [True, False, False]


def test_who_is_asked_for_by_id_is_found_by_its_key() -> None:
    body = answer("k0", errors=[missing("999")])
    found = findings(judge(["100", "999"], reply(207, body), MARKS, by_id=True)).found
    assert found == {"k0": Found("100", "r", MADE_S)}
    unexplained = judge(["100", "999", "998"], reply(207, body), MARKS)
    assert isinstance(unexplained, Doubtful)


@pytest.mark.parametrize(
    "created",
    [None, "", "yesterday", "2026-01-01T00:00:00", 1767225600250, True, [], "9999999-01-01T00:00Z"],
    ids=str,
)
def test_a_time_that_is_none_is_not_known(created: Any) -> None:
    body = {"results": [shown("k0", createdAt=created)]}
    assert findings(ask(200, body)).found["k0"] == Found("100", "r", None)
    without = shown("k0")
    del without["createdAt"]
    assert findings(ask(200, {"results": [without]})).found["k0"].created is None


def test_a_time_is_read_in_any_zone() -> None:
    assert moment("2026-01-01T02:00:00.250+02:00") == moment(MADE) == MADE_S


@pytest.mark.parametrize("run", [None, 7, [], ""], ids=str)
def test_a_record_that_carries_no_run_is_of_none(run: Any) -> None:
    body = {"results": [shown("k0", properties={"bulkload_run": run})]}
    assert findings(ask(200, body)).found["k0"].run == ""


def test_without_a_run_property_no_record_is_of_a_run() -> None:
    assert findings(ask(200, answer("k0"), KEY_ONLY)).found["k0"].run == ""


def test_blanks_round_a_key_are_not_the_keys() -> None:
    body = {"results": [shown("k0", properties={"bulkload_key": "  k0\n"})]}
    assert findings(ask(200, body)).found.keys() == {"k0"}


def test_an_id_may_be_a_number() -> None:
    assert findings(ask(200, {"results": [shown("k0", id=77)]})).found["k0"].id == "77"


def test_the_answers_own_time_is_kept_as_it_was_written() -> None:
    assert findings(ask(200, answer(completedAt=MADE))).completed == MADE
    assert findings(ask(200, answer(completedAt=5))).completed == ""
    assert findings(ask(200, answer())).completed == ""


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 414, 422])
def test_a_remote_that_refuses_to_read_ends_the_asking(status: int) -> None:
    found = ask(status, {"category": "VALIDATION_ERROR", "message": "secret"})
    assert isinstance(found, Denied)
    assert "secret" not in found.reason


def test_a_refusal_of_the_question_says_which_property_to_look_at() -> None:
    found = ask(400, {"category": "VALIDATION_ERROR", "correlationId": "c-1"})
    assert isinstance(found, Denied)
    assert "bulkload_key" in found.reason
    assert "c-1" in found.reason
    denied = ask(401, {"category": "EXPIRED_AUTHENTICATION"})
    assert isinstance(denied, Denied)
    assert "HUBSPOT_ACCESS_TOKEN" in denied.reason


def test_a_remote_that_has_no_time_is_asked_later() -> None:
    assert ask(429, {"policyName": "DAILY"}) == TryLater("429 DAILY", None, True, daily=True)
    assert ask(423) == TryLater("423", 2.0, throttled=False)
    assert ask(477, Retry_After="3600") == TryLater("477", 3600.0, throttled=False)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 521, 599])
def test_a_remote_in_trouble_shows_nothing(status: int) -> None:
    found = ask(status, b"<html>bad gateway</html>", Retry_After="2")
    assert found == Doubtful(str(status), 2.0)
    assert isinstance(ask(status, answer(*ASKED)), Doubtful), "whatever else it says"


@pytest.mark.parametrize(("left", "found"), [(True, Doubtful), (False, NotSent)])
def test_no_answer_shows_nothing(left: bool, found: type[Doubtful | NotSent]) -> None:
    gone = Reply(0, {}, b"", left=left, whole=False, trouble="reset")
    assert judge(ASKED, gone, MARKS) == found("reset")


@pytest.mark.parametrize("status", [402, 408, 418, 425, 451])
def test_a_refusal_of_any_kind_ends_the_asking(status: int) -> None:
    assert isinstance(ask(status), Denied)


def test_a_token_that_may_not_read_is_told_so() -> None:
    found = ask(403, {"category": "MISSING_SCOPES"})
    assert isinstance(found, Denied)
    assert "the token may not read emails" in found.reason


@pytest.mark.parametrize("status", [200, 207])
def test_an_answer_that_was_cut_off_shows_nothing_even_if_it_parses(status: int) -> None:
    cut = reply(status, answer(*ASKED))._replace(whole=False)
    assert isinstance(judge(ASKED, cut, MARKS), Doubtful)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"null", b'{"results":[', {}, {"results": {}}], ids=str
)
def test_a_2xx_without_a_list_of_results_shows_nothing(body: Any) -> None:
    assert isinstance(ask(200, body), Doubtful)


# JSON of unknown shape in which every field name that matters turns up.
NAMES = st.sampled_from(
    ["results", "errors", "status", "id", "category", "context", "ids", "properties", "archived",
     "bulkload_key", "bulkload_run", "createdAt", "completedAt", "numErrors"]
)  # fmt: skip
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.sampled_from(
        ["k0", "k1", " k2 ", "r", "COMPLETE", "PENDING", "OBJECT_NOT_FOUND", "", "100", MADE]
    )
)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(NAMES, inner, max_size=5)
        | st.fixed_dictionaries(
            {"id": inner, "properties": st.fixed_dictionaries({"bulkload_key": inner})}
        )
        | st.fixed_dictionaries({"context": st.fixed_dictionaries({"ids": st.lists(inner)})})
        | st.fixed_dictionaries({"results": st.lists(inner), "errors": st.lists(inner)})
    ),
    max_leaves=20,
)
STATUSES = st.sampled_from(
    [0, 100, 200, 201, 202, 204, 207, 301, 304, 400, 401, 403, 404, 409, 413, 422, 423, 429, 477,
     500, 502, 503, 504, 599]
)  # fmt: skip
HEADERS = st.dictionaries(
    st.sampled_from(["Retry-After", "Date", "Location"]),
    st.text() | st.sampled_from(["1", "nan", "inf", "-1", "Thu, 01 Jan 2026 00:00:00 GMT"]),
)


@given(STATUSES, HEADERS, st.binary() | JSON.map(orjson.dumps), st.booleans(), st.booleans())
def test_no_answer_is_too_odd_to_judge_and_only_a_whole_one_shows_anything(
    status: int, headers: dict[str, str], body: bytes, left: bool, whole: bool
) -> None:
    found = judge(ASKED, Reply(status, headers, body, left, whole, "why"), MARKS)
    assert isinstance(found, Findings | TryLater | NotSent | Doubtful | Denied)
    if isinstance(found, Findings):
        said = orjson.loads(body)
        assert 200 <= status < 300
        assert whole
        assert isinstance(said["results"], list)
        assert said.get("status", "COMPLETE") == "COMPLETE"
        assert all(isinstance(each, Found) for each in found.found.values())


FATES = st.lists(st.sampled_from(["there", "missing", "silent"]), min_size=1, max_size=20)


@given(FATES, st.randoms(), st.booleans())
def test_a_key_is_absent_only_where_the_answer_says_so(
    fates: list[str], random: Any, apart: bool
) -> None:
    keys = {f"k{n}": fate for n, fate in enumerate(fates)}
    there = [key for key, fate in keys.items() if fate == "there"]
    gone = [key for key, fate in keys.items() if fate == "missing"]
    random.shuffle(there)
    random.shuffle(gone)
    errors = [missing(key) for key in gone] if apart else [missing(*gone)]
    found = judge(keys, reply(207, answer(*there, errors=errors)), MARKS)
    if "silent" in fates and errors:
        assert isinstance(found, Doubtful)
    else:
        assert findings(found).found.keys() == set(there)


@given(st.lists(st.text(max_size=12), min_size=1, max_size=5))
def test_any_text_can_be_asked_for(keys: list[str]) -> None:
    read = orjson.loads(lookup.by_key(keys, MARKS))
    assert [each["id"] for each in read["inputs"]] == keys
    body = answer(errors=[missing(*keys)])
    assert findings(judge(keys, reply(207, body), MARKS)).found == {}
    assert replies.parsed(reply(207, body)) == body
