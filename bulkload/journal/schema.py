"""The journal's tables and how a connection is opened.

A row per attempt, with packed ordinals and ids; rows per record only for exceptions.
WAL with synchronous=FULL: a commit is on disk when it returns. The settings are read back,
since SQLite ignores in silence what it can't do (WAL on some network disks).
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from bulkload.errors import BulkloadError, RefusedToStart, StoppedForGood, StoppedResumable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VERSION = 6
PAGE_BYTES = 8192
"""A hundred records' row takes 1.5 KB: of pages half as large every other one is half empty."""

_DISK = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    }
)

TABLES = """
CREATE TABLE run (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE attempt (
    id       INTEGER PRIMARY KEY,
    covers   TEXT NOT NULL,       -- the ordinals this row speaks for, packed
    first    INTEGER NOT NULL,    -- the first of them, to seek by
    source   INTEGER NOT NULL,
    at       NOT NULL,            -- position of the first
    number   INTEGER NOT NULL,
    last_at,                      -- position of the last, where lines don't tell it
    last_number INTEGER,
    nth      INTEGER NOT NULL,    -- how many times these records were tried, this one included
    digest   BLOB NOT NULL,       -- CRC-32 and length of the body that the records alone make
    sent_at  REAL NOT NULL,       -- our clock, seconds since the epoch
    doubtful_since REAL,          -- when the first doubtful attempt for them was made
    remote_since REAL,            -- the remote's clock then, as a lower bound
    remote_until REAL,            -- by the remote's clock, until when the last call for them may be
                                  -- carried out
    outcome  TEXT,                -- NULL: open; loaded, existing, skipped, rejected, doubt,
                                  -- refused, resent
    status   INTEGER,
    note     TEXT,
    loaded   INTEGER NOT NULL DEFAULT 0,
    existing INTEGER NOT NULL DEFAULT 0,
    existing_covers TEXT,         -- the ordinals of those that the remote had already
    existing_ids TEXT,            -- theirs, in that order
    ids      TEXT,                -- what the remote made, in the order of covers where tied
    tied     INTEGER NOT NULL DEFAULT 1
);
CREATE INDEX attempt_open ON attempt(id) WHERE outcome IS NULL;
CREATE TABLE letter (
    id      INTEGER PRIMARY KEY,
    ordinal INTEGER NOT NULL UNIQUE,
    source  INTEGER NOT NULL,
    at      NOT NULL,
    number  INTEGER NOT NULL,
    line    BLOB NOT NULL
);
CREATE TABLE doubt (
    ordinal INTEGER PRIMARY KEY,
    attempt INTEGER NOT NULL,
    source  INTEGER NOT NULL,
    at      NOT NULL,
    number  INTEGER NOT NULL
);
CREATE TABLE skip (               -- left out as a duplicate
    ordinal INTEGER PRIMARY KEY,
    source  INTEGER NOT NULL,
    at      NOT NULL,
    number  INTEGER NOT NULL,
    first   INTEGER,              -- the record of this run that has its key, or
    id      TEXT                  -- the remote's id of it
);
CREATE TABLE leftout (            -- left out by a filter, as they were read
    id      INTEGER PRIMARY KEY,
    covers  TEXT NOT NULL,        -- their ordinals, packed
    records INTEGER NOT NULL,     -- how many
    first   INTEGER NOT NULL,     -- the first of them, to seek by
    source  INTEGER NOT NULL,
    at      NOT NULL,
    number  INTEGER NOT NULL,
    reason  TEXT NOT NULL         -- the filter's name
);
CREATE TABLE contact (            -- what is known of the people's contacts
    address TEXT PRIMARY KEY,
    id      TEXT NOT NULL,        -- '': the portal has none
    made    INTEGER NOT NULL DEFAULT 0,  -- 1: this run made it
    since   REAL,                 -- id '': the remote's clock, as a lower bound, when a call left
                                  -- that may have made it, whose answer is not recorded
    until   REAL                  -- id '': and until when such a call may be carried out
) WITHOUT ROWID;
CREATE TABLE file (               -- attachments that were uploaded, by what is in them
    hash    TEXT PRIMARY KEY,     -- SHA-256, hex
    id      TEXT NOT NULL,        -- '': the call left, and its answer is not recorded
    name    TEXT NOT NULL,
    size    INTEGER NOT NULL,
    made    INTEGER NOT NULL DEFAULT 0,
    since   REAL
) WITHOUT ROWID;
CREATE TABLE lineage (            -- in a replay: which letter of the parent each record was
    ordinal INTEGER PRIMARY KEY,
    parent_ordinal INTEGER NOT NULL
);
CREATE TABLE undone (             -- what an undo archives in one call: up to a hundred of `ids`
    number  INTEGER PRIMARY KEY,  -- which hundred, counted from 0 through all attempts' ids
    attempt INTEGER NOT NULL,     -- where its first id stands: the attempt, and
    at      INTEGER NOT NULL,     -- its place among that one's ids
    size    INTEGER NOT NULL,
    gone    TEXT NOT NULL,        -- the places, of its own, that were not there before, packed
    already_gone INTEGER NOT NULL,  -- how many
    archived INTEGER,             -- NULL: open
    failed   INTEGER,
    intended_at REAL NOT NULL     -- our clock, seconds since the epoch
);
CREATE TABLE removed (            -- contacts and files of this run that an undo takes away
    kind    TEXT NOT NULL,        -- contact, file
    name    TEXT NOT NULL,        -- its address or its hash
    gone    INTEGER NOT NULL,     -- 1: it was not there before
    failed  INTEGER,              -- NULL: open; 1: the remote refuses
    intended_at REAL NOT NULL,    -- our clock, seconds since the epoch
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;
CREATE TABLE replay (path TEXT PRIMARY KEY) WITHOUT ROWID;  -- replays made of this run
"""


def connect(path: Path) -> sqlite3.Connection:
    """A connection that may move to the writer's thread. Raises StoppedForGood if damaged."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    try:
        connection.execute(f"PRAGMA page_size={PAGE_BYTES}")  # of a file that is new
        for pragma, wanted in (("journal_mode=WAL", "wal"), ("synchronous=FULL", None)):
            (got,) = connection.execute(f"PRAGMA {pragma}").fetchone() or (None,)
            if wanted and got != wanted:
                raise RefusedToStart(
                    f"{path}: this file system can't keep a write-ahead log ({got} instead); "
                    "put the run on a local disk with --run DIR"
                )
        if connection.execute("PRAGMA synchronous").fetchone() != (2,):
            raise RefusedToStart(f"{path}: SQLite refuses synchronous=FULL here")
    except sqlite3.DatabaseError as error:
        connection.close()
        raise damaged(path, error) from None
    except BaseException:
        connection.close()
        raise
    return connection


def read_only(path: Path, *, one_thread: bool = True) -> sqlite3.Connection:
    """For readers beside a live writer: short transactions only, or the log can't shrink."""
    address = f"{path.resolve().as_uri()}?mode=ro"
    connection = sqlite3.connect(address, uri=True, timeout=10, check_same_thread=one_thread)
    connection.isolation_level = None
    return connection


@contextmanager
def opened(path: Path, *, writable: bool = False) -> Iterator[sqlite3.Connection]:
    """A connection for one short piece of work. Raises what `damaged` makes of a failure: also of
    what was read and is not as it was written, which no page's structure shows.
    """
    try:
        with closing(connect(path) if writable else read_only(path)) as connection:
            yield connection
    except (sqlite3.DatabaseError, ValueError) as error:
        if not accuses(error):
            raise
        raise damaged(path, error) from None


def accuses(error: Exception) -> bool:
    """Whether a failure in work on the journal is the journal's: what was read and is no value is
    not as it was written; what can't be encoded was to be written.
    """
    return not isinstance(error, UnicodeEncodeError)


def check(connection: sqlite3.Connection) -> None:
    """Raises sqlite3.DatabaseError where a page does not hold what it should."""
    (sound,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if sound != "ok":
        raise sqlite3.DatabaseError(str(sound))


def damaged(path: Path, error: Exception) -> BulkloadError:
    """What a failure to read the journal means: the disk's trouble is not the journal's."""
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DISK:
        return StoppedResumable(
            f"{path}: the journal can't be opened or read now ({error}). Make room, mend the "
            "disk or the rights, then try again"
        )
    return StoppedForGood(
        f"{path}: the journal is damaged ({error}). What was sent can't be known from it any "
        "more, so this run can't go on. Keep the directory: its dead letters are readable, and "
        "`sqlite3 journal.db .recover` may bring the rest back"
    )
