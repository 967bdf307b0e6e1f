"""Whatever the remote sends, everything that reads it gives an answer of its kind.

What is sent is written as text, since the worst of JSON can't be made of values: numbers without
end, halves of surrogate pairs, names twice in one object, nesting without end. No reading raises;
every record of a batch is accounted for once; what is said can be written to a log.
"""

from __future__ import annotations

import time
import tracemalloc
from typing import TYPE_CHECKING, Any, get_args

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bulkload.batch import Batch
from bulkload.hubspot import (
    account,
    archive,
    lookup,
    ratelimits,
    refusals,
    replies,
    searching,
    wire,
)
from bulkload.hubspot.remoteclock import RemoteClock
from bulkload.hubspot.replies import Doubtful, Reply, TryLater
from bulkload.hubspot.wire import Outcomes, Refused, Verdict
from tests.making import batch, key_of, keyed, made

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY = "bulkload_key"
MARKS = lookup.Marks(KEY, "bulkload_run")
LONGEST = 1_000
"""Characters of a reason: what the remote sends must not fill the log."""

NAMES = st.sampled_from(
    ["results", "errors", "status", "id", "message", "category", "context", "properties", "name",
     "objectWriteTraceId", "startedAt", "completedAt", "subject", "error", "ids", "numErrors",
     "correlationId", "policyName", "requiredGranularScopes", "paging", "next", "after", "total",
     "archived", "createdAt", "portalId", "hasUniqueValue", "timeZone", "utcOffsetMilliseconds",
     "currentUsage", "usageLimit", "resetsAt", KEY, "bulkload_run"]
)  # fmt: skip

TEXTS = st.sampled_from(
    ['"t0"', '"t1"', '"s0"', '"COMPLETE"', '"PENDING"', '"CONFLICT"', '"DAILY"', '"100"', '"1,2"',
     '"1\\n2"', '""', '"\\ud800"', '"\\u0000"', '"\\u001b[2J"', '"x\\\\"', '"\xff"',
     '"2026-01-01T00:00:00.000Z"', '"2026-01-01T00:00:00.123"', '"0001-01-01T00:00:00.000+14:00"',
     '"9999-12-31T23:59:59.999-14:00"', '"line 1, column 40"', '"line 1, column 999999999"',
     '"OBJECT_NOT_FOUND"', '"123 already has that value. propertyName=bulkload_key"',
     '"x [{\\"name\\":\\"subject\\",\\"error\\":\\"PROPERTY_DOESNT_EXIST\\"}]"',
     '"[{\\"name\\":[]}]"', '"[{]"', f'"{key_of(0)} already exists"', '"Europe/Berlin"']
)  # fmt: skip

NUMBERS = st.sampled_from(
    ["0", "-1", "100", "1e999", "-1e999", "1E400", "0.1", "9" * 25, "9" * 5000, "-0", "NaN",
     "Infinity", "01", "1.", "1e-400", "18446744073709551616", "9223372036854775808"]
)  # fmt: skip

SCALARS = TEXTS | NUMBERS | st.sampled_from(["null", "true", "false", "nul", "{}", "[]", "\x00"])


def _object(pairs: list[tuple[str, str]]) -> str:
    return "{" + ",".join(f'"{name}":{value}' for name, value in pairs) + "}"


def _array(values: list[str]) -> str:
    return "[" + ",".join(values) + "]"


WRITTEN = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4).map(_array)
        | st.lists(st.tuples(NAMES, inner), max_size=6).map(_object)  # a name may come twice
        | st.tuples(inner, inner, inner).map(
            lambda three: _object(
                [*zip(("id", "objectWriteTraceId", "properties"), three, strict=True)]
            )
        )
        | st.tuples(inner, inner).map(
            lambda two: _object([("results", _array([two[0]])), ("errors", _array([two[1]]))])
        )
        | st.lists(inner, max_size=3).map(
            lambda ids: _object(
                [("context", _object([("objectWriteTraceId", _array(ids)), ("ids", _array(ids))]))]
            )
        )
    ),
    max_leaves=30,
)

DEEP = [
    b"[" * 100_000,
    b"[" * 500 + b"]" * 500,
    b'{"results":' * 5_000 + b"1" + b"}" * 5_000,
    b'{"results":[' * 400 + b"]}" * 400,
]

BODIES = (
    WRITTEN.map(lambda text: text.encode("utf-8", "surrogatepass"))
    | WRITTEN.map(lambda text: text.encode("utf-16"))
    | st.binary(max_size=200)
    | st.sampled_from(DEEP)
)

HEADERS: st.SearchStrategy[Mapping[str, str]] = st.dictionaries(
    st.sampled_from(
        ["Retry-After", "Date", "Location", "Content-Type", "X-HubSpot-RateLimit-Max",
         "X-HubSpot-RateLimit-Remaining", "X-HubSpot-RateLimit-Interval-Milliseconds",
         "X-HubSpot-RateLimit-Daily", "X-HubSpot-RateLimit-Daily-Remaining"]
    )
    | st.text(max_size=5),
    st.text()
    | st.characters(categories=["Cs", "Nd", "Nl", "No", "Cc"]).map(lambda c: c * 3)
    | st.sampled_from(
        ["1", "nan", "inf", "-1", "1e999", "1_0", "٣", "²", "9" * 5000, "text/html; charset=x",
         "Mon, 01 Jan 2026 00:00:00 GMT", "Mon, 01 Jan 0000 00:00:00 GMT",
         "1 Jan 99999 0:0:0 +9999", "Mon, 01 Jan 2026 00:00:00 -0000",
         "Mon, 99 Jan 2026 00:00:00", "\x1b[2J", "a?secret=1"]
    ),
    max_size=6,
)  # fmt: skip

STATUSES = st.integers(100, 599) | st.sampled_from(
    [0, 1, 99, 200, 201, 207, 207, 400, 400, 401, 403, 404, 407, 409, 413, 422, 423, 429, 477, 503,
     600, 999, 10**6, -1]
)  # fmt: skip

REPLIES = st.builds(
    Reply,
    STATUSES,
    HEADERS,
    BODIES,
    st.booleans(),
    st.booleans(),
    st.just("why"),
    st.sampled_from([False, False, False, True]),
)


def assert_said(text: str) -> None:
    """It can be written to a log and shown on a terminal."""
    text.encode()
    assert text.isprintable()
    assert 0 < len(text) <= LONGEST


def assert_id(text: str) -> None:
    """It can stand in a list of ids that is joined by commas."""
    assert text.isascii()
    assert text.isprintable()
    assert not {",", " "}.intersection(text)
    assert 0 < len(text) <= 64


def assert_refusal(refusal: refusals.Refusal) -> None:
    for text in (refusal.category, refusal.correlation_id):
        text.encode()
        assert len(text) <= 200
    assert refusal.category.isprintable()
    refusal.message.encode()
    assert len(refusal.message) <= refusals.MESSAGE_LIMIT


def assert_lawful(sent: Batch, found: Verdict, reply: Reply) -> None:
    assert isinstance(found, get_args(Verdict))
    everyone = [entry.ordinal for entry in sent.entries]
    if isinstance(found, Outcomes):
        assert reply.whole
        assert 200 <= reply.status < 300
        told = [*found.loaded, *found.rejected, *found.conflicts]
        assert sorted([o for o, _ in told] + [*found.silent]) == everyone
        for each in (*(made for _, made in found.loaded if made), *found.loose_ids):
            assert_id(each)
        for _, refusal in (*found.rejected, *found.conflicts):
            assert_refusal(refusal)
        assert 0 <= found.worked_s < 3600
    elif isinstance(found, Refused):
        for pairs in (found.blamed, found.conflicts):
            assert len({o for o, _ in pairs}) == len(pairs)
            assert {o for o, _ in pairs} <= {*everyone}
            for _, refusal in pairs:
                assert_refusal(refusal)
        assert found.suspects <= {*everyone}
        assert_refusal(found.because)
    else:
        assert_said(found.reason)
        if isinstance(found, TryLater | Doubtful):
            assert found.after is None or 0 <= found.after < 864_000


@given(REPLIES, st.integers(1, 3), st.booleans(), st.sampled_from(["", KEY]))
@settings(max_examples=400, deadline=None)
def test_every_answer_to_a_create_has_a_verdict_that_accounts_for_all(
    reply: Reply, size: int, keyed_: bool, key_property: str
) -> None:
    sent = Batch(tuple(keyed(n) for n in range(size))) if keyed_ else batch(range(size))
    found = wire.judge(sent, reply, key_property)
    assert_lawful(sent, found, reply)
    if reply.hopeless:
        assert found == replies.Denied("why")


@given(REPLIES, st.booleans())
@settings(deadline=None)
def test_every_answer_to_a_read_shows_something_or_nothing(reply: Reply, by_id: bool) -> None:
    asked = ["100"] if by_id else [key_of(0), key_of(1)]
    found = lookup.judge(asked, reply, MARKS, by_id=by_id)
    if isinstance(found, lookup.Findings):
        assert reply.whole
        for each in found.found.values():
            assert_id(each.id)
    else:
        assert_said(found.reason)


@given(REPLIES)
@settings(deadline=None)
def test_every_answer_to_a_search_shows_a_page_or_nothing(reply: Reply) -> None:
    found = searching.judge(reply)
    if isinstance(found, searching.Page):
        assert reply.whole
        for each in found.results:
            assert_id(each.id)
            searching.plain(each.properties)
            searching.about(each.properties)
    else:
        assert_said(found.reason)


@given(REPLIES)
@settings(deadline=None)
def test_every_answer_to_an_archive_is_one_of_three(reply: Reply) -> None:
    for found in (archive.judge(reply), archive.judge_read(["100"], reply), replies.trouble(reply)):
        if isinstance(found, replies.Trouble):
            assert_said(found.reason)
        elif isinstance(found, archive.NotArchived):
            assert_said(found.why)


@given(REPLIES)
@settings(deadline=None)
def test_every_answer_about_the_account_is_read(reply: Reply) -> None:
    told = account.read(reply)
    assert bool(told.portal) + bool(told.denied) + bool(told.trouble) == 1
    prop = account.read_property(reply)
    for text in (told.denied, told.trouble, prop.denied, prop.trouble):
        if text:
            assert_said(text)


@given(HEADERS, st.floats(0, 1e9), st.floats(0, 1e9), st.text(max_size=30))
@settings(deadline=None)
@example({"Date": "Mon, 01 Jan 0001 00:00:00 +2359"}, 1.0, 2.0, "")
@example({}, 1.0, 2.0, "0001-01-01T00:00:00+14:00")
def test_every_header_is_read(
    headers: Mapping[str, str], sent: float, received: float, completed: str
) -> None:
    after = replies.retry_after(headers)
    assert after is None or 0 <= after < 864_000
    told = ratelimits.rolling(headers)
    assert told is None or told.calls > 0
    ratelimits.daily(headers)
    clock = RemoteClock(lambda: 1.0)
    clock.observe(headers, sent, received, completed)
    clock.observe(headers, sent, received)
    least, most = clock.at_least(), clock.at_most()
    assert (least is None) == (most is None)


@given(WRITTEN, st.text(), st.dictionaries(st.text(), st.text(), max_size=3))
@settings(deadline=None)
def test_every_error_text_is_read(text: str, message: str, properties: dict[str, str]) -> None:
    for said in (text, message):
        refusals.flaws(said)
        refusals.column(said)
        assert len(refusals.holders(said)) <= 10
        refusal = refusals.read({"message": said, "category": said, "correlationId": said}, 400)
        assert_refusal(refusal)
        refusals.is_conflict(refusal, KEY)
        refusals.quotes_key(refusal, key_of(0), KEY)
        refusals.blame({"message": said, "context": {"properties": [said]}}, properties)
        assert refusals.describe(400, {"category": said}).isprintable()


def test_an_id_is_one_id() -> None:
    sent = batch(range(3))
    theirs: Any
    for theirs in ("7,8", "7 8", "", "7\n8", True, 7.5, None, [], "7" * 65, "é"):
        body = made(0, 1)
        body["results"].append({"id": theirs, "objectWriteTraceId": "t2"})
        found = wire.judge(sent, Reply(201, {}, orjson.dumps(body)))
        assert isinstance(found, Outcomes)
        assert found.silent == (2,), theirs


def test_a_location_is_shown_without_what_may_be_secret() -> None:
    where = "https://login.example/\x1b[2J?token=abc" + "x" * 9000
    denied = replies.denied(Reply(302, {"Location": where}, b""))
    assert denied is not None
    assert "login.example" in denied.reason
    assert "abc" not in denied.reason
    assert_said(denied.reason)


FLAW = '{"name":"subject","error":"INVALID","message":"s is bad, s1 and s22 and s333"}'
LARGE: dict[str, Any] = {
    "flaws": {"message": "not valid: [" + ",".join([FLAW] * 10_000) + "]"},
    "more flaws": {"message": "not valid: [" + ",".join([FLAW] * 25_000) + "]"},
    "errors": {"results": [], "errors": [{"message": f"[{FLAW}]"}] * 20_000},
    "unlabelled": {
        "results": [],
        "errors": [{"message": f"[{','.join([FLAW] * 60)}]", "n": n} for n in range(100)],
    },
    "message": {"message": "1" * 2_000_000, "category": "x" * 1000},
    "results": {"results": [{"id": str(n), "properties": {}} for n in range(50_000)]},
    "names": {"results": [], "errors": [{"context": {"objectWriteTraceId": ["t1"] * 250_000}}]},
}


@pytest.mark.parametrize("status", [207, 400])
@pytest.mark.parametrize("kind", LARGE)
def test_a_large_hostile_answer_costs_little(status: int, kind: str) -> None:
    # A hundred inputs: whatever is read for each is read a hundredfold.
    sent = Batch(tuple(keyed(n) for n in range(100)))
    reply = Reply(status, {}, orjson.dumps(LARGE[kind]))
    tracemalloc.start()
    try:
        assert_lawful(sent, wire.judge(sent, reply, KEY), reply)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 40 * len(reply.body)
    began = time.process_time()
    wire.judge(sent, reply, KEY)
    assert time.process_time() - began < 5, "while it is judged all the others wait"
