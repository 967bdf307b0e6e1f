"""A source of a program's own: its records, at its positions, from any of them on."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import closing
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from bulkload import OwnSource, check, load
from bulkload.errors import (
    BulkloadError,
    RefusedToStart,
    StoppedForGood,
    StoppedResumable,
    UnreadableRecord,
)
from bulkload.handed import refuse_without
from bulkload.model import Position
from bulkload.records.astray import missed
from bulkload.sources import describe
from bulkload.sources.own import Cancelled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

closed: list[str] = []


async def read(start: int | str | None) -> AsyncIterator[tuple[int | str, Any]]:
    try:
        for n in range(int(start or 0), 50):
            await asyncio.sleep(0)
            yield n, {"n": n, "text": "é"}
    finally:
        closed.append("closed")


def test_records_are_what_it_yields_from_any_position_on() -> None:
    source = OwnSource("mine", read)
    records = list(source.records())
    assert [json.loads(record.raw or b"") for record in records] == [
        {"n": n, "text": "é"} for n in range(50)
    ]
    assert records[7].position == Position(7, 8)
    assert list(source.records(records[7].position)) == records[7:]
    assert json.loads(json.dumps(describe(source)))["name"] == "mine"
    assert source.fingerprint() != OwnSource("mine", read, bound={"v": 2}).fingerprint()


def test_it_is_closed_where_reading_stops() -> None:
    closed.clear()
    records = OwnSource("mine", read).records()
    next(records)
    records.close()
    assert closed == ["closed"]


def test_messages_are_bytes_and_what_is_none_is_a_flaw() -> None:
    async def mixed(start: int | str | None) -> AsyncIterator[tuple[str, Any]]:
        del start
        yield "a", b"Subject: x\n\nhello\n"
        yield "b", {"not": "bytes"}

    mail, flawed = OwnSource("mine", mixed, mail=True).records()
    assert (mail.kind, mail.raw) == ("mail", b"Subject: x\n\nhello\n")
    assert "bytes" in (flawed.flaw or "")
    (_, row) = OwnSource("mine", mixed).records()
    assert row.raw == b'{"not":"bytes"}'


@pytest.mark.parametrize(
    "error", [ValueError("of its own"), UnreadableRecord("x"), RefusedToStart("x"), BulkloadError()]
)
def test_what_it_fails_with_stops_the_run_and_its_message_stays_with_the_program(
    error: Exception,
) -> None:
    async def failing(start: int | str | None) -> AsyncIterator[tuple[int, Any]]:
        del start
        yield 1, {}
        raise error

    source = OwnSource("mine", failing)
    records = source.records()
    next(records)
    with pytest.raises(StoppedResumable) as raised:
        next(records)
    line = failing.__code__.co_firstlineno + 3
    assert str(raised.value) == (
        f"mine: its reading failed at record 2 ({type(error).__name__}, test_own.py line {line}). "
        "Mend the source, then resume"
    )
    assert raised.value.__cause__ is source.failure is error
    next(source.records())
    assert source.failure is None


@pytest.mark.parametrize("error", [StoppedResumable("until 7"), StoppedForGood("it was moved")])
def test_what_it_says_itself_is_what_is_told(error: BulkloadError) -> None:
    async def failing(start: int | str | None) -> AsyncIterator[tuple[int, Any]]:
        del start
        yield 1, {}
        raise error

    with pytest.raises(type(error), match=str(error)):
        list(OwnSource("mine", failing).records())


def test_one_that_fails_before_its_first_record_or_as_it_is_closed_has_failed_too() -> None:
    def none(_start: object) -> Any:
        raise KeyError("x")

    class Odd:
        def __aiter__(self) -> Odd:
            return self

        async def __anext__(self) -> tuple[int, dict[str, str]]:
            raise StopAsyncIteration

        async def aclose(self) -> None:
            raise KeyError("x")

    given: list[Any] = [none, lambda: none(None), lambda _: Odd()]
    for each in given:
        with pytest.raises(StoppedResumable, match="mine: its reading failed at record 1 "):
            list(OwnSource("mine", each).records())


@pytest.mark.parametrize("given", [{"hs_timestamp": "1"}, (1, {}, 3), None], ids=repr)
def test_what_is_no_pair_names_the_source(given: Any) -> None:
    async def odd(start: int | str | None) -> AsyncIterator[Any]:
        del start
        yield given

    with pytest.raises(StoppedResumable, match=r"mine: record 1 came as .* a pair"):
        list(OwnSource("mine", odd).records())


def test_values_that_json_lacks_are_sent_as_their_text_where_that_is_the_same_each_time() -> None:
    noon = datetime(2024, 1, 2, 12, 0, 0, 600, tzinfo=UTC)

    async def odd(start: int | str | None) -> AsyncIterator[tuple[int, Any]]:
        del start
        yield 1, {
            "amount": Decimal("1.10"), "path": Path("/a/é"), "id": UUID(int=1),
            "at": noon, "naive": noon.replace(tzinfo=None), "day": date(2024, 1, 2),
            "hour": time(3, 4), "inner": MappingProxyType({"a": (1, None)}),
        }  # fmt: skip

    (record,) = OwnSource("mine", odd).records()
    assert json.loads(record.raw or b"") == {
        "amount": "1.10", "path": "/a/é", "id": str(UUID(int=1)),
        "at": "2024-01-02T12:00:00.000600+00:00", "naive": "2024-01-02T12:00:00.000600",
        "day": "2024-01-02", "hour": "03:04:00", "inner": {"a": [1, None]},
    }  # fmt: skip


@pytest.mark.parametrize(
    "value",
    [b"body", {1, 2}, object(), 2**64, 1j, "\ud800"],
    ids=lambda value: type(value).__name__,
)
def test_a_value_whose_text_may_be_another_the_next_time_is_a_flaw(value: Any) -> None:
    async def odd(start: int | str | None) -> AsyncIterator[tuple[int, Any]]:
        del start
        yield 1, {"text": {"inside": value}}
        yield 2, {}

    flawed, sound = OwnSource("mine", odd).records()
    assert (flawed.flaw or "").startswith("can't be written as JSON: ")
    assert "body" not in (flawed.flaw or "")
    assert sound.raw == b"{}"


def test_what_binds_a_run_is_what_a_journal_gives_back() -> None:
    bound = {"range": (1, 2), "since": date(2024, 1, 2), "deep": MappingProxyType({"a": (1,)})}
    kept = OwnSource("mine", read, bound=bound).fingerprint()
    assert kept == json.loads(json.dumps(kept))
    assert kept == {"own": "mine", "range": [1, 2], "since": "2024-01-02", "deep": {"a": [1]}}


@pytest.mark.parametrize("bound", [{"x": {1}}, {"x": b"y"}, {1: "x"}, {"own": "x"}, {"x": 2**64}])
def test_what_no_journal_can_keep_is_refused_at_once(bound: Any) -> None:
    with pytest.raises(TypeError, match="OwnSource 'mine': bound can't "):
        OwnSource("mine", read, bound=bound)


def test_a_read_that_gives_no_async_iterator_is_refused() -> None:
    def plain(_start: object) -> Any:
        yield 1, {}

    async def forgotten(_start: object) -> Any:
        return [(1, {})]

    given: list[tuple[Any, Any]] = [
        (plain, lambda start: plain(start)),  # noqa: PLW0108  # what can't be seen before it is called
        (forgotten, lambda start: forgotten(start)),  # noqa: PLW0108  # likewise
    ]
    for wrong, hidden in given:
        with pytest.raises(TypeError, match="OwnSource 'mine': read has to be `async def`"):
            OwnSource("mine", wrong)
        late = OwnSource("mine", hidden)
        with pytest.raises(StoppedResumable, match=r"mine: its read gave a (generator|coroutine)"):
            list(late.records())


def test_what_can_be_iterated_over_will_do() -> None:
    class Rows:
        def __aiter__(self) -> Any:
            return read(48)

    rows: Any = Rows()
    first, second = OwnSource("mine", lambda _: rows).records()
    assert (first.position.at, second.position.at) == (48, 49)


async def queue(_start: object) -> AsyncIterator[tuple[int, Any]]:
    while left:
        yield left.pop(0), {}


left: list[int] = []


def test_what_can_be_read_only_once_is_told_before_anything_is_lost() -> None:
    left[:] = range(5)
    source, once = OwnSource("mine", queue), read(None)
    with closing(source.records()) as looked:
        next(looked)
    with pytest.raises(StoppedResumable, match=r"began with position 1, where .* with 0\."):
        next(source.records())
    left[:] = range(7, 9)
    source.fingerprint()  # another run
    assert len(list(source.records())) == 2
    used_up = OwnSource("mine", lambda _: once)
    with closing(used_up.records()) as looked:
        next(looked)
    with pytest.raises(StoppedResumable, match="found no record, where it had begun with 0"):
        next(used_up.records())


@pytest.mark.parametrize(("shift", "said"), [(1, "began with position 8"), (99, "found no record")])
def test_a_reading_that_begins_elsewhere_than_asked_for_is_none(shift: int, said: str) -> None:
    """Its records would have the numbers of others, which are settled."""
    source = OwnSource("mine", lambda start: read(int(start or 0) + shift))
    with pytest.raises(StoppedResumable, match=f"to read on from position 7 it {said}"):
        next(source.records(Position(7, 8)))


def test_one_can_not_be_checked_and_is_told_what_to_do_instead() -> None:
    with pytest.raises(RefusedToStart, match=r"mine: .* can't be checked\. Load its first records"):
        asyncio.run(check(OwnSource("mine", read)))


def test_two_of_one_name_are_refused(tmp_path: Path) -> None:
    async def both() -> None:
        with pytest.raises(RefusedToStart, match="two sources are named 'a'"):
            await load(OwnSource("a", read), OwnSource("a", read), run=tmp_path / "r", token="x")

    asyncio.run(both())


@pytest.mark.parametrize("at", [None, [1], 1.5, True, 2**63, "\ud800"], ids=repr)
def test_a_position_that_no_journal_can_keep_names_the_source(at: Any) -> None:
    async def odd(start: int | str | None) -> AsyncIterator[tuple[Any, Any]]:
        del start
        yield 1, {}
        yield at, {}

    records = OwnSource("mine", odd).records()
    next(records)
    with pytest.raises(StoppedResumable, match=r"mine: the position of record 2 is .* Mend the s"):
        next(records)


@pytest.mark.parametrize("at", [-(2**63), 2**63 - 1, "", "é"])
def test_ints_of_64_bits_and_texts_are_positions(at: int | str) -> None:
    async def one(start: int | str | None) -> AsyncIterator[tuple[int | str, Any]]:
        del start
        yield at, {}

    (record,) = OwnSource("mine", one).records()
    assert record.position == Position(at, 1)


@pytest.mark.parametrize("early", [False, True])
def test_who_stops_waits_for_no_record_but_for_the_sources_own_end(early: bool) -> None:
    """`early`: before the first record was asked for."""
    waits, ended = threading.Event(), threading.Event()

    async def slow(start: int | str | None) -> AsyncIterator[tuple[int, Any]]:
        del start
        try:
            waits.set()
            await asyncio.Event().wait()
            yield 1, {}
        finally:
            await asyncio.sleep(0.01)
            ended.set()

    source = OwnSource("mine", slow)
    records = source.records()

    def stop() -> None:
        waits.wait()
        source.stop()

    if early:
        source.stop()
    else:
        threading.Thread(target=stop).start()
    with pytest.raises(Cancelled):
        next(records)
    assert ended.is_set() != early
    source.stop()  # nobody waits any more
    again = source.records()
    threading.Thread(target=stop).start()
    with pytest.raises(Cancelled):  # and not because of an earlier one
        next(again)
    assert ended.is_set()


def test_what_is_being_read_is_read_by_nobody_else() -> None:
    source = OwnSource("mine", read)
    records, late = source.records(), source.records()
    next(records)
    bound = OwnSource("mine", read).fingerprint()
    with pytest.raises(RefusedToStart, match=r"mine: another load reads it now.* for each"):
        source.fingerprint()
    for begin in (source.records, lambda: next(late)):
        with pytest.raises(StoppedResumable, match=r"mine: another load reads it now.* resume$"):
            begin()
    assert source.still(bound)
    assert len(list(records)) == 49
    assert len(list(source.records())) == 50
    assert source.fingerprint() == bound


def test_a_source_that_cancels_itself_has_failed() -> None:
    """As a cancellation it would end a worker in silence, and the run as if all were read."""

    async def cancelled(start: int | str | None) -> AsyncIterator[tuple[int, Any]]:
        del start
        yield 1, {}
        raise asyncio.CancelledError

    records = OwnSource("mine", cancelled).records()
    next(records)
    with pytest.raises(StoppedResumable, match=r"mine: its reading failed .*CancelledError"):
        next(records)


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        (refuse_without("mine"), "with the source handed in again"),
        (RefusedToStart("a.csv: is gone."), "a.csv: is gone. Put it back, then resume"),
        (RefusedToStart("a.csv: is gone"), "a.csv: is gone. Put it back, then resume"),
    ],
)
def test_what_is_missed_is_said_in_whole_sentences(refused: RefusedToStart, said: str) -> None:
    assert str(missed(refused)).endswith(said)
