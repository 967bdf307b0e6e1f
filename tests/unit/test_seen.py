"""One record of those that have a key is the first, over any crash; what was committed stays."""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkload.batch import Entry, Skip
from bulkload.errors import StoppedResumable
from bulkload.model import Position, Record
from bulkload.ordinals import Covered
from bulkload.records import hashtable, reading, seen
from bulkload.records.hashtable import HashTable
from bulkload.records.seen import Seen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bulkload.protocols import Source

KEYS = st.integers(0, 40).map(str)
PAGE = 512  # what a disk writes at once
READS = st.lists(st.lists(KEYS, max_size=12), max_size=8)


def digest_of(number: int) -> bytes:
    """Three have the same home, so that they push each other and their neighbours from it."""
    return (number // 3 << 74 | number + 1).to_bytes(hashtable.DIGEST, "big")


def firsts(keys: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for ordinal, key in enumerate(keys):
        found.setdefault(key, ordinal)
    return found


def ask(index: Seen, keys: list[str], start: int = 0) -> list[int | None]:
    return [index.first(key, ordinal) for ordinal, key in enumerate(keys, start)]


def expected(keys: list[str]) -> list[int | None]:
    first = firsts(keys)
    return [None if first[key] == ordinal else first[key] for ordinal, key in enumerate(keys)]


@given(READS)
@settings(deadline=None, max_examples=50)
def test_the_first_of_a_key_is_the_first_and_all_others_point_at_it(
    batches: list[list[str]],
) -> None:
    """Asked in one go, and asked again from any batch on after a reopening."""
    keys = [key for batch in batches for key in batch]
    with TemporaryDirectory() as name:
        index = Seen(Path(name), durable=False)
        found: list[int | None] = []
        for batch in batches:
            found += ask(index, batch, len(found))
            index.commit()
            assert index.through == len(found)
        assert found == expected(keys)
        index.close()
        for start in range(len(batches) + 1):
            skipped = sum(map(len, batches[:start]))
            index = Seen(Path(name), durable=False)
            assert index.through == len(keys)
            assert ask(index, keys[skipped:], skipped) == found[skipped:]
            for key, first in firsts(keys).items():
                assert index.first(key, len(keys)) == first
            index.close()


@given(READS.filter(any), st.data())
@settings(deadline=None)
def test_a_crash_anywhere_costs_what_was_not_committed(
    batches: list[list[str]], data: st.DataObject
) -> None:
    """The files as they are at a kill after any commit; and with any of the table's pages as they
    were at the last sync, and the log torn, as a power loss may leave them.
    """
    keys = [key for batch in batches for key in batch]
    committed = data.draw(st.integers(0, len(batches)))
    with TemporaryDirectory() as name, ExitStack() as undone:
        directory, crashed = Path(name) / "run", Path(name) / "crashed"
        directory.mkdir()
        index = Seen(directory, durable=False)
        undone.callback(index.close)
        synced = (directory / "seen.table").read_bytes()
        done = 0
        for batch in batches[:committed]:
            ask(index, batch, done)
            index.commit()
            done += len(batch)
        ask(index, keys[done : done + 3], done)  # and these were not
        shutil.copytree(directory, crashed)
        if data.draw(st.booleans(), label="power loss"):
            table = bytearray((crashed / "seen.table").read_bytes())
            for page in data.draw(st.sets(st.integers(0, len(table) // PAGE - 1)), label="lost"):
                table[page * PAGE : (page + 1) * PAGE] = synced[page * PAGE : (page + 1) * PAGE]
            (crashed / "seen.table").write_bytes(table)
            with (crashed / "seen.log").open("ab") as log:
                log.write(data.draw(st.binary(max_size=60), label="torn"))
        again = Seen(crashed, durable=False)
        undone.callback(again.close)
        assert again.through == done
        for key, first in firsts(keys[:done]).items():
            assert again.first(key, len(keys)) == first
        assert ask(again, keys) == expected(keys)


@given(st.permutations(range(60)), st.integers(0, 60))
@settings(deadline=None, max_examples=50)
def test_a_table_grows_and_keeps_all(order: list[int], reopened: int) -> None:
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patched:
        patched.setattr(hashtable, "_FIRST_BITS", 2)
        patched.setattr(hashtable, "_COPIED", 8)
        path = Path(name) / "t"
        table = HashTable(path, durable=False)
        for count, number in enumerate(order):
            if count == reopened:
                table.sync(count)
                table.close()
                table = HashTable(path, durable=False)
                assert (table.count, table.through) == (count, count)
            assert table.find(digest_of(number)) is None
            table.put(digest_of(number), number)
        assert [table.find(digest_of(number)) for number in range(60)] == list(range(60))
        assert table.find(digest_of(60)) is None
        assert table._bits > 6
        table.close()


def test_the_log_begins_anew_once_it_is_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seen, "LOGGED", 50)
    index = Seen(tmp_path, durable=True)
    lengths = []
    for ordinal in range(200):
        assert index.first(b"%d" % ordinal, ordinal) is None
        index.commit()
        lengths.append((tmp_path / "seen.log").stat().st_size)
    assert max(lengths) < 50 * 40 + 1
    assert lengths.count(0) == 4
    again = Seen(tmp_path, durable=True)
    assert again.through == 200
    assert [again.first(str(n), n + 1000) for n in range(200)] == list(range(200))
    again.close()
    index.close()


def test_what_was_not_committed_is_forgotten(tmp_path: Path) -> None:
    index = Seen(tmp_path, durable=False)
    index.first("a", 0)
    index.close()
    index = Seen(tmp_path, durable=False)
    assert index.through == 0
    assert index.first("a", 1) is None
    index.close()


def test_records_that_were_left_out_are_passed_over(tmp_path: Path) -> None:
    index = Seen(tmp_path, durable=False)
    index.first("a", 7)
    index.commit()
    assert index.through == 8
    assert index.first("a", 9) == 7
    index.commit()
    index.close()
    index = Seen(tmp_path, durable=False)
    assert index.through == 10
    index.close()


@pytest.mark.parametrize("damage", ["header", "length", "other", "empty", "older"])
def test_a_damaged_index_begins_anew_and_says_from_where(tmp_path: Path, damage: str) -> None:
    index = Seen(tmp_path, durable=False)
    index.first("a", 0)
    index.commit()
    index.close()
    path = tmp_path / "seen.table"
    with path.open("r+b") as table:
        if damage == "header":
            table.write(b"bulkseen" + bytes(9))
        elif damage == "length":
            table.truncate(9999)
        elif damage == "older":
            head = b"bulkseen" + table.read(hashtable._HEADER.size)[8:]
            table.seek(0)
            table.write(head + hashtable._crc(head))
        elif damage == "other":
            table.write(b"SQLite format 3\0" * 9)
        else:
            table.truncate(0)
    index = Seen(tmp_path, durable=False)
    assert index.through == 0
    assert index.first("a", 0) is None
    index.close()


def test_a_log_without_its_table_is_not_believed(tmp_path: Path) -> None:
    index = Seen(tmp_path, durable=False)
    index.first("a", 0)
    index.commit()
    index.close()
    index = Seen(tmp_path, durable=False)
    index.first("b", 1)
    index.commit()
    (tmp_path / "seen.table").unlink()
    anew = Seen(tmp_path, durable=False)
    assert anew.through == 0
    assert ask(anew, ["a", "b", "a"]) == [None, None, 0]
    anew.close()
    index.close()


def test_a_table_without_an_empty_slot_is_taken_away(tmp_path: Path) -> None:
    index = Seen(tmp_path, durable=False)
    path = tmp_path / "seen.table"
    with path.open("r+b") as table:
        table.seek(4096)
        table.write(b"x" * (path.stat().st_size - 4096))
    with pytest.raises(StoppedResumable, match="index of keys was damaged: it has no empty slot"):
        index.first("a", 0)
    assert not path.exists()
    again = Seen(tmp_path, durable=False)
    assert again.first("a", 0) is None
    again.close()


def test_an_ordinal_that_is_not_the_one_that_was_put_is_never_told(tmp_path: Path) -> None:
    """Whichever bit is another one: told, it would make a record that is none a duplicate."""
    digest, ordinal = digest_of(7), 0x0123456789
    table = HashTable(tmp_path / "t", durable=False)
    table.put(digest, ordinal)
    assert table.find(digest) == ordinal
    table.close()
    whole = (tmp_path / "t").read_bytes()
    at = whole.index(digest) + hashtable.DIGEST
    for bit in range(8 * (hashtable.SLOT - hashtable.DIGEST)):
        flipped = bytearray(whole)
        flipped[at + bit // 8] ^= 1 << bit % 8
        (tmp_path / "t").write_bytes(flipped)
        table = HashTable(tmp_path / "t", durable=False)
        with pytest.raises(hashtable.Damaged):
            table.find(digest)
        with pytest.raises(hashtable.Damaged):
            table.put(digest, ordinal)
        table.close()


def test_an_index_with_such_an_ordinal_is_taken_away(tmp_path: Path) -> None:
    index = Seen(tmp_path, durable=False)
    index.first("a", 1)
    index.commit()
    index.close()
    path = tmp_path / "seen.table"
    table = bytearray(path.read_bytes())
    at = next(at for at in range(4096, len(table), 16) if any(table[at : at + 16]))
    table[at + hashtable.DIGEST + 2] ^= 1
    path.write_bytes(table)
    index = Seen(tmp_path, durable=False)
    with pytest.raises(StoppedResumable, match="index of keys was damaged"):
        index.first("a", 1)
    assert not path.exists()
    again = Seen(tmp_path, durable=False)
    assert (again.through, again.first("a", 1)) == (0, None)
    again.close()


def test_a_full_disk_stops_the_run_and_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = Seen(tmp_path, durable=True)
    index.first("a", 0)
    index.commit()
    index.first("b", 1)

    def half(descriptor: int, content: bytes) -> None:
        os.write(descriptor, content[:20])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(seen, "write_whole", half)
        with pytest.raises(StoppedResumable, match=r"seen\.table: .*No space left.*then resume"):
            index.commit()
    again = Seen(tmp_path, durable=True)
    assert again.through == 1
    assert again.first("b", 5) is None
    again.close()
    index.commit()  # over what the first try left
    third = Seen(tmp_path, durable=True)
    assert third.first("b", 9) == 1
    third.close()


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    index = Seen(tmp_path, durable=True)
    for ordinal in range(5000):
        index.first(str(ordinal), ordinal)
    index.commit()
    index.close()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"seen.table": 0o600, "seen.log": 0o600}


def test_what_is_read_past_is_durable_though_no_batch_comes_of_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An index that was lost is filled from the first record on, however many are settled."""
    monkeypatch.setattr(reading, "PASSED_BY", 10)

    def make(ordinal: int, source: int, record: Record) -> Entry:
        return Entry(ordinal, source, record.position, "", b"", record, f"k{ordinal % 90}")

    class Lines:
        name, format, noun = "s", "ndjson", "record"

        def records(self, _: Position | None) -> Iterator[Record]:
            yield from (Record(Position(n, n + 1), "json", b"") for n in range(100))

        def size(self) -> int:
            return 100

        def consumed(self) -> int:
            return 0

    index = Seen(tmp_path, durable=False)
    most, commit = 0, index.commit

    def counted() -> None:
        nonlocal most
        most = max(most, len(index._pending))
        commit()

    monkeypatch.setattr(index, "commit", counted)
    reader = reading.Reader([cast("Source", Lines())], make, index)
    left = [*reader.read((95, 0, Position(95, 96)), Covered([(0, 94)]))]
    assert [(type(each), each.ordinal) for each in left] == [(Skip, n) for n in range(95, 100)]
    assert most == 10
    assert len(index._pending) == 0, "of the last no batch was made yet"
    assert index.through == 90
    index.close()
