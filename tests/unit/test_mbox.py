"""mbox: where one message ends and the next begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulkload.sources import streams
from bulkload.sources.mbox import MboxSource

if TYPE_CHECKING:
    from pathlib import Path

    from bulkload.model import Record

LINE = b"From a@b.c Mon Jan  1 10:00:00 2024\n"


def records(path: Path, content: bytes, limit: int = 1 << 20) -> list[Record]:
    path.write_bytes(content)
    return list(MboxSource(path, "shown", max_record_bytes=limit).records())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "f.mbox"


@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(
    bodies=st.lists(
        st.lists(
            st.sampled_from(
                [b"\n", b"text\n", b"From here on\nand so\n", b">Fro", b"From", b"\n\nFrom \xff"]
            ),
            max_size=8,
        ),
        max_size=6,
    ),
    crlf=st.booleans(),
    block=st.integers(3, 64),
)
def test_messages_are_cut_where_they_were_joined_whatever_the_buffers(
    path: Path, bodies: list[list[bytes]], crlf: bool, block: int
) -> None:
    messages = [
        LINE + b"Subject: %d\n\n" % at + b"".join(body).rstrip(b"\n") + b" end\n"
        for at, body in enumerate(bodies)
    ]
    content = b"\n".join(messages)
    if crlf:
        content = content.replace(b"\n", b"\r\n")
        messages = [message.replace(b"\n", b"\r\n") for message in messages]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "BLOCK", block)
        found = records(path, content)
        for record in found:
            start = record.position
            assert next(MboxSource(path).records(start)).raw == record.raw
    assert [record.raw for record in found] == messages
    assert [record.position.number for record in found] == list(range(1, len(messages) + 1))
    assert all(content.startswith(r.raw or b"", int(r.position.at)) for r in found)


def test_the_last_message_is_the_same_with_and_without_one_after_it(path: Path) -> None:
    message = LINE + b"Subject: x\n\nbody\n"
    alone = records(path, message + b"\n")
    assert records(path, message + b"\n" + message)[0] == alone[0]
    assert alone[0].raw == message


@pytest.mark.parametrize(
    "line",
    [
        b"From - Mon Jan  1 10:00:00 2024\nX: y\n\nb\n",
        b"From - \nX: y\n\nb\n",
        b"From \n\nb\n",
        b"From nobody\nX: y\n\nb\n",
        b"From nobody\n>From someone else\nX: y\n\nb\n",
        b"From a@b Mon, 1 Jan 2024 10:00:00 +0100\n\nno header\n",
        b"From torn off",
    ],
)
def test_what_is_an_envelope(path: Path, line: bytes) -> None:
    first, second = records(path, LINE + b"X: y\n\nbody\n\n" + line)
    assert first.raw == LINE + b"X: y\n\nbody\n"
    assert second.raw == line


@pytest.mark.parametrize(
    "text",
    [
        b"From here on\nall is well\n",
        b"From here\nhttp://example.com/\n",
        b"From " + b"a very long line " * 1000 + b"\n",
        b">From the start\n",
        b"text\nFrom a@b Mon Jan  1 10:00:00 2024\nno blank line before it\n",
    ],
)
def test_what_is_text(path: Path, text: bytes) -> None:
    (message,) = records(path, LINE + b"X: y\n\nbody\n\n" + text)
    assert message.raw == LINE + b"X: y\n\nbody\n\n" + text


def test_what_stands_before_the_first_message_is_flawed(path: Path) -> None:
    junk, message = records(path, b"junk\nmore\n" + LINE + b"X: y\n\nb\n")
    assert junk.raw == b"junk\nmore\n"
    assert "10 bytes before the first line" in (junk.flaw or "")
    assert (message.flaw, message.position.number) == (None, 2)
    (only,) = records(path, b"\n\n" + LINE + b"X: y\n\nb\n")
    assert (only.flaw, only.position.number, only.position.at) == (None, 1, 2)


def test_an_over_large_message_is_skipped_with_its_position(path: Path) -> None:
    message = LINE + b"X: y\n\nb\n\n"
    large = LINE + b"X: y\n\n" + b"word \n" * 700_000 + b"\n"
    first, unread, last = records(path, message + large + message, limit=1000)
    assert (unread.raw, unread.position) == (None, (len(message), 2))
    assert f"{len(large) - 1:,} bytes" in (unread.flaw or "")
    assert last.raw == first.raw
    assert last.position == (len(message) + len(large), 3)


def test_a_torn_gzip_flaws_its_last_message(path: Path) -> None:
    import gzip

    content = b"".join(LINE + b"Subject: %d\n\nbody %d\n\n" % (at, at * 7) for at in range(500))
    whole = records(path, content)
    found = records(path, gzip.compress(content)[:-300])
    assert "ends too early" in (found[-1].flaw or "")
    assert found[:-1] == whole[: len(found) - 1]
    assert len(found) > 50
