"""Message bytes → Email: the oddities of real mail, and that nothing crashes it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulkload.errors import RecordError, UnreadableRecord
from bulkload.mail.charsets import codec
from bulkload.mail.filters import Filters
from bulkload.mail.headers import as_written
from bulkload.mail.japanese import euc_jp, iso_2022_jp
from bulkload.mail.read import read_email
from bulkload.mail.text import clean, decoded, header_text
from bulkload.mail.words import words
from bulkload.model import Address, Email, Position, Record
from bulkload.records.rules import Rules
from tests.making import mapped

EVERYTHING = Rules(filters=Filters(leave_out=frozenset()))
DATE = "Date: Mon, 01 Jan 2024 10:00:00 +0000\n"
MOMENT = 1_704_103_200_000
CORPUS = Path(
    os.environ.get("BULKLOAD_MAIL_CORPUS")
    or Path(__file__).resolve().parents[2].parent / "shared" / "mail-corpus"
)


def read(text: str | bytes) -> Email:
    return read_email(text.encode() if isinstance(text, str) else text)


def test_a_plain_message() -> None:
    email = read(
        'From: Ada Lovelace <ada@x.org>\nTo: b@x.org, "Doe, John" <c@x.org>\nCc: d@x.org\n'
        f"Subject: Hello\n  there\nMessage-ID: <1@x>\n{DATE}\nbody\n"
    )
    assert email == Email(
        sent_at=MOMENT,
        subject="Hello there",
        text="body\n",
        html="",
        from_=(Address("ada@x.org", "Ada", "Lovelace"),),
        to=(Address("b@x.org"), Address("c@x.org", "John", "Doe")),
        cc=(Address("d@x.org"),),
        message_id="1@x",
    )


@pytest.mark.parametrize("blanks", [" ", "  ", " \t"])
def test_a_from_header_with_blanks_before_its_colon_is_no_mbox_line(blanks: str) -> None:
    email = read(f"From{blanks}: a@b.example\nSubject: x\n\n>From me\n")
    assert [each.email for each in email.from_] == ["a@b.example"]
    assert email.text == ">From me\n"


@pytest.mark.parametrize("raw", [b"", b"\n\r\n", b" \0 ", b"From a@b Mon Jan  1 10:00:00 2024\n\n"])
def test_an_empty_message_is_unreadable(raw: bytes) -> None:
    with pytest.raises(UnreadableRecord, match="empty"):
        read_email(raw)


def test_from_is_unescaped_only_after_an_mbox_line() -> None:
    body = ">From me\n>>From you\n> From\n"
    assert read(f"From a@b Mon Jan  1 10:00:00 2024\nSubject: x\n\n{body}").text == (
        "From me\n>From you\n> From\n"
    )
    assert read(f"Subject: x\n\n{body}").text == body


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", "plain"),
        ("=?utf-8?Q?caf=C3=A9?=", "café"),
        ("=?iso-8859-1?q?a_b=E9?= c", "a bé c"),
        ("=?utf-8?B?Y2Fmw6k=?= =?utf-8?B?IQ==?=", "café!"),
        ("=?utf-8?B?w?= x", "=?utf-8?B?w?= x"),  # no base64
        ("=?utf-8?B?w6k?=", "é"),  # no padding
        ("=?utf-8?B?ww==?=\r\n =?utf-8?B?qQ==?=", "é"),  # a letter cut across words
        ("=?nonsense?Q?=C3=A9?=", "é"),
        ("=?hex?Q?6162?=", "6162"),
        ("=?utf-8*en?Q?x?=", "x"),
        ("a=?utf-8?Q?b?=c", "abc"),
        ("=?utf-8?Q?=00x?=", "x"),
        ("=?utf-7?Q?+2AA-?=", "\ufffd"),
        ("=?iso-8859-1?Q?Fr\xf6sche?=", "Frösche"),
        ("=?=?=", "=?=?="),
        ("=?UTF-8?b?w6k=?=", "é"),  # in the other case
        ("=?utf-8?Q?two words?=", "two words"),  # blanks inside
        ("=?utf-8?Q?What?_=3F?=", "What? ?"),  # a question mark inside
        ("=?utf-8?Q?a=?=", "a="),  # one that nobody encoded
        ("=?utf-8?Q?a=", "a"),  # cut off
        ("=?gb2312?B?1tDO?= =?GBK?B?xA==?=", "中文"),  # of one codec by two names
        ("=?utf-8?Q?caf=C3=A9", "café"),  # cut off
        ("=?utf-8?Q?a?==?utf-8?Q?b?=", "ab"),  # glued together
        ("=?utf-8?Q?a?=\t=?iso-8859-1?Q?=E9?=", "aé"),
        ("=?utf-8?Q?a?= b =?utf-8?Q?c?=", "a b c"),
        ('"=?utf-8?Q?a?="', '"a"'),
        ('=?"utf-8"?Q?=C3=A9?=', "é"),
        ("=?utf-8?X?a?=", "=?utf-8?X?a?="),
        ("=?utf-8?B?Y2Fm w6k=?=", "café"),
        ("=?x-unknown?Q?caf=E9?=", "café"),
        ("=?windows-1251?Q?=CF=F0=E8=E2=E5=F2?=", "Привет"),
        ("=?iso-2022-jp?B?GyRCNEE7ehsoQg==?=", "漢字"),
    ],
)
def test_encoded_words(value: str, expected: str) -> None:
    assert words(value) == expected


def part(kind: str, content: str, *headers: str) -> str:
    return "\n".join([f"Content-Type: {kind}", *headers, "", content, ""])


def multipart(kind: str, *parts: str) -> str:
    joined = "".join(f"--=B{len(kind)}\n{one}" for one in parts)
    return (
        f'Content-Type: multipart/{kind}; boundary="=B{len(kind)}"\n\n{joined}--=B{len(kind)}--\n'
    )


def test_text_and_html_and_attachments() -> None:
    email = read(
        "MIME-Version: 1.0\n"
        + multipart(
            "mixed",
            multipart("alternative", part("text/plain", "plain"), part("text/html", "<p>html")),
            part("image/png; name=a.png", "x", "Content-Disposition: inline"),
            part("text/plain", "notes", 'Content-Disposition: attachment; filename="n.txt"'),
            part(
                "application/pdf", "x", "Content-Disposition: attachment; filename*=utf-8''%C3%A9"
            ),
            part("message/rfc822", "Subject: inner\n\ninner body"),
            part("text/plain", "footer"),
        )
    )
    assert email.text == "plain\nfooter"
    assert email.html.startswith("<p>html</p>\n<div")
    assert [file.name for file in email.attachments] == ["a.png", "n.txt", "é", "message.eml"]


def test_a_forward_shows_what_it_forwards() -> None:
    email = read("Subject: Fwd\n" + part("message/rfc822", "Subject: inner\n\ninner body"))
    assert email.text.strip() == "inner body"
    assert [file.name for file in email.attachments] == ["message.eml"]


@pytest.mark.parametrize(
    ("charset", "raw", "expected"),
    [
        ("utf-8", b"caf\xc3\xa9", "café"),
        ("us-ascii", b"caf\xc3\xa9", "café"),
        ("us-ascii", b"caf\xe9", "café"),
        ("iso-8859-1", b"\x80", "€"),
        ("nonsense", b"caf\xc3\xa9", "café"),
        ("nonsense", b"caf\xe9", "café"),
        ("idna", b"caf\xe9." * 9, "café." * 9),
        ("utf-8", b"caf\xe9", "café"),
        ("hex", b"6162", "6162"),
        ("utf-8", b"a\0b", "ab"),
        ("gb2312", "漢字".encode("gb18030"), "漢字"),
        ("ks_c_5601-1987", "한글".encode("cp949"), "한글"),
        ("shift_jis", b"\x81", "\ufffd"),
        ("a\0b", b"x", "x"),
        ("utf-16", b"\xff\xfeA\0", "A"),
        ("", b"\xff\xfeA\0\xe9\0", "Aé"),
        ("utf-8", b"\xef\xbb\xbfA", "A"),
    ],
)
def test_charsets(charset: str, raw: bytes, expected: str) -> None:
    assert decoded(raw, charset) == expected


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("koi8-r", "Уважаемые коллеги! Приглашаем вас принять участие в семинаре."),
        ("cp1251", "Уважаемые коллеги! Приглашаем вас принять участие в семинаре."),
        ("iso-8859-7", "Καλημέρα σας, πώς είστε σήμερα"),
        ("cp1255", "שלום לכולם, הפגישה מחר בשעה עשר"),
        ("cp1256", "مرحبا، الاجتماع غدا صباحا"),
        ("gb18030", "您好，请查收附件中的发票，谢谢！"),
        ("big5", "您好，請查收附件中的發票，謝謝！"),
        ("shift_jis", "お世話になっております。株式会社の山田です。"),
        ("euc-jp", "お世話になっております。株式会社の山田です。"),
        ("euc-kr", "첨부 파일을 확인해 주시기 바랍니다. 감사합니다."),
        ("cp1252", "Liebe Grüße aus München"),
        ("cp1252", "El próximo año también habrá reunión"),
    ],
)
def test_a_charset_that_is_missing_or_no_charset_is_told_by_the_bytes(
    charset: str, text: str
) -> None:
    raw = text.encode(charset)
    assert decoded(raw) == text
    assert decoded(raw, "x-unknown") == text
    assert decoded(raw, "us-ascii") == text
    assert decoded(raw, charset) == text


def test_a_charset_that_fits_all_but_a_few_bytes_is_kept() -> None:
    raw = "Привет, как дела? Это письмо".encode()
    assert decoded(raw + b"\xd0", "utf-8") == "Привет, как дела? Это письмо\ufffd"
    assert decoded("漢字漢字漢字".encode("gb18030") + b"\xff", "gb2312") == "漢字漢字漢字\ufffd"


@pytest.mark.parametrize(
    "text", ["Viele Grüße aus München, Ihr Müller", "Olá, até amanhã", "Zażółć gęślą"]
)
@pytest.mark.parametrize("torn", [b"\xe2\x82", b"\xff"])
def test_a_damaged_place_costs_utf8_no_other_letter(text: str, torn: bytes) -> None:
    assert decoded(text.encode() + torn, "utf-8") == f"{text}\ufffd"
    assert decoded(text.encode() + torn) == f"{text}\ufffd"
    assert header_text(b"x " + text.encode() + torn, "us-ascii") == f"x {text}\ufffd"


def test_halves_of_a_character_that_utf8_was_written_of_cost_no_other_letter() -> None:
    raw = "Grüße \ud83d\ude00, Müller".encode("utf-8", "surrogatepass")
    assert decoded(raw, "utf-8") == decoded(raw) == "Grüße 😀, Müller"


BY_WINDOWS = b"\x1b$B$*@$OC!#-!8+@Q=q\x1b(B\n"
"""With a letter that NEC added, as every Japanese mailer writes it."""


@pytest.mark.parametrize(
    "name", ["iso-2022-jp", "ISO-2022-JP-2", "csISO2022JP", "cp50221", "us-ascii", "utf-8", ""]
)
def test_japanese_is_read_as_it_is_written(name: str) -> None:
    assert decoded(BY_WINDOWS, name) == "お世話。①見積書\n"
    assert decoded("日本語テスト\n".encode("iso2022_jp"), name) == "日本語テスト\n"
    assert header_text(BY_WINDOWS[:-1], name) == "お世話。①見積書"


def test_what_is_torn_of_japanese_costs_none_of_its_neighbours() -> None:
    assert decoded(b"a \x1b$B$*@$O\x1b(B b", "iso-2022-jp") == "a お世\ufffd b"
    assert decoded(b"\x1b$B$*@$OC!#\nplain\n\x1b$B-j\x1b(B", "iso-2022-jp") == "お世話。\nplain\n㈱"
    assert decoded(b"\x1b(I1\x1b$(D0!\x1b$B-!\x1b(B", "iso-2022-jp") == "ｱ丂①"
    assert decoded("日本語 ".encode("euc_jp") + b"\xad\xa1\xad\xea\xfc\xe2\xa4", "euc-jp") == (
        "日本語 ①㈱髙\ufffd"
    )


@given(st.text("あアン漢字表能、。１Ａ", max_size=9), st.sampled_from(["iso2022_jp", "euc_jp"]))
def test_the_loose_reading_reads_what_the_strict_one_does(text: str, name: str) -> None:
    assert {"iso2022_jp": iso_2022_jp, "euc_jp": euc_jp}[name](text.encode(name)) == text


@pytest.mark.parametrize(
    ("name", "codec_name", "text"),
    [
        ("iso-2022-kr", "iso2022_kr", "안녕하세요"),
        ("utf7", "utf-7", "Grüße"),
        ("x-unicode-2-0-utf-7", "utf-7", "Grüße"),
        ("utf-16le", "utf-16-le", "Привет"),
        ("ucs-2", "utf-16-be", "Привет\n"),
        ("utf-16", "ascii", "plain text\n"),
        ("hz-gb-2312", "hz", "你好"),
    ],
)
def test_what_is_written_below_0x80_is_read_by_its_name(
    name: str, codec_name: str, text: str
) -> None:
    assert decoded(text.encode(codec_name), name) == text


def test_one_bad_place_costs_utf16_and_utf7_no_other_letter() -> None:
    assert decoded("Привет".encode("utf-16-le") + b"\x1f", "utf-16le") == "Привет\ufffd"
    assert decoded(b"Gr+APwA3w-e, M+APw-ller +!", "utf-7") == "Grüße, Müller \ufffd"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        *(("UTF8", "utf-8"), ("utf-8;", "utf-8"), ('"utf-8"', "utf-8"), ("charset=utf-8", "utf-8")),
        *(("Windows-1252", "cp1252"), ("cp-1252", "cp1252"), ("win1251", "cp1251")),
        *(("x-windows-949", "cp949"), ("windows-936", "gb18030"), ("x-gbk", "gb18030")),
        *(
            ("ISO-8859-1", "cp1252"),
            ("latin1", "cp1252"),
            ("x-sjis", "cp932"),
            ("ms936", "gb18030"),
        ),
        *(
            ("unicode-1-1-utf-7", "utf-7"),
            ("x-mac-roman", "mac-roman"),
            ("ANSI_X3.4-1968", "utf-8"),
            ("csISOLatin1", "cp1252"),
            ("iso8859_1", "cp1252"),
            ("csShiftJIS", "cp932"),
            ("csISO58GB231280", "gb18030"),
            ("x-x-big5", "big5hkscs"),
            ("DOS-862", "cp862"),
            ("latin-9", "iso8859-15"),
            ("cp65001", "utf-8"),
            ("windows-936", "gb18030"),
            ("cp950", "big5hkscs"),
        ),
    ],
)
def test_the_charsets_that_names_mean(name: str, meant: str) -> None:
    assert codec(name) == meant
    "".encode(meant)


@given(st.binary(max_size=60), st.text(max_size=12) | st.sampled_from(["utf-7", "hz", "gb2312"]))
def test_whatever_bytes_are_said_to_be_in_they_become_clean_text(raw: bytes, charset: str) -> None:
    text = decoded(raw, charset)
    assert "\0" not in text
    text.encode()


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("<a@x>", ("a@x",)),
        ("a@x", ("a@x",)),
        (" <a@x> <b@x>\n <c@x>", ("a@x", "b@x", "c@x")),
        ("<a@x><b@x>, <a@x>", ("a@x", "b@x")),
        ("< a@x >", ("a@x",)),
        ("Your message of Monday <a@x>", ("a@x",)),
        ("a@x b@x", ("a@x", "b@x")),
        ("<no-at-sign>", ("no-at-sign",)),
        ("<a@x", ("a@x",)),
        ("", ()),
    ],
)
def test_message_ids(header: str, expected: tuple[str, ...]) -> None:
    email = read(f"References: {header}\nIn-Reply-To: {header}\nMessage-ID: {header}\n\nx")
    assert email.references == expected
    assert email.in_reply_to == email.message_id == (expected[0] if expected else "")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Inbox,Important", ("Inbox", "Important")),
        ('Inbox,"Projects, 2024",Sent', ("Inbox", "Projects, 2024", "Sent")),
        ("=?UTF-8?Q?Gel=C3=B6scht,Wichtig?=", ("Gelöscht", "Wichtig")),
        ("=?UTF-8?Q?Gel=C3=B6?=\n =?UTF-8?Q?scht?=", ("Gelöscht",)),
        ("a,,a , b", ("a", "b")),
        ("", ()),
    ],
)
def test_gmail_labels_and_threads(header: str, expected: tuple[str, ...]) -> None:
    email = read(f"X-Gmail-Labels: {header}\nX-GM-THRID: 17876\n\nx")
    assert (email.labels, email.thread_id) == (expected, "17876")


def test_surrogates_and_nul_are_cleaned() -> None:
    assert clean("a\ud800b\0c") == "a\ufffdbc"
    assert clean("\ud83d\ude00") == "\U0001f600"


@pytest.mark.parametrize(
    "raw",
    [
        b"Content-Transfer-Encoding: base64\n\n!!!not base64",
        b"Content-Transfer-Encoding: x-uuencode\n\nbegin 644 x\n!!!",
        b"Content-Transfer-Encoding: \xff\n\nbody",
        b"Content-Type: text/plain; charset*=\xff''x\n\nbody",
        b"Content-Type: multipart/mixed\n\nno boundary",
        b'Content-Type: multipart/mixed; boundary=""\n\n--\n\nbody',
        b"Content-Type: ;;;===\n\nbody",
    ],
)
def test_a_body_that_can_not_be_decoded_is_taken_as_written(raw: bytes) -> None:
    assert read(raw).text.strip()


def test_parts_nested_without_end_are_still_a_message() -> None:
    nested = "".join(
        f"Content-Type: multipart/mixed; boundary=b{at}\n\n--b{at}\n" for at in range(3000)
    )
    email = read(f"Subject: deep\n{DATE}{nested}\nend")
    assert (email.subject, email.sent_at) == ("deep", MOMENT)


def test_a_stray_line_among_the_headers_costs_none_of_them() -> None:
    email = read(f"Subject: one\nstray fold\nFrom: a@x\n{DATE}\nbody\n")
    assert (email.sent_at, email.text) == (MOMENT, "body\n")
    assert email.from_ == (Address("a@x"),)
    assert "taken as part of the one before" in email.notes[0]
    assert read(f"garbage first\nSubject: x\n{DATE}\nbody").subject == "x"


@pytest.mark.parametrize("piece", [";", "(", "a", ",", "=?utf-8?q?", "<", '"', "a@b,", "\n x"])
@pytest.mark.parametrize("header", ["To", "Subject", "Date", "Content-Type"])
def test_a_header_of_a_quarter_megabyte_takes_no_quadratic_time(header: str, piece: str) -> None:
    # Quadratic time would show as minutes; the bound only has to be far from both.
    started = time.process_time()
    read(f"{header}: {piece * (250_000 // len(piece))}\n\nbody")
    assert time.process_time() - started < 3


def test_a_page_or_bare_text_is_a_message_without_headers() -> None:
    email = read("<!DOCTYPE html>\n<html><body>x</body></html>\n")
    assert (email.html, email.text) == ("x", "x")
    assert email.notes == ("the message has no headers",)
    assert read("just words\n\nand more").text == "just words\n\nand more"


def test_headers_as_written_are_bytes_for_keys() -> None:
    raw = b"From: =?utf-8?Q?x?=\r\n <a@x>\r\nDATE:  caf\xe9 \r\nfrom: second\r\n\r\nMessage-ID: no"
    assert as_written(raw, ["Message-ID", "Date", "From"]) == {
        "from": b"=?utf-8?Q?x?= <a@x>",
        "date": b"caf\xe9",
    }


def check(raw: bytes) -> Email | None:
    try:
        email = read_email(raw)
    except UnreadableRecord:
        return None
    names = [file.name for file in email.attachments]
    texts = [email.subject, email.text, email.html, email.message_id, *names]
    people = (*email.from_, *email.to, *email.cc, *email.bcc, *email.sender)
    for text in [*texts, *(value for person in people for value in person)]:
        assert "\0" not in text
        text.encode()  # no lone surrogate
    assert email.sent_at is None or 0 < email.sent_at < 4_200_000_000_000
    assert all("@" in person.email for person in people)
    return email


@given(st.binary(max_size=400))
def test_random_bytes_never_crash(raw: bytes) -> None:
    check(raw)


_pieces = st.sampled_from(
    [
        *(b"From: ", b"To: ", b"Date: ", b"Subject: ", b"Content-Type: ", b"Received: x; "),
        *(b"Content-Transfer-Encoding: ", b"Content-Disposition: attachment; filename", b"Cc: "),
        *(b"base64", b"quoted-printable", b"x-uuencode", b"multipart/mixed; boundary=", b"b"),
        *(b"message/rfc822", b"text/html; charset=", b"utf-7", b"idna", b"*0*=", b"*=utf-8''%"),
        *(b"\n", b"\r\n", b"\n\n", b"\n ", b"--b\n", b"--b--\n", b"=?utf-8?B?", b"?=", b'"', b"("),
        *(b"<a@x>", b"a@x", b",", b";", b":", b"\\", b"[", b"=", b"=E9", b"\xe9", b"\0", b"\xff"),
        *(b"Mon, 01 Jan 2024 10:00:00 +0000", b"99999", b"-", b"From x\n", b">From x\n", b"="),
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(_pieces, max_size=40).map(b"".join))
def test_mail_like_bytes_never_crash(raw: bytes) -> None:
    check(raw)


def corpus() -> list[Path]:
    if not CORPUS.is_dir():
        pytest.skip("no mail corpus: set BULKLOAD_MAIL_CORPUS to a folder of real messages")
    return sorted(path for path in CORPUS.glob("*/*") if path.suffix in {".eml", ".txt"})


def test_every_message_of_the_corpus_ends_as_an_email_or_an_error() -> None:
    good = 0
    paths = corpus()
    for path in paths:
        raw = path.read_bytes()
        email = check(raw)
        record = Record(Position(path.name, 1), "mail", raw)
        if email is None or email.sent_at is None:
            with pytest.raises(RecordError, match=r"no usable date|no headers|is empty"):
                mapped(record, EVERYTHING)
        else:
            assert mapped(record, EVERYTHING).properties["hs_timestamp"] == str(email.sent_at)
            good += 1
    print(f"{good} of {len(paths)} map")
    assert good >= len(paths) * 6 // 10


@settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=150)
@given(choice=st.data())
def test_mutated_messages_never_crash(choice: st.DataObject) -> None:
    raw = bytearray(choice.draw(st.sampled_from(corpus())).read_bytes()[:4000])
    for _ in range(choice.draw(st.integers(1, 8))):
        at = choice.draw(st.integers(0, max(len(raw) - 1, 0)))
        length = choice.draw(st.integers(0, 30))
        raw[at : at + length] = choice.draw(st.binary(max_size=6) | _pieces)
    check(bytes(raw))
