"""Records and their people: each address looked up once, each contact made once, all tied right."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from tests.acceptance.harness import Cli, Sandbox, until

MESSAGES, PEOPLE, UNKNOWN = 20_000, 3_000, 500
KNOWN = PEOPLE - UNKNOWN


def mailbox(path: Path, messages: int = MESSAGES) -> dict[str, set[str]]:
    """A mailbox of me@mine.org; returns the people of each message by its subject."""
    draw = random.Random(7)
    people = [f"contact{number}@example.com" for number in range(1, PEOPLE + 1)]
    draw.shuffle(people)
    tied: dict[str, set[str]] = {}
    with path.open("w") as file:
        for number in range(messages):
            # Each is somebody's first message; most write to few people again and again.
            whom = {people[number % PEOPLE] if number < PEOPLE else draw.choice(people)}
            whom |= set(draw.sample(people, draw.choice((0, 0, 1, 2))))
            subject = f"m {number}"
            tied[subject] = whom
            listed = ", ".join(f'"Jo Smith" <{each.title()}>' for each in sorted(whom))
            file.write(
                f"From x@y.z Mon Jan  1 10:00:00 2024\nFrom: Me <me@mine.org>\nTo: {listed}\n"
                f"Subject: {subject}\nMessage-ID: <{number}@mine.org>\n"
                f"Date: Mon, 01 Jan 2024 10:00:00 +0000\n\nbody {number}\n\n"
            )
    return tied


def check_ties(remote: Sandbox, tied: dict[str, set[str]], known: Callable[[str], bool]) -> None:
    """Every record, and every one of its people that has a contact."""
    address = {each["id"]: each["properties"]["email"] for each in remote.contacts()}
    shown: dict[str, set[str]] = {}
    for email in remote.emails():
        subject = email["properties"]["hs_email_subject"]
        assert subject not in shown, "made twice"
        shown[subject] = {address[contact] for contact in email["contacts"]}
    assert shown == {subject: set(filter(known, whom)) for subject, whom in tied.items()}


def is_known(address: str) -> bool:
    return int(address.removeprefix("contact").partition("@")[0]) <= KNOWN


def test_look_ups_are_few_and_those_without_a_contact_are_listed(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none", "--contacts", KNOWN)
    tied = mailbox(tmp_path / "Sent.mbox")
    ended = cli("load", "Sent.mbox", "--run", "run", "--base-url", remote.url, "--json", code=0)
    summary = ended.summary()
    assert summary["loaded"] == MESSAGES
    assert summary["contacts"] == {"found": KNOWN, "missing": UNKNOWN, "made": 0}
    assert "me@mine.org" in ended.err, "whose mail it is was guessed, and said"
    reads = remote.books()["requests"]["/crm/v3/objects/contacts/batch/read"]
    assert reads - 1 <= 1.2 * PEOPLE / 100, "one more looks whether the token may"
    check_ties(remote, tied, is_known)
    listed = (tmp_path / "run" / "unknown-contacts.txt").read_text().split()
    assert len(listed) == UNKNOWN
    assert not any(map(is_known, listed))


def test_each_contact_is_made_once_under_kills_and_resets_and_undone(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox(
        "--rate-limit", "none", "--latency", "20", "--contacts", KNOWN,
        "--fault", "reset-after=2%", "--fault", "contacts:reset-after=20%", "--seed", "3",
    )  # fmt: skip
    tied = mailbox(tmp_path / "Sent.mbox")
    before = {each["id"] for each in remote.contacts()}
    words: list[object] = ["load", "Sent.mbox", "--run", "run", "--base-url", remote.url]
    words += ["--unknown-contacts", "create", "--timeout", "10"]
    for calls in (6, 30, 90):
        with cli.start(*words, "--no-progress", "--json") as process:
            until(lambda p=process, c=calls: (  # type: ignore[misc]  # bound at once
                p.poll() is not None or sum(remote.books()["requests"].values()) >= c
            ))  # fmt: skip
            process.kill()
            process.communicate()
        if (tmp_path / "run" / "journal.db").exists() and cli("status", "run").code != 2:
            words = ["resume", "run"]
    summary = cli(*words, "--no-progress", "--json", code=0, patience=240).summary()
    assert summary["loaded"] == MESSAGES
    assert summary["contacts"]["made"] == UNKNOWN == remote.books()["contacts_made"]
    check_ties(remote, tied, lambda _: True)
    made = [each for each in remote.contacts() if each["id"] not in before]
    assert len({each["properties"]["email"] for each in made}) == len(made) == UNKNOWN
    assert {each["properties"]["firstname"] for each in made} == {"Jo"}
    undone = cli("undo", "run", "--yes", "--json", code=0, patience=240)
    assert f'"archived":{MESSAGES}' in undone.out.replace(" ", "")
    live = {each["id"] for each in remote.contacts() if not each["archived"]}
    assert live == before
    assert remote.books()["emails"] == 0


def test_a_contact_that_goes_away_meanwhile_costs_no_record(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--contacts", PEOPLE, "--rate-limit", "20/1s", "--latency", "20")
    tied = mailbox(tmp_path / "Sent.mbox", 4_000)
    words = ("load", "Sent.mbox", "--run", "run", "--base-url", remote.url, "--json")
    with cli.start(*words, "--no-progress") as process:
        until(lambda: remote.books()["emails"] > 1_000)
        gone = [each["id"] for each in remote.contacts()[:200]]
        remote.archive_contacts(gone[:100])
        remote.archive_contacts(gone[100:])
        out, _ = process.communicate(timeout=120)
    assert process.returncode == 0, out
    assert remote.books()["emails"] == len(tied)


def test_people_without_a_contact_can_be_a_reason_to_reject(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none", "--contacts", KNOWN)
    tied = mailbox(tmp_path / "Sent.mbox", 500)
    ended = cli(
        "load", "Sent.mbox", "--run", "run", "--base-url", remote.url, "--json",
        "--unknown-contacts", "reject", "--max-dead-letters", "100%", code=1,
    )  # fmt: skip
    good = {subject for subject, whom in tied.items() if all(map(is_known, whom))}
    assert set(remote.subjects()) == good
    assert ended.summary()["dead_lettered"] == len(tied) - len(good)
    # Their contacts are made, and the letters are sent again.
    remote.add_contacts(sorted({who for whom in tied.values() for who in whom}))
    cli("replay", "run", "--json", "--max-dead-letters", "100%", code=0)
    check_ties(remote, tied, lambda _: True)
