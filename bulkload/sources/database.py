"""How a database is reached, by SQLAlchemy: its address, its driver, its settings, what it says
against us. Nothing is written to one.

Law kept here: no password is in a name, an address or an error.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from bulkload.errors import RefusedToStart, StoppedResumable
from bulkload.sources import pgtimes
from bulkload.sources.addresses import PASSWORD, SECRET
from bulkload.sources.typed import decoded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PATHS = frozenset({"passfile", "sslkey"})
"""PostgreSQL's names of parameters that say where a secret is, which is none."""

_SETTINGS = {
    "postgresql": ("SET default_transaction_read_only = on", "SET TIME ZONE 'UTC'"),
    "mysql": ("SET SESSION TRANSACTION READ ONLY", "SET time_zone = '+00:00'"),
}


def urls(sa: Any, address: str) -> tuple[Any, str]:
    """With the password, and without it, nor any other secret."""
    try:
        url = sa.engine.make_url(address)
    except (sa.exc.ArgumentError, ValueError):
        raise RefusedToStart(
            "the database's address can't be read: postgresql://user@host/database, or "
            "sqlite:///file.db, where a @ or / in a name is written %40 or %2F."
        ) from None
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:"):
        url = url.set(database=str(Path(url.database).absolute()))
    public = url.difference_update_query(
        [name for name in url.query if SECRET.search(name) and name not in _PATHS]
    )
    public = public._replace(password=None)
    if url.password is None and url.get_backend_name() != "sqlite":
        url = url.set(password=os.environ.get(PASSWORD))
    shown = public.render_as_string(hide_password=False)
    return url, shown.replace("postgresql+psycopg://", "postgresql://", 1)


class Database:
    """One that is read from, by its `engine`. `name`: what it is called in errors.

    Raises RefusedToStart where the driver is missing, or no database is known by the scheme.
    """

    def __init__(self, sa: Any, url: Any, name: str) -> None:
        self.sa, self._url, self._name = sa, url, name
        try:
            # A connection a page: none is held while the remote is waited for.
            more: dict[str, Any] = {"poolclass": sa.pool.NullPool}
            if url.get_backend_name() == "sqlite":
                more["creator"] = _sqlite(name, url.database)
            self.engine = sa.create_engine(url, **more)
        except sa.exc.NoSuchModuleError:
            raise RefusedToStart(
                f"{name}: no database is known by this scheme. Known are postgresql://, "
                "sqlite:// and those that SQLAlchemy has a dialect for."
            ) from None
        except ModuleNotFoundError as error:
            raise RefusedToStart(
                f"{name}: its driver is not installed: pip install {error.name}"
            ) from None
        settings = _SETTINGS.get(url.get_backend_name(), ())

        def settle(connection: Any, _: object) -> None:
            for setting in settings:
                with connection.cursor() as cursor:
                    cursor.execute(setting)
            connection.commit()
            if hasattr(connection, "adapters"):
                pgtimes.read_all(connection.adapters)

        if settings:
            sa.event.listen(self.engine, "connect", settle)

    @contextmanager
    def asked(self, kind: type[RefusedToStart | StoppedResumable]) -> Iterator[None]:
        """What the database says against it becomes an error of that kind, without the password."""
        try:
            yield
        except self.sa.exc.SQLAlchemyError as error:
            cause = getattr(error, "orig", None) or error
            why = str(cause).strip().partition("\n")[0].rstrip(".")
            if self._url.password:
                why = why.replace(self._url.password, "***")
            step = "Resume when the database answers again"
            if kind is RefusedToStart:
                step = (
                    "Check the address, the user's rights and the names; a password that is not "
                    f"in the address is taken from {PASSWORD}"
                )
            elif isinstance(error, self.sa.exc.DataError):
                step = "A value can't be read: mend it, or leave its column out; then resume"
            raise kind(f"{self._name}: {why}. {step}.") from None


def _sqlite(name: str, database: str | None) -> Callable[[], sqlite3.Connection]:
    """Read-only: opened as usual, a name that is mistyped makes an empty database."""
    if database is None or not Path(database).is_file():
        raise RefusedToStart(f"{name}: there is no such file. Check the path.")
    where = f"file:{quote(database)}?mode=ro"

    def connected() -> sqlite3.Connection:
        connection = sqlite3.connect(where, uri=True, check_same_thread=False)
        connection.text_factory = decoded  # the driver's own fails for a whole page
        return connection

    return connected
