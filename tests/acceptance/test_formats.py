"""Each kind of source, killed in the midst of a record and between two batches, and resumed: what
arrived is, record by record, what went in.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import json
import lzma
import shutil
import sqlite3
import tarfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from email.message import EmailMessage
from io import BytesIO, StringIO
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest
from backports import zstd

from tests import compound, database
from tests.acceptance.harness import Cli, Sandbox, until
from tests.mailserver import USABLE, WHY, mail_server
from tests.outlook import pst
from tests.remotes import S3, SSHD, s3_server, sftp_server, web_server

RECORDS = 120
BATCH = 10
TEXTS = ("", "two\nlines", 'a "quoted" one; with, marks', "é 漢 \N{PARTY POPPER}", "long " * 13_000)


class Row(NamedTuple):
    """What one record holds, in whatever format."""

    subject: str
    text: str


ROWS = [Row(f"number {n}", f"{TEXTS[n % len(TEXTS)]} {n}") for n in range(RECORDS)]


class Place(NamedTuple):
    """Where a source is made, and what the command needs to read it."""

    folder: Path
    stack: ExitStack
    environment: dict[str, str]


Make = Callable[[Place], list[str]]


def _rows() -> list[dict[str, str]]:
    return [
        {"hs_timestamp": "17", "hs_email_subject": row.subject, "hs_email_text": row.text}
        for row in ROWS
    ]


def _ndjson(_: Place) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in _rows())


def _csv(_: Place) -> bytes:
    written = StringIO()
    table = csv.DictWriter(written, _rows()[0])
    table.writeheader()
    table.writerows(_rows())
    return written.getvalue().encode()


def _json(_: Place) -> bytes:
    return json.dumps(_rows(), indent=1).encode()


def _utf16(place: Place) -> bytes:
    return _csv(place).decode().encode("utf-16")


def _arrow(_: Place) -> bytes:
    written = BytesIO()
    table = pa.Table.from_pylist(_rows())
    with pa.ipc.new_file(written, table.schema) as writer:
        writer.write_table(table, max_chunksize=50)
    return written.getvalue()


def _parquet(_: Place) -> bytes:
    written = BytesIO()
    pq.write_table(pa.Table.from_pylist(_rows()), written, row_group_size=35)
    return written.getvalue()


def _messages() -> list[bytes]:
    made = []
    for row in ROWS:
        message = EmailMessage()
        message["Subject"] = row.subject
        message["Date"] = "Mon, 06 Jan 2020 10:00:00 +0000"
        message["Message-ID"] = f"<{row.subject.replace(' ', '.')}@x>"
        message.set_content(row.text, cte="base64")
        made.append(message.as_bytes())
    return made


def _mbox(_: Place) -> bytes:
    mark = b"From a@b.c Mon Jan  6 10:00:00 2020\n"
    return b"".join(mark + message + b"\n" for message in _messages())


def _file(
    name: str, make: Callable[[Place], bytes], pack: Callable[[bytes], bytes] = bytes
) -> Make:
    def made(place: Place) -> list[str]:
        (place.folder / name).write_bytes(pack(make(place)))
        return [name]

    return made


def _eml(place: Place) -> list[str]:
    for number, message in enumerate(_messages()):
        path = place.folder / "mail" / f"{number % 3}" / f"{number:03}.eml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(message)
    return ["mail"]


def _maildir(place: Place) -> list[str]:
    for name in ("cur", "new", "tmp"):
        (place.folder / "box" / name).mkdir(parents=True)
    for number, message in enumerate(_messages()):
        where = f"cur/{number:03}.host:2,S" if number % 2 else f"new/{number:03}.host"
        (place.folder / "box" / where).write_bytes(message)
    return ["box"]


def _mh(place: Place) -> list[str]:
    (place.folder / "mh").mkdir()
    for number, message in enumerate(_messages(), 1):
        (place.folder / "mh" / str(number)).write_bytes(message)
    return ["mh"]


def _msg(place: Place) -> list[str]:
    (place.folder / "messages").mkdir()
    for number, row in enumerate(ROWS):
        more = {0x37: row.subject, 0x1035: f"<{number}@x>"}
        held = compound.message(row.text, header=32, more=more, sent=132_000_000_000_000_000)
        made = compound.compound(held)
        (place.folder / "messages" / f"{number:03}.msg").write_bytes(made)
    return ["messages"]


def _archive(name: str, fill: Make) -> Make:
    def made(place: Place) -> list[str]:
        (inside,) = fill(place)
        with tarfile.open(place.folder / name, "w:gz") as archive:
            archive.add(place.folder / inside, inside)
        return [name]

    return made


def _takeout(place: Place) -> list[str]:
    (place.folder / "Takeout").mkdir()
    (place.folder / "Takeout" / "All.mbox").write_bytes(_mbox(place))
    shutil.make_archive(str(place.folder / "takeout"), "zip", place.folder / "Takeout")
    return ["takeout.zip"]


def _sqlite(place: Place) -> list[str]:
    with closing(sqlite3.connect(place.folder / "base.db")) as base, base:
        base.execute("CREATE TABLE mails (id INTEGER PRIMARY KEY, subject, text)")
        base.executemany("INSERT INTO mails (subject, text) VALUES (?, ?)", ROWS)
    query = "SELECT id, 17 AS hs_timestamp, subject AS hs_email_subject, text AS hs_email_text"
    query = f"{query} FROM mails"
    return ["sqlite:///base.db", "--query", query, "--order-by", "id", "--exclude", "id"]


def _postgres(place: Place) -> list[str]:
    import psycopg

    if not database.USABLE:
        pytest.skip(database.WHY)
    server = place.stack.enter_context(database.database())
    with psycopg.connect(server.address) as connection:
        connection.execute("CREATE TABLE mails (id bigserial PRIMARY KEY, subject text, body text)")
        connection.cursor().executemany("INSERT INTO mails (subject, body) VALUES (%s, %s)", ROWS)
        connection.execute(
            "CREATE VIEW sent AS SELECT id, 17 AS hs_timestamp, subject AS hs_email_subject,"
            " body AS hs_email_text FROM mails"
        )
    return [server.address, "--table", "sent", "--order-by", "id", "--exclude", "id"]


def _s3(place: Place) -> S3:
    server = place.stack.enter_context(s3_server())
    place.environment.update(server.environment())
    return server


def _s3_ndjson(place: Place) -> list[str]:
    lines = _ndjson(place).splitlines(keepends=True)
    server = _s3(place)
    for part in range(3):
        some = b"".join(lines[part * 40 : part * 40 + 40])
        server.put(f"export/part-{part}.ndjson.gz", gzip.compress(some))
    return ["s3://mail/export/"]


def _s3_parquet(place: Place) -> list[str]:
    return [_s3(place).put("in.parquet", _parquet(place))]


def _web(place: Place) -> list[str]:
    return [place.stack.enter_context(web_server(_csv(place))).url + "/in.csv"]


def _sftp(place: Place) -> list[str]:
    if SSHD is None or shutil.which("ssh-keygen") is None:
        pytest.skip("no SSH server here (apt-get install openssh-server)")
    home = place.folder / "home"
    home.mkdir()
    server = place.stack.enter_context(sftp_server(home))
    server.believe()
    place.environment["HOME"] = str(home)
    (place.folder / "in.mbox").write_bytes(_mbox(place))
    return [server.address(place.folder / "in.mbox")]


def _imap(place: Place) -> list[str]:
    if not USABLE:
        pytest.skip(WHY)
    server = place.stack.enter_context(mail_server())
    server.deliver(_messages())
    place.environment.update(server.environment)
    return [server.address("INBOX")]


FORMATS: dict[str, Make] = {
    "ndjson": _file("in.ndjson", _ndjson),
    "ndjson in gzip": _file("in.ndjson.gz", _ndjson, gzip.compress),
    "ndjson in zstd": _file("in.ndjson.zst", _ndjson, zstd.compress),
    "csv": _file("in.csv", _csv),
    "csv in xz": _file("in.csv.xz", _csv, lzma.compress),
    "csv in utf-16": _file("in.csv", _utf16),
    "json array": _file("in.json", _json),
    "tgz of csv": _archive("in.tgz", _file("in.csv", _csv)),
    "arrow": _file("in.arrow", _arrow),
    "parquet": _file("in.parquet", _parquet),
    "mbox": _file("in.mbox", _mbox),
    "mbox in bzip2": _file("in.mbox.bz2", _mbox, bz2.compress),
    "eml": _eml,
    "maildir": _maildir,
    "mh": _mh,
    "msg": _msg,
    "tgz of eml": _archive("mail.tgz", _eml),
    "zip of mbox": _takeout,
    "sqlite": _sqlite,
    "postgresql": _postgres,
    "s3 ndjson": _s3_ndjson,
    "s3 parquet": _s3_parquet,
    "web csv": _web,
    "sftp mbox": _sftp,
    "imap": _imap,
}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with ExitStack() as stack:
        yield Place(tmp_path, stack, {})


@pytest.mark.parametrize("form", FORMATS)
def test_killed_and_resumed_what_arrives_is_what_went_in(
    cli: Cli, sandbox: Callable[..., Sandbox], place: Place, form: str
) -> None:
    words: list[object] = [*FORMATS[form](place)]
    cli.environment |= place.environment
    remote = sandbox("--rate-limit", "none", "--latency", "30")
    words = ["load", *words, "--run", "run", "--base-url", remote.url, "--attachments", "none"]
    words += ["--batch-size", BATCH, "--max-in-flight", 2, "--rate-limit", "100000/1s"]
    words += ["--leave-out", "none", "--no-contacts"]
    # Some records are more than what is read at a time: a kill while one is read, and then
    # one when a batch was settled and the next one is not sent.
    for calls in (2, 7):
        with cli.start(*words, "--no-progress") as process:
            until(lambda p=process, c=calls: (  # type: ignore[misc]  # bound at once
                p.poll() is not None or int(remote.books()["creates_seen"]) >= c
            ))  # fmt: skip
            assert process.poll() is None, "it ended before it was killed"
            process.kill()
            process.communicate()
        words = ["resume", "run"]
    summary = cli(*words, "--no-progress", "--json", code=0).summary()
    assert summary["read"] == summary["loaded"] == RECORDS
    arrived = [
        Row(email["properties"]["hs_email_subject"], email["properties"]["hs_email_text"])
        for email in remote.emails()
    ]
    order = {row.subject: at for at, row in enumerate(ROWS)}
    arrived.sort(key=lambda row: order[row.subject])
    assert [row.subject for row in arrived] == [row.subject for row in ROWS]
    assert [row.text.strip() for row in arrived] == [row.text.strip() for row in ROWS]


def test_an_outlook_file_is_read_on_after_a_kill(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    """Nothing here writes such a file: the one there is has two messages."""
    (tmp_path / "a.pst").write_bytes(pst())
    remote = sandbox("--latency", "300")
    words: list[object] = ["load", "a.pst", "--run", "run", "--base-url", remote.url]
    words += ["--batch-size", 1, "--max-in-flight", 1, "--leave-out", "none"]
    with cli.start(*words, "--no-progress") as process:
        until(lambda: int(remote.books()["creates_seen"]) == 1)
        process.kill()
        process.communicate()
    cli("resume", "run", "--no-progress", code=0)
    assert remote.subjects() == {"Test appointment": 1, "contact name 1": 1}
