"""What was learned of a portal by probe records: kept on this machine for its later runs.

A hint and no more: it lengthens waits and chooses words, never what is sent again. So a file that
is gone, damaged or from another version is as none, and what can't be kept is said and left.

Laws kept here: secrets stay in (no token, no key, no id of a record; the file is 0600); a file is
replaced whole or not at all.
"""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from bulkload.rundir import sync_directory, write_whole

HUBSPOT = "https://api.hubapi.com"

LONGEST_S = 60.0
"""A lag that was not seen to end is kept as this: it was so long, or longer."""

_MOST_BYTES = 65_536


class Learnt(NamedTuple):
    """None: not known. Lags in seconds, from a create's answer to the first sight of its records.

    `archived_keeps_key`: an archived record's unique value stays taken. `unique_emails`: emails
    accept a property with unique values, and hold to it. `at`: when, ISO 8601 in UTC.
    """

    read_lag_s: float | None = None
    search_lag_s: float | None = None
    echoes_trace_id: bool | None = None
    archived_keeps_key: bool | None = None
    unique_emails: bool | None = None
    at: str = ""

    def over(self, older: Learnt | None) -> Learnt:
        """What this knows, and what `older` knows where this does not."""
        if older is None:
            return self
        mine, theirs = self._asdict(), older._asdict()
        return Learnt(**{n: theirs[n] if v is None or v == "" else v for n, v in mine.items()})

    @property
    def known(self) -> bool:
        return any(value is not None for value in self[:-1])


def name_of(portal: str, base_url: str = HUBSPOT) -> str:
    """What a portal is kept under. HubSpot's own by their ids, others by their address too."""
    address = base_url.rstrip("/").lower()
    plain = re.fullmatch(r"[\w-]{1,64}", portal) is not None
    if plain and address == HUBSPOT:
        return portal
    digest = hashlib.sha256(f"{address}\n{portal}".encode()).hexdigest()[:16]
    return f"{portal}-{digest}" if plain else digest


def folder() -> Path:
    """Where it is kept: `bulkload/portals` in $XDG_STATE_HOME, else in ~/.local/state.

    Source: XDG Base Directory Specification (a path that is not absolute is to be ignored).
    """
    given = os.environ.get("XDG_STATE_HOME", "")
    state = Path(given) if given.startswith("/") else Path("~/.local/state").expanduser()
    return state / "bulkload" / "portals"


def load(portal: str, base_url: str = HUBSPOT) -> tuple[Learnt | None, str]:
    """(what is known, a word of warning or ""). Never raises."""
    path = _path(portal, base_url)
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return None, ""
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home
        return None, f"{path}: can't be read ({_why(error)}): ignored"
    found = read(raw)
    return found, "" if found else f"{path}: what was learned of the portal is damaged: ignored"


def keep(portal: str, learnt: Learnt, base_url: str = HUBSPOT) -> str:
    """Write it down, durable and whole. Returns a word of warning where that failed, or ""."""
    try:
        path = _path(portal, base_url)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = path.with_suffix(f".{os.getpid()}.tmp")
        try:
            _write(fresh, orjson.dumps(learnt._asdict(), option=orjson.OPT_INDENT_2) + b"\n")
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)
        with suppress(OSError):  # it is there; only a power loss could take it back
            sync_directory(path.parent)
    except (OSError, RuntimeError) as error:
        return f"what was learned of the portal can't be kept ({_why(error)})"
    return ""


def read(raw: bytes) -> Learnt | None:
    """Pure: the file's content; None where it is not what `keep` writes. Unknown names are left."""
    if len(raw) > _MOST_BYTES:
        return None
    try:
        kept = orjson.loads(raw)
    except ValueError:
        return None
    if not isinstance(kept, dict):
        return None
    found = Learnt(
        _lag(kept.get("read_lag_s")),
        _lag(kept.get("search_lag_s")),
        _truth(kept.get("echoes_trace_id")),
        _truth(kept.get("archived_keeps_key")),
        _truth(kept.get("unique_emails")),
        _moment(kept.get("at")),
    )
    return found if found.known and found.at else None


def _path(portal: str, base_url: str) -> Path:
    return folder() / f"{name_of(portal, base_url)}.json"


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
        write_whole(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lag(value: Any) -> float | None:
    usable = isinstance(value, int | float) and not isinstance(value, bool)
    return min(float(value), LONGEST_S) if usable and value >= 0 else None


def _truth(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _moment(value: Any) -> str:
    try:
        return datetime.fromisoformat(value).isoformat()
    except (TypeError, ValueError):
        return ""


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
