"""`python tests/extras.py plain|list|EXTRA`: run by an interpreter that has just that installed.

Not a test of pytest's: what it tries is what is not installed beside.
"""

from __future__ import annotations

import functools
import gzip
import http.server
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import tomllib
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from bulkload.errors import BulkloadError
from bulkload.hubspot.glance import by_orjson, glance
from bulkload.records.compact import ByOrjson, looking
from bulkload.sources import Asked, open_sources
from bulkload.sources.formats import KNOWN, missing

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[1]
ZSTD = bytes.fromhex("28b52ffd20094900007b226e223a20317d0a")
NAMED = {
    "parquet": "a.parquet",
    "zstd": "a.ndjson.zst",
    "sql": "sqlite:///a.db",
    "s3": "s3://bucket/a.csv",
    "gs": "gs://bucket/a.csv",
    "az": "az://bucket/a.csv",
    "http": "http://127.0.0.1:1/a.csv",
    "sftp": "sftp://ada@127.0.0.1:1/a.csv",
    "imap": "imaps://ada:x@127.0.0.1:1",
    "pst": "a.pst",
}
"""A source that needs each extra; where it is a server's, nobody is there."""


def read(*specs: str, table: str | None = None) -> int:
    """How many records there are."""
    sources = open_sources(specs, Asked(table=table))
    return sum(1 for source in sources for record in source.records() if record.flaw is None)


def plain(folder: Path) -> None:
    assert isinstance(looking(), ByOrjson)
    assert glance() is by_orjson
    for extra, spec in NAMED.items():
        assert missing(extra), f"a plain install has {extra}"
        (folder / "a.parquet").write_bytes(b"PAR1")
        (folder / "a.ndjson.zst").write_bytes(ZSTD)
        (folder / "a.pst").write_bytes(b"!BDN")
        ended = subprocess.run(
            [sys.executable, "-m", "bulkload", "load", spec, "--table", "t"],
            cwd=folder,
            env={"HUBSPOT_ACCESS_TOKEN": "x"},
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        assert ended.returncode == 2, (spec, ended)
        assert f"pip install 'bulkload[{extra}]'" in ended.stderr, (spec, ended.stderr)


def fast(_: Path) -> None:
    """What nothing asks for, but all loads of lines use where it is there."""
    assert not isinstance(looking(), ByOrjson)
    assert glance() is not by_orjson
    assert looking().members(b'{"a":"b"}\n')


def zstd(folder: Path) -> None:
    (folder / "a.ndjson.zst").write_bytes(ZSTD)
    assert read(str(folder / "a.ndjson.zst")) == 1


def parquet(folder: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"n": [1, 2]}), folder / "a.parquet")
    assert read(str(folder / "a.parquet")) == 2


def sql(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "a.db")) as base, base:
        base.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, x)")
        base.execute("INSERT INTO t (x) VALUES ('y'), ('z')")
    assert read(f"sqlite:///{folder}/a.db", table="t") == 2
    import psycopg  # the driver comes with it

    assert psycopg.__version__


def web(folder: Path) -> None:
    """The standard library's server gives no ranges, and is asked for one."""
    (folder / "a.csv").write_text("n\n1\n2\n")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        said = ""
        try:
            read(f"http://127.0.0.1:{server.server_port}/a.csv")
        except BulkloadError as error:
            said = str(error)
        assert "curl -o FILE" in said, said
        server.shutdown()


def pst(folder: Path) -> None:
    samples = ROOT / "tests" / "samples"
    (folder / "a.pst").write_bytes(gzip.decompress((samples / "dist-list.pst.gz").read_bytes()))
    said = ""
    try:
        read(str(folder / "a.pst"))
    except BulkloadError as error:
        said = str(error)
    assert "holds no message (but 1 IPM." in said, said
    assert read(str(samples / "plain.msg")) == 1


def nobody_there(extra: str) -> Callable[[Path], None]:
    """The packages are there and reach for the server."""
    os.environ |= {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_MAX_ATTEMPTS": "1"}
    os.environ |= {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}

    def tried(_: Path) -> None:
        said = ""
        try:
            read(NAMED[extra])
        except BulkloadError as error:
            said = str(error)
        assert said, "somebody is there"
        assert "pip install" not in said, said

    return tried


def importable(extra: str) -> Callable[[Path], None]:
    """Its stores look for a network of their own: only that nothing is missing is tried."""

    def tried(_: Path) -> None:
        from bulkload.sources.places import place_of

        assert str(place_of(NAMED[extra])) == NAMED[extra]

    return tried


TRIED: dict[str, Callable[[Path], None]] = {
    "fast": fast,
    "zstd": zstd,
    "parquet": parquet,
    "sql": sql,
    "s3": nobody_there("s3"),
    "gs": importable("gs"),
    "az": importable("az"),
    "http": web,
    "sftp": nobody_there("sftp"),
    "imap": nobody_there("imap"),
    "pst": pst,
}


def main(what: str) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    assert {*TRIED} == {*extras} - {"all"}, "each extra is tried"
    if what == "list":
        print(*TRIED)
        return
    with tempfile.TemporaryDirectory() as folder:
        if what == "plain":
            plain(Path(folder))
        else:
            others = {each.extra for each in KNOWN if each.extra} - {what}
            assert not missing(what)
            TRIED[what](Path(folder))
            print(f"{what}: enough alone; without {', '.join(sorted(filter(missing, others)))}")


if __name__ == "__main__":
    main(*sys.argv[1:])
