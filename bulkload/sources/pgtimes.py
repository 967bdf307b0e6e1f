"""Times that PostgreSQL keeps and Python has none of: infinity, before Christ, after the year 9999.

Law kept here: a cell that can't be read is a flaw of its row. The driver fails for the whole page.
"""

from __future__ import annotations

from typing import Any

from bulkload.sources.typed import Unread

_NAMES = ("date", "timestamp", "timestamptz")


def read_all(adapters: Any) -> None:
    """Have psycopg read such a time as text that says what it is."""
    from psycopg import DataError  # noqa: PLC0415  # part of an extra
    from psycopg.types import datetime as loaders  # noqa: PLC0415  # as above

    def patient(loader: Any) -> Any:
        class Patient(loader):  # type: ignore[misc]  # made of a class that is found at run time
            def load(self, found: Any) -> Any:
                try:
                    return super().load(found)
                except DataError:
                    return Unread(bytes(found).decode(), "a time that no calendar has")

        return Patient

    for name, loader in zip(
        _NAMES,
        (loaders.DateLoader, loaders.TimestampLoader, loaders.TimestamptzLoader),
        strict=True,
    ):
        adapters.register_loader(name, patient(loader))
