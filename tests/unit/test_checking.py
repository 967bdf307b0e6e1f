"""A check's verdicts, counts and estimates: pure."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.calls.room import RateLimit
from bulkload.checking.checked import Checked, People
from bulkload.checking.estimate import Day, estimate, lookups
from bulkload.checking.judging import Judge, Reasons, Verdict, charset, year
from bulkload.checking.sampling import Sampler
from bulkload.checking.scanning import Now
from bulkload.checking.tally import MOST_GROUPS, OTHERS, Tally
from bulkload.hubspot.definitions import Complaint, Definition, Definitions
from bulkload.hubspot.seconds import suspected
from bulkload.hubspot.wire import ENVELOPE_BYTES
from bulkload.mail.mine import Mine
from bulkload.model import Mapped, Position, Record
from bulkload.records.keys import key_of
from bulkload.records.making import Maker, lost
from bulkload.records.mapping import map_record
from bulkload.records.rules import Rules
from bulkload.report import checked as in_words
from bulkload.report.scanned import Scanned

if TYPE_CHECKING:
    from collections.abc import Iterable

MAIL = (
    b"From: Ada <ada@example.com>\nTo: Bob <bob@example.org>\n"
    b"Date: Fri, 2 Feb 2018 10:00:00 +0000\n"
    b"Message-ID: <1@example.com>\nSubject: hello\n"
    b"Content-Type: text/plain; charset=ISO-8859-1\n\nhi\n"
)
RULES = Rules(mine=Mine.parse(["example.com"]), people=True)


def record(raw: bytes | None = MAIL, number: int = 1, flaw: str | None = None) -> Record:
    return Record(Position(number * 100, number), "mail", raw, None, flaw)


def judge(definitions: Definitions | None = None, names: tuple[str, ...] = ()) -> Judge:
    maker = Maker("check", Reasons(), ("message",), RULES, 8 << 20)
    return Judge(maker, definitions or Definitions({}), names)


def tally() -> Tally:
    return Tally(("mail.mbox",), ("message",))


def checked(counted: Tally, **more: object) -> Checked:
    values = {
        "people": People(0),
        "estimate": estimate({"create emails": counted.creates}, 10, RateLimit(190, 10), 1, None),
        "rate": "190/10s",
        "asked": False,
        "elapsed_s": 1.0,
    }
    return Checked(counted, **{**values, **more})  # type: ignore[arg-type]


# Judging


def test_a_message_is_judged_as_a_load_would() -> None:
    (verdict,) = judge()([(0, 0, record())])
    mapped = map_record(record(), RULES)
    assert isinstance(mapped, Mapped)
    assert verdict.fate == "load"
    assert verdict.key == key_of(record())
    assert verdict.people == ("bob@example.org",)
    assert (verdict.direction, verdict.year, verdict.charset) == ("EMAIL", "2018", "iso-8859-1")
    assert verdict.size > len(orjson.dumps(mapped.input.properties))
    assert verdict.line == b""


@pytest.mark.parametrize(
    ("each", "fate", "why"),
    [
        (record(b"\n"), "unreadable", "message 1: "),
        (record(None, flaw="too large"), "unreadable", "too large"),
        (record(b"From: a@b.example\n\nno date\n"), "unmappable", "hs_timestamp"),
        (record(MAIL.replace(b"bob@example.org", b"eve@example.com")), "skip", "internal"),
    ],
)
def test_what_falls_out_says_why(each: Record, fate: str, why: str) -> None:
    (verdict,) = judge()([(0, 0, each)])
    assert verdict.fate == fate
    assert why in verdict.why


def test_what_the_portal_would_refuse_is_refused() -> None:
    known = {name: Definition(name) for name in ("hs_timestamp", "hs_email_subject")}
    (verdict,) = judge(Definitions(known), ("m",))([(0, 0, record())])
    assert verdict.fate == "refused"
    assert {each.name for each in verdict.complaints} >= {"hs_email_direction", "hs_email_text"}
    assert "hello" not in verdict.why
    assert verdict.line == b""
    assert verdict.key


def test_a_line_of_mapped_records_is_a_source_itself() -> None:
    (verdict,) = judge(names=("mail.mbox",))([(4, 0, record(number=5))])
    line = Record(Position(0, 1), "letter", verdict.line.rstrip(b"\n"))
    again, first = map_record(line, RULES), map_record(record(), RULES)
    assert isinstance(again, Mapped)
    assert isinstance(first, Mapped)
    assert (again.input, again.people) == (first.input, first.people)
    assert key_of(line) == verdict.key
    told = orjson.loads(verdict.line)
    assert (told["source"], told["position"]) == ("mail.mbox", {"at": 500, "number": 5})


def test_a_record_that_no_process_survives_is_unreadable() -> None:
    (verdict,) = judge()([lost((0, 0, record()))])
    assert verdict.fate == "unreadable"
    assert "the parser's process died on this record" in verdict.why


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"A: b\n\nx", "none declared"),
        (b'Content-Type: text/plain; CharSet="UTF-8"\n\nx', "none declared"),
        (b'Content-Type: text/plain; Charset="UTF-8"\n\nx', "utf-8"),
        (b"Content-Type: text/plain; charset = koi8-r\n\nx", "koi8-r"),
    ],
)
def test_declared_charsets(raw: bytes, name: str) -> None:
    assert charset(record(raw)) == name


def test_years() -> None:
    assert year("1700000000000") == "2023"
    assert year("2019-05-05T10:00:00Z") == "2019"
    assert [year(text) for text in ("", "soon", "9" * 30)] == ["", "", ""]


# Counting

verdicts = st.builds(
    Verdict,
    st.sampled_from(["load", "unreadable", "unmappable", "refused", "skip"]),
    st.sampled_from(["draft", "spam"]),
    size=st.integers(1, 500),
)


@given(st.lists(st.tuples(verdicts, st.none() | st.integers(0, 9))))
def test_every_record_is_counted_once(found: list[tuple[Verdict, int | None]]) -> None:
    counted = tally()
    loaded = [
        counted.take(0, Position(n, n), verdict, first) for n, (verdict, first) in enumerate(found)
    ]
    assert counted.read == len(found) == counted.load + counted.dead + counted.skipped
    assert sum(counted.skipped_by.values()) == counted.skipped
    assert sum(group.count for _, group in counted.reasons.most_first()) == counted.dead
    assert sum(loaded) == counted.load


def test_what_is_sent_is_counted_by_batches() -> None:
    counted = tally()
    counted.send([10, 20], 0)
    counted.send([], 100)
    counted.send([5], 101)
    assert (counted.creates, counted.lookups) == (2, 3)
    assert counted.bytes == 35 + 2 * ENVELOPE_BYTES + lookups(100)[1] + lookups(101)[1]


def test_reasons_are_grouped_without_their_numbers() -> None:
    counted = tally()
    for number in range(1, 8):
        why = f"message {number}: its input is {number:,}000 bytes"
        counted.take(0, Position(number, number), Verdict("unmappable", why))
    ((reason, message), group) = counted.reasons.most_first()[0]
    assert (reason, message) == ("unmappable", "its input is N bytes")
    assert group.count == 7
    assert [place.position.number for place in group.places] == [1, 2, 3]
    assert group.samples[0] == "its input is 1000 bytes"


def test_notes_keep_the_numbers_of_names() -> None:
    counted = tally()
    notes = ("read as iso-8859-1", "read as iso-8859-15")
    for note in (*notes, "12 recipients left out", "7 recipients left out", "9 kept", "9 kept"):
        counted.take(0, Position(0, 1), Verdict("load", notes=(note,)))
    assert {kind for (kind,), _ in counted.notes.most_first()} == {
        "read as iso-8859-1", "read as iso-8859-15", "N recipients left out", "9 kept",
    }  # fmt: skip


def test_groups_are_bounded() -> None:
    counted = tally()
    for number in range(MOST_GROUPS + 50):
        word = "".join(chr(97 + int(digit)) for digit in str(number))
        verdict = Verdict("unmappable", word, direction="x")
        counted.take(0, Position(0, 1), verdict)
        counted.take(0, Position(0, 1), Verdict("load", charset=word))
    found = counted.reasons.most_first()
    assert len(found) == MOST_GROUPS + 1
    assert found[0][0] == ("unmappable", OTHERS)
    assert len(counted.charsets) == MOST_GROUPS + 1


def test_attachments_are_counted_by_the_limit_of_uploads() -> None:
    counted = tally()
    counted.take(0, Position(0, 1), Verdict("load", attached=(10, 2000)), largest_file=1000)
    assert (counted.files, counted.file_bytes, counted.large_files) == (1, 10, 1)


def test_what_every_record_would_be_refused_for_is_said() -> None:
    counted = tally()
    nowhere, size = Complaint("a", "the portal has none"), Complaint("b", "not a number")
    counted.take(0, Position(0, 1), Verdict("refused", "x", complaints=(nowhere, size)))
    counted.take(0, Position(1, 2), Verdict("refused", "x", complaints=(nowhere,)))
    assert counted.hopeless() == ["every record would be refused for a: the portal has none"]
    said = in_words.words(checked(counted))
    assert "  b: not a number" in said
    assert "  a: the portal has none" not in said, "it is said of every record"
    counted.take(0, Position(2, 3), Verdict("load"))
    assert counted.hopeless() == []


def test_what_every_record_would_be_refused_for_stands_together() -> None:
    counted, unknown = tally(), "the portal has none"
    complaints = tuple(Complaint(*each) for each in (("b", unknown), ("c", "no"), ("a", unknown)))
    counted.take(0, Position(0, 1), Verdict("refused", "x", complaints=complaints))
    assert counted.hopeless() == [
        f"every record would be refused for a, b: {unknown}",
        "every record would be refused for c: no",
    ]


def test_times_that_look_like_seconds_are_said() -> None:
    counted = tally()
    for number, at in enumerate(["1970", "1970", "2023"]):
        counted.take(0, Position(number, number), Verdict("load", year=at))
    (said,) = counted.careful()
    assert said.startswith("2 of 3 records have an hs_timestamp of 1970 to 1974")
    counted.take(0, Position(3, 3), Verdict("load", year="2023"))
    assert counted.careful() == []
    assert len(list(suspected([{"hs_timestamp": "1700000000"}] * 2 + [{}]))) == 1
    assert not list(suspected([{"hs_timestamp": "1700000000000"}]))
    assert not list(suspected([{"hs_timestamp": "soon"}, {"hs_timestamp": "2024-01-01"}]))
    assert not list(suspected([]))


# Estimating


@pytest.mark.parametrize(
    ("calls", "seconds"), [(0, 0), (1, 0), (190, 0), (191, 10), (1900, 90), (1901, 100)]
)
def test_seconds_at_the_rate_are_whole_windows(calls: int, seconds: float) -> None:
    assert estimate({"x": calls}, 0, RateLimit(190, 10.0), 1.0, None).seconds == seconds


def test_a_share_of_the_rate_takes_longer() -> None:
    assert estimate({"x": 200}, 0, RateLimit(100, 10.0), 0.5, None).seconds == 30


@pytest.mark.parametrize(
    ("calls", "days"), [(50, 1), (100, 1), (101, 2), (1100, 2), (1101, 3), (5100, 6)]
)
def test_days_where_the_quota_binds(calls: int, days: int) -> None:
    day = Day(left=100, limit=1000, resets_in_s=3600)
    assert estimate({"x": calls}, 0, RateLimit(190, 10.0), 1.0, day).days == days


def test_without_the_accounts_day_nothing_is_said_of_days() -> None:
    assert estimate({"x": 10**9}, 0, RateLimit(190, 10.0), 1.0, None).days is None


def test_lookups_are_a_hundred_a_call() -> None:
    assert [lookups(n)[0] for n in (0, 1, 100, 101)] == [0, 1, 1, 2]


# Sampling


@given(st.integers(0, 2000), st.integers(0, 12))
def test_a_sample_is_spread_over_everything(count: int, most: int) -> None:
    sampler: Sampler[int] = Sampler(most)
    for number in range(count):
        if sampler.wants():
            sampler.keep(number)
    found = sampler.sample()
    assert len(found) == min(count, most)
    assert found == sorted(set(found))
    if most > 1 and count > most:
        assert found[0] == 0
        assert found[-1] >= count // 2


# Words


def lines(told: Checked) -> list[str]:
    return in_words.words(told).splitlines()


def test_the_words_tell_what_json_tells() -> None:
    counted = tally()
    counted.take(0, Position(0, 1), Verdict("load", notes=("the date is guessed",), year="2020"))
    counted.take(0, Position(9, 2), Verdict("unmappable", "message 2: no date"))
    counted.take(0, Position(9, 3), Verdict("skip", "draft"))
    counted.take(0, Position(9, 4), Verdict("load"), first=0)
    told = checked(counted, people=People(3, 2, 1, ("a@b.example",)), said=("mine is guessed",))
    text = in_words.words(told)
    for words in (
        "4 records read", "no date", "first: mail.mbox, message 2", "draft", "duplicate", "2020 1",
        "the date is guessed", "mine is guessed", "a@b.example", "3 addresses, 2 known, 1 not",
    ):  # fmt: skip
        assert words in text
    told_json = told.as_json()
    assert told_json["skipped_by"] == {"draft": 1, "duplicate": 1}
    assert told_json["exit_code"] == told.exit_code == 1
    assert {"read", "would_load", "would_dead_letter", "skipped", "reasons", "notes", "directions",
            "years", "calls", "bytes", "seconds"} <= told_json.keys()  # fmt: skip
    orjson.dumps(told_json)


def test_exit_codes() -> None:
    counted = tally()
    assert checked(counted).exit_code == 0
    counted.take(0, Position(0, 1), Verdict("unreadable", "x"))
    assert checked(counted).exit_code == 1
    assert checked(counted, stopped="interrupted").exit_code == 3


class Stream(io.StringIO):
    def __init__(self, *, tty: bool) -> None:
        super().__init__()
        self._tty = tty

    def isatty(self) -> bool:
        return self._tty


def told(moments: Iterable[float], *, tty: bool = False, show: bool = True) -> str:
    stream, clock = Stream(tty=tty), [0.0]
    progress = Scanned(show=show, stream=stream, clock=lambda: clock[0])
    for moment in moments:
        clock[0] = moment
        progress(Now(int(moment * 1000), int(moment * 10), 1000))
    progress.close()
    return stream.getvalue()


def test_progress_is_a_line_now_and_then() -> None:
    text = told([0.1, 1.0, 5.0, 6.0, 10.0])
    assert text.splitlines() == [
        "5,000 records · 1,000/s · 5% read · about 95 s left",
        "10,000 records · 1,000/s · 10% read · about 90 s left",
    ]
    assert told([5.0], show=False) == ""
    assert told([5.0], tty=True).startswith("\r\x1b[K5,000 records")
