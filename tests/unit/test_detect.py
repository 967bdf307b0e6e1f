"""What the user names → sources, or a refusal that says what to do."""

from __future__ import annotations

import gzip
import io
import mailbox
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from bulkload.errors import RefusedToStart, StoppedForGood
from bulkload.mail.envelope import without_envelope
from bulkload.sources import FORMATS, Asked, describe, holders, open_sources, reopen

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MBOX = b"From a@b Mon Jan  1 10:00:00 2024\nSubject: x\n\n"
MAPPED = b'{"bulkload":"mapped/1","source":"x","input":{"properties":{"a":"1"}}}\n'
LETTER = b'{"source":"x", "bulkload": "dead-letter/1","record":{"a":"1"}}\n'


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def put(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_bytes(content)


def formats(*specs: str, form: str | None = None) -> list[tuple[str, str]]:
    sources = open_sources(specs, Asked(format=form, max_record_bytes=1000))
    return [(source.name, source.format) for source in sources]


@pytest.mark.parametrize(
    ("name", "content", "form"),
    [
        ("a.ndjson", b"{}", "ndjson"),
        ("a.jsonl", b"\xef\xbb\xbf\n {}", "ndjson"),
        ("a.JSON", b' \n{"a":1}', "ndjson"),
        ("a.csv", b"a,b", "csv"),
        ("a.tsv", b"a\tb", "csv"),
        ("a.mbox", MBOX, "mbox"),
        ("a.mbx", MBOX, "mbox"),
        ("a.eml", b"Subject: x\n\n", "eml"),
        ("Inbox", MBOX, "mbox"),
        ("export.txt", b'\n{"a":1}', "ndjson"),
        ("dead-letters.ndjson", LETTER, "letters"),
        ("edited", LETTER, "letters"),
        ("mapped.ndjson", MAPPED, "mapped"),
    ],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_formats_by_extension_and_by_content(
    tmp_path: Path, name: str, content: bytes, form: str, compressed: bool
) -> None:
    shown = name + ".gz" if compressed else name
    put(tmp_path, shown, gzip.compress(content) if compressed else content)
    assert formats(shown) == [(shown, form)]


def test_globs_are_sorted_and_several_sources_keep_their_order(tmp_path: Path) -> None:
    for name in ("b.ndjson", "a.ndjson", "z/c.ndjson", "m.mbox", "x[1].ndjson"):
        put(tmp_path, name, MBOX if name == "m.mbox" else b"{}")
    put(tmp_path, "mails/1.eml", b"Subject: x\n\n")
    assert [name for name, _ in formats("m.mbox", "[ab].ndjson", "**/c.ndjson", "mails")] == [
        "m.mbox",
        "a.ndjson",
        "b.ndjson",
        "z/c.ndjson",
        "mails",
    ]
    assert formats("x[1].ndjson") == [("x[1].ndjson", "ndjson")]


def test_a_tsv_is_split_at_tabs_only(tmp_path: Path) -> None:
    put(tmp_path, "a.tsv", b"a,b,c\td\n1\t2\n")
    (source,) = open_sources(["a.tsv"], Asked(max_record_bytes=1000))
    assert [record.fields for record in source.records()] == [{"a,b,c": "1", "d": "2"}]


@pytest.mark.parametrize(
    ("name", "content", "form", "words"),
    [
        ("a.ndjson", b"", None, "is empty: nothing to load"),
        ("a.ndjson.gz", gzip.compress(b"", mtime=0), None, "is empty: nothing to load"),
        ("a.json", b'\n{\r\n  "a":1\n}', None, r"over many lines.*jq -c '.results\[\]' a.json"),
        ("a.json", b'{"a":1}', "json", r"no JSON array.*--format ndjson"),
        ("a.ndjson", b'{"a":1}\0', None, "a NUL byte at byte 7"),
        ("a.ndjson", b'{"a":"\xe9"}\n', None, "is not UTF-8 .byte 6"),
        ("a.ndjson", b"\xff\xfe{\0", None, "is UTF-16 .*iconv -f UTF-16"),
        ("a.mbox", b"hello\n", None, "no line begins with 'From '"),
        ("a.bin", b"hello\n", None, "--format. Formats: ndjson .*csv.*mbox.*eml"),
        ("a.gz", b"\x1f\x8b\x08", None, "ends too early"),
        ("a.ndjson", b"{}", "xml", "--format xml: unknown; one of ndjson, json, csv"),
    ],
)
def test_refusals(tmp_path: Path, name: str, content: bytes, form: str | None, words: str) -> None:
    put(tmp_path, name, content)
    with pytest.raises(RefusedToStart, match=words) as refusal:
        formats(name, form=form)
    assert name in str(refusal.value) or form == "xml"


def test_refusals_without_a_file(tmp_path: Path) -> None:
    put(tmp_path, "dir/a.ndjson", b"{}")
    for specs, words in [
        ([], "no source was named"),
        (["none.ndjson"], "none.ndjson: there is no such file"),
        (["*.none"], r"\*.none: no file matches"),
        (["dir"], r"no \*.eml file .*'dir/\*.ndjson'"),
        (["dir/a.ndjson", "dir/../dir/a.ndjson"], "was named twice"),
    ]:
        with pytest.raises(RefusedToStart, match=words):
            formats(*specs)
    with pytest.raises(RefusedToStart, match=r"dir: is a folder, and --format ndjson reads files"):
        formats("dir", form="ndjson")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_permission_denied(tmp_path: Path) -> None:
    put(tmp_path, "a.ndjson", b"{}")
    (tmp_path / "a.ndjson").chmod(0)
    with pytest.raises(RefusedToStart, match=r"a.ndjson: permission denied"):
        formats("a.ndjson")


def test_a_format_given_wins_over_the_name(tmp_path: Path) -> None:
    put(tmp_path, "a.txt", b"Subject: x\n\n")
    put(tmp_path, "mails/1", b"Subject: x\n\n")
    assert formats("a.txt", "mails", form="eml") == [("a.txt", "eml"), ("mails", "eml")]


def test_one_bad_line_later_is_that_lines_fault(tmp_path: Path) -> None:
    put(tmp_path, "a.ndjson", b'{"a":1}\n\xff\n')
    assert formats("a.ndjson") == [("a.ndjson", "ndjson")]


def test_stdin_is_kept_to_be_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"a":"1"}\n{"a":"2"}\n')))
    spool = tmp_path / "run"
    (source,) = open_sources(["-"], Asked(max_record_bytes=1000), spool_dir=spool)
    assert (source.name, source.format) == ("stdin", "ndjson")
    assert (spool / "stdin.ndjson").stat().st_mode & 0o777 == 0o600
    assert len(list(source.records())) == 2
    assert len(list(reopen(describe(source)).records())) == 2


def test_stdin_refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    with pytest.raises(RefusedToStart, match="stdin is empty"):
        open_sources(["-"], Asked(max_record_bytes=1000), spool_dir=tmp_path)
    with pytest.raises(RefusedToStart, match="run directory"):
        open_sources(["-"], Asked(max_record_bytes=1000))
    with pytest.raises(RefusedToStart, match="stdin can't hold maildir"):
        open_sources(["-"], Asked(format="maildir", max_record_bytes=1000), spool_dir=tmp_path)


@pytest.mark.parametrize(
    ("content", "form", "found"),
    [
        (b"a;b\n1;2\n3;4\n", "csv", "csv"),
        (MBOX * 2, None, "mbox"),
        (b'[{"a":1},{}]', "json", "json"),
    ],
)
def test_stdin_may_be_more_than_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, form: str | None, found: str
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    (source,) = open_sources(["-"], Asked(format=form), spool_dir=tmp_path)
    assert source.format == found
    assert len(list(source.records())) == 2
    assert list(reopen(describe(source)).records()) == list(source.records())


def test_reopening_sniffs_nothing_and_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", b"a;b\n1;2\n")
    (source,) = open_sources(["a.csv"], Asked(max_record_bytes=1000))
    description = describe(source)
    assert description["path"] == str(tmp_path / "a.csv")
    assert description["options"] == {
        "max_record_bytes": 1000,
        "extent": None,
        "delimiter": ";",
        "encoding": "utf-8",
        "quote": '"',
    }
    with pytest.raises(StoppedForGood, match="'floppy'"):
        reopen({**description, "format": "floppy"})


def test_the_table_of_formats_is_complete() -> None:
    names = [known.name for known in FORMATS]
    assert names == [
        "ndjson", "json", "csv", "parquet", "arrow",
        "mbox", "eml", "maildir", "mh", "pst", "msg", "letters", "mapped",
    ]  # fmt: skip
    assert all(known.description for known in FORMATS)


def test_a_folder_of_a_mail_program_is_all_that_it_holds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = b"Subject: x\n\n"
    for name in ("Inbox", "Sent", "Inbox.sbd/Work.2019", "More/a.mbox", "Apple.mbox/mbox"):
        put(tmp_path, f"Mail/{name}", MBOX)
    for name in ("Inbox.msf", "filters.dat", "Trash", "empty.mbox"):
        put(tmp_path, f"Mail/{name}", b"")
    for name in ("notes.txt", ".hidden/x.eml", ".signature"):
        put(tmp_path, f"Mail/{name}", b"no mail")
    put(tmp_path, "Mail/saved/a.eml", message)
    for name in ("lock", "Mail.mbox"):  # as a running mail program leaves it; a link to itself
        (tmp_path / "Mail" / name).symlink_to(tmp_path / "Mail" / name)
    put(tmp_path, "Mail/mh/inbox/1", message)
    put(tmp_path, "Mail/dir/cur/1:2,S", message)
    put(tmp_path, "Mail/dir/new/2", message)
    sources = open_sources(["Mail"], Asked(max_record_bytes=1000), say=print)
    assert [(source.name, source.format) for source in sources] == [
        ("Mail/Apple.mbox/mbox", "mbox"),
        ("Mail/Inbox", "mbox"),
        ("Mail/Inbox.sbd/Work.2019", "mbox"),
        ("Mail/More/a.mbox", "mbox"),
        ("Mail/Sent", "mbox"),
        ("Mail", "maildir"),
        ("Mail", "mh"),
        ("Mail", "eml"),
    ]
    said = capsys.readouterr().out
    assert said == (
        "Mail: 5 mbox files, 2 messages in Maildirs, 1 message in MH folders, "
        "1 message in .eml files; no mail, left out: 1 .txt\n"
    )
    folders = [[r.folder for r in source.records()] for source in sources]
    assert folders[0] == ["Apple"]
    assert folders[2] == ["Inbox/Work.2019"]
    assert folders[5:] == [["dir", "dir"], ["mh/inbox"], ["saved"]]
    for form in ("maildir", "mh", "eml"):
        assert [kind for _, kind in formats("Mail", form=form)] == [form]
    assert {kind for _, kind in formats("Mail", form="mbox")} == {"mbox"}
    with pytest.raises(RefusedToStart, match=r"Mail/Sent: was named twice"):
        formats("Mail", "Mail/Sent")


@pytest.mark.parametrize("installed", [True, False])
def test_what_a_folder_holds_beside_mail_is_said(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    installed: bool,
) -> None:
    if not installed:
        monkeypatch.setattr(holders, "find_spec", lambda _: None)
    put(tmp_path, "all/Inbox", MBOX)
    for name in ("takeout-001.zip", "a/old.pst", "a/one.MSG", "a/two.msg", "rows.csv.gz"):
        put(tmp_path, f"all/{name}", b"what is in it is no matter")
    for each in range(12):
        put(tmp_path, f"all/notes.{each:02}", b"no mail")
    open_sources(["all"], Asked(max_record_bytes=1000), say=print)
    said = capsys.readouterr().out
    listed = ", ".join(f"1 .{each:02}" for each in range(8))
    found, unread = (", 2 messages in .msg files", "") if installed else ("", "2 .msg, ")
    assert said.startswith(f"all: 1 mbox file{found}; no mail, left out: {listed}, 4 others; ")
    assert f"NOT READ, and may hold more: {unread}1 .gz, 1 .pst, 1 .zip. Name them too" in said
    assert ("msgconvert" in said) == ("readpst" in said) != installed


def test_a_folder_of_outlooks_files_alone_names_what_reads_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "all/old.pst", b"!BDN")
    with pytest.raises(RefusedToStart, match=r"It holds \.pst files: name them"):
        open_sources(["all"], Asked())
    put(tmp_path, "all/one.msg", b"x")
    monkeypatch.setattr(holders, "find_spec", lambda _: None)
    with pytest.raises(RefusedToStart, match=r"1 \.msg, 1 \.pst.*'bulkload\[pst\]'.*readpst"):
        open_sources(["all"], Asked())


@pytest.mark.parametrize(
    ("begins", "converter"),
    [(b"!BDN\0\0", "readpst"), (bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 600, "msgconvert")],
)
def test_outlooks_own_files_are_known_by_what_they_begin_with(
    tmp_path: Path, begins: bytes, converter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "old", begins)
    for package in ("pypff", "olefile"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(RefusedToStart, match=rf"old: an Outlook.*`{converter} "):
        formats("old")


@pytest.mark.parametrize("root", ["M", "M/Maildir"])
def test_a_maildir_is_one_source_with_its_folders(tmp_path: Path, root: str) -> None:
    for name in ("cur/1", "new/2", ".Sent/cur/3", ".Sent/new/.keep", "tmp/4"):
        put(tmp_path, f"{root}/{name}", b"Subject: x\n\n")
    (source,) = open_sources(["M"], Asked(max_record_bytes=1000))
    assert source.format == "maildir"
    assert sorted(record.folder for record in source.records()) == ["INBOX", "INBOX", "Sent"]


def test_numbers_that_are_no_messages_make_no_mh_folder(tmp_path: Path) -> None:
    put(tmp_path, "photos/1", b"\x89PNG\r\n")
    put(tmp_path, "photos/a.eml", b"Subject: x\n\n")
    assert formats("photos") == [("photos", "eml")]
    put(tmp_path, "mail/.mh_sequences", b"")
    put(tmp_path, "mail/7", b"no header\n")
    assert formats("mail") == [("mail", "mh")]


def test_folders_without_mail(tmp_path: Path) -> None:
    for place in ("cur", "new", "tmp"):
        (tmp_path / "empty" / place).mkdir(parents=True)
    put(tmp_path, "zips/takeout-001.zip", b"PK\3\4")
    put(tmp_path, "bad/a.mbox", b"no mail")
    put(tmp_path, "file", MBOX)
    for spec, form, words in [
        ("empty", None, "empty: no message in cur/ or new/"),
        ("zips", None, r"name them, as in 'zips/\*.zip'"),
        ("zips", "mbox", "zips: no mbox file with a message in this folder or below"),
        ("bad", None, "bad/a.mbox: no line begins with 'From '"),
        ("file", "maildir", "file: is no folder, and --format maildir reads folders"),
        ("none", "mh", "none: is no folder"),
    ]:
        with pytest.raises(RefusedToStart, match=words):
            formats(spec, form=form)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_of_which_nothing_can_be_told_refuses(tmp_path: Path) -> None:
    put(tmp_path, "Mail/Sent", MBOX)
    put(tmp_path, "Mail/Inbox", MBOX)
    (tmp_path / "Mail/Inbox").chmod(0)
    with pytest.raises(RefusedToStart, match=r"Mail/Inbox can't be looked into"):
        formats("Mail")


BODIES = ["one\n", "From here on\n\nFrom there\n", "no newline at the end", "\n\n", "\u00e9\r\n"]


@pytest.mark.parametrize("kind", [mailbox.mbox, mailbox.Maildir, mailbox.MH])
def test_what_another_program_writes_is_read(kind: Callable[..., mailbox.Mailbox[Any]]) -> None:
    box = kind("box", create=True)
    box.lock()
    for at, body in enumerate(BODIES):
        box.add(f"Subject: {at}\nFrom: a@b.c\n\n{body}".encode())
    box.flush()
    box.unlock()
    box.close()
    (source,) = open_sources(["box"], Asked(max_record_bytes=1 << 20))
    records = list(source.records())
    assert source.format == type(box).__name__.lower()
    assert not any(record.flaw for record in records)
    found = sorted(
        without_envelope(record.raw or b"")[1].replace(b"\r\n", b"\n").strip() for record in records
    )
    assert found == sorted(
        f"Subject: {at}\nFrom: a@b.c\n\n{body}".replace("\r\n", "\n").strip().encode()
        for at, body in enumerate(BODIES)
    )


def test_an_mbox_that_is_named_as_a_message_is_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path, "all.eml", MBOX * 3)
    assert formats(str(tmp_path / "all.eml")) == [(str(tmp_path / "all.eml"), "mbox")]
    (source,) = open_sources([str(tmp_path / "all.eml")], Asked(), say=print)
    assert "holds several messages: it is read as the mbox" in capsys.readouterr().out
    assert len(list(source.records())) == 3
    # In a folder its messages are no records of their own: that is said of it, and nothing is lost.
    (folder,) = open_sources([str(tmp_path)], Asked())
    (record,) = folder.records()
    assert "holds several messages" in (record.flaw or "")
    assert record.raw == MBOX * 3


def test_messages_that_are_named_as_something_else_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = b"X-Mozilla-Status: 1\nReceived: from a\n  by b\nSubject: x\n\n"
    put(tmp_path, "mail/a.eml", message)
    for name, content in (("b.txt", message), ("c.TXT", message), ("d", message), ("e.txt", b"?")):
        put(tmp_path, f"mail/{name}", content)
    put(tmp_path, "mail/f.yaml", b"name: x\ndate: y\n\n")
    open_sources([str(tmp_path / "mail")], Asked(), say=print)
    said = capsys.readouterr().out
    assert "1 message in .eml files; no mail, left out: 1 .txt, 1 .yaml; NOT READ, though" in said
    assert "begin as messages do: 2 .txt, 1 no ending. --format eml reads each file" in said


def test_a_broken_mbox_does_not_keep_the_others_from_being_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path, "mail/a.mbox", MBOX)
    put(tmp_path, "mail/b.mbox", b"no mail at all")
    (source,) = open_sources([str(tmp_path / "mail")], Asked(), say=print)
    assert source.name.endswith("a.mbox")
    said = capsys.readouterr().out
    assert f"NOT READ: {tmp_path}/mail/b.mbox: no line begins with 'From '" in said
    assert "1 mbox file\n" in said
    (tmp_path / "mail" / "a.mbox").unlink()
    with pytest.raises(RefusedToStart, match=r"b\.mbox: no line begins with 'From '"):
        open_sources([str(tmp_path / "mail")], Asked())


USUAL = b"From a@b.example Mon Jan  1 10:00:00 2024\n"
ONE = b"Subject: x\n\ntext\n"


@pytest.mark.parametrize(
    ("content", "messages"),
    [
        (USUAL + ONE, 1),
        (USUAL + ONE + b"\n" + USUAL + ONE, 2),
        (b"\n\n" + USUAL + ONE + b"\n" + USUAL + ONE, 2),
        ((b"From ???@??? Mon Jan 01 10:00:00 2024\n" + ONE) * 2, 2),
        (
            USUAL
            + b"Content-Length: %d\n" % len(USUAL + ONE)
            + ONE.replace(b"text\n", USUAL + ONE),
            1,
        ),
        (USUAL + ONE + b"\nFrom our meeting at 12:30 in 2019, all is known.\n", 1),
    ],
)
def test_a_message_file_is_an_mbox_where_it_holds_several(
    tmp_path: Path, content: bytes, messages: int
) -> None:
    put(tmp_path, "mail/a.eml", content)
    (alone,) = open_sources([str(tmp_path / "mail" / "a.eml")], Asked())
    assert alone.format == ("mbox" if messages > 1 else "eml")
    assert len(list(alone.records())) == messages
    (folder,) = open_sources([str(tmp_path / "mail")], Asked())
    (record,) = folder.records()
    assert (record.flaw is not None) == (messages > 1)
