"""Which way a message went, who it ties to, who owns it, and whose mail it seems to be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.errors import RefusedToStart
from bulkload.mail.mine import Mine, direction, external_people, guess, is_contact, owner_of
from bulkload.mail.owners import read_owners
from bulkload.model import Address, Email

MINE = Mine.parse(["ours.com", "ada@home.org"])
PEOPLE = ("ada@ours.com", "bob@ours.com", "ada@home.org", "eve@theirs.com", "Joe@Theirs.com", "")
ANYBODY = st.lists(st.sampled_from(PEOPLE), max_size=3)


def email(
    from_: str = "", to: str = "", cc: str = "", bcc: str = "", sender: str = "", **more: object
) -> Email:
    """Addresses between spaces."""
    named = {"from_": from_, "to": to, "cc": cc, "bcc": bcc, "sender": sender}
    headers = {name: tuple(map(Address, written.split())) for name, written in named.items()}
    return Email(0, "", "", "", **headers, **more)  # type: ignore[arg-type]  # of any field


EMAILS = st.builds(
    lambda f, t, c, b, s, traits, labels: email(
        *map(" ".join, (f, t, c, b, s)), traits=frozenset(traits), labels=tuple(labels)
    ),
    ANYBODY, ANYBODY, ANYBODY, ANYBODY, ANYBODY,
    st.sets(st.sampled_from(["forward", "bounce", "list"])),
    st.lists(st.sampled_from(["Gesendet", "Inbox", "Clients"]), max_size=2),
)  # fmt: skip


@pytest.mark.parametrize(
    ("message", "folder", "way"),
    [
        (email("ada@ours.com", "eve@theirs.com"), "", "EMAIL"),
        (email("ada@ours.com", "eve@theirs.com"), "INBOX", "EMAIL"),
        (email("eve@theirs.com", "ada@ours.com"), "", "INCOMING_EMAIL"),
        (email("eve@theirs.com", "ada@ours.com"), "Sent", "INCOMING_EMAIL"),
        (email("eve@theirs.com", "", "", "ada@home.org"), "Sent", "INCOMING_EMAIL"),
        (email("alias@other.net", "eve@theirs.com"), "Gesendete Objekte", "EMAIL"),
        (email("alias@other.net", "eve@theirs.com"), "", "INCOMING_EMAIL"),
        (email("alias@other.net", "eve@theirs.com", labels=("Envoyés",)), "", "EMAIL"),
        (email("", "eve@theirs.com", sender="ada@ours.com"), "", "EMAIL"),
        (email("eve@theirs.com", "joe@theirs.com", sender="ada@ours.com"), "", "INCOMING_EMAIL"),
        (email("", "ada@ours.com"), "", "INCOMING_EMAIL"),
        (email(), "Sent Items", "EMAIL"),
        (email(), "", "INCOMING_EMAIL"),
        (
            email("ada@ours.com", "bob@ours.com", traits=frozenset({"forward"})),
            "",
            "FORWARDED_EMAIL",
        ),
        (email("ada@ours.com", "eve@theirs.com", traits=frozenset({"forward"})), "", "EMAIL"),
        (
            email("eve@theirs.com", "ada@ours.com", traits=frozenset({"forward"})),
            "",
            "INCOMING_EMAIL",
        ),
        (email("ada@ours.com", "", traits=frozenset({"forward"})), "", "EMAIL"),
        (email("ada@ours.com", "123@forward.hubspot.com"), "", "FORWARDED_EMAIL"),
        (email("ada@ours.com", "123@forward-eu1.hubspot.com"), "", "FORWARDED_EMAIL"),
        (email("ada@ours.com", "eve@theirs.com", "", "123@bcc.hubspot.com"), "", "EMAIL"),
        (
            email("mailer-daemon@ours.com", "ada@ours.com", traits=frozenset({"bounce"})),
            "",
            "INCOMING_EMAIL",
        ),
    ],
)  # fmt: skip
def test_which_way_it_went(message: Email, folder: str, way: str) -> None:
    assert direction(message, MINE, folder) == way


@given(EMAILS)
def test_what_i_sent_is_never_incoming_and_what_others_sent_me_always_is(message: Email) -> None:
    way = direction(message, MINE, "INBOX")
    if "bounce" in message.traits:
        assert way == "INCOMING_EMAIL"
    elif any(MINE.holds(each.email) for each in message.from_):
        assert way != "INCOMING_EMAIL"
    elif message.from_ and any(MINE.holds(each.email) for each in message.to):
        assert way == "INCOMING_EMAIL"


@given(EMAILS)
def test_people_are_everybody_who_is_not_mine_once(message: Email) -> None:
    people = tuple(each.email for each in external_people(message, MINE))
    every = (*message.from_, *message.sender, *message.to, *message.cc, *message.bcc)
    outside = [each.email.lower() for each in every if each.email and not MINE.holds(each.email)]
    assert people == tuple(dict.fromkeys(outside))


def test_people_are_as_a_contact_can_have_them() -> None:
    message = email(
        "Eve+x@Theirs.com",
        "noreply@shop.de ada@müller.de root@localhost joe@corp.local <a@b.com> a@b.com,",
        bcc="123@bcc.hubspot.com josé@theirs.com a..b@theirs.com ada@ours.com",
    )
    assert tuple(each.email for each in external_people(message, MINE)) == (
        "eve+x@theirs.com",
        "noreply@shop.de",
        "ada@xn--mller-kva.de",
    )


@given(st.text(max_size=40))
def test_what_a_contact_has_is_plain(text: str) -> None:
    assert not is_contact(text) or (text.isascii() and text.count("@") == 1)


def test_a_group_of_ours_is_no_list_of_others() -> None:
    assert MINE.holds_list("<sales.ours.com>")
    assert MINE.holds_list("Sales.Ours.com")
    assert Mine.parse(["sales@ours.com"]).holds_list("sales.ours.com")
    assert not MINE.holds_list("news.theirs.com")
    assert not MINE.holds_list("")


def test_the_guess_is_who_sent_what_lies_in_sent_folders() -> None:
    sample = [(email("ada@ours.com", "eve@theirs.com"), "Sent")] * 30
    sample += [(email("Ada+x@home.org", "eve@theirs.com", labels=("Enviados",)), "")] * 4
    sample += [(email("stray@theirs.com", "eve@theirs.com"), "Sent")]
    sample += [(email("eve@theirs.com", "ada@ours.com"), "INBOX")] * 99
    mine, words = guess(sample)
    assert mine == Mine.parse(["ada@ours.com", "ada@home.org"])
    assert "ada@home.org, ada@ours.com, From in the Sent folders (35 messages)" in words
    assert "--mine" in words


def test_without_sent_folders_the_guess_is_who_is_everywhere() -> None:
    sample = [
        (email(f"p{n}@theirs.com", "ada@ours.com", bcc="1@bcc.hubspot.com"), "") for n in range(9)
    ]
    sample += [(email("ada@ours.com", "p1@theirs.com"), "Clients")]
    mine, words = guess(sample)
    assert mine == Mine.parse(["ada@ours.com"])
    assert "in 10 of 10 messages; no Sent folder was seen" in words


def test_of_two_in_as_many_it_is_who_receives() -> None:
    mine, _ = guess([(email("aaa@theirs.com", "zoe@ours.com"), "INBOX")] * 3)
    assert mine == Mine.parse(["zoe@ours.com"])


def test_nothing_to_guess_from_is_said() -> None:
    mine, words = guess([(email(), "INBOX")])
    assert not mine
    assert "can't be guessed from 1 message: all counts as incoming" in words


@given(st.lists(st.tuples(EMAILS, st.sampled_from(["Sent", "INBOX"])), max_size=8), st.randoms())
def test_the_order_of_the_sample_is_no_matter(
    sample: list[tuple[Email, str]], random: object
) -> None:
    mixed = list(sample)
    random.shuffle(mixed)  # type: ignore[attr-defined]  # a Random
    assert guess(mixed) == guess(sample)
    assert Mine.from_json(guess(sample)[0].as_json()) == guess(sample)[0]


OWNERS = {"ada@ours.com": "1", "bob@ours.com": "2"}


@pytest.mark.parametrize(
    ("message", "owner"),
    [
        (email("Ada@Ours.com", "bob@ours.com"), "1"),
        (email("ada+x@ours.com", "bob@ours.com"), "1"),
        (email("eve@theirs.com", "joe@theirs.com", "bob@ours.com ada@ours.com"), "2"),
        (email("eve@theirs.com", "", "", "ada@ours.com"), "1"),
        (email("eve@theirs.com", "ada@ours.com", sender="bob@ours.com"), "2"),
        (email("eve@theirs.com", "joe@theirs.com"), "9"),
        (email(), "9"),
    ],
)
def test_the_owner_is_the_sender_else_the_first_recipient_else_the_mailboxs(
    message: Email, owner: str
) -> None:
    assert owner_of(message, OWNERS, "9") == owner


def test_owners_are_read_as_spreadsheets_write_them() -> None:
    text = '\ufeffEmail,Owner ID\n# ours\n\nAda@Ours.com, 1\r\n"bob@ours.com","2"\nada@ours.com,1\n'
    assert read_owners(text, "o.csv") == OWNERS
    assert read_owners("ada@ours.com;1\nbob@ours.com\t2", "o.csv") == OWNERS
    assert read_owners("", "o.csv") == {}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ada@ours.com", "line 1: 1 cells"),
        ("ada@ours.com,1,x", "line 1: 3 cells"),
        ("email,id\nada,1", "line 2: no address"),
        ("a@b.c,ada", "line 1: no owner's id"),
        ("a@b.c,1\n\na@B.c,2", "line 3: another line"),
    ],
)
def test_a_wrong_line_of_the_owners_is_named(text: str, says: str) -> None:
    with pytest.raises(RefusedToStart, match=rf"^o\.csv, {says}.*; write: address,owner id$"):
        read_owners(text, "o.csv")
