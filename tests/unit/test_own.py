"""A source of a program's own: its records, at its positions, from any of them on."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from bulkload import OwnSource, load
from bulkload.errors import RefusedToStart
from bulkload.model import Position
from bulkload.sources import describe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

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


def test_an_error_of_its_own_is_raised_as_it_is() -> None:
    async def failing(start: int | str | None) -> AsyncIterator[tuple[int, Any]]:
        del start
        yield 1, {}
        raise ValueError("of its own")

    records = OwnSource("mine", failing).records()
    next(records)
    with pytest.raises(ValueError, match="of its own"):
        next(records)


def test_two_of_one_name_are_refused(tmp_path: Path) -> None:
    async def both() -> None:
        with pytest.raises(RefusedToStart, match="two sources are named 'a'"):
            await load(OwnSource("a", read), OwnSource("a", read), run=tmp_path / "r", token="x")

    asyncio.run(both())
