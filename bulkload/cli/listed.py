"""Files named by options: who is never logged, and whose address is which owner's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bulkload.errors import RefusedToStart
from bulkload.mail.filters import read_never_log
from bulkload.mail.owners import read_owners

if TYPE_CHECKING:
    from collections.abc import Iterable


def never_log(given: Iterable[str]) -> tuple[str, ...]:
    """Patterns as they are given; of @FILE those in the file. Raises RefusedToStart."""
    found: list[str] = []
    for pattern in given:
        name = pattern.removeprefix("@")
        if name == pattern:
            found.append(pattern)
        else:
            found += read_never_log(_text(name, "--never-log"), name)
    return tuple(found)


def owners(name: str) -> dict[str, str]:
    """Owner ids by address from a file. Raises RefusedToStart."""
    return read_owners(_text(name, "--owners"), name)


def _text(name: str, option: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise RefusedToStart(f"{option} {name}: can't be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise RefusedToStart(f"{option} {name}: no text in UTF-8; save it as that") from None
