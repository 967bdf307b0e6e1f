"""A table of a database, or a query, by SQLAlchemy. The position is the row's key: the value of a
column that is unique and never NULL.

Rows are read a page at a time, each by the key that the last one ended with, each in a transaction
of its own: one that stays open for the days of a load would keep the database from clearing up.
The source ends with the greatest key at its start; rows that come later are none of it.

Laws kept here: nothing lost: keys that are equal, or NULL, would hide rows between two pages, so
both are refused, and who gave fewer rows than there are does not end; memory is bounded: a page is
fetched a few rows at a time, and ends when it holds PAGE_BYTES, whatever was asked for.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Self

from bulkload.errors import RefusedToStart, StoppedForGood, StoppedResumable
from bulkload.model import Position
from bulkload.sources import addresses, database, rowkeys
from bulkload.sources.asked import MAX_RECORD_BYTES
from bulkload.sources.extras import needed
from bulkload.sources.roworder import RowOrder
from bulkload.sources.typed import cell, row
from bulkload.wording import there_is

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    from bulkload.model import Record
    from bulkload.protocols import Source
    from bulkload.sources.asked import Asked

FIRST_PAGE = 100
"""Rows of the first page, before it is known how large they are. The next at most doubles."""

PAGE = 5000
PAGE_BYTES = 8 << 20
"""No more are asked for in a page, by the average of the one before; what is more is left there."""

FIRST_ROWS = 10
MOST_ROWS = 100
"""Rows that are fetched at a time, in the beginning and later: they may turn out large."""


def opened(address: str, asked: Asked, say: Callable[[str], None]) -> list[Source]:
    """The one source that the address and `--table` or `--query` name. Raises RefusedToStart."""
    source = SqlSource(
        address,
        max_record_bytes=asked.max_record_bytes,
        table=asked.table,
        query=asked.query,
        order_by=asked.order_by,
        exclude=asked.excluded,
    )
    say(f"{source.name}: {len(source.columns)} columns, in the order of {source.order_by}")
    return [source]


def public(address: str) -> str:
    """The address as it may be kept: without a password. Raises RefusedToStart."""
    return database.urls(_sqlalchemy(address), address)[1]


def _sqlalchemy(address: str) -> Any:
    return needed("sqlalchemy", "sql", f"{addresses.public(address)}: a database")


class SqlSource:
    """Rows in the order of `order_by` (default: the table's primary key) up to the key `last`, as
    `rowkeys` writes it (default: the greatest one now); those behind `after`, which is a key and
    how many rows there are up to it. Raises RefusedToStart.
    """

    format = "sql"
    noun = "row"

    def __init__(
        self,
        address: str,
        name: str | None = None,
        *,
        max_record_bytes: int = MAX_RECORD_BYTES,
        table: str | None = None,
        query: str | None = None,
        order_by: str | None = None,
        exclude: Sequence[str] = (),
        after: Sequence[Any] | None = None,
        last: str | None = None,
        rows: int | None = None,
    ) -> None:
        self._sa = _sqlalchemy(address)
        url, self.address = database.urls(self._sa, address)
        self.name = name or f"{self.address} {table or 'query'}"
        if (table is None) == (query is None):
            raise RefusedToStart(
                f"{self.name}: say what to read there: --table NAME or --query SQL, one of them."
            )
        self.max_record_bytes = max_record_bytes
        self.table, self.query = table, query
        self.exclude = tuple(exclude)
        self._database = database.Database(self._sa, url, self.name)
        self._engine = self._database.engine
        with self._database.asked(RefusedToStart):
            self._from = self._table() if table is not None else self._select()
            known = [column.name for column in self._from.columns]
            self.order_by = order_by or self._primary_key()
            for wanted in (self.order_by, *self.exclude):
                if wanted not in known:
                    raise RefusedToStart(
                        f"{self.name}: has no column {wanted!r}{there_is(wanted, known)}."
                    )
            self.columns = [each for each in known if each not in self.exclude]
            self._key = self._from.columns[self.order_by]
            self.after = after
            self._order = RowOrder(self._sa, self.name, self._from, self._key, after)
            with self._engine.connect() as connection:
                self._order.start(connection)
                self.last = self._order.greatest(connection) if last is None else last
                self._rows = self._order.up_to(connection, self.last) if last is None else rows

    def options(self) -> dict[str, Any]:
        return {
            "max_record_bytes": self.max_record_bytes,
            "table": self.table,
            "query": self.query,
            "order_by": self.order_by,
            "exclude": list(self.exclude),
            "after": self.after,
            "last": self.last,
            "rows": self._rows,
        }

    def fingerprint(self) -> dict[str, Any]:
        return {
            "database": self.address,
            "of": self.table or self.query,
            "columns": self.columns,
            "order_by": self.order_by,
            "last": self.last,
        }

    def still(self, bound: dict[str, Any]) -> bool:
        return self.fingerprint() == bound

    def extended(
        self,
        earlier: Iterable[Source],  # noqa: ARG002  # the key is all that is needed
        last: Position | None,  # noqa: ARG002  # as above
    ) -> Self | None:
        """The rows with greater keys; see `protocols.Growing`."""
        end = self._order.at(self.last)
        with self._database.asked(RefusedToStart), self._engine.connect() as connection:
            if not self._order.count(connection, self._key > end):
                return None
            before = self._order.count(connection, self._key <= end)
        options = {**self.options(), "after": [self.last, before], "last": None, "rows": None}
        return type(self)(self.address, self.name, **options)

    def size(self) -> int | None:
        return None

    def consumed(self) -> int:
        return 0

    def records(self, start: Position | None = None) -> Generator[Record, None, None]:
        sa, key = self._sa, self._key
        columns = [self._from.columns[name] for name in self.columns]
        page = sa.select(key, *columns).where(key <= self._order.at(self.last)).order_by(key)
        number, after = self._order.before + 1, self._order.behind
        if start:
            number, after = start.number, key >= self._order.at(str(start.at))
        size = FIRST_PAGE
        while True:
            with self._database.asked(StoppedResumable), self._engine.connect() as connection:
                rows, taken = _fetched(connection, page.where(after).limit(size), size)
            for found, cells in rows:
                yield self._record(found, cells, number)
                number += 1
            if len(rows) < size and taken < PAGE_BYTES:
                self._refuse_unless_all(number - self._order.before - 1)
                return
            after = key > self._order.value(rows[-1][0])
            size = max(1, min(PAGE, 2 * size, PAGE_BYTES * len(rows) // taken))

    def moved(self, known: Sequence[Position], *, whole: bool) -> Position | None:
        """See `protocols.Numbered`."""
        with self._database.asked(StoppedResumable), self._engine.connect() as connection:
            return self._order.moved(connection, known, whole=whole)

    def _refuse_unless_all(self, given: int) -> None:
        if self._rows not in (None, given):
            with self._database.asked(StoppedResumable), self._engine.connect() as connection:
                now = self._order.up_to(connection, self.last)
            self._order.refuse_unless_all(given, self._rows, now)

    def _record(self, found: Any, cells: list[str | None], number: int) -> Record:
        try:
            position = Position(rowkeys.written(found), number)
        except TypeError as error:
            raise StoppedForGood(
                f"{self.name}: the {self.order_by!r} of row {number:,} is {error}, by which no "
                "row can be sought. Load it anew with another column as --order-by."
            ) from None
        return row(position, self.columns, cells, self.max_record_bytes)

    def _table(self) -> Any:
        sa = self._sa
        schema, _, table = str(self.table).rpartition(".")
        found = sa.inspect(self._engine)
        known = [*found.get_table_names(schema or None), *found.get_view_names(schema or None)]
        if self._engine.dialect.name == "postgresql":
            known += found.get_materialized_view_names(schema or None)
        if table not in known:
            raise RefusedToStart(f"{self.name}: there is no such table{there_is(table, known)}.")
        columns = [sa.column(each["name"]) for each in found.get_columns(table, schema or None)]
        return sa.table(table, *columns, schema=schema or None)

    def _select(self) -> Any:
        sa = self._sa
        # A colon that is no cast's would be taken for a parameter's.
        text = re.sub(r"(?<!:):(?!:)", r"\\:", str(self.query).rstrip().rstrip(";"))
        text += "\n"  # the bracket that is set behind it belongs to no comment at its end
        rows = sa.text(text).columns().subquery("bulkload_rows")
        with self._engine.connect() as connection:
            nothing = sa.select(sa.text("*")).select_from(rows).where(sa.false())
            names = list(connection.execute(nothing).keys())
            if connection.dialect.name == "sqlite":  # it tells two of one name apart, by itself
                with connection.execute(sa.text(text)) as result:
                    names = list(result.keys())
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise RefusedToStart(
                f"{self.name}: it has more than one column {', '.join(map(repr, twice))}: name "
                "each after its property, by AS."
            )
        return sa.text(text).columns(*map(sa.column, names)).subquery("bulkload_rows")

    def _primary_key(self) -> str:
        if self.table is None:
            raise RefusedToStart(
                f"{self.name}: a query has no order of its own, so it could not be resumed. Add "
                "--order-by COLUMN: one without NULL in which no value stands twice."
            )
        schema, _, table = self.table.rpartition(".")
        found = self._sa.inspect(self._engine).get_pk_constraint(table, schema or None)
        key = found["constrained_columns"]
        if len(key) != 1:
            what = f"its primary key has {len(key)} columns" if key else "it has no primary key"
            raise RefusedToStart(
                f"{self.name}: {what}. Add --order-by COLUMN: one without NULL in which no value "
                "stands twice; where there is none, --query with such a column made in it."
            )
        return str(key[0])


def _fetched(
    connection: Any, page: Any, size: int
) -> tuple[list[tuple[Any, list[str | None]]], int]:
    """The keys and cells of a page's rows, until they take PAGE_BYTES; and what they take."""
    rows: list[tuple[Any, list[str | None]]] = []
    taken, several = 0, FIRST_ROWS
    # Some drivers hold all that was asked for, unless they are told to leave it there.
    with connection.execution_options(stream_results=True).execute(page) as result:
        while taken < PAGE_BYTES and len(rows) < size:
            fetched = result.fetchmany(several)
            if not fetched:
                break
            before = taken
            for found in fetched:
                cells = list(map(cell, found[1:]))
                taken += sum(map(len, filter(None, cells))) + 1
                rows.append((found[0], cells))
            fitting = PAGE_BYTES * len(fetched) // (taken - before)
            several = max(1, min(MOST_ROWS, 2 * several, fitting))
    return rows, taken
