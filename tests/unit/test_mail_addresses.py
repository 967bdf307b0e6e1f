"""Address headers as real mail writes them, and the mailboxes that each holds."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.mail.addresses import mailboxes
from bulkload.mail.names import split
from bulkload.mail.read import read_email

ADA = ("ada@x.org", "Ada", "Lovelace")

FORMS: list[tuple[str, list[tuple[str, str, str]]]] = [
    # As nearly all are written.
    ("ada@x.org", [("ada@x.org", "", "")]),
    ("<ada@x.org>", [("ada@x.org", "", "")]),
    ("Ada Lovelace <ada@x.org>", [ADA]),
    ('"Ada Lovelace" <ada@x.org>', [ADA]),
    ('"Lovelace, Ada" <ada@x.org>', [ADA]),
    ("Ada Lovelace <ada@x.org>, bob@x.org", [ADA, ("bob@x.org", "", "")]),
    ('"Joe Q. Public" <joe@x.org>', [("joe@x.org", "Joe Q.", "Public")]),
    ("Joe Q. Public <joe@x.org>", [("joe@x.org", "Joe Q.", "Public")]),
    ('"Giant; \\"Big\\" Box" <box@x.org>', [("box@x.org", "Giant;", '"Big" Box')]),
    ("Ada Lovelace<ada@x.org>", [ADA]),
    # Addresses repeated as names, and names in quotes of other kinds.
    ("ada@x.org <ada@x.org>", [("ada@x.org", "", "")]),
    ('"ada@x.org" <ada@x.org>', [("ada@x.org", "", "")]),
    ("'ada@x.org' <ada@x.org>", [("ada@x.org", "", "")]),
    ("'ada@x.org'", [("ada@x.org", "", "")]),
    ("\"'ada@x.org'\" <ada@x.org>", [("ada@x.org", "", "")]),
    ("\"'Ada Lovelace'\" <ada@x.org>", [ADA]),
    ("'Ada Lovelace' <ada@x.org>", [ADA]),
    # Comments.
    ("ada@x.org (Ada Lovelace)", [ADA]),
    ("ada@x.org (Ada (the first) Lovelace)", [("ada@x.org", "Ada", "(the first) Lovelace")]),
    ("Ada Lovelace <ada(work)@x.org(host)>", [ADA]),
    ("Ada (my dear friend) Lovelace <ada@x.org> (at work)", [ADA]),
    ("Pete(A nice \\) chap) <pete@x.org>", [("pete@x.org", "Pete", "")]),
    ("(a comment alone)", []),
    ("(not closed ada@x.org", [("ada@x.org", "not", "closed")]),
    # Groups.
    ("undisclosed-recipients:;", []),
    ("Undisclosed recipients: ;", []),
    ("Friends: ada@x.org, Bob <bob@x.org>;", [("ada@x.org", "", ""), ("bob@x.org", "Bob", "")]),
    (
        "A: a@x.org; B: b@x.org; c@x.org",
        [("a@x.org", "", ""), ("b@x.org", "", ""), ("c@x.org", "", "")],
    ),
    ('"A, B": a@x.org;, c@x.org', [("a@x.org", "", ""), ("c@x.org", "", "")]),
    # Separators: Outlook's semicolons, empty members, none at all.
    ("Ada Lovelace <ada@x.org>; bob@x.org", [ADA, ("bob@x.org", "", "")]),
    ("ada@x.org,,; ,bob@x.org,", [("ada@x.org", "", ""), ("bob@x.org", "", "")]),
    ("ada@x.org bob@x.org", [("ada@x.org", "", ""), ("bob@x.org", "", "")]),
    ("Ada <ada@x.org> Bob <bob@x.org>", [("ada@x.org", "Ada", ""), ("bob@x.org", "Bob", "")]),
    ("Lovelace, Ada <ada@x.org>", [ADA]),
    ("Lovelace, Ada <ada@x.org>, Roe, Bob <bob@x.org>", [ADA, ("bob@x.org", "Bob", "Roe")]),
    ("Lovelace, Ada <ada@x.org>; Roe, Bob <bob@x.org>", [ADA, ("bob@x.org", "Bob", "Roe")]),
    # Brackets and quotes that are missing or too many.
    ("Ada Lovelace <ada@x.org", [ADA]),
    ("Ada Lovelace ada@x.org>", [ADA]),
    ("Ada Lovelace ada@x.org", [ADA]),
    ('"Ada Lovelace <ada@x.org>', [ADA]),
    ('Ada Lovelace" <ada@x.org>', [ADA]),
    ('"Ada <ada@x.org>, "Bob" <bob@x.org>', [("ada@x.org", "Ada", ""), ("bob@x.org", "Bob", "")]),
    ("Ada Lovelace <<ada@x.org>>", [ADA]),
    ("<ada@x.org> Ada Lovelace", [ADA]),
    ("ada@x.org <Ada Lovelace>", [ADA]),
    ("<>", []),
    # Encoded words.
    ("=?utf-8?Q?Andr=C3=A9_L=C3=A9vy?= <a@x.org>", [("a@x.org", "André", "Lévy")]),
    ('"=?utf-8?B?QW5kcsOp?= Roe" <a@x.org>', [("a@x.org", "André", "Roe")]),
    ("=?utf-8?Q?L=C3=A9vy=2C_Andr=C3=A9?= <a@x.org>", [("a@x.org", "André", "Lévy")]),
    ("=?utf-8?Q?L=C3=A9vy,_Andr=C3=A9?= <a@x.org>", [("a@x.org", "André", "Lévy")]),
    ("=?iso-8859-1?q?Keld_J=F8rn_Simonsen?= <k@x.org>", [("k@x.org", "Keld", "Jørn Simonsen")]),
    ("=?utf-8?Q?Ada_Lovelace_=3Cada=40x=2Eorg=3E?=", [ADA]),
    ("ada@x.org (=?utf-8?Q?Ada_Lovel=C3=A1ce?=)", [("ada@x.org", "Ada", "Loveláce")]),
    ("=?utf-8?Q?a=40x.org?= <=?utf-8?Q?a=40x.org?=>", [("a@x.org", "", "")]),
    # What stands around an address or inside it.
    ("Ada Lovelace <mailto:ada@x.org>", [ADA]),
    ("mailto:ada@x.org", [("ada@x.org", "", "")]),
    ("Ada Lovelace [mailto:ada@x.org]", [ADA]),
    ("Ada Lovelace <smtp:ada@x.org>", [ADA]),
    ("Ada Lovelace <@a.org,@b.org:ada@x.org>", [ADA]),
    ("Ada Lovelace <ada @ x . org>", [ADA]),
    ("ada @ x . org", [("ada@x.org", "", "")]),
    ("Ada Lovelace <ada@x.org.>", [ADA]),
    ("Ada Lovelace < ada@x.org >", [ADA]),
    ("kenji..y.@docomo.example", [("kenji..y.@docomo.example", "", "")]),
    ('"ada lovelace"@x.org', [('"ada lovelace"@x.org', "", "")]),
    ('<"ada"@x.org>', [("ada@x.org", "", "")]),
    ("ada@[192.0.2.1]", [("ada@[192.0.2.1]", "", "")]),
    ("bounce+a=x.org@list.example", [("bounce+a=x.org@list.example", "", "")]),
    ("ada@[IPv6:2001:db8::1]", [("ada@[IPv6:2001:db8::1]", "", "")]),
    ("Ada <ada@[IPv6:2001:db8::1]>", [("ada@[IPv6:2001:db8::1]", "Ada", "")]),
    ("Ada Lovelace [Engine] <ada@x.org>", [("ada@x.org", "Ada", "Lovelace [Engine]")]),
    ("ada@x.org [Ada Lovelace]", [ADA]),
    ("Ada [ada@x.org", [("ada@x.org", "Ada", "")]),
    ("mailto:ada@x.org?subject=hello", [("ada@x.org", "", "")]),
    ("ada@x.org!", [("ada@x.org", "", "")]),
    # Lists as other programs write them.
    ("ada@x.org|bob@x.org", [("ada@x.org", "", ""), ("bob@x.org", "", "")]),
    ("ada@x.org/bob@x.org", [("ada@x.org", "", ""), ("bob@x.org", "", "")]),
    ("<ada@x.org, bob@x.org>", [("ada@x.org", "", ""), ("bob@x.org", "", "")]),
    ("{ada@x.org,bob@x.org}", [("ada@x.org", "", ""), ("bob@x.org", "", "")]),
    (
        '[{"email":"ada@x.org"},{"email":"bob@x.org"}]',
        [("ada@x.org", "", ""), ("bob@x.org", "", "")],
    ),
    ("{ada}@x.org", [("{ada}@x.org", "", "")]),
    ("ada/eng@x.org", [("ada/eng@x.org", "", "")]),
    # Past ASCII.
    ("André Lévy <a@x.org>", [("a@x.org", "André", "Lévy")]),
    ("Ada <ada@bücher.example>", [("ada@xn--bcher-kva.example", "Ada", "")]),
    ("info@例え.jp", [("info@xn--r8jz45g.jp", "", "")]),
    ("info@หมี.example", [("info@xn--y3ct5a.example", "", "")]),
    # No addresses: Exchange, X.400, words.
    ('"Lovelace, Ada" </O=ORG/OU=SITE/CN=RECIPIENTS/CN=ADA>', []),
    ("/G=Ada/S=Lovelace/O=org/C=gb/@gateway.example", []),
    ("IMCEAEX-_O=ORG_OU=SITE_CN=ADA@x.org", []),
    ("MAILER-DAEMON", []),
    ("Bob, ada@x.org", [("ada@x.org", "", "")]),
]

NAMES = [
    ("Ada Lovelace", ("Ada", "Lovelace")),
    ("Ada", ("Ada", "")),
    ("Lovelace, Ada", ("Ada", "Lovelace")),
    ("Dr. Ada Lovelace", ("Ada", "Lovelace")),
    ("Prof. Dr. Ada Lovelace", ("Ada", "Lovelace")),
    ("Mr John Roe", ("John", "Roe")),
    ("Dr. Lovelace", ("Dr. Lovelace", "")),
    ("Martin King Jr.", ("Martin", "King Jr.")),
    ("Martin King, Jr.", ("Martin", "King Jr.")),
    ("King, Martin, Jr.", ("Martin", "King Jr.")),
    ("King Jr., Martin", ("Martin", "King Jr.")),
    ("Ada Lovelace, PhD", ("Ada", "Lovelace PhD")),
    ("Lovelace, Dr. Ada", ("Ada", "Lovelace")),
    ("Lovelace, Ada, Dr.", ("Ada", "Lovelace")),
    ("Ludwig van Beethoven", ("Ludwig", "van Beethoven")),
    ("Maria de la Cruz", ("Maria", "de la Cruz")),
    ("Gabriel García Márquez", ("Gabriel", "García Márquez")),
    ("J. R. R. Tolkien", ("J. R. R.", "Tolkien")),
    ("John F Kennedy", ("John F", "Kennedy")),
    ("ADA LOVELACE", ("ADA", "LOVELACE")),
    ("DUPONT Jean", ("Jean", "DUPONT")),
    ("DUPONT Jean Pierre", ("Jean Pierre", "DUPONT")),
    ("IBM Support", ("IBM Support", "")),
    ("Acme, Inc.", ("Acme, Inc.", "")),
    ("Jack Ma", ("Jack", "Ma")),
    ("Ana de Sa", ("Ana", "de Sa")),
    ("Acme SA", ("Acme SA", "")),
    ("M. Jean Dupont", ("Jean", "Dupont")),
    ("M Jean Dupont", ("M", "Jean Dupont")),
    ("Ms. Ada Lovelace", ("Ada", "Lovelace")),
    ("Example GmbH & Co. KG", ("Example GmbH & Co. KG", "")),
    ("Ada via GitHub", ("Ada via GitHub", "")),
    ("Serge B, Chair, HR", ("Serge B, Chair, HR", "")),
    ("Mail Delivery Subsystem", ("Mail Delivery Subsystem", "")),
    ("山田太郎", ("山田太郎", "")),
    ("", ("", "")),
]


@pytest.mark.parametrize(("written", "expected"), FORMS)
def test_the_mailboxes_of_a_header(written: str, expected: list[tuple[str, str, str]]) -> None:
    assert [tuple(address) for address in mailboxes(written).found] == expected


@pytest.mark.parametrize(("name", "expected"), NAMES)
def test_a_display_name_in_two_halves(name: str, expected: tuple[str, str]) -> None:
    assert split(name) == expected


@pytest.mark.parametrize(
    ("header", "first"),
    [
        ("André <a@x.org>".encode(), "André"),
        ("André <a@x.org>".encode("latin-1"), "André"),
        ("Иван <a@x.org>".encode("koi8-r"), "Иван"),
    ],
)
def test_a_raw_name_past_ascii_is_in_utf_8_or_in_the_charset_of_the_text(
    header: bytes, first: str
) -> None:
    charset = b"koi8-r" if first == "Иван" else b"iso-8859-1"
    email = read_email(
        b"To: " + header + b"\nContent-Type: text/plain; charset=" + charset + b"\n\nx"
    )
    assert [(one.email, one.first_name) for one in email.to] == [("a@x.org", first)]


def test_several_headers_of_a_name_are_one_list_and_what_has_no_address_is_said() -> None:
    email = read_email(b"To: a@x.org\nTo: </O=ORG/CN=ADA>\nTO: b@x.org\n\nx")
    assert [one.email for one in email.to] == ["a@x.org", "b@x.org"]
    assert "1 of the mailboxes in To has no address and is left out" in email.notes
    assert not any("mailboxes" in note for note in read_email(b"To: a:;\n\nx").notes)


@pytest.mark.parametrize(
    "written",
    ["x@y@z.com", "<x@y@z.com>", "Ada <x@y@z.com>", "ada@@x.org", "Ada ada@@x.org", "ada@x..org",
     "ada@x!org", "<ada@x!org>", "ada@o'x.org", "ada@x|y.org", "ada@x.org/eng", "ada@bücher_x.de",
     "a" * 300 + "@x.org", "ada@" + "x" * 300, "IMCEAEX-_O=x@x.org"],
)  # fmt: skip
def test_what_is_no_address_is_counted_and_nothing_is_cut_out_of_it(written: str) -> None:
    assert mailboxes(written) == ((), 1)
    assert mailboxes(f"Bob <bob@x.org>, {written}") == ((("bob@x.org", "Bob", ""),), 1)


@pytest.mark.parametrize(
    "piece",
    [
        "a|",
        "a@b|",
        "a@b/",
        "a@",
        "a/",
        "[",
        "{",
        "(",
        "((a)",
        '"',
        '"\\"',
        "<",
        "<a",
        ",",
        "a@b,",
        "@",
        " ",
        "\\",
        "=?u?q?",
        '"a>,',
        ":",
    ],
)
def test_a_long_header_of_anything_takes_linear_time(piece: str) -> None:
    # Quadratic time would show as minutes; the bound only has to be far from both.
    started = time.process_time()
    mailboxes(piece * (100_000 // len(piece)))
    assert time.process_time() - started < 10


_written = st.lists(
    st.sampled_from(
        [
            *"\"<>(),;:@\\=.[]{}|/!?' \n",
            "a",
            "a@x.org",
            "=?utf-8?Q?a=40b?=",
            "ü",
            "/O=",
            "mailto:",
            "?=",
        ]
    ),
    max_size=30,
).map("".join)


@given(_written | st.text(max_size=60))
def test_whatever_is_written_gives_addresses_that_are_some(written: str) -> None:
    for address in mailboxes(written).found:
        local, at, domain = address.email.rpartition("@")
        assert local
        assert at
        assert re.fullmatch(r"[\w-]+(\.[\w-]+)*|\[[\w.:]+\]", domain, re.ASCII)


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[a-z]{1,8}@[a-z]{1,8}\.org", fullmatch=True),
            st.from_regex(r"[A-Z][a-z]{1,8}", fullmatch=True),
        ),
        max_size=8,
    )
)
def test_a_list_is_read_as_it_was_written(people: list[tuple[str, str]]) -> None:
    plain = mailboxes(", ".join(f"{name} <{email}>" for email, name in people))
    odd = mailboxes(";".join(f'"{name}" (x) < {email}>' for email, name in people))
    assert [(one.email, one.first_name) for one in plain.found] == people
    assert odd == plain
