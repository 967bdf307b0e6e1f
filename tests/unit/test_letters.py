"""A dead letter is one line of JSON that holds the record and why it was not loaded."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from bulkload import events
from bulkload.model import Position, Record
from bulkload.records.letters import LetterWriter
from bulkload.runs.runlog import RunLog
from tests.making import entry, mapped

if TYPE_CHECKING:
    from pathlib import Path

    from bulkload.batch import Letter

WRITER = LetterWriter("run1", ["a.ndjson", "b.ndjson"])


def write(raw: bytes | None, message: str = "why", **more: Any) -> Letter:
    position = Position(7, 3)
    record = Record(position, "json", raw)
    return WRITER.write(5, 1, position, record, "rejected", message, **more)


@given(st.binary(), st.text())
def test_whatever_the_record_holds_the_letter_is_one_line_that_holds_it(
    raw: bytes, message: str
) -> None:
    made = write(raw, message)
    assert b"\n" not in made.line
    read = orjson.loads(made.line)
    assert read["message"] == message
    if "record_base64" in read:
        assert base64.b64decode(read["record_base64"]) == raw
    elif isinstance(read["record"], str):
        assert read["record"].encode() == raw
    else:
        assert read["record"] == orjson.loads(raw)


def test_a_letter_says_where_why_and_what_the_remote_said() -> None:
    made = write(b'{"a":"b"}', attempts=2, status=400, category="VALIDATION_ERROR", key="k")
    read = orjson.loads(made.line)
    assert read.pop("at").endswith("+00:00")
    assert read == {
        "bulkload": "dead-letter/1",
        "source": "b.ndjson",
        "position": {"at": 7, "number": 3},
        "ordinal": 5,
        "key": "k",
        "record": {"a": "b"},
        "format": "ndjson",
        "reason": "rejected",
        "status": 400,
        "category": "VALIDATION_ERROR",
        "message": "why",
        "attempts": 2,
        "run": "run1",
    }
    assert (made.ordinal, made.source, made.position) == (5, 1, Position(7, 3))


def test_what_the_remote_did_not_say_is_left_out() -> None:
    read = orjson.loads(write(b"{}", status=0, category="", correlation_id="").line)
    assert not read.keys() & {"status", "category", "correlation_id"}


def test_a_record_too_large_to_read_is_named_by_its_position() -> None:
    read = orjson.loads(write(None).line)
    assert read["record"] is None
    assert read["position"] == {"at": 7, "number": 3}


def test_a_sources_name_need_not_be_text() -> None:
    writer = LetterWriter("r", ["\udcff.ndjson"])
    record = Record(Position(0, 1), "json", b"{")
    made = writer.write(0, 0, record.position, record, "unreadable", "why")
    assert orjson.loads(made.line)["source"] == "\\udcff.ndjson"


def test_the_log_takes_any_name_and_is_its_owners_only(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "run.log")
    log(events.Said("\udcff.ndjson"))
    assert (tmp_path / "run.log").read_text().endswith(" \\udcff.ndjson\n")
    assert (tmp_path / "run.log").stat().st_mode & 0o777 == 0o600


def test_a_letter_is_itself_a_source() -> None:
    line = WRITER.of_entry(entry(5), "rejected", "no", attempts=1).line
    again = mapped(Record(Position(0, 1), "letter", line))
    assert again.properties == {"subject": "s5"}


def test_a_sent_message_is_kept_with_its_input_but_not_with_the_runs_trace_id() -> None:
    sent = entry(5)
    sent = sent._replace(record=sent.record._replace(kind="mail", raw=b"Subject: x\n\n"))
    read = orjson.loads(WRITER.of_entry(sent, "rejected", "no", attempts=1).line)
    assert read["input"] == {"properties": {"subject": "s5"}, "associations": []}
    assert read["record"] == "Subject: x\n\n"


def test_a_letter_of_a_letter_holds_its_numbers_as_they_were_written() -> None:
    exact = b'{"a":1.10,"b":-0,"c":123456789012345678901234567890,"d":"1e5"}'
    first = write(exact)
    record = Record(Position(0, 1), "letter", first.line)
    second = WRITER.write(5, 1, record.position, record, "rejected", "again")
    assert exact in second.line
    again = mapped(Record(Position(0, 1), "letter", second.line))
    assert again.properties == mapped(Record(Position(0, 1), "json", exact)).properties
    assert orjson.loads(second.line)["origin"]["ordinal"] == 5
