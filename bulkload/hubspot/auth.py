"""The token: read from the environment or a file, never from a flag, never shown.

Law kept here: secrets stay in. A token's repr and str are stars, so that it can't reach a
log, an error or a traceback by accident.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bulkload.errors import RefusedToStart

if TYPE_CHECKING:
    from pathlib import Path


class Token:
    """A bearer token. `reveal` is called in one place: where the header is made."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Token(***)"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("a token is not to be pickled")


def read_token(token_file: Path | None = None) -> Token:
    """From `token_file`, else HUBSPOT_ACCESS_TOKEN. Raises RefusedToStart with what to do."""
    if token_file is not None:
        try:
            value = token_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not text"
            raise RefusedToStart(f"{token_file}: the token can't be read ({why})") from None
        where = str(token_file)
    else:
        value = os.environ.get("HUBSPOT_ACCESS_TOKEN", "").strip()
        where = "HUBSPOT_ACCESS_TOKEN"
        if not value:
            raise RefusedToStart(
                "no token: put the private app's access token into HUBSPOT_ACCESS_TOKEN, or "
                "into a file named by --token-file. To try without an account: bulkload demo"
            )
    if not value or not value.isascii() or any(c.isspace() or not c.isprintable() for c in value):
        raise RefusedToStart(f"{where}: this is no access token (empty, or with blanks inside)")
    return Token(value)
