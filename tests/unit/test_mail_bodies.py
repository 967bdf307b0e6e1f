"""What a reader would see of a message: text, HTML, and what is attached."""

from __future__ import annotations

import base64
import binascii
import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs7
from hypothesis import given
from hypothesis import strategies as st

from bulkload.mail.attachments import contents
from bulkload.mail.bodies import SEALED, Bodies, bodies
from bulkload.mail.calendar import summary
from bulkload.mail.flowed import unfolded
from bulkload.mail.mime import parse
from bulkload.mail.smime import opened
from bulkload.mail.uu import UuFile, separated
from bulkload.model import Attachment
from tests.unit.test_mail_outlook import PACKED, attribute, variable, winmail


def part(kind: str, content: str, *headers: str) -> str:
    return "\n".join([f"Content-Type: {kind}", *headers, "", content, ""])


def multipart(kind: str, *parts: str, params: str = "") -> str:
    mark = f"b{len(''.join(parts))}"
    joined = "".join(f"--{mark}\n{one}" for one in parts)
    return f"Content-Type: multipart/{kind}; boundary={mark}{params}\n\n{joined}--{mark}--\n"


def read(message: str | bytes) -> Bodies:
    raw = message.encode() if isinstance(message, str) else message
    found = bodies(parse(raw))
    # The law of uploads: the same files, in the same order, as large as was said.
    uploaded = list(contents(raw))
    assert tuple(file for file, _ in uploaded) == found.attachments
    assert [len(content) for _, content in uploaded] == [file.size for file in found.attachments]
    return found


PLAIN = part("text/plain", "plain")
HTML = part("text/html", "<p>html</p>")
PDF = part("application/pdf; name=a.pdf", "x", "Content-Disposition: attachment")
LOGO = part("image/png; name=logo.png", "x", "Content-ID: <logo@x>", "Content-Disposition: inline")
ICS = (
    "BEGIN:VCALENDAR\nMETHOD:REQUEST\nBEGIN:VTIMEZONE\nDTSTART:16011028T030000\nEND:VTIMEZONE\n"
    'BEGIN:VEVENT\nSUMMARY:Plan\\, first\n  draft\nDTSTART;TZID="Europe/Berlin":20240101T100000\n'
    "DTEND;TZID=Europe/Berlin:20240101T113000\nLOCATION:Room 1\nORGANIZER;CN=Ada:mailto:ada@x.org\n"
    "DESCRIPTION:a\\nb\nEND:VEVENT\nBEGIN:VEVENT\nSUMMARY:other\nEND:VEVENT\nEND:VCALENDAR\n"
)


@pytest.mark.parametrize(
    ("message", "text", "html", "names"),
    [
        (PLAIN, "plain\n", "", []),
        (HTML, "html", "<p>html</p>", []),
        (multipart("alternative", PLAIN, HTML), "plain", "<p>html</p>", []),
        (multipart("alternative", HTML, PLAIN), "plain", "<p>html</p>", []),
        (multipart("alternative", part("text/plain", " "), HTML), "html", "<p>html</p>", []),
        (
            multipart("alternative", PLAIN, part("text/plain", "plain but longer")),
            "plain but longer",
            "",
            [],
        ),
        (
            multipart("alternative", PLAIN, HTML, part("text/x-amp-html", "<html amp>")),
            "plain",
            "<p>html</p>",
            [],
        ),
        (
            multipart("alternative", PLAIN, multipart("mixed", HTML, PDF, HTML)),
            "plain",
            "<p>html</p>\n<p>html</p>",
            ["a.pdf"],
        ),
        (
            multipart("alternative", PLAIN, HTML, part("text/calendar", ICS)),
            "plain",
            "<p>html</p>",
            ["invite.ics"],
        ),
        (
            multipart("related", part("text/html", '<img src="cid:logo@x">a'), LOGO),
            "[image: logo.png]a",
            "[image: logo.png]a",
            ["logo.png"],
        ),
        (
            multipart(
                "related", LOGO, part("text/html", "a", "Content-ID: <root>"), params=";start=root"
            ),
            "a",
            '<div style="white-space:pre-wrap">a</div>',
            ["logo.png"],
        ),
        (
            multipart("related", HTML, PLAIN),
            "html\nplain",
            '<p>html</p>\n<div style="white-space:pre-wrap">plain</div>',
            [],
        ),
        (
            multipart("mixed", PLAIN, LOGO, part("text/plain; name=n.txt", "x"), PLAIN),
            "plain\nplain",
            "",
            ["logo.png", "n.txt"],
        ),
        (multipart("mixed", part("text/plain; name=body.txt", "x"), PDF), "x", "", ["a.pdf"]),
        (multipart("mixed", PLAIN, part("text/x-patch", "+x")), "plain", "", ["unnamed"]),
        (part("text/x-patch", "+x"), "+x\n", "", ["unnamed"]),
        (part("text/plain", "x", "Content-Disposition: attachment"), "", "", ["unnamed.txt"]),
        (part("image/jpeg", "x"), "", "", ["unnamed.jpg"]),
        ("Content-Type: multipart/mixed; boundary=none\n\nlost", "lost", "", []),
        ("Subject: x\n\n<html><body>page</body></html>", "page", "page", []),
        (
            part("text/html", "one\ntwo"),
            "one\ntwo",
            '<div style="white-space:pre-wrap">one\ntwo</div>',
            [],
        ),
        (part("text/html", '<img src="http://x/y" width=1 height=1>'), "", "", []),
        # the message inside
        (
            multipart("mixed", PLAIN, part("message/rfc822", "Subject: i\n\ninner")),
            "plain",
            "",
            ["message.eml"],
        ),
        (part("message/rfc822", "Subject: i\n\ninner"), "inner\n", "", ["message.eml"]),
        (
            multipart("digest", "\nSubject: 1\n\none\n", "\nSubject: 2\n\ntwo\n"),
            "one\ntwo",
            "",
            ["message.eml", "message.eml"],
        ),
        (
            part("message/rfc822", HTML),
            "html",
            "<p>html</p>",
            ["message.eml"],
        ),
        # reports
        (
            multipart("report", PLAIN, part("message/delivery-status", "Action: failed"), PLAIN),
            "plain",
            "",
            ["unnamed.txt", "unnamed.txt"],
        ),
        (
            multipart(
                "report", part("text/plain", ""), part("message/delivery-status", "Action: x")
            ),
            "Action: x",
            "",
            ["unnamed.txt"],
        ),
        # signatures and seals
        (
            multipart("mixed", PDF, part("application/pkcs7-signature; name=a.pdf.p7s", "x")),
            "",
            "",
            ["a.pdf", "a.pdf.p7s"],
        ),
        (
            multipart("signed", PLAIN, part("application/pgp-signature; name=s.asc", "x")),
            "plain",
            "",
            [],
        ),
        (multipart("signed", PLAIN, part("a/b", "x"), params="; protocol=a/b"), "plain", "", []),
        (
            multipart(
                "encrypted",
                part("application/pgp-encrypted", "Version: 1"),
                part("application/octet-stream; name=encrypted.asc", "x"),
            ),
            SEALED,
            "",
            ["encrypted.asc"],
        ),
        (part("application/pkcs7-mime; smime-type=enveloped-data", "x"), SEALED, "", ["smime.p7m"]),
        (
            part("text/plain", "-----BEGIN PGP MESSAGE-----\nx"),
            "-----BEGIN PGP MESSAGE-----\nx\n",
            "",
            [],
        ),
        # by the charset that the page itself names
        (
            b'Content-Type: text/html\n\n<meta charset="koi8-r"><p>' + "привет".encode("koi8-r"),
            "привет",
            "<p>привет</p>",
            [],
        ),
        # in UTF-16 that name could not have been read
        (
            b'Content-Type: text/html\n\n<meta charset="utf-16"><p>' + "привет".encode(),
            "привет",
            "<p>привет</p>",
            [],
        ),
    ],
)
def test_what_is_read(message: str | bytes, text: str, html: str, names: list[str]) -> None:
    found = read(message)
    assert (found.text, found.html) == (text, html)
    assert [file.name for file in found.attachments] == names


def test_a_picture_that_the_html_shows_is_inline_and_one_that_it_does_not_is_not() -> None:
    shows = read(multipart("related", part("text/html", '<img src="cid:logo@x">'), LOGO))
    assert shows.attachments == (Attachment("logo.png", "image/png", 1, inline=True),)
    hides = read(multipart("related", HTML, LOGO))
    assert hides.attachments == (Attachment("logo.png", "image/png", 1, inline=False),)


@pytest.mark.parametrize(
    ("text", "delsp", "expected"),
    [
        ("one \ntwo\nthree", False, "one two\nthree"),
        ("on \ne", True, "one"),
        ("> a \n> b\n>> c \n>> d\ne", False, "> a b\n>> c d\ne"),
        ("> a \nb", False, "> a \nb"),
        (" From\n >x", False, "From\n>x"),
        ("a \n-- \nAda", False, "a \n-- \nAda"),
        ("a\n\n> \nb ", False, "a\n\n>\nb "),
        (">", False, ">"),
    ],
)
def test_flowed_lines_are_joined(text: str, delsp: bool, expected: str) -> None:
    assert unfolded(text, delsp=delsp) == expected


def test_flowed_is_read_so() -> None:
    flowed = part("text/plain; format=Flowed; delsp=Yes", "on \ne  \ntwo")
    assert read(flowed).text == "one two\n"


@given(st.text(st.sampled_from("ab >\n")))
def test_unfolding_keeps_every_word(text: str) -> None:
    assert unfolded(text, delsp=False).split() or not text.replace(">", "").split()
    kept = [sign for sign in unfolded(text, delsp=False) if sign in "ab"]
    assert kept == [sign for sign in text if sign in "ab"]


def test_an_invitation_in_words() -> None:
    found = read(part("text/calendar; method=REQUEST", ICS))
    assert found.text == (
        "Invitation: Plan, first draft\n"
        "When: 2024-01-01 10:00 (Europe/Berlin) to 2024-01-01 11:30 (Europe/Berlin)\n"
        "Where: Room 1\nOrganizer: Ada <ada@x.org>\n\na\nb"
    )
    assert found.notes == ("the text is the invitation in words",)
    assert [file.name for file in found.attachments] == ["invite.ics"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", ""),
        ("BEGIN:VCALENDAR\nEND:VCALENDAR", ""),
        ("BEGIN:VEVENT\nDTSTART;VALUE=DATE:20240101", "Event: without a title\nWhen: 2024-01-01"),
        (
            "BEGIN:VEVENT\nSUMMARY:x\nDTSTART:20240101T100000Z",
            "Event: x\nWhen: 2024-01-01 10:00 (UTC)",
        ),
        ("BEGIN:VEVENT\nSUMMARY:x\nDTSTART:whenever", "Event: x\nWhen: whenever"),
        (
            "BEGIN:VEVENT\nBEGIN:VALARM\nDESCRIPTION:REMINDER\nEND:VALARM\nSUMMARY:x\nDESCRIPTION:y",
            "Event: x\n\ny",
        ),
        ("METHOD:CANCEL\nBEGIN:VEVENT\nSUMMARY:x", "Cancelled: x"),
        (
            "METHOD:REPLY\nBEGIN:VEVENT\nSUMMARY:x\nATTENDEE;PARTSTAT=DECLINED:MAILTO:a@x",
            "Answer to an invitation: x\nAnswer: a@x, declined",
        ),
    ],
)
def test_calendars(source: str, expected: str) -> None:
    assert summary(source) == expected


def uuencoded(content: bytes) -> str:
    lines = [binascii.b2a_uu(content[at : at + 45]).decode() for at in range(0, len(content), 45)]
    return f"begin 644 a file.bin\n{''.join(lines)}`\nend\n"


def test_files_written_into_the_text() -> None:
    content = bytes(range(256)) * 3
    written = f"before\n\n{uuencoded(content)}after\n"
    encoded = base64.encodebytes(written.encode()).decode()
    for message in (
        part("text/plain", written.rstrip()),
        part("text/plain", encoded, "Content-Transfer-Encoding: base64"),
        part("text/plain", written.rstrip(), "Content-Transfer-Encoding: x-uuencode"),
    ):
        found = read(message)
        assert found.text == "before\n\nafter\n"
        assert found.attachments == (Attachment("a file.bin", "application/octet-stream", 768),)
    assert separated("begin 644 x\nno file\nend\n") == ("begin 644 x\nno file\nend\n", ())
    prose = "begin 1200 HRS\nMEET AT THE GATE\nBRING IT\nend\n"
    assert separated(prose) == (prose, ())
    assert separated("begin 644 x\n" * 9) == ("begin 644 x\n" * 9, ())


@given(st.lists(st.binary(min_size=1, max_size=99), max_size=3), st.text("ab \n", max_size=20))
def test_uuencode_there_and_back(contents: list[bytes], between: str) -> None:
    text = "".join(f"{between}\n{uuencoded(content)}" for content in contents)
    rest, files = separated(text)
    assert files == tuple(UuFile("a file.bin", content) for content in contents)
    assert rest == f"{between}\n" * len(contents)


def test_uuencode_whose_blanks_got_lost() -> None:
    content = bytes(range(90)) + bytes(45) + bytes(range(45)) + b"\1\0\0"
    text = "\n".join(map(str.rstrip, uuencoded(content).replace("`", " ").split("\n")))
    assert separated(text) == ("", (UuFile("a file.bin", content),))


def test_winmail_dat_is_opened() -> None:
    packed = winmail(
        attribute(1, 0x00069003, b"\1\0\0\0" + variable(0x1009, 0x102, PACKED)),
        attribute(2, 0x00069002, bytes(14)),
        attribute(2, 0x00018010, b"a.txt\0"),
        attribute(2, 0x0006800F, b"hello"),
    )
    encoded = base64.encodebytes(packed).decode()
    dat = part(
        "application/ms-tnef; name=winmail.dat", encoded, "Content-Transfer-Encoding: base64"
    )
    found = read(dat)
    assert (found.text, found.html) == ("hello world", "")
    assert found.notes == ("the body was taken out of winmail.dat",)
    assert [(file.name, file.size) for file in found.attachments] == [("a.txt", 5)]
    assert read(multipart("mixed", PLAIN, dat)).text == "plain"
    broken = read(part("application/ms-tnef; name=winmail.dat", "none"))
    assert [file.name for file in broken.attachments] == ["winmail.dat"]


def test_a_signed_message_is_opened_and_a_sealed_one_is_not() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    certificate = (
        builder.public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(dt.datetime(2024, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(2034, 1, 1, tzinfo=dt.UTC))
        .sign(key, hashes.SHA256())
    )
    signed = (
        pkcs7.PKCS7SignatureBuilder()
        .set_data(multipart("mixed", PLAIN, PDF).encode())
        .add_signer(certificate, key, hashes.SHA256())
        .sign(serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary])
    )
    message = part(
        "application/pkcs7-mime; smime-type=signed-data; name=smime.p7m",
        base64.encodebytes(signed).decode(),
        "Content-Transfer-Encoding: base64",
    )
    found = read(message)
    assert found.text == "plain"
    assert [file.name for file in found.attachments] == ["a.pdf"]
    sealed = (
        pkcs7.PKCS7EnvelopeBuilder()
        .set_data(b"secret")
        .add_recipient(certificate)
        .encrypt(serialization.Encoding.DER, [])
    )
    assert opened(sealed) is None


def der(tag: int, *content: bytes, known: bool = True) -> bytes:
    joined = b"".join(content)
    if not known:
        return bytes([tag, 0x80]) + joined + b"\0\0"
    return bytes([tag, 0x83]) + len(joined).to_bytes(3, "big") + joined


@pytest.mark.parametrize("known", [True, False])
def test_signed_data_in_pieces(known: bool) -> None:
    pieces = der(0x24, der(0x04, b"Subject: x\n"), der(0x04, b"\nhello"), known=known)
    inner = der(
        0x30,
        bytes.fromhex("06092a864886f70d010701"),
        der(0xA0, pieces, known=known),
        known=known,
    )
    data = der(0x30, der(0x02, b"\1"), der(0x31), inner, der(0x31), known=known)
    whole = der(
        0x30, bytes.fromhex("06092a864886f70d010702"), der(0xA0, data, known=known), known=known
    )
    assert opened(whole) == b"Subject: x\n\nhello"
    for end in range(len(whole)):
        opened(whole[:end])


@given(st.binary(max_size=200))
def test_what_is_no_cms_is_not_opened(content: bytes) -> None:
    assert opened(content) is None
    assert opened(bytes.fromhex("308006092a864886f70d010702a080") + content) is None


def signed_data(content: bytes) -> bytes:
    inner = der(0x30, bytes.fromhex("06092a864886f70d010701"), der(0xA0, der(0x04, content)))
    data = der(0x30, der(0x02, b"\1"), der(0x31), inner)
    return der(0x30, bytes.fromhex("06092a864886f70d010702"), der(0xA0, data))


@pytest.mark.parametrize("content", [b"%PDF-1.4\nx: y\n", b"<a:b>x</a:b>", b"", PLAIN.encode()])
def test_a_file_that_was_signed_is_attached(content: bytes) -> None:
    signed = part(
        'application/pkcs7-mime; name="contract.pdf.p7m"',
        base64.encodebytes(signed_data(content)).decode(),
        "Content-Disposition: attachment",
        "Content-Transfer-Encoding: base64",
    )
    found = read(multipart("mixed", PLAIN, signed))
    assert (found.text, [file.name for file in found.attachments]) == (
        "plain",
        ["contract.pdf.p7m"],
    )
    if content and content != PLAIN.encode():
        found = read(signed)
        assert (found.text, [file.name for file in found.attachments]) == ("", ["contract.pdf.p7m"])


def test_a_signed_message_is_opened_where_a_list_wrapped_it() -> None:
    signed = part(
        "application/pkcs7-mime; name=smime.p7m",
        base64.encodebytes(signed_data(PLAIN.encode())).decode(),
        "Content-Disposition: attachment",
        "Content-Transfer-Encoding: base64",
    )
    for parts in ((signed, PLAIN), (PLAIN, signed)):
        found = read(multipart("mixed", *parts))
        assert (found.text.split(), found.attachments) == (["plain", "plain"], ())


def test_seals_inside_seals_end() -> None:
    message = b"Subject: x\n\ninnermost"
    head = b"Content-Type: application/pkcs7-mime\n\n"
    for _ in range(20):
        message = head + signed_data(message)
    found = read(message)
    assert (found.text, [file.name for file in found.attachments]) == ("", ["smime.p7m"])
