"""Files on real servers on loopback: S3, the web, SFTP, and lines to them that break."""

from __future__ import annotations

import base64
import gzip
import json
import shutil
import zipfile
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bulkload.errors import RefusedToStart, StoppedForGood, StoppedResumable
from bulkload.sources import Asked, describe, open_sources, reopen
from bulkload.sources import ranges as ranges_module
from bulkload.sources.detect import kept
from bulkload.sources.ndjson import NdjsonSource
from bulkload.sources.remote import Remote
from tests.remotes import S3, SSHD, Sftp, Web, line, s3_server, sftp_server, web_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bulkload.model import Record
    from bulkload.protocols import Source

LINES = [json.dumps({"n": n, "text": "x" * 900}).encode() for n in range(3000)]
NDJSON = b"\n".join(LINES) + b"\n"


@pytest.fixture(scope="module")
def server() -> Iterator[S3]:
    with s3_server() as running:
        yield running


@pytest.fixture
def s3(server: S3, monkeypatch: pytest.MonkeyPatch) -> S3:
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()  # they keep the address that they were made with
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    return server


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server(NDJSON) as running:
        yield running


@pytest.fixture
def sftp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sftp]:
    if SSHD is None or shutil.which("ssh-keygen") is None:
        pytest.skip("no SSH server here (apt-get install openssh-server)")
    from fsspec.implementations.sftp import SFTPFileSystem

    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with sftp_server(home) as running:
        yield running
        for system in SFTPFileSystem._cache.values():
            system.client.close()
        SFTPFileSystem.clear_instance_cache()


def opened(*specs: str) -> list[Source]:
    return open_sources(specs, Asked())


def lines(source: Source) -> list[bytes | None]:
    return [record.raw for record in source.records()]


def holds(source: Source) -> list[Record]:
    """That it reads, and reads again from any place, also when it is opened anew."""
    found = list(source.records())
    again = reopen(json.loads(json.dumps(describe(source))))
    assert again.fingerprint() == source.fingerprint()
    for at in (0, len(found) // 2, len(found) - 1):
        assert next(again.records(found[at].position)) == found[at]
    return found


def test_an_object_is_read_as_a_file_is(s3: S3) -> None:
    (source,) = opened(s3.put("a/mail.ndjson", NDJSON))
    assert source.name == "s3://mail/a/mail.ndjson"
    assert [record.raw for record in holds(source)] == LINES
    assert source.consumed() == source.size()
    (packed,) = opened(s3.put("a/mail.ndjson.gz", gzip.compress(NDJSON)))
    assert [record.raw for record in holds(packed)] == LINES


def test_parquet_archives_and_mailboxes_are_read_there(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pq.write_table(pa.table({"n": range(5000)}), tmp_path / "t.parquet", row_group_size=700)
    (source,) = opened(s3.put("t.parquet", (tmp_path / "t.parquet").read_bytes()))
    assert [json.loads(r.raw or b"")["n"] for r in holds(source)] == [str(n) for n in range(5000)]
    messages = {f"{n}.eml": b"Subject: %d\n\nhello\n" % n for n in range(300)}
    with zipfile.ZipFile(tmp_path / "mail.zip", "w") as archive:
        for name, message in messages.items():
            archive.writestr(name, message)
    (source,) = opened(s3.put("mail.zip", (tmp_path / "mail.zip").read_bytes()))
    asked: list[int] = []
    get = ranges_module.Ranges.get

    def counted(ranges: ranges_module.Ranges, start: int, end: int) -> bytes:
        asked.append(start)
        return get(ranges, start, end)

    with monkeypatch.context() as patch:
        patch.setattr(ranges_module.Ranges, "get", counted)
        assert lines(source) == list(messages.values())
    assert len(asked) < 10
    (tmp_path / "box").mkdir()
    mbox = b"From a@b.c Mon Jan  6 10:00:00 2020\nSubject: one\n\nhello\n\n" * 3
    (tmp_path / "box" / "in.mbox").write_bytes(mbox)
    shutil.make_archive(str(tmp_path / "all"), "zip", tmp_path / "box")
    (source,) = opened(s3.put("all.zip", (tmp_path / "all.zip").read_bytes()))
    assert source.name == "s3://mail/all.zip:in.mbox"
    assert len(holds(source)) == 3


def test_globs_and_folders_name_files_in_order_and_say_what_is_left_out(s3: S3) -> None:
    for name in ("p/2.ndjson", "p/1.ndjson", "p/q/3.csv", "p/notes.pdf"):
        s3.put(name, b"hs_timestamp\n1\n" if name.endswith("csv") else NDJSON[:1000])
    s3.put("p/_SUCCESS", b"")
    said: list[str] = []
    found = open_sources(["s3://mail/p/"], Asked(), say=said.append)
    assert [s.name.removeprefix("s3://mail/p/") for s in found] == [
        "1.ndjson",
        "2.ndjson",
        "q/3.csv",
    ]
    assert "1 of 4 files there have no ending that is read" in said[0]
    assert [s.name for s in opened("s3://mail/p/*.ndjson")] == [s.name for s in found[:2]]
    (bracketed,) = opened(s3.put("b/a[1].ndjson", NDJSON))
    assert bracketed.name == "s3://mail/b/a[1].ndjson"
    s3.put("m/1.ndjson", NDJSON)
    s3.put("m/2.eml", b"Subject: a")
    assert [s.name for s in open_sources(["s3://mail/m/"], Asked(), say=said.append)] == [
        "s3://mail/m/1.ndjson"
    ]
    assert "1 of 2 files there are single messages" in said[-1]
    with pytest.raises(RefusedToStart, match="there is no such file"):
        opened("s3://mail/none/")
    with pytest.raises(RefusedToStart, match="With a / at its end all of it"):
        opened("s3://mail/p")
    with pytest.raises(RefusedToStart, match="named twice"):
        opened("s3://mail/p/", "s3://mail/p/1.ndjson")


def test_an_object_that_changed_is_not_read_on(s3: S3) -> None:
    (source,) = opened(s3.put("changing.ndjson", NDJSON))
    bound = source.fingerprint()
    records = source.records()
    next(records)
    s3.put("changing.ndjson", NDJSON + b"{}\n")
    with pytest.raises(StoppedForGood, match="it changed since the run began"):
        list(records)
    with pytest.raises(StoppedForGood, match="it changed since the run began"):
        list(source.records())
    assert not source.still(bound)
    assert reopen(describe(source)).fingerprint() != bound


def test_a_line_that_breaks_costs_no_record(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    address = s3.put("cut.ndjson", NDJSON)
    with line(s3.port, after=300_000, cuts=4) as cut:
        monkeypatch.setenv("AWS_ENDPOINT_URL", cut.url)
        (source,) = opened(address)
        assert lines(source) == LINES
        assert cut.broken == 4
    with line(s3.port, pause_s=0.001) as slow:
        import s3fs

        s3fs.S3FileSystem.clear_instance_cache()
        monkeypatch.setenv("AWS_ENDPOINT_URL", slow.url)
        assert lines(opened(address)[0]) == LINES


def test_what_can_not_be_read_is_refused_with_what_to_do(
    s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    import s3fs

    for address, why in (
        ("s3://mail/nothing.csv", "there is no such file"),
        ("s3://no-such-bucket/x.csv", "there is no such file"),
        (s3.put("one.eml", b"Subject: x\n\nhello\n"), "put them into a .zip"),
    ):
        with pytest.raises(RefusedToStart, match=why):
            opened(address)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(RefusedToStart, match=r"s3://mail/one.csv: can't be read: .*Check the"):
        opened("s3://mail/one.csv")


def test_a_web_server_is_asked_for_ranges_of_what_it_had(web: Web) -> None:
    (source,) = opened(f"{web.url}/a/mail.ndjson?dl=1")
    assert [record.raw for record in holds(source)] == LINES
    assert web.ranged
    assert kept([source.name]) == [source.name]
    web.etag = '"two"'
    with pytest.raises(StoppedForGood, match="it changed since"):
        list(source.records())


def test_a_web_server_that_tells_no_mark_is_held_to_the_content(web: Web) -> None:
    web.etag = None
    (source,) = opened(f"{web.url}/mail.ndjson")
    bound = source.fingerprint()
    assert set(bound) == {"size", "head", "tail"}
    assert lines(source) == LINES
    web.content += b'{"n": 3000}\n'
    assert source.still(bound)
    more = source.extended([], None)  # type: ignore[attr-defined]  # of a file that grows
    assert lines(more) == [b'{"n": 3000}']
    web.content = web.content.replace(b'"n": 1,', b'"n": 7,')
    assert not source.still(bound)


def test_a_web_server_without_ranges_is_refused(web: Web) -> None:
    web.ranges = False
    with pytest.raises(RefusedToStart, match="curl -o FILE"):
        opened(f"{web.url}/mail.ndjson")


def test_a_login_is_taken_and_never_shown(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    web.login = "Basic " + base64.b64encode(b"ada:l0velace").decode()
    address = web.url.replace("//", "//ada:l0velace@") + "/mail.ndjson"
    (source,) = opened(address)
    assert len(lines(source)) == len(LINES)
    assert "l0velace" not in json.dumps([describe(source), source.fingerprint(), source.name])
    assert "l0velace" not in json.dumps(kept([address]))
    with pytest.raises(RefusedToStart, match="access is denied"):
        opened(address.replace("l0velace", "wrong"))
    monkeypatch.setenv("BULKLOAD_SOURCE_PASSWORD", "l0velace")
    assert len(lines(reopen(describe(source)))) == len(LINES)
    with pytest.raises(RefusedToStart, match="signature or a token") as refused:
        opened(f"{web.url}/mail.ndjson?sig=abc123")
    assert "abc123" not in str(refused.value)


def test_sftp_reads_by_key_from_a_server_that_is_known(sftp: Sftp, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for name in ("2.ndjson", "1.ndjson"):
        (tmp_path / "out" / name).write_bytes(NDJSON)
    address = sftp.address(tmp_path / "out")
    with pytest.raises(RefusedToStart, match="ssh-keyscan -p"):
        opened(f"{address}/1.ndjson")
    sftp.believe()
    (source,) = opened(f"{address}/1.ndjson")
    assert [record.raw for record in holds(source)] == LINES
    assert [s.name for s in opened(f"{address}/")] == [f"{address}/{n}.ndjson" for n in (1, 2)]
    bound = source.fingerprint()
    with (tmp_path / "out" / "1.ndjson").open("ab") as file:
        file.write(b'{"n": 3000}\n')
    assert source.still(bound)
    more = source.extended([], None)  # type: ignore[attr-defined]  # of a file that grows
    assert lines(more) == [b'{"n": 3000}']
    with pytest.raises(RefusedToStart, match="there is no such file"):
        opened(f"{address}/3.ndjson")


def test_of_a_folder_by_sftp_links_are_read_and_names_are_as_they_are(
    sftp: Sftp, tmp_path: Path
) -> None:
    out, away = tmp_path / "out", tmp_path / "away"
    (away / "deep").mkdir(parents=True)
    (out / "in").mkdir(parents=True)
    (away / "1.ndjson").write_bytes(b'{"n":"away"}\n')
    for name in ("who", "who?.ndjson", "in/2[1].ndjson"):
        (out / name).write_bytes(b'{"n":"%s"}\n' % name.encode())
    (out / "link.ndjson").symlink_to(away / "1.ndjson")
    (out / "folder").symlink_to(away)
    sftp.believe()
    address = sftp.address(out)
    held = {
        source.name.removeprefix(f"{address}/"): json.loads(holds(source)[0].raw or b"")["n"]
        for source in opened(f"{address}/")
    }
    assert held == {
        "in/2[1].ndjson": "in/2[1].ndjson",
        "link.ndjson": "away",
        "who?.ndjson": "who?.ndjson",
    }
    for pattern, names in (
        ("*.ndjson", ["link.ndjson", "who?.ndjson"]),
        ("**/*.ndjson", ["in/2[1].ndjson", "link.ndjson", "who?.ndjson"]),
        ("who?.ndjson", ["who?.ndjson"]),
        ("in/2[1].ndjson", ["in/2[1].ndjson"]),
        ("i?/*", ["in/2[1].ndjson"]),
    ):
        found = [source.name for source in opened(f"{address}/{pattern}")]
        assert found == [f"{address}/{name}" for name in names]
    (out / "nowhere.ndjson").symlink_to(away / "none")
    with pytest.raises(RefusedToStart, match=r"nowhere\.ndjson: there is no such file"):
        opened(f"{address}/")


def test_sftps_thread_that_asks_ahead_shows_no_traceback_where_the_line_broke(
    sftp: Sftp, tmp_path: Path
) -> None:
    (tmp_path / "1.ndjson").write_bytes(NDJSON)
    sftp.believe()
    (source,) = opened(sftp.address(tmp_path / "1.ndjson"))
    assert isinstance(source, NdjsonSource)
    assert isinstance(source.place, Remote)
    file = source.place.opened(0, {})
    file.sftp.sock.close()
    with pytest.raises(OSError, match="closed"):
        type(file)._prefetch_thread(file, [(0, 10)], None)
    file._prefetch_thread([(0, 10)], None)


def test_sftp_goes_on_after_its_line_broke(
    sftp: Sftp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranges_module, "WAIT_S", 0.01)
    (tmp_path / "1.ndjson").write_bytes(NDJSON)
    with line(sftp.port, after=500_000, cuts=2) as cut:
        sftp.port = cut.port
        sftp.believe()
        (source,) = opened(sftp.address(tmp_path / "1.ndjson"))
        assert lines(source) == LINES
        assert cut.broken == 2
        records = source.records()
        next(records)
        cut.cuts, cut.after = 1000, 0
        with pytest.raises(StoppedResumable, match="can't be read at byte"):
            list(records)
