"""The end of a run in words: what became of the records, and what to type next."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from bulkload.afterwards.undoplan import Part, Undone
from bulkload.cli import saying
from bulkload.report import words
from bulkload.runs.summary import Summary


def ended(**more: Any) -> str:
    numbers = dict.fromkeys(
        ["read", "loaded", "existing", "dead_lettered", "in_doubt", "skipped", "batches"], 0
    )
    calls = dict.fromkeys(["requests", "retries", "throttled"], 0)
    times = {"elapsed_s": 61.0, "records_per_s": 12.5}
    return words.summary(
        Summary(
            **{"run": "my run", "exit_code": 0, "resume": None, **numbers, **calls, **times, **more}
        )
    )


def test_a_clean_run_says_what_was_made_and_nothing_else() -> None:
    text = ended(read=1234, loaded=1234, requests=13)
    assert text.startswith("1,234 records read and settled")
    assert "made in HubSpot" in text
    assert "61 s (12 records/s)" in text
    assert not any(word in text for word in ("dead", "doubt", "skipped", "Stopped", "bulkload "))


def test_one_is_no_several() -> None:
    text = ended(read=1, loaded=1, requests=1, attachments={"uploaded": 1, "left_out": 0})
    assert text.startswith("1 record read and settled")
    assert "1 call in" in text
    assert "1 file uploaded" in text


def test_a_run_without_a_loaded_record_says_so() -> None:
    assert "           0  loaded" in ended(read=3, dead_lettered=3)


def test_dead_letters_come_with_the_command_that_sends_them_again() -> None:
    text = ended(dead_lettered=2, letters_left=2)
    assert "my run/dead-letters.ndjson" in text
    assert text.endswith("bulkload replay 'my run'")


def test_a_run_that_stopped_says_why_and_how_to_go_on_first() -> None:
    text = ended(dead_lettered=2, in_doubt=1, stopped="a signal", resume="bulkload resume x")
    assert "Stopped: a signal" in text
    assert text.index("bulkload resume x") < text.index("bulkload doubts 'my run'")
    assert "replay" not in text


def test_an_undo_tells_of_contacts_and_files_only_where_the_run_made_some() -> None:
    plain = words.undone(Undone("r", 5, 5, 0, 0, 0))
    assert plain == "5 records created by r\n             5  archived      by this undo"
    made = Undone("r", 5, 5, 0, 0, 1, contacts=Part(9, 6, 1, 2), files=Part(4, 0))
    lines = words.undone(made).splitlines()
    assert "9 contacts made by r" in lines
    assert "4 files uploaded by r" in lines
    assert [line.split()[:2] for line in lines[2:]] == [
        ["9", "contacts"],
        ["6", "archived"],
        ["1", "already"],
        ["2", "failed"],
        ["4", "files"],
        ["0", "deleted"],
        ["4", "left"],
    ]
    assert made.as_json()["contacts"] == {
        "made": 9,
        "archived": 6,
        "already_gone": 1,
        "failed": 2,
    }


def test_a_path_that_is_no_text_is_told_as_it_can_be_read_again() -> None:
    path = os.fsdecode(b"caf\xe9")
    assert json.loads(saying.as_json({"run": path, "n": 1})) == {"run": path, "n": 1}
    assert saying.as_json({"run": "café"}) == '{"run":"café"}'
    with pytest.raises(TypeError):
        saying.as_json({1j})
