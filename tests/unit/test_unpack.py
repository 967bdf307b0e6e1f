"""bzip2, xz and Zstandard undone: several streams, torn ones, corrupt ones, and bombs."""

from __future__ import annotations

import bz2
import lzma
import random
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from backports import zstd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulkload.errors import RefusedToStart
from bulkload.sources import Asked, open_sources, streams
from bulkload.sources.members import open_stream
from bulkload.sources.places import Local
from bulkload.sources.unpack import packing_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd.compress,
}
CONTENT = b"".join(b"line %d %d\n" % (at, at * 7919 % 10007) for at in range(20_000))
each_packing = pytest.mark.parametrize("packing", list(COMPRESS))


def read(path: Path, packed: bytes, offset: int = 0) -> tuple[bytes, str | None]:
    path.write_bytes(packed)
    with closing(open_stream(Local(path), "shown", offset)) as stream:
        parts = []
        while block := stream.read():
            assert len(block) <= streams.BLOCK
            parts.append(block)
        return b"".join(parts), stream.flaw


@each_packing
def test_it_is_known_by_its_first_bytes(packing: str) -> None:
    assert packing_of(COMPRESS[packing](CONTENT)[:16]) == packing
    assert packing_of(b"BZhello, this is text") is None
    assert packing_of(b"") is None


@each_packing
@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(parts=st.lists(st.binary(max_size=300_000), min_size=1, max_size=4), padding=st.booleans())
def test_streams_one_after_another_are_one(
    tmp_path: Path, packing: str, parts: list[bytes], padding: bool
) -> None:
    # A file that begins with an empty bzip2 stream is not known as one: none is written so.
    parts[0] = parts[0] or b"x"
    zeros = b"\0" * 8 if padding else b""
    packed = zeros.join(COMPRESS[packing](part) for part in parts) + zeros
    assert read(tmp_path / "f", packed) == (b"".join(parts), None)


@each_packing
@pytest.mark.parametrize("offset", [0, 1, 70_000, len(CONTENT) - 1, len(CONTENT)])
def test_it_is_read_from_any_byte_of_its_content(tmp_path: Path, packing: str, offset: int) -> None:
    assert read(tmp_path / "f", COMPRESS[packing](CONTENT), offset) == (CONTENT[offset:], None)


@each_packing
@settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=30)
@given(share=st.floats(0.05, 0.999))
def test_what_is_torn_gives_what_came_before(tmp_path: Path, packing: str, share: float) -> None:
    packed = COMPRESS[packing](CONTENT)
    content, flaw = read(tmp_path / "f", packed[: int(len(packed) * share)])
    assert CONTENT.startswith(content)
    assert "ends too early" in (flaw or "")


@each_packing
@settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=30)
@given(share=st.floats(0, 0.999), bit=st.integers(0, 7))
def test_a_flipped_bit_is_a_flaw_or_no_harm(
    tmp_path: Path, packing: str, share: float, bit: int
) -> None:
    packed = bytearray(COMPRESS[packing](CONTENT))
    packed[16 + int((len(packed) - 16) * share)] ^= 1 << bit
    content, flaw = read(tmp_path / "f", bytes(packed))
    # The standard frame of Zstandard has no checksum: what it makes of a flipped bit may differ.
    assert flaw or packing == "zstd" or content == CONTENT


@each_packing
def test_what_follows_and_is_none_is_said(tmp_path: Path, packing: str) -> None:
    content, flaw = read(tmp_path / "f", COMPRESS[packing](CONTENT) + b"something else entirely")
    assert content == CONTENT
    assert "is followed by bytes that are not" in (flaw or "")


@each_packing
def test_a_bomb_is_read_a_block_at_a_time(tmp_path: Path, packing: str) -> None:
    path = tmp_path / "f"
    path.write_bytes(COMPRESS[packing](bytes(200_000_000)))
    with closing(open_stream(Local(path), "shown")) as stream:
        assert 0 < len(stream.read()) <= streams.BLOCK


def test_frames_without_content_are_passed(tmp_path: Path) -> None:
    skipped = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"abcd"
    packed = skipped + zstd.compress(CONTENT) + skipped
    assert read(tmp_path / "f", packed) == (CONTENT, None)


def test_a_torn_file_says_so_in_its_last_record(tmp_path: Path) -> None:
    path = tmp_path / "f.ndjson.zst"
    noise = random.Random(1)  # noise, so that the stream is of several blocks
    lines = b"".join(b'{"body": "%s"}\n' % noise.randbytes(90).hex().encode() for _ in range(5_000))
    path.write_bytes(zstd.compress(lines)[:-2_000])
    (source,) = open_sources([str(path)], Asked())
    assert source.format == "ndjson"
    *_, last = source.records()
    assert "Zstandard stream ends too early" in (last.flaw or "")


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    monkeypatch.setitem(sys.modules, home, None)
    path = tmp_path / "f.ndjson.zst"
    path.write_bytes(zstd.compress(b'{"a": 1}\n'))
    with pytest.raises(RefusedToStart, match=r"pip install 'bulkload\[zstd\]'"):
        open_sources([str(path)], Asked())
