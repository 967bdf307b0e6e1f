"""Mailboxes as people have them, into the sandbox: what arrives is held against what went in."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import zipfile
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

from tests.acceptance.harness import Cli, Sandbox, letters

ENVELOPE = b"From 1780000000000000000@xxx Mon Jan 01 10:00:00 +0000 2024\n"


def message(number: int, *, to: str, labels: str = "", **headers: str) -> EmailMessage:
    made = EmailMessage()
    made["From"] = "Me <me@mine.org>"
    made["To"] = to
    made["Subject"] = f"m {number}"
    made["Message-ID"] = f"<{number}@mine.org>"
    made["Date"] = "Mon, 01 Jan 2024 10:00:00 +0000"
    if labels:
        made["X-Gmail-Labels"] = labels
        made["X-GM-THRID"] = str(1000 + number // 3)
    for name, value in headers.items():
        made[name.replace("_", "-")] = value
    made.set_content(f"body {number}\n")
    return made


def test_a_takeout_in_which_a_third_stands_twice_is_loaded_once(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    count, draw = 1_500, random.Random(11)
    remote = sandbox("--rate-limit", "none", "--contacts", 400)
    whom = {n: f"contact{draw.randrange(1, 401)}@example.com" for n in range(count)}
    archive: list[bytes] = []
    customers: list[bytes] = []
    for number, to in whom.items():
        twice = draw.random() < 0.3
        labels = "Archived,Customers" if twice else "Archived"
        raw = ENVELOPE + bytes(message(number, to=to, labels=labels)) + b"\n"
        archive.append(raw)
        if twice:
            customers.append(raw)
    draw.shuffle(customers)
    with zipfile.ZipFile(tmp_path / "takeout.zip", "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("Takeout/archive_browser.html", "<html></html>")
        made.writestr("Takeout/Mail/Archived.mbox", b"".join(archive))
        made.writestr("Takeout/Mail/Customers.mbox", b"".join(customers))
    ended = cli(
        "load", "takeout.zip", "--run", "run", "--base-url", remote.url, "--json",
        "--mine", "mine.org", code=0,
    )  # fmt: skip
    summary = ended.summary()
    assert len(customers) > 0.25 * count
    assert (summary["loaded"], summary["skipped_by"]) == (count, {"duplicate": len(customers)})
    address = {each["id"]: each["properties"]["email"] for each in remote.contacts()}
    shown = {
        email["properties"]["hs_email_subject"]: [address[one] for one in email["contacts"]]
        for email in remote.emails()
    }
    assert shown == {f"m {number}": [to] for number, to in whom.items()}
    # And a second look finds nothing to make.
    again = cli(
        "load", "takeout.zip", "--run", "again", "--base-url", remote.url, "--json",
        "--mine", "mine.org", code=0,
    ).summary()  # fmt: skip
    assert (again["loaded"], again["existing"]) == (0, count)


def test_what_is_not_to_be_loaded_is_counted_by_why(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none")
    kinds = {
        "spam": "Spam",
        "trash": "Trash",
        "draft": "Drafts",
        "": "Inbox",
    }
    with (tmp_path / "all.mbox").open("wb") as file:
        for number in range(400):
            label = list(kinds.values())[number % 4]
            file.write(ENVELOPE + bytes(message(number, to="a@b.com", labels=label)) + b"\n")
    loading = ("load", "all.mbox", "--base-url", remote.url, "--json", "--mine", "mine.org")
    summary = cli(*loading, "--run", "run", code=0).summary()
    assert summary["loaded"] == 100
    assert summary["skipped_by"] == {"draft": 100, "spam": 100, "trash": 100}
    assert cli("status", "run", "--json").summary()["skipped_by"] == summary["skipped_by"]
    every = cli(*loading, "--run", "every", "--leave-out", "none", code=0).summary()
    assert (every["loaded"], every["existing"]) == (300, 100)
    some = cli(*loading, "--run", "some", "--filter", "label=inbox", "--filter", "to=c.com")
    assert some.summary()["skipped_by"] == {"filter: label": 300, "filter: to": 100}


def test_attachments_are_uploaded_once_each_tied_and_undone(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none", "--refuse-files", r"\.exe", "--check-attachments")
    shared, own = b"%PDF the same " * 500, b"another %d"
    with (tmp_path / "in.mbox").open("wb") as file:
        for number in range(60):
            made = message(number, to="a@b.com")
            made.add_attachment(shared, "application", "pdf", filename="offer.pdf")
            if number % 2:
                made.add_attachment(own % number, "text", "plain", filename=f"n{number}.txt")
            if number == 7:
                made.add_attachment(b"MZ", "application", "octet-stream", filename="virus.exe")
            file.write(ENVELOPE + bytes(made) + b"\n")
    loading = (
        "load", "in.mbox", "--base-url", remote.url, "--json", "--attachments", "upload",
        "--mine", "mine.org",
    )  # fmt: skip
    loaded = cli(*loading, "--run", "run", code=0).summary()
    assert loaded["attachments"] == {"uploaded": 31, "left_out": 1}
    files = {each["sha256"]: each for each in remote.files()}
    assert set(files) == {
        hashlib.sha256(c).hexdigest() for c in (shared, *(own % n for n in range(1, 60, 2)))
    }
    assert {each["access"] for each in files.values()} == {"PRIVATE"}
    first = files[hashlib.sha256(shared).hexdigest()]["id"]
    for email in remote.emails():
        number = int(email["properties"]["hs_email_subject"].split()[1])
        ids = email["properties"]["hs_attachment_ids"].split(";")
        wanted = [first]
        if number % 2:
            wanted.append(files[hashlib.sha256(own % number).hexdigest()]["id"])
        assert ids == wanted
        assert ("virus.exe" in email["properties"]["hs_email_text"]) is (number == 7)
    undone = json.loads(cli("undo", "run", "--yes", "--json", code=0).out)
    assert undone["archived"] == 60
    assert undone["files"]["made"] == len(files) == 31
    assert all(each["deleted"] for each in remote.files())


def test_attachments_that_are_left_out_are_counted(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none")
    made = message(1, to="a@b.com")
    for name in ("one.pdf", "two.pdf"):
        made.add_attachment(name.encode(), "application", "pdf", filename=name)
    (tmp_path / "in.mbox").write_bytes(ENVELOPE + bytes(made) + b"\n")
    loading = ("load", "in.mbox", "--base-url", remote.url, "--mine", "mine.org")
    ended = cli(*loading, "--run", "run", "--attachments", "none", code=0)
    assert "2 attachments left out" in ended.out
    listed = cli(*loading, "--run", "again", "--json", "--leave-out", "none", code=0).summary()
    assert listed["attachments"] == {"uploaded": 0, "left_out": 0}
    (email,) = remote.emails()
    assert "pdf" not in email["properties"]["hs_email_text"]


def test_a_file_that_is_refused_can_reject_its_record(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none", "--refuse-files", r"\.exe")
    with (tmp_path / "in.mbox").open("wb") as file:
        for number in range(10):
            made = message(number, to="a@b.com")
            name = "virus.exe" if number == 3 else "note.txt"
            content = f"of {name}".encode()
            made.add_attachment(content, "application", "octet-stream", filename=name)
            file.write(ENVELOPE + bytes(made) + b"\n")
    ended = cli(
        "load", "in.mbox", "--base-url", remote.url, "--json", "--run", "run", "--mine", "mine.org",
        "--attachments", "upload", "--attachment-failure", "reject", code=1,
    )  # fmt: skip
    assert ended.summary()["loaded"] == 9
    (letter,) = letters(tmp_path / "run")
    assert "virus.exe" in letter["message"]
    assert letter["ordinal"] == 3


def test_owners_threads_and_labels_arrive(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none", "--check-owners")
    with (tmp_path / "in.mbox").open("wb") as file:
        for number, to in enumerate(["ada@example.com", "eve@elsewhere.com"]):
            made = message(number, to=to, labels="Inbox,=?UTF-8?Q?Gr=C3=BC=C3=9Fe?=")
            file.write(ENVELOPE + bytes(made) + b"\n")
    cli(
        "load", "in.mbox", "--base-url", remote.url, "--run", "run", "--mine", "mine.org",
        "--owners", "auto", "--thread-property", "hs_email_thread_id",
        "--label-property", "hs_email_attached_video_id", code=0,
    )  # fmt: skip
    shown = [email["properties"] for email in remote.emails()]
    assert [each.get("hubspot_owner_id") for each in shown] == ["41629779", None]
    assert {each["hs_email_thread_id"] for each in shown} == {"1000"}
    assert {each["hs_email_attached_video_id"] for each in shown} == {"Inbox;Grüße"}
    assert {each["hs_email_direction"] for each in shown} == {"EMAIL"}


def test_a_table_is_mapped_as_its_mapping_says(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none", "--contacts", 3)
    rows = ["betreff,gesendet,von,an,zustand,firma"]
    rows += [
        f"Hallo {n},0{n}.02.2024 10:30,me@mine.org,contact{n}@example.com,ok,7" for n in (1, 2)
    ]
    (tmp_path / "export.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "mapping.toml").write_text(
        """
[properties]
hs_email_subject = "betreff"
hs_timestamp = { column = "gesendet", format = "%d.%m.%Y %H:%M", timezone = "Europe/Berlin" }
hs_email_status = { column = "zustand", values = { ok = "SENT" } }
hs_email_direction = { constant = "EMAIL" }
[associations]
companies = "firma"
[people]
addresses = ["an"]
"""
    )
    cli(
        "load", "export.csv", "--mapping", "mapping.toml", "--run", "run", "--base-url", remote.url,
        code=0,
    )  # fmt: skip
    first = min(remote.emails(), key=lambda email: email["properties"]["hs_email_subject"])
    assert first["properties"]["hs_timestamp"] == "1706779800000"  # 09:30 UTC
    assert first["properties"]["hs_email_status"] == "SENT"
    assert {(tie["type"], tie["id"]) for tie in first["associations"]} >= {(186, "7")}
    assert len(first["contacts"]) == 1


def test_a_mapping_that_was_edited_is_told_and_taken_by_a_replay_that_names_it(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none")
    (tmp_path / "export.csv").write_text("betreff,gesendet\nHallo,2024-02-01\nHallo,01.02.2024\n")
    dates = '{ column = "gesendet", format = "%Y-%m-%d" }'
    mapping = '[properties]\nhs_email_subject = "betreff"\nhs_timestamp = '
    (tmp_path / "mapping.toml").write_text(mapping + dates)
    base = ("--base-url", remote.url)
    cli(
        "load", "export.csv", "--mapping", "mapping.toml", "--run", "run", *base,
        "--max-dead-letters", "0", code=3,
    )  # fmt: skip
    (tmp_path / "mapping.toml").write_text(mapping + dates.replace("%Y-%m-%d", "%d.%m.%Y"))
    resumed = cli("resume", "run", *base, "--max-dead-letters", "100%", code=1)
    assert "--mapping: its file is another than when the run began" in resumed.err
    told = cli("replay", "run", *base, "--max-dead-letters", "100%", code=1)
    assert "--mapping: its file is another than when the run began" in told.err
    taken = cli("replay", "run", "--mapping", "mapping.toml", *base, code=0)
    assert "its file is another" not in taken.err
    times = [email["properties"]["hs_timestamp"] for email in remote.emails()]
    assert times == ["1706745600000"] * 2


def test_letters_of_mail_keep_what_a_replay_needs(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none", "--contacts", 5)
    folder = tmp_path / "Maildir"
    for place in ("cur", "new", "tmp", ".Sent/cur", ".Sent/new", ".Sent/tmp"):
        (folder / place).mkdir(parents=True)
    good = bytes(message(1, to="contact1@example.com"))
    (folder / ".Sent" / "cur" / "1.x:2,S").write_bytes(good)
    (folder / ".Sent" / "cur" / "2.x:2,S").write_bytes(good.replace(b"Date:", b"X-Date:"))
    ended = cli(
        "load", "Maildir", "--run", "run", "--base-url", remote.url, "--json",
        "--max-dead-letters", "100%", code=1,
    )  # fmt: skip
    assert ended.summary()["loaded"] == 1
    (letter,) = letters(tmp_path / "run")
    assert letter["folder"] == "Sent"
    held = letter.get("record") or base64.b64decode(letter["record_base64"]).decode()
    letter["record"] = held.replace("X-Date:", "Date:").replace("<1@", "<2@")
    letter.pop("key")
    (tmp_path / "run" / "dead-letters.ndjson").write_text(json.dumps(letter) + "\n")
    replayed = cli("replay", "run", "--json", "--max-dead-letters", "100%", code=0).summary()
    assert replayed["loaded"] == 1
    assert [len(email["contacts"]) for email in remote.emails()] == [1, 1]
