"""A mailbox as ten years leave one: languages, charsets, HTML, odd headers, a few broken.

Made from a seed, so that a demo can be told from a bug. Each message that can be loaded has
a subject that no other has: that is how the books are compared afterwards.
"""

from __future__ import annotations

import base64
import quopri
import random
from datetime import UTC, datetime, timedelta
from email.header import Header
from email.utils import format_datetime
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MINE = "ada@example.com"
"""Whose mailbox it is."""

STRANGER = "orders@example.net"
"""Of whom the portal has no contact."""

PEOPLE = (
    ("Ada Löwe", "ada@example.com"),
    ("Иван Петров", "ivan@example.org"),
    ("山田 太郎", "taro@example.net"),
    ("Zoë Brontë", "zoe@example.com"),
    ("O'Neil, Pat", "pat.oneil@example.org"),
    ("", STRANGER),
)

TEXTS = (
    ("us-ascii", "Your order", "Thank you for your order.\nFrom here on it is on its way.\n"),
    ("iso-8859-1", "Angebot für März", "Schöne Grüße aus München,\nwir freuen uns auf Ihre Antwort.\n"),
    ("koi8-r", "Договор", "Здравствуйте!\nДоговор во вложении.\n"),
    ("shift_jis", "お見積もり", "お世話になっております。\n見積書をお送りします。\n"),
    ("utf-8", "Réunion ☕", "Bonjour à tous,\nà jeudi ! 🎉\n"),
    ("windows-1252", "Invoice – reminder", "Your “invoice” of €120 is due.\n"),
)  # fmt: skip


class Made(NamedTuple):
    """What was put into the mailbox: subjects by what must become of them."""

    good: list[str]
    undated: int
    too_long: int  # of the good: longer than HubSpot takes
    twice: int  # copies of a good one, as labels and shared mailboxes make them

    @property
    def total(self) -> int:
        return len(self.good) + self.undated + self.twice


def write(path: Path, count: int, seed: int = 7) -> Made:
    """Write an mbox of `count` messages; about one in a hundred can't be loaded."""
    draw = random.Random(seed)  # noqa: S311  # a mailbox, no secret
    made = Made([], 0, 0, 0)
    undated = too_long = twice = 0
    copied = b""
    with path.open("wb") as file:
        for number in range(count):
            match number % 200:
                case 57:
                    undated += 1
                    file.write(_undated(number))
                case 90 | 190:
                    twice += 1
                    file.write(copied)
                case place:
                    made.good.append(_subject(number))
                    long = place == 140
                    too_long += long
                    copied = _message(number, draw, "long line of a quoted log\n" * 4000 * long)
                    file.write(copied)
            file.write(b"\n")
    return made._replace(undated=undated, too_long=too_long, twice=twice)


def _subject(number: int) -> str:
    return f"{TEXTS[number % len(TEXTS)][1]} #{number}"


def _undated(number: int) -> bytes:
    return (
        b"From MAILER-DAEMON\nFrom: nobody\nSubject: undated %d\n\nneither date nor sender\n"
        % number
    )


def _message(number: int, draw: random.Random, extra: str = "") -> bytes:
    charset, _, text = TEXTS[number % len(TEXTS)]
    when = datetime(2014, 1, 1, 8, tzinfo=UTC) + timedelta(minutes=873 * number)
    sender, receiver = draw.sample(PEOPLE, 2)
    lines = [
        f"From {sender[1]} {when:%a %b %d %H:%M:%S %Y}",
        f"Message-ID: <{number}.{draw.getrandbits(40):x}@example.com>",
        f"From: {_mailbox(sender, charset)}",
        f"To: {_mailbox(receiver, charset)}, undisclosed-recipients:;",
        f"Date: {_date(when, number)}",
        f"Subject: {_encoded(_subject(number), charset)}",
        "MIME-Version: 1.0",
    ]
    head = "\n".join(lines) + "\n"
    return head.encode() + b"".join(_body(number, charset, text + extra))


def _encoded(text: str, charset: str) -> str:
    return text if text.isascii() else Header(text, charset).encode()


def _mailbox(person: tuple[str, str], charset: str) -> str:
    name, address = person
    if not name:
        return address
    if name.isascii():
        return f'"{name}" <{address}>'
    try:
        name.encode(charset)
    except UnicodeEncodeError:
        charset = "utf-8"
    return f"{_encoded(name, charset)} <{address}>"


def _date(when: datetime, number: int) -> str:
    if number % 11 == 3:
        return f"{when:%d %b %y %H:%M} GMT"  # two-digit years were common once
    return format_datetime(when.astimezone(UTC))


def _body(number: int, charset: str, text: str) -> Iterator[bytes]:
    raw = text.encode(charset)
    kind = number % 4
    if kind == 0:
        yield f"Content-Type: text/plain; charset={charset}\n".encode()
        yield b"Content-Transfer-Encoding: base64\n\n" + base64.encodebytes(raw)
    elif kind == 1:
        yield f"Content-Type: text/plain; charset={charset}\n".encode()
        yield b"Content-Transfer-Encoding: quoted-printable\n\n" + quopri.encodestring(raw)
    elif kind == 2:
        edge = f"=_part{number}"
        html = f"<html><body><p>{text.strip()}</p></body></html>".encode(charset)
        yield f'Content-Type: multipart/alternative; boundary="{edge}"\n\n'.encode()
        for subtype, part in (("plain", raw), ("html", html)):
            yield f"--{edge}\nContent-Type: text/{subtype}; charset={charset}\n".encode()
            yield b"Content-Transfer-Encoding: base64\n\n" + base64.encodebytes(part)
        yield f"--{edge}--\n".encode()
    else:
        # As it stands, 8 bit, with the mbox's own escape.
        yield f"Content-Type: text/plain; charset={charset}\n\n".encode()
        yield raw.replace(b"\nFrom ", b"\n>From ")
