"""Tables: where rows end, what their cells are, what refuses."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulkload.errors import RefusedToStart
from bulkload.sources import Asked, csvs, describe, open_sources, reopen, streams
from bulkload.sources.csvs import LOOKED_INTO, CsvSource, numbered
from bulkload.sources.rows import Quotes

if TYPE_CHECKING:
    from pathlib import Path

    from bulkload.model import Record


def records(path: Path, content: bytes) -> list[Record]:
    path.write_bytes(content)
    return list(CsvSource(path, "shown").records())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "f.csv"


@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(
    rows=st.lists(
        st.tuples(*[st.text(st.sampled_from('a",;\n\r é\t|'), max_size=6)] * 3).filter(any),
        max_size=8,
    ),
    delimiter=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n"]),
    block=st.integers(3, 12),
)
def test_rows_are_those_of_the_standard_library_whatever_the_buffers(
    path: Path, rows: list[tuple[str, ...]], delimiter: str, end: str, block: int
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(["a", "b", "c"])
    writer.writerows(rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "BLOCK", block)
        found = records(path, text.getvalue().encode())
    assert [record.flaw for record in found] == [None] * len(rows)
    assert [record.fields for record in found] == [
        {name: cell for name, cell in zip("abc", row, strict=True) if cell} for row in rows
    ]


def test_positions_are_bytes_and_numbers_those_of_a_spreadsheet(path: Path) -> None:
    content = '\ufeffhs_timestamp;"é;x"\r\n1;"a\r\nb"\r\n\r\n2;c\r\n'.encode()
    first, second = records(path, content)
    assert first.fields == {"hs_timestamp": "1", "é;x": "a\r\nb"}
    assert first.raw == b'1;"a\r\nb"'
    assert (first.position.number, second.position.number) == (2, 4)
    assert content[int(second.position.at) :] == b"2;c\r\n"


def test_a_quote_inside_a_cell_is_text(path: Path) -> None:
    first, second = records(path, b'a,b\n5" pipe,x\n6" pipe,y\n')
    assert first.fields == {"a": '5" pipe', "b": "x"}
    assert second.fields == {"a": '6" pipe', "b": "y"}


def test_empty_cells_are_left_out(path: Path) -> None:
    assert [record.fields for record in records(path, b"a,b\n,x\n,\n")] == [{"b": "x"}, {}]


def test_a_ragged_row_names_both_counts_and_the_next_one_follows(path: Path) -> None:
    short, long, good = records(path, b"a,b\n1\n1,2,3\n1,2\n")
    assert "expected 2 cells, as in the header, found 1" in (short.flaw or "")
    assert "found 3" in (long.flaw or "")
    assert (long.raw, good.flaw) == (b"1,2,3", None)


@pytest.mark.parametrize("encoding", ["utf-8", None])
def test_a_row_that_is_not_utf8_is_flawed_and_named_by_its_byte(
    path: Path, encoding: str | None
) -> None:
    many = 0 if encoding else LOOKED_INTO // 4  # so far on, nobody guesses
    path.write_bytes(b"a,b\n" + b"1,2\n" * many + b"1,caf\xe9\n1,2\n")
    *_, bad, good = CsvSource(path, encoding=encoding).records()
    assert f"not UTF-8 at byte {4 * many + 9} of the file" in (bad.flaw or "")
    assert "--encoding" in (bad.flaw or "")
    assert (bad.raw, good.flaw) == (b"1,caf\xe9", None)


@pytest.mark.parametrize(("good", "told"), [(40, None), (3, "That is a guess")])
def test_damaged_places_do_not_change_the_letters_of_other_rows(
    path: Path, good: int, told: str | None
) -> None:
    rows = "".join(f"{n},Grüße aus Köln\n" for n in range(good)).encode()
    path.write_bytes(b"a,b\n0,caf\xe9\n" + rows + b"1,\xff\n")
    source = CsvSource(path, "shown")
    bad, *read, last = source.records()
    assert source.encoding == "utf-8"
    assert told is None or told in "".join(source.told())
    assert [record.fields for record in read] == [
        {"a": str(n), "b": "Grüße aus Köln"} for n in range(good)
    ]
    assert "not UTF-8 at byte 9 of the file" in (bad.flaw or "")
    assert last.flaw is not None


def test_a_last_row_without_its_line_end_tells_too(path: Path) -> None:
    path.write_bytes("a,b\n1,x\n2,José García".encode("cp1252"))
    source = CsvSource(path, "shown")
    assert source.encoding == "cp1252"
    assert [record.flaw for record in source.records()] == [None, None]
    path.write_bytes("a,b\n1,Grüße\n2,José".encode()[:-1])  # torn in its last letter
    assert CsvSource(path, "shown").encoding == "utf-8"


TEXT = 'hs_timestamp;Größe;name\n1;é, ü;Žluťoučký\n2;"zwei\nZeilen";x\n'
CJK = 'hs_timestamp,名前\n1,山田太郎さんのメールの件名です\n2,"表計算ソフトの書き出し\n二行目"\n'


@pytest.mark.parametrize(
    ("text", "encoding", "told"),
    [
        (TEXT.replace("Žluťoučký", "dürfen"), "cp1252", "Windows-1252"),
        (TEXT, "utf-16", "UTF-16"),
        (TEXT, "utf-16-le", "UTF-16-LE"),
        (TEXT, "utf-16-be", "UTF-16-BE"),
        (TEXT, "utf-32", "UTF-32"),
        (TEXT, "utf-8-sig", None),
        (CJK * 3, "shift_jis", None),
        (CJK, "utf-16", "UTF-16"),
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_tables_in_other_encodings_are_read_as_their_text(
    path: Path, text: str, encoding: str, told: str | None, named: bool
) -> None:
    path.write_bytes(text.encode(encoding))
    source = CsvSource(path, "shown", encoding=encoding if named else None)
    delimiter = ";" if ";" in text else ","
    header, *rows = csv.reader(io.StringIO(text), delimiter=delimiter)
    found = list(source.records())
    assert [record.fields for record in found] == [
        {name: cell for name, cell in zip(header, row, strict=True) if cell} for row in rows
    ]
    again = reopen(json.loads(json.dumps(describe(source))))
    for at, record in enumerate(found):
        assert list(again.records(record.position)) == found[at:]
    assert source.consumed() == source.size()
    if told:
        assert told in "".join(source.told())
        guessed = encoding in ("cp1252", "utf-16-le", "utf-16-be") and not named
        assert guessed == ("That is a guess" in "".join(source.told()))


@pytest.mark.parametrize("at", [8, 9, 30])
def test_a_few_nuls_are_no_encoding(path: Path, at: int) -> None:
    rows = [f"{number},text\n".encode() for number in range(100)]
    content = bytearray(b"a,b\n" + b"".join(rows))
    content[at] = 0
    path.write_bytes(content)
    source = CsvSource(path, "shown")
    assert source.encoding == "utf-8"
    assert len(list(source.records())) == len(rows)


@pytest.mark.parametrize("content", [b"a,b\n", b"a,b\n\r\n \n"])
def test_a_table_without_a_row_is_told(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert "holds a header and no row" in "".join(CsvSource(path, "shown").told())


def test_what_is_no_text_in_an_encoding_is_a_flaw_of_its_row(path: Path) -> None:
    content = "a,b\n1,x\n2,y\n3,z\n".encode("utf-16-le")
    at = content.index("y".encode("utf-16-le"))
    path.write_bytes(content[:at] + b"\x00\xdc" + content[at + 2 :])  # half a pair
    first, bad, last = CsvSource(path, encoding="utf-16-le").records()
    assert (first.fields, last.fields) == ({"a": "1", "b": "x"}, {"a": "3", "b": "z"})
    assert "not UTF-16-LE" in (bad.flaw or "")
    path.write_bytes(b"a,b\n1,\x81\n")
    (bad,) = CsvSource(path, encoding="windows-1252").records()
    assert "not Windows-1252 at byte 6" in (bad.flaw or "")


def test_delimiters_and_quotes_as_they_are_given(path: Path) -> None:
    path.write_bytes(b"a^b\n'1^2'^3\n")
    (row,) = CsvSource(path, delimiter="^", quote="'").records()
    assert row.fields == {"a": "1^2", "b": "3"}
    path.write_bytes(b'a\tb\n"1\t2"\n')
    (row,) = CsvSource(path, delimiter="tab", quote="none").records()
    assert row.fields == {"a": '"1', "b": '2"'}
    path.write_bytes(b"sep=|\r\na|b,c\r\n1|2\r\n")
    source = CsvSource(path)
    assert [(r.position.number, r.fields) for r in source.records()] == [
        (3, {"a": "1", "b,c": "2"})
    ]


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("delimiter", "ab"),
        ("quote", "é"),
        ("encoding", "base64"),
        ("encoding", "x"),
    ],
)
def test_what_can_not_be_is_refused(path: Path, flag: str, value: str) -> None:
    path.write_bytes(b"a,b\n1,2\n")
    with pytest.raises(RefusedToStart, match=f"--{flag} "):
        open_sources([str(path)], Asked(**{flag: value}))  # type: ignore[arg-type]  # a flag of text


def test_an_unclosed_quote_is_flawed_with_all_it_swallowed(path: Path) -> None:
    good, open_ = records(path, b'a,b\n1,2\n1,"x\n3,4\n')
    assert good.flaw is None
    assert "is not closed" in (open_.flaw or "")
    assert open_.raw == b'1,"x\n3,4\n'


def test_what_follows_a_closing_quote_is_flawed(path: Path) -> None:
    (row,) = records(path, b'a,b\n"1"x,2\n')
    assert "no valid row" in (row.flaw or "")


def test_a_cell_may_be_longer_than_the_standard_library_allows(path: Path) -> None:
    (row,) = records(path, b"a,b\n1," + b"x" * 300_000)
    assert len((row.fields or {})["b"]) == 300_000


def test_one_column_is_a_table_too(path: Path) -> None:
    assert [record.fields for record in records(path, b"a\n1\n")] == [{"a": "1"}]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a,,c,\n", "names 2 of its 4 columns"),
        (b"\n\r\n", "has no header row"),
        ("a,b\n".encode("utf-32-le"), "the header holds NUL"),
        (b'"a,b\n1,2\n', "the header can't be read"),
        (b'"a"b,c\n1,2\n', "the header is no valid row"),
    ],
)
def test_a_wrong_header_refuses(path: Path, content: bytes, words: str) -> None:
    with pytest.raises(RefusedToStart, match=words):
        records(path, content)


def test_columns_without_a_name_of_their_own_get_one(path: Path) -> None:
    content = b"a,b,a,,c,a (2),\n1,2,3,4,5,6,\n"
    (row,) = records(path, content)
    assert row.fields == {
        "a": "1", "b": "2", "a (3)": "3", "column 4": "4", "c": "5", "a (2)": "6",
    }  # fmt: skip
    (told,) = CsvSource(path, "shown").told()
    assert told.endswith("they are called 'a (3)', 'column 4', 'column 7'")


@given(st.lists(st.sampled_from(["", "a", "a (2)", "column 1", "b"]), max_size=8))
def test_each_column_has_a_name_of_its_own(names: list[str]) -> None:
    found = numbered(names)
    assert len({*found}) == len(found) == len(names)
    assert all(
        own == name
        for name, own in zip(names, found, strict=True)
        if names.count(name) == 1 and name
    )


@given(st.binary(max_size=40).map(lambda raw: bytes(b'",;ab \t'[byte % 7] for byte in raw)))
def test_delimiters_outside_quotes_are_counted_as_a_byte_at_a_time_tells(header: bytes) -> None:
    for mark in (b",", b";", b"\t"):
        quotes, count = Quotes(mark), 0
        for at in range(len(header)):
            quotes.feed(header[at : at + 1])
            count += header[at : at + 1] == mark and not quotes.open
        assert csvs._outside_quotes(header, mark) == count


@pytest.mark.parametrize(
    ("encoding", "words"),
    [("utf-16", "no byte order mark"), ("idna", "unknown"), ("punycode", "unknown")],
)
def test_an_encoding_that_does_not_tell_is_refused(path: Path, encoding: str, words: str) -> None:
    path.write_bytes("a,b\n1,2\n".encode("utf-16-le"))
    with pytest.raises(RefusedToStart, match=words):
        CsvSource(path, encoding=encoding)


def test_half_a_pair_is_no_text(path: Path) -> None:
    path.write_bytes(b"a,b\n1,+2AA-\n")
    (row,) = CsvSource(path, encoding="utf-7").records()
    assert row.flaw is not None
    assert "is not UTF-7" in row.flaw
