"""Credentials: a token that stays the same, or one in a file that changes. Never from a flag.

Laws kept here: secrets stay in: what holds one shows stars, can't be pickled, and quotes nothing
of it in an error. A token that ended is the remote's trouble and not a record's: where there may
be another, it is looked for; where there is none, that is said, and nothing more.

`oauth.py` has the third kind, and `credentials.py` chooses among the three.
"""

from __future__ import annotations

import asyncio
import os
import stat
from typing import TYPE_CHECKING, Protocol

from bulkload.errors import RefusedToStart

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Clock = Callable[[], float]

LOOK_S = 1.0
"""How often, at most, a token file is looked at."""

PATIENCE_S = 60.0
"""So long a refused token in a file may stand there before nobody is taken to renew it."""

TOKEN_BYTES = 16_384
"""Longer than any token, and too long for a header. HubSpot's have a few hundred."""


class Hidden:
    """Holds a secret: shows stars, and is neither pickled nor copied."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(***)"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("what holds a secret is not to be pickled")


class Token(Hidden):
    """A secret; as credentials, one that stays the same. `reveal` is called where a header or a
    form is made, and nowhere else.
    """

    __slots__ = ("_value",)

    number = 1
    patience_s = 0.0
    warning: str | None = None

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def due(self) -> bool:
        return False

    async def fresh(self) -> None:
        pass

    async def renew(self, number: int) -> bool:
        del number
        return False

    async def close(self) -> None:
        pass


class RenewalTrouble(Exception):  # noqa: N818  # a trouble of the remote's, as an outage is
    """There is no other token now. `reason` holds no secret, nor anything that the remote wrote.

    `after`: seconds to wait before the next try, where somebody said. `hopeless`: it was refused,
    and asking again won't mend that; only a person can.
    """

    def __init__(self, reason: str, *, after: float | None = None, hopeless: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after = after
        self.hopeless = hopeless


class Credentials(Protocol):
    """Whoever calls: `if due(): await fresh()`, notes `number`, sends `reveal()`; after a 401,
    `await renew(number)`. Any number of callers at once, all on one loop.

    `warning`: what a person should know now, or None: it may come and go, and holds no secret.
    """

    @property
    def number(self) -> int:
        """Grows with each new token."""
        ...

    @property
    def warning(self) -> str | None: ...

    @property
    def patience_s(self) -> float:
        """How long, in seconds, another one is worth waiting for where `renew` says False."""
        ...

    def reveal(self) -> str:
        """The access token that holds now. Raises RenewalTrouble before there is a first one."""
        ...

    def due(self) -> bool:
        """Whether `fresh` should come before the next call. Costs one stat at most."""
        ...

    async def fresh(self) -> None:
        """Where it is due, get another token: once for all callers. Raises RenewalTrouble.

        Returns without one where the old one still lives and another can't be had yet.
        """
        ...

    async def renew(self, number: int) -> bool:
        """The token of that number was refused (401). True: there is another one now, perhaps
        since long. False: there is none to be had. Raises RenewalTrouble.
        """
        ...

    async def close(self) -> None:
        """Wait for a renewal that is under way, so that nothing it brings is lost."""
        ...


class TokenFile(Hidden):
    """A token in a file that somebody else renews: read again when it changed, and on a 401.

    A file that is empty, away or no token for the moment keeps the old one. What is no regular
    file (a pipe) is read once. Raises RefusedToStart where it can't be read at the start.
    """

    __slots__ = (
        "_changed", "_clock", "_looked_at", "_number", "_path", "_seen", "_token", "warning",
    )  # fmt: skip

    patience_s = PATIENCE_S

    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        self._path = path
        self._clock = clock or loop_time
        self._looked_at = float("-inf")
        self._changed = False  # since the last look, until it is read
        self._seen, text = _read(path)
        self._token = token_of(text, str(path))
        self._number = 1
        self.warning: str | None = None

    @property
    def number(self) -> int:
        return self._number

    def reveal(self) -> str:
        return self._token.reveal()

    def due(self) -> bool:
        now = self._clock()
        if self._seen is not None and now >= self._looked_at + LOOK_S:
            self._looked_at = now
            try:
                self._changed = _looks(self._path.stat()) != self._seen
            except OSError:
                self._changed = False  # it is just being replaced
        return self._changed

    async def fresh(self) -> None:
        if self._seen is not None:
            self._look()

    async def renew(self, number: int) -> bool:
        if number != self._number:
            return True
        if self._seen is None:
            return False
        trouble = self._look()
        if number == self._number and trouble:
            raise RenewalTrouble(trouble, after=LOOK_S)
        return number != self._number

    async def close(self) -> None:
        pass

    def _look(self) -> str:
        """Take what the file holds now. Returns why the old token is kept, where it had to be."""
        self._changed = False
        try:
            seen, text = _read(self._path)
        except RefusedToStart as trouble:
            return str(trouble)
        if not text:
            return f"{self._path}: the token file is empty"
        try:
            token = token_of(text, str(self._path))
        except RefusedToStart as trouble:
            self.warning = f"{trouble}; the one from before is kept"
            self._seen = seen  # said once, not once a second
            return str(trouble)
        self.warning = None
        self._seen = seen
        if token.reveal() != self._token.reveal():
            self._token = token
            self._number += 1
        return ""


def loop_time() -> float:
    return asyncio.get_running_loop().time()


def token_of(text: str, where: str) -> Token:
    """A token as it was given. Raises RefusedToStart, naming `where` it came from."""
    if not is_token(text):
        raise RefusedToStart(f"{where}: this is no access token (empty, or with blanks inside)")
    return Token(text)


def is_token(text: str) -> bool:
    """Whether it can stand in a header: printable ASCII without blanks."""
    fits = 0 < len(text) <= TOKEN_BYTES and text.isascii() and text.isprintable()
    return fits and " " not in text


def token_in_environment() -> Token | None:
    """HUBSPOT_ACCESS_TOKEN, if it is set. Raises RefusedToStart where it is no token."""
    value = os.environ.get("HUBSPOT_ACCESS_TOKEN", "").strip()
    return token_of(value, "HUBSPOT_ACCESS_TOKEN") if value else None


def _looks(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_mtime_ns, found.st_ino, found.st_size


def _read(path: Path) -> tuple[tuple[int, int, int] | None, str]:
    """How the file looks (None: no regular one) and its text. Raises RefusedToStart."""
    why = "it is not text"
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())  # before it is read: a later change shows again
            content = file.read(TOKEN_BYTES + 64)
    except OSError as error:
        content, why = b"\xff", error.strerror or type(error).__name__
    if not content.isascii():  # apart from the error: that one would hold on to what was read
        raise RefusedToStart(f"{path}: the token can't be read ({why})")
    return (_looks(found) if stat.S_ISREG(found.st_mode) else None), content.decode("ascii").strip()
