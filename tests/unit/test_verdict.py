"""The table in docs/verdict.md is what the code decides, row by row and without a gap."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any, get_args

import pytest

from bulkload.verdict import Decision, Found, Known, Means, decide

DOCS = Path(__file__).parents[2] / "docs" / "verdict.md"
VALUES: tuple[tuple[Any, ...], ...] = (
    get_args(Known), get_args(Means), get_args(Found), (True, False), (True, False),
)  # fmt: skip
WORDS = {"yes": True, "no": False}
MEANINGLESS = {("key", "unclear"), ("verify", "another's")}
"""A read by key is never unclear, and search can't tell another's record from ours."""


def rows() -> list[tuple[str, ...]]:
    lines = DOCS.read_text().splitlines()
    start = lines.index("| known | means | found | in doubt | last | decision |") + 2
    table = [line for line in lines[start:] if line.startswith("|")]
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in table]


def cases(row: tuple[str, ...]) -> set[tuple[Any, ...]]:
    """Every combination that a row speaks for."""
    wanted = [WORDS.get(cell, cell) for cell in row[:5]]
    given = [
        values if cell == "–" else (cell,) for cell, values in zip(wanted, VALUES, strict=True)
    ]
    return set(product(*given))


@pytest.mark.parametrize("row", rows(), ids=" ".join)
def test_the_code_decides_as_the_row_says(row: tuple[str, ...]) -> None:
    assert row[5] in get_args(Decision)
    assert cases(row) <= set(product(*VALUES)), "a word that the code does not know"
    for known, means, found, doubted, last in cases(row):
        assert decide(known, means, found, doubted=doubted, last=last) == row[5]


def test_no_case_is_missing_and_none_is_there_twice() -> None:
    spoken_for = [case for row in rows() for case in cases(row)]
    assert len(spoken_for) == len(set(spoken_for))
    possible = {
        case
        for case in product(*VALUES)
        if case[0] in ("not sent", "refused")
        or case[1] in ("hold", "resend")
        or (
            case[1:3] not in MEANINGLESS
            and case[:2] != ("conflict", "verify")
            and not (case[2] == "not asked" and case[4])  # nothing was asked as often as may be
        )
    }
    assert possible <= set(spoken_for)


def test_only_the_users_word_sends_again_what_may_have_been_made() -> None:
    for known, means, found, doubted, last in product(*VALUES):
        if decide(known, means, found, doubted=doubted, last=last) == "send again":
            assert known in ("not sent", "refused") or found == "absent" or means == "resend"
