"""Databases: rows sought by their key, exact values, and what can have no order."""

from __future__ import annotations

import datetime as dt
import random
import sqlite3
import sys
from contextlib import closing
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulkload.errors import RefusedToStart, StoppedForGood, StoppedResumable
from bulkload.model import Position
from bulkload.runs.beginning import default_run
from bulkload.sources import Asked, database, describe, open_sources, reopen, rowkeys
from bulkload.sources import sql as module
from bulkload.sources.addresses import PASSWORD
from bulkload.sources.sql import SqlSource
from bulkload.sources.typed import cell

if TYPE_CHECKING:
    from pathlib import Path

KEYS = st.one_of(
    st.integers(),
    st.floats(allow_nan=False),
    st.text(),
    st.decimals(allow_nan=False),
    st.datetimes(timezones=st.sampled_from([None, dt.UTC])),
    st.dates(),
    st.times(),
    st.uuids(),
    st.binary(),
)


@given(KEYS)
def test_a_key_is_read_as_it_was_written(value: object) -> None:
    found = rowkeys.read(rowkeys.written(value))
    assert (found, type(found)) == (value, type(value))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "old crm.db"


def made(path: Path, *statements: str, rows: list[tuple[Any, ...]] | None = None) -> str:
    """A database's address. `rows` go into the table mails (id, subject)."""
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as base, base:
        for statement in statements:
            base.execute(statement)
        if rows is not None:
            base.execute("CREATE TABLE mails (id PRIMARY KEY NOT NULL, subject)")
            base.executemany("INSERT INTO mails VALUES (?, ?)", rows)
    return f"sqlite:///{path}"


@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(
    keys=st.one_of(
        st.sets(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=60),
        st.sets(st.text("aäßZ'\" ", max_size=5), min_size=1, max_size=60),
    ),
    page=st.integers(1, 20),
    pick=st.randoms(use_true_random=False),
)
def test_each_row_is_read_once_and_again_by_its_position(
    path: Path, keys: set[Any], page: int, pick: random.Random
) -> None:
    address = made(path, rows=[(key, f"about {key}") for key in keys])
    (source,) = open_sources([address], Asked(table="mails"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "FIRST_PAGE", page)
        patch.setattr(module, "PAGE", page)
        found = list(source.records())
        at = pick.randrange(len(found))
        again = list(reopen(describe(source)).records(found[at].position))
    assert sorted((r.fields or {})["subject"] for r in found) == sorted(f"about {k}" for k in keys)
    assert [record.position.number for record in found] == list(range(1, len(keys) + 1))
    assert again == found[at:]


def test_rows_that_come_later_are_none_of_it(path: Path) -> None:
    address = made(path, rows=[(1, "a"), (2, "b")])
    source = SqlSource(address, table="mails")
    bound = source.fingerprint()
    with closing(sqlite3.connect(path)) as base, base:
        base.execute("INSERT INTO mails VALUES (3, 'later')")
    again = reopen(describe(source))
    assert again.fingerprint() == bound
    assert again.still(bound)
    assert len(list(again.records())) == 2
    assert SqlSource(address, table="mails").fingerprint() != bound


def test_values_are_written_exactly(path: Path) -> None:
    address = made(
        path,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, i, f REAL, s TEXT, b BLOB, n)",
        "INSERT INTO t VALUES (1, 9007199254740993, 0.1, 'é', x'ff00', NULL)",
    )
    (record,) = SqlSource(address, table="t", exclude=["id"]).records()
    assert record.fields == {"i": "9007199254740993", "f": "0.1", "s": "é", "b": "/wA="}


def test_text_that_is_none_is_a_flaw_of_its_row(path: Path) -> None:
    address = made(
        path,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT, u TEXT)",
        "INSERT INTO t VALUES (1, 'é', 'a'), (2, CAST(x'4772fc' AS TEXT), 'b'), (3, 'c', 'd')",
    )
    first, bad, last = SqlSource(address, table="t", exclude=["id"]).records()
    assert (first.fields, last.fields) == ({"s": "é", "u": "a"}, {"s": "c", "u": "d"})
    assert (bad.flaw, bad.fields) == ("column 's' holds text that is no UTF-8", None)
    assert orjson.loads(bad.raw or b"") == {"s": r"Gr\xfc", "u": "b"}


def test_a_key_that_is_no_text_is_no_order(path: Path) -> None:
    keys = "CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL)"
    address = made(path, keys, "INSERT INTO t VALUES (CAST(x'ff' AS TEXT)), ('a')")
    with pytest.raises(RefusedToStart, match="of the kind text that is no UTF-8"):
        SqlSource(address, table="t")
    address = made(path, keys, "INSERT INTO t VALUES (CAST(x'61ff' AS TEXT)), ('a'), ('b')")
    rows = SqlSource(address, table="t").records()
    assert next(rows).fields == {"id": "a"}
    with pytest.raises(StoppedForGood, match="'id' of row 2 is text that is no UTF-8"):
        next(rows)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (Decimal("1.10"), "1.10"),
        (Decimal("1E+3"), "1000"),
        (dt.datetime(2024, 1, 2, 3, tzinfo=dt.timezone(dt.timedelta(hours=2))),
         "2024-01-02T01:00:00+00:00"),
        (dt.datetime(2024, 1, 2, 3, 4, 5, 6), "2024-01-02T03:04:05.000006"),  # noqa: DTZ001  # as it is
        (dt.date(2024, 1, 2), "2024-01-02"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (memoryview(b"text"), "text"),
        ({"a": [1, None]}, '{"a":[1,null]}'),
        (float("nan"), None),
        (1_700_000_000_000.0, "1700000000000"),
        (4_915_112_345_678.0, "4915112345678"),
        (1.5, "1.5"),
        (1e300, "1e+300"),
        (None, None),
    ],
)  # fmt: skip
def test_what_drivers_give_is_written_exactly(value: object, text: str | None) -> None:
    assert cell(value) == text


def test_a_query_is_read_in_the_order_of_a_column(path: Path) -> None:
    address = made(path, rows=[(at, f"{at % 7}:{at}") for at in range(300)])
    query = "SELECT id AS nr, subject AS hs_email_subject FROM mails WHERE subject LIKE '3:%';"
    with pytest.raises(RefusedToStart, match="Add --order-by COLUMN"):
        open_sources([address], Asked(query=query))
    (source,) = open_sources([address], Asked(query=query, order_by="nr", exclude=("nr",)))
    assert [record.fields for record in source.records()] == [
        {"hs_email_subject": f"3:{at}"} for at in range(3, 300, 7)
    ]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (Asked(), "say what to read there: --table NAME or --query SQL"),
        (Asked(table="mail"), "there is no such table; there is mails"),
        (Asked(table="mails", order_by="ids"), "has no column 'ids'; there is id"),
        (Asked(table="mails", exclude=("x",)), "has no column 'x'"),
        (Asked(table="mails", order_by="subject"), "1 have none, and 1 one that stands twice"),
        (Asked(query="SELEC 1", order_by="a"), "syntax error. Check the address"),
        (Asked(table="keyless"), "it has no primary key. Add --order-by"),
        (Asked(table="pair"), "its primary key has 2 columns. Add --order-by"),
        (Asked(table="empty"), "holds no row"),
    ],
)  # fmt: skip
def test_what_can_not_be_read_is_refused_with_what_to_do(
    path: Path, asked: Asked, says: str
) -> None:
    address = made(
        path,
        "CREATE TABLE keyless (a)",
        "CREATE TABLE pair (a, b, PRIMARY KEY (a, b))",
        "CREATE TABLE empty (a PRIMARY KEY)",
        rows=[(1, "x"), (2, "x"), (3, "y"), (4, None)],
    )
    with pytest.raises(RefusedToStart, match=says):
        open_sources([address], asked)


def test_addresses_that_lead_nowhere(tmp_path: Path) -> None:
    with pytest.raises(RefusedToStart, match="there is no such file"):
        open_sources([f"sqlite:///{tmp_path}/none.db"], Asked(table="t"))
    assert not (tmp_path / "none.db").exists()
    with pytest.raises(RefusedToStart, match="ftp://: nothing is read from there"):
        open_sources(["ftp://host/file"], Asked())
    with pytest.raises(RefusedToStart, match="its driver is not installed: pip install MySQLdb"):
        open_sources(["mysql://root@127.0.0.1/x"], Asked(table="t"))


def test_no_password_is_shown_or_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    address = "postgresql://ada:s3cret@127.0.0.1:1/crm?sslpassword=s3cret&connect_timeout=2"
    with pytest.raises(RefusedToStart, match="BULKLOAD_SOURCE_PASSWORD") as refused:
        open_sources([address], Asked(table="mails"))
    assert "s3cret" not in str(refused.value)
    assert "postgresql://ada@127.0.0.1:1/crm" in str(refused.value)
    assert "s3cret" not in str(default_run([address]))
    import sqlalchemy

    url, public = database.urls(sqlalchemy, address)
    assert url.password == "s3cret"
    assert public == "postgresql://ada@127.0.0.1:1/crm?connect_timeout=2"
    paths = "postgresql://ada@host/crm?passfile=%2Fa&sslkey=%2Fb"
    assert database.urls(sqlalchemy, paths)[1] == paths
    monkeypatch.setenv(PASSWORD, "of the environment")
    assert database.urls(sqlalchemy, public)[0].password == "of the environment"


def test_a_database_that_goes_away_stops_resumable(path: Path) -> None:
    source = SqlSource(made(path, rows=[(at, "x") for at in range(500)]), table="mails")
    records = source.records()
    next(records)
    path.unlink()
    with pytest.raises(StoppedResumable, match="Resume when the database answers again"):
        list(records)


def test_a_row_over_the_limit_is_left_unread(path: Path) -> None:
    address = made(path, rows=[(1, "x"), (2, "y" * 2000), (3, "z")])
    first, large, last = SqlSource(address, table="mails", max_record_bytes=1000).records()
    assert (first.position.number, large.raw, last.position.number) == (1, None, 3)
    assert "more than --max-record-bytes" in (large.flaw or "")


def test_a_query_of_two_columns_of_one_name_is_refused(path: Path) -> None:
    address = made(path, rows=[(1, "a")])
    with pytest.raises(RefusedToStart, match="more than one column 'subject': name each"):
        SqlSource(address, query="SELECT id, subject, subject FROM mails", order_by="id")


@pytest.mark.parametrize("end", [" -- all", " -- all;", " /* all */ ;", "\n-- all\n"])
def test_a_query_may_end_in_a_comment(path: Path, end: str) -> None:
    address = made(path, rows=[(1, "a"), (2, "b")])
    source = SqlSource(address, query=f"SELECT id, subject FROM mails{end}", order_by="id")
    assert [(r.fields or {})["subject"] for r in source.records()] == ["a", "b"]


def test_a_page_ends_where_its_rows_are_large(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those before tell nothing: they may be small."""
    sizes = [1] * 900 + [20_000] * 60 + [1] * 300
    address = made(path, rows=[(at, f"{at} {'x' * size}") for at, size in enumerate(sizes)])
    monkeypatch.setattr(module, "PAGE_BYTES", 100_000)
    pages: list[int] = []
    fetched = module._fetched

    def counted(connection: Any, page: Any, size: int) -> Any:
        rows, taken = fetched(connection, page, size)
        pages.append(taken)
        return rows, taken

    monkeypatch.setattr(module, "_fetched", counted)
    source = SqlSource(address, table="mails")
    found = list(source.records())
    assert [(r.fields or {})["subject"] for r in found] == [
        f"{at} {'x' * size}" for at, size in enumerate(sizes)
    ]
    assert [record.position.number for record in found] == list(range(1, len(sizes) + 1))
    assert max(pages) < 100_000 + module.MOST_ROWS * 20_010
    assert sum(taken > 250_000 for taken in pages) <= 1
    assert len(pages) < 40
    for at in (99, 900, 959):
        assert list(source.records(found[at].position)) == found[at:]


def test_a_missing_package_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = made(path, rows=[(1, "x")])
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(RefusedToStart, match=r"pip install 'bulkload\[sql\]'"):
        open_sources([address], Asked(table="mails"))


def test_each_row_is_read_again_at_its_position(path: Path) -> None:
    source = SqlSource(made(path, rows=[(at * 7, f"x {at}") for at in range(1_200)]), table="mails")
    records = list(source.records())
    assert len(records) == 1_200

    @settings(
        max_examples=1_000, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(st.integers(0, 1_199))
    def again(k: int) -> None:
        with closing(source.records(records[k].position)) as found:
            assert next(found) == records[k]

    again()


def test_a_whole_number_in_json_stays_as_it_is() -> None:
    assert (
        cell({"a": [1 << 70, "é", Decimal("1.10")]}) == '{"a":[1180591620717411303424,"é","1.10"]}'
    )


def test_a_source_that_passes_over_rows_does_not_end(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = SqlSource(made(path, rows=[(at, f"x {at}") for at in range(300)]), table="mails")
    fetched = module._fetched

    def some(connection: Any, page: Any, size: int) -> Any:
        rows, taken = fetched(connection, page, size)
        return rows[:20] + rows[30:], taken if len(rows) < size else module.PAGE_BYTES

    monkeypatch.setattr(module, "_fetched", some)
    with pytest.raises(StoppedForGood, match=r"rows, and has 300 \(at the start 300\).*'id'"):
        list(source.records())


@pytest.mark.parametrize("change", ["DELETE FROM mails WHERE id > 250", "DELETE FROM mails", ""])
def test_rows_that_go_meanwhile_are_no_fault(path: Path, change: str) -> None:
    address = made(path, rows=[(at, f"x {at}") for at in range(300)])
    source = SqlSource(address, table="mails")
    records = source.records()
    found = [next(records) for _ in range(10)]
    with closing(sqlite3.connect(path)) as base, base:
        base.execute(change or "INSERT INTO mails VALUES (150.5, 'came')")
    found += records
    assert len(found) == {"": 301}.get(change, 251 if ">" in change else 100)


@pytest.mark.parametrize(
    ("gone", "moved"),
    [
        (None, None),
        (5, None),
        (299, None),
        (20, 100),
        (60, 100),
        (100, 100),
        (101, 120),
        (120, 120),
    ],
)
def test_it_tells_that_rows_have_other_numbers(
    path: Path, gone: int | None, moved: int | None
) -> None:
    """Of row 10 on it is known where they were."""
    source = SqlSource(made(path, rows=[(at, "x") for at in range(300)]), table="mails")
    known = [Position(str(at), at + 1) for at in (10, 100, 120)]
    with closing(sqlite3.connect(path)) as base, base:
        base.execute("DELETE FROM mails WHERE id = ?", [gone])
    found = source.moved(known, whole=False)
    assert found == (None if moved is None else Position(str(moved), moved + 1))
    assert (source.moved(known, whole=True) is None) is (gone in (None, 299))
