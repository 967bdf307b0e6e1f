"""Archives: what is found in them, what is left out, and what damage does."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import random
import struct
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulkload.errors import RefusedToStart
from bulkload.sources import Asked, describe, open_sources, reopen
from bulkload.sources.archives import held_in, shown
from bulkload.sources.mbox import MboxSource
from bulkload.sources.places import Local

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulkload.model import Record
    from bulkload.protocols import Source

LINE = b"From a@b.c Mon Jan  1 10:00:00 2024\n"
TAKEOUT = {
    "Takeout/archive_browser.html": b"<html>From here",
    "Takeout/Mail/Sent.mbox": LINE + b"X-Gmail-Labels: Sent\n\none\n",
    "Takeout/Mail/All mail.mbox": (LINE + b"Subject: x\n\ntwo\n\n") * 2,
    "Takeout/Mail/Empty.mbox": b"",
    "Takeout/Mail/User Settings/Filters.json": b"{}",
    "Profile/Inbox.sbd/Work": LINE + b"\nthree\n",
    "Profile/README": b"nothing",
    "__MACOSX/._Sent.mbox": b"\0\5\26\7",
    "saved/a.eml": b"Subject: a\n\n",
    "saved/2019/b.eml": b"Subject: b\n\n",
}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as archive:
        for name, each in files.items():
            archive.writestr(name, each)
    return content.getvalue()


def tarred(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, each in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(each)
            archive.addfile(info, io.BytesIO(each))
    return content.getvalue()


def opened(content: bytes, name: str = "takeout", form: str | None = None) -> list[Source]:
    Path(name).write_bytes(content)
    return open_sources([name], Asked(format=form, max_record_bytes=1 << 20), say=print)


def read(sources: list[Source]) -> list[Record]:
    return [record for source in sources for record in source.records()]


def noise(size: int, seed: int = 0) -> bytes:
    """Bytes that don't compress: damage in the middle is damage in the middle."""
    return random.Random(seed).randbytes(size).replace(b"\n", b" ")


ARCHIVES = {
    "takeout.zip": zipped(TAKEOUT),
    "stored.zip": zipped(TAKEOUT, zipfile.ZIP_STORED),
    "takeout.tar": tarred(TAKEOUT),
    "takeout.tgz": gzip.compress(tarred(TAKEOUT)),
    "no ending": gzip.compress(tarred(TAKEOUT)),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_takeout_as_it_comes(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    sources = opened(ARCHIVES[name], name)
    assert [(source.name, source.format) for source in sources] == [
        (f"{name}:Takeout/Mail/Sent.mbox", "mbox"),
        (f"{name}:Takeout/Mail/All mail.mbox", "mbox"),
        (f"{name}:Profile/Inbox.sbd/Work", "mbox"),
        (name, "archived"),
    ]
    records = read(sources)
    assert [(record.folder, record.flaw) for record in records] == [
        ("Sent", None),
        ("All mail", None),
        ("All mail", None),
        ("Inbox/Work", None),
        ("saved", None),
        ("saved/2019", None),
    ]
    assert records[0].raw == TAKEOUT["Takeout/Mail/Sent.mbox"]
    said = capsys.readouterr().out
    assert f"{name}: 4 mbox files, 2 .eml files; left out: " in said
    assert "1 .html" in said
    assert "NOT READ, as there is mail: 1 table" in said
    again = read([reopen(describe(source)) for source in sources])
    assert again == records


def test_one_kind_alone() -> None:
    assert {source.format for source in opened(zipped(TAKEOUT), form="mbox")} == {"mbox"}
    assert [source.format for source in opened(zipped(TAKEOUT), form="eml")] == ["archived"]


def test_an_archive_named_twice_and_two_parts_of_one() -> None:
    Path("takeout-001.zip").write_bytes(zipped({"a.mbox": LINE}))
    Path("takeout-002.zip").write_bytes(zipped({"a.mbox": LINE}))
    found = open_sources(["takeout-*.zip"], Asked(max_record_bytes=1000))
    assert [source.name for source in found] == ["takeout-001.zip:a.mbox", "takeout-002.zip:a.mbox"]
    with pytest.raises(RefusedToStart, match=r"takeout-001.zip:a.mbox: was named twice"):
        open_sources(["takeout-001.zip", "./takeout-001.zip"], Asked(max_record_bytes=1000))


def test_names_are_never_paths_and_never_reach_a_terminal_as_they_are(tmp_path: Path) -> None:
    names = ["../../evil.mbox", "/etc/evil.mbox", "a\x1b[2Jb.mbox", "x.mbox", "x.mbox"]
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for at, name in enumerate(names[:-1]):
            archive.writestr(name, LINE + b"\n%d\n" % at)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr(names[-1], LINE + b"\n4\n")
    sources = opened(content.getvalue(), "z")
    assert [source.name for source in sources][2] == "z:a\\x1b[2Jb.mbox"
    assert [(r.raw or b"").split()[-1] for r in read(sources)] == [b"0", b"1", b"2", b"3", b"4"]
    assert [path.name for path in tmp_path.iterdir()] == ["z"]
    assert shown("caf\udce9\n") == "caf\\xe9\\n"


def test_names_that_are_not_utf8_are_kept_escaped(tmp_path: Path) -> None:
    content = tarred({os.fsdecode(b"caf\xe9.mbox"): LINE, os.fsdecode(b"caf\xe9.eml"): b"a: b\n"})
    sources = opened(content)
    assert [source.name for source in sources] == ["takeout:caf\\xe9.mbox", "takeout"]
    again = [reopen(json.loads(json.dumps(describe(source)).encode())) for source in sources]
    assert [record.position.at for record in read(again)] == [0, "caf\\xe9.eml"]
    mbox = tmp_path / os.fsdecode(b"caf\xe9.mbox")
    mbox.write_bytes(LINE)
    assert [record.folder for record in MboxSource(mbox).records()] == ["caf\\xe9"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (zipped({"a.txt": b"x", "b.TXT": b"y"}), r"z: this archive holds no mbox, .*2 .txt"),
        (zipped({}), "this archive holds no"),
        (zipped({"a.mbox": b""}), "with a record in it"),
        (zipped(TAKEOUT)[:-200], "is no whole zip archive"),
        (zipped({"a.mbox": LINE}, zipfile.ZIP_BZIP2), "a.mbox in it is compressed by method 12"),
        (tarred({"a.txt": b"x"}), "this archive holds no"),
        (gzip.compress(tarred(TAKEOUT)[:700]), "is no whole tar archive"),
    ],
)
def test_refusals(content: bytes, words: str) -> None:
    with pytest.raises(RefusedToStart, match=words):
        opened(content, "z")


def test_other_formats_are_not_looked_for_in_archives() -> None:
    with pytest.raises(RefusedToStart, match=r"z: is an archive, in which mbox, .eml, CSV"):
        opened(zipped({"a.parquet": b"x"}), "z", "parquet")


TABLES = {
    "out/a.csv": "hs_timestamp;Größe\n1;é\n".encode("cp1252"),
    "out/b.ndjson": b'{"n": 1}\n{"n": 2}\n',
    "out/c.json": b'[{"n": 3}, {"n": 4}]',
    "out/empty.csv": b"",
    "out/notes.pdf": b"x",
}


@pytest.mark.parametrize("pack", [zipped, tarred, lambda held: gzip.compress(tarred(held))])
def test_tables_in_an_archive_are_sources(
    pack: Callable[[dict[str, bytes]], bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    sources = opened(pack(TABLES), "z")
    assert [(s.name, s.format) for s in sources] == [
        ("z:out/a.csv", "csv"),
        ("z:out/b.ndjson", "ndjson"),
        ("z:out/c.json", "json"),
    ]
    records = read(sources)
    assert records[0].fields == {"hs_timestamp": "1", "Größe": "é"}
    assert [record.raw for record in records[1:]] == [
        b'{"n": 1}', b'{"n": 2}', b'{"n": 3}', b'{"n": 4}',
    ]  # fmt: skip
    again = [reopen(json.loads(json.dumps(describe(source)))) for source in sources]
    assert read(again) == records
    for source in again:
        *_, last = source.records()
        assert list(source.records(last.position)) == [last]
    said = capsys.readouterr().out
    assert "z: 3 tables; left out: 1 .pdf" in said
    assert "read as Windows-1252" in said
    assert [s.name for s in opened(pack(TABLES), "z", "json")] == ["z:out/c.json"]


def test_mail_goes_before_tables_which_are_read_when_asked_for() -> None:
    both = zipped({"a.mbox": LINE, "b.csv": b"a\n1\n"})
    assert [source.format for source in opened(both, "z")] == ["mbox"]
    assert [source.format for source in opened(both, "z", "csv")] == ["csv"]


def test_an_encrypted_zip_says_so_where_it_is_mail_that_is_encrypted() -> None:
    def encrypted(name: str) -> bytes:
        content = bytearray(zipped({"plain.mbox": LINE, name: LINE}))
        content[content.rindex(b"PK\x01\x02") + 8] |= 1
        return bytes(content)

    with pytest.raises(RefusedToStart, match=r"z: secret.mbox in it is encrypted"):
        opened(encrypted("secret.mbox"), "z")
    assert len(opened(encrypted("photo.jpg"), "z")) == 1


def test_a_zip64_with_something_in_front_of_it() -> None:
    content = io.BytesIO()
    content.write(b"PK\x03\x04 not yet: a self-extracting archive begins with its program")
    with zipfile.ZipFile(content, "a") as archive:
        with archive.open("a.mbox", "w", force_zip64=True) as file:
            file.write(LINE + b"\none\n")
        archive.writestr("b.mbox", LINE + b"\ntwo\n")
    assert [r.raw for r in read(opened(content.getvalue()))] == [
        LINE + b"\none\n",
        LINE + b"\ntwo\n",
    ]


MESSAGES = [LINE + b"Subject: %d\n\n" % at + noise(3000, at) + b"\n" for at in range(300)]

TEXTS = [LINE + noise(1000, at).hex().encode() * 2 + b"\n" for at in range(300)]


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_a_damaged_member_is_read_up_to_the_damage_and_has_the_flaw(method: int) -> None:
    content = bytearray(zipped({"a.mbox": b"\n".join(TEXTS), "b.mbox": LINE}, method))
    content[120_000:120_020] = b"\xff" * 20
    *whole, last, other = read(opened(bytes(content)))
    assert (other.raw, other.flaw) == (LINE, None)
    assert last.flaw
    assert "fetch the" in last.flaw
    if method == zipfile.ZIP_DEFLATED:
        assert 50 < len(whole) < 290
        assert [record.raw for record in whole] == TEXTS[: len(whole)]
    else:
        assert "checksum" in last.flaw
        assert len(whole) == 299


def test_a_torn_tgz_is_read_up_to_its_end_if_that_is_mail() -> None:
    files = {"a.mbox": LINE, "b.mbox": b"\n".join(MESSAGES)}
    first, *whole, last = read(opened(gzip.compress(tarred(files))[:500_000]))
    assert first.raw == LINE
    assert [record.raw for record in whole] == MESSAGES[: len(whole)]
    assert len(whole) > 100
    assert "ends too early" in (last.flaw or "")
    plain = read(opened(tarred(files)[:500_000]))
    assert "the file ends" in (plain[-1].flaw or "")
    assert len(plain) > 100
    with pytest.raises(RefusedToStart, match=r"is no whole tar archive.*Fetch it again"):
        opened(gzip.compress(tarred({"a.mbox": LINE, "b.jpg": noise(10**6)}))[:500_000])


def test_a_tar_that_is_damaged_between_its_members_refuses() -> None:
    """The standard library alone takes a damaged header for the end, and forgets the rest."""
    content = bytearray(tarred({"a.mbox": LINE, "b.mbox": LINE, "c.mbox": LINE}))
    content[1024 + 20 : 1024 + 30] = b"\xff" * 10
    for each in (bytes(content), gzip.compress(bytes(content))):
        with pytest.raises(RefusedToStart, match="is no whole tar archive"):
            opened(each)


def test_an_eml_past_the_limit_in_an_archive(tmp_path: Path) -> None:
    files = {"a.eml": b"Subject: a\n\n", "b.eml": b"x" * 2_000_000, "c.eml": b"Subject: c\n\n"}
    for content in (zipped(files), gzip.compress(tarred(files))):
        a, b, c = read(opened(content))
        assert (a.raw, b.raw, c.raw) == (files["a.eml"], None, files["c.eml"])
        assert "2,000,000 bytes" in (b.flaw or "")


def test_a_stored_member_is_sought() -> None:
    Path("z").write_bytes(zipped({"a.mbox": b"\n".join(MESSAGES)}, zipfile.ZIP_STORED))
    (member,) = held_in(Local("z"), "z").mboxes
    source = MboxSource("z", member=member)
    records = list(source.records())
    again = source.records(records[-1].position)
    assert next(again) == records[-1]
    stream = source._stream
    assert stream is not None
    assert stream.offset - int(str(records[-1].position.at)) <= 1 << 16
    again.close()


def test_sizes_are_those_of_the_directory_not_of_what_a_local_header_says() -> None:
    content = bytearray(zipped({"a.mbox": LINE + b"\none\n"}))
    content[18:26] = struct.pack("<II", 1, 1)
    assert [record.raw for record in read(opened(bytes(content)))] == [LINE + b"\none\n"]


SMALL = {
    "Takeout/Mail/Sent.mbox": (LINE + b"Subject: x\n\nsome text\n\n") * 20,
    "Inbox": LINE + b"\nmore\n",
    "a.eml": b"Subject: a\n\n",
    "photo.jpg": noise(300),
}
WHOLE = {
    "zip": zipped(SMALL),
    "stored": zipped(SMALL, zipfile.ZIP_STORED),
    "tar": tarred(SMALL),
    "tgz": gzip.compress(tarred(SMALL)),
}


@settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=100)
@given(
    kind=st.sampled_from(list(WHOLE)),
    damage=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=8)), max_size=4),
    cut=st.none() | st.floats(0, 1),
)
def test_damage_anywhere_is_a_refusal_or_a_flaw(
    kind: str, damage: list[tuple[float, bytes]], cut: float | None
) -> None:
    content = bytearray(WHOLE[kind])
    for where, noise_there in damage:
        at = int(where * (len(content) - 1))
        content[at : at + len(noise_there)] = noise_there
    if cut is not None:
        del content[int(cut * len(content)) :]
    for form in ("mbox", "eml"):
        with contextlib.suppress(RefusedToStart):
            for source in opened(bytes(content), "z", form):
                for record in list(source.records())[::7]:
                    again = next(source.records(record.position))
                    assert again.position == record.position
