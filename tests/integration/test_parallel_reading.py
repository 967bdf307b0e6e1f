"""A load's records mapped in other processes: the same entries, letters and skips, in order."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import pytest

from bulkload import ordinals
from bulkload.batch import Entry, Letter
from bulkload.demo import mailbox
from bulkload.mail.mine import Mine
from bulkload.processes.parallel import Pool
from bulkload.records.letters import LetterWriter
from bulkload.records.making import Maker, Making, lost
from bulkload.records.reading import Reader
from bulkload.records.recent import Recent
from bulkload.records.rules import Rules
from bulkload.sources.mbox import MboxSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bulkload.batch import Passed, Skip
    from bulkload.records.making import Numbered

    Made = Entry | Letter | Skip

RULES = Rules(mine=Mine.parse(["example.com"]))


@pytest.fixture
def mail(tmp_path: Path) -> Path:
    path = tmp_path / "mail.mbox"
    mailbox.write(path, 900)
    path.write_bytes(path.read_bytes() + path.read_bytes()[:100_000])  # some of it twice
    return path


def reader(path: Path, pool: Pool[Numbered, Made] | None = None) -> Reader:
    return Reader([MboxSource(path)], maker(path).make, Recent(), pool=pool, limit=950)


def maker(path: Path) -> Maker:
    return Maker("run", LetterWriter("run", [str(path)]), ("message",), RULES, 8 << 20)


def plain(made: Iterator[Passed | Made]) -> list[object]:
    """Without the times of letters."""
    found: list[object] = []
    for each in made:
        if isinstance(each, Letter):
            line = orjson.loads(each.line)
            found.append({name: value for name, value in line.items() if name != "at"})
        else:
            found.append(each)
    return found


def test_other_processes_make_the_same_of_each_record(mail: Path) -> None:
    covered = ordinals.Covered()
    alone = plain(reader(mail).read((0, 0, None), covered))
    with Pool(Making(maker(mail)), lost, processes=2) as pool:
        assert plain(reader(mail, pool).read((0, 0, None), covered)) == alone
    assert len(alone) == 950
    assert sum(isinstance(each, dict) for each in alone) >= 4


def test_a_process_that_is_killed_costs_no_record(mail: Path) -> None:
    found: list[Passed | Made] = []
    with Pool(Making(maker(mail)), lost, processes=2) as pool:
        for each in reader(mail, pool).read((0, 0, None), ordinals.Covered()):
            found.append(each)
            if len(found) in (100, 500):
                os.kill(pool.pids[0], signal.SIGKILL)
    assert [each.ordinal for each in found] == list(range(950))
    assert not any(isinstance(each, Letter) and b"died" in each.line for each in found)


def test_what_is_settled_is_not_mapped_again(mail: Path) -> None:
    covered = ordinals.Covered(ordinals.unpack_spans(ordinals.pack([*range(700), 901])))
    with Pool(Making(maker(mail)), lost, processes=1) as pool:
        found = list(reader(mail, pool).read((0, 0, None), covered))
    assert [each.ordinal for each in found] == [n for n in range(700, 950) if n != 901]


def test_what_is_read_ahead_does_not_count_as_done(mail: Path) -> None:
    read = reader(mail)
    first = list(zip(range(100), read.read((0, 0, None), ordinals.Covered(())), strict=False))
    assert len(first) == 100
    bytes_a_record = mail.stat().st_size / 1_000
    assert read.consumed(0) == 0
    assert 5 * bytes_a_record < read.consumed(10) < 20 * bytes_a_record
    assert read.consumed(10_000) == read.consumed(101), "no more than was read"
