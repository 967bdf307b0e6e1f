"""Outlook's properties, put together to the message that they are; and the files that hold them."""

from __future__ import annotations

import email
import email.policy
import gzip
import json
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.errors import RefusedToStart
from bulkload.mail.read import read_email
from bulkload.sources import Asked, describe, open_sources, reopen
from bulkload.sources.outlookitem import Attached, Item, Value, encoding_of_page, message, value
from tests.outlook import SAMPLES, pst

if TYPE_CHECKING:
    from email.message import EmailMessage

    from bulkload.model import Record

SENT = datetime(2020, 1, 6, 10, 0, tzinfo=UTC)
ADA: dict[int, Value] = {0x0C1A: "Ada Lovelace", 0x0C1F: "/o=Org/cn=ada", 0x5D01: "ada@x.com"}


def read(item: Item) -> EmailMessage:
    made = message(item)
    assert made == message(item)
    return email.message_from_bytes(made, policy=email.policy.default)


def test_what_came_with_headers_keeps_them_and_gets_new_parts() -> None:
    kept = (
        "Received: from a\r\n\tby b\r\nFrom: =?utf-8?q?Ad=C3=A0?= <a@x.com>\r\n"
        "Subject: kept\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary=x\r\n"
        "Content-Transfer-Encoding: 7bit\r\nX-Own: yes\r\n\r\n"
    )
    found = read(Item({0x7D: kept, 0x37: "not this", 0x1000: "text", 0x1035: "<id@x>", **ADA}))
    assert found["From"] == "Adà <a@x.com>"
    assert found["Subject"] == "kept"
    assert found["X-Own"] == "yes"
    assert found["Message-ID"] == "<id@x>"
    assert found.get_all("Content-Type") == ['text/plain; charset="utf-8"']
    assert found.get_content() == "text"


def test_what_has_none_gets_its_headers_from_the_properties() -> None:
    item = Item(
        {0x37: "\x01\x05Re: Größe", 0x39: SENT, 0x0E07: 0x09, 0x1042: "<parent@x>", **ADA,
         0x1000: "plain", 0x1013: "<p>r\u00efch</p>".encode("cp1252"), 0x3FDE: 1252},
        [
            {0x0C15: 1, 0x3001: 'Bob "B" Beta', 0x39FE: "bob@y.com"},
            {0x0C15: 2, 0x3001: "Exchange Only", 0x3003: "/o=Org/cn=only"},
            {0x0C15: 3, 0x3003: "hidden@y.com"},
        ],
    )  # fmt: skip
    found = read(item)
    assert found["From"] == "Ada Lovelace <ada@x.com>"
    assert found["To"].addresses[0].addr_spec == "bob@y.com"
    assert found["To"].addresses[0].display_name == 'Bob "B" Beta'
    assert found["Bcc"] == "hidden@y.com"
    assert found["Subject"] == "Re: Größe"
    assert found["Date"].datetime == SENT
    assert found["In-Reply-To"] == "<parent@x>"
    plain, html = found.iter_parts()
    assert plain.get_content() == "plain"
    assert html.get_content() == "<p>rïch</p>"
    assert item.flags == "DS"
    assert str(found["Cc"]).startswith('"Exchange Only"')
    assert read_email(message(item)).cc == ()


def test_attachments_and_messages_in_messages() -> None:
    inner = Item({0x37: "inner", 0x1000: "inside"})
    item = Item(
        {0x1000: "see"},
        [],
        [
            Attached({0x3707: "é 1.pdf", 0x370E: "application/pdf", 0x3701: b"%PDF" * 99}),
            Attached({0x3707: "i.png", 0x370E: "image/png", 0x3712: "<c@x>", 0x3701: b"png"}),
            Attached({0x3001: "inner"}, inner),
        ],
    )
    found = read(item)
    body, pdf, image, held = found.iter_parts()
    assert body.get_content() == "see"
    assert (pdf.get_filename(), pdf.get_content()) == ("é 1.pdf", b"%PDF" * 99)
    assert image["Content-ID"] == "<c@x>"
    assert held.get_content()["Subject"] == "inner"


def test_a_body_that_is_only_rtf_is_read_out_of_it() -> None:
    words = b"{\\rtf1\\ansi hello \\b there\\b0}"
    packed = (len(words) + 12).to_bytes(4, "little") + len(words).to_bytes(4, "little")
    found = read(Item({0x1009: packed + b"MELA" + bytes(4) + words}))
    assert found.get_content().strip() == "hello there"


IDS = st.sampled_from([0x37, 0x7D, 0x1000, 0x1013, 0x0C1A, 0x5D01, 0x0E04, 0x1035])


@given(st.dictionaries(IDS, st.text(max_size=30)))
def test_whatever_the_properties_it_is_a_message(properties: dict[int, Value]) -> None:
    made = message(Item(properties, [properties], [Attached(properties)]))
    head, _, rest = made.partition(b"\n\n")
    assert b"MIME-Version: 1.0" in head
    assert rest
    read_email(made)


def test_values_are_read_as_they_are_stored() -> None:
    assert value(0x1F, "Größe\0".encode("utf-16-le"), "cp1252") == "Größe"
    assert value(0x1E, "Größe\0".encode("cp1252"), "cp1252") == "Größe"
    assert value(0x03, b"\x09\0\0\0junk", "cp1252") == 9
    assert value(0x40, (132_000_000_000_000_000).to_bytes(8, "little"), "") == datetime(
        2019, 4, 17, 18, 40, tzinfo=UTC
    )
    assert value(0x40, bytes(8), "") is None
    assert value(0x0D, b"object", "") is None
    assert [encoding_of_page(n) for n in (1252, 65001, 932, 28592, 99999, None)] == [
        "cp1252", "utf-8", "cp932", "iso8859_2", "cp1252", "cp1252",
    ]  # fmt: skip


def opened(path: Path, said: list[str] | None = None) -> list[Record]:
    found: list[Record] = []
    for source in open_sources([str(path)], Asked(), say=(said if said is not None else []).append):
        records = list(source.records())
        again = reopen(json.loads(json.dumps(describe(source))))
        assert again.fingerprint() == source.fingerprint()
        for at, record in enumerate(records):
            assert list(again.records(record.position)) == records[at:]
        assert source.consumed() == source.size()
        found += records
    return found


def test_an_outlook_file_is_read_folder_by_folder_and_what_is_no_mail_is_said(
    tmp_path: Path,
) -> None:
    (tmp_path / "mail.pst").write_bytes(pst())
    said: list[str] = []
    meeting, contact = opened(tmp_path / "mail.pst", said)
    assert said == [f"{tmp_path}/mail.pst: no mail, left out: 1 IPM.DistList"]
    assert (meeting.folder, contact.folder) == ("Calendar", "Contacts")
    found = read_email(meeting.raw or b"")
    assert found.subject == "Test appointment"
    assert found.text.strip() == "This is a complete test"
    assert found.sent_at == int(datetime(2016, 8, 2, 0, 27, 12, tzinfo=UTC).timestamp() * 1000)
    assert [each.name for each in found.attachments] == ["Untitled.txt", "Untitled.txt"]
    assert read_email(contact.raw or b"").subject == "contact name 1"
    (source,) = open_sources([str(tmp_path / "mail.pst")], Asked(max_record_bytes=700))
    large, _ = source.records()
    assert "more than --max-record-bytes" in (large.flaw or "")


def test_message_files_and_folders_of_them(tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "attachment.msg", tmp_path / "b.msg")
    shutil.copy(SAMPLES / "plain.msg", tmp_path / "a.MSG")
    (tmp_path / "broken.msg").write_bytes((SAMPLES / "plain.msg").read_bytes()[:4000])
    (tmp_path / "notes.txt").write_text("x")
    said: list[str] = []
    plain, attachment, broken = opened(tmp_path, said)
    assert "3 messages in .msg files; no mail, left out: 1 .txt" in said[0]
    found = read_email(attachment.raw or b"")
    assert found.subject == "Re: test internal"
    assert [each.email for each in found.from_] == ["bedfortest@tutanota.de"]
    assert [each.name for each in found.attachments] == ["serveimage.jpg"]
    assert read_email(plain.raw or b"").text == "This is a message"
    assert "no Outlook message can be read in it" in (broken.flaw or "")
    (alone,) = opened(tmp_path / "b.msg")
    assert alone.raw == attachment.raw


def test_what_is_no_outlook_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pst"
    path.write_bytes(gzip.decompress((SAMPLES / "dist-list.pst.gz").read_bytes()))
    with pytest.raises(RefusedToStart, match=r"holds no message \(but 1 IPM.Appointment, 1 IPM"):
        open_sources([str(path)], Asked())
    path.write_bytes(b"!BDN and nothing more")
    with pytest.raises(
        RefusedToStart, match=r"a.pst: is no Outlook file that can be read.*scanpst"
    ):
        open_sources([str(path)], Asked())
    path.write_bytes(pst()[:100_000])
    with pytest.raises(RefusedToStart, match="scanpst"):
        open_sources([str(path)], Asked())


def test_without_the_packages_both_ways_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.pst").write_bytes(pst())
    shutil.copy(SAMPLES / "plain.msg", tmp_path / "a.msg")
    for package, name, tool in (("pypff", "a.pst", "readpst"), ("olefile", "a.msg", "msgconvert")):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(RefusedToStart, match=rf"bulkload\[pst\].*{tool}"):
            open_sources([str(tmp_path / name)], Asked())
