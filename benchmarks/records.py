"""What is loaded: NDJSON lines in HubSpot's input shape, or flat, none like another."""

from __future__ import annotations

import random
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator

LINE_BYTES = 1024
MAIL_BYTES = 4096
WORDS = ("order", "invoice", "meeting", "notes", "shipment", "price", "offer", "thanks", "review")
BEYOND_ASCII = ("Grüße", "déjà", "naïve", "Straße", "señor", "Zürich", "—", "“offer”")
KINDS = 64
KEY_FIELD = "hs_email_message_id"
OWN = {
    "hs_timestamp": "sent",
    "hs_email_subject": "subject",
    KEY_FIELD: "message",
    "hs_email_direction": "direction",
    "hs_email_status": "state",
    "hs_email_headers": "headers",
    "hs_email_text": "body",
    "hs_email_html": "markup",
}
"""Properties, and what a column of somebody's own export may be called that holds it."""


def lines(count: int, size: int = LINE_BYTES) -> Iterator[bytes]:
    """`count` lines of exactly `size` bytes with their line feed, the same at every call: plain
    text, the cheapest that a line can be.
    """
    rng = random.Random(1)
    texts = [" ".join(rng.choices(WORDS, k=size // 4)).encode() for _ in range(KINDS)]
    for number in range(count):
        head = (
            b'{"properties":{"hs_timestamp":"%d","hs_email_direction":"EMAIL",'
            b'"hs_email_status":"SENT","hs_email_subject":"No %d","hs_email_text":"'
            % (1_700_000_000_000 + number * 1000, number)
        )
        room = size - len(head) - len(b'"}}\n')
        yield b'%b%b"}}\n' % (head, texts[number % KINDS][:room])


def mail_lines(count: int, *, own: bool = False) -> Iterator[bytes]:
    """`count` lines of about `MAIL_BYTES` as an export of mail has them: text in lines, HTML with
    quotes, headers as JSON in a string. In every other one a word in seven is not ASCII, and every
    eighth has an emoji too. `own`: in columns that have names of somebody's own (`OWN`), so that
    they have to be mapped.
    """
    rng = random.Random(2)
    mixed = WORDS * 6 + BEYOND_ASCII
    ends = [
        _ending(rng, WORDS if n % 2 else mixed, "" if n % 8 else "😀", own=own)
        for n in range(KINDS)
    ]
    when, subject, identity = (_name(each, own=own).encode() for each in list(OWN)[:3])
    head, tail = (b"{", b"\n") if own else (b'{"properties":{', b"}\n")
    for number in range(count):
        yield (
            b'%b"%b":"%d","%b":"Re: order no. %d","%b":"<%d.order@mail.example.org>",%b%b'
            % (
                *(head, when, 1_700_000_000_000 + number * 1000, subject, number),
                *(identity, number, ends[number % KINDS], tail),
            )
        )


def _name(property_: str, *, own: bool) -> str:
    return OWN[property_] if own else property_


def _ending(rng: random.Random, words: tuple[str, ...], last: str, *, own: bool) -> bytes:
    text = "\r\n".join(" ".join(rng.choices(words, k=10)) for _ in range(22))
    rows = (" ".join(rng.choices(words, k=10)) for _ in range(17))
    markup = "".join(f'<p style="margin:0" class="x">{row}</p>\n' for row in rows)
    people = {"from": {"email": "ann@example.org"}, "to": [{"email": "bob@example.org"}]}
    rest = {
        "hs_email_direction": "EMAIL",
        "hs_email_status": "SENT",
        "hs_email_headers": orjson.dumps(people).decode(),
        "hs_email_text": text + last,
        "hs_email_html": markup + last,
    }
    return orjson.dumps({_name(name, own=own): value for name, value in rest.items()})[1:]


@contextmanager
def scratch() -> Iterator[Path]:
    """A directory for inputs and runs, removed at the end."""
    place = Path(tempfile.mkdtemp(prefix="bulkload-benchmark-"))
    try:
        yield place
    finally:
        shutil.rmtree(place)


def write(path: Path, count: int, size: int = LINE_BYTES) -> Path:
    with path.open("wb") as file:
        file.writelines(lines(count, size))
    return path


def write_mail(path: Path, count: int, *, own: bool = False) -> Path:
    with path.open("wb") as file:
        file.writelines(mail_lines(count, own=own))
    return path
