"""Undo: what the run created is archived, exactly that, whatever is killed on the way."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from bulkload import RefusedToStart, Undone, undo
from bulkload.events import Said
from bulkload.hubspot import contacts, files
from tests.acceptance.harness import TOKEN, Cli, Ended, Sandbox, letters, ndjson, until

FAST = ("--no-progress", "--rate-limit", "100000/1s")
KEYS = [
    *("run", "created", "archived", "already_gone", "failed", "exit_code"),
    *("stopped", "resume", "contacts", "files"),
]


def load(cli: Cli, remote: Sandbox, count: int, run: str = "run", *words: object) -> Path:
    source = ndjson(cli.folder / f"{run}.ndjson", count)
    cli("load", source, "--run", run, "--base-url", remote.url, *FAST, *words, code=0)
    return cli.folder / run


def undone(ended: Ended) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ended.out)
    assert list(found) == KEYS
    assert found["exit_code"] == ended.code
    assert ended.out.count("\n") == 1
    return found


def counts(ended: Ended) -> tuple[int, ...]:
    found = undone(ended)
    return tuple(found[name] for name in ("created", "archived", "already_gone", "failed"))


def post(remote: Sandbox, path: str, body: Any) -> Any:
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    call = Request(remote.url + path, json.dumps(body).encode(), headers, method="POST")
    with urlopen(call) as answer:
        return json.loads(answer.read() or b"null")


def archived(remote: Sandbox) -> set[str]:
    return {email["id"] for email in remote.emails() if email["archived"]}


def made_by(run: Path) -> list[str]:
    """The ids in a run's journal, in the order of an undo."""
    with closing(sqlite3.connect(run / "journal.db")) as journal:
        rows = journal.execute("SELECT ids FROM attempt WHERE ids IS NOT NULL ORDER BY id")
        return [each for (ids,) in rows for each in ids.split(",")]


def fact(run: Path) -> Any:
    with closing(sqlite3.connect(run / "journal.db")) as journal:
        row = journal.execute("SELECT value FROM run WHERE name='undo'").fetchone()
    return json.loads(row[0]) if row else None


def test_killed_twice_it_archives_exactly_what_the_run_created(
    cli: Cli, sandbox: Callable[..., Sandbox]
) -> None:
    remote = sandbox("--rate-limit", "none", "--latency", "15")
    load(cli, remote, 300, "other")  # the run finds these there: they are not its own
    by_hand = [{"properties": {"hs_timestamp": "17", "hs_email_subject": "hand"}}] * 5
    post(remote, "/crm/v3/objects/emails/batch/create", {"inputs": by_hand})
    # Batches of 70 and hundreds: portions begin and end within attempts.
    run = load(cli, remote, 20_000, "run", "--batch-size", 70, "--max-in-flight", 10)
    ours = made_by(run)
    assert len(ours) == len(set(ours)) == 19_700
    gone = [*ours[:130], *ours[7_000:7_003], ours[-1]]
    for first in range(0, len(gone), 100):
        inputs = [{"id": each} for each in gone[first : first + 100]]
        post(remote, "/crm/v3/objects/emails/batch/archive", {"inputs": inputs})
    for target in (3_000, 11_000):
        with cli.start("undo", "run", "--yes", "--json", "--no-progress") as process:
            until(lambda t=target, p=process: (  # type: ignore[misc]  # bound at once
                p.poll() is not None or int(remote.books()["archived"]) >= t
            ))  # fmt: skip
            assert process.poll() is None, "it ended before it was killed"
            process.kill()
            process.communicate()
        assert fact(run) == "begun"
    with closing(sqlite3.connect(run / "journal.db")) as journal:
        query = "SELECT count(*) FROM undone WHERE archived IS NULL"
        assert 0 < journal.execute(query).fetchone()[0] <= 10
    ended = cli("undo", "run", "--yes", "--json", "--no-progress", code=0)
    assert counts(ended) == (19_700, 19_700 - 134, 134, 0)
    assert archived(remote) == set(ours)
    assert fact(run) == "done"
    calls = dict(remote.books()["requests"])
    again = cli("undo", "run", "--yes", "--json", code=0)
    assert undone(again) == undone(ended)
    assert dict(remote.books()["requests"]) == calls, "an undone run needs no call"
    assert cli("undo", "run", "--json", code=0).out == again.out


def test_settled_portions_are_not_looked_at_again_and_open_ones_are_archived_again(
    cli: Cli, sandbox: Callable[..., Sandbox]
) -> None:
    remote = sandbox("--rate-limit", "none")
    run = load(cli, remote, 1_000)
    first = cli("undo", "run", "--yes", "--json", code=0)
    assert counts(first) == (1_000, 1_000, 0, 0)
    before = remote.books()["requests"]
    with closing(sqlite3.connect(run / "journal.db")) as journal:  # as two kills may leave it
        journal.execute("UPDATE undone SET archived=NULL, failed=NULL WHERE number IN (2, 5)")
        journal.execute("DELETE FROM undone WHERE number IN (3, 9)")
        journal.execute("UPDATE run SET value='\"begun\"' WHERE name='undo'")
        journal.commit()
    ended = cli("undo", "run", "--yes", "--json", code=0)
    assert counts(ended) == (1_000, 800, 200, 0)  # 3 and 9 were archived, and nobody wrote it down
    after = remote.books()["requests"]
    path = "/crm/v3/objects/emails/batch/"
    assert after[f"{path}read"] - before[f"{path}read"] == 2
    assert after[f"{path}archive"] - before[f"{path}archive"] == 4


def test_a_dry_run_archives_nothing_and_needs_no_token(
    cli: Cli, sandbox: Callable[..., Sandbox]
) -> None:
    remote = sandbox("--rate-limit", "none")
    run = load(cli, remote, 250)
    before = dict(remote.books()["requests"])
    ended = cli("undo", "run", "--dry-run", "--json", code=0)
    assert counts(ended) == (250, 0, 0, 0)
    assert "250 records that run" in ended.err
    assert f"in portal 62515 at {remote.url}" in ended.err
    after = dict(remote.books()["requests"])
    assert after.pop("/account-info/v3/details") - before.pop("/account-info/v3/details") == 1
    assert after == before
    assert fact(run) is None
    del cli.environment["HUBSPOT_ACCESS_TOKEN"]
    blind = cli("undo", "run", "--dry-run", code=0)
    assert "portal 62515 (by its journal" in blind.err
    assert "250  left" in blind.out
    assert remote.books()["requests"]["/account-info/v3/details"] == 2
    assert "no token" in cli("undo", "run", "--yes", code=2).err
    assert remote.books()["archived"] == 0


def test_another_portal_is_refused(cli: Cli, sandbox: Callable[..., Sandbox]) -> None:
    load(cli, sandbox("--rate-limit", "none"), 10)
    other = sandbox("--rate-limit", "none", "--portal-id", "777")
    load(cli, other, 10, "theirs")
    ended = cli("undo", "run", "--yes", "--base-url", other.url, "--json", code=4)
    assert counts(ended) == (10, 0, 0, 0)
    assert "token is for portal 777" in json.loads(ended.out)["stopped"]
    assert "token is for portal 777, the run was begun on portal 62515" in ended.err
    assert other.books()["archived"] == 0
    assert fact(cli.folder / "run") is None


def test_a_remote_that_does_not_say_whose_portal_it_is_stops_it(
    cli: Cli, sandbox: Callable[..., Sandbox]
) -> None:
    class Silent(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *args: object) -> None:
            pass

    load(cli, sandbox("--rate-limit", "none"), 10)
    with ThreadingHTTPServer(("127.0.0.1", 0), Silent) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        ended = cli("undo", "run", "--yes", "--json", "--base-url", url, code=3)
        server.shutdown()
    assert counts(ended) == (10, 0, 0, 0)
    assert "did not say which portal" in ended.err
    assert f"bulkload undo run --yes --base-url {url}" in ended.err
    assert fact(cli.folder / "run") is None


def test_an_outage_is_waited_for(cli: Cli, sandbox: Callable[..., Sandbox]) -> None:
    remote = sandbox("--rate-limit", "none", "--latency", "10")
    run = load(cli, remote, 3_000, "run", "--max-in-flight", 3)
    for kind in ("503", "reset", "477"):
        with cli.start("undo", "run", "--yes", "--json") as process:
            goal = int(remote.books()["archived"]) + 300
            until(lambda g=goal: int(remote.books()["archived"]) >= g)  # type: ignore[misc]
            remote.faults(outages=[f"0+1:{kind}"])
            if kind != "477":
                until(lambda k=kind: remote.books()["faults"].get(f"outage-{k}", 0) > 0)  # type: ignore[misc]
                process.send_signal(signal.SIGTERM)
                assert process.wait() == 3
                out, err = process.communicate()
                ended = Ended(3, out.decode(), err.decode())
                assert 0 < undone(ended)["archived"] < 3_000
                assert "interrupted" in ended.err
                assert "Go on with it: bulkload undo run --yes" in ended.err
                remote.faults(outages=[])
                continue
            out, err = process.communicate(timeout=60)
            assert counts(Ended(process.returncode, out.decode(), err.decode())) == (
                3_000, 3_000, 0, 0,
            )  # fmt: skip
    assert remote.books()["archived"] == 3_000
    assert fact(run) == "done"


def test_an_outage_that_lasts_stops_it_with_the_command_that_goes_on(
    cli: Cli, sandbox: Callable[..., Sandbox]
) -> None:
    remote = sandbox("--rate-limit", "none", "--latency", "10")
    load(cli, remote, 2_000, "run", "--max-outage", 1, "--max-in-flight", 2)
    with cli.start("undo", "run", "--yes") as process:
        until(lambda: int(remote.books()["archived"]) >= 200)
        remote.faults(outages=["0+1000:503"])
        out, err = process.communicate(timeout=60)
    assert process.returncode == 3, err
    assert b"the remote has been in trouble" in out
    assert b"bulkload undo run --yes" in out
    remote.faults(outages=[])
    assert counts(cli("undo", "run", "--yes", "--json", code=0)) == (2_000, 2_000, 0, 0)


def test_throttling_is_waited_for_and_the_limit_is_kept(
    cli: Cli, sandbox: Callable[..., Sandbox]
) -> None:
    remote = sandbox("--rate-limit", "20/1s")
    source = ndjson(cli.folder / "in.ndjson", 3_000)
    words = ("--base-url", remote.url, "--rate-limit", "20/1s", "--no-progress")
    cli("load", source, "--run", "run", *words, code=0)
    # Another client uses the window up, and we know nothing of it.
    for _ in range(20):
        try:
            post(remote, "/crm/v3/objects/emails/batch/read", {"inputs": [{"id": "1"}]})
        except OSError:
            break
    assert counts(cli("undo", "run", "--yes", "--json", code=0)) == (3_000, 3_000, 0, 0)
    with urlopen(f"{remote.url}/_sandbox/arrivals") as answer:
        calls = [json.loads(line) for line in answer]
    mine = [c for c in calls if c["path"].endswith("batch/archive") and c["status"] == 204]
    assert len(mine) == 30
    # At most what was in flight when the window turned out to be used up, and the other's own.
    assert sum(c["status"] == 429 for c in calls) <= 20 + 1


def test_a_token_that_is_refused_stops_it_resumable(
    cli: Cli, sandbox: Callable[..., Sandbox]
) -> None:
    remote = sandbox("--rate-limit", "none", "--token", TOKEN)
    load(cli, remote, 100)
    cli.environment["HUBSPOT_ACCESS_TOKEN"] = "pat-wrong"
    ended = cli("undo", "run", "--yes", "--json", code=3)
    assert "does not accept the token" in ended.err
    assert "bulkload undo run --yes" in ended.err
    assert remote.books()["archived"] == 0


def test_without_a_terminal_and_without_yes_nothing_is_archived(
    cli: Cli, sandbox: Callable[..., Sandbox]
) -> None:
    remote = sandbox("--rate-limit", "none")
    load(cli, remote, 100)
    ended = cli("undo", "run", code=2)
    assert "100 records that run" in ended.err
    assert "give --yes" in ended.err
    assert remote.books()["archived"] == 0


@pytest.mark.parametrize(("answer", "code"), [(b"y\n", 0), (b"n\n", 2), (None, 3)])
def test_on_a_terminal_it_asks(
    cli: Cli, sandbox: Callable[..., Sandbox], answer: bytes | None, code: int
) -> None:
    remote = sandbox("--rate-limit", "none")
    load(cli, remote, 100)
    ours, theirs = pty.openpty()
    try:
        with cli.start("undo", "run", "--json", stdin=theirs) as process:
            assert process.stderr is not None
            said = b""
            while b"Archive them?" not in said:
                said += (more := os.read(process.stderr.fileno(), 4096))
                assert more, said
            if answer is not None:
                os.write(ours, answer)
            while answer is None and process.poll() is None:
                # One that comes between the prompt and the reading is noticed with the next.
                process.send_signal(signal.SIGINT)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(2)
            out, err = process.communicate(timeout=60)
    finally:
        os.close(ours)
        os.close(theirs)
    assert process.returncode == code, (said, out, err)
    assert (said + err).count(b"100 records that run") == 1
    assert remote.books()["archived"] == (100 if code == 0 else 0)


def test_what_is_under_way_or_worked_on_is_refused(
    cli: Cli, sandbox: Callable[..., Sandbox]
) -> None:
    remote = sandbox("--rate-limit", "none", "--fault", "stall=100%")
    source = ndjson(cli.folder / "in.ndjson", 300)
    words = ("load", source, "--run", "run", "--base-url", remote.url, "--max-in-flight", 2)
    with cli.start(*words) as process:
        until(lambda: int(remote.books()["creates_seen"]) >= 2)
        for way in ("--yes", "--dry-run", "--json"):
            assert "another bulkload works on this run" in cli("undo", "run", way, code=2).err
        process.kill()
        process.communicate()
    refused = cli("undo", "run", "--yes", code=2)
    assert "200 records were under way when the run was cut: bulkload resolve run" in refused.err
    assert remote.books()["archived"] == 0


def test_doubts_and_replays_are_told_and_do_not_hinder(
    cli: Cli, sandbox: Callable[..., Sandbox]
) -> None:
    remote = sandbox("--rate-limit", "none", "--bare", "--fault", "503-after=100%")
    source = ndjson(cli.folder / "in.ndjson", 50)
    run = ("--run", "run", "--base-url", remote.url)
    cli("load", source, *run, *FAST, "--limit", 50, code=1)
    told = cli("undo", "run", "--yes", "--json", code=0)
    assert counts(told) == (0, 0, 0, 0)
    assert "50 records of the run are in doubt" in told.err
    remote.faults(faults={})
    bad = ndjson(cli.folder / "bad.ndjson", 20, no_such=lambda n: "1" if n in (7, 9) else None)
    cli("load", bad, "--run", "bad", "--base-url", remote.url, *FAST, code=1)
    cli("replay", "bad", *FAST, code=1)  # makes nothing
    for run_, ordinal in (("bad", 7), ("bad-replay-2", 1)):
        mended = letters(cli.folder / run_)
        for letter in mended:
            if letter["ordinal"] == ordinal:
                del letter["record"]["properties"]["no_such"]
        lines = "".join(json.dumps(letter) + "\n" for letter in mended)
        (cli.folder / run_ / "dead-letters.ndjson").write_text(lines)
        cli("replay", run_, *FAST, code=int(run_ == "bad"))
    assert "no replay settled: 0" in cli("status", "bad", code=0).out
    assert cli("status", "bad", "--letters", code=0).out == ""
    with closing(sqlite3.connect(cli.folder / "bad" / "journal.db")) as journal:
        journal.execute("INSERT INTO doubt VALUES (99, 1, 0, 0, 1)")
        journal.commit()
    ended = cli("undo", "bad", "--yes", "--json", code=0)
    assert counts(ended) == (18, 18, 0, 0)
    assert "1 records of the run are in doubt" in ended.err
    assert re.findall(rf"bulkload undo {cli.folder}/bad(\S+)", ended.err) == [
        "-replay-2", "-replay-2-replay-1",
    ]  # fmt: skip
    assert remote.books()["archived"] == 18
    assert "Undone: 18 archived" in cli("status", "bad", code=1).out  # one is in doubt


def test_what_reads_do_not_show_yet_is_archived_all_the_same(
    cli: Cli, sandbox: Callable[..., Sandbox]
) -> None:
    remote = sandbox("--rate-limit", "none", "--read-lag", "1000")
    load(cli, remote, 150)
    assert counts(cli("undo", "run", "--yes", "--json", code=0)) == (150, 0, 150, 0)
    assert remote.books()["archived"] == 150


async def _undo_in_process(run: Path) -> tuple[Undone, list[str]]:
    said: list[str] = []

    def observe(event: object) -> None:
        if isinstance(event, Said):
            said.append(event.text)

    return await undo(run, token=TOKEN, observers=(observe,)), said


def test_the_api_says_first_and_returns_how_it_stands(
    cli: Cli, sandbox: Callable[..., Sandbox]
) -> None:
    import asyncio

    remote = sandbox("--rate-limit", "none")
    run = load(cli, remote, 120)
    ended, said = asyncio.run(_undo_in_process(run))
    assert ended == Undone(str(run), 120, 120, 0, 0, 0)
    assert said[0].startswith("120 records that run ")
    with pytest.raises(RefusedToStart):
        asyncio.run(_undo_in_process(cli.folder / "nowhere"))


# Contacts and files


def listed(remote: Sandbox, what: str) -> list[dict[str, Any]]:
    with urlopen(f"{remote.url}/_sandbox/{what}") as answer:
        return [json.loads(line) for line in answer]


def make_contacts(remote: Sandbox, addresses: list[str]) -> dict[str, str]:
    """Made as a run makes them: contact ids by address."""
    found: dict[str, str] = {}
    for first in range(0, len(addresses), 100):
        part = addresses[first : first + 100]
        inputs = json.loads(contacts.upsert_body(part))
        results = post(remote, "/crm/v3/objects/contacts/batch/upsert", inputs)["results"]
        assert all(each["new"] for each in results)
        found |= {each["properties"]["email"]: each["id"] for each in results}
    return found


def make_file(remote: Sandbox, content: bytes, run: str) -> str:
    request = files.upload(content, "offer.pdf", "application/pdf", run)
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": request.content_type}
    with urlopen(Request(f"{remote.url}/files/v3/files", request.body, headers)) as answer:
        return str(json.loads(answer.read())["id"])


def load_with_people(
    cli: Cli, remote: Sandbox, people: int, attached: int
) -> tuple[Path, set[str], set[str]]:
    """A run that made contacts and files, beside others that it found: (run, contacts, files)."""
    theirs = make_contacts(remote, [f"found{n}@x.org" for n in range(40)])
    run = load(cli, remote, 300)
    ours = make_contacts(remote, [f"made{n}@x.org" for n in range(people)])
    make_file(remote, b"theirs", "other")
    stored = {files.digest(b"%d" % n): make_file(remote, b"%d" % n, "run") for n in range(attached)}
    with closing(sqlite3.connect(run / "journal.db")) as journal:
        rows = [(address, each, 1) for address, each in ours.items()]
        rows += [(address, each, 0) for address, each in theirs.items()]
        journal.executemany("INSERT INTO contact(address, id, made) VALUES (?,?,?)", rows)
        journal.executemany(
            "INSERT INTO file(hash, id, name, size, made) VALUES (?,?,'offer.pdf',1,1)",
            stored.items(),
        )
        journal.commit()
    return run, set(ours.values()), set(stored.values())


def removed(remote: Sandbox) -> tuple[set[str], set[str]]:
    return (
        {each["id"] for each in listed(remote, "contacts") if each["archived"]},
        {each["id"] for each in listed(remote, "files") if each["deleted"]},
    )


def part(made: int, archived: int, already_gone: int = 0, failed: int = 0) -> dict[str, int]:
    return {
        "made": made,
        "archived": archived,
        "already_gone": already_gone,
        "failed": failed,
    }


def test_contacts_and_files_go_after_the_emails_whatever_is_killed(
    cli: Cli, sandbox: Callable[..., Sandbox]
) -> None:
    remote = sandbox("--rate-limit", "none", "--latency", "15")
    run, ours, stored = load_with_people(cli, remote, 2_500, 300)
    gone = sorted(ours)[:3]
    inputs = [{"id": each} for each in gone]
    post(remote, "/crm/v3/objects/contacts/batch/archive", {"inputs": inputs})
    goals: list[Callable[[], bool]] = [
        lambda: len(removed(remote)[0]) >= 500,
        lambda: len(removed(remote)[1]) >= 30,
        lambda: len(removed(remote)[1]) >= 120,
    ]
    for goal in goals:
        with cli.start("undo", "run", "--yes", "--json", "--no-progress") as process:
            until(lambda g=goal, p=process: p.poll() is not None or g())  # type: ignore[misc]
            assert process.poll() is None, "it ended before it was killed"
            process.kill()
            process.communicate()
        assert remote.books()["archived"] == 300, "emails go first"
        assert fact(run) == "begun"
    ended = cli("undo", "run", "--yes", "--json", "--no-progress", code=0)
    found = undone(ended)
    assert counts(ended) == (300, 300, 0, 0)
    assert found["contacts"] == part(2_500, 2_497, 3)
    assert found["files"] == part(300, 300)
    assert removed(remote) == (ours, stored)
    assert fact(run) == "done"
    calls = dict(remote.books()["requests"])
    assert cli("undo", "run", "--yes", "--json", code=0).out == ended.out
    assert dict(remote.books()["requests"]) == calls


def test_what_is_to_go_is_told_and_may_be_kept(cli: Cli, sandbox: Callable[..., Sandbox]) -> None:
    remote = sandbox("--rate-limit", "none")
    run, ours, stored = load_with_people(cli, remote, 20, 5)
    looked = cli("undo", "run", "--dry-run", code=0)
    assert "and 20 contacts that run" in looked.err
    assert "--keep-contacts leaves them" in looked.err
    assert "--keep-files leaves them" in looked.err
    assert "20 contacts made by" in looked.out
    kept = cli("undo", "run", "--yes", "--json", "--keep-contacts", "--keep-files", code=0)
    assert "contacts" not in kept.err
    assert undone(kept)["contacts"] == part(20, 0)
    assert removed(remote) == (set(), set())
    assert fact(run) == "done"
    later = cli("undo", "run", "--yes", "--json", "--keep-files", code=0)
    assert counts(later) == (300, 300, 0, 0)
    assert (undone(later)["contacts"], undone(later)["files"]) == (part(20, 20), part(5, 0))
    assert removed(remote) == (ours, set())
    assert undone(cli("undo", "run", "--yes", "--json", code=0))["files"] == part(5, 5)
    assert removed(remote) == (ours, stored)
    assert fact(run) == "done"


def test_a_contact_whose_making_was_cut_goes_too(cli: Cli, sandbox: Callable[..., Sandbox]) -> None:
    remote = sandbox("--rate-limit", "none")
    run = load(cli, remote, 10)
    ours = make_contacts(remote, ["a@x.org"])
    with closing(sqlite3.connect(run / "journal.db")) as journal:
        for address, until in (("a@x.org", 4_000_000_000.0), ("b@x.org", 1_000_000_060.0)):
            journal.execute("INSERT INTO contact VALUES (?,'',0,1000000000.0,?)", (address, until))
        journal.commit()
    ended = cli("undo", "run", "--yes", "--json", code=0)
    assert undone(ended)["contacts"] == part(1, 1)
    assert removed(remote)[0] == set(ours.values())
