"""`bulkload map`: a mapping on stdout, records to look at on stderr, and never a traceback."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bulkload.cli import cli
from bulkload.columns import parse
from bulkload.errors import RefusedToStart

TABLE = (
    "Betreff;Gesendet am;Von;An;Nachricht\n"
    "Angebot;13.01.2024 10:00;Ada <a@x.org>;b@x.example, c@x.example;Hallo\n"
    'Rechnung;01.02.2024 11:00;Ada <a@x.org>;d@x.example;"Zwei\nZeilen\x07"\n'
)
DOCS = Path(__file__).resolve().parents[2] / "docs" / "mapping.md"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "mails.csv"
    path.write_text(TABLE, encoding="utf-8")
    return path


def run(*words: object) -> int:
    code: int = cli.main(["map", *map(str, words)], standalone_mode=False)
    return code


def test_it_proposes_and_shows(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(table) == 0
    out, err = capsys.readouterr()
    made = parse((), out)
    assert dict(made.rules)["hs_timestamp"].used == ("Gesendet am",)
    assert f"{table}, row 2\n" in err
    assert re.search(r"hs_email_subject +Angebot\n", err)
    assert re.search(r"hs_email_text +Zwei⏎Zeilen�\n", err)
    assert err.endswith("Of 2 records read, 2 are mapped.\n")


def test_a_guess_at_the_encoding_is_said(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table.write_text(TABLE.replace("Hallo", "Grüße, schöne Tage"), encoding="cp1252")
    assert run(table) == 0
    err = capsys.readouterr().err
    assert f"{table}: read as Windows-1252" in err
    assert "That is a guess" in err
    assert "Grüße, schöne Tage" in err


def test_what_it_writes_it_reads_back(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mails.toml"
    assert run(table, "--write", file) == 0
    proposed = capsys.readouterr()
    assert proposed.out == ""
    assert run(table, "--mapping", file) == 0
    assert "hs_timestamp: its times say no zone: UTC is a guess\n" in proposed.err
    records = proposed.err.index(f"{table}, row 2")
    assert proposed.err[records:] == capsys.readouterr().err.lstrip()
    before = file.read_bytes()
    with pytest.raises(RefusedToStart, match="exists already"):
        run(table, "--write", file)
    assert file.read_bytes() == before


def test_a_zone_that_is_given_is_no_guess(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(table, "--timezone", "Europe/Berlin") == 0
    out = capsys.readouterr().out
    assert 'timezone = "Europe/Berlin"' in out
    assert "guess" not in out


def test_a_mapping_that_is_given_is_shown(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(table, "--map", "hs_email_subject=Betreff", "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert [one["input"]["properties"] for one in found["records"]] == [
        {"hs_email_subject": "Angebot"},
        {"hs_email_subject": "Rechnung"},
    ]
    assert found["left"] == ["Gesendet am", "Von", "An", "Nachricht"]
    assert "hs_timestamp" in found["remarks"]["[properties]"][0]
    assert run(table, "--map", "hs_email_subject=Betreff") == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "nothing takes, so they are dropped: 'Gesendet am', 'Von'" in err
    assert "hs_timestamp: HubSpot requires it" in err
    assert "Of 2 records read, 0 are mapped.\n  2 dead letters: hs_timestamp: required" in err


def test_records_without_a_date_are_no_mapped_ones(
    table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table.write_text("Betreff;Datum;Von\nAngebot;45292.5;a@x.org\nMahnung;45293;a@x.org\n")
    assert run(table) == 1
    out, err = capsys.readouterr()
    assert "no column holds dates" in out
    assert "Of 2 records read, 0 are mapped." in err


def test_records_that_cannot_be_mapped_are_counted(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "m.toml"
    rule = '{ column = "Gesendet am", format = "%m.%d.%Y %H:%M" }'
    file.write_text(f"[properties]\nhs_timestamp = {rule}\n", encoding="utf-8")
    assert run(table, "--mapping", file) == 1
    err = capsys.readouterr().err
    assert "1 dead letter: hs_timestamp: column 'Gesendet am' holds no date" in err
    assert f"(first: {table}, row 2)" in err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--map", "hs_email_subject=Betref"), "has no column 'Betref'.*mean 'Betreff'"),
        (("--map", "x"), "--map x: expected PROPERTY=COLUMN"),
        (("--associate", "contacts=Kontakt"), "has no column 'Kontakt'"),
        (("--mapping", "/nowhere/m.toml"), "--mapping /nowhere/m.toml: can't be read: No such"),
        (("--write", "/nowhere/m.toml"), "--write /nowhere/m.toml: can't be written: No such"),
        (("--timezone", "Berlin"), "--timezone: 'Berlin' is no time zone"),
    ],
)
def test_mistakes_are_refused(table: Path, words: tuple[str, ...], says: str) -> None:
    with pytest.raises(RefusedToStart, match=says):
        run(table, *words)


def test_lines_are_mapped_by_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mails.ndjson"
    lines = ['{"subject": "x", "at": 1700000000, "from": {"email": "a@x.org"}}', "{broken"]
    path.write_text("\n".join(lines), encoding="utf-8")
    assert run(path, "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert found["mapping"]["properties"]["hs_timestamp"] == {"column": "at", "format": "epoch"}
    assert (found["read"], found["mapped"]) == (2, 1)
    assert found["records"][0]["people"] == ["a@x.org"]
    assert found["faults"][0]["first"]["position"]["number"] == 2


def test_what_needs_no_mapping_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mail = tmp_path / "one.eml"
    mail.write_bytes(b"Date: Mon, 01 Jan 2024 10:00:00 +0000\nSubject: Hello\n\nbody\n")
    assert run(mail) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Mail needs no mapping.")
    assert re.search(r"hs_email_subject +Hello", err)
    with pytest.raises(RefusedToStart, match="is mail, which needs no mapping"):
        run(mail, "--map", "a=b")

    own = tmp_path / "own.ndjson"
    own.write_text(
        '{"properties": {"hs_timestamp": "1", "hs_email_subject": "Hello"}}', encoding="utf-8"
    )
    assert run(own) == 0
    assert capsys.readouterr().err.startswith("Records in HubSpot's own shape need no mapping.")

    letters = tmp_path / "dead-letters.ndjson"
    letters.write_text('{"bulkload": "dead-letter/1", "record": {}}', encoding="utf-8")
    with pytest.raises(RefusedToStart, match="bulkload replay sends them"):
        run(letters)


def test_the_mapping_in_the_documentation_is_one() -> None:
    text = re.findall(r"```toml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    made = parse((), text[0])
    assert {type(rule).__name__ for _, rule in made.rules} == {
        "Column",
        "Constant",
        "Template",
        "Moment",
        "Choice",
        "Headers",
    }
    assert made.associate
    assert made.addresses
