"""mbox: where one message ends and the next begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from bulkload.sources import streams
from bulkload.sources.mbox import MboxSource, read_messages

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
        b"From nobody\nX-Y: z\n\nb\n",
        b"From Ann Lee 2024-01-01 10:00\nreceived: z\n\nb\n",
        b"From nobody\n>From someone else\nX: y\n\nb\n",
        b"From a@b Mon, 1 Jan 2024 10:00:00 +0100\n\nno header\n",
        b"From a@b Mon Jan  1 10:00 MET DST 2024\n\nno header\n",
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


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r\r\n"])
@pytest.mark.parametrize("between", [b"", b"\n", b" \n", b" \t \n"])
def test_mailboxes_may_be_joined_end_to_end(path: Path, newline: bytes, between: bytes) -> None:
    message = LINE + b"Subject: x\n\nbody\n\nmore\n"
    found = records(path, ((message + between) * 3).replace(b"\n", newline))
    assert [record.raw for record in found] == [message.replace(b"\n", newline)] * 3


def test_lines_that_end_in_cr_alone_are_said(path: Path) -> None:
    (record,) = records(path, (LINE + b"Subject: x\n\nbody\n\n").replace(b"\n", b"\r") * 2)
    assert "end in CR alone" in (record.flaw or "")


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


INNER = b"From c@d.e Tue Feb  6 11:00:00 2024\nSubject: inner\n\nfrom another mailbox\n\n"


def counted(body: bytes, count: int | None = None, name: bytes = b"Content-Length") -> bytes:
    """A message as mboxcl writers make it, without the blank line after it."""
    length = len(body) if count is None else count
    return LINE + b"Subject: x\n%s: %d\nTo: y\n\n" % (name, length) + body


@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(
    bodies=st.lists(
        st.lists(st.sampled_from([b"text\n", b"\n", INNER, b"From here\n", b">From x\n"])),
        min_size=1,
        max_size=5,
    ),
    crlf=st.booleans(),
    name=st.sampled_from([b"Content-Length", b"content-length", b"CONTENT-LENGTH"]),
    blank=st.booleans(),
    ends=st.sampled_from([b"end", b"end\n"]),
    block=st.integers(3, 300),
)
def test_a_count_holds_a_mailbox_inside_a_message_together(
    path: Path,
    bodies: list[list[bytes]],
    crlf: bool,
    name: bytes,
    blank: bool,
    ends: bytes,
    block: int,
) -> None:
    newline = b"\r\n" if crlf else b"\n"
    messages = []
    for pieces in bodies:
        body = (b"".join(pieces) + ends).replace(b"\n", newline)
        head = counted(b"", len(body), name).replace(b"\n", newline)
        messages.append(head + body + (b"" if ends.endswith(b"\n") else newline))
    content = (newline if blank else b"").join(messages)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "BLOCK", block)
        found = records(path, content)
        for record in found:
            assert next(MboxSource(path).records(record.position)).raw == record.raw
    assert [record.raw for record in found] == messages


@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(
    off=st.lists(
        st.sampled_from([-1000, -3, -2, -1, 0, 1, 2, 3, 10, 1000, 10**6, 10**14]), min_size=2
    ),
    block=st.integers(3, 300),
)
def test_a_wrong_count_neither_loses_nor_merges_messages(
    path: Path, off: list[int], block: int
) -> None:
    body = b"some text\n\nFrom here on\n"
    messages = [counted(body, max(0, len(body) + each)) for each in off]
    # A wrong count that by chance leads to another message's end is as good as a right one.
    ends = [sum(map(len, messages[: at + 1])) + at for at in range(len(messages))]
    assume(
        not any(
            end + wrong + blanks in ends[at + 1 :]
            for at, (end, wrong) in enumerate(zip(ends, off, strict=True))
            for blanks in (-1, 0, 1)
        )
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "BLOCK", block)
        found = records(path, b"\n".join(messages))
    assert [record.raw for record in found] == messages


def test_a_count_is_not_looked_into_past_the_limit(path: Path) -> None:
    """Else a mailbox that was edited would be read into memory to its end."""
    messages = [counted(INNER * 30), LINE + b"\nlast\n"]
    found = records(path, b"\n".join(messages), limit=1000)
    assert len(found) == 32
    assert all(record.raw is not None and not record.flaw for record in found)
    whole = records(path, b"\n".join(messages))
    assert [record.raw for record in whole] == messages


def test_a_count_of_a_message_that_is_cut_off_is_not_believed(path: Path) -> None:
    whole = counted(b"text\n\n" + INNER)
    first, second = records(path, whole[:-10])
    assert (first.raw or b"").endswith(b"text\n")
    assert (second.raw or b"").startswith(INNER[:30])
    assert len(records(path, whole)) == 1


def test_a_count_in_a_body_or_in_other_words_is_none(path: Path) -> None:
    said = LINE + b"Subject: x\n\nContent-Length: 500\n\ntext\n"
    other = LINE + b"Content-Length: about 90\n\n" + INNER
    assert len(records(path, said + b"\n" + INNER * 6)) == 7
    assert len(records(path, other)) == 2


def test_eudora_puts_no_blank_line_before_its_envelopes(path: Path) -> None:
    message = b"From ???@??? Mon Jan 01 10:00:00 2024\r\nSubject: x\r\n\r\nbody\r\n"
    assert [record.raw for record in records(path, message * 3)] == [message] * 3


def test_what_was_escaped_stands_as_it_is(path: Path) -> None:
    (message,) = records(path, LINE + b"Subject: x\n\n>From me\n>>From you\n")
    assert message.raw == LINE + b"Subject: x\n\n>From me\n>>From you\n"


@pytest.mark.parametrize("cut", range(1, 47, 5))
def test_a_last_message_that_is_cut_off_is_a_record(path: Path, cut: int) -> None:
    whole = LINE + b"Subject: x\n\nbody\n"
    first, second = records(path, (whole + b"\n" + whole)[:-cut])
    assert (first.raw, first.flaw) == (whole, None)
    assert (second.raw, second.flaw) == (whole[:-cut], None)


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("Sent.mbox", "Sent"),
        ("All mail Including Spam and Trash.mbox.gz", "All mail Including Spam and Trash"),
        ("Archive 2.0", "Archive 2.0"),
        ("Sent Messages.mbox/mbox", "Sent Messages"),
        ("Mail/Inbox.sbd/Work.sbd/2019", "Inbox/Work/2019"),
        ("Mail/Local Folders/Inbox", "Inbox"),
        ("mbox", "mbox"),
    ],
)
def test_each_message_knows_its_folder(tmp_path: Path, name: str, folder: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    assert [each.folder for each in records(tmp_path / name, LINE + b"\nx\n")] == [folder]


def test_a_message_of_many_buffers_is_whole(path: Path) -> None:
    large = LINE + b"Subject: x\n\n" + b"word\n\nFrom here on\n" * 100_000
    first, last = records(path, large + b"\n" + LINE + b"\nx\n", limit=1 << 24)
    assert first.raw == large
    assert last.raw == LINE + b"\nx\n"


@settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=200)
@given(
    pieces=st.lists(
        st.sampled_from(
            [
                LINE,
                b"\n",
                b"\r\n",
                b" \r\r\n",
                b"\n\n" + LINE,
                b"Content-Length: 60\n",
                b"Content-Length: 9\n\n",
                b"From ???@??? Mon Jan 01\n",
                b"From - \r\n",
                b"Subject: x\n",
                b"text",
                b"\n\nFrom here\n",
                b"\xef\xbb\xbf",
                b"\0",
            ]
        ),
        max_size=40,
    ),
    block=st.integers(1, 100),
    limit=st.sampled_from([50, 200, 1 << 20]),
)
def test_no_byte_of_a_mailbox_is_lost_but_blank_lines_between_messages(
    path: Path, pieces: list[bytes], block: int, limit: int
) -> None:
    content = b"".join(pieces)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "BLOCK", block)
        path.write_bytes(content)
        stream = streams.FileStream(path, "shown")
        spans = list(read_messages(stream, limit))
        stream.close()
    end = 0
    for at, size, raw in spans:
        assert content[end:at].count(b"\n") < 2
        assert not content[end:at].strip(b" \t\r\n")
        assert raw == (content[at : at + size] if size <= limit else None)
        end = at + size
    assert content[end:].count(b"\n") < 2
    assert not content[end:].strip(b" \t\r\n")
    for nth, (at, _, _) in enumerate(spans):
        stream = streams.FileStream(path, "shown", at)
        assert list(read_messages(stream, limit)) == spans[nth:]
        stream.close()
