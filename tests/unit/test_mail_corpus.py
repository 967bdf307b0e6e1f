"""Messages that nobody on this project wrote: each row of docs/mail-fidelity.md, which was read
by eye in the raw file, against what is made of it.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bulkload.mail.read import read_email

ROOT = Path(__file__).resolve().parents[2]
CORPUS = Path(os.environ.get("BULKLOAD_MAIL_CORPUS") or ROOT.parent / "shared" / "mail-corpus")
PAGE = (ROOT / "docs" / "mail-fidelity.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("| ").split(" | ")]
    for line in PAGE.splitlines()
    if line.startswith(("| stalwart/", "| cpython/"))
]


def test_the_table_has_thirty_rows_of_files_of_both_kinds() -> None:
    files = [row[0] for row in ROWS]
    assert len(files) == len(set(files)) >= 30
    assert all(len(row) == 5 for row in ROWS)
    assert {file.partition("/")[0] for file in files} == {"stalwart", "cpython"}


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_a_message_is_what_was_read_in_it(row: list[str]) -> None:
    if not CORPUS.is_dir():
        pytest.skip("no mail corpus: set BULKLOAD_MAIL_CORPUS to a folder of real messages")
    file, subject, sender, date, begins = ("" if cell == "—" else cell for cell in row)
    email = read_email((CORPUS / file).read_bytes())
    assert email.subject == subject
    people = [
        f"{name} <{one.email}>"
        if (name := f"{one.first_name} {one.last_name}".strip())
        else one.email
        for one in email.from_
    ]
    assert people == ([sender] if sender else [])
    when = email.sent_at and datetime.fromtimestamp(email.sent_at / 1000, UTC)
    assert (f"{when:%Y-%m-%d %H:%M:%S}" if when else "") == date
    assert " ".join(email.text.split()).startswith(begins)
