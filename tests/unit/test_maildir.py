"""Maildir: names, flags, folders, and what a mail program does to them meanwhile."""

from __future__ import annotations

import os
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest

from bulkload.errors import RefusedToStart
from bulkload.sources.folders import decoded, maildir_folder
from bulkload.sources.maildir import MaildirSource, unique

if TYPE_CHECKING:
    from pathlib import Path


def write(root: Path, *names: str) -> None:
    """Each message says its name; its Maildir has all its places."""
    for name in names:
        file = root / name
        for place in ("cur", "new", "tmp"):
            (file.parent.parent / place).mkdir(parents=True, exist_ok=True)
        file.write_bytes(f"Subject: {unique(file.name)}\n\n".encode())


def test_messages_with_their_flags_and_folders_and_none_from_tmp(tmp_path: Path) -> None:
    write(
        tmp_path,
        "cur/1.a.host:2,S",
        "new/2.b.host",
        "tmp/3.c.host",
        "cur/4.d.host,S=12:2,FRTab",
        ".Sent.2019/cur/5.e.host!2,P",
        ".INBOX.Sub/new/6.f-2,host",
        "Work/cur/7.g.host-2,D",
    )
    (tmp_path / "dovecot.index.log").write_bytes(b"no message")
    (tmp_path / "cur" / ".hidden").write_bytes(b"no message")
    found = {r.position.at: (r.folder, r.flags) for r in MaildirSource(tmp_path).records()}
    assert found == {
        "1.a.host": ("INBOX", "S"),
        "2.b.host": ("INBOX", ""),
        "4.d.host,S=12": ("INBOX", "FRT"),
        ".Sent.2019/5.e.host": ("Sent/2019", "P"),
        ".INBOX.Sub/6.f-2,host": ("INBOX/Sub", ""),
        "Work/7.g.host": ("Work", "D"),
    }


def test_flags_changed_between_two_readings_change_nothing_else(tmp_path: Path) -> None:
    write(tmp_path, "new/1.a", "cur/2.b:2,", "new/3.c")
    before = MaildirSource(tmp_path)
    mark, records = before.fingerprint(), list(before.records())
    (tmp_path / "new/1.a").rename(tmp_path / "cur/1.a:2,S")
    (tmp_path / "cur/2.b:2,").rename(tmp_path / "cur/2.b:2,RS")
    after = MaildirSource(tmp_path)
    assert after.fingerprint() == mark
    assert [each._replace(flags="") for each in after.records()] == records
    assert [each.flags for each in after.records(records[1].position)] == ["RS", ""]
    write(tmp_path, "new/4.d")
    assert MaildirSource(tmp_path).fingerprint() != mark


def test_a_message_that_is_renamed_while_it_is_read_is_found_again(tmp_path: Path) -> None:
    names = [f".Sent/new/{at}.x" for at in range(1, 6)]
    write(tmp_path, "cur/0.x:2,", *names)
    records = MaildirSource(tmp_path).records()
    seen = [next(records)]
    for name in names:
        (tmp_path / name).rename(tmp_path / f"{name.replace('new', 'cur')}:2,S")
    seen.append(next(records))
    (tmp_path / ".Sent/cur/3.x:2,S").rename(tmp_path / ".Sent/cur/3.x:2,FS")
    (tmp_path / ".Sent/cur/4.x:2,S").unlink()
    seen += records
    by_name = {record.position.at: record for record in seen}
    assert len(by_name) == len(seen) == 6
    gone = by_name.pop(".Sent/4.x")
    assert "there is no such file" in (gone.flaw or "")
    assert by_name[".Sent/3.x"].flags == "FS"
    assert {r.raw: r.flaw for r in by_name.values()} == {
        f"Subject: {at}.x\n\n".encode(): None for at in (0, 1, 2, 3, 5)
    }


def test_a_maildir_is_not_listed_again_for_each_message_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, *(f"cur/{at}.x:2,S" for at in range(50)))
    source = MaildirSource(tmp_path)
    source.names()
    for at in range(50):
        (tmp_path / f"cur/{at}.x:2,S").unlink()
    listed: list[Path] = []
    real = os.listdir

    def counting(path: Path) -> list[str]:
        listed.append(path)
        return real(path)

    monkeypatch.setattr(os, "listdir", counting)
    assert all(record.flaw for record in source.records())
    assert len(listed) == 2  # new and cur, once


def test_a_copy_that_kept_old_flags_is_a_message_of_its_own(tmp_path: Path) -> None:
    write(tmp_path, "cur/1.a:2,S", "cur/1.a:2,RS", "new/1.a")
    found = [(r.position.at, r.flags) for r in MaildirSource(tmp_path).records()]
    assert found == [("1.a", ""), ("1.a (2)", "RS"), ("1.a (3)", "S")]


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    write(tmp_path, "cur/1.a:2,")
    (tmp_path / "cur" / os.fsdecode(b"2.caf\xe9:2,S")).write_bytes(b"Subject: x\n\n")
    _, record = MaildirSource(tmp_path).records()
    assert (record.position.at, record.flags) == ("2.caf\\xe9", "S")
    assert record.raw == b"Subject: x\n\n"


def test_a_folder_that_is_none_refuses(tmp_path: Path) -> None:
    with pytest.raises(RefusedToStart, match=r"shown: no message in cur/ or new/"):
        MaildirSource(tmp_path, "shown").names()


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        (".", "INBOX"),
        ("Maildir", "INBOX"),
        ("example.com/ada/Maildir", "example.com/ada"),
        ("Maildir/.Sent", "Sent"),
        (".Entw&APw-rfe", "Entwürfe"),
        (".R&-D.&Jjo-", "R&D/☺"),
        (".Bad&!-", "Bad&!-"),
    ],
)
def test_folders_are_named_as_their_user_knows_them(path: str, folder: str) -> None:
    assert maildir_folder(PurePosixPath(path)) == folder


@pytest.mark.parametrize("name", ["&AB-", "&", "a&b", "&2D3-", "&AAA", "&,,-"])
def test_a_name_that_is_no_modified_utf7_stands_as_it_is(name: str) -> None:
    assert isinstance(decoded(name), str)
    decoded(name).encode()
