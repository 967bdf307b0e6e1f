"""An mbox of made-up mail, as varied as real mail is, and made quickly: the same for the same seed.

Plain, alternative and mixed parts, base64, quoted-printable and 8 bit, several charsets, some
attachments; about a tenth of the messages break some rule. Message 0 to n are all different: their
ids, senders, dates and subjects are.
"""

from __future__ import annotations

import base64
import quopri
import random
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PEOPLE = 20_000
DOMAINS = ("example.com", "example.org", "example.net", "mail.example.com")
MINE = "example.com"

_WORDS = [
    "offer",
    "invoice",
    "meeting",
    "thanks",
    "regards",
    "project",
    "order",
    "delivery",
    "price",
    "contract",
    "question",
    "answer",
    "report",
    "Monday",
    "week",
    "team",
    "customer",
    "please",
    "attached",
    "confirm",
    "signed",
    "version",
    "changes",
    "next",
    "call",
]
_ABROAD = {
    "iso-8859-1": "Grüße aus München, señor Nuñez à côté",
    "windows-1252": "“quoted” – it’s 5 € – déjà vu",
    "utf-8": "Привет, 世界, schöne Grüße",
    "koi8-r": "Привет, как дела",
    "iso-2022-jp": "こんにちは、世界",
    "shift_jis": "日本語のメール",
}
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


class Made(NamedTuple):
    """How many messages, of how many bytes, and how many of them break a rule."""

    messages: int
    size: int
    broken: int


def write(path: Path, count: int, *, size: int = 3700, seed: int = 7) -> Made:
    """`count` messages of about `size` bytes each, on average."""
    draw = random.Random(seed)
    filler = _filler(draw, 16 * size)
    broken = 0
    with path.open("wb", buffering=1 << 20) as file:
        for number in range(count):
            breaks = _BREAKS[draw.randrange(len(_BREAKS))] if draw.random() < 0.1 else None
            broken += breaks is not None
            file.write(_message(number, draw, filler, size, breaks))
        return Made(count, file.tell(), broken)


def _message(
    number: int,
    draw: random.Random,
    filler: str,
    size: int,
    breaks: Callable[[bytes], bytes] | None,
) -> bytes:
    sender, date = _person(draw), _date(draw)
    to = ", ".join(_person(draw)[1] for _ in range(1 + (number % 5 == 0) * 3))
    envelope = f"From {sender[0]} Thu Jan  1 00:00:00 2015\n".encode()
    head = (
        f"Received: from mx{number % 7}.example.net by mail.example.com; {date}\n"
        f"Message-ID: <{number:x}.{draw.getrandbits(48):x}@{sender[0].partition('@')[2]}>\n"
        f"Date: {date}\nFrom: {sender[1]}\nTo: {to}\n"
        f"Subject: {draw.choice(_WORDS)} {draw.choice(_WORDS)} {number}\n"
        "MIME-Version: 1.0\n"
        f"X-Mailer: bulk/{number % 9}\nReferences: <{number // 3:x}@example.com>\n"
    ).encode()
    # Most mail is short, some is long.
    length = int(size * draw.choice((0.15, 0.2, 0.3, 0.5, 0.8, 1.2, 2.4)))
    at = draw.randrange(max(len(filler) - length, 1))
    body = _SHAPES[number % len(_SHAPES)](filler[at : at + length], number, draw)
    message = head + body
    if breaks is not None:
        message = breaks(message)
    return envelope + message.replace(b"\nFrom ", b"\n>From ") + b"\n\n"


def _plain(text: str, _: int, draw: random.Random) -> bytes:
    charset = draw.choice(tuple(_ABROAD))
    raw = f"{_ABROAD[charset]}\n\n{text}".encode(charset, "replace")
    return f"Content-Type: text/plain; charset={charset}\n\n".encode() + raw


def _ascii(text: str, _: int, draw: random.Random) -> bytes:
    del draw
    return b"Content-Type: text/plain; charset=us-ascii\n\n" + text.encode()


def _quoted(text: str, _: int, draw: random.Random) -> bytes:
    charset = draw.choice(("iso-8859-1", "utf-8", "windows-1252"))
    raw = f"{_ABROAD[charset]}\n{text[:600]}".encode(charset, "replace")
    return (
        f"Content-Type: text/plain; charset={charset}\n"
        "Content-Transfer-Encoding: quoted-printable\n\n"
    ).encode() + quopri.encodestring(raw)


def _base64(text: str, _: int, draw: random.Random) -> bytes:
    charset = draw.choice(("utf-8", "iso-2022-jp"))
    raw = f"{_ABROAD[charset]}\n{text}".encode(charset, "replace")
    return (
        f"Content-Type: text/plain; charset={charset}\nContent-Transfer-Encoding: base64\n\n"
    ).encode() + base64.encodebytes(raw)


def _alternative(text: str, number: int, draw: random.Random) -> bytes:
    del draw
    edge, half = f"=_alt{number}", text[: len(text) // 2]
    rows = "".join(f"<p style='color:#333'>{line}</p>\n" for line in half.splitlines())
    html = f"<html><head><style>p{{margin:0}}</style></head><body>{rows}</body></html>"
    return (
        f'Content-Type: multipart/alternative; boundary="{edge}"\n\n'
        f"--{edge}\nContent-Type: text/plain; charset=utf-8\n\n{half}\n"
        f"--{edge}\nContent-Type: text/html; charset=utf-8\n\n{html}\n--{edge}--\n"
    ).encode()


def _attached(text: str, number: int, draw: random.Random) -> bytes:
    edge = f"=_mix{number}"
    file = base64.encodebytes(draw.randbytes(min(3 * len(text), 24_000)))
    return (
        (
            f'Content-Type: multipart/mixed; boundary="{edge}"\n\n'
            f"--{edge}\nContent-Type: text/plain; charset=utf-8\n\n{text[:400]}\n"
            f'--{edge}\nContent-Type: application/pdf; name="report{number}.pdf"\n'
            "Content-Transfer-Encoding: base64\n"
            f'Content-Disposition: attachment; filename="report{number}.pdf"\n\n'
        ).encode()
        + file
        + f"--{edge}--\n".encode()
    )


_SHAPES = (
    _plain, _alternative, _ascii, _quoted, _alternative, _base64, _plain, _ascii, _alternative,
    _quoted, _ascii, _attached,
)  # fmt: skip
"""One after another: a twelfth has an attachment."""

_BREAKS: tuple[Callable[[bytes], bytes], ...] = (
    lambda raw: raw.replace(b"charset=", b"charset=x-unknown-", 1),
    lambda raw: raw.replace(b"Content-Transfer-Encoding: base64", b"Content-Transfer-Encoding: 7"),
    lambda raw: raw.replace(b"\nDate: ", b"\nDate: on ", 1),
    lambda raw: raw.replace(b"\nSubject: ", b"\nSubject: \xe9\xff ", 1),
    lambda raw: raw.replace(b"\nMIME-Version: 1.0", b"\nno header at all", 1),
    lambda raw: raw[: len(raw) * 2 // 3],
    lambda raw: raw.replace(b"\nTo: ", b"\nTo: <<", 1),
    lambda raw: raw.replace(b"--\n", b"\n"),
    lambda raw: raw.replace(b"=", b"=="),
    lambda raw: raw.replace(b"e", b"\0", 3),
)


def _person(draw: random.Random) -> tuple[str, str]:
    """(the address, the address with a name)."""
    number = draw.randrange(PEOPLE)
    domain = DOMAINS[number % len(DOMAINS)]
    first = _WORDS[number % len(_WORDS)].capitalize()
    address = f"{first.lower()}.{number}@{domain}"
    return address, f'"{first} Nr{number}" <{address}>'


def _date(draw: random.Random) -> str:
    return (
        f"{draw.choice(_DAYS)}, {draw.randrange(1, 29)} {draw.choice(_MONTHS)} "
        f"{draw.randrange(2008, 2025)} {draw.randrange(24):02}:{draw.randrange(60):02}:"
        f"{draw.randrange(60):02} {draw.choice(('+0000', '+0200', '-0500', '+0530'))}"
    )


def _filler(draw: random.Random, length: int) -> str:
    words, line, total = [], 0, 0
    while total < length:
        word = draw.choice(_WORDS)
        line += len(word) + 1
        total += len(word) + 1
        words.append(word + ("\n" if line > 70 else " "))
        line = 0 if line > 70 else line
    return "".join(words)
