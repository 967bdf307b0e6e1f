"""What an IMAP server says, in the words of other sources."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.errors import RefusedToStart
from bulkload.mail.headers import scanned
from bulkload.mail.threads import labels
from bulkload.sources.addresses import public, without_password
from bulkload.sources.imapnames import (
    GROUP_BYTES,
    GROUP_MESSAGES,
    Sized,
    grouped,
    headers,
    letters,
    shown,
)


@pytest.mark.parametrize(
    ("name", "delimiter", "use", "expected"),
    [
        ("INBOX", "/", "", "INBOX"),
        ("INBOX.Sent.2019", ".", "", "INBOX/Sent/2019"),
        ("Gesendet", ".", "\\Sent", "Gesendet"),
        ("Post/Raus", "/", "\\Sent", "Post/Raus/Sent"),
        ("Müll", ".", "\\Junk", "Müll/Junk"),
        ("Papierkorb", ".", "\\trash", "Papierkorb"),
        ("[Gmail]/Alle Nachrichten", "/", "\\All", "[Gmail]/Alle Nachrichten"),
        ("odd", "", "", "odd"),
    ],
)
def test_folders(name: str, delimiter: str, use: str, expected: str) -> None:
    assert shown(name, delimiter, use) == expected


def test_flags_are_a_maildirs() -> None:
    assert letters((b"\\Seen", b"\\Draft", b"$Forwarded", b"\\Recent", b"custom")) == "DPS"
    assert letters((b"\\Deleted", b"\\answered", b"\\Flagged")) == "FRT"


@given(
    st.lists(
        st.text(st.characters(min_codepoint=33, exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"]))
        .filter(bool)
        .filter(lambda name: not name.startswith("\\") and '"' not in name),
        unique=True,
        max_size=6,
    ),
    st.none() | st.integers(0, 2**64),
)
def test_labels_and_thread_are_read_as_takeouts(names: list[str], thread: int | None) -> None:
    raw = headers(names, thread) + b"Subject: x\r\n\r\n"
    made, _ = scanned(raw, 0, len(raw))
    assert labels(made) == tuple(names)
    assert made.text("x-gm-thrid") == ("" if thread is None else str(thread))


def test_a_system_label_loses_its_backslash() -> None:
    assert headers(["\\Inbox", "a, b", "Büro"], 7) == (
        'X-GM-THRID: 7\r\nX-Gmail-Labels: Inbox,"a, b",Büro\r\n'.encode()
    )


@given(st.lists(st.integers(0, 2 * GROUP_BYTES), max_size=200), st.integers(1, 2 * GROUP_BYTES))
def test_groups_are_bounded_and_in_order(sizes: list[int], limit: int) -> None:
    messages = [Sized(uid, size, "", b"") for uid, size in enumerate(sizes)]
    groups = list(grouped(messages, limit))
    assert [message for group in groups for message in group] == messages
    for group in groups:
        assert 0 < len(group) <= GROUP_MESSAGES
        assert len(group) == 1 or sum(message.size for message in group) <= GROUP_BYTES
        assert len(group) == 1 or all(message.size <= limit for message in group)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("imaps://ada%40x.com:s3cret@h:993/In", "imaps://ada%40x.com@h:993/In"),
        ("imaps://ada@x.com:s3cret@h/In", "imaps://ada@x.com@h/In"),
        ("sftp://ada:s3@cret@h/x", "sftp://ada@h/x"),
        ("https://h:8080/a@b?x=1", "https://h:8080/a@b?x=1"),
        ("s3://bucket/a:b@c", "s3://bucket/a:b@c"),
        ("postgresql://:s3cret@h/x", "postgresql://@h/x"),
    ],
)
def test_passwords_are_taken_out_of_addresses(address: str, expected: str) -> None:
    assert without_password(address) == expected


def test_what_can_not_be_told_from_a_password_is_refused() -> None:
    with pytest.raises(RefusedToStart, match="%2F") as refused:
        without_password("imaps://ada:s3c/ret@h/In")
    assert "s3c" not in str(refused.value)


def test_secrets_in_a_query_are_taken_out() -> None:
    assert public("https://h/x?a=1&X-Amz-Signature=s3cret&b=2") == "https://h/x?a=1&b=2"
    assert public("https://h/x?token=s3cret") == "https://h/x"
