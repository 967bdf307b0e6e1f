"""winmail.dat: what Outlook sends instead of parts (MS-OXTNEF). Pure, linear, never raises.

A stream of attributes: little-endian, each with its level, id, length, value and checksum. Of a
message the body (as text, HTML or RTF) counts here, of its attachments the name, kind and bytes.
"""

from __future__ import annotations

from contextlib import suppress
from struct import error, unpack_from
from typing import TYPE_CHECKING, NamedTuple

from bulkload.mail.reading import named_in
from bulkload.mail.text import decoded

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIGNATURE = b"\x78\x9f\x3e\x22"
_BODY, _MESSAGE_PROPERTIES, _CODE_PAGE = 0x0002800C, 0x00069003, 0x00069007
_NEW_FILE, _FILE_TITLE = 0x00069002, 0x00018010
_FILE_CONTENT, _FILE_PROPERTIES = 0x0006800F, 0x00069005
_OF_FILES = frozenset({_FILE_TITLE, _FILE_CONTENT, _FILE_PROPERTIES})
_TEXT, _RTF, _HTML, _WEB_CODE_PAGE = 0x1000, 0x1009, 0x1013, 0x3FDE
_LONG_NAME, _KIND, _CONTENT = 0x3707, 0x370E, 0x3701
_FIXED = {1: 0, 2: 4, 3: 4, 4: 4, 5: 8, 6: 8, 7: 8, 10: 4, 11: 4, 20: 8, 64: 8, 72: 16}
_OBJECT, _STRING, _UNICODE, _BINARY = 0x0D, 0x1E, 0x1F, 0x102
_SEVERAL = 0x1000
_IDENTIFIER = 16  # bytes in front of an object's own


class File(NamedTuple):
    name: str
    kind: str
    content: bytes


class Tnef(NamedTuple):
    """`rtf` is compressed, as `rtf.py` takes it."""

    text: str = ""
    html: str = ""
    rtf: bytes = b""
    files: tuple[File, ...] = ()


def opened(content: bytes) -> Tnef | None:
    """None where it is no TNEF; what was read before it breaks off."""
    if not content.startswith(_SIGNATURE):
        return None
    found = Tnef()
    # It may stand behind what is written in it.
    named = (value for id_, value in _attributes(content) if id_ == _CODE_PAGE and len(value) >= 4)
    page = next(map(_named, named), "cp1252")
    files: list[File] = []
    for id_, value in _attributes(content):
        if id_ in _OF_FILES and not files:
            files.append(File("", "", b""))
        if id_ == _BODY:
            found = found._replace(text=found.text or _words(value, page))
        elif id_ == _MESSAGE_PROPERTIES:
            found = _with_properties(found, value, page)
        elif id_ == _NEW_FILE:
            files.append(File("", "", b""))
        elif id_ == _FILE_TITLE:
            files[-1] = files[-1]._replace(name=files[-1].name or _words(value, page))
        elif id_ == _FILE_CONTENT:
            files[-1] = files[-1]._replace(content=value)
        elif id_ == _FILE_PROPERTIES:
            files[-1] = _with_file_properties(files[-1], value, page)
    return found._replace(files=tuple(files))


def _with_properties(found: Tnef, value: bytes, page: str) -> Tnef:
    properties = dict(_properties(value))
    kind, text = properties.get(_TEXT, (0, b""))
    _, web_page = properties.get(_WEB_CODE_PAGE, (0, b""))
    kind_of_html, html = properties.get(_HTML, (0, b""))
    if kind_of_html == _UNICODE:
        html_page = "utf-16-le"
    else:
        html_page = _named(web_page) if web_page else named_in(html) or page
    return found._replace(
        text=_words(text, "utf-16-le" if kind == _UNICODE else page) or found.text,
        html=_words(html, html_page) or found.html,
        rtf=properties.get(_RTF, (0, b""))[1] or found.rtf,
    )


def _with_file_properties(file: File, value: bytes, page: str) -> File:
    properties = dict(_properties(value))
    kind, name = properties.get(_LONG_NAME, (0, b""))
    of_kind, media = properties.get(_KIND, (0, b""))
    name_page = "utf-16-le" if kind == _UNICODE else page
    kind_page = "utf-16-le" if of_kind == _UNICODE else page
    return File(
        _words(name, name_page) or file.name,
        _words(media, kind_page) or file.kind,
        file.content or properties.get(_CONTENT, (0, b""))[1],
    )


def _attributes(content: bytes) -> Iterator[tuple[int, bytes]]:
    at = len(_SIGNATURE) + 2
    with suppress(error):
        while at + 9 <= len(content):
            _, id_, length = unpack_from("<BII", content, at)
            at += 9
            yield id_, content[at : at + length]
            at += length + 2


def _properties(value: bytes) -> Iterator[tuple[int, tuple[int, bytes]]]:
    """Each MAPI property: its id, its type and its (first) value."""
    with suppress(error, KeyError):
        (count,) = unpack_from("<I", value, 0)
        at = 4
        for _ in range(min(count, len(value) // 8)):
            kind, id_ = unpack_from("<HH", value, at)
            at += 4
            if id_ >= 0x8000:
                (by_name,) = unpack_from("<I", value, at + 16)
                at += 20
                if by_name:
                    (length,) = unpack_from("<I", value, at)
                    at += _padded(length)
                at += 4
            several, kind = kind & _SEVERAL, kind & ~_SEVERAL
            values = 1
            if several or kind in (_OBJECT, _STRING, _UNICODE, _BINARY):
                (values,) = unpack_from("<I", value, at)
                at += 4
            first = b""
            for number in range(min(values, len(value))):
                if kind in (_OBJECT, _STRING, _UNICODE, _BINARY):
                    (length,) = unpack_from("<I", value, at)
                    at += 4
                else:
                    length = _FIXED[kind]
                if not number:
                    first = value[at : at + length]
                at += _padded(length)
            yield id_, (kind, first[_IDENTIFIER:] if kind == _OBJECT else first)


def _padded(length: int) -> int:
    return length + -length % 4


def _named(page: bytes) -> str:
    number = int.from_bytes(page[:4], "little")
    return {65001: "utf-8", 28591: "cp1252", 20127: "cp1252"}.get(number, f"cp{number}")


def _words(value: bytes, page: str) -> str:
    return decoded(value, page).strip("\0").replace("\r\n", "\n").replace("\r", "\n")
