"""NDJSON lines as records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulkload.model import Position, Record
from bulkload.sources.letters import LettersSource
from bulkload.sources.ndjson import NdjsonSource

if TYPE_CHECKING:
    from pathlib import Path


def test_blank_lines_count_but_are_no_records(tmp_path: Path) -> None:
    path = tmp_path / "f.ndjson"
    path.write_bytes(b'\xef\xbb\xbf{"a":"1"}\r\n\r\n \t\n{"b":"2"}\n\n{"c":"3"}')
    assert list(NdjsonSource(path).records()) == [
        Record(Position(0, 1), "json", b'{"a":"1"}'),
        Record(Position(19, 4), "json", b'{"b":"2"}'),
        Record(Position(30, 6), "json", b'{"c":"3"}'),
    ]


def test_broken_lines_are_records_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "f.ndjson"
    path.write_bytes(b'{"a":\n\xff\xfe\n{"b":"\0"}\n')
    assert [record.raw for record in NdjsonSource(path).records()] == [
        b'{"a":',
        b"\xff\xfe",
        b'{"b":"\0"}',
    ]


def test_letters_are_lines_of_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b'{"bulkload":"dead-letter/1"}\n')
    source = LettersSource(path)
    assert [record.kind for record in source.records()] == ["letter"]
    assert (source.format, source.noun) == ("letters", "letter")
