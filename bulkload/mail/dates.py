"""When a message was sent: the Date header, else the mbox line, else the first hop. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bulkload.mail.instants import instant
from bulkload.mail.text import decoded
from bulkload.mail.words import words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bulkload.mail.headers import Headers

_ENVELOPE = re.compile(
    rb"^From .*?((?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? .*)$", re.IGNORECASE | re.DOTALL
)


def sent_at(
    headers: Headers, envelope: bytes, zone: str = "UTC"
) -> tuple[int | None, tuple[str, ...]]:
    """(milliseconds since the epoch or None, notes on what was wrong, guessed or stood in).

    `envelope` is the mbox line, b"" where there is none; `zone` the IANA name of where a date
    without a time zone is meant.
    """
    first = headers.get("date")
    if first is not None:
        found = instant(_text(first), zone)
        if found.at is not None and not found.note:
            return found.at, ()  # as nearly every message
    notes: list[str] = []
    guess: tuple[int, tuple[str, ...]] | None = None
    for origin, written in _candidates(headers, envelope):
        if guess is not None and origin != "Date header":
            break
        found = instant(written, zone)
        said = [f"the date of the {origin} {found.note}"] if found.note else []
        if found.at is None:
            notes += said
            continue
        if origin != "Date header":
            said.append(f"the date is that of the {origin}")
        if not found.note or origin != "Date header":
            return found.at, _once(notes + said)
        # Another Date header may need no guess.
        guess = guess or (found.at, _once(notes + said))
    return guess or (None, _once(notes))


def _text(value: bytes) -> str:
    return words(decoded(value))


def _once(notes: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(notes))


def _candidates(headers: Headers, envelope: bytes) -> Iterator[tuple[str, str]]:
    for value in headers.all("date"):
        yield "Date header", _text(value)
    line = _ENVELOPE.match(envelope.strip()) if envelope else None
    if line:
        yield "mbox line", line[1].decode("ascii", "replace")
    # Servers put theirs on top: the lowest is the hop nearest to the sender.
    for value in reversed(headers.all("received")):
        _, semicolon, date = value.rpartition(b";")
        if semicolon:
            yield "Received header", decoded(date)
