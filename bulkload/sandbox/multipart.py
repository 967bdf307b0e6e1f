"""A form as multipart/form-data (RFC 7578): its fields and the file in it. Pure.

Law: the bytes of a part are what stood between its boundaries, no byte more or less.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser


@dataclass(frozen=True, slots=True)
class Part:
    content: bytes
    filename: str | None = None  # None: a field

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")


def parse(content_type: str, raw: bytes) -> dict[str, Part]:
    """The first part of each name. Raises ValueError where this is no whole form."""
    header = Message()
    header["Content-Type"] = content_type
    boundary = header.get_param("boundary")
    if header.get_content_type() != "multipart/form-data" or not isinstance(boundary, str):
        raise ValueError("want multipart/form-data with a boundary")
    pieces = (b"\r\n" + raw).split(b"\r\n--" + boundary.encode("utf-8", "replace"))
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise ValueError("the form has no end")
    out: dict[str, Part] = {}
    for piece in pieces[1:-1]:
        name, part = _named(piece)
        out.setdefault(name, part)
    return out


def _named(piece: bytes) -> tuple[str, Part]:
    """A part's name and the part, from the end of one boundary to the next."""
    _, start, rest = piece.partition(b"\r\n")  # blanks may follow a boundary
    head, blank, content = (b"\r\n" + rest).partition(b"\r\n\r\n")
    if not start or not blank:
        raise ValueError("a part of the form has no head")
    said = HeaderParser().parsestr(head.decode("utf-8", "replace").lstrip("\r\n"))
    name = said.get_param("name", header="content-disposition")
    if not isinstance(name, str):
        raise ValueError("a part of the form has no name")  # noqa: TRY004  # of what was sent
    filename = said.get_filename()
    if filename is not None:  # RFC 2231 names any codec of Python's, halves of pairs too
        filename = filename.encode("utf-8", "replace").decode()
    return name, Part(content, filename)
