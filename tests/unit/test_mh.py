"""MH: files named by numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bulkload.errors import RefusedToStart
from bulkload.model import Position
from bulkload.sources.mh import MhSource

if TYPE_CHECKING:
    from pathlib import Path


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"Subject: " + name.encode() + b"\n\n")


def test_by_number_and_folder_by_folder_without_what_is_no_message(tmp_path: Path) -> None:
    root = tmp_path / "inbox"
    write(root, "10", "9", "2", "work/1", "work/old/11", ",3", "#4", "5~", ".mh_sequences", "a1")
    write(root, "work/.xmhcache", ".hidden/1", "٣")
    records = list(MhSource(root).records())
    assert [(r.position.at, r.folder) for r in records] == [
        ("2", "inbox"),
        ("9", "inbox"),
        ("10", "inbox"),
        ("work/1", "work"),
        ("work/old/11", "work/old"),
    ]
    assert [r.position.number for r in records] == [1, 2, 3, 4, 5]


def test_a_resume_goes_on_where_it_was_even_if_that_message_is_gone(tmp_path: Path) -> None:
    write(tmp_path, "2", "9", "10", "11")
    (tmp_path / "9").unlink()
    found = [record.position.at for record in MhSource(tmp_path).records(Position("9", 2))]
    assert found == ["10", "11"]


def test_a_folder_that_is_none_refuses(tmp_path: Path) -> None:
    write(tmp_path, "a")
    with pytest.raises(RefusedToStart, match="shown: no file named by a number"):
        MhSource(tmp_path, "shown").names()
