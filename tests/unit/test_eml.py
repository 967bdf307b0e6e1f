"""Messages as files and folders."""

from __future__ import annotations

import gzip
import os
from typing import TYPE_CHECKING

import pytest

from bulkload.errors import RefusedToStart
from bulkload.model import Position
from bulkload.sources.eml import EmlSource

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"Subject: " + name.encode() + b"\n\n")


def names(source: EmlSource) -> list[object]:
    return [record.position.at for record in source.records()]


def test_a_folder_is_read_in_order_without_what_is_hidden(tmp_path: Path) -> None:
    write(tmp_path, "b.eml", "a/z.EML", "a/.h.eml", ".git/x.eml", "a.eml", "note.txt", "c/d/e.eml")
    assert names(EmlSource(tmp_path)) == ["a.eml", "a/z.EML", "b.eml", "c/d/e.eml"]
    assert names(EmlSource(tmp_path, all_files=True)) == [
        "a.eml",
        "a/z.EML",
        "b.eml",
        "c/d/e.eml",
        "note.txt",
    ]


def test_a_single_file_is_a_source_of_one(tmp_path: Path) -> None:
    write(tmp_path, "a.eml")
    (record,) = EmlSource(tmp_path / "a.eml").records()
    assert record.position == ("a.eml", 1)
    assert record.raw == b"Subject: a.eml\n\n"


def test_a_single_file_has_nothing_that_came_since(tmp_path: Path) -> None:
    (tmp_path / "one.eml").write_bytes(b"Subject: one\n\n")
    source = EmlSource(tmp_path / "one.eml")
    assert source.extended([source], None) is None
    whole = EmlSource(tmp_path)
    earlier = EmlSource(tmp_path, listing=whole.listing())
    (tmp_path / "two.eml").write_bytes(b"Subject: two\n\n")
    came = EmlSource(tmp_path).extended([earlier], None)
    assert came is not None
    assert came.names() == ["two.eml"]


def test_a_resume_opens_nothing_before_its_position(tmp_path: Path) -> None:
    write(tmp_path, "a.eml", "b.eml", "c.eml")
    source = EmlSource(tmp_path)
    source.names()
    (tmp_path / "a.eml").unlink()
    found = list(source.records(Position("b.eml", 2)))
    assert [record.flaw for record in found] == [None, None]
    assert [record.position for record in found] == [("b.eml", 2), ("c.eml", 3)]


def test_a_file_that_can_not_be_opened_is_a_record_with_a_flaw(tmp_path: Path) -> None:
    write(tmp_path, "a.eml", "b.eml", "c.eml")
    (tmp_path / "dangling.eml").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.eml").symlink_to(tmp_path / "loop.eml")
    source = EmlSource(tmp_path)
    source.names()
    (tmp_path / "b.eml").unlink()
    a, b, c, dangling, loop = source.records()
    assert (a.flaw, c.flaw) == (None, None)
    assert "b.eml: there is no such file" in (b.flaw or "")
    assert "dangling.eml" in (dangling.flaw or "")
    assert "loop.eml" in (loop.flaw or "")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_permissions(tmp_path: Path) -> None:
    write(tmp_path, "a.eml", "sub/b.eml")
    (tmp_path / "a.eml").chmod(0)
    flawed, _ = EmlSource(tmp_path).records()
    assert "a.eml: permission denied" in (flawed.flaw or "")
    (tmp_path / "sub").chmod(0)
    with pytest.raises(RefusedToStart, match="sub/ can't be listed"):
        EmlSource(tmp_path).names()
    (tmp_path / "sub").chmod(0o700)


def test_a_name_that_is_not_utf8_is_shown_escaped_and_read(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.eml")).write_bytes(b"Subject: x\n\n")
    (record,) = EmlSource(tmp_path).records()
    assert record.position.at == "caf\\xe9.eml"
    assert record.raw == b"Subject: x\n\n"


def test_gzip_is_undone_and_a_torn_one_is_flawed(tmp_path: Path) -> None:
    whole = gzip.compress(b"Subject: x\n\nbody")
    (tmp_path / "a.eml.gz").write_bytes(whole)
    (tmp_path / "b.eml").write_bytes(whole[:-5])
    a, b = EmlSource(tmp_path).records()
    assert (a.raw, a.flaw) == (b"Subject: x\n\nbody", None)
    assert "ends too early" in (b.flaw or "")


def test_a_folder_without_messages_refuses_and_says_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(RefusedToStart, match=r"no \*.eml file .* --format eml"):
        EmlSource(tmp_path, "mails/").names()
    (tmp_path / "x.ndjson").write_bytes(b"{}")
    (tmp_path / "y.mbox.gz").write_bytes(b"{}")
    with pytest.raises(RefusedToStart, match=r"'mails/\*.mbox' 'mails/\*.ndjson'"):
        EmlSource(tmp_path, "mails/").names()


def test_the_fingerprint_sees_names_and_sizes(tmp_path: Path) -> None:
    write(tmp_path, "a.eml", "b.eml")
    before = EmlSource(tmp_path).fingerprint()
    assert EmlSource(tmp_path).fingerprint() == before
    (tmp_path / "b.eml").rename(tmp_path / "c.eml")
    assert EmlSource(tmp_path).fingerprint() != before


def test_each_message_knows_its_folder(tmp_path: Path) -> None:
    write(
        tmp_path,
        "a.eml",
        "Sent/2019/b.eml",
        "V10/Sent Messages.mbox/0A1B/Data/1/Messages/12.emlx",
        "V10/Inbox.mbox/Sub.mbox/0A1B/Data/Messages/13.partial.emlx",
    )
    assert [record.folder for record in EmlSource(tmp_path).records()] == [
        "Sent/2019",
        "Inbox/Sub",
        "Sent Messages",
        "",
    ]


@pytest.mark.parametrize(
    ("content", "raw"),
    [
        (b"16     \nSubject: x\n\nbody<?xml version=\n", b"Subject: x\n\nbody"),
        (b"Subject: x\n\nbody", b"Subject: x\n\nbody"),
        (b"9" * 5000 + b"\nx", b"9" * 5000 + b"\nx"),
    ],
)
def test_of_apples_format_the_message_alone(tmp_path: Path, content: bytes, raw: bytes) -> None:
    (tmp_path / "1.emlx").write_bytes(content)
    (record,) = EmlSource(tmp_path / "1.emlx").records()
    assert (record.raw, record.flaw) == (raw, None)


def test_a_message_of_apples_format_that_is_cut_is_not_loaded_as_whole(tmp_path: Path) -> None:
    (tmp_path / "1.emlx").write_bytes(b"900\nSubject: x\n\nbody")
    (record,) = EmlSource(tmp_path / "1.emlx").records()
    assert record.flaw == "the file ends 884 bytes before its message does"
