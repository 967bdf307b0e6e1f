"""An answer is seen alike with msgspec and without, and is the usual one or is read closely."""

from __future__ import annotations

import sys

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bulkload.hubspot import glance
from tests.unit.test_wire_hostile import BODIES, SCALARS

by_msgspec = glance.by_msgspec()
BOTH = [glance.by_orjson, by_msgspec]
TIMES = {"startedAt": "2026-01-01T00:00:00.000Z", "completedAt": "2026-01-01T00:00:01.000Z"}

RESULTS = st.lists(
    st.tuples(SCALARS, SCALARS, SCALARS).map(
        '{{"id":{0[0]},"properties":{0[1]},"objectWriteTraceId":{0[2]}}}'.format
    ),
    max_size=3,
).map(",".join)
USUAL = st.tuples(RESULTS, SCALARS, SCALARS).map(
    '{{"results":[{0[0]}],"errors":{0[1]},"startedAt":{0[2]}}}'.format
)


@given(BODIES | USUAL.map(lambda text: text.encode("utf-8", "surrogatepass")))
@example(b'{"results":[{"id":"1","objectWriteTraceId":"a","properties":{"x":"\xff"}}]}')
@example(b'{"results":[{"id":"1","objectWriteTraceId":"a","id":"2"}],"results":[]}')
@example(b'{"results":[]} ')
def test_msgspec_and_orjson_see_the_same(body: bytes) -> None:
    assert glance.by_orjson(body) == by_msgspec(body)


@pytest.mark.parametrize("read", BOTH)
def test_the_usual_answer(read: glance.Glance) -> None:
    results = [{"id": f"{n}", "objectWriteTraceId": f"t{n}", "properties": {}} for n in range(3)]
    made = read(orjson.dumps({"status": "COMPLETE", "results": results, **TIMES}))
    assert made == ({"t0": "0", "t1": "1", "t2": "2"}, 3, *TIMES.values())


@pytest.mark.parametrize("read", BOTH)
@pytest.mark.parametrize(
    "answer",
    [
        {"results": [], "errors": [{"message": "no"}]},
        {"results": [{"id": 1, "objectWriteTraceId": "t"}]},
        {"results": [{"id": "1"}]},
        {"results": {}},
        {"results": [], "startedAt": None},
        {},
        [],
    ],
)
def test_any_other_is_left_to_who_reads_closely(read: glance.Glance, answer: object) -> None:
    assert read(orjson.dumps(answer)) is None


def test_without_msgspec_orjson_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "msgspec", None)
    glance.glance.cache_clear()
    try:
        assert glance.glance() is glance.by_orjson
    finally:
        glance.glance.cache_clear()
