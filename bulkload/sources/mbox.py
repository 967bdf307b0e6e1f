"""mbox: many messages in one file. The position is the offset of a message's "From " line.

A message begins where a line starts with "From " at the start of the file or after a blank
line (the first one needs none), and where that line is an envelope: it ends in a date as
nearly all do, is bare ("From -"), or a well-known header follows it. So a paragraph that
begins with "From here on" stays in its message, as no writer of mbox agrees with another on
what to escape. An envelope with its date and a header needs no blank line before it: Eudora
writes none, and mailboxes that were joined end to end have lost theirs.

A Content-Length (mboxcl, mboxcl2) goes before that, but is believed only where the file
bears it out: where the body it counts is followed by an envelope, with a blank line between
or not, or by the end of the file. A count past the limit is not looked into. What was escaped
(">From ") stays as it stands.

Laws kept here: no message is lost, none runs into the next; memory is bounded: a message
longer than the limit is skipped, unread.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

from bulkload.errors import RefusedToStart
from bulkload.model import Position, Record
from bulkload.sources.growing import GrowingFile
from bulkload.sources.lines import too_large
from bulkload.sources.ndjson import BOM

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from bulkload.sources.streams import Stream

ENVELOPE = b"From "
"""What every mbox, and every message in it, begins with."""

MBOX_EXTENSIONS = (".mbox", ".mbx")

_MARK = re.compile(rb"From (?<=\nFrom )")  # F is rarer than a line feed: it is found sooner
_MARK_BYTES = 40  # with the blank line before it, which may hold blanks
_LOOKAHEAD = 4096
_DATED = (
    rb"\S+ +\w{3},? +(?:\w{3} +\d\d? +\d\d?:\d\d(?::\d\d)?(?: +[+\-\w]{1,9}){0,2} +(?:19|20)\d\d\b"
    rb"|\d\d? \w{3} (?:19|20)\d\d \d\d:\d\d)"
)  # the sender, and a date as ctime or RFC 5322 writes it
_USUAL = re.compile(rb"From (?:" + _DATED + rb"|-?[ \t\r]*\n)")  # or bare, as some clients write it
_ENVELOPE = re.compile(
    _USUAL.pattern
    + rb"|From [^\n]*\n(?:>From |(?i:date|from|to|b?cc|subject|message-id|received|mime-version"
    rb"|return-path|reply-to|sender|delivered-to|envelope-to|in-reply-to|references|user-agent"
    rb"|(?:content|list|resent|arc|dkim|x)-[!-9;-~]+|authentication-results)[ \t]*:(?!//))"
)
_UNMISTAKABLE = re.compile(
    rb"From (?:\?\?\?@\?\?\? |" + _DATED + rb"[^\n]*\n(?:>From |[!-9;-~]+[ \t]*:(?!//)))"
)
_CR_ALONE = (
    "the lines of the file end in CR alone, and an mbox's in LF: where its messages begin can't be "
    "told. Make them LF (tr '\\r' '\\n' < FILE > NEW) and load that"
)
# The first of the two: a count, or the blank line that ends the headers without one.
_COUNT = re.compile(rb"\n(?:\r*\n|(?i:content-length):[ \t]*(\d{1,15})[ \t]*\r*(?=\n))")
_BLANK_LINE = re.compile(rb"\n\r*\n")
_BLANK = re.compile(rb"(?:[ \t\r]*\n){0,2}")  # of a last line that was not counted, and after it


Span: TypeAlias = "tuple[int, int, bytes | None]"
"""One stretch of the file: offset, bytes, and what it is; None where that is past the limit."""


class MboxSource(GrowingFile):
    """An mbox file, plain or compressed, with LF, CRLF or CRCRLF."""

    format = "mbox"
    noun = "message"

    def _records(self, start: Position | None) -> Generator[Record, None, None]:
        offset, number = (int(start.at), start.number) if start else (0, 1)
        folder = self.folder
        with self._opened(offset) as stream:
            previous: Record | None = None
            for at, size, raw in read_messages(stream, self.max_record_bytes):
                position = Position(at, number)
                record: Record | None
                if raw is None:
                    flaw = too_large("message", size, self.max_record_bytes)
                    record = Record(position, "mail", None, None, flaw, folder)
                elif at:
                    record = Record(position, "mail", raw, None, None, folder)
                else:
                    record = self._first(position, raw)
                    if record is None:
                        continue
                number += 1
                if previous is not None:
                    yield previous
                previous = record
            # The flaw of a torn stream is known at its end: it is the last record's.
            if stream.flaw is not None:
                if previous is None:
                    position = Position(stream.offset, number)
                    previous = Record(position, "mail", b"", folder=folder)
                previous = previous._replace(flaw=stream.flaw)
            if previous is not None:
                yield previous

    def _first(self, position: Position, raw: bytes) -> Record | None:
        """What the file begins with: a message, what is none, or nothing but blank lines."""
        raw = raw.removeprefix(BOM)
        if begins_as_mbox(raw):
            flaw = _CR_ALONE if b"\r" in raw and b"\n" not in raw else None
            return Record(position, "mail", raw, None, flaw, self.folder)
        if not raw.strip():
            return None
        flaw = f"{len(raw):,} bytes before the first line that begins with 'From '"
        return Record(position, "mail", raw, None, flaw, self.folder)


def begins_as_mbox(head: bytes) -> bool:
    """Whether a file's first line that is not blank is an mbox's."""
    return head.removeprefix(BOM).lstrip(b"\r\n").startswith(ENVELOPE)


def refuse_unless_mbox(head: bytes, shown: str) -> None:
    """Raises RefusedToStart where a file that begins with `head` is no mbox."""
    if not begins_as_mbox(head) and b"\n" + ENVELOPE not in head:
        raise RefusedToStart(
            f"{shown}: no line begins with 'From ' at its start, so it is no mbox. "
            "If it is a single message, say so with --format eml."
        )


def holds_several(raw: bytes) -> bool:
    """Whether the bytes of a whole file are an mbox with a second message in it: one whose envelope
    is as most are, since a paragraph may look like the others.
    """
    if not begins_as_mbox(raw):
        return False
    spans = (raw[at : at + _LOOKAHEAD] for at, _, _ in read_messages(_Whole(raw), len(raw)))
    return sum(1 for begins in spans if _USUAL.match(begins.removeprefix(BOM))) > 1


class _Whole:
    """Bytes as a stream."""

    name = ""
    flaw: str | None = None
    offset = consumed = 0

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def read(self, most: int | None = None) -> bytes:  # noqa: ARG002  # all there is
        raw, self._raw = self._raw, b""
        return raw

    def close(self) -> None:
        """Nothing is open."""


def read_messages(stream: Stream, limit: int) -> Iterator[Span]:
    """The file cut before each envelope, without the blank line in front of it."""
    buffer = b""
    offset = stream.offset  # of the buffer's first byte
    start = offset  # of the message that is being read
    seen = 0  # in the buffer: no message begins before it
    counted: int | None = None  # where its body ends by its count; 0: there is none to believe
    follower = -1  # where the next envelope stands, as the count says and the file bears out
    begun = ended = False
    while not ended:
        more, ended = _read(stream, len(buffer), limit)
        buffer += more
        size = len(buffer)
        begun = begun or (start == offset and begins_as_mbox(buffer))
        first = max(0, start - offset)  # in the buffer: the message, or what is left of it
        while found := _MARK.search(buffer, seen):
            line = found.start()
            if not ended and size - line < _LOOKAHEAD and buffer.count(b"\n", line) < 2:
                break
            end = line - 1 if buffer[line - 2] == 0x0A else _blank_before(buffer, line)
            if not begun:
                end = line if end is None else end  # what stands before the first needs no blank
            elif counted is None:
                counted = _counted_end(buffer, first, line, offset, start + limit)
            if counted and follower < 0:
                if not ended and offset + size - counted < _LOOKAHEAD:
                    break
                after = _envelope_after(buffer, counted - offset)
                counted, follower = (0, -1) if after is None else (counted, offset + after)
            if offset + line < follower:
                seen = follower - offset
                continue
            if end is None and (
                offset + line == follower or _UNMISTAKABLE.match(buffer, line, line + _LOOKAHEAD)
            ):
                end = line
            seen = line + 1
            if end is None or not (
                _ENVELOPE.match(buffer, line, line + _LOOKAHEAD) or _is_torn(buffer, line)
            ):
                continue
            length = offset + end - start
            yield start, length, buffer[first:end] if length <= limit else None
            first = line
            start = offset + line
            counted, follower = None, -1
            begun = True
        seen = line if found else max(seen, size - len(ENVELOPE) + 1)
        if offset + size - start > limit + _LOOKAHEAD:
            # Too large: only what could be part of the next mark is kept.
            first = max(first, min(seen, size) - _MARK_BYTES)
            counted = counted or 0
        if not ended:
            buffer = buffer[first:]
            offset += first
            seen -= first
    end = _blank_before(buffer, size) if buffer.endswith(b"\n") else None
    if offset + size > start:
        end = size if end is None else end
        length = offset + end - start
        yield start, length, buffer[first:end] if length <= limit else None


def _read(stream: Stream, held: int, limit: int) -> tuple[bytes, bool]:
    """The next bytes, and whether they are the last: about as many as are held already, so that
    joining the two costs a long message no more than reading it.
    """
    blocks = [stream.read()]
    wanted = min(held, limit + _LOOKAHEAD - held) - len(blocks[0])
    while wanted > 0 and blocks[-1]:
        blocks.append(stream.read())
        wanted -= len(blocks[-1])
    return (b"".join(blocks) if len(blocks) > 1 else blocks[0]), not blocks[-1]


def _is_torn(buffer: bytes, line: int) -> bool:
    """Whether the line, which is no envelope yet, is cut off by the file's end."""
    return len(buffer) - line < _LOOKAHEAD and buffer.find(b"\n", line) < 0


def _counted_end(buffer: bytes, first: int, before: int, offset: int, most: int) -> int | None:
    """Where in the file the message at `first` ends by its count; 0 where it has none, or one
    past `most`; None where its headers don't end before `before`.
    """
    count = _COUNT.search(buffer, first, before)
    if count is None:
        return None
    if count[1] is None:
        return 0
    blank = _BLANK_LINE.search(buffer, count.end(), before)
    if blank is None:
        return None
    end = offset + blank.end() + int(count[1])
    return end if end <= most else 0


def _envelope_after(buffer: bytes, counted: int) -> int | None:
    """Where the envelope, or the file's end, is that follows a counted body; None where neither
    does: the count is wrong.
    """
    if counted > len(buffer):
        return None
    blank = _BLANK.match(buffer, counted)
    line = blank.end() if blank else counted
    if line == len(buffer):
        return line
    begins = buffer[line - 1] == 0x0A and _ENVELOPE.match(buffer, line, line + _LOOKAHEAD)
    return line if begins else None


def _blank_before(buffer: bytes, line: int) -> int | None:
    """Where the blank line that ends before `line` begins; None where that line isn't blank."""
    near = buffer[max(0, line - _MARK_BYTES) : line - 1]
    begin = near.rfind(b"\n") + 1
    return None if near[begin:].strip(b" \t\r") else line - 1 - len(near) + begin
