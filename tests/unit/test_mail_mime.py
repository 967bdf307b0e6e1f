"""Bytes → the tree of parts: what is broken in real mail, and that no input takes long."""

from __future__ import annotations

import base64
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkload.mail.headers import Headers, scanned
from bulkload.mail.mime import MOST_LEVELS, MOST_PARTS, Part, parse
from bulkload.mail.params import parameters
from bulkload.mail.transfer import undone


def walk(part: Part) -> list[Part]:
    return [part, *(one for inner in part.parts for one in walk(inner))]


def leaves(raw: bytes) -> list[tuple[str, bytes]]:
    return [(part.kind, part.content()) for part in walk(parse(raw)) if not part.parts]


def test_a_tree_of_parts() -> None:
    root = parse(
        b"Subject: x\r\nContent-Type: Multipart/Mixed; boundary=out\r\n\r\npreamble\r\n"
        b"--out\r\nContent-Type: multipart/alternative; boundary=in\r\n\r\n"
        b"--in\r\n\r\nplain\r\n--in\r\nContent-Type: TEXT/HTML\r\n\r\n<p>\r\n--in--\r\nepilogue\r\n"
        b"--out  \r\nContent-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\ninner\r\n"
        b"--out--\r\nepilogue"
    )
    assert [part.kind for part in walk(root)] == [
        *("multipart/mixed", "multipart/alternative", "text/plain", "text/html"),
        *("message/rfc822", "text/plain"),
    ]
    alternative, message = root.parts
    assert [part.body for part in alternative.parts] == [b"plain", b"<p>"]
    assert message.parts[0].headers.text("subject") == "y"
    assert message.parts[0].body == b"inner"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        # No end, no delimiter, an empty boundary, a delimiter in its text.
        (b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\none", [("text/plain", b"one")]),
        (b"Content-Type: multipart/mixed; boundary=b\n\none", [("multipart/mixed", b"one")]),
        (b"Content-Type: multipart/mixed\n\n--b\n\none", [("multipart/mixed", b"--b\n\none")]),
        (
            b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\na --b\n--bb\n--b--",
            [("text/plain", b"a --b\n--bb")],
        ),
        # An inner multipart that is never closed ends where the outer one goes on.
        (
            (
                b"Content-Type: multipart/mixed; boundary=b\n\n--b\n"
                b"Content-Type: multipart/mixed; boundary=c\n\n--c\n\none\n--b\n\ntwo\n--b--"
            ),
            [("text/plain", b"one"), ("text/plain", b"two")],
        ),
        # A boundary that begins as another does.
        (
            (
                b"Content-Type: multipart/mixed; boundary=b\n\n--b\n"
                b"Content-Type: multipart/mixed; boundary=bc\n\n--bc\n\none\n--bc--\n--b--"
            ),
            [("text/plain", b"one")],
        ),
        # Parts without headers, without a blank line, without anything.
        (b"Content-Type: multipart/mixed; boundary=b\n\n--b\none\n--b--", [("text/plain", b"one")]),
        (
            b"Content-Type: multipart/mixed; boundary=b\n\n--b\n--b\n--b--",
            [("text/plain", b"")] * 2,
        ),
        (b"Content-Type: multipart/mixed; boundary=b\n--b\n\none\n--b--", [("text/plain", b"one")]),
        # The delimiter is another than the header says, or says nowhere.
        (
            b"Content-Type: multipart/mixed; boundary=C\n\n--c\n\none\n--c--",
            [("text/plain", b"one")],
        ),
        (
            b"Content-Type: multipart/mixed\n\npreamble\n--b\n\none\n--b\n\ntwo\n--b--\n",
            [("text/plain", b"one"), ("text/plain", b"two")],
        ),
        (b"Content-Type: text/html; boundary=b\n\n--b\n\none\n--b--", [("text/plain", b"one")]),
        (b"Content-Type: text/html; boundary=b\n\none", [("text/html", b"one")]),
        # A part behind the end.
        (
            b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b--\nx\n--b\n\ntwo\n--b--",
            [("text/plain", b"one"), ("text/plain", b"two")],
        ),
        # A digest's parts are messages.
        (
            b"Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: x\n\none\n--b--",
            [("text/plain", b"one")],
        ),
        # No media type at all.
        (b"Content-Type: text\n\none", [("text/plain", b"one")]),
        (b"Content-Type: ;;==\n\none", [("text/plain", b"one")]),
        # Line ends of an old Mac.
        (b"Subject: x\r\rone", [("text/plain", b"one")]),
        # Forbidden, and found: an encoded message.
        (
            (
                b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n"
                b"U3ViamVjdDogeAoKb25l"
            ),
            [("text/plain", b"one")],
        ),
    ],
)
def test_the_leaves_of_broken_multiparts(raw: bytes, expected: list[tuple[str, bytes]]) -> None:
    assert leaves(raw) == expected


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (b"text/plain", "text/plain", {}),
        (b'Text/Plain; Charset="UTF-8"', "text/plain", {"charset": "UTF-8"}),
        (b"text/plain;charset=utf-8;", "text/plain", {"charset": "utf-8"}),
        (b"text/plain; charset = utf-8 ; x=y", "text/plain", {"charset": "utf-8", "x": "y"}),
        (b"text/plain charset=utf-8", "text/plain", {"charset": "utf-8"}),
        (b"text/html charset=x; format=flowed", "text/html", {"charset": "x", "format": "flowed"}),
        (
            b"text/plain (a comment); charset=us-ascii (Plain text)",
            "text/plain",
            {"charset": "us-ascii"},
        ),
        (b'text/plain; charset="utf-8', "text/plain", {"charset": "utf-8"}),
        (b'a/b; name="a\\"b;c.pdf"', "a/b", {"name": 'a"b;c.pdf'}),
        (b"a/b; name=my file (1).pdf", "a/b", {"name": "my file (1).pdf"}),
        (b"a/b; name*=utf-8'de'%C3%A9.pdf", "a/b", {"name": "é.pdf"}),
        (b"a/b; name*=%C3%A9", "a/b", {"name": "é"}),
        (b"a/b; name*0*=utf-8''%C3; name*1*=%A9; name*2=.pdf", "a/b", {"name": "é.pdf"}),
        (b"a/b; name*1=b; name*0=a", "a/b", {"name": "ab"}),
        (b'a/b; name="=?utf-8?Q?=C3=A9.pdf?="', "a/b", {"name": "é.pdf"}),
        (b'a/b; name="caf\xe9.pdf"', "a/b", {"name": "café.pdf"}),
        (b"a/b; name=first; name=second; NAME*=utf-8''third", "a/b", {"name": "third"}),
        (b"attachment; filename=x", "attachment", {"filename": "x"}),
        (b"", "", {}),
    ],
)
def test_parameters(value: bytes, kind: str, expected: dict[str, str]) -> None:
    assert parameters(value) == (kind, expected)


def test_a_file_name_is_one_line_and_the_last_part_of_a_windows_path() -> None:
    def name(header: bytes) -> str:
        return parse(header + b"\n\nx").file_name

    assert name(rb'Content-Disposition: attachment; filename="C:\temp\a b.pdf"') == "a b.pdf"
    assert name(b'Content-Type: a/b; name="a\n b.pdf"') == "a b.pdf"
    assert name(b"Content-Type: a/b; name=n\nContent-Disposition: inline; filename=f") == "f"
    assert name(b"Content-Disposition: attachment") == ""


@pytest.mark.parametrize(
    ("body", "encoding", "expected"),
    [
        (b"Y2Fmw6k=", "base64", "café".encode()),
        (b"Y2Fm\r\nw6k", "base64", "café".encode()),  # no padding
        (b"Y2Fmw6k", "base64; x=y", "café".encode()),
        (b"Y2Fmw6lX\nY", "base64", "caféW".encode()),  # cut within a letter
        (b"YQ==\nYg==\n", "base64", b"ab"),  # encoded in pieces
        (b"YWJj\n____\nA list's footer!\n", "base64", b"abc____\nA list's footer!\n"),
        (b"YWJj" * 9 + b"!\r\n " + b"YWJj" * 9, "base64", b"abc" * 18),
        (b"YW" + b"\x1a\nJj\x1a\n", "base64", b"abc"),
        (b"\xef\xbb\xbfYWJj\n\xa0YWJj\n\xc2\xa0\n", "base64", b"abcabc"),
        (b"YWJj\nHello\xa0list\n", "base64", b"abcHello\xa0list\n"),
        ("YWJj\nvoilà\n".encode(), "base64", "abcvoilà\n".encode()),
        ("YWJj\n退订\n".encode(), "base64", "abc退订\n".encode()),
        (b"YWJj\nhttps://example.com/leave\n", "base64", b"abchttps://example.com/leave\n"),
        (b"!!!not base64", "base64", b"!!!not base64"),
        (b"caf=C3=A9 =\nau lait", "quoted-printable", "café au lait".encode()),
        (b"soft =  \r\nbreak", "quoted-printable", b"soft break"),
        (b"soft =\rbreak =\t\rand \rend\n", "quoted-printable", b"soft break and \rend\n"),
        (b"100=% and =XY", "quoted-printable", b"100=% and =XY"),
        (b"cut off =C", "quoted-printable", b"cut off =C"),
        (b"begin 644 a.txt\n#0V%T\n`\nend\n", "x-uuencode", b"Cat"),
        (b"begin 644 a.txt\n#0V%T\n`\nend\nsize 3\n", "x-uuencode", b"Cat"),
        (b"no begin\n", "x-uuencode", b"no begin\n"),
        (b"=41", "8bit", b"=41"),
        (b"=41", "binary", b"=41"),
        (b"=41", "nonsense", b"=41"),
        (b"", "base64", b""),
    ],
)
def test_transfer_encodings_are_undone(body: bytes, encoding: str, expected: bytes) -> None:
    assert undone(body, encoding) == expected


@pytest.mark.parametrize(
    ("raw", "expected", "stray", "body"),
    [
        (b"A: 1\nB: 2\n\nx", {"a": b"1", "b": b"2"}, False, b"x"),
        (b"A : 1\nB:\n\t2\n  3\n\nx", {"a": b"1", "b": b"2 3"}, False, b"x"),
        (b"A: 1\r\n\r\nx", {"a": b"1"}, False, b"x"),
        (b"From a@b Mon\nA: 1\n\nx", {"a": b"1"}, False, b"x"),
        (b">From a@b Mon\nA: 1\n\nx", {"a": b"1"}, False, b"x"),
        (b"A: 1\nstray\nFrom: 2\n\nx", {"a": b"1 stray", "from": b"2"}, True, b"x"),
        (b"A: 1\nB c: 2\n\t3\nTo: 4\n\nx", {"a": b"1", "b c": b"2 3", "to": b"4"}, False, b"x"),
        (b"A: 1\nB\xe9: 2\nTo: 4\n\nx", {"a": b"1", "b\xe9": b"2", "to": b"4"}, False, b"x"),
        (b"A: 1\nat 9:00, b: 2\nTo: 4\n\n", {"a": b"1 at 9:00, b: 2", "to": b"4"}, True, b""),
        (b"A: 1\nDear B: hello\n\nx", {"a": b"1"}, False, b"Dear B: hello\n\nx"),
        (b"stray\nFrom: 2\n\nx", {"from": b"2"}, True, b"x"),
        (b"A: 1\nno header\nat all\n", {"a": b"1"}, False, b"no header\nat all\n"),
        (b"A: 1\nhello\n\nFrom: 2\n", {"a": b"1"}, False, b"hello\n\nFrom: 2\n"),
        (b"A: 1\n--b\nContent-Type: a/b\n\n", {"a": b"1"}, False, b"--b\nContent-Type: a/b\n\n"),
        (b" text first\n\nx", {}, False, b" text first\n\nx"),
        (b"A: 1", {"a": b"1"}, False, b""),
        (b"A:\nA: 2\n\n", {"a": b"2"}, False, b""),
    ],
)
def test_a_header_block(raw: bytes, expected: dict[str, bytes], stray: bool, body: bytes) -> None:
    headers, at = scanned(raw, 0, len(raw))
    assert {name: headers.get(name) for name, _ in headers.fields if name} == expected
    assert (headers.stray, raw[at:]) == (stray, body)


def test_line_ends_that_were_made_crlf_twice() -> None:
    whole = b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\ny\n--b--\n"
    (leaf,) = parse(whole.replace(b"\n", b"\r\r\n")).parts
    assert leaf.body == b"x\r\ny"


def test_headers_by_name() -> None:
    headers = Headers([("to", b" a@x "), ("x", b""), ("to", b"b@x"), ("s", b"=?utf-8?q?=C3=A9?=")])
    assert (headers.get("to"), headers.get("x"), headers.get("y")) == (b"a@x", None, None)
    assert headers.all("to") == [b"a@x", b"b@x"]
    assert headers.text("s") == "é"
    assert Headers([("s", "é".encode("latin-1"))]).text("s") == "é"
    assert Headers([("s", "Привет всем".encode("koi8-r"))]).text("s", "koi8-r") == "Привет всем"
    assert Headers([("s", b"\x1b$B4A;z\x1b(B")]).text("s") == "漢字"


def test_what_is_nested_too_deep_or_too_many_is_left_as_one_text() -> None:
    nested = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (at, at) for at in range(100)
    )
    parts = walk(parse(nested + b"\nend"))
    assert len(parts) == MOST_LEVELS
    assert parts[-1].left
    assert parts[-1].body.endswith(b"end")
    many = b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * (MOST_PARTS + 50)
    root = parse(many)
    assert root.left
    assert len(root.parts) <= MOST_PARTS + 1
    assert root.parts[-1].body.count(b"x") >= 50


HOSTILE = {
    "semicolons in a type": b"Content-Type: a/b" + b";" * 1_000_000 + b"\n\nx",
    "parameters": b"Content-Type: a/b" + b"; a*0=b" * 100_000 + b"\n\nx",
    "pieces of a name": b"Content-Type: a/b"
    + b"".join(b"; n*%d=b" % at for at in range(50_000))
    + b"\n\nx",
    "nested delimiters": b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n" * 100_000,
    "nested multiparts": b"Content-Type: multipart/mixed; boundary=b\n\n--b\n" * 20_000,
    "nested messages": b"Content-Type: message/rfc822\n\n" * 30_000,
    "one header line": b"Subject: " + b"a" * 1_000_000 + b"\n\nx",
    "folds": b"Subject: a\n" + b" b\n" * 300_000 + b"\nx",
    "many fields": b"X: y\n" * 200_000 + b"\nx",
    "stray lines": b"a\nFrom: b\n" * 100_000 + b"\nx",
    "lines that are no headers": b"Subject: x\n" + b"a\n" * 300_000,
    "an open quote": b'Content-Type: a/b; x="' + b'\\"' * 400_000 + b"\n\nx",
    "blanks": b"Content-Type: a/b;" + b" " * 1_000_000 + b"\n\nx",
    "encoded words": b"Content-Type: a/b; name=" + b"=?u?q?x" * 100_000 + b"\n\nx",
    "delimiters within lines": b"Content-Type: multipart/mixed; boundary=b\n\n" + b"x--b" * 250_000,
    "a delimiter and its lines": b"Content-Type: multipart/mixed; boundary=b\n\n"
    + b"--b x\n" * 150_000,
    "broken base64": b"Content-Transfer-Encoding: base64\n\n" + b"a=\n" * 300_000,
    "broken quoted-printable": b"Content-Transfer-Encoding: quoted-printable\n\n" + b"= " * 500_000,
    "uuencoded": b"Content-Transfer-Encoding: x-uuencode\n\nbegin 644 a\n" + b"!\n" * 300_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_megabyte_of_anything_takes_linear_time(name: str) -> None:
    # Quadratic time would show as minutes; the bound only has to be far from both.
    started = time.process_time()
    for part in walk(parse(HOSTILE[name])):
        part.content()
    assert time.process_time() - started < 15


_pieces = st.sampled_from(
    [
        *(
            b"Content-Type: ",
            b"multipart/mixed; boundary=b",
            b"multipart/digest; boundary=bb",
            b"x",
        ),
        *(b"message/rfc822", b"text/plain", b"\n", b"\r\n", b"\n\n", b" ", b"--b", b"--bb", b"--"),
        *(b"Content-Transfer-Encoding: base64", b"YQ==", b"=41", b"\xff", b"From: ", b"stray\n"),
    ]
)


@settings(deadline=None)
@given(st.lists(_pieces, max_size=40).map(b"".join))
def test_any_bytes_make_a_tree_whose_bodies_stand_in_them(raw: bytes) -> None:
    for part in walk(parse(raw)):
        assert "/" in part.kind
        part.content()
        if b"base64" not in raw and b"\n" in raw:
            assert part.body in raw


@given(
    st.lists(
        st.text("abc \u00e9-", max_size=20).map(str.encode).filter(lambda text: b"--b" not in text),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from([b"\n", b"\r\n"]),
)
def test_parts_are_told_apart_as_they_were_put_together(texts: list[bytes], end: bytes) -> None:
    head = b"Content-Type: multipart/mixed; boundary=b" + end + end
    raw = head + b"".join(b"--b" + end + end + text + end for text in texts) + b"--b--" + end
    assert [part.body for part in parse(raw).parts] == texts


@given(st.binary(max_size=4), st.integers(0, 300), st.integers(0, 4))
def test_base64_with_anything_in_it_is_undone(foreign: bytes, at: int, cut: int) -> None:
    body = base64.b64encode(bytes(range(180)))
    body = body[:at] + foreign + body[at : len(body) - cut]
    assert isinstance(undone(body, "base64"), bytes)
