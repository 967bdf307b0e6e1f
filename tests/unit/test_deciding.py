"""What is said of sources before a run begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bulkload.errors import RefusedToStart
from bulkload.options import Options
from bulkload.records.deciding import decide
from bulkload.sources.detect import open_sources

if TYPE_CHECKING:
    from pathlib import Path


def said(path: Path, text: str, **options: object) -> str:
    path.write_text(text, encoding="utf-8")
    given = Options(**options)  # type: ignore[arg-type]
    return " ".join(decide(given, open_sources([str(path)], given.asked())).said)


@pytest.mark.parametrize(
    ("header", "by"),
    [
        ("Hello;a@x.example;me", "column 2 is named by an address"),
        ("Hello;you;2024-01-31 10:00", "column 3 is named by a date"),
        ("45292.5;you;me", "column 1 is named by a number"),
        ("subject;e-mail 2;Date;to@;2024", ""),
    ],
)
def test_a_first_row_that_is_a_record_is_said(tmp_path: Path, header: str, by: str) -> None:
    told = said(tmp_path / "a.csv", f"{header}\nx;y;z\n")
    assert ("looks like a record" in told) == bool(by)
    assert by in told
    assert "a@x.example" not in told


def test_columns_that_no_line_has_are_said(tmp_path: Path) -> None:
    lines = '{"hs_timestamp": "1", "deal": "2"}\n{"a": {"b": "3"}}\n{broken\n'
    told = said(tmp_path / "a.ndjson", lines, associate=("deals=deal,tickets=nocol",))
    assert "none of the first 2 records has nocol, which the mapping takes" in told
    assert "none of" not in said(tmp_path / "a.ndjson", lines, map=("x=a.b",))
    assert "none of the first" not in said(tmp_path / "a.ndjson", lines)


@pytest.mark.parametrize(
    "given", [{"never_log": ("x.example",)}, {"filter": ("after=2024-01-01",)}]
)
def test_an_option_that_protects_is_not_ignored(tmp_path: Path, given: dict[str, object]) -> None:
    with pytest.raises(RefusedToStart, match="looks at mail alone, and no source is mail"):
        said(tmp_path / "a.csv", "hs_timestamp\n1\n", **given)


def test_a_column_is_not_left_in_where_it_was_to_be_left_out(tmp_path: Path) -> None:
    with pytest.raises(RefusedToStart, match="--exclude leaves out columns of a database"):
        said(tmp_path / "a.csv", "hs_timestamp,secret\n1,2\n", exclude=("secret",))
