"""What columns are likely meant to be, and what is to be looked at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.columns import from_json, parse
from bulkload.errors import UnmappableRecord
from bulkload.model import Position, Record
from bulkload.proposing import Proposal, doubts, propose
from bulkload.proposing.content import look
from bulkload.proposing.dates import dates
from bulkload.proposing.names import MEANINGS, likeness
from bulkload.proposing.trying import Place, try_out

ENGLISH = {
    "id": "77",
    "Subject": "Offer",
    "sent_at": "2024-03-01T10:00:00Z",
    "from": "Ada Lovelace <ada@x.example>",
    "Recipients": "b@x.example; c@x.example",
    "body": "Dear all, here is the offer.",
    "direction": "outbound",
    "status": "delivered",
    "contact_id": "12",
}
GERMAN = {
    "Betreff": "Angebot",
    "Gesendet am": "31.12.2024 10:00",
    "Absender": "ada@x.example",
    "Empfänger": "b@x.example, c@x.example",
    "Nachricht": "Sehr geehrte Damen und Herren",
    "Richtung": "Ausgang",
    "Besitzer": "5",
    "Firma-ID": "9",
}
FRENCH = {
    "Objet": "Offre",
    "Date d'envoi": "31/12/2024 10:00",
    "Expéditeur": "ada@x.example",
    "Destinataires": "b@x.example",
    "Corps": "Bonjour",
    "Sens": "reçu",
}
SALESFORCE = {
    "Subject": "Offer",
    "MessageDate": "2024-03-01T10:00:00.000+0000",
    "FromAddress": "ada@x.example",
    "FromName": "Ada Lovelace",
    "ToAddress": "b@x.example; c@x.example",
    "TextBody": "text",
    "HtmlBody": "<p>text</p>",
    "Incoming": "true",
}
NESTED = {
    "message.subject": "Offer",
    "createdAt": "1709287200000",
    "from.email": "ada@x.example",
    "from.name": "Ada Lovelace",
    "to.email": "b@x.example;c@x.example",
    "message.html": "<div>text</div>",
}


def proposed(row: dict[str, str], *more: dict[str, str]) -> Proposal:
    return propose(list(row), [row, *more])


def properties(row: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = proposed(row).columns.as_json()["properties"]
    return found


def test_an_english_table() -> None:
    made = proposed(ENGLISH)
    assert made.columns.as_json() == {
        "properties": {
            "hs_timestamp": {"column": "sent_at", "format": "iso", "timezone": "UTC"},
            "hs_email_subject": "Subject",
            "hs_email_text": "body",
            "hs_email_direction": {"column": "direction", "values": {"outbound": "EMAIL"}},
            "hs_email_status": {"column": "status", "values": {"delivered": "SENT"}},
            "hs_email_headers": {"from": "from", "to": "Recipients"},
        },
        "associations": {"contacts": "contact_id"},
        "people": {"addresses": ["from", "Recipients"]},
        "options": {"rest": "drop"},
    }
    assert made.left == ("id",)
    assert list(made.remarks) == ["[associations]"]
    assert "contacts: taken for HubSpot's own ids" in made.remarks["[associations]"][0]


@pytest.mark.parametrize(
    "header",
    [
        "Betreff Gesendet Von An Nachricht",
        "Objet Date De À Corps",
        "Asunto Fecha De Para Cuerpo",
        "Oggetto Data Da A Corpo",
        "Assunto Data De Para Corpo",
        "Onderwerp Verzonden Van Aan Bericht",
        "Ämne Datum Från Till Brödtext",
        "Temat Wysłano Od Do Treść",
        "Předmět Datum Od Komu Zpráva",
        "Тема Дата От Кому Текст",
        "Тема Надіслано Від Кому Повідомлення",
        "Konu Tarih Kimden Kime İleti",
        "件名 日時 差出人 宛先 本文",
        "主题 发送时间 发件人 收件人 正文",
        "主旨 日期 寄件者 收件者 內文",
        "제목 날짜 보낸사람 받는사람 본문",
    ],
)
def test_an_export_in_any_of_its_languages(header: str) -> None:
    subject, date, sender, receiver, text = header.split()
    row = {subject: "x", date: "2024-01-31T10:00:00Z", sender: "a@x.example"}
    found = proposed(row | {receiver: "b@x.example", text: "y"})
    rules = found.columns.as_json()["properties"]
    assert rules["hs_timestamp"]["column"] == date
    assert rules["hs_email_subject"] == subject
    assert rules["hs_email_text"] == text
    assert rules["hs_email_headers"] == {"from": sender, "to": receiver}
    assert not found.left


@pytest.mark.parametrize(
    ("column", "meaning"),
    [
        ("Von: (Adresse)", "from"),
        ("De : (nom)", "from name"),
        ("De: (dirección)", "from"),
        ("Кому: (адрес)", "to"),
        ("差出人: (アドレス)", "from"),
        ("보낸 사람:(주소)", "from"),
    ],
)
def test_the_columns_of_outlooks_exports(column: str, meaning: str) -> None:
    assert likeness(column, meaning) is not None


def test_what_no_column_holds_is_said() -> None:
    found = proposed({"when": "2024-01-31T10:00:00Z", "x": "a@x.example"})
    assert found.remarks["[properties]"] == (
        "no column is known for a subject: the emails have none",
        "no column is known for a text: the emails have none",
    )


def test_a_german_table() -> None:
    made = proposed(GERMAN).columns.as_json()
    assert made["properties"] == {
        "hs_timestamp": {
            "column": "Gesendet am",
            "format": "%d.%m.%Y %H:%M",
            "timezone": "UTC",
        },
        "hs_email_subject": "Betreff",
        "hs_email_text": "Nachricht",
        "hubspot_owner_id": "Besitzer",
        "hs_email_direction": {"column": "Richtung", "values": {"Ausgang": "EMAIL"}},
        "hs_email_status": {"constant": "SENT"},
        "hs_email_headers": {"from": "Absender", "to": "Empfänger"},
    }
    assert made["associations"] == {"companies": "Firma-ID"}


def test_a_french_table() -> None:
    found = properties(FRENCH)
    assert found["hs_email_subject"] == "Objet"
    assert found["hs_timestamp"]["format"] == "%d/%m/%Y %H:%M"
    assert found["hs_email_headers"] == {"from": "Expéditeur", "to": "Destinataires"}
    assert found["hs_email_text"] == "Corps"
    assert found["hs_email_direction"]["values"] == {"reçu": "INCOMING_EMAIL"}


def test_a_salesforce_export() -> None:
    found = properties(SALESFORCE)
    assert found["hs_email_headers"] == {
        "from": {"email": "FromAddress", "name": "FromName"},
        "to": "ToAddress",
    }
    assert (found["hs_email_text"], found["hs_email_html"]) == ("TextBody", "HtmlBody")
    assert found["hs_email_direction"] == {
        "column": "Incoming",
        "values": {"true": "INCOMING_EMAIL"},
        "otherwise": "EMAIL",
    }


def test_a_nested_object() -> None:
    found = properties(NESTED)
    assert found["hs_email_subject"] == "message.subject"
    assert found["hs_email_html"] == "message.html"
    assert found["hs_timestamp"] == {"column": "createdAt", "format": "epoch-ms"}
    assert found["hs_email_headers"]["from"] == {"email": "from.email", "name": "from.name"}
    assert found["hs_email_headers"]["to"] == "to.email"


def test_columns_named_as_properties_stay_these() -> None:
    row = {
        "hs_timestamp": "2024-01-01T00:00:00Z",
        "hs_email_subject": "2024-01-01",
        "hs_email_from_email": "ada@x.example",
        "hs_email_headers": "{}",
    }
    found = properties(row)
    assert found["hs_email_subject"] == "hs_email_subject"
    assert found["hs_email_headers"] == "hs_email_headers"
    assert "hs_email_from_email" not in found


@pytest.mark.parametrize("row", [ENGLISH, GERMAN, FRENCH, SALESFORCE, NESTED])
def test_what_is_proposed_maps_what_it_was_proposed_for(row: dict[str, str]) -> None:
    made = proposed(row)
    mapped = made.columns.mapped(row)
    assert int(mapped.input.properties["hs_timestamp"]) > 10**12
    assert mapped.input.properties["hs_email_subject"]
    assert "ada@x.example" in [each.email for each in mapped.people]
    assert parse((), made.as_toml()) == made.columns


def test_a_name_is_not_believed_against_the_content() -> None:
    row = {
        "date": "see below",
        "to": "the team",
        "owner": "Ada",
        "body": "<p>x</p>",
        "at": "1.5.24",
    }
    found = properties(row)
    assert found["hs_timestamp"]["column"] == "at"
    assert found["hs_email_html"] == "body"
    assert not {"hs_email_headers", "hubspot_owner_id", "hs_email_text"} & found.keys()


def test_guesses_are_remarked() -> None:
    made = proposed({"when was it": "2024-01-01 10:00", "who": "a@x.example", "blah": "word " * 40})
    assert made.remarks["hs_timestamp"] == (
        "a guess: 'when was it' holds dates",
        "its times say no zone: UTC is a guess",
    )
    assert made.remarks["hs_email_text"] == ("a guess: 'blah' holds the longest texts",)
    assert "a guess: from is 'who'" in made.remarks["hs_email_headers"][0]
    assert made.remarks["hs_email_direction"] == ("no column says it: the same for every record",)


def test_what_is_missing_is_remarked() -> None:
    said = proposed({"subject": "x"}).remarks["[properties]"]
    assert "no column holds dates: hs_timestamp is required" in said
    assert "no column holds addresses: the emails have no sender" in said
    said = proposed({"sent": "5th of May"}).remarks["[properties]"]
    assert said[1] == "'sent' may, in a format that is not known here: give it"


def test_words_that_are_not_known_are_remarked() -> None:
    made = propose(["direction"], [{"direction": "in"}, {"direction": "sideways"}])
    assert "of its 2 values 1 can't be translated" in made.remarks["hs_email_direction"][0]
    other = propose(["direction"], [{"direction": "sideways"}])
    assert other.columns.as_json()["properties"]["hs_email_direction"] == {"constant": "EMAIL"}
    assert other.left == ("direction",)


def test_no_names_are_listed_twice() -> None:
    for meaning, words in MEANINGS.items():
        assert len(words.split()) == len(set(words.split())), meaning


@pytest.mark.parametrize(
    ("column", "meaning"),
    [
        ("E-Mail Subject", "hs_email_subject"),
        ("email_subject", "hs_email_subject"),
        ("To: (Address)", "to"),
        ("CC-Adresse", "cc"),
        ("sentAt", "hs_timestamp"),
        ("À", "to"),
        ("hs_email_from_email", "from"),
        ("Date Sent", "hs_timestamp"),
        ("payload.message.text", "hs_email_text"),
    ],
)
def test_names_are_known_in_their_spellings(column: str, meaning: str) -> None:
    assert likeness(column, meaning) is not None


def test_the_plainer_name_is_liked_more() -> None:
    assert (likeness("subject", "hs_email_subject") or ()) < (
        likeness("mail_subject", "hs_email_subject") or ()
    )
    assert likeness("id", "contacts") is None


def test_day_and_month_are_decided_by_values_past_twelve() -> None:
    assert dates(["01/02/2024", "13/02/2024"]).formats == ("%d/%m/%Y",)
    assert dates(["01/02/2024", "02/13/2024"]).formats == ("%m/%d/%Y",)
    assert dates(["01/02/2024", "02/13/2024"]).rivals == ()
    unsure = dates(["01/02/2024", "03/04/2024"])
    assert unsure.rivals == ("%m/%d/%Y",)
    # The same day and month: nobody can be wrong.
    assert dates(["01/01/2024", "02/02/2024"]).rivals == ()


def test_one_shape_decides_for_another() -> None:
    found = dates(["02/13/2024 10:00", "01/02/2024", "01/03/2024"])
    assert set(found.formats) == {"%m/%d/%Y", "%m/%d/%Y %H:%M"}
    assert found.rivals == ()


def test_ambiguous_dates_are_remarked() -> None:
    made = proposed({"date": "01/02/2024"})
    assert any("AMBIGUOUS" in said and "%m/%d/%Y" in said for said in made.remarks["hs_timestamp"])


def test_a_day_that_is_in_no_calendar_is_a_stray_and_hides_no_format() -> None:
    sure = [f"{day:02}.{month:02}.2015" for day in (1, 13, 28) for month in range(1, 13)]
    found = dates([*sure, "31.02.2015"])
    assert (found.formats, found.rivals, found.strays) == (("%d.%m.%Y",), (), 1)


def test_a_few_values_may_be_no_dates() -> None:
    found = dates(["2024-01-01"] * 99 + ["unknown"])
    assert (found.formats, found.strays) == (("iso",), 1)
    assert dates(["2024-01-01"] * 9 + ["unknown"]).formats == ()


@pytest.mark.parametrize(
    ("values", "formats"),
    [
        (["1700000000"], ("epoch",)),
        (["1700000000000"], ("epoch-ms",)),
        (["12"], ()),
        (["12345"], ()),
        (["Mon, 01 Jan 2024 10:00:00 +0000"], ("rfc5322",)),
        (["20240131"], ("iso",)),
        (["+49 30 1234567"], ()),
        (["1.2.3.4"], ()),
        (["1/31/2024 1:02 PM"], ("%m/%d/%Y %I:%M %p",)),
        (["31-Jan-24"], ("%d-%b-%y",)),
        (["31 Jan 2024 10:00 PM"], ("%d %b %Y %I:%M %p",)),
        (["Jan 31, 2024 10:00 PM"], ("%b %d, %Y %I:%M %p",)),
        (["31 Jan 2024 10:00 GMT+0100", "31 Jan 2024 10:00 CET"], ("rfc5322",)),
        (["2024-01-31+01:00"], ()),
        (["word " * 30], ()),
        (["2024-01-31 10:00:00 +0100"], ("iso",)),
        (["31.01.2024, 10:00"], ("%d.%m.%Y, %H:%M",)),
    ],
)
def test_what_holds_dates_and_what_does_not(values: list[str], formats: tuple[str, ...]) -> None:
    assert dates(values).formats == formats


def test_naive_times_are_told_from_those_with_a_zone() -> None:
    assert dates(["2024-01-31 10:00"]).naive
    assert not dates(["31 Jan 2024 10:00 CET"]).naive
    assert not dates(["2024-01-31T10:00:00+01:00"]).naive
    assert not dates(["1700000000"]).naive


def test_looks() -> None:
    assert look(["Ada <a@x.example>; b@x.example"]).addresses
    assert look(['"Lovelace, Ada" <a@x.example>, b@x.example (Bob); c@x <c@x.example>']).addresses
    assert not look(["Write to a@x.example"]).addresses
    assert not look(["a@x.example, or write, or call, or come"]).addresses
    assert look(["<p>x</p>", "<br>"]).html
    assert not look(["a <b", "1 < 2"]).html
    assert look(["1", "2;3"]).ids
    assert look([]).filled == 0


CELL = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["a@b.example", "1700000000", "<p>", "true", "in", "1.2.2024", "12"]),
)
COLUMN = st.one_of(
    st.sampled_from([word for words in MEANINGS.values() for word in words.split()]),
    st.sampled_from(["hs_email_text", "hs_email_headers", "hs_email_to_email", "From (Name)"]),
    st.text(min_size=1, max_size=6),
)


@given(st.lists(COLUMN, unique=True, max_size=8), st.data())
def test_proposing_is_repeatable_and_always_a_mapping(
    columns: list[str], drawn: st.DataObject
) -> None:
    row = st.fixed_dictionaries(dict.fromkeys(columns, CELL))
    rows = drawn.draw(st.lists(row, max_size=5))
    made = propose(columns, rows)
    assert made == propose(columns, rows)
    assert parse((), made.as_toml()) == made.columns
    assert made.columns.used | set(made.left) == set(columns)
    assert not made.columns.used & set(made.left)


@given(
    st.lists(st.datetimes(datetime(1991, 1, 1), datetime(2099, 1, 1)), min_size=1, max_size=20),  # noqa: DTZ001  # clock times
    st.sampled_from(["%d.%m.%Y %H:%M", "%Y-%m-%d", "%d %b %Y", "%m/%d/%Y %I:%M %p"]),
)
def test_the_format_that_wrote_the_dates_is_found(clocks: list[datetime], form: str) -> None:
    texts = [clock.strftime(form) for clock in clocks]
    found = dates(texts)
    read = from_json({"properties": {"x": {"column": "c", "format": list(found.formats)}}})
    given_as = from_json({"properties": {"x": {"column": "c", "format": form}}})
    same = all(read.mapped({"c": text}) == given_as.mapped({"c": text}) for text in texts)
    assert same or form in found.rivals


def test_doubts_about_a_mapping() -> None:
    made = parse(
        ["hs_email_subjet=a,hs_email_from_email=b,my_own=c"],
        '[properties]\nhs_email_direction = { constant = "IN" }\n'
        'hs_email_status = { column = "s", values = { a = "SENT", b = "GONE" } }',
    )
    said = list(doubts(made))
    assert [line.partition(":")[0] for line in said] == [
        "hs_timestamp",
        "hs_email_direction",
        "hs_email_status",
        "hs_email_subjet",
        "hs_email_from_email",
    ]
    assert "did you mean 'hs_email_subject'" in said[3]
    assert list(doubts(parse())) == []


def test_a_mapping_is_tried_on_records() -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    made = parse((), '[properties]\nhs_timestamp = { column = "at", format = "iso" }')
    records = [
        (
            Place("a.csv", "row", Position(n, n)),
            Record(Position(n, n), "row", b"", {"at": str(start + timedelta(days=n))}),
        )
        for n in range(2, 22)
    ]
    records[3] = (records[3][0], records[3][1]._replace(fields={"at": "never"}))
    tried = try_out(records, lambda record: made.mapped(record.fields or {}))
    assert (tried.read, tried.good) == (20, 19)
    assert [one.place.position.number for one in tried.shown] == [2, 6, 10, 14, 18]
    assert [(fault.records, str(fault.first)) for fault in tried.faults] == [(1, "a.csv, row 5")]

    def none(record: Record) -> Any:
        raise UnmappableRecord("no")

    assert try_out(records, none).shown == ()
    assert str(Place("mails/", "file", Position("in/1.eml", 1))) == "mails/in/1.eml"
