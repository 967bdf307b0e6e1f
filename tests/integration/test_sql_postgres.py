"""A real PostgreSQL on loopback: exact types, read-only, and a server that goes away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from bulkload.errors import RefusedToStart, StoppedResumable
from bulkload.sources import Asked, describe, open_sources, reopen
from bulkload.sources import sql as module
from tests.database import USABLE, WHY, Server, database

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    if not USABLE:
        pytest.skip(WHY)
    with database() as running:
        yield running


def run(server: Server, *statements: str) -> None:
    with psycopg.connect(server.address) as connection:
        for statement in statements:
            connection.execute(statement)


def test_types_are_written_exactly(server: Server) -> None:
    run(
        server,
        "DROP TABLE IF EXISTS kinds",
        """CREATE TABLE kinds (id bigint PRIMARY KEY, n numeric(30, 4), f float8, b boolean,
           z timestamptz, t timestamp, d date, j jsonb, u uuid, r bytea, a int[], e text)""",
        """INSERT INTO kinds VALUES (9007199254740993, 12345678901234567890.1200, 0.1, true,
           '2024-01-02 03:04:05.123456+02', '2024-01-02 03:04:05', '1999-12-31', '{"k": [1]}',
           '00000000-0000-0000-0000-000000000001', '\\xff00', '{1,2}', 'Größe')""",
    )
    (source,) = open_sources([server.address], Asked(table="public.kinds"))
    (record,) = source.records()
    assert record.fields == {
        "id": "9007199254740993", "n": "12345678901234567890.1200", "f": "0.1", "b": "true",
        "z": "2024-01-02T01:04:05.123456+00:00", "t": "2024-01-02T03:04:05", "d": "1999-12-31",
        "j": '{"k":[1]}', "u": "00000000-0000-0000-0000-000000000001", "r": "/wA=", "a": "[1,2]",
        "e": "Größe",
    }  # fmt: skip


def test_a_time_that_no_calendar_has_costs_its_row_alone(server: Server) -> None:
    run(
        server,
        "DROP TABLE IF EXISTS times",
        "CREATE TABLE times (id int PRIMARY KEY, z timestamptz, t timestamp, d date)",
        """INSERT INTO times VALUES (1, '2024-01-02 03:04+02', '2024-01-02 03:04', '2024-01-02'),
           (2, 'infinity', NULL, NULL), (3, NULL, '0044-03-15 BC', NULL), (4, NULL, NULL,
           '12000-01-01'), (5, NULL, NULL, '2024-01-02')""",
    )
    (source,) = open_sources([server.address], Asked(table="times"))
    first, *flawed, last = source.records()
    assert first.fields == {
        "id": "1", "z": "2024-01-02T01:04:00+00:00", "t": "2024-01-02T03:04:00", "d": "2024-01-02",
    }  # fmt: skip
    assert [record.flaw for record in flawed] == [
        f"column {name!r} holds a time that no calendar has" for name in "ztd"
    ]
    assert b"infinity" in (flawed[0].raw or b"")
    assert (last.fields or {})["id"] == "5"


def test_what_a_materialized_view_holds_is_read(server: Server) -> None:
    run(
        server,
        "DROP MATERIALIZED VIEW IF EXISTS held",
        "CREATE MATERIALIZED VIEW held AS SELECT 1 AS id",
    )
    (source,) = open_sources([server.address], Asked(table="held", order_by="id"))
    assert len(list(source.records())) == 1


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("bigint", "i * 3"),
        ("text", "chr(65 + i % 26) || i"),
        ("timestamptz", "'2024-01-01'::timestamptz + i * interval '1 microsecond'"),
        ("numeric", "i / 7.0"),
        ("uuid", "md5(i::text)::uuid"),
        ("real", "i * 0.1"),
        ("char(8)", "'k' || i"),
        ("citext", "chr(65 + i % 2 * 32 + i % 7) || i"),
        ("letters", "(chr(65 + i % 2 * 32 + i % 7) || i)::letters"),
        ("mood", "('m' || i)::mood"),
    ],
)
def test_rows_are_sought_by_any_kind_of_key(
    server: Server, kind: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    moods = ", ".join(f"'m{at}'" for at in range(500, 0, -1))
    run(
        server,
        "DROP TABLE IF EXISTS keyed",
        "CREATE EXTENSION IF NOT EXISTS citext",
        "DROP TYPE IF EXISTS mood",
        "DROP DOMAIN IF EXISTS letters",
        f"CREATE TYPE mood AS ENUM ({moods})",
        "CREATE DOMAIN letters AS citext",
        f"CREATE TABLE keyed (k {kind} PRIMARY KEY, hs_email_subject text)",
        f"INSERT INTO keyed SELECT {value}, 'about ' || i FROM generate_series(1, 500) AS i",
    )
    monkeypatch.setattr(module, "PAGE", 60)
    (source,) = open_sources([server.address], Asked(table="keyed"))
    found = list(source.records())
    assert {(record.fields or {})["hs_email_subject"] for record in found} == {
        f"about {at}" for at in range(1, 501)
    }
    assert len(found) == 500
    for at in (0, 137, 499):
        assert list(reopen(describe(source)).records(found[at].position)) == found[at:]


def test_a_query_with_casts_and_colons_is_read_and_can_not_write(server: Server) -> None:
    query = "SELECT i::bigint AS nr, '12:30' || i AS at FROM generate_series(1, 3) AS i"
    (source,) = open_sources([server.address], Asked(query=query, order_by="nr"))
    assert [record.fields for record in source.records()] == [
        {"nr": str(at), "at": f"12:30{at}"} for at in (1, 2, 3)
    ]
    run(server, "DROP SEQUENCE IF EXISTS counted", "CREATE SEQUENCE counted")
    with pytest.raises(RefusedToStart, match="read-only transaction"):
        open_sources(
            [server.address], Asked(query="SELECT nextval('counted') AS nr", order_by="nr")
        )


def test_a_server_that_goes_away_stops_resumable_and_is_gone_on_with(server: Server) -> None:
    run(
        server,
        "DROP TABLE IF EXISTS many",
        "CREATE TABLE many AS SELECT i AS id FROM generate_series(1, 1000) AS i",
        "ALTER TABLE many ADD PRIMARY KEY (id)",
    )
    (source,) = open_sources([server.address], Asked(table="many"))
    records = source.records()
    found = [next(records) for _ in range(50)]
    server.stop()
    try:
        with pytest.raises(StoppedResumable, match="Resume when the database answers again"):
            found += records
    finally:
        server.start()
    again = list(reopen(describe(source)).records(found[-1].position))
    assert [*found[:-1], *again] == list(source.records())
