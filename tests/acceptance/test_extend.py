"""Sources that grow, and a run that goes on with what came: each record once, night after night."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.acceptance.harness import Cli, Sandbox, letters, ndjson, until
from tests.mailserver import USABLE, mail_server
from tests.remotes import s3_server

NIGHTLY = Path(__file__).parents[2] / "examples" / "nightly.sh"
DATE = "Mon, 6 Jan 2020 10:00:00 +0000"


def _line(subject: str) -> str:
    return json.dumps({"hs_timestamp": "17", "hs_email_subject": subject}) + "\n"


def _message(subject: str) -> bytes:
    name = subject.replace(" ", ".")
    return f"Message-ID: <{name}@x>\nDate: {DATE}\nSubject: {subject}\n\nhi\n".encode()


def _grow(folder: Path, night: int, count: int) -> list[str]:
    """What comes in one night, in each format; the subjects of it."""

    def subjects(form: str) -> list[str]:
        return [f"{form} {night} {number}" for number in range(count)]

    came = subjects("ndjson") + subjects("file") + subjects("csv") + subjects("mbox")
    came += subjects("maildir") + subjects("sql")
    with (folder / "in.ndjson").open("a") as file:
        file.writelines(map(_line, subjects("ndjson")))
    exports = folder / "exports"
    exports.mkdir(exist_ok=True)
    (exports / f"{night}.ndjson").write_text("".join(map(_line, subjects("file"))))
    table = folder / "in.csv"
    if not table.exists():
        table.write_text("hs_timestamp,hs_email_subject\n")
    with table.open("a") as file:
        file.writelines(f"17,{subject}\n" for subject in subjects("csv"))
    with (folder / "in.mbox").open("a") as file:
        for subject in subjects("mbox"):
            file.write(f"From a@b.c Mon Jan  6 10:00:00 2020\nSubject: {subject}\n\nhello\n\n")
    for place in ("cur", "new", "tmp"):
        (folder / "box" / place).mkdir(parents=True, exist_ok=True)
    for number, subject in enumerate(subjects("maildir")):
        (folder / "box" / "new" / f"{night}.{number}.host").write_bytes(_message(subject))
    with closing(sqlite3.connect(folder / "base.db")) as base, base:
        base.execute(
            "CREATE TABLE IF NOT EXISTS m (id INTEGER PRIMARY KEY, hs_timestamp, hs_email_subject)"
        )
        base.executemany(
            "INSERT INTO m (hs_timestamp, hs_email_subject) VALUES (17, ?)",
            [(subject,) for subject in subjects("sql")],
        )
    return came


def _night(cli: Cli, remote: Sandbox) -> subprocess.Popen[bytes]:
    sources = ["in.ndjson", "exports/*.ndjson", "in.csv", "in.mbox", "box", "sqlite:///base.db"]
    words = [*sources, "--table", "m", "--exclude", "id", "--base-url", remote.url]
    words += ["--batch-size", "10", "--rate-limit", "100000/1s", "--quiet"]
    found = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.Popen(
        ["/bin/sh", NIGHTLY, "run", *words], cwd=cli.folder, env=cli.environment | {"PATH": found}
    )


def test_three_nights_each_record_once_though_one_is_killed_and_what_was_loaded_goes(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none", "--latency", "20")
    came: list[str] = []
    for night in range(3):
        came += _grow(tmp_path, night, 100)
        if night == 1:
            before = int(remote.books()["creates_seen"])
            with _night(cli, remote) as process:
                until(lambda n=before + 30: int(remote.books()["creates_seen"]) >= n)  # type: ignore[misc]  # bound at once
                process.kill()
        with _night(cli, remote) as process:
            assert process.wait(120) == 0
        created = remote.subjects()
        assert sorted(created) == sorted(came)
        assert set(created.values()) == {1}
        (tmp_path / "exports" / f"{night}.ndjson").unlink()
        for path in (tmp_path / "box" / "new").iterdir():
            if path.name.startswith(f"{night}.1"):
                path.unlink()
            else:
                path.rename(tmp_path / "box" / "cur" / f"{path.name}:2,S")
    calls = remote.books()["creates_seen"]
    with _night(cli, remote) as process:
        assert process.wait(120) == 0
    ended = cli("load", "--extend", "run", code=0)
    assert "exports/*.ndjson: nothing is there any more" in ended.err
    assert "nothing came since" in ended.err
    # Two names for one file, of which the run knows one.
    with (tmp_path / "in.ndjson").open("a") as file:
        file.write(_line("last"))
    came.append("last")
    cli("load", "--extend", "run", "in.ndjson", "*.ndjson", code=0)
    assert remote.subjects()["last"] == 1
    cli("load", "--extend", "run", code=0)
    calls += 1
    assert remote.books()["creates_seen"] == calls
    assert cli("status", "run", "--json").summary()["loaded"] == len(came)


def test_a_bucket_and_a_mail_account_grow_too(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none")
    came: list[str] = []
    with ExitStack() as stack:
        s3 = stack.enter_context(s3_server())
        cli.environment |= s3.environment()
        sources = ["s3://mail/export/"]
        mail = stack.enter_context(mail_server()) if USABLE else None
        if mail is not None:
            cli.environment |= mail.environment
            sources.append(mail.address())
        for night in range(3):
            subjects = [f"s3 {night} {number}" for number in range(20)]
            s3.put(f"export/{night}.ndjson", "".join(map(_line, subjects)).encode())
            came += subjects
            if mail is not None:
                for folder in ("", "Archive") if night else ("",):
                    subjects = [f"imap{folder} {night} {number}" for number in range(20)]
                    mail.deliver(list(map(_message, subjects)), folder)
                    came += subjects
            words = ["--extend", "run"] if night else [*sources, "--run", "run"]
            cli("load", *words, "--base-url", remote.url, "--no-progress", code=0)
            created = remote.subjects()
            assert sorted(created) == sorted(came)
            assert set(created.values()) == {1}
        s3.put("export/0.ndjson", b"{}\n")
        assert "did not only grow" in cli("load", "--extend", "run", code=4).err


def test_a_file_that_grows_while_it_is_read_is_loaded_up_to_where_it_was(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none", "--latency", "30")
    source = ndjson(tmp_path / "in.ndjson", 600)
    words: list[object] = ["load", source, "--run", "run", "--base-url", remote.url]
    words += ["--batch-size", 20, "--max-in-flight", 2, "--no-progress", "--json"]
    with cli.start(*words) as process:
        until(lambda: int(remote.books()["creates_seen"]) >= 5)
        with source.open("a") as file:
            file.writelines(_line(f"late {number}") for number in range(50))
        process.kill()
        process.communicate()
    assert cli("resume", "run", "--no-progress", "--json", code=0).summary()["read"] == 600
    assert not [subject for subject in remote.subjects() if subject.startswith("late")]
    ended = cli("load", "--extend", "run", "--no-progress", "--json", code=0).summary()
    assert ended["read"] == 650
    assert set(remote.subjects().values()) == {1}
    assert len(remote.subjects()) == 650


def test_a_line_that_was_being_written_is_loaded_once_it_is_whole(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox()
    source, whole = tmp_path / "in.ndjson", _line("cut")
    source.write_text(_line("first") + whole[:20])
    cli("load", source, "--run", "run", "--base-url", remote.url, "--max-dead-letters", 5, code=1)
    with source.open("a") as file:
        file.write(whole[20:] + _line("last"))
    ended = cli("load", "--extend", "run", code=1)
    assert "came since: " in ended.err
    assert sorted(remote.subjects()) == ["cut", "first", "last"]
    (letter,) = letters(tmp_path / "run")
    assert letter["position"] == {"at": len(_line("first")), "number": 2}


def test_what_can_not_be_extended_is_refused_with_what_to_do(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox()
    at: list[object] = ["--base-url", remote.url, "--no-progress"]
    source = ndjson(tmp_path / "in.ndjson", 5)
    cli("load", source, "--run", "pilot", "--limit", 2, *at, code=0)
    assert "is a pilot" in cli("load", "--extend", "pilot", code=2).err
    with source.open("rb") as stdin:
        cli("load", "-", "--run", "piped", *at, stdin=stdin, code=0)
    assert "was read from stdin" in cli("load", "--extend", "piped", code=2).err
    bad = ndjson(tmp_path / "bad.ndjson", 5, hs_timestamp=lambda n: "no time" if n == 2 else "17")
    cli("load", bad, "--run", "bad", "--max-dead-letters", 5, *at, code=1)
    cli("replay", "bad", *at, code=1)
    assert "is a replay" in cli("load", "--extend", "bad-replay-1", code=2).err
    assert "there is no such run" in cli("load", "--extend", "none", code=2).err
    assert "--extend goes on" in cli("load", "--extend", "bad", "--run", "x", code=2).err
    cli("load", source, "--run", "run", *at, code=0)
    (tmp_path / "a.mbox").write_text(f"From a@b.c {DATE}\nSubject: x\n\nhello\n")
    assert "is mail" in cli("load", "--extend", "run", "a.mbox", code=2).err
    made = len(remote.emails())
    ndjson(source, 6, hs_email_subject=lambda n: f"other {n}")
    ended = cli("load", "--extend", "run", code=4)
    assert "did not only grow" in ended.err
    assert len(remote.emails()) == made
    cli("undo", "pilot", "--yes", code=0)
    assert "was undone" in cli("load", "--extend", "pilot", code=2).err


@pytest.mark.parametrize("lost", ["seen.table", "listing-0.z"])
def test_what_a_run_keeps_of_its_sources_and_is_lost_is_missed(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path, lost: str
) -> None:
    remote = sandbox()
    _grow(tmp_path, 0, 5)
    cli("load", "box", "--run", "run", "--base-url", remote.url, code=0)
    _grow(tmp_path, 1, 5)
    (tmp_path / "run" / lost).unlink()
    ended = cli("load", "--extend", "run")
    if lost == "seen.table":  # it is filled again from the messages that are there
        assert ended.code == 0
        assert len(remote.subjects()) == 10
    else:
        assert ended.code == 4
        assert "listing-0.z" in ended.err
        assert len(remote.subjects()) == 5
