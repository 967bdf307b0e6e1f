"""Sources behind a server: a PostgreSQL table, Parquet on S3, an IMAP folder. How fast they are
read, and loaded into the sandbox; the memory of both, early and late.

The servers are on this machine and share its cores with the loader and the sandbox.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.request import urlopen

from benchmarks import processes, results
from benchmarks.mbox import unshared_mb
from tests import database, mailserver, remotes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

ACCOUNT_PER_S = 1900
LEAST_RATIO = 5.0
"""Rows are read so many times faster than an account takes them, at least."""

MOST_GROWTH = 1.25
"""Memory at the end, of that after a fifth: more is not flat."""

EVERY_S = 0.25
TIMEOUT_S = 1800.0


class Served(NamedTuple):
    """A source that is there: its address, what more the command needs, and the environment."""

    address: str
    words: tuple[str, ...]
    environment: dict[str, str]


@contextmanager
def postgres(rows: int) -> Iterator[Served]:
    import psycopg

    with database.database() as server:
        with psycopg.connect(server.address) as connection:
            connection.execute(
                "CREATE TABLE mails AS SELECT n AS id, timestamptz '2020-01-01 UTC' + n * interval"
                " '1 minute' AS hs_timestamp, 'Subject ' || n AS hs_email_subject,"
                " repeat(md5(n::text), 15) AS hs_email_text, 'EMAIL' AS hs_email_direction,"
                " 'SENT' AS hs_email_status"
                f" FROM generate_series(1, {rows}) AS n"
            )
            connection.execute("ALTER TABLE mails ADD PRIMARY KEY (id)")
        yield Served(server.address, ("--table", "mails", "--exclude", "id"), {})


@contextmanager
def parquet_on_s3(rows: int) -> Iterator[Served]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    written = io.BytesIO()
    schema = pa.schema(
        [
            ("hs_timestamp", pa.timestamp("ms", "UTC")),
            *((name, pa.string()) for name in ("hs_email_subject", "hs_email_text")),
            *((name, pa.string()) for name in ("hs_email_direction", "hs_email_status")),
        ]
    )
    with pq.ParquetWriter(written, schema) as writer:
        for first in range(0, rows, 50_000):
            numbers = range(first, min(first + 50_000, rows))
            columns = [
                [1_600_000_000_000 + n * 1000 for n in numbers],
                [f"Subject {n}" for n in numbers],
                [f"{n:x}" * 60 for n in numbers],
                ["EMAIL"] * len(numbers),
                ["SENT"] * len(numbers),
            ]
            arrays = [pa.array(c, t) for c, t in zip(columns, schema.types, strict=True)]
            writer.write_table(pa.table(arrays, schema=schema))
    with remotes.s3_server() as server:
        yield Served(server.put("mails.parquet", written.getvalue()), (), server.environment())


@contextmanager
def imap_folder(messages: int) -> Iterator[Served]:
    made = [
        f"Message-ID: <{n}@x>\r\nDate: Mon, 06 Jan 2020 10:00:00 +0000\r\nFrom: ada@x.com\r\n"
        f"To: bob@y.com\r\nSubject: {n}\r\n\r\n{'A line of text, and one more.' * 5}\r\n".encode()
        + b"As long as most lines are that people write to each other.\r\n" * 62
        for n in range(messages)
    ]
    with mailserver.mail_server() as server:
        server.deliver(made)
        yield Served(server.address("INBOX"), ("--mine", "x.com"), server.environment)


def read(served: Served, expected: int) -> dict[str, Any]:
    """Reading alone, in a process of its own."""
    table = served.words[1:2] if "--table" in served.words else ()
    command = [sys.executable, "-m", "benchmarks.reading", served.address, *table]
    environment = {**processes.environment(), **served.environment, "EXPECTED": str(expected)}
    ended = subprocess.run(
        command,
        cwd=processes.ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        timeout=TIMEOUT_S,
        check=True,
    )
    found: dict[str, Any] = json.loads(ended.stdout)
    if found["records"] != expected:
        raise SystemExit(f"{served.address}: {found['records']} of {expected} were read")
    return found


@contextmanager
def sandbox() -> Iterator[str]:
    command = processes.bulkload("sandbox", "--port", "0", "--rate-limit", "none")
    process = processes.spawn(command, None, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield "http://" + process.stdout.readline().decode().strip().rpartition("http://")[2]
    finally:
        process.terminate()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def load(served: Served, expected: int) -> dict[str, Any]:
    """A load into the sandbox: what arrived, and what it took."""
    with tempfile.TemporaryDirectory(prefix="bulkload-sources-") as place, sandbox() as url:
        command = processes.bulkload(
            *("load", served.address, *served.words, "--run", str(Path(place, "run"))),
            *("--base-url", url, "--rate-limit", "100000/1s", "--json", "--no-progress"),
        )
        environment = {**processes.environment(), **served.environment}
        began, memory = time.monotonic(), []
        with (
            tempfile.TemporaryFile() as out,
            subprocess.Popen(
                command, stdout=out, stderr=subprocess.DEVNULL, env=environment
            ) as run,
        ):
            try:
                while run.poll() is None:
                    if time.monotonic() - began > TIMEOUT_S:
                        raise SystemExit(f"not done after {TIMEOUT_S:.0f} s")
                    memory.append(unshared_mb(run.pid))
                    time.sleep(EVERY_S)
            finally:
                run.kill()
            took = time.monotonic() - began
            out.seek(0)
            said = json.load(out)
        with urlopen(f"{url}/_sandbox/books") as answer:
            books = json.load(answer)
    if not said["loaded"] == books["emails"] == expected:
        raise SystemExit(f"{served.address}: {said['loaded']} of {expected} were loaded")
    settled = [each for each in memory if each]
    fifth = settled[len(settled) // 5]
    return {
        "seconds": round(took, 2),
        "per_s": round(expected / took),
        "early_mb": round(fifth, 1),
        "late_mb": round(max(settled[-max(len(settled) // 5, 1) :]), 1),
        "peak_mb": round(max(settled), 1),
    }


MEASURED: dict[str, tuple[Callable[[int], AbstractContextManager[Served]], int, int, bool]] = {
    "postgresql": (postgres, 200_000, 20_000, True),
    "parquet on s3": (parquet_on_s3, 1_000_000, 100_000, True),
    "imap": (imap_folder, 10_000, 1_000, False),
}
"""By name: what makes it, how many records, and of a quick run, and whether it is to be read at
LEAST_RATIO times the account's rate.
"""


def main(*, quick: bool) -> int:
    kept: dict[str, Any] = {"cores": os.cpu_count()}
    passed = True
    for name, (make, many, few, held) in MEASURED.items():
        count = few if quick else many
        with make(count) as served:
            reading = read(served, count)
            loading = load(served, count)
        per_s = count / reading["seconds"]
        growth = reading["late_mb"] / max(reading["early_mb"], 1.0)
        fast = not held or per_s >= LEAST_RATIO * ACCOUNT_PER_S
        good = fast and growth <= MOST_GROWTH
        passed &= good
        print(
            f"{'PASS' if good else 'FAIL'}: {name}, {count:,} records: read {per_s:,.0f}/s "
            f"({per_s / ACCOUNT_PER_S:.1f} × an account's rate), memory "
            f"{reading['early_mb']:.0f} MB early, {reading['late_mb']:.0f} late; loaded "
            f"{loading['per_s']:,}/s, memory {loading['early_mb']:.0f} MB early, "
            f"{loading['late_mb']:.0f} late"
        )
        kept[name] = {"count": count, "read": {**reading, "per_s": round(per_s)}, "load": loading}
    results.keep("sources", {**kept, "passed": passed}, quick=quick)
    return 0 if passed else 1
