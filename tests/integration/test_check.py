"""`check` over real files, in processes of its own."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import pytest

from bulkload.checking.check import INTERRUPTED, check
from bulkload.checking.scanning import Now, Scan, Wanted
from bulkload.demo import mailbox
from bulkload.errors import RefusedToStart, StoppedResumable
from bulkload.options import Options

if TYPE_CHECKING:
    from bulkload.checking.checked import Checked

CORPUS = Path(
    os.environ.get("BULKLOAD_MAIL_CORPUS", Path(__file__).parents[3] / "shared" / "mail-corpus")
)
ALL = Options(leave_out=("none",), mine=("example.com",))


def checked(*sources: object, options: Options = ALL, **more: object) -> Checked:
    return asyncio.run(
        check(*map(str, sources), options=options, offline=True, **more)  # type: ignore[arg-type]
    )


@pytest.fixture
def mail(tmp_path: Path) -> Path:
    path = tmp_path / "mail.mbox"
    mailbox.write(path, 1500)
    return path


def children() -> set[int]:
    found: set[int] = set()
    for thread in Path(f"/proc/{os.getpid()}/task").glob("*/children"):
        found |= set(map(int, thread.read_text().split()))
    return found


def test_a_process_killed_in_the_middle_costs_nothing(mail: Path, tmp_path: Path) -> None:
    calm = checked(mail, wanted=Wanted(mapped=tmp_path / "calm.ndjson")).tally
    before, killed = children(), list[int]()

    def kill(now: Now) -> None:
        ours = children() - before
        if len(killed) < 3 and now.read > 200 * (len(killed) + 1) and ours:
            os.kill(min(ours), signal.SIGKILL)
            killed.append(now.read)

    stormy = checked(
        mail, tell=kill, wanted=Wanted(mapped=tmp_path / "stormy.ndjson", jobs=2)
    ).tally
    assert killed
    assert (stormy.read, stormy.load, stormy.dead) == (calm.read, calm.load, calm.dead)
    assert stormy.read == 1500
    assert (tmp_path / "stormy.ndjson").read_bytes() == (tmp_path / "calm.ndjson").read_bytes()


def test_mapped_records_are_written_in_reading_order_and_never_over_another_file(
    mail: Path, tmp_path: Path
) -> None:
    path = tmp_path / "mapped.ndjson"
    told = checked(mail, wanted=Wanted(mapped=path, jobs=3))
    lines = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    assert len(lines) == told.tally.load
    numbers = [line["position"]["number"] for line in lines]
    assert numbers == sorted(numbers)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(RefusedToStart, match="is there already"):
        checked(mail, wanted=Wanted(mapped=path))
    with pytest.raises(RefusedToStart, match="can't be made"):
        checked(mail, wanted=Wanted(mapped=tmp_path / "no" / "such.ndjson"))


def test_a_full_disk_is_said_and_no_traceback(
    mail: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoppedResumable, match=r"--mapped .*No space left.*Make room"):
        checked(mail, wanted=Wanted(mapped=tmp_path / "mapped.ndjson"))


def test_what_was_mapped_is_checked_as_what_it_was(mail: Path, tmp_path: Path) -> None:
    path = tmp_path / "mapped.ndjson"
    first = checked(mail, wanted=Wanted(mapped=path))
    again = checked(path)
    assert (again.tally.read, again.tally.load, again.tally.dead) == (first.tally.load,) * 2 + (0,)
    assert again.people.addresses == first.people.addresses > 0
    assert again.tally.directions == first.tally.directions
    assert again.tally.years == first.tally.years


def test_duplicates_are_skipped_over_all_sources(mail: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.mbox"
    other.write_bytes(mail.read_bytes())
    once, twice = checked(mail).tally, checked(mail, other).tally
    assert (twice.read, twice.load) == (2 * once.read, once.load)
    # What has no date is a dead letter twice: it is never known by its key.
    assert twice.dead == 2 * once.dead
    assert twice.skipped_by["duplicate"] == once.load + 2 * once.skipped_by["duplicate"]


def test_what_is_left_out_costs_no_calls(tmp_path: Path) -> None:
    path = tmp_path / "mail.mbox"
    mailbox.write(path, 300)
    thinned = b"".join(
        b"From x Thu Jan  1 00:00:00 2015\n" + (b"X-Spam-Flag: YES\n" if at % 2 else b"") + message
        for at, message in enumerate(re.split(rb"(?m)^From .*\n", path.read_bytes())[1:])
    )
    path.write_bytes(thinned)
    told = checked(path, options=replace(ALL, leave_out=("spam",))).tally
    assert told.skipped >= 100
    assert told.creates <= 6  # not one for each gap


def test_a_sample_is_of_the_whole_source(mail: Path) -> None:
    samples = checked(mail, wanted=Wanted(sample=5)).samples
    numbers = [sample.place.position.number for sample in samples]
    assert len(numbers) == 5
    assert numbers[0] == 1
    assert numbers[-1] > 700
    assert all(sample.mapped.input.properties["hs_timestamp"] for sample in samples)


def test_only_so_many_are_read_as_is_asked_for(mail: Path) -> None:
    options = Options(leave_out=("none",), mine=("example.com",), limit=77)
    assert checked(mail, options=options).tally.read == 77


def test_interrupted_it_says_what_it_knows(mail: Path) -> None:
    async def work() -> Checked:
        interrupt = asyncio.Event()
        loop = asyncio.get_running_loop()
        return await check(
            str(mail),
            options=ALL,
            offline=True,
            wanted=Wanted(jobs=1),
            tell=lambda _: loop.call_soon_threadsafe(interrupt.set),  # type: ignore[arg-type]
            interrupt=interrupt,
        )

    told = asyncio.run(work())
    assert told.stopped == INTERRUPTED
    assert told.exit_code == 3
    assert 0 < told.tally.read < 1500


def test_it_leaves_nothing_behind(
    mail: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "tmp"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    before = children()
    checked(mail)
    assert list(place.iterdir()) == []
    assert children() <= before


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(RefusedToStart, match="stdin"):
        checked("-")
    with pytest.raises(RefusedToStart, match="no such file"):
        checked(tmp_path / "nowhere.mbox")
    with pytest.raises(RefusedToStart, match="--jobs"):
        checked(tmp_path, wanted=Wanted(jobs=0))


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the mail corpus is not beside this checkout")
def test_every_message_of_the_corpus_is_accounted_for() -> None:
    folders = [CORPUS / "stalwart", CORPUS / "cpython"]
    files = sum(len(list(folder.iterdir())) for folder in folders)
    told = checked(*folders, options=Options(leave_out=("none",), format="eml")).tally
    assert told.read == files == told.load + told.dead + told.skipped
    assert not any("died" in message for _, message in told.reasons.found)


def test_who_gives_up_on_a_check_leaves_no_thread_at_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "in.ndjson"
    source.write_text("".join(f'{{"hs_timestamp":"1","k":"{n}"}}\n' for n in range(200_000)))
    over: list[bool] = []
    run = Scan.run

    def watched(scan: Scan) -> None:
        run(scan)
        over.append(scan.whole)

    monkeypatch.setattr(Scan, "run", watched)

    async def gives_up() -> None:
        loop = asyncio.get_running_loop()

        def cancel(_: Now) -> None:
            loop.call_soon_threadsafe(looking.cancel)

        looking = asyncio.create_task(
            check(str(source), options=Options(key="k"), offline=True, tell=cancel)
        )
        with pytest.raises(asyncio.CancelledError):
            await looking
        assert over == [False]

    asyncio.run(gives_up())


def test_a_table_that_needs_a_mapping_is_told_who_proposes_one(tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    table.write_text("Subject,Sent\nx,2024-01-31\n")
    first, *more = checked(table, options=Options()).hopeless
    assert first.startswith("every record would be refused for hs_timestamp")
    assert more == ["bulkload map proposes how columns become properties"]
    (only,) = checked(table, options=Options(map=("hs_email_subject=Subject",))).hopeless
    assert only == first
