"""Dates as real mail writes them, and the UTC time that each means."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.mail.instants import instant
from bulkload.mail.read import read_email

FORMS = [
    # RFC 5322, as nearly all of it.
    ("Mon, 15 Jan 2024 10:20:30 +0000", "2024-01-15 10:20:30"),
    ("Mon, 15 Jan 2024 10:20:30 +0100 (CET)", "2024-01-15 09:20:30"),
    ("Mon, 15 Jan 2024 10:20:30 -0800 (PST)", "2024-01-15 18:20:30"),
    ("15 Jan 2024 10:20:30 +0530", "2024-01-15 04:50:30"),
    ("Mon, 15 Jan 2024 10:20 +0000", "2024-01-15 10:20:00"),
    ("Mon,  5 Feb 2024 10:20:30 -0000", "2024-02-05 10:20:30"),
    ("Thu, 29 Feb 2024 23:59:59 -0330", "2024-03-01 03:29:59"),
    ("Sun, 31 Dec 2023 23:30:00 -1200", "2024-01-01 11:30:00"),
    ("Fri, 05 Jan 2024 10:20:30 +1400", "2024-01-04 20:20:30"),
    ("Sat, 31 Dec 2016 23:59:60 +0000", "2016-12-31 23:59:59"),  # a leap second
    # RFC 822 and 1123: years of two digits, zones by name.
    ("Fri, 21 Nov 97 09:55:06 GMT", "1997-11-21 09:55:06"),
    ("15 Jan 24 05:20:30 EST", "2024-01-15 10:20:30"),
    ("Sun, 27 Oct 2002 23:57:07 PDT", "2002-10-28 06:57:07"),
    ("Mon, 15 Jul 2024 12:20:30 CEST", "2024-07-15 10:20:30"),
    ("Mon, 15 Jul 2024 12:20:30 MESZ", "2024-07-15 10:20:30"),
    ("Mon Jul 15 12:20:30 MET DST 2024", "2024-07-15 10:20:30"),
    ("Mon, 15 Jan 2024 10:20:30 UT", "2024-01-15 10:20:30"),
    ("Mon, 15 Jan 2024 10:20:30 Z", "2024-01-15 10:20:30"),
    ("Thu, 10 Jul 1997 14:53:31 EST5EDT", "1997-07-10 19:53:31"),
    ("Mon, 15 Jan 2024 19:20:30 JST", "2024-01-15 10:20:30"),
    # Offsets as programs write them that put them there by hand.
    ("Mon, 15 Jan 2024 10:20:30 GMT+0200", "2024-01-15 08:20:30"),
    ("Mon, 15 Jan 2024 10:20:30 GMT-3", "2024-01-15 13:20:30"),
    ("Mon, 15 Jan 2024 10:20:30 UTC+01:00", "2024-01-15 09:20:30"),
    ("Mon, 15 Jan 2024 10:20:30 +01:00", "2024-01-15 09:20:30"),
    ("Mon, 15 Jan 2024 10:20:30 +1", "2024-01-15 09:20:30"),
    ("Mon, 15 Jan 2024 10:20:30 0000", "2024-01-15 10:20:30"),
    ("Mon, 15 Jan 2024 10:20:30 0100", "2024-01-15 09:20:30"),
    ("Mon, 15 Jan 2024 10:20:30 + 0100", "2024-01-15 09:20:30"),
    ("Mon, 15 Jan 2024 10:20:30 (GMT+01:00)", "2024-01-15 09:20:30"),
    ("Mon, 15 Jan 2024 10:20:30 Eastern Standard Time", "2024-01-15 15:20:30"),
    ("Mon, 15 Jan 2024 10:20:30 W. Europe Standard Time", "2024-01-15 09:20:30"),
    # asctime and ctime, with a zone anywhere or nowhere.
    ("Mon Jan 15 10:20:30 2024", "2024-01-15 10:20:30"),
    ("Mon Jan 15 10:20:30 2024 +0100", "2024-01-15 09:20:30"),
    ("Mon Jan 15 10:20:30 CET 2024", "2024-01-15 09:20:30"),
    ("Mon Jan 15 10:20:30 +0000 2024", "2024-01-15 10:20:30"),
    ("Mon, Jan 15, 2024 10:20:30 AM", "2024-01-15 10:20:30"),
    ("Mon Jan 15 2024 10:20:30 GMT+0100 (Central European Standard Time)", "2024-01-15 09:20:30"),
    # ISO 8601 and its kin.
    ("2024-01-15T10:20:30Z", "2024-01-15 10:20:30"),
    ("2024-01-15T10:20:30.250+01:00", "2024-01-15 09:20:30.250"),
    ("2024-01-15 10:20:30 +0100", "2024-01-15 09:20:30"),
    ("2024-01-15 10:20:30", "2024-01-15 10:20:30"),
    ("2024/01/15 10:20:30", "2024-01-15 10:20:30"),
    ("20240115T102030Z", "2024-01-15 10:20:30"),
    ("2024-01-15", "2024-01-15 00:00:00"),
    # Twelve hours, dots, dashes, slashes.
    ("Monday, January 15, 2024 10:20 PM", "2024-01-15 22:20:00"),
    ("15 Jan 2024 12:05:00 a.m. -0500", "2024-01-15 05:05:00"),
    ("1/15/2024 3:45:12 PM", "2024-01-15 15:45:12"),
    ("15/01/2024 10:20:30", "2024-01-15 10:20:30"),
    ("15.01.2024 10:20", "2024-01-15 10:20:00"),
    ("Mon, 15-Jan-2024 10:20:30 GMT", "2024-01-15 10:20:30"),
    ("15-Jan-24 10.20.30", "2024-01-15 10:20:30"),
    ("Mon, 15.Jan.2024 10:20:30 +0100", "2024-01-15 09:20:30"),
    # In the language of the mailer's user.
    ("Mo, 15 Mai 2023 10:20:30 +0200", "2023-05-15 08:20:30"),
    ("Montag, 15. März 2024 10:20", "2024-03-15 10:20:00"),
    ("lun., 15 janv. 2024 10:20:30 +0100", "2024-01-15 09:20:30"),
    ("mar., 2 févr. 2024 10:20:30 +0100", "2024-02-02 09:20:30"),
    ("lunes, 15 de enero de 2024 10:20:30 +0100", "2024-01-15 09:20:30"),
    ("lun, 15 gen 2024 10.20.30 +0100", "2024-01-15 09:20:30"),
    ("ma, 15 mrt 2024 10:20:30 +0100", "2024-03-15 09:20:30"),
    ("seg, 15 out 2023 10:20:30 -0300", "2023-10-15 13:20:30"),
    ("Пн, 15 янв 2024 10:20:30 +0300", "2024-01-15 07:20:30"),
    ("2024年1月15日 10:20:30 +0900", "2024-01-15 01:20:30"),
    # Written by broken programs.
    ("Mon 15 Jan 2024 10:20:30 +0100", "2024-01-15 09:20:30"),  # no comma
    ("Mon, 15 Jan 2024 10:20:30+0100", "2024-01-15 09:20:30"),  # no blank
    ("Mon,15 Jan 2024 10:20:30 +0100", "2024-01-15 09:20:30"),
    ("MON, 15 JAN 2024 10:20:30 +0100", "2024-01-15 09:20:30"),
    ("Mon, 15 January 2024 9:05:07 +0100", "2024-01-15 08:05:07"),
    ("Mon, 15 Jan 2024 10:20:30 +0100 (CET) (envelope-from <a@x>)", "2024-01-15 09:20:30"),
    ("Mon, 15 Jan 2024 ((a (nested) comment) 10:20:30 +0100", "2024-01-15 09:20:30"),
    ("Date: Mon, 15 Jan 2024 10:20:30 +0100", "2024-01-15 09:20:30"),
    ("Mon, 03 Jan 100 10:20:30 +0000", "2000-01-03 10:20:30"),  # the year 2000, by old programs
    ("Mon, 03 Jan 19100 10:20:30 +0000", "2000-01-03 10:20:30"),
    ("Mon, 15 Jan 2024 24:00:00 +0000", "2024-01-16 00:00:00"),
    ("Mon, 15 Jan 2024 10:20:30 +9999", "2024-01-15 10:20:30"),  # no such zone
    ("Mon, 15 Jan 2024 10:20:30 A", "2024-01-15 10:20:30"),  # RFC 5322 4.3: means nothing
    ("20 11 79 05:34:27 -0300", "1979-11-20 08:34:27"),
]

NO_DATES = [
    ("", "empty"),
    ("   ", "empty"),
    ("Whenever", "not readable"),
    ("Mon, 15 Zzz 2024 10:20:30 +0000", "not readable"),
    ("some numbers 0 1 2 but no date", "not readable"),
    ("Mon, 32 Jan 2024 10:20:30 +0000", "a day that there is not"),
    ("Tue, 30 Feb 2024 10:20:30 +0000", "that there is not"),
    ("Mon, 15 Jan 2024 25:20:30 +0000", "not readable"),
    ("Thu, 01 Jan 1970 00:00:00 +0000", "in the year 1970"),
    ("Fri, 01 Jan 1904 00:00:00 +0000", "in the year 1904"),
    ("Sat, 01 Jan 2101 00:00:00 +0000", "in the year 2101"),
    ("Thu, 01 Jan 1066 00:00:00 +1200", "in the year 1066"),
    ("Fri, 31 Dec 9999 23:59:59 -1200", "in the year 9999"),
    ("99999999999999999999 Jan 2024 10:00:00 +0000", "not readable"),
    ("0000-00-00 00:00:00", "in the year 0"),
]


def millis(utc: str) -> int:
    when = datetime.fromisoformat(utc).replace(tzinfo=UTC)
    return round(when.timestamp() * 1000)


@pytest.mark.parametrize(("written", "utc"), FORMS)
def test_a_date_as_it_is_written_is_the_time_that_it_means(written: str, utc: str) -> None:
    assert instant(written).at == millis(utc)


@pytest.mark.parametrize(("written", "why"), NO_DATES)
def test_what_is_no_date_says_why(written: str, why: str) -> None:
    found = instant(written)
    assert found.at is None
    assert why in found.note


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("Mon, 15 Jan 2024 10:20:30", "2024-01-15 09:20:30"),  # winter
        ("Mon, 15 Jul 2024 10:20:30", "2024-07-15 08:20:30"),  # summer
        ("Mon, 15 Jan 2024 10:20:30 +0000", "2024-01-15 10:20:30"),
        ("Mon, 15 Jan 2024 10:20:30 +9999", "2024-01-15 09:20:30"),
    ],
)
def test_a_date_without_a_zone_is_of_the_zone_that_is_named(written: str, utc: str) -> None:
    found = instant(written, "Europe/Berlin")
    assert found.at == millis(utc)
    assert ("taken as Europe/Berlin" in found.note) == ("+0000" not in written)


@pytest.mark.parametrize(
    ("written", "note"),
    [
        ("Mon, 15 Jan 2024 10:20:30 +0100", ""),
        ("Mon, 15 Jan 2024 10:20:30", "has no time zone"),
        ("Mon Jan 15 10:20:30 2024", "has no time zone"),
        ("Mon, 15 Jan 2024 10:20:30 XYZ", "has no known time zone"),
        ("Mon, 15 Jan 2024 10:20:30 +9999", "has no known time zone"),
        ("2024-01-15Z", "has no time of day"),
        ("3/4/2024 10:20 +0000", "the other way round"),
        ("3/4/2024 10:20 AM +0000", ""),
    ],
)
def test_what_was_guessed_is_said(written: str, note: str) -> None:
    found = instant(written)
    assert found.at is not None
    assert (note in found.note) if note else not found.note


def test_the_date_falls_back_to_the_mbox_line_and_then_to_the_first_hop() -> None:
    received = (
        "Received: from b by c; Mon, 15 Jan 2024 10:20:35 +0000\n"
        "Received: from a by b;\n\tMon, 15 Jan 2024 10:20:30 +0000\n"
    )
    message = f"{received}Subject: x\nDate: Thu, 01 Jan 1970 00:00:00 +0000\n\nb"
    email = read_email(message.encode())
    assert email.sent_at == millis("2024-01-15 10:20:30")
    assert email.notes == (
        "the date of the Date header is in the year 1970",
        "the date is that of the Received header",
    )
    email = read_email(f"From a@b Mon Jan 15 10:00:00 2024\n{received}\nb".encode(), "Asia/Tokyo")
    assert email.sent_at == millis("2024-01-15 01:00:00")
    assert email.notes == (
        "the date of the mbox line has no time zone, and is taken as Asia/Tokyo",
        "the date is that of the mbox line",
    )
    assert read_email(b"Subject: x\n\nb").sent_at is None


@given(st.datetimes(datetime(1972, 1, 1), datetime(2099, 12, 31)), st.integers(-719, 839))  # noqa: DTZ001
def test_every_rfc_5322_date_is_read_exactly(when: datetime, east: int) -> None:
    when = when.replace(microsecond=0)
    sign, hours, minutes = "-" if east < 0 else "+", *divmod(abs(east), 60)
    written = f"{when:%a, %d %b %Y %H:%M:%S} {sign}{hours:02}{minutes:02}"
    assert instant(written) == (millis(when.isoformat()) - east * 60_000, "")
    swapped = f"{when:%a %b %d %H:%M:%S %Y} {sign}{hours:02}{minutes:02}"
    assert instant(swapped) == instant(written)


@given(st.text("0123456789 :.,/-+()TZjanfebmarch年", max_size=60) | st.text(max_size=60))
def test_no_text_breaks_it(written: str) -> None:
    found = instant(written)
    assert (found.at is None) <= bool(found.note)
