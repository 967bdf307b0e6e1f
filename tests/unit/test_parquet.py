"""Parquet: exact values, rows found by the footer, and files that are none."""

from __future__ import annotations

import base64
import datetime as dt
import random
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bulkload.errors import RefusedToStart
from bulkload.model import Position
from bulkload.sources import Asked, columnar, describe, open_sources, parquet, reopen
from bulkload.sources.arrow import ArrowSource
from bulkload.sources.cells import texts
from bulkload.sources.parquet import ParquetSource
from bulkload.sources.typed import Unread, cell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rows.parquet"


def fields(path: Path, column: pa.Array | pa.ChunkedArray) -> list[str | None]:
    """What a column's values become."""
    pq.write_table(pa.table({"n": list(range(len(column))), "x": column}), path)
    found = [record.fields or {} for record in ParquetSource(path).records()]
    assert [each["n"] for each in found] == [str(at) for at in range(len(column))]
    return [each.get("x") for each in found]


@pytest.mark.parametrize(
    ("kind", "values", "written"),
    [
        (pa.int64(), [2**62, -1, None], [str(2**62), "-1", None]),
        (pa.uint64(), [2**64 - 1], [str(2**64 - 1)]),
        (pa.float64(), [0.1, 5.0, 1e300, float("nan")], ["0.1", "5", "1e+300", None]),
        (pa.float64(), [1.7e12, 4915112345678.0, -1e15, 1e16, 1e-7, 1e22],
         ["1700000000000", "4915112345678", "-1000000000000000", "1e+16", "1e-07", "1e+22"]),
        (pa.float32(), [0.1, 1.7e10, float("nan"), None], ["0.1", "17000000000", None, None]),
        (pa.bool_(), [True, False, None], ["true", "false", None]),
        (pa.string(), ["é", "", None], ["é", None, None]),
        (pa.large_string(), ["long"], ["long"]),
        (pa.binary(), [b"text", b"\xff\0"], ["text", base64.b64encode(b"\xff\0").decode()]),
        (pa.decimal128(22, 4), [Decimal("123456789012345678.1200")], ["123456789012345678.1200"]),
        (pa.date32(), [dt.date(1999, 12, 31)], ["1999-12-31"]),
        (pa.time64("us"), [dt.time(1, 2, 3, 4)], ["01:02:03.000004"]),
        (pa.list_(pa.int32()), [[1, 2], [], None, [None]], ["[1,2]", "[]", None, "[null]"]),
        (pa.list_(pa.float32()), [[0.1, 3, float("nan")]], ["[0.1,3,null]"]),
        (pa.list_(pa.float64()), [[float("inf"), 1e300, -0.0]], ['["inf",1e+300,-0]']),
        (pa.list_(pa.decimal128(20, 10)), [[Decimal(0)]], ['["0.0000000000"]']),
        (pa.list_(pa.timestamp("ms", "Asia/Tokyo")), [[0]], ['["1970-01-01T00:00:00.000+00:00"]']),
        (pa.list_(pa.timestamp("ns")), [[1]], ['["1970-01-01T00:00:00.000000001"]']),
        (pa.list_(pa.timestamp("us", "No/Zone")), [[0]], ['["1970-01-01T00:00:00.000000+00:00"]']),
        (pa.list_(pa.bool_()), [[True, None]], ["[true,null]"]),
        (pa.list_(pa.int64(), 2), [[1, 2], None, [3, 4]], ["[1,2]", None, "[3,4]"]),
        (pa.list_(pa.list_(pa.string())), [[["é"], None, []], []], ['[["é"],null,[]]', "[]"]),
        (pa.list_(pa.struct([("at", pa.date32()), ("n", pa.int8())])),
         [[{"at": dt.date(2020, 1, 2), "n": 1}, None]], ['[{"at":"2020-01-02","n":1},null]']),
        (pa.map_(pa.string(), pa.float64()), [[("k", 5.0), ("k", None)], None, []],
         ['[["k",5],["k",null]]', None, "[]"]),
        (pa.null(), [None, None], [None, None]),
        (pa.dictionary(pa.int8(), pa.string()), ["a", None, "a"], ["a", None, "a"]),
    ],
)  # fmt: skip
def test_values_are_written_exactly(
    path: Path, kind: pa.DataType, values: list[Any], written: list[str | None]
) -> None:
    assert fields(path, pa.array(values, kind)) == written


@example(6.103515625e-05)
@given(st.floats(allow_nan=False))
def test_a_floating_number_is_written_as_a_database_s_is(value: float) -> None:
    assert next(texts(pa, pa.array([value]))) == [cell(value)]
    assert float(cell(value) or "") == value


@pytest.mark.parametrize(
    ("kind", "beyond"),
    [
        (pa.timestamp("s"), 10**18),
        (pa.timestamp("ms", "UTC"), -(10**18)),
        (pa.date32(), 10**9),
        (pa.time32("s"), 10**8),
    ],
)
def test_a_time_out_of_range_is_no_text(kind: pa.DataType, beyond: int) -> None:
    plain = pa.int64() if pa.types.is_timestamp(kind) else pa.int32()
    (cells,) = texts(pa, pa.array([0, beyond, None], plain).cast(kind))
    assert [type(each) for each in cells] == [str, Unread, type(None)]
    assert cells[1] == str(beyond)


def test_a_time_out_of_range_is_a_flaw_of_its_row(path: Path) -> None:
    sent = pa.array([0, 10**18, None]).cast(pa.timestamp("ms", "UTC"))
    pq.write_table(pa.table({"sent": sent, "x": ["a", "b", "c"]}), path)
    first, bad, last = ParquetSource(path).records()
    assert (first.flaw, last.flaw, bad.fields) == (None, None, None)
    assert bad.flaw == "column 'sent' holds a time out of range"
    assert bad.raw == b'{"sent":"1000000000000000000","x":"b"}'


BEYOND = (
    pa.array([10**18, 1, 2]).view(pa.timestamp("ms")),
    pa.array([2 * 10**9, 1, 2], pa.int32()).view(pa.date32()),
    pa.array([10**18, 1, 2]).view(pa.timestamp("s", "UTC")),
)


@pytest.mark.parametrize("values", BEYOND, ids=lambda values: str(values.type))
def test_a_time_out_of_range_inside_a_list_is_a_flaw_of_its_row(values: pa.Array) -> None:
    (cells,) = texts(pa, pa.ListArray.from_arrays([0, 1, 2, 3], values))
    assert [type(each) for each in cells] == [Unread, str, str]
    assert isinstance(cells[0], Unread)
    assert (cells[0], cells[0].why) == (
        f'["{2 * 10**9 if values.type == pa.date32() else 10**18}"]',
        "a time out of range",
    )


def test_what_no_type_of_python_s_holds_inside_a_list_is_written() -> None:
    far = pa.array([9 * 10**18]).view(pa.duration("s"))
    assert next(texts(pa, pa.ListArray.from_arrays([0, 1], far))) == ["[9000000000000000000]"]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_text_that_is_no_utf_8_costs_no_other_cell(kind: pa.DataType) -> None:
    binary = pa.binary() if kind == pa.string() else pa.large_binary()
    column = pa.array([b"one", b"caf\xe9", None, b"four"], binary).view(kind)
    (cells,) = texts(pa, column)
    assert cells == ["one", "caf\\xe9", None, "four"]
    assert isinstance(cells[1], Unread)
    assert cells[1].why == "text that is no UTF-8"
    (lists,) = texts(pa, pa.ListArray.from_arrays([0, 1, 2, 3, 4], column))
    assert lists == ['["one"]', '["caf\\\\xe9"]', "[null]", '["four"]']
    assert list(map(type, lists)) == [str, Unread, str, str]


def test_a_value_that_has_no_text_costs_no_other_cell() -> None:
    twice = pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"])
    (cells,) = texts(pa, pa.ListArray.from_arrays([0, 1, 1], twice))
    assert cells[1] == "[]"
    assert isinstance(cells[0], Unread)
    assert "can't be converted" in cells[0].why


@pytest.mark.parametrize("values", [["a", None, "b", "a"], [None, None], []])
def test_a_value_that_is_kept_once_for_many_rows_is_one_text(values: list[str | None]) -> None:
    column = pa.array(values, pa.string()).dictionary_encode()
    (cells,) = texts(pa, column)
    assert cells == values
    assert len({*map(id, cells)}) == len({*values})
    assert list(texts(pa, column.slice(1))) == [values[1:]]


def test_values_that_are_kept_by_their_runs() -> None:
    runs = pa.RunEndEncodedArray.from_arrays([1, 3], pa.array([1.0, 2.5]))
    assert list(texts(pa, runs.slice(1))) == [["2.5", "2.5"]]


@pytest.mark.parametrize(
    ("unit", "value", "written"),
    [
        ("s", 1_700_000_000, "2023-11-14T22:13:20"),
        ("ms", 1_700_000_000_123, "2023-11-14T22:13:20.123"),
        ("us", -1, "1969-12-31T23:59:59.999999"),
        ("ns", 1_700_000_000_123_456_789, "2023-11-14T22:13:20.123456789"),
    ],
)
@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
def test_instants_keep_all_their_digits_and_say_their_zone(
    path: Path, unit: str, value: int, written: str, zone: str | None
) -> None:
    shown = fields(path, pa.array([value], pa.timestamp(unit, zone)))
    if unit == "s":  # Parquet has no seconds
        written += ".000"
    assert shown == [written + ("+00:00" if zone else "")]


def test_members_of_structs_are_columns(path: Path) -> None:
    rows = [{"from": {"email": "a@b.c", "name": {"first": "Ada"}}}, {"from": None}]
    pq.write_table(pa.Table.from_pylist(rows), path)
    source = ParquetSource(path)
    assert source.columns == ["from.email", "from.name.first"]
    first, second = source.records()
    assert first.fields == {"from.email": "a@b.c", "from.name.first": "Ada"}
    assert orjson.loads(first.raw or b"") == first.fields
    assert second.fields == {}


@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {"a": st.none() | st.text(max_size=5), "b": st.none() | st.integers(-9, 9)}
        ),
        min_size=1,
        max_size=60,
    ),
    group=st.integers(1, 20),
    pick=st.randoms(use_true_random=False),
)
def test_a_row_is_read_again_by_its_position(
    path: Path, rows: list[dict[str, Any]], group: int, pick: random.Random
) -> None:
    schema = pa.schema([("a", pa.string()), ("b", pa.int64())])
    pq.write_table(pa.Table.from_pylist(rows, schema), path, row_group_size=group)
    source = reopen(describe(ParquetSource(path)))
    found = list(source.records())
    assert [record.position for record in found] == [
        Position(at, at + 1) for at in range(len(rows))
    ]
    expected = [{n: str(v) for n, v in row.items() if v not in (None, "")} for row in rows]
    assert [record.fields for record in found] == expected
    at = pick.randrange(len(rows))
    assert list(source.records(found[at].position)) == found[at:]
    assert source.consumed() == source.size()


def test_it_is_known_by_name_and_by_content(path: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table({"hs_timestamp": ["2024-01-02"]}), path)
    unnamed = tmp_path / "part-0"
    unnamed.write_bytes(path.read_bytes())
    found = open_sources([str(path), str(unnamed)], Asked())
    assert [source.format for source in found] == ["parquet", "parquet"]


def test_what_is_no_whole_file_is_refused(path: Path, tmp_path: Path) -> None:
    import gzip

    pq.write_table(pa.table({"x": ["y"] * 1000}), path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    with pytest.raises(RefusedToStart, match=r"rows\.parquet: is no whole Parquet file: .*Fetch"):
        open_sources([str(path)], Asked())
    path.write_bytes(b"no Parquet")
    with pytest.raises(RefusedToStart, match="is no whole Parquet file"):
        open_sources([str(path)], Asked(format="parquet"))
    packed = tmp_path / "rows.parquet.gz"
    packed.write_bytes(gzip.compress(whole))
    with pytest.raises(RefusedToStart, match="is a compressed Parquet file"):
        open_sources([str(packed)], Asked())


def test_columns_of_one_name_are_refused(path: Path) -> None:
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["x", "x"]), path)
    with pytest.raises(RefusedToStart, match="more than one column named 'x'"):
        ParquetSource(path)


def test_a_damaged_row_group_costs_its_rows_and_no_other(path: Path) -> None:
    words = [f"row {at} {'x' * 200}" for at in range(300)]
    table = pa.table({"x": words})
    pq.write_table(table, path, row_group_size=100, compression="zstd", use_dictionary=False)
    content = bytearray(path.read_bytes())
    start = pq.ParquetFile(path).metadata.row_group(1).column(0).data_page_offset
    content[start : start + 60] = bytes(60)
    path.write_bytes(content)
    found = list(ParquetSource(path).records())
    assert [record.position.number for record in found] == list(range(1, 301))
    assert [record.fields for record in found if not record.flaw] == [
        {"x": word} for word in words[:100] + words[200:]
    ]
    assert all("row group (2) can't be read" in (record.flaw or "") for record in found[100:200])


def damaged(column: list[bytes]) -> pa.Table:
    """Rows of which some hold text that is none."""
    return pa.table({"n": range(len(column)), "x": pa.array(column, pa.binary()).view(pa.string())})


def arrow(path: Path, table: pa.Table, rows: int) -> ArrowSource:
    path = path.with_suffix(".arrow")
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=rows)
    return ArrowSource(path)


@pytest.mark.parametrize("limit", [200, 1 << 20])
def test_a_text_that_is_none_costs_its_row_alone(path: Path, limit: int) -> None:
    table = damaged([b"caf\xe9" if at == 700 else b"about %d" % at for at in range(1200)])
    pq.write_table(table, path)
    for source in ParquetSource(path, max_record_bytes=limit), arrow(path, table, 500):
        found = list(source.records())
        assert [record.position.number for record in found] == list(range(1, 1201))
        assert [record.position.at for record in found if record.flaw] == [700]
        assert found[700].raw == rb'{"n":"700","x":"caf\\xe9"}'
        assert list(source.records(found[650].position)) == found[650:]


@pytest.mark.parametrize("fault", [OverflowError, TypeError, NotImplementedError, pa.ArrowInvalid])
def test_a_row_that_no_way_converts_costs_no_other(
    path: Path, fault: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(arrow: Any, column: pa.Array) -> Iterator[list[str | None]]:
        if 70 in column.to_pylist():
            raise fault("no such value")
        return texts(arrow, column)

    monkeypatch.setattr(columnar, "texts", failing)
    table = pa.table({"n": range(100)})
    pq.write_table(table, path)
    for source in ParquetSource(path), arrow(path, table, 30):
        found = list(source.records())
        assert [record.position.at for record in found] == list(range(100))
        flaws = {record.position.at: record.flaw for record in found if record.flaw}
        assert flaws == {70: "it can't be converted: no such value"}


def test_a_long_text_that_a_file_holds_once_is_not_in_memory_for_each_row(path: Path) -> None:
    pq.write_table(pa.table({"x": ["x" * (1 << 20)] * 500}), path)
    before, most = pa.total_allocated_bytes(), 0
    for record in ParquetSource(path).records():
        assert len((record.fields or {})["x"]) == 1 << 20
        most = max(most, pa.total_allocated_bytes() - before)
    assert most < 50 << 20


@pytest.mark.parametrize("sizes", [[1] * 300 + [2000] * 90 + [1] * 300, [2000] * 90 + [1] * 300])
@pytest.mark.parametrize("limit", [1000, 1 << 20])
def test_batches_of_any_size_are_the_same_rows(
    path: Path, sizes: list[int], limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [f"{at} {'x' * size}" for at, size in enumerate(sizes)]
    pq.write_table(pa.table({"x": words}), path)
    usual = list(ParquetSource(path, max_record_bytes=limit).records())
    assert [record.fields for record in usual if not record.flaw] == [
        {"x": word} for word in words if len(word) < limit
    ]
    monkeypatch.setattr(parquet, "BATCH_BYTES", 10_000)
    source = ParquetSource(path, max_record_bytes=limit)
    assert list(source.records()) == usual
    for at in (5, 10, 299, 300, 389):
        assert list(source.records(usual[at].position)) == usual[at:]


def test_what_was_read_before_what_is_damaged_is_loaded(path: Path) -> None:
    words = [f"row {at} {'x' * 200}" for at in range(1000)]
    pages: dict[str, Any] = {"data_page_size": 1, "write_batch_size": 50}
    table = pa.table({"x": words})
    pq.write_table(table, path, use_dictionary=False, compression="none", **pages)
    content = bytearray(path.read_bytes())
    at = content.index(b"row 750 ")  # the first of its page, whose header stands before it
    content[at - 30 : at] = b"\xff" * 30
    path.write_bytes(content)
    found = list(ParquetSource(path).records())
    assert [record.position.at for record in found] == list(range(1000))
    good = [record.fields for record in found if not record.flaw]
    assert 600 < len(good) < 1000
    assert good == [{"x": word} for word in words[: len(good)]]


def test_a_dictionary_that_is_large_makes_no_row_too_large(path: Path) -> None:
    words = pa.array([f"{at} {'x' * 50}" for at in range(100)]).dictionary_encode()
    inside = pa.StructArray.from_arrays([words], ["word"])
    source = arrow(path, pa.table({"x": words, "of": inside}), 100)
    source.max_record_bytes = 1000
    assert [record.flaw for record in source.records()] == [None] * 100


def test_a_row_over_the_limit_is_left_unread(path: Path) -> None:
    pq.write_table(pa.table({"x": ["small", "y" * 5000, "small"]}), path)
    first, large, last = ParquetSource(path, max_record_bytes=1000).records()
    assert first.fields == last.fields == {"x": "small"}
    assert large.raw is None
    assert "more than --max-record-bytes" in (large.flaw or "")


def test_a_missing_package_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(pa.table({"x": [1]}), path)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(RefusedToStart, match=r"pip install 'bulkload\[parquet\]'"):
        open_sources([str(path)], Asked())


def test_folders_above_are_columns_and_excluded_ones_are_not_read(tmp_path: Path) -> None:
    folder = tmp_path / "year=2020" / "team=North%20West" / "empty=__HIVE_DEFAULT_PARTITION__"
    folder.mkdir(parents=True)
    table = pa.table({"subject": ["a", "b"], "secret": ["x", "y"], "year": [None, "1999"]})
    pq.write_table(table, folder / "part.parquet")
    (source,) = open_sources([str(folder / "part.parquet")], Asked(exclude=("secret",)))
    records = list(source.records())
    assert [record.fields for record in records] == [
        {"subject": "a", "team": "North West"},
        {"subject": "b", "year": "1999", "team": "North West"},
    ]
    again = reopen(describe(source))
    assert list(again.records(records[1].position)) == records[1:]
    assert source.columns == ["subject", "year", "team"]  # type: ignore[attr-defined]  # of a table
    with pytest.raises(
        RefusedToStart, match="has no column 'secrets' to exclude; there is subject"
    ):
        open_sources([str(folder / "part.parquet")], Asked(exclude=("secrets",)))


def test_arrow_files_are_read_up_to_where_they_are_torn(tmp_path: Path) -> None:
    path = tmp_path / "t.arrow"
    table = pa.table({"n": range(100), "when": [dt.datetime(2020, 1, 1, tzinfo=dt.UTC)] * 100})
    with path.open("wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=20)
    (source,) = open_sources([str(path)], Asked())
    assert [(r.fields or {})["n"] for r in source.records()] == [str(n) for n in range(100)]
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    *good, bad = open_sources([str(path)], Asked())[0].records()
    assert [(r.fields or {})["n"] for r in good] == [str(n) for n in range(len(good))]
    assert 0 < len(good) < 100
    assert "can't be read" in (bad.flaw or "")
    path.write_bytes(b"ARROW1 and nothing more")
    with pytest.raises(RefusedToStart, match="is no whole Arrow file"):
        open_sources([str(path)], Asked())
