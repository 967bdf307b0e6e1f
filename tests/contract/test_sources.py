"""One contract for every source: fixed order, positions that read again, bounded memory.

A format joins by adding itself to FORMATS below.
"""

from __future__ import annotations

import bz2
import gc
import gzip
import json
import lzma
import pickle
import random
import tarfile
import tracemalloc
import zipfile
from contextlib import closing
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal

import orjson
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest
from backports import zstd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulkload.errors import RefusedToStart
from bulkload.model import Position, Record
from bulkload.protocols import Lined
from bulkload.sources import describe, reopen
from bulkload.sources.archived import ArchivedSource
from bulkload.sources.archives import held_in
from bulkload.sources.arrow import ArrowSource
from bulkload.sources.csvs import CsvSource
from bulkload.sources.eml import EmlSource
from bulkload.sources.jsonarray import JsonArraySource
from bulkload.sources.letters import LettersSource
from bulkload.sources.maildir import MaildirSource
from bulkload.sources.mapped import MappedSource
from bulkload.sources.mbox import MboxSource
from bulkload.sources.mh import MhSource
from bulkload.sources.msg import MsgSource
from bulkload.sources.ndjson import NdjsonSource
from bulkload.sources.parquet import ParquetSource
from bulkload.sources.places import Local
from tests.compound import msg

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bulkload.protocols import Source

LIMIT = 100_000
BODIES = [
    "",
    "x",
    "two\nlines",
    "quote \" and ''",
    "é, ü; 漢字",
    "From here\non",
    ">From me",
    "a\r\nb",
]


def _texts(seed: int, large: int | None = None) -> list[str]:
    """Bodies of very different lengths; the one at `large` is over the limit."""
    pick = random.Random(seed)
    texts = [pick.choice(BODIES) * pick.choice([1, 1, 2, 300, 5000]) for _ in range(40)]
    if large is not None:
        texts[large] = "y" * (LIMIT * 3)
    return texts


def _ndjson(path: Path, texts: list[str]) -> None:
    path.write_bytes(b"".join(orjson.dumps({"body": text}) + b"\n" for text in texts))


def _letters(path: Path, texts: list[str]) -> None:
    lines = [
        orjson.dumps({"bulkload": "dead-letter/1", "record": {"body": text}}) for text in texts
    ]
    path.write_bytes(b"\n".join(lines))


def _csv(path: Path, texts: list[str]) -> None:
    rows = ['hs_timestamp,"body, as text"']
    rows += ['{},"{}"'.format(at, text.replace('"', '""')) for at, text in enumerate(texts)]
    path.write_bytes("\r\n".join(rows).encode())


def _mbox(path: Path, texts: list[str]) -> None:
    parts = [
        f"From a@b.c Mon Jan  1 10:00:{at:02} 2024\nSubject: {at}\n\n{text}\n\n"
        for at, text in enumerate(texts)
    ]
    path.write_bytes("".join(parts).encode())


def _parquet(path: Path, texts: list[str]) -> None:
    pq.write_table(pa.table({"body": texts, "at": range(len(texts))}), path, row_group_size=7)


def _json(path: Path, texts: list[str]) -> None:
    path.write_bytes(b"[\n" + b" ,\n".join(orjson.dumps({"body": text}) for text in texts) + b"]\n")


def _csv_in_utf16(path: Path, texts: list[str]) -> None:
    _csv(path, texts)
    path.write_bytes(path.read_bytes().decode().encode("utf-16"))


def _arrow(path: Path, texts: list[str], new: Callable[..., Any] = pa.ipc.new_file) -> None:
    table = pa.table({"body": texts, "at": range(len(texts))})
    with path.open("wb") as file, new(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=7)


def _arrow_stream(path: Path, texts: list[str]) -> None:
    _arrow(path, texts, pa.ipc.new_stream)


def _gzipped(write: Callable[[Path, list[str]], None]) -> Callable[[Path, list[str]], None]:
    def written(path: Path, texts: list[str]) -> None:
        write(path, texts)
        content = path.read_bytes()
        middle = len(content) // 2  # two members, as `cat a.gz b.gz` makes
        path.write_bytes(gzip.compress(content[:middle]) + gzip.compress(content[middle:]))

    return written


def _packed(
    write: Callable[[Path, list[str]], None], compress: Callable[[bytes], bytes]
) -> Callable[[Path, list[str]], None]:
    def written(path: Path, texts: list[str]) -> None:
        write(path, texts)
        content = path.read_bytes()
        middle = len(content) // 3  # two streams or frames, as `cat` makes
        path.write_bytes(compress(content[:middle]) + compress(content[middle:]))

    return written


def _xz(content: bytes) -> bytes:
    return lzma.compress(content, preset=0)  # with a window of 256 KiB, as memory is measured


def _tar_zst(path: Path, texts: list[str]) -> None:
    _tar(path, _mboxes(path, texts), "w")
    path.write_bytes(zstd.compress(path.read_bytes()))


def _eml(path: Path, texts: list[str]) -> None:
    for at, text in enumerate(texts):
        folder = path / f"folder {at % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{at}.eml").write_bytes(f"Subject: {at}\n\n{text}".encode())


def _maildir(path: Path, texts: list[str]) -> None:
    folders = ["", ".Sent", ".Sent.2019", "nested/Folder"]
    for folder in folders:
        for place in ("cur", "new", "tmp"):
            (path / folder / place).mkdir(parents=True, exist_ok=True)
    for at, text in enumerate(texts):
        place, flags = ("new", "") if at % 3 else ("cur", ":2,RS")
        file = path / folders[at % 4] / place / f"{1700000000 + at * 7919 % 97}.M{at}.host{flags}"
        file.write_bytes(f"Subject: {at}\n\n{text}".encode())


def _mh(path: Path, texts: list[str]) -> None:
    for at, text in enumerate(texts):
        folder = path / ["inbox", "sent", "sent/2019"][at % 3]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / str(at + 1)).write_bytes(f"Subject: {at}\n\n{text}".encode())


def _msg(path: Path, texts: list[str]) -> None:
    for at, text in enumerate(texts):
        folder = path / f"folder {at % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{at}.msg").write_bytes(msg(text))


def _emls(texts: list[str]) -> dict[str, bytes]:
    return {
        f"mail/folder {at % 3}/{at}.eml": f"Subject: {at}\n\n{text}".encode()
        for at, text in enumerate(texts)
    }


def _mboxes(path: Path, texts: list[str]) -> dict[str, bytes]:
    """The mbox between others: a position must neither begin before it nor run past it."""
    _mbox(path, texts)
    other = b"From x Mon Jan  1 10:00:00 2024\n\n" * 3000
    return {"Mail/A.mbox": other, "Mail/Sent.mbox": path.read_bytes(), "Mail/Z.mbox": other}


def _zip(path: Path, files: dict[str, bytes], method: int) -> None:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def _tar(path: Path, files: dict[str, bytes], mode: Literal["w", "w:gz"]) -> None:
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, BytesIO(content))


def _sent(path: Path, name: str, *, max_record_bytes: int) -> MboxSource:
    (member,) = [
        each for each in held_in(Local(path), name).mboxes if each.name == "Mail/Sent.mbox"
    ]
    return MboxSource(path, name, max_record_bytes=max_record_bytes, member=member)


STORED, DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED

FORMATS: dict[str, tuple[Callable[..., Source], Callable[[Path, list[str]], None]]] = {
    "ndjson": (NdjsonSource, _ndjson),
    "ndjson.gz": (NdjsonSource, _gzipped(_ndjson)),
    "ndjson.zst": (NdjsonSource, _packed(_ndjson, zstd.compress)),
    "letters": (LettersSource, _letters),
    "mapped": (MappedSource, _ndjson),
    "csv": (CsvSource, _csv),
    "csv.gz": (CsvSource, _gzipped(_csv)),
    "csv.xz": (CsvSource, _packed(_csv, _xz)),
    "csv in utf-16": (CsvSource, _csv_in_utf16),
    "json": (JsonArraySource, _json),
    "json.gz": (JsonArraySource, _gzipped(_json)),
    "parquet": (ParquetSource, _parquet),
    "arrow": (ArrowSource, _arrow),
    "arrow stream": (ArrowSource, _arrow_stream),
    "mbox": (MboxSource, _mbox),
    "mbox.bz2": (MboxSource, _packed(_mbox, bz2.compress)),
    "mbox.gz": (MboxSource, _gzipped(_mbox)),
    "mbox in a zip, stored": (_sent, lambda p, t: _zip(p, _mboxes(p, t), STORED)),
    "mbox in a zip": (_sent, lambda p, t: _zip(p, _mboxes(p, t), DEFLATED)),
    "mbox in a tar": (_sent, lambda p, t: _tar(p, _mboxes(p, t), "w")),
    "mbox in a tgz": (_sent, lambda p, t: _tar(p, _mboxes(p, t), "w:gz")),
    "mbox in a tar.zst": (_sent, _tar_zst),
    "eml": (EmlSource, _eml),
    "eml in a zip": (ArchivedSource, lambda p, t: _zip(p, _emls(t), DEFLATED)),
    "eml in a tgz": (ArchivedSource, lambda p, t: _tar(p, _emls(t), "w:gz")),
    "maildir": (MaildirSource, _maildir),
    "mh": (MhSource, _mh),
    "msg": (MsgSource, _msg),
}


@pytest.fixture(params=list(FORMATS))
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[list[str]], Source]:
    kind, write = FORMATS[request.param]

    def made(texts: list[str]) -> Source:
        path = tmp_path / "source"
        write(path, texts)
        return kind(path, "shown", max_record_bytes=LIMIT)

    return made


def test_the_same_records_each_time(make: Callable[[list[str]], Source]) -> None:
    source = make(_texts(1))
    first = list(source.records())
    assert len(first) == len(_texts(1))
    assert list(source.records()) == first
    assert not any(record.flaw for record in first)
    assert pickle.loads(pickle.dumps(first)) == first
    if first[0].kind == "mail":
        assert all(record.folder for record in first)


@settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=25)
@given(k=st.integers(0, 39), seed=st.integers(0, 5), large=st.none() | st.integers(0, 39))
def test_a_position_reads_the_same_record_and_all_after_it(
    make: Callable[[list[str]], Source], k: int, seed: int, large: int | None
) -> None:
    source = make(_texts(seed, large))
    records = list(source.records())
    through_json = Position(**json.loads(json.dumps(records[k].position.as_json())))
    assert list(source.records(through_json)) == records[k:]
    if isinstance(source, Lined):
        together: list[Record] = []
        for found in source.stretches(through_json):
            together.extend((found,) if isinstance(found, Record) else found.records())
        assert together == records[k:]


def test_a_record_over_the_limit_is_left_unread_and_the_next_one_follows(
    make: Callable[[list[str]], Source],
) -> None:
    source = make(_texts(2, large=7))
    records = list(source.records())
    unread = [record for record in records if record.raw is None]
    assert len(records) == 40
    assert len(unread) == 1
    assert "--max-record-bytes 100,000" in (unread[0].flaw or "")
    whole = list(make(_texts(2)).records())
    kept = [record.raw for record in records if record.raw is not None]
    assert set(kept) <= {record.raw for record in whole}


def test_a_record_is_read_again_at_its_position(make: Callable[[list[str]], Source]) -> None:
    source = make([f"{n} {BODIES[n % len(BODIES)]}" for n in range(1_200)])
    records = list(source.records())
    assert len(records) == 1_200

    @settings(
        max_examples=1_000, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(st.integers(0, len(records) - 1))
    def again(k: int) -> None:
        with closing(source.records(records[k].position)) as found:
            assert next(found) == records[k]

    again()


def test_memory_does_not_grow_with_a_record(make: Callable[[list[str]], Source]) -> None:
    texts = _texts(3)
    texts[5] = "z" * (48 << 20)
    source = make(texts)
    del texts
    gc.collect()
    tracemalloc.start()
    count = sum(1 for _ in source.records())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 40
    assert peak < 8 << 20


def test_closing_the_iterator_closes_the_file(make: Callable[[list[str]], Source]) -> None:
    source = make(_texts(4))
    records = source.records()
    next(records)
    records.close()
    del records, source
    gc.collect()  # a file left open would be a ResourceWarning here, and that is an error


def test_the_fingerprint_is_json_and_tells_a_change(make: Callable[[list[str]], Source]) -> None:
    source = make(_texts(5))
    before = source.fingerprint()
    assert json.loads(json.dumps(before)) == before == source.fingerprint()
    changed = make([*_texts(5), "one more"])
    assert changed.fingerprint() != before


def test_consumed_ends_at_size(make: Callable[[list[str]], Source]) -> None:
    source = make(_texts(6))
    records = list(source.records())
    assert source.consumed() == source.size()
    list(source.records(records[30].position))
    assert source.consumed() == source.size()


def test_described_and_reopened_it_is_the_same_source(
    make: Callable[[list[str]], Source],
) -> None:
    source = make(_texts(7))
    again = reopen(json.loads(json.dumps(describe(source))))
    assert (again.name, again.format) == ("shown", source.format)
    assert again.fingerprint() == source.fingerprint()
    assert list(again.records()) == list(source.records())


def test_a_source_that_is_gone_refuses(make: Callable[[list[str]], Source], tmp_path: Path) -> None:
    source = make(_texts(8))
    (tmp_path / "source").rename(tmp_path / "elsewhere")
    with pytest.raises(RefusedToStart, match="shown: there is no such file"):
        source.fingerprint()


@pytest.mark.parametrize("form", ["ndjson", "letters", "csv", "mbox"])
def test_what_grew_is_over_its_old_extent_what_it_was(tmp_path: Path, form: str) -> None:
    kind, write = FORMATS[form]
    path = tmp_path / "source"
    write(path, _texts(9))
    before = kind(path, "shown", max_record_bytes=LIMIT)
    records, mark, size = list(before.records()), before.fingerprint(), before.size()
    with path.open("ab") as file:
        file.write(b"\nmore\n\nFrom a@b Mon Jan  1 10:00:00 2024\n")
    assert list(before.records()) == records
    assert len(list(kind(path, "shown", max_record_bytes=LIMIT).records())) > len(records)
    description = describe(before)
    old = reopen({**description, "options": {**description["options"], "extent": size}})
    assert (old.fingerprint(), old.size()) == (mark, size)
    assert list(old.records()) == records
    assert list(old.records(records[20].position)) == records[20:]
    assert old.consumed() == size
