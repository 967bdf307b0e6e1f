"""Mail on a real IMAP server: byte for byte, read-only, over lines that break."""

from __future__ import annotations

import json
import os
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import imapclient
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulkload.errors import RefusedToStart, StoppedForGood, StoppedResumable
from bulkload.model import Position
from bulkload.sources import Asked, describe, imap, imapserver, open_sources, reopen
from tests.mailserver import PASSWORD, USABLE, WHY, MailServer, mail_server
from tests.remotes import line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bulkload.protocols import Source

pytestmark = pytest.mark.skipif(not USABLE, reason=WHY)

MESSAGES = [
    f"Subject: {n}\r\n\r\n{'é' * (n % 7)} From here\r\n{'x' * (n * 13 % 3000)}\r\n".encode()
    for n in range(400)
]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    with mail_server() as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


def opened(address: str, said: list[str] | None = None) -> list[Source]:
    return open_sources([address], Asked(), say=(said if said is not None else []).append)


def raw(source: Source) -> list[bytes | None]:
    return [record.raw for record in source.records()]


def flags(server: MailServer) -> set[str]:
    return {path.name.partition(":")[2] for path in (server.home / "Maildir").glob("*/*.host*")}


def test_each_folder_is_a_source_read_byte_for_byte_and_nothing_changes(server: MailServer) -> None:
    server.deliver(MESSAGES)
    server.deliver([b"Subject: old\r\n\r\nx\r\n"], "Entw&APw-rfe.2019")
    server.deliver([b"Subject: buy\r\n\r\nx\r\n"], "Muell")
    start = f"{server.address()}/"
    found = {source.name.removeprefix(start): source for source in opened(server.address())}
    assert sorted(found) == ["Entwürfe/2019", "INBOX", "Muell/Junk"]
    inbox = found["INBOX"]
    records = list(inbox.records())
    assert [record.raw for record in records] == MESSAGES
    assert {record.folder for record in records} == {"INBOX"}
    assert [record.position.number for record in records] == list(range(1, 401))
    again = reopen(json.loads(json.dumps(describe(inbox))))
    assert again.fingerprint() == inbox.fingerprint()
    for at in (0, 1, 133, 399):
        assert list(again.records(records[at].position)) == records[at:]
    with imapclient.IMAPClient("127.0.0.1", server.port, ssl=False) as client:
        client.login("ada@example.com", PASSWORD)
        client.select_folder("INBOX", readonly=True)
        assert client.search("UNSEEN") == client.search("ALL")
    assert PASSWORD not in json.dumps([describe(inbox), inbox.fingerprint()])


def test_each_message_is_read_again_at_its_position(
    server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imap, "AHEAD", 1)  # one record is wanted each time, and each is a login
    server.deliver([f"Subject: {n}\r\n\r\n{n}\r\n".encode() for n in range(1_200)])
    (source,) = opened(server.address("INBOX"))
    records = list(source.records())
    assert len(records) == 1_200

    @settings(
        max_examples=1_000, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(st.integers(0, 1_199))
    def again(k: int) -> None:
        with closing(source.records(records[k].position)) as found:
            assert next(found) == records[k]

    again()


def test_flags_are_known_and_what_is_too_large_is_not_fetched(server: MailServer) -> None:
    large_one = b"Subject: b\r\n\r\n" + b"y" * 5000
    server.deliver([b"Subject: a\r\n\r\nx\r\n", large_one, b"Subject: c\r\n\r\nz\r\n"])
    with imapclient.IMAPClient("127.0.0.1", server.port, ssl=False) as client:
        client.login("ada@example.com", PASSWORD)
        client.select_folder("INBOX")
        client.add_flags([1], [imapclient.DRAFT, imapclient.SEEN])
    (source,) = open_sources([server.address("INBOX")], Asked(max_record_bytes=1000))
    first, large, last = source.records()
    assert (first.flags, last.flags) == ("DS", "")
    assert large.raw is None
    assert large.flaw is not None
    assert "5,014 bytes" in large.flaw
    assert last.raw == b"Subject: c\r\n\r\nz\r\n"


def test_what_comes_later_is_for_an_extension_and_what_was_deleted_is_not_there(
    server: MailServer,
) -> None:
    server.deliver(MESSAGES[:100])
    (source,) = opened(server.address("INBOX"))
    bound = source.fingerprint()
    assert source.extended([], None) is None  # type: ignore[attr-defined]  # of what grows
    server.deliver(MESSAGES[100:150])
    with imapclient.IMAPClient("127.0.0.1", server.port, ssl=False) as client:
        client.login("ada@example.com", PASSWORD)
        client.select_folder("INBOX")
        client.delete_messages([3, 50])
        client.expunge()
    assert len(list(source.records())) == 98
    assert source.still(bound)
    more = source.extended([], Position(100, 98))  # type: ignore[attr-defined]  # as above
    came = list(more.records())
    assert [record.raw for record in came] == MESSAGES[100:150]
    assert came[0].position.number == 99
    assert more.extended([], None) is None


def test_what_is_deleted_in_mid_run_keeps_its_place(server: MailServer) -> None:
    server.deliver(MESSAGES[:100])
    (source,) = opened(server.address("INBOX"))
    source.fingerprint()
    listing = source.listing()  # type: ignore[attr-defined]  # of what has one
    with imapclient.IMAPClient("127.0.0.1", server.port, ssl=False) as client:
        client.login("ada@example.com", PASSWORD)
        client.select_folder("INBOX")
        client.delete_messages([3, 50, 99])
        client.expunge()
    again = reopen(describe(source), listing=listing)
    records = list(again.records())
    assert [record.raw for record in records if not record.flaw] == [
        message for n, message in enumerate(MESSAGES[:100], 1) if n not in (3, 50, 99)
    ]
    gone = [record.position for record in records if "was deleted" in (record.flaw or "")]
    assert gone == [Position(3, 3), Position(50, 50), Position(99, 99)]
    for at in (0, 2, 3, 60, 99):
        assert list(again.records(records[at].position)) == records[at:]


def test_one_message_that_the_server_fails_to_give_costs_no_other(
    server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imapserver, "WAIT_S", 0.01)
    server.deliver(MESSAGES[:120])
    (source,) = opened(server.address("INBOX"))
    next(source.records())  # Dovecot moves them
    for kept_back in (".M70.host", ".M3.host"):
        (path,) = (server.home / "Maildir").glob(f"*/*{kept_back}*")
        path.chmod(0)
        os.chown(path, 0, 0)
    records = list(source.records())
    flawed = [record.position.number for record in records if record.flaw]
    assert flawed == [4, 71]
    assert "the server fails to give it" in (records[3].flaw or "")
    assert [record.raw for record in records if not record.flaw] == [
        message for n, message in enumerate(MESSAGES[:120], 1) if n not in flawed
    ]


def test_a_folder_that_was_made_anew_is_another(server: MailServer) -> None:
    server.deliver(MESSAGES[:3], "Old")
    (source,) = opened(server.address("Old"))
    source.fingerprint()
    with imapclient.IMAPClient("127.0.0.1", server.port, ssl=False) as client:
        client.login("ada@example.com", PASSWORD)
        client.delete_folder("Old")
        client.create_folder("Old")
    for ask in (lambda: reopen(describe(source)).fingerprint(), lambda: list(source.records())):
        with pytest.raises(StoppedForGood, match="UIDVALIDITY"):
            ask()


def test_lines_that_break_cost_no_message(
    server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imapserver, "WAIT_S", 0.01)
    server.deliver(MESSAGES)
    with line(server.port, after=60_000, cuts=4) as cut:
        (source,) = opened(server.address("INBOX", cut.port))
        assert raw(source) == MESSAGES
        assert cut.broken == 4
        records = source.records()
        next(records)
        cut.cuts, cut.after = 10_000, 0
        with pytest.raises(StoppedResumable, match="Resume when it answers again"):
            list(records)


def test_a_server_that_wants_one_connection_gets_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with mail_server(most=1) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        server.deliver(MESSAGES)
        (source,) = opened(server.address("INBOX"))
        assert raw(source) == MESSAGES


def test_who_stops_reading_leaves_no_connection(server: MailServer) -> None:
    server.deliver(MESSAGES)
    (source,) = opened(server.address("INBOX"))
    records = source.records()
    next(records)
    records.close()
    for thread in threading.enumerate():
        if thread.name.startswith("imap"):
            thread.join(10)
            assert not thread.is_alive()


def test_encryption_and_what_is_refused(
    server: MailServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server.deliver(MESSAGES[:2])
    tls = f"imaps://ada%40example.com@127.0.0.1:{server.tls_port}"
    assert raw(opened(f"{tls}/INBOX")[0]) == MESSAGES[:2]
    (inside,) = opened(f"{tls}/INBOX".replace("@127", f":{PASSWORD}@127"))
    assert PASSWORD not in inside.name + json.dumps(describe(inside))
    with pytest.raises(RefusedToStart, match="no folder 'Inbx'; there is INBOX"):
        opened(f"{tls}/Inbx")
    with pytest.raises(RefusedToStart, match="holds no message"):
        opened(f"{tls}/Muell")
    with pytest.raises(RefusedToStart, match="Check the address and the network"):
        opened("imaps://ada@127.0.0.1:1/INBOX")
    with pytest.raises(RefusedToStart, match="is no address of a mailbox"):
        opened("imaps://127.0.0.1/INBOX")
    monkeypatch.setenv("BULKLOAD_SOURCE_PASSWORD", "wrong-one")
    with pytest.raises(RefusedToStart, match="does not let ada@example") as refused:
        opened(tls)
    assert "wrong-one" not in str(refused.value)
    monkeypatch.delenv("BULKLOAD_SOURCE_PASSWORD")
    with pytest.raises(RefusedToStart, match="put the password into BULKLOAD_SOURCE_PASSWORD"):
        opened(tls)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("BULKLOAD_SOURCE_PASSWORD", PASSWORD)
    with pytest.raises(RefusedToStart, match="certificate is not trusted"):
        opened(tls)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "imapclient", None)
    with pytest.raises(RefusedToStart, match=r"pip install 'bulkload\[imap\]'"):
        opened("imaps://ada:s3cret@127.0.0.1")
