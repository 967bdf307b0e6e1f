"""Email, object, row → HubSpot's input."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.errors import UnmappableRecord
from bulkload.hubspot.mailheaders import headers_json, listing
from bulkload.hubspot.properties import Shape, as_json, from_email, from_object, from_row
from bulkload.model import Address, Attachment, Email, Input

EMAIL = Email(
    sent_at=1_700_000_000_123,
    subject="Hello",
    text="text",
    html="<p>",
    sender=(Address("s@x"),),
    from_=(Address("a@x", "Ada", "Lovelace"), Address("second@x")),
    to=(Address("b@x"), Address("c@x", "C")),
    bcc=(Address("d@x"),),
)


def test_an_email_becomes_every_property() -> None:
    made, notes = from_email(EMAIL)
    assert notes == ()
    headers = json.loads(made.properties.pop("hs_email_headers"))
    assert made == Input(
        {
            "hs_timestamp": "1700000000123",
            "hs_email_direction": "EMAIL",
            "hs_email_status": "SENT",
            "hs_email_subject": "Hello",
            "hs_email_text": "text",
            "hs_email_html": "<p>",
        },
        [],
    )
    assert headers == {
        "from": {"email": "a@x", "firstName": "Ada", "lastName": "Lovelace"},
        "sender": {"email": "s@x"},
        "to": [{"email": "b@x"}, {"email": "c@x", "firstName": "C"}],
        "bcc": [{"email": "d@x"}],
    }


def test_what_an_email_has_not_is_left_out() -> None:
    made, _ = from_email(Email(sent_at=1, subject="", text="", html=""))
    assert set(made.properties) == {"hs_timestamp", "hs_email_direction", "hs_email_status"}


def test_an_email_without_a_date_says_where_it_was_looked_for() -> None:
    email = Email(None, "secret", "secret", "", notes=("the date of the Date header is empty",))
    with pytest.raises(UnmappableRecord, match=r"Date header, the mbox line .*Received") as error:
        from_email(email)
    assert "Date header is empty" in str(error.value)
    assert "secret" not in str(error.value)


def test_both_shapes_of_an_object() -> None:
    assert from_object({"a": "1"}) == Input({"a": "1"}, [])
    association = {"to": {"id": "1"}, "types": [{"associationTypeId": 198}]}
    made = from_object(
        {"properties": {"a": "1"}, "associations": [association], "objectWriteTraceId": "t"}
    )
    assert made == Input({"a": "1"}, [association], "t")
    assert from_object(as_json(made)) == made
    assert from_object({"properties": {"a": "1"}, "associations": None}) == Input({"a": "1"}, [])
    assert from_object({"properties": "a word"}) == Input({"properties": "a word"}, [])


def test_values_become_their_json_text() -> None:
    made = from_object({"a": 12, "b": True, "c": False, "d": 1.5, "e": None, "f": ""})
    assert made.properties == {"a": "12", "b": "true", "c": "false", "d": "1.5", "f": ""}


@pytest.mark.parametrize(
    ("obj", "words"),
    [
        ({"a": ["secret"]}, "property 'a' is an array"),
        ({"a": {"b": "secret"}}, "property 'a' is an object"),
        ({"properties": {"a": {"b": "secret"}}}, "property 'a' is an object"),
        ({"properties": {"a": "1"}, "id": "secret"}, "unknown key 'id'"),
        ({"properties": {"a": "1"}, "associations": {"secret": 1}}, "associations is an object"),
        ({"properties": {"a": "1"}, "associations": ["secret"]}, r"associations\[0\]"),
        ({"properties": {"a": "1"}, "objectWriteTraceId": 1}, "objectWriteTraceId is a number"),
        ({"properties": {}}, "no properties"),
        ({"a": None}, "no properties"),
        ({}, "no properties"),
        ({"": "secret"}, "empty name"),
        ({"a": float("nan")}, "property 'a' is a number"),
    ],
)
def test_what_can_not_be_mapped(obj: dict[str, Any], words: str) -> None:
    with pytest.raises(UnmappableRecord, match=words) as error:
        from_object(obj)
    assert "secret" not in str(error.value)


def test_a_row_is_its_cells_that_hold_something() -> None:
    assert from_row({"a": "1", "b": ""}) == Input({"a": "1"}, [])
    with pytest.raises(UnmappableRecord, match="every cell is empty"):
        from_row({})


LARGE = tuple(Attachment(f"file number {number}.pdf", size=1_234_567) for number in range(100))


def test_the_list_of_attachments() -> None:
    files = (
        Attachment("a.pdf", size=1),
        Attachment("logo.png", inline=True),
        Attachment("b.doc", size=12_345),
        Attachment("c.zip", size=9_876_543),
    )
    assert listing(files) == "Attachments: a.pdf (1 byte), b.doc (12 KB), c.zip (9.9 MB)"
    assert listing(files[1:2]) == ""
    listed = listing(LARGE)
    assert len(listed) < 1_100
    assert listed.endswith(f"and {100 - listed.count('.pdf')} more")


def test_the_list_has_room_where_the_text_is_cut_and_goes_where_it_may_not_be() -> None:
    whole = Email(1, "", "x" * 70_000, "<p>" + "x" * 70_000 + "</p>", attachments=LARGE[:1])
    made, notes = from_email(whole)
    for name in ("hs_email_text", "hs_email_html"):
        assert len(made.properties[name]) <= 65_536
        assert "characters more]" in made.properties[name]
        assert "file number 0.pdf (1.2 MB)" in made.properties[name][-60:]
    assert [note.partition(" was cut")[0] for note in notes] == ["hs_email_text", "hs_email_html"]
    just = Email(1, "", "x" * 65_530, "", attachments=LARGE[:1])
    made, notes = from_email(just, Shape(too_long="reject"))
    assert made.properties["hs_email_text"] == "x" * 65_530
    assert notes == ("hs_email_text has no room for the list of attachments",)
    only = Email(1, "", "", "", attachments=LARGE[:1])
    made, _ = from_email(only)
    assert made.properties["hs_email_text"] == "Attachments: file number 0.pdf (1.2 MB)"
    assert "hs_email_html" not in made.properties


def test_a_list_of_attachments_is_escaped_in_html() -> None:
    made, _ = from_email(Email(1, "", "t", "<p>h</p>", attachments=(Attachment("<b>&.pdf"),)))
    assert made.properties["hs_email_html"] == (
        "<p>h</p><p>Attachments: &lt;b&gt;&amp;.pdf (0 bytes)</p>"
    )


@pytest.mark.parametrize(
    ("email", "thread"),
    [
        (Email(1, "", "", "", message_id="m", thread_id="t", references=("r", "s")), "t"),
        (Email(1, "", "", "", message_id="m", references=("r", "s"), in_reply_to="s"), "r"),
        (Email(1, "", "", "", message_id="m", in_reply_to="s"), "s"),
        (Email(1, "", "", "", message_id="m"), "m"),
        (Email(1, "", "", ""), None),
    ],
)
def test_a_thread_has_one_value(email: Email, thread: str | None) -> None:
    made, _ = from_email(email, Shape(thread_property="thread"))
    assert made.properties.get("thread") == thread


def test_labels_are_joined_and_none_is_split() -> None:
    made, _ = from_email(
        Email(1, "", "", "", labels=("Inbox", "a;b")), Shape(label_property="tags")
    )
    assert made.properties["tags"] == "Inbox;a,b"


_people = st.lists(
    st.builds(
        Address,
        st.sampled_from(["a@x.org", "é😀@x.org", "a" * 70_000 + "@x"]),
        st.sampled_from(["", "Ada", "😀" * 20_000]),
        st.sampled_from(["", "Lovelace"]),
    ),
    max_size=3,
).map(tuple)


@given(_people, _people, _people, st.integers(0, 3_000))
def test_headers_stay_json_however_many_people_there_are(
    senders: tuple[Address, ...], to: tuple[Address, ...], cc: tuple[Address, ...], many: int
) -> None:
    email = Email(1, "", "", "", from_=senders, to=to, cc=cc, bcc=(Address("b@x.org", "B"),) * many)
    text, note = headers_json(email, "cut")
    assert len(text.encode("utf-16-le")) // 2 <= 65_536
    kept = json.loads(text or "{}")
    people = sum(len(kept.get(name, ())) for name in ("to", "cc", "bcc")) + ("from" in kept)
    missing = len(to) + len(cc) + many + min(len(senders), 1) - people
    assert note == (
        f"{missing:,} addresses were left out of hs_email_headers: it was too long" if note else ""
    )
    assert bool(note) or not missing
