"""The order of a table's rows: their keys, compared as the database itself compares them.

Law kept here: nothing lost. A key is bound in the type of its own column: as another one it may
compare otherwise than it is sorted (PostgreSQL's citext as text), and rows between two pages would
be passed over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bulkload.errors import RefusedToStart, StoppedForGood
from bulkload.sources import rowkeys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkload.model import Position


class RowOrder:
    """The rows of `rows`, a table or a query, by its column `key`; those behind `after`, a key and
    how many rows there are up to it. `name` is what messages call them. `start` asks the database.
    """

    def __init__(
        self, sa: Any, name: str, rows: Any, key: Any, after: Sequence[Any] | None = None
    ) -> None:
        self._sa = sa
        self._name = name
        self._rows = rows
        self._key = key
        self._after = after
        self._type: Any = None

    def start(self, connection: Any) -> None:
        """Ask for the key's own type, where a value alone does not tell how it is compared."""
        if connection.dialect.name != "postgresql":
            return
        sa = self._sa
        of_one = sa.cast(sa.func.pg_typeof(self._key), sa.BigInteger)
        oid = connection.execute(sa.select(of_one).select_from(self._rows).limit(1)).scalar()
        named = sa.text(
            # Its bare name: "character" by itself is of one letter.
            "SELECT quote_ident(nspname) || '.' || quote_ident(typname) FROM pg_catalog.pg_type"
            " JOIN pg_catalog.pg_namespace AS spaces ON spaces.oid = typnamespace"
            " WHERE pg_type.oid = :oid"
        )
        if name := connection.execute(named, {"oid": oid}).scalar():
            self._type = _of_its_own(sa, str(name))

    def value(self, key: Any) -> Any:
        """What a key is compared with: this one."""
        bound = self._sa.literal(key)
        return bound if self._type is None else self._sa.cast(bound, self._type)

    def at(self, key: str) -> Any:
        """The same for a key as a position keeps it."""
        return self.value(rowkeys.read(key))

    @property
    def before(self) -> int:
        """How many rows there were before the first one."""
        return 0 if self._after is None else int(self._after[1])

    @property
    def behind(self) -> Any:
        """Where the first one begins."""
        return self._sa.true() if self._after is None else self._key > self.at(self._after[0])

    def greatest(self, connection: Any) -> str:
        """The greatest key, after a look whether all are keys."""
        sa, key, by = self._sa, self._key, self._key.name
        count = sa.func.count
        counts = sa.select(count(), count(key), count(sa.distinct(key)))
        rows, keys, values = connection.execute(counts.select_from(self._rows)).one()
        last = connection.execute(sa.select(key).order_by(key.desc()).limit(1)).scalar()
        if not rows:
            raise RefusedToStart(f"{self._name}: holds no row: nothing to load.")
        if not rows == keys == values:
            raise RefusedToStart(
                f"{self._name}: no order by {by!r}: of its {rows:,} rows {rows - keys:,} "
                f"have none, and {keys - values:,} one that stands twice. Name another column with "
                "--order-by."
            )
        try:
            return rowkeys.written(last)
        except TypeError as error:
            raise RefusedToStart(
                f"{self._name}: rows can't be sought by {by!r}, which is of the kind "
                f"{error}. Name another column with --order-by."
            ) from None

    def count(self, connection: Any, *where: Any) -> int:
        """How many rows there are."""
        sa = self._sa
        asked = sa.select(sa.func.count()).select_from(self._rows).where(*where)
        return int(connection.execute(asked).scalar_one())

    def up_to(self, connection: Any, last: str) -> int:
        """How many there are from the first one to this key."""
        return self.count(connection, self.behind, self._key <= self.at(last))

    def refuse_unless_all(self, given: int, was: int, now: int) -> None:
        """Rows that come or go meanwhile are nobody's fault. Where the order is none, rows are
        passed over, or given twice: raises StoppedForGood.
        """
        if min(was, now) <= given <= max(was, now):
            return
        raise StoppedForGood(
            f"{self._name}: it gave {given:,} rows, and has {now:,} (at the start {was:,}): they "
            f"can't be read in the order of {self._key.name!r}. Load it anew with another column "
            "as --order-by"
        )

    def moved(self, connection: Any, known: Sequence[Position], *, whole: bool) -> Position | None:
        """See `protocols.Numbered`."""
        if whole and known:
            first = known[0]
            if self.up_to(connection, str(first.at)) != first.number - self.before:
                return first
        for before, row in zip([*known[:1], *known[:-1]], known, strict=True):
            since, to = self.at(str(before.at)), self.at(str(row.at))
            between = self.count(connection, self._key >= since, self._key <= to)
            if between != row.number - before.number + 1:
                return row
        return None


def _of_its_own(sa: Any, name: str) -> Any:
    """A type by its name, for a cast to it."""
    own = type(
        "Own",
        (sa.types.UserDefinedType,),
        {"cache_ok": True, "get_col_spec": lambda self, **_: self.name},
    )()
    own.name = name
    return own
