"""Made-up mail, whole and broken, and real mail: all of it ends as a record that HubSpot takes."""

from __future__ import annotations

import base64
import binascii
import quopri

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulkload.errors import UnmappableRecord, UnreadableRecord
from bulkload.hubspot.properties import Shape, from_email
from bulkload.mail.attachments import contents
from bulkload.mail.read import read_email
from bulkload.sandbox.config import SandboxConfig
from bulkload.sandbox.properties import email_schema
from tests.unit.test_mail import corpus
from tests.unit.test_mail_html import checked

SCHEMA = email_schema(SandboxConfig())
SHAPES = [
    Shape(direction="INCOMING_EMAIL", owner="7", thread_property="hs_email_thread_id"),
    Shape(attachments="none", too_long="reject", label_property="hs_email_message_id"),
    Shape(attachments="upload"),
]


def check(raw: bytes) -> int:
    """How many of the shapes map it: each is taken by the sandbox, or refused with a reason."""
    try:
        email = read_email(raw)
    except UnreadableRecord:
        return 0
    assert [file for file, _ in contents(raw)] == list(email.attachments)
    checked(email.html)
    mapped = 0
    for shape in SHAPES:
        try:
            made, notes = from_email(email, shape)
        except UnmappableRecord:
            if email.sent_at is None or shape.too_long == "reject":
                continue
            raise
        assert SCHEMA.find_faults(made.properties) == []
        assert SCHEMA.missing(made.properties) == []
        assert all(made.properties.values())
        for value in (*made.properties.values(), *notes):
            assert "\0" not in value
            value.encode()
        mapped += 1
    return mapped


CHARSETS = ["utf-8", "iso-8859-1", "windows-1251", "shift_jis", "utf-16", "utf-7", "x-unknown", ""]
_words = st.text(max_size=40) | st.sampled_from(
    [
        "<p>a</p><img src='cid:a@b'><img src=http://x width=1 height=1>",
        "<html><body bgcolor=red><script>x</script><table><tr><td>b",
        "BEGIN:VEVENT\nSUMMARY:x\nDTSTART:20240101T100000Z",
        "Final-Recipient: x\nAction: failed",
        "begin 644 x\n#86)C\n`\nend\n",
        "-----BEGIN PGP MESSAGE-----\n",
        "> a \n> b \nc",
        "word " * 30_000,
        "<p>word</p>" * 9_000,
        "😀" * 40_000,
    ]
)
_kinds = st.sampled_from(
    [
        *("text/plain", "text/html", "text/plain; format=flowed; delsp=yes", "text/calendar"),
        *("text/enriched", "image/png", "application/pdf", "application/ms-tnef", "nonsense", ""),
        *("message/rfc822", "message/delivery-status", "application/pkcs7-mime", "message/partial"),
        *("application/pgp-signature", "message/external-body", "multipart/mixed"),
    ]
)
_extra = st.sampled_from(
    [
        *("", "Content-Disposition: attachment", "Content-Disposition: inline; filename=a.txt"),
        *("Content-ID: <a@b>", "Content-Disposition: attachment; filename*=utf-8''%E2%82%AC%ff"),
        *("Content-Disposition: attachment; filename*0*=x; filename*1*=%", "X-Spam-Flag: YES"),
    ]
)


@st.composite
def leaves(draw: st.DrawFn) -> bytes:
    charset = draw(st.sampled_from(CHARSETS))
    try:
        content = draw(_words).encode(charset or "utf-8", "replace")
    except LookupError:
        content = draw(_words).encode("utf-8", "replace")
    encoding = draw(st.sampled_from(["", "7bit", "base64", "quoted-printable", "x-uuencode", "?"]))
    if draw(st.booleans()):  # as it is said, or not
        if encoding == "base64":
            content = base64.encodebytes(content)
        elif encoding == "quoted-printable":
            content = quopri.encodestring(content)
        elif encoding == "x-uuencode":
            content = b"begin 644 x\n" + binascii.b2a_uu(content[:45]) + b"`\nend\n"
    head = f"Content-Type: {draw(_kinds)}; charset={charset}\n{draw(_extra)}\n"
    head += f"Content-Transfer-Encoding: {encoding}\n\n"
    return head.replace("\n\n", "\n", head.count("\n\n") - 1).encode() + content


@st.composite
def multiparts(draw: st.DrawFn, inside: st.SearchStrategy[bytes]) -> bytes:
    kinds = ["mixed", "alternative", "related", "signed", "encrypted", "report", "digest", "x"]
    kind = draw(st.sampled_from(kinds))
    mark = draw(st.sampled_from(["b", "bb", "=_b", "'b", "--"]))
    said = draw(st.sampled_from([mark, mark, mark, "", "other"]))
    parts = draw(st.lists(inside, max_size=4))
    body = b"".join(b"\n--" + mark.encode() + b"\n" + one for one in parts)
    end = draw(st.sampled_from([b"\n--" + mark.encode() + b"--\n", b""]))
    return f'Content-Type: multipart/{kind}; boundary="{said}"\n\n'.encode() + body + end


trees = st.recursive(leaves(), multiparts, max_leaves=8)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    subject = draw(st.text(max_size=30)).replace("\n", " ").encode("utf-8", "replace")
    date = draw(st.sampled_from([b"Mon, 01 Jan 2024 10:00:00 +0000"] * 5 + [b"?"]))
    people = b", ".join([b"Ada \xe9 <ada@x.org>"] * draw(st.sampled_from([0, 1, 2, 4_000])))
    whole = b"Date: %s\nSubject: %s\nFrom: %s\nTo: %s\n" % (date, subject, people[:40], people)
    whole += draw(trees)
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 5]))):
        at = draw(st.integers(0, len(whole)))
        whole = whole[:at] + draw(st.binary(max_size=4)) + whole[at + draw(st.integers(0, 40)) :]
    return whole


@settings(deadline=None, max_examples=120, suppress_health_check=list(HealthCheck))
@given(messages())
def test_made_up_mail_ends_as_a_record_that_the_sandbox_takes(raw: bytes) -> None:
    check(raw)


def test_real_mail_does_too() -> None:
    mapped = [check(path.read_bytes()) for path in corpus()]
    assert len(mapped) == 154
    assert sum(1 for shapes in mapped if shapes) > 90
