"""winmail.dat and the RTF in it."""

from __future__ import annotations

import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.mail import rtf, tnef

# The example of MS-OXRTFCP 4.1.1: it is given there with what it unpacks to.
PACKED = bytes.fromhex(
    "2d0000002b0000004c5a4675f1c5c7a703000a00726370673132354232"
    "0af32068656c090020627705b06c647d0a800fa0"
)
HELLO = b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"


def attribute(level: int, id_: int, value: bytes) -> bytes:
    return (
        struct.pack("<BII", level, id_, len(value)) + value + struct.pack("<H", sum(value) % 65536)
    )


def padded(value: bytes) -> bytes:
    return value + bytes(-len(value) % 4)


def variable(id_: int, kind: int, value: bytes) -> bytes:
    return struct.pack("<HHII", kind, id_, 1, len(value)) + padded(value)


def properties(*found: bytes) -> bytes:
    return struct.pack("<I", len(found)) + b"".join(found)


def winmail(*attributes: bytes) -> bytes:
    page = attribute(1, 0x00069007, struct.pack("<II", 1252, 0))
    return b"\x78\x9f\x3e\x22\x01\x00" + page + b"".join(attributes)


NAMED = (  # a named property in front, with its name, and one of several values
    struct.pack("<HH", 3, 0x8001)
    + bytes(16)
    + struct.pack("<II", 1, 6)
    + padded(b"a\0b\0\0\0")
    + struct.pack("<I", 7)
    + struct.pack("<HHI", 0x101E, 0x6001, 2)
    + struct.pack("<I", 2)
    + padded(b"x\0")
    + struct.pack("<I", 3)
    + padded(b"yz\0")
)


def test_bodies_and_files() -> None:
    whole = winmail(
        attribute(1, 0x0002800C, b"old body\0"),
        attribute(
            1,
            0x00069003,
            struct.pack("<I", 5)
            + NAMED
            + variable(0x1000, 0x1F, "caf\xe9\r\n\0".encode("utf-16-le"))
            + variable(0x1013, 0x102, b"<p>caf\xe9</p>")
            + variable(0x1009, 0x102, PACKED),
        ),
        attribute(2, 0x00069002, bytes(14)),
        attribute(2, 0x00018010, b"REPORT~1.PDF\0"),
        attribute(2, 0x0006800F, b"%PDF"),
        attribute(
            2,
            0x00069005,
            properties(
                variable(0x3707, 0x1F, "report of the year.pdf\0".encode("utf-16-le")),
                variable(0x370E, 0x1E, b"application/pdf\0"),
            ),
        ),
        attribute(2, 0x00069002, bytes(14)),
        attribute(2, 0x00018010, b"\xfcber.txt\0"),
        attribute(2, 0x0006800F, b"hello"),
    )
    assert tnef.opened(whole) == tnef.Tnef(
        text="caf\xe9\n",
        html="<p>caf\xe9</p>",
        rtf=PACKED,
        files=(
            tnef.File("report of the year.pdf", "application/pdf", b"%PDF"),
            tnef.File("über.txt", "", b"hello"),
        ),
    )
    found = tnef.opened(whole[: len(whole) - 60])
    assert found is not None
    assert found.text == "caf\xe9\n"


def test_a_code_page_may_stand_behind_what_is_written_in_it() -> None:
    body = attribute(1, 0x0002800C, "привет\0".encode("cp1251"))
    page = attribute(1, 0x00069007, struct.pack("<II", 1251, 0))
    assert tnef.opened(b"\x78\x9f\x3e\x22\x01\x00" + body + page) == tnef.Tnef(text="привет")


def test_html_without_a_code_page_of_its_own_is_in_the_charset_that_it_names() -> None:
    html = '<meta charset="utf-8"><p>привет'
    whole = winmail(attribute(1, 0x00069003, properties(variable(0x1013, 0x102, html.encode()))))
    assert tnef.opened(whole) == tnef.Tnef(html=html)


def test_a_property_without_a_value_hides_none_behind_it() -> None:
    null = struct.pack("<HH", 1, 0x3705)
    found = properties(null, variable(0x3707, 0x1E, b"long name.txt\0"))
    assert tnef.opened(winmail(attribute(2, 0x00069005, found))) == tnef.Tnef(
        files=(tnef.File("long name.txt", "", b""),)
    )


def test_what_is_none() -> None:
    assert tnef.opened(b"") is None
    assert tnef.opened(b"%PDF-1.4") is None


@given(st.binary(max_size=300))
def test_broken_ones_never_crash(rest: bytes) -> None:
    tnef.opened(b"\x78\x9f\x3e\x22\x01\x00" + rest)
    tnef.opened(winmail(attribute(1, 0x00069003, rest), attribute(2, 0x00069005, rest)))
    rtf.body(rtf.unpacked(PACKED[:16] + rest))
    rtf.body(rest)


def test_rtf_is_unpacked() -> None:
    assert rtf.unpacked(PACKED) == HELLO
    assert rtf.unpacked(struct.pack("<II", 55, 43) + b"MELA" + bytes(4) + HELLO) == HELLO
    # MS-OXRTFCP 4.1.2: a reference that reads what it has just written.
    crossing = bytes.fromhex("1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0")
    assert rtf.unpacked(crossing) == b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}"
    assert rtf.unpacked(b"nonsense") == b""


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (HELLO, rtf.Body("hello world")),
        (
            rb"{\rtf1{\fonttbl{\f0 Arial;}}{\*\generator x;}a\par b\tab c\line d}",
            rtf.Body("a\nb\tc\nd"),
        ),
        (rb"{\rtf1\ansicpg1251 \'cf\'f0\'e8}", rtf.Body("При")),
        (rb"{\rtf1\ansicpg932 \'8a\'bf}", rtf.Body("漢")),
        (
            (
                rb"{\rtf1\ansicpg1252\deff0{\fonttbl{\f0\fcharset0 Arial;}{\f1\fnil\fcharset204"
                rb"{\*\fname Arial;}Arial CYR;}{\f2\fcharset238 X;}}\'fc {\f1 \'cf\'f0\'e8 }\'fc"
                rb"\f2 \'f8\plain \'f8}"
            ),
            rtf.Body("ü При üřø"),
        ),
        (
            (
                rb"{\rtf1\fromhtml1\deff1{\fonttbl{\f1\fcharset204 A;}}{\*\htmltag <p title=\'e4>}"
                rb"\htmlrtf \f1\htmlrtf0 \'cf\'f0\'e8}"
            ),
            rtf.Body(html="<p title=ä>При"),
        ),
        (rb"{\rtf1 a\cell b\cell\row c\sect d\page e}", rtf.Body("a\tb\t\nc\nd\ne")),
        (
            rb"{\rtf1\uc1 \u8364 ?1 \u-10179 ?\u-8704 ? \{x\}\~\\}",
            rtf.Body("€1 \U0001f600 {x}\xa0\\"),
        ),
        (
            (
                rb"{\rtf1\ansi\fromhtml1{\*\htmltag18 <html>}\htmlrtf {\b\htmlrtf0 a &lt; "
                rb"\htmlrtf }\htmlrtf0{\*\htmltag84 <b>}b{\*\htmltag92 </b>}\par}"
            ),
            rtf.Body(html="<html>a &lt; <b>b</b>\n"),
        ),
        (b"", rtf.Body()),
    ],
)
def test_rtf_is_read(source: bytes, expected: rtf.Body) -> None:
    assert rtf.body(source) == expected


@pytest.mark.parametrize("piece", [b"{", b"}", b"\\'41", b"\\u65 ?", b"\\", b"\\htmltag", b"a\\b "])
def test_rtf_takes_linear_time(piece: bytes) -> None:
    started = time.process_time()
    rtf.body(b"{\\rtf1\\fromhtml1 " + piece * 200_000)
    assert time.process_time() - started < 5
