"""What a message shows itself to be."""

from __future__ import annotations

import pytest

from bulkload.mail.mime import parse
from bulkload.mail.traits import traits

REPORT = (
    "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n"
    "--b\n\nYour message could not be delivered.\n"
    "--b\nContent-Type: message/delivery-status\n\n"
    "Reporting-MTA: dns; x.org\n\nFinal-Recipient: rfc822; a@x\nAction: {action}\nStatus: 5.1.1\n"
    "--b--\n"
)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Subject: Hello\n\nx", ""),
        ("X-Mozilla-Draft-Info: internal/draft; vcard=0\n\nx", "draft"),
        ("X-Uniform-Type-Identifier: com.apple.mail-draft\n\nx", "draft"),
        ("X-Unsent: 1\n\nx", "draft"),
        ("X-Status: AT\n\nx", "draft"),
        ("X-Status: D\n\nx", "deleted"),
        ("X-Status: sent\n\nx", ""),
        ("X-Status: Delivered\n\nx", ""),
        ("X-Autoreply: no\n\nx", ""),
        ("X-Mozilla-Status: 0009\n\nx", "deleted"),
        ("X-Mozilla-Status: 0001\n\nx", ""),
        ("X-Mozilla-Status: zz\n\nx", ""),
        ("Auto-Submitted: auto-replied (vacation)\n\nx", "auto-reply"),
        ("Auto-Submitted: auto-generated; owner-email=a@x\n\nx", "auto-reply"),
        ("Auto-Submitted: no\n\nx", ""),
        ("X-Autoreply: yes\n\nx", "auto-reply"),
        ("Precedence: auto_reply\n\nx", "auto-reply"),
        ("Subject: Out of office\nX-Auto-Response-Suppress: All\n\nx", ""),
        ("List-Id: Friends <friends.x.org>\n\nx", "list"),
        ("Precedence: Bulk\nList-Unsubscribe: <mailto:a@x>\n\nx", "list"),
        ("List-Unsubscribe: <mailto:a@x>\n\nx", ""),
        ("X-Spam-Flag: YES\n\nx", "spam"),
        ("X-Spam-Status: Yes, score=9.1 required=5\n\nx", "spam"),
        ("X-Spam-Status: No, score=0.1\n\nx", ""),
        (REPORT.format(action="failed"), "bounce"),
        (REPORT.format(action="delayed"), ""),
        (REPORT.replace("Action: {action}\n", ""), "bounce"),
        ("X-Failed-Recipients: a@x\n\nx", "bounce"),
        ("From: MAILER-DAEMON@x.org\nSubject: failure notice\n\nx", "bounce"),
        ("From: Postmaster <p@x>\nSubject: Unzustellbar: Angebot\n\nx", "bounce"),
        ("From: ada@x.org\nSubject: Undelivered parcel\n\nx", ""),
        ("Subject: Fwd: Offer\n\nx", "forward"),
        ("Subject: FW: RE: Offer\n\nx", "forward"),
        ("Subject: =?utf-8?q?=5BEXT=5D_WG=3A_Angebot?=\n\nx", "forward"),
        ("Subject: =?utf-8?b?6L2s5Y+R77ya5ZCI5ZCM?=\n\nx", "forward"),
        ("Subject: Re: Fwd: Offer\n\nx", ""),
        ("Subject: Forward planning: 2024\n\nx", ""),
        ("Resent-From: a@x\n\nx", "forward"),
        ("X-Forwarded-Message-Id: <1@x>\n\nx", "forward"),
        ("Content-Type: text/calendar; method=REQUEST\n\nx", "calendar"),
        ("Content-Type: multipart/encrypted; boundary=b\n\n--b\n\nx\n--b--", "encrypted"),
        ("Content-Type: application/pkcs7-mime; smime-type=enveloped-data\n\nx", "encrypted"),
        ("Content-Type: application/pkcs7-mime; smime-type=signed-data\n\nx", "signed"),
        ("Content-Type: application/x-pkcs7-mime\n\nx", "encrypted"),
        ("Subject: x\n\n-----BEGIN PGP MESSAGE-----\n\nx", "encrypted"),
        ("Subject: x\n\n-----BEGIN PGP SIGNED MESSAGE-----\n\nx", "signed"),
        ("Content-Type: multipart/signed; boundary=b\n\n--b\n\nx\n--b--", "signed"),
        (
            "Content-Type: message/rfc822\n\nContent-Type: text/calendar\n\nx",
            "",
        ),
    ],
)
def test_traits(message: str, expected: str) -> None:
    assert traits(parse(message.encode())) == frozenset(expected.split())
