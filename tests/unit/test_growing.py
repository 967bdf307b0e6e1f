"""Files that grow: whatever is cut where, no record is lost and none is taken for two."""

from __future__ import annotations

import csv
import gzip
import json
from io import StringIO
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.sources import Asked, describe, open_sources, reopen
from bulkload.sources.csvs import CsvSource
from bulkload.sources.growing import TORN, GrowingFile
from bulkload.sources.mbox import MboxSource
from bulkload.sources.ndjson import NdjsonSource

if TYPE_CHECKING:
    from bulkload.model import Record

TEXTS = st.lists(
    st.sampled_from(["", "a", "two\nlines", 'a "quoted" one', "é 漢", "x" * 300, "From here\n"]),
    max_size=8,
)
CUTS = st.lists(st.floats(0, 1), max_size=4).map(sorted)


def _ndjson(texts: list[str]) -> tuple[bytes, list[bytes]]:
    lines = [json.dumps({"n": at, "text": text}).encode() for at, text in enumerate(texts)]
    return b"", [line + b"\n" for line in lines]


def _csv(texts: list[str]) -> tuple[bytes, list[bytes]]:
    rows = []
    for at, text in enumerate(texts):
        written = StringIO()
        csv.writer(written).writerow([at, text])
        rows.append(written.getvalue().encode())
    return b"n,text\r\n", rows


def _mbox(texts: list[str]) -> tuple[bytes, list[bytes]]:
    return b"", [
        f"From a@b.c Mon Jan  1 10:00:{at:02} 2024\nSubject: {at}\n\n{text}\n\n".encode()
        for at, text in enumerate(texts)
    ]


def _nights(
    kind: type[GrowingFile], path: Path, stages: list[bytes], *, hint: bool
) -> list[list[Record]]:
    """What each part holds, of a file that is `stages`, one after another."""
    parts: list[GrowingFile] = []
    found: list[list[Record]] = []
    for stage in stages:
        path.write_bytes(stage)
        if not parts:
            source: GrowingFile | None = kind(path, "shown")
        else:
            old = parts[-1]
            again = reopen(json.loads(json.dumps(describe(old))))
            assert again.fingerprint() == old.fingerprint()
            assert isinstance(again, GrowingFile)
            assert list(again.records()) == found[-1]
            last = found[-1][-1].position if hint and found[-1] else None
            source = again.extended(parts, last)
        if source is not None:
            source.fingerprint()
            parts.append(source)
            found.append(list(source.records()))
            for record in found[-1]:
                assert next(source.records(record.position)) == record
            assert source.consumed() == source.size()
    return found


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("kind", "make"),
    [(NdjsonSource, _ndjson), (CsvSource, _csv), (MboxSource, _mbox)],
    ids=["ndjson", "csv", "mbox"],
)
@given(texts=TEXTS, cuts=CUTS, hint=st.booleans())
def test_each_record_is_there_once_wherever_the_file_was_cut(
    kind: type[GrowingFile],
    make: object,
    packed: bool,
    texts: list[str],
    cuts: list[float],
    hint: bool,
) -> None:
    assert callable(make)
    head, rows = make(texts)
    body = b"".join(rows)
    ends = [len(head) + int(cut * len(body)) for cut in cuts]
    content = head + body
    stages = [content[:end] for end in (*ends, len(content))]
    if packed:  # a member a night, as a logger appends them
        edges = [0, *ends, len(content)]
        members = [gzip.compress(content[a:b]) for a, b in pairwise(edges)]
        stages = [b"".join(members[:count]) for count in range(1, len(members) + 1)]
    with TemporaryDirectory() as folder:
        found = _nights(kind, Path(folder) / "source", stages, hint=hint)
    read = [(r.flaw, (r.raw or b"").rstrip(b"\r\n")) for part in found for r in part]
    lines = [row.rstrip(b"\r\n") for row in rows]
    whole = [raw for flaw, raw in read if flaw is None and raw in lines]
    torn = [raw for flaw, raw in read if flaw == TORN]
    assert whole == [line for line in lines if line in whole]  # each once, in order
    assert set(lines) - set(whole) <= set(torn)
    if kind is NdjsonSource:
        assert whole == lines
        assert not torn


def test_the_line_numbers_go_on(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_text('{"n": 1}\n\n{"n": 2}\n\n')
    first = NdjsonSource(path)
    first.fingerprint()
    with path.open("a") as file:
        file.write('{"n": 3}\n')
    more = first.extended([first], None)
    assert more is not None
    assert [(r.position.number, r.raw) for r in more.records()] == [(5, b'{"n": 3}')]


def test_blank_lines_alone_are_nothing_new(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_text('{"n": 1}')
    first = NdjsonSource(path)
    first.fingerprint()
    assert first.extended([first], None) is None
    path.write_text('{"n": 1}\n\n')
    assert first.still(first.fingerprint())
    assert first.extended([first], None) is None


def test_a_file_that_was_rewritten_is_not_what_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("n\n1\n")
    first = CsvSource(path)
    bound = first.fingerprint()
    path.write_text("n\n2\n3\n")
    assert not first.still(bound)
    path.write_text("n\n1\n3\n")
    assert first.still(bound)


@pytest.mark.parametrize("kind", ["maildir", "eml", "mh"])
def test_of_a_folder_the_new_messages_are_found_whatever_became_of_the_others(
    tmp_path: Path, kind: str
) -> None:
    def put(name: str) -> Path:
        path = tmp_path / "box" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"Subject: {name}\n\ntext\n")
        return path

    (tmp_path / "box" / "new").mkdir(parents=True)
    (tmp_path / "box" / "cur").mkdir()
    if kind != "maildir":
        (tmp_path / "box" / "new").rmdir()
        (tmp_path / "box" / "cur").rmdir()
    names = {
        "maildir": ["cur/1:2,S", "new/2", "new/3", "new/4"],
        "eml": ["2.eml", "a/3.eml", "a/1.eml", "b/0.eml"],
        "mh": ["1", "2", "a/1", "a/0"],
    }[kind]
    asked = Asked(format=kind)
    first, gone = put(names[0]), put(names[1])
    (source,) = open_sources([str(tmp_path / "box")], asked)
    bound = source.fingerprint()
    listing = source.listing()  # type: ignore[attr-defined]  # of MessageFiles
    put(names[2])
    again = reopen(describe(source), listing=listing)
    assert again.fingerprint() == bound
    assert [r.raw for r in again.records()] == [r.raw for r in source.records()]
    gone.unlink()
    assert reopen(describe(source), listing=listing).fingerprint() != bound
    more = again.extended([again], None)  # type: ignore[attr-defined]  # as above
    assert [r.raw for r in more.records()] == [f"Subject: {names[2]}\n\ntext\n".encode()]
    put(names[3])
    later = more.extended([again, more], None)
    assert [r.raw for r in later.records()] == [f"Subject: {names[3]}\n\ntext\n".encode()]
    assert later.extended([again, more, later], None) is None
    assert first.exists()
