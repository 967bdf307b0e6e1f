"""An answer → what it says of each record. Never raises; names records, never indices."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.batch import Batch
from bulkload.hubspot import replies, wire
from bulkload.hubspot.replies import Denied, Doubtful, NotSent, Reply, TryLater
from bulkload.hubspot.wire import Outcomes, Refused, judge
from bulkload.records import added
from tests.making import batch, entry, fault, made, reply

THREE = batch(range(3))
IDS = ((0, "100"), (1, "101"), (2, "102"))

# JSON of unknown shape in which every field name that matters turns up.
NAMES = st.sampled_from(
    ["results", "errors", "status", "id", "message", "category", "context", "properties", "name",
     "objectWriteTraceId", "startedAt", "completedAt", "subject", "error"]
)  # fmt: skip
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.sampled_from(
        ["t0", "t1", "t2", "s0", "s1", "COMPLETE", "PENDING", "VALIDATION_ERROR", "", "100",
         "2026-01-01T00:00:00.000Z", "2026-01-01T00:00:01.500", "line 1, column 40",
         'x [{"name":"subject","error":"PROPERTY_DOESNT_EXIST"}]', "[{", "[{]"]
    )
)  # fmt: skip
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(NAMES, inner, max_size=5)
        | st.fixed_dictionaries({"id": inner, "objectWriteTraceId": inner, "properties": inner})
        | st.fixed_dictionaries({"results": st.lists(inner), "errors": st.lists(inner)})
        | st.fixed_dictionaries(
            {"context": st.fixed_dictionaries({"objectWriteTraceId": st.lists(inner)})}
        )
    ),
    max_leaves=25,
)
STATUSES = st.sampled_from(
    [0, 100, 200, 201, 202, 204, 207, 226, 301, 304, 307, 400, 401, 402, 403, 404, 408, 409, 413,
     414, 415, 422, 423, 429, 431, 451, 477, 499, 500, 501, 502, 503, 504, 521, 524, 599]
)  # fmt: skip
HEADERS = st.dictionaries(
    st.sampled_from(["Retry-After", "Date", "Location"]),
    st.text()
    | st.sampled_from(["1", "nan", "inf", "-1", "1e999", "Mon, 01 Jan 2026 00:00:00 GMT"]),
)


def outcomes(found: wire.Verdict) -> Outcomes:
    assert isinstance(found, Outcomes)
    return found


def refused(found: wire.Verdict) -> Refused:
    assert isinstance(found, Refused)
    return found


@given(
    STATUSES,
    HEADERS,
    st.binary() | JSON.map(orjson.dumps),
    st.booleans(),
    st.booleans(),
    st.integers(1, 3),
)
def test_every_answer_has_a_verdict_that_keeps_the_law(
    status: int, headers: dict[str, str], body: bytes, left: bool, whole: bool, size: int
) -> None:
    sent = batch(range(size))
    everyone = {e.ordinal for e in sent.entries}
    found = judge(sent, Reply(status, headers, body, left, whole, "why"))
    if isinstance(found, Outcomes):
        said = [o for o, _ in found.loaded] + [o for o, _ in found.rejected] + [*found.silent]
        assert sorted(said) == sorted(everyone)
        assert found.worked_s >= 0
        assert whole
    elif isinstance(found, Refused):
        blamed = [o for o, _ in found.blamed]
        assert len(blamed) == len(set(blamed))
        assert set(blamed) <= everyone
        assert found.suspects <= everyone
    elif isinstance(found, TryLater | Doubtful):
        assert found.after is None or found.after >= 0


@given(st.integers(1, 30), st.randoms(), st.data())
def test_any_mixture_of_results_and_errors_in_any_order_is_told_apart(
    size: int, random: Any, drawn: st.DataObject
) -> None:
    fates = drawn.draw(st.lists(st.sampled_from("lrs"), min_size=size, max_size=size))
    sent = batch(range(size))
    results = made(*(n for n in range(size) if fates[n] == "l"))["results"]
    errors = [fault(n) for n in range(size) if fates[n] == "r"]
    random.shuffle(results)
    random.shuffle(errors)
    found = outcomes(judge(sent, reply(207, {"results": results, "errors": errors})))
    assert found.loaded == tuple((n, str(100 + n)) for n in range(size) if fates[n] == "l")
    assert {o for o, _ in found.rejected} == {n for n in range(size) if fates[n] == "r"}
    assert set(found.silent) == {n for n in range(size) if fates[n] == "s"}


@pytest.mark.parametrize("status", [200, 201, 202, 207])
def test_every_2xx_is_read_by_its_body(status: int) -> None:
    found = outcomes(judge(THREE, reply(status, made(0, 1, 2))))
    assert found == Outcomes(IDS, ())


def test_results_come_back_in_any_order() -> None:
    assert outcomes(judge(THREE, reply(201, made(2, 0, 1)))).loaded == IDS


def test_a_207_with_nothing_in_it_leaves_every_input_silent() -> None:
    body = {"status": "COMPLETE", "results": [], "numErrors": 0, "errors": []}
    assert outcomes(judge(THREE, reply(207, body))) == Outcomes((), (), (0, 1, 2))


def test_one_error_may_name_several_inputs() -> None:
    found = outcomes(judge(THREE, reply(207, made(1, errors=[fault(0, 2)]))))
    assert [o for o, _ in found.rejected] == [0, 2]
    assert found.rejected[0][1].category == "VALIDATION_ERROR"
    assert found.silent == ()


def test_several_errors_may_name_one_input_and_the_first_is_kept() -> None:
    errors = [fault(0, message="first"), fault(0, message="second")]
    found = outcomes(judge(THREE, reply(207, made(1, 2, errors=errors))))
    assert [(o, r.message) for o, r in found.rejected] == [(0, "first")]


def test_a_result_beats_an_error_for_the_same_input() -> None:
    found = outcomes(judge(THREE, reply(207, made(0, 1, 2, errors=[fault(1)]))))
    assert found == Outcomes(IDS, ())


def test_an_id_that_fits_no_input_is_kept_for_undo() -> None:
    body = made(0, errors=[fault(1)])
    body["results"].append({"id": "999", "objectWriteTraceId": "whose"})
    found = outcomes(judge(THREE, reply(207, body)))
    assert found.loose_ids == ("999",)
    assert found.silent == (2,)


def test_results_without_a_label_are_tied_by_what_only_one_input_holds() -> None:
    results = [{"id": f"{100 + n}", "properties": {"subject": f"s{n}"}} for n in (2, 1)]
    found = outcomes(judge(THREE, reply(207, {"results": results, "errors": [fault(0)]})))
    assert found.loaded == IDS[1:]
    assert [o for o, _ in found.rejected] == [0]


def test_a_value_that_two_inputs_share_ties_nothing() -> None:
    twins = Batch((entry(0, {"a": "x"}), entry(1, {"a": "x"}), entry(2, {"a": "y"})))
    body = {"results": [{"id": "5", "properties": {"a": "x"}}], "errors": []}
    found = outcomes(judge(twins, reply(207, body)))
    assert found.loaded == ()
    assert found.loose_ids == ("5",)
    assert found.silent == (0, 1, 2)


def test_as_many_results_as_inputs_means_that_all_were_made() -> None:
    completed = "2026-01-01T00:00:00.250Z"
    body = {"results": [{"id": str(n)} for n in (7, 8, 9)], "completedAt": completed}
    found = outcomes(judge(THREE, reply(201, body)))
    assert found.loaded == ((0, ""), (1, ""), (2, ""))
    assert found.completed == completed
    assert found.loose_ids == ("7", "8", "9")


def test_a_record_listed_twice_does_not_stand_for_another() -> None:
    body = made(0, 1)
    body["results"].append(body["results"][0])
    found = outcomes(judge(THREE, reply(201, body)))
    assert found.loaded == IDS[:2]
    assert found.silent == (2,)


def test_what_a_pending_remote_has_not_made_yet_is_not_refused() -> None:
    found = outcomes(judge(THREE, reply(207, made(0, status="PENDING", errors=[fault(1)]))))
    assert found == Outcomes(IDS[:1], (), (1, 2))


def test_errors_without_a_label_are_told_by_count_and_by_what_they_quote() -> None:
    def quoting(value: str) -> dict[str, Any]:
        return {"message": f'x [{{"name":"subject","error":"E","message":"{value} is bad"}}]'}

    body = made(1, errors=[quoting("s2"), quoting("s0")])
    found = outcomes(judge(THREE, reply(207, body)))
    assert {o: "s0" in r.message for o, r in found.rejected} == {0: True, 2: False}
    fewer = outcomes(judge(THREE, reply(207, made(errors=[quoting("s0")]))))
    assert fewer.silent == (0, 1, 2), "one error for three inputs refuses nobody by name"


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"null", b'{"results":[{"id":', {}, {"results": {}}, {"errors": []}],
    ids=str,
)
def test_a_2xx_without_a_list_of_results_is_doubtful(body: Any) -> None:
    assert isinstance(judge(THREE, reply(201, body)), Doubtful)


def test_an_answer_that_was_cut_off_is_doubtful_even_if_it_parses() -> None:
    cut = reply(201, made(0, 1, 2))._replace(whole=False)
    assert isinstance(judge(THREE, cut), Doubtful)


@pytest.mark.parametrize("value", [5, True, [], {}, "x", None], ids=str)
@pytest.mark.parametrize("status", [201, 207, 400])
def test_a_field_of_another_type_is_nothing(status: int, value: Any) -> None:
    odd = {"id": "1", "objectWriteTraceId": value, "properties": {"subject": value, "x": value}}
    bodies: list[dict[str, Any]] = [
        {"results": [odd, value], "errors": [value, {"context": value}]},
        {"results": value, "errors": value, "message": value, "category": value},
        {"results": [], "errors": value, "startedAt": value, "completedAt": value},
    ]
    listed = [True, value == [], not value]  # else there is no list of results, or of errors
    for body, whole in zip(bodies, listed, strict=True):
        found = judge(THREE, reply(status, body))
        if status == 400:
            assert refused(found) == Refused(refused(found).because), "nobody is named"
        elif whole:
            nothing = outcomes(found)
            assert (nothing.loaded, nothing.rejected, nothing.worked_s) == ((), (), 0)
            assert nothing.silent == (0, 1, 2)
        else:
            assert isinstance(found, Doubtful)


@pytest.mark.parametrize(
    ("began", "ended", "seconds"),
    [
        ("2026-01-01T00:00:00.000Z", "2026-01-01T00:00:00.250Z", 0.25),
        ("2026-01-01T00:00:00.250Z", "2026-01-01T00:00:00.000Z", 0),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z", 0),
        ("2026-01-01T00:00:00.000Z", "2026-01-01T00:00:01Z", 0),
        ("2026-01-01T00:00:00.000Z", "2026-01-01T00:00:00.250", 0),
        ("2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z", 0),
        ("soon.123", "later.123", 0),
    ],
)
def test_the_remotes_own_time_counts_only_where_it_is_fine_and_sane(
    began: str, ended: str, seconds: float
) -> None:
    found = outcomes(judge(THREE, reply(201, made(0, 1, 2, startedAt=began, completedAt=ended))))
    assert found.worked_s == seconds


def invalid(name: str, error: str, message: str = "") -> dict[str, Any]:
    flaw = orjson.dumps([{"isValid": False, "message": message, "error": error, "name": name}])
    return {
        "category": "VALIDATION_ERROR",
        "correlationId": "c-1",
        "message": f"Property values were not valid: {flaw.decode()}",
    }


def test_a_property_that_does_not_exist_blames_those_that_have_it() -> None:
    sent = Batch((entry(0), entry(1, {"nope": "x"}), entry(2)))
    found = refused(judge(sent, reply(400, invalid("nope", "PROPERTY_DOESNT_EXIST"))))
    assert [o for o, _ in found.blamed] == [1]
    assert found.blamed[0][1].message.startswith("nope: PROPERTY_DOESNT_EXIST")
    assert found.because.correlation_id == "c-1"


def test_an_invalid_option_makes_suspects_of_those_that_hold_it() -> None:
    sent = Batch((entry(0, {"dir": "UP"}), entry(1, {"dir": "LEFT"}), entry(2, {"dir": "LEFT"})))
    body = invalid("dir", "INVALID_OPTION", "LEFT was not one of [UP]")
    found = refused(judge(sent, reply(400, body)))
    assert found.blamed == ()
    assert found.suspects >= {1, 2}


def test_a_400_that_names_inputs_by_trace_blames_them() -> None:
    found = refused(judge(THREE, reply(400, {"category": "X", "errors": [fault(2)]})))
    assert [o for o, _ in found.blamed] == [2]


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_column_points_at_the_input_there(at: int) -> None:
    body = wire.body(THREE)
    column = body.index(f"s{at}".encode()) + 1
    message = f"Invalid input JSON on line 1, column {column}: no"
    found = refused(judge(THREE, reply(400, {"message": message})))
    assert found.suspects == {at}


def test_a_column_counts_what_was_added_to_the_inputs() -> None:
    tied = THREE.of(added.linked(entry, [str(9**20)]) for entry in THREE.entries)
    column = wire.body(tied).index(b"s2") + 1
    message = f"Invalid input JSON on line 1, column {column}: no"
    assert refused(judge(tied, reply(400, {"message": message}))).suspects == {2}


def test_a_column_past_the_end_names_nobody() -> None:
    found = refused(judge(THREE, reply(400, {"message": "line 1, column 99999"})))
    assert (found.blamed, found.suspects) == ((), frozenset())


def test_a_400_of_one_input_is_its_own() -> None:
    found = refused(judge(batch([7]), reply(400, b"<html>")))
    assert [o for o, _ in found.blamed] == [7]


@pytest.mark.parametrize("status", [413, 414])
def test_too_large_is_refused_whole_whatever_the_body(status: int) -> None:
    found = refused(judge(THREE, reply(status, b"<html>too large</html>")))
    assert (found.blamed, found.suspects) == ((), frozenset())
    assert "too large" in found.because.message


def later(found: wire.Verdict) -> TryLater:
    assert isinstance(found, TryLater)
    return found


def test_423_waits_at_least_two_seconds() -> None:
    assert later(judge(THREE, reply(423))).after == 2
    assert later(judge(THREE, reply(423, Retry_After="1"))).after == 2
    assert later(judge(THREE, reply(423, Retry_After="5"))).after == 5


def test_429_waits_as_asked_and_only_it_is_throttling() -> None:
    body = {"errorType": "RATE_LIMIT", "policyName": "SECONDLY", "message": "secret"}
    found = later(judge(THREE, reply(429, body, Retry_After="3")))
    assert found == TryLater("429 RATE_LIMIT SECONDLY", 3.0, throttled=True)
    assert later(judge(THREE, reply(429))).after is None
    used_up = {"errorType": "RATE_LIMIT", "policyName": "DAILY"}
    assert later(judge(THREE, reply(429, used_up))).daily
    migrating = later(judge(THREE, reply(477, Retry_After="3600")))
    assert migrating == TryLater("477", 3600.0, throttled=False)


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        ("3", "", 3),
        ("0.5", "", 0.5),
        ("Thu, 01 Jan 2026 00:00:30 GMT", "Thu, 01 Jan 2026 00:00:10 GMT", 20),
        ("Thu, 01 Jan 2026 00:00:30 GMT", "", None),
        ("Thu, 01 Jan 2026 00:00:10 GMT", "Thu, 01 Jan 2026 00:00:30 GMT", None),
        ("Thu, 01 Jan 99999999999999999999 00:00:30 GMT", "x", None),
        ("-1", "", None),
        ("nan", "", None),
        ("inf", "", None),
        ("soon", "", None),
        ("", "", None),
    ],
)
def test_retry_after_is_a_number_or_a_date_or_nothing(
    value: str, date: str, seconds: float | None
) -> None:
    assert replies.retry_after({"Retry-After": value, "Date": date}) == seconds


@pytest.mark.parametrize("status", [301, 307, 401, 403, 404, 405, 407])
def test_nobodys_record_is_at_fault_where_nobody_took_the_request(status: int) -> None:
    assert isinstance(judge(THREE, reply(status, b"<html>")), Denied)


def test_a_denial_says_what_to_do() -> None:
    def why(status: int, body: Any = None, **headers: str) -> str:
        found = judge(THREE, reply(status, body, **headers))
        assert isinstance(found, Denied)
        return found.reason

    assert "HUBSPOT_ACCESS_TOKEN" in why(401, {"category": "EXPIRED_AUTHENTICATION"})
    scopes = {"errors": [{"context": {"requiredGranularScopes": ["crm.objects.contacts.write"]}}]}
    assert "crm.objects.contacts.write" in why(403, scopes)
    assert "https://elsewhere" in why(307, Location="https://elsewhere/")


@pytest.mark.parametrize("status", [408, 499, 500, 502, 503, 504, 521, 524])
def test_the_remotes_trouble_is_doubtful(status: int) -> None:
    found = judge(THREE, reply(status, b"<html>bad gateway</html>", Retry_After="2"))
    assert found == Doubtful(str(status), 2.0)


def test_no_answer_is_doubtful_only_if_a_byte_left() -> None:
    gone = Reply(0, {}, b"", left=True, whole=False, trouble="reset")
    assert judge(THREE, gone) == Doubtful("reset")
    assert judge(THREE, gone._replace(left=False)) == NotSent("reset")


def test_the_body_is_json_of_the_inputs_as_they_are() -> None:
    read = orjson.loads(wire.body(THREE))
    assert [i["objectWriteTraceId"] for i in read["inputs"]] == ["t0", "t1", "t2"]
    assert len(wire.body(batch([]))) == wire.ENVELOPE_BYTES
    assert wire.digest(THREE) == wire.digest(THREE, wire.body(THREE))


def test_a_value_that_the_remote_fills_in_ties_no_result_to_the_input_that_gave_it() -> None:
    same = {"hs_timestamp": "1", "hs_email_subject": "x"}
    sent = Batch(
        tuple(
            entry(n)._replace(body=orjson.dumps({"properties": properties}))
            for n, properties in enumerate([same, same, {**same, "hs_email_status": "SENT"}])
        )
    )
    filled = {**same, "hs_email_status": "SENT"}
    answer = {
        "status": "COMPLETE",
        "results": [{"id": "1", "properties": filled}, {"id": "2", "properties": filled}],
        "errors": [{"category": "VALIDATION_ERROR", "message": "no"}],
    }
    judged = judge(sent, Reply(207, {}, orjson.dumps(answer)))
    assert isinstance(judged, Outcomes)
    assert not judged.loaded, "the third was refused"
    assert judged.silent == (0, 1, 2)
