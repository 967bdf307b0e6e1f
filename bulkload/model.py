"""The words of the design as values. No I/O, no clock, no policy.

Everything here is immutable and cheap: a record is a named tuple, since a run makes
millions of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

Kind = Literal["json", "row", "mail", "letter"]
"""How a record's bytes are to be understood: an NDJSON line, a table's row, a message,
a dead letter that is sent again."""

MAX_INPUTS = 100
"""Most inputs a create call takes [HubSpot: batch endpoints; integrators]."""


class Position(NamedTuple):
    """Where in its source a record stands: enough to read it again.

    `at` is what the source seeks by (a byte offset, a file's name below a folder);
    `number` counts the source's lines, rows or messages from 1, for people.
    """

    at: int | str
    number: int

    def as_json(self) -> dict[str, int | str]:
        return {"at": self.at, "number": self.number}


class Record(NamedTuple):
    """One record as it stands in its source.

    `raw` is its bytes as they are (None: too large, so left unread); `fields` a table row's
    cells by column; `flaw` why it could not be read, if it could not. Of a message, `folder` is
    the mail folder that it lies in, as its source names it (an mbox file's stem, a Maildir's or
    an MH folder's path with slashes; "" where there is none), `flags` the letters of a Maildir
    name: D draft, F flagged, P passed on, R replied, S seen, T trashed.
    """

    position: Position
    kind: Kind
    raw: bytes | None
    fields: dict[str, str] | None = None
    flaw: str | None = None
    folder: str = ""
    flags: str = ""


class Stretch(NamedTuple):
    """Lines that follow one another, each a record, with their line feeds: the first one's offset
    in bytes, its number, and all of them.
    """

    offset: int
    number: int
    raws: list[bytes]

    def lines(self) -> Iterator[tuple[int, int, bytes]]:
        """(offset, number, bytes) of each, without its line feed."""
        offset = self.offset
        for number, raw in enumerate(self.raws, self.number):
            yield offset, number, raw[:-1]
            offset += len(raw)

    def records(self) -> Iterator[Record]:
        """Each of them by itself."""
        return (Record(Position(at, number), "json", raw) for at, number, raw in self.lines())


class Input(NamedTuple):
    """What is sent for one record: HubSpot's own input shape, every value a string.

    `associations` is the list as HubSpot takes it; `trace_id` the user's own
    `objectWriteTraceId`, kept where there is one.
    """

    properties: dict[str, str]
    associations: list[Any]
    trace_id: str | None = None


class Address(NamedTuple):
    """One mailbox of a header: its address and the two halves of its display name."""

    email: str
    first_name: str = ""
    last_name: str = ""


class Mapped(NamedTuple):
    """A record as it will be sent.

    `people`: whose contacts it is to be tied to, their addresses in lower case. `notes`: what was
    guessed, cut, or stood in for something else. `files`: how many attachments are to be uploaded,
    or are left out; `labels`: those that its mailbox gave it. `attached`: the size of each
    attachment in bytes, uploaded or not.
    """

    input: Input
    people: tuple[Address, ...] = ()
    notes: tuple[str, ...] = ()
    files: int = 0
    labels: tuple[str, ...] = ()
    attached: tuple[int, ...] = ()


class LeftOut(NamedTuple):
    """A record that a filter leaves out; `reason` is the filter's name, as it is counted."""

    reason: str


class Attachment(NamedTuple):
    """A file in a message. `size` is in bytes, its transfer encoding undone; `inline`: the HTML
    shows it.
    """

    name: str
    kind: str = ""
    size: int = 0
    inline: bool = False


@dataclass(frozen=True, slots=True)
class Email:
    """A message, read: what mapping needs of it and nothing of HubSpot.

    `sent_at` is milliseconds since the epoch, UTC; None where no header and no mbox line
    gives a date. `html` is safe to show. Message ids are without their angle brackets, and so is
    the `list_id` (List-Id). `traits` are what it shows itself to be by its own headers and parts:
    see `mail/traits.py`.
    """

    sent_at: int | None
    subject: str
    text: str
    html: str
    sender: tuple[Address, ...] = ()
    from_: tuple[Address, ...] = ()
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    message_id: str = ""
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    thread_id: str = ""
    list_id: str = ""
    labels: tuple[str, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    traits: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
