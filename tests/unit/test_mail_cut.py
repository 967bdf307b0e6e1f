"""What is too long is cut with a visible mark, at a character's or a tag's end."""

from __future__ import annotations

import re
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.errors import UnmappableRecord
from bulkload.mail.cut import LONGEST, cut_html, cut_line, cut_text, fitted, units
from bulkload.mail.html import safe

MARK = re.compile(r"\[… cut by bulkload: ([\d,]+) characters more\]")


def test_lengths_are_counted_in_utf_16() -> None:
    assert (units("abc"), units("é"), units("😀"), units("e\u0301")) == (3, 1, 2, 2)


@given(
    st.text(st.sampled_from("aé😀\u0301\u200d👍🏽 \n"), min_size=150, max_size=600),
    st.integers(200, 400),
)
def test_a_cut_text_fits_and_says_how_much_is_missing(text: str, room: int) -> None:
    cut = cut_text(text, room)
    assert units(cut) <= room
    if units(text) <= room:
        assert cut == text
        return
    mark = MARK.search(cut)
    assert mark is not None
    head = cut[: mark.start() - 1]
    assert text.startswith(head)
    assert int(mark[1].replace(",", "")) == len(text) - len(head)
    assert "\n" not in cut_line(text.replace("\n", " "), room)


@pytest.mark.parametrize("whole", ["e\u0301", "👍🏽", "👩\u200d💻", "❤\ufe0f", "😀"])
def test_no_character_is_cut_apart(whole: str) -> None:
    text = whole * 300
    for room in range(200, 230):
        head = cut_text(text, room).partition("\n")[0]
        assert len(head) % len(whole) == 0
        assert head
        assert not unicodedata.combining(head[0])


_html = st.lists(
    st.sampled_from(
        [
            *("<p>", "</p>", "<b>", "</b>", "<br>", "<table><tr><td>", "</table>", "word ", "é"),
            *("&amp;", "&lt;", "😀", '<a href="http://x/y">', "</a>", "<blockquote>", "<div>"),
            *('<img src="http://x/y">', "</div>", "<ul><li>"),
        ]
    ),
    min_size=20,
    max_size=150,
)


@given(_html, st.integers(200, 500))
def test_cut_html_fits_and_is_whole(pieces: list[str], room: int) -> None:
    html, _ = safe("".join(pieces), {})
    cut = cut_html(html, room)
    assert units(cut) <= max(room, units(html) if units(html) <= room else 0)
    assert safe(cut, {})[0] == cut  # what the sanitiser's parser leaves alone is well formed
    assert bool(MARK.search(cut)) == (units(html) > room)


@pytest.mark.parametrize("text", ["é" * 2_000_000, "\u0301" * 2_000_000, "<p>a</p>" * 500_000])
def test_a_cut_takes_linear_time(text: str) -> None:
    started = time.process_time()
    assert units(cut_text(text, LONGEST)) <= LONGEST
    assert units(cut_html(text, LONGEST)) <= LONGEST
    assert time.process_time() - started < 3


def test_cut_or_reject() -> None:
    text = "secret" * 20_000
    assert fitted("hs_email_text", "short", "reject", cut_text) == ("short", "")
    assert fitted("x", "é" * LONGEST, "reject", cut_text)[1] == ""
    cut, note = fitted("hs_email_text", text, "cut", cut_text)
    assert units(cut) <= LONGEST
    assert note == "hs_email_text was cut from 120,000 to 65,536 characters"
    with pytest.raises(
        UnmappableRecord, match=r"hs_email_text is 120,000 .* 65,536.*--too-long"
    ) as error:
        fitted("hs_email_text", text, "reject", cut_text)
    assert "secret" not in str(error.value)
