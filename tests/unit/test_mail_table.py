"""docs/mail.md: every row of its table is run by an example, every trait is the code's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bulkload.errors import UnmappableRecord
from bulkload.hubspot.properties import Shape, from_email
from bulkload.mail import traits
from bulkload.mail.bodies import SEALED
from bulkload.mail.read import read_email
from tests.unit.test_mail_bodies import HTML, LOGO, PDF, PLAIN, multipart, part, uuencoded
from tests.unit.test_mail_outlook import attribute, winmail

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "mail.md").read_text()
HEAD = "Date: Mon, 01 Jan 2024 10:00:00 +0000\nFrom: Ada L <a@x>\nTo: b@x\nMessage-ID: <1@x>\n"
NONE = Shape(attachments="none")
LONG = "word " * 20_000
Row = tuple[str, dict[str, str | None], Shape]


def row(message: str, shape: Shape = NONE, /, **expected: str | None) -> Row:
    """A message's body with its headers; what each property (without hs_email_) must be."""
    return HEAD + message, expected, shape


EXAMPLES: dict[str, Row] = {
    "timestamp": row("\nx", hs_timestamp="1704103200000"),
    "direction": row("\nx", Shape(direction="INCOMING_EMAIL"), direction="INCOMING_EMAIL"),
    "status": row("\nx", status="SENT"),
    "bounce": row("X-Failed-Recipients: b@x\n\nx", status="BOUNCED"),
    "subject": row("Subject: =?utf-8?q?caf=C3=A9?=\n  two\n\nx", subject="café two"),
    "text": row(multipart("mixed", PLAIN, PLAIN), text="plain\nplain"),
    "flowed": row(part("text/plain; format=flowed", "a \nb"), text="a b\n"),
    "text of HTML": row(part("text/html", "<p>a<p>b"), text="a\n\nb"),
    "HTML": row(multipart("alternative", PLAIN, HTML), text="plain", html="<p>html</p>"),
    "no HTML": row(PLAIN, html=None),
    "HTML called plain": row("\n<html><p>a", html="<p>a</p>", text="a"),
    "scripts": row(
        part("text/html", '<p onclick="x">a<script>b</script><a href="javascript:x">c</a>'),
        html="<p>a<a>c</a>\n</p>",
    ),
    "not of the page": row(
        part(
            "text/html", "a<noscript>b</noscript><svg><text>c</text></svg><math><mi>d</mi></math>"
        ),
        html="a",
    ),
    "hidden": row(part("text/html", '<p style="display:none">a</p>b'), html="b", text="b"),
    "Outlook's paragraphs": row(
        part("text/html", "<p class=MsoNormal>a</p><p class=MsoNormal>b</p>"),
        html='<p style="margin:0">a</p><p style="margin:0">b</p>',
        text="a\nb",
    ),
    "tracker": row(part("text/html", 'a<img src="http://x/y" width=1 height=1>'), html="a"),
    "picture of the web": row(
        part("text/html", '<img src="http://x/y">a'), html='<img src="http://x/y">a'
    ),
    "picture inside": row(
        multipart("related", part("text/html", '<img src="cid:logo@x">'), LOGO),
        html="[image: logo.png]",
    ),
    "headers": row(
        "Cc: c@x\n\nx",
        headers='{"from":{"email":"a@x","firstName":"Ada","lastName":"L"},'
        '"to":[{"email":"b@x"}],"cc":[{"email":"c@x"}]}',
    ),
    "no address": row(
        "Cc: x@y@z.com, c@x, /O=ORG/CN=ADA\n\nx",
        headers='{"from":{"email":"a@x","firstName":"Ada","lastName":"L"},'
        '"to":[{"email":"b@x"}],"cc":[{"email":"c@x"}]}',
    ),
    "owner": row("\nx", Shape(owner="7"), hubspot_owner_id="7"),
    "thread": row(
        "In-Reply-To: <3@x>\nReferences: <0@x> <3@x>\n\nx",
        Shape(thread_property="thread"),
        thread="0@x",
    ),
    "labels": row(
        "X-Gmail-Labels: Inbox,Work\n\nx", Shape(label_property="tags"), tags="Inbox;Work"
    ),
    "attachments listed": row(
        multipart("mixed", HTML, PDF),
        Shape(attachments="list"),
        html="<p>html</p><p>Attachments: a.pdf (1 byte)</p>",
        text="html\n\nAttachments: a.pdf (1 byte)",
    ),
    "attachments not listed": row(
        multipart("mixed", HTML, PDF), Shape(attachments="upload"), html="<p>html</p>", text="html"
    ),
    "message attached": row(
        multipart("mixed", PLAIN, part("message/rfc822", "Subject: i\n\ninner")),
        Shape(attachments="list"),
        text="plain\n\nAttachments: message.eml (17 bytes)",
    ),
    "message forwarded whole": row(part("message/rfc822", "Subject: i\n\ninner"), text="inner\n"),
    "invitation": row(
        multipart("mixed", PLAIN, part("text/calendar", "x")),
        Shape(attachments="list"),
        text="plain\n\nAttachments: invite.ics (1 byte)",
    ),
    "invitation alone": row(
        part("text/calendar", "BEGIN:VEVENT\nSUMMARY:Plan\nDTSTART:20240101"),
        text="Invitation: Plan\nWhen: 2024-01-01".replace("Invitation", "Event"),
    ),
    "winmail.dat": row(
        part("application/ms-tnef", winmail(attribute(1, 0x0002800C, b"hello")).decode("latin-1")),
        text="hello",
    ),
    "files in the text": row(part("text/plain", f"a\n{uuencoded(b'x')}b"), text="a\nb\n"),
    "signed": row(
        multipart("signed", PLAIN, part("application/pgp-signature", "x")),
        Shape(attachments="list"),
        text="plain",
    ),
    "signed inside": row(
        "Content-Type: application/pkcs7-mime\nContent-Transfer-Encoding: base64\n\n"
        # SEQUENCE { signedData, [0] SEQUENCE { 1, {}, SEQUENCE { data, [0] "Subject: x\n\nhi" } } }
        "MDQGCSqGSIb3DQEHAqAnMCUCAQExADAeBgkqhkiG9w0BBwGgEQQPU3ViamVjdDogeAoKaGkh\n",
        text="hi!",
    ),
    "signed file": row(
        multipart("mixed", PLAIN, PDF, part("application/pkcs7-signature; name=a.p7s", "x")),
        Shape(attachments="list"),
        text="plain\n\nAttachments: a.pdf (1 byte), a.p7s (1 byte)",
    ),
    "encrypted": row(part("application/pkcs7-mime", "x"), text=SEALED),
    "PGP in the text": row(
        "\n-----BEGIN PGP MESSAGE-----\nx", text="-----BEGIN PGP MESSAGE-----\nx"
    ),
    "parts lost": row("Content-Type: multipart/mixed; boundary=b\n\nx", text="x"),
    "too long text": row(
        f"\n{LONG}", text=f"{LONG[:65_491]}\n[… cut by bulkload: 34,509 characters more]"
    ),
    "too long HTML": row(
        part("text/html", f"<div><b>{LONG}"),
        html=f"<div><b>{LONG[:65_467]}</b></div><p>[… cut by bulkload: 34,544 characters more]</p>",
    ),
    "too many recipients": row(
        "Bcc: " + ", ".join(f"a{at}@x.org" for at in range(9_000)) + "\n\nx"
    ),
}


def rows(heading: str) -> list[list[str]]:
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    table = re.findall(r"^\|(.*)\|$", section, re.MULTILINE)
    return [[cell.strip() for cell in line.split("|")] for line in table[2:]]


def test_every_row_has_an_example_and_every_example_a_row() -> None:
    assert [cells[0] for cells in rows("Message → email → properties")] == list(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_row_is_what_the_code_does(name: str) -> None:
    message, expected, shape = EXAMPLES[name]
    made, _ = from_email(read_email(message.encode("latin-1", "ignore")), shape)
    for key, value in expected.items():
        full = f"hs_email_{key}"
        assert made.properties.get(full if full in KNOWN else key) == value


KNOWN = {
    f"hs_email_{name}" for name in ["direction", "status", "subject", "text", "html", "headers"]
}


def test_what_a_row_says_of_dead_letters() -> None:
    with pytest.raises(UnmappableRecord, match="no usable date"):
        from_email(read_email(b"Subject: x\n\nx"))
    reject = Shape(too_long="reject")
    for name in ("too long text", "too long HTML", "too many recipients"):
        with pytest.raises(UnmappableRecord, match="characters long"):
            from_email(read_email(EXAMPLES[name][0].encode()), reject)
    made, notes = from_email(read_email(EXAMPLES["too many recipients"][0].encode()))
    assert 60_000 < len(made.properties["hs_email_headers"]) <= 65_536
    assert "addresses were left out" in notes[-1]


def test_the_traits_are_those_of_the_code() -> None:
    table = [line for line in (traits.__doc__ or "").splitlines() if line.startswith("| `")]
    assert [[cell.strip() for cell in line.strip("|").split("|")] for line in table] == rows(
        "Traits"
    )
