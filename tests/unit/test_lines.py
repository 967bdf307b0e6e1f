"""Lines and streams: offsets, limits, torn gzip."""

from __future__ import annotations

import gzip
import os
import zlib
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulkload.errors import RefusedToStart, StoppedForGood, StoppedResumable
from bulkload.sources import lines as cutting
from bulkload.sources import streams
from bulkload.sources.lines import Line, read_lines
from bulkload.sources.members import open_stream
from bulkload.sources.places import Local
from bulkload.sources.streams import FileStream

if TYPE_CHECKING:
    from pathlib import Path


def lines(path: Path, offset: int = 0, number: int = 1, limit: int = 1 << 20) -> list[Line]:
    stream = open_stream(Local(path), "shown", offset)
    try:
        return list(read_lines(stream, number, limit))
    finally:
        stream.close()


@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(
    content=st.lists(st.sampled_from([b"\n", b"a", b"bcd", b"\r", b"efghijkl"]), max_size=60),
    block=st.integers(1, 9),
    limit=st.integers(1, 20),
    compressed=st.booleans(),
)
def test_lines_are_those_of_split_whatever_the_buffers(
    tmp_path: Path,
    content: list[bytes],
    block: int,
    limit: int,
    compressed: bool,
) -> None:
    whole = b"".join(content)
    path = tmp_path / "f"
    path.write_bytes(gzip.compress(whole) if compressed else whole)
    expected = []
    offset = 0
    for number, raw in enumerate(whole.split(b"\n"), 1):
        expected.append((offset, number, raw if len(raw) <= limit else None))
        offset += len(raw) + 1
    if not whole or whole.endswith(b"\n"):
        expected.pop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "BLOCK", block)
        patch.setattr(cutting, "BLOCK", block)
        found = lines(path, limit=limit)
    assert [line[:3] for line in found] == expected
    assert all((line.raw is None) == (line.flaw is not None) for line in found)


def test_an_over_large_line_says_how_large_and_at_what_offset(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"a\n" + b"b" * 5000 + b"\nc")
    _, large, last = lines(path, limit=100)
    assert (large.offset, large.number, large.raw) == (2, 2, None)
    assert "5,000 bytes" in (large.flaw or "")
    assert last == Line(5003, 3, b"c")


@pytest.mark.parametrize("cut", [1, 4, 9, 200])
def test_a_torn_gzip_gives_what_can_be_read_then_one_flaw(tmp_path: Path, cut: int) -> None:
    content = b"".join(b"line %d\n" % at for at in range(1000))
    path = tmp_path / "f"
    path.write_bytes(gzip.compress(content)[:-cut])
    *whole, torn = lines(path)
    assert [line.raw for line in whole] == content.split(b"\n")[: len(whole)]
    assert all(line.flaw is None for line in whole)
    assert "ends too early at byte" in (torn.flaw or "")
    assert torn.offset == sum(len(line.raw or b"") + 1 for line in whole)
    assert len(whole) > 500


def test_a_corrupt_gzip_gives_what_comes_before_the_fault(tmp_path: Path) -> None:
    compressor = zlib.compressobj(wbits=31)
    content = b"".join(b"line %d\n" % at for at in range(1000))
    good = compressor.compress(content) + compressor.flush(zlib.Z_FULL_FLUSH)
    path = tmp_path / "f"
    path.write_bytes(good + b"\xff" * 100)
    *whole, torn = lines(path)
    assert len(whole) == 1000
    assert torn.raw == b""
    assert "is corrupt at byte" in (torn.flaw or "")
    assert torn.offset == len(content)


def test_gzip_padding_is_no_flaw_and_other_bytes_after_it_are(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(gzip.compress(b"a\n") + b"\0" * 1000)
    assert lines(path) == [Line(0, 1, b"a")]
    path.write_bytes(gzip.compress(b"a\n") + b"\0\0" + gzip.compress(b"b\n"))
    assert [line.raw for line in lines(path)] == [b"a", b"b"]
    path.write_bytes(gzip.compress(b"a\n") + b"junk")
    assert "not gzip" in (lines(path)[-1].flaw or "")


def test_a_resume_past_a_torn_gzip_still_says_so(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(gzip.compress(b"a\nb\n")[:-4])
    torn = lines(path)[-1]
    assert lines(path, torn.offset, torn.number) == [torn]


def test_what_can_not_be_opened_refuses(tmp_path: Path) -> None:
    with pytest.raises(RefusedToStart, match="no such file"):
        open_stream(Local(tmp_path / "none"), "shown")
    with pytest.raises(RefusedToStart, match="is a folder"):
        open_stream(Local(tmp_path), "shown")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RefusedToStart, match="is a pipe or a device"):
        open_stream(Local(tmp_path / "pipe"), "shown")


def test_a_disk_that_fails_while_reading_stops_resumable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"a\n" * 100)
    monkeypatch.setattr(streams, "BLOCK", 10)
    stream = FileStream(path, "shown")
    assert stream.read() == b"a\n" * 5
    stream._file.close()
    stream._file = Failing()  # type: ignore[assignment]
    with pytest.raises(StoppedResumable, match="shown: can't be read at byte 10"):
        list(read_lines(stream, 1, 100))


class Failing:
    def read(self, size: int) -> bytes:
        raise OSError(5, "Input/output error")


def test_a_grown_file_has_its_old_fingerprint_over_its_old_extent(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"x" * (3 << 20))
    earlier = Local(path).fingerprint("f")
    with path.open("ab") as file:
        file.write(b"more")
    assert Local(path).fingerprint("f") != earlier
    assert Local(path).fingerprint("f", earlier["size"]) == earlier
    content = bytearray(path.read_bytes())
    content[5] ^= 1
    path.write_bytes(content)
    assert Local(path).fingerprint("f", earlier["size"]) != earlier
    path.write_bytes(b"x")
    assert Local(path).fingerprint("f", earlier["size"]) != earlier


def test_a_file_that_was_cut_gives_no_half_of_a_record(tmp_path: Path) -> None:
    path = tmp_path / "cut.ndjson"
    path.write_bytes(b"1\n2\n3")
    with closing(FileStream(path, "cut", extent=9)) as stream:
        assert stream.read() == b"1\n2\n3"
        with pytest.raises(StoppedForGood, match="ends at byte 5, and had 9: it changed"):
            stream.read()
