"""Outlook's properties, put together to the message that they are; and the files that hold them."""

from __future__ import annotations

import email
import email.policy
import gzip
import json
import os
import shutil
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Never

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.errors import RefusedToStart, StoppedResumable
from bulkload.mail.read import read_email
from bulkload.sources import Asked, describe, open_sources, reopen
from bulkload.sources.outlookitem import Attached, Item, Value, encoding_of_page, message, value
from tests import compound
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
            Attached({0x370E: "text/plain", 0x3701: b"a file"}),
        ],
    )
    found = read(item)
    assert read_email(message(item)).text == "see"
    body, pdf, image, held, nameless = found.iter_parts()
    assert nameless.get_content_disposition() == "attachment"
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
    torn = "Grüße aus München ".encode("cp1252") + b"\x81"
    assert value(0x1E, torn, "cp1252") == "Grüße aus München \ufffd"
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


def test_a_time_that_stands_for_never_is_none() -> None:
    never = (2**63 - 1).to_bytes(8, "little")
    assert value(0x40, never, "cp1252") is None


@pytest.mark.parametrize(
    ("page", "charset"),
    [(50220, "iso2022_jp"), (51932, "euc_jp"), (54936, "gb18030"), (51949, "euc_kr"),
     (21866, "koi8-u"), (10000, "mac-roman")],
)  # fmt: skip
def test_html_is_read_in_the_encoding_whose_number_is_kept(page: int, charset: str) -> None:
    text = {"koi8-u": "Ґанок", "mac-roman": "Größe", "euc_kr": "한국"}.get(charset, "日本")
    html = f"<p>{text}</p>".encode(charset)
    assert read(Item({0x1013: html, 0x3FDE: page})).get_content() == f"<p>{text}</p>"


@pytest.mark.parametrize("charset", ["utf-8", "koi8-r"])
def test_html_whose_encoding_is_not_kept_is_in_the_one_that_it_names(charset: str) -> None:
    html = f'<meta charset="{charset}"><p>привет</p>'
    assert read(Item({0x1013: html.encode(charset)})).get_content() == html


def test_headers_that_are_none_do_not_take_for_ever() -> None:
    assert b"a" * 100 not in message(Item({0x7D: "a" * 300_000}))


def test_a_clear_signed_message_is_what_was_signed_and_by_whom() -> None:
    entity = (
        b'Content-Type: multipart/signed; protocol="application/pkcs7-signature";\r\n'
        b'\tmicalg=sha-256; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nsigned\r\n'
        b"--b\r\nContent-Type: application/pkcs7-signature; name=smime.p7s\r\n\r\nx\r\n--b--\r\n"
    )
    kept: dict[int, Value] = {0x3707: "smime.p7m", 0x370E: "multipart/signed", 0x3701: entity}
    properties: dict[int, Value] = {0x1A: "IPM.Note.SMIME.MultipartSigned", 0x37: "about"}
    found = read_email(message(Item(properties, [], [Attached(kept)])))
    assert (found.subject, found.text.strip()) == ("about", "signed")
    broken = Attached({**kept, 0x3701: b"no such entity"})
    (left,) = read(Item({**properties, 0x1000: "copy"}, [], [broken])).iter_attachments()
    assert left.get_content() == b"no such entity"


def test_what_is_too_deep_to_be_read_is_a_record_that_says_so(tmp_path: Path) -> None:
    held = compound.message("innermost")
    for _ in range(230):
        held = compound.message("between", inside=held)
    (tmp_path / "deep.msg").write_bytes(compound.msg("outer", inside=held))
    (tmp_path / "well.msg").write_bytes(compound.msg("fine"))
    deep, well = opened(tmp_path)
    assert "no Outlook message can be read in it" in (deep.flaw or "")
    assert read_email(well.raw or b"").text.strip() == "fine"


def test_a_message_file_of_another_kind_says_which(tmp_path: Path) -> None:
    (tmp_path / "a.msg").write_bytes(compound.msg("Ada", "IPM.Contact"))
    (record,) = opened(tmp_path / "a.msg")
    assert "'IPM.Contact'" in (record.flaw or "")


def test_a_disk_that_fails_stops_the_run_and_makes_no_dead_letter(tmp_path: Path) -> None:
    path = tmp_path / "mail.pst"
    path.write_bytes(pst())
    (source,) = open_sources([str(path)], Asked())
    records = source.records()
    next(records)
    fail(path, tmp_path)
    with pytest.raises(StoppedResumable, match=r"mail.pst: can't be read: Is a directory. Resume"):
        next(records)


def fail(path: Path, folder: Path) -> None:
    """Whoever has the file open gets an error from the system when it is read."""
    there = os.open(folder, os.O_RDONLY)
    for each in Path("/proc/self/fd").iterdir():
        if each.is_symlink() and os.path.realpath(each) == str(path):
            os.dup2(there, int(each.name))
    os.close(there)


@dataclass
class FakeFolder:
    """A folder as pypff shows it; its messages are none that can be read."""

    identifier: int
    name: str | None
    number_of_sub_messages: int = 0
    below: tuple[FakeFolder, ...] = ()

    @property
    def number_of_sub_folders(self) -> int:
        return len(self.below)

    def get_sub_folder(self, number: int) -> FakeFolder:
        return self.below[number]

    def get_sub_message(self, number: int) -> Never:
        raise OSError(f"no message {number}. And where in libpff that was.")


def test_what_lies_at_the_top_or_in_a_folder_without_a_name_is_not_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nameless = FakeFolder(4, None, 1, (FakeFolder(5, "a/b", 2),))
    hidden = FakeFolder(9, "Search Root", 7)
    top = FakeFolder(3, "Top of Personal Folders", 1, (nameless,))
    entry = SimpleNamespace(entry_type=0x35E0, data=bytes(20) + (3).to_bytes(4, "little"))
    file = SimpleNamespace(
        root_folder=FakeFolder(1, None, 0, (hidden, top)),
        message_store=SimpleNamespace(record_sets=[SimpleNamespace(entries=[entry])]),
        open=lambda _: None,
        close=lambda: None,
    )
    monkeypatch.setitem(sys.modules, "pypff", SimpleNamespace(file=lambda: file))
    (tmp_path / "a.pst").write_bytes(pst())
    records = opened(tmp_path / "a.pst")
    assert [each.folder for each in records] == [
        "Top of Personal Folders", "unnamed", "unnamed/a_b", "unnamed/a_b",
    ]  # fmt: skip
    assert {each.flaw for each in records} == {
        "this item can't be read: no message 0. Let Outlook's scanpst mend the file",
        "this item can't be read: no message 1. Let Outlook's scanpst mend the file",
    }


def test_without_the_packages_both_ways_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.pst").write_bytes(pst())
    shutil.copy(SAMPLES / "plain.msg", tmp_path / "a.msg")
    for package, name, tool in (("pypff", "a.pst", "readpst"), ("olefile", "a.msg", "msgconvert")):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(RefusedToStart, match=rf"bulkload\[pst\].*{tool}"):
            open_sources([str(tmp_path / name)], Asked())
