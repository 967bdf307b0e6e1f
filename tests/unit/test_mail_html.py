"""HTML of strangers: safe, in linear time, and its text as a reader sees it."""

from __future__ import annotations

import time
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkload.mail.bounds import MOST_CHARACTERS
from bulkload.mail.html import safe
from bulkload.mail.htmltext import text_of
from bulkload.mail.markup import of_text

FILES = {"logo@x": "logo.png"}


def made(source: str) -> str:
    return safe(source, FILES)[0]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("<p onclick=x>a<script>b</script><style>c</style></p>", "<p>a</p>"),
        ("<html><head><title>t</title></head><body bgcolor=red>a</body></html>", "a"),
        ("<a href='javascript:x'>a</a>", "<a>a</a>"),
        ("<a href='/here'>a</a>", "<a>a</a>"),
        ("<a href='cid:x@y'>a</a>", "<a>a</a>"),
        ('<a href="mailto:a@b" target=_blank>a</a>', '<a href="mailto:a@b">a</a>'),
        ("<form action=x><input value=a><button>b</button></form>", "b"),
        ("<object data=x>a</object><embed src=x><iframe src=x>b</iframe>", "a"),
        ("<o:p>a</o:p><!--[if mso]>b<![endif]--><![if !mso]>c<![endif]>", "ac"),
        (
            '<p style="color:red;position:fixed;background:url(http://x/y)">a</p>',
            '<p style="color:red">a</p>',
        ),
        ('<p class="x" id="y">a</p>', "<p>a</p>"),
        ("<p class=MsoNormal>a", '<p style="margin:0">a</p>'),
        (
            '<p class="MsoNormal" style="color:red;margin-bottom:1pt">a',
            '<p style="margin:0;color:red;margin-bottom:1pt">a</p>',
        ),
        ("<b>a<p>b", "<b>a<p>b</p></b>"),
        ("a < b & c", "a &lt; b &amp; c"),
        # pictures
        ('<img src="https://x/y.png" alt="z">', '<img src="https://x/y.png" alt="z">'),
        ('<img src="https://x/y" width=1 height=1>a', "a"),
        ('<img src="https://x/y" width="0">a', "a"),
        ('<img src="https://x/y" style="width:1px;height:1px">a', "a"),
        ('<img src="https://x/y" style="display:none">a', "a"),
        ('<div style="display: none"><b>b</b><img src="https://x/y"></div>a', "a"),
        ('<div style="visibility:hidden">b<div>c</div></div>a', "a"),
        (
            '<img src="https://x/y" width="1" height="20">',
            '<img src="https://x/y" width="1" height="20">',
        ),
        ('<img src="cid:logo@x">', "[image: logo.png]"),
        ('<img src="cid:logo%40x">', "[image: logo.png]"),
        ('<img src="cid:logo@x" alt="Our <b>">', "[image: Our &lt;b&gt;]"),
        ('<img src="cid:other">', "[image]"),
        ('<img src="data:image/png;base64,AAAA" alt="x">', "[image: x]"),
        ('<img src="data:image/png;base64,AAAA" alt="">a', "a"),
    ],
)
def test_what_is_let_through(source: str, expected: str) -> None:
    assert made(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("<p>a</p><p>b</p>", "a\n\nb"),
        ("<p class=MsoNormal>a<o:p></o:p><p class=MsoNormal>&nbsp;<p class=MsoNormal>b", "a\n\nb"),
        ('<p style="margin:0">a</p><p style="color:red;margin:0in 0in">b</p>', "a\nb"),
        ('<p style="margin:0 0 4px">a</p><p>b</p>', "a\n\nb"),
        ("a<br>b<br><br>c", "a\nb\n\nc"),
        ("<div>a<br></div><div>b</div>", "a\nb"),
        ("<div>a</div><div><br></div><div>b</div>", "a\n\nb"),
        ("  a \n b&nbsp; c  <b> d</b> ", "a b  c d"),
        ("<pre>\n  x\n\n\n    y</pre>z", "  x\n\n\n    y\n\nz"),
        ('<div style="white-space:pre-wrap">a  b\n <b>c</b></div>d', "a  b\n c\nd"),
        ("<ul><li>a<li>b</ul><ol><li>c<li>d<ul><li>e</ul></ol>", "• a\n• b\n\n1. c\n2. d\n\n• e"),
        ("<ol start=5><li>a<li value=9>b<li>c</ol>", "5. a\n9. b\n10. c"),
        ("<ol start=0><li>a<li>b</ol><ol start=x><li>c</ol>", "0. a\n1. b\n\n1. c"),
        ("<ol type=a start=26><li>a<li>b</ol>", "z. a\naa. b"),
        ("<ol type=I start=1998><li>a<li>b</ol>", "MCMXCVIII. a\nMCMXCIX. b"),
        (
            "a<blockquote>b<blockquote>c</blockquote>d</blockquote>e",
            "a\n\n> b\n>\n>> c\n>\n> d\n\ne",
        ),
        ("<table><tr><td>a<td>b<tr><td><p>c<td>d</table>e", "a  b\n\nc\n\nd\ne"),
        ("a<hr>b", "a\n--------------------\nb"),
        ('<img src="http://x/y" alt="our logo"><img src="http://x/y">a', "[image: our logo]a"),
        ('<a href="http://x/y">here</a>', "here"),
        ("&lt;b&gt; &amp;lt; &quot;&#x1F600;", '<b> &lt; "😀'),
        ("a\x01\x03b", "ab"),
        ("<p> </p>", ""),
    ],
)
def test_text_of_html(source: str, expected: str) -> None:
    assert text_of(made(source)) == expected


@given(st.text())
def test_plain_text_survives_html_and_back(text: str) -> None:
    written = "".join(sign for sign in text if sign.isprintable() or sign == "\n")
    lines = [line.rstrip() for line in written.replace("\xa0", " ").strip("\n").split("\n")]
    back = text_of(of_text(written)).split("\n")
    assert [line.rstrip() for line in back] == "\n".join(lines).rstrip().split("\n")


class Checked(HTMLParser):
    """Fails on what may not be in safe HTML, seen by another parser."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in {"script", "style", "iframe", "object", "embed", "form", "input", "svg"}
        assert tag not in {"base", "meta", "link", "html", "body", "title", "textarea"}
        for name, value in attrs:
            assert not name.startswith("on")
            assert name not in {"id", "class", "srcset", "background", "action"}
            if name in {"href", "src"}:
                assert (value or "").lower().startswith(("http:", "https:", "mailto:"))
            if name == "style":
                assert "url(" not in (value or "")
                assert "position" not in (value or "")
        if tag not in {"area", "br", "col", "hr", "img", "wbr"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def checked(html: str) -> None:
    parser = Checked()
    parser.feed(html)
    parser.close()
    assert parser.open == []


_pieces = st.sampled_from(
    [
        *("<p>", "</p>", "<b>", "</b>", "<div style='", "display:none", "'>", "</div>", "<a href="),
        *("javascript:x", "http://x/y", "cid:logo@x", "data:text/html,x", '"', "'", ">", "<", "/"),
        *("<script>", "</script>", "<style>", "</style>", "<img src=", "<img alt=", " onload=x "),
        *(
            "<table>",
            "<tr>",
            "<td>",
            "</table>",
            "<svg>",
            "<math>",
            "<title>",
            "<textarea>",
            "<!--",
        ),
        *("-->", "<![CDATA[", "]]>", "<?xml", "&lt;", "&#0;", "&nbsp;", "\0", "é", "😀", "\ud800"),
        *("<noscript>", "<template>", "<select>", "<option>", "<plaintext>", "<xmp>", "<pre>\n"),
        *("<blockquote>", "<ol>", "<li>", " width=1 height=1 ", "<br>", "<hr>", "x", " ", "\n"),
    ]
)


@settings(max_examples=250, deadline=None)
@given(st.lists(_pieces, max_size=30).map("".join) | st.text(max_size=200))
def test_any_html_is_safe_and_says_the_same_when_it_is_read_again(source: str) -> None:
    source = source.encode("utf-8", "replace").decode()
    html, _ = safe(source, FILES)
    checked(html)
    text = text_of(html)
    # By a parser as browsers have it: nothing in it turns into something else there.
    assert text_of(safe(html, {})[0]).replace(">", "").split() == text.replace(">", "").split()
    assert not set(text) & set("\0\x01\x02\x03\x04\x05\xa0")


@pytest.mark.parametrize(
    "piece",
    [
        *("<div>", "<b>", "<b><p>", "<ul><li>", "<table><tr><td>", "<font color=a>", "<a href=x>"),
        *("&", "&amp;", "<", "<p ", "a=b ", "<!--", "<style>", "<![endif]", '"', "data:image/png,"),
        *('<p style="display:none">', '<div style="display:none">', "<script>", "<title></title>"),
        *("<img alt=''>", "<blockquote>x", "</p>", "<pre> ", "x "),
    ],
)
def test_no_html_takes_quadratic_time(piece: str) -> None:
    # Quadratic time would show as minutes; the bound only has to be far from both.
    started = time.process_time()
    html, _ = safe(piece * (2_000_000 // len(piece)), {})
    text_of(html)
    assert time.process_time() - started < 8


def test_what_is_too_long_or_too_deep_says_so() -> None:
    html, notes = safe("<p>word</p>" * 100_000, {})
    assert "the HTML goes on" in html[-80:]
    assert notes == ("the HTML is 1,100,000 characters long: the first 524,285 were read",)
    assert len(html) < MOST_CHARACTERS + 100
    html, notes = safe("<div>" * 60_000 + "a &amp; b", {})
    assert (html.replace("<br>", ""), len(notes)) == ("a &amp; b", 1)
    assert "nested too deeply" in notes[0]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("a<STYLE>p{x:y}</style><script>c<d</script ><title>t</title>b", "ab"),
        ("a<!-- <p>c -->b<noscript>c</noscript>", "ab"),
        ("a<div style='DISPLAY : none'>c<div>d</div>e</div>b", "ab"),
        ("a<span style=display:none>c<p></span>b", "ab"),
        ("a<span style=display:none>never closed", "anever closed"),
        ("a<script>never closed", "anever closed"),
    ],
)
def test_of_what_is_too_deep_no_more_is_shown_than_a_reader_sees(source: str, text: str) -> None:
    html, notes = safe("<font>" * 300 + "<p>" * 800 + source, {})
    assert (html.replace("<br>", ""), len(notes)) == (text, 1)


def test_pictures_inside_the_html_do_not_count_for_its_length() -> None:
    picture = f'<img alt="p" src="data:image/png;base64,{"A" * 3_000_000}">'
    assert safe(f"a{picture}b", {}) == ("a[image: p]b", ())
