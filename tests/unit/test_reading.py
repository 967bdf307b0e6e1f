"""Records by their ordinals: what an earlier life knew of them has to hold yet."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bulkload.batch import Entry
from bulkload.errors import StoppedForGood
from bulkload.ordinals import Covered
from bulkload.records.reading import Reader
from bulkload.records.seen import Seen
from bulkload.sources.eml import EmlSource

if TYPE_CHECKING:
    from bulkload.model import Record


def made(ordinal: int, source: int, record: Record) -> Entry:
    return Entry(ordinal, source, record.position, str(ordinal), b"", record, str(record.raw))


def test_a_record_that_another_number_had_before_is_no_duplicate_of_itself(tmp_path: Path) -> None:
    for name in "abcd":
        (tmp_path / f"{name}.eml").write_bytes(b"Subject: %s\n\n" % name.encode())
    with closing(Seen(tmp_path, durable=False)) as seen:
        reader = Reader([EmlSource(tmp_path)], made, seen)
        assert len(list(reader.read((0, 0, None), Covered()))) == 4
        seen.commit()
        (tmp_path / "b.eml").unlink()
        read = Reader([EmlSource(tmp_path)], made, seen).read((0, 0, None), Covered([(0, 1)]))
        with pytest.raises(
            StoppedForGood, match="its file 3 was record 3 of the run before, and is"
        ):
            list(read)
