"""Who may call: bearer tokens that are known, and for how long. Pure: time is handed in.

Law: a token that was accepted is refused only because its life ended, and then with
EXPIRED_AUTHENTICATION; one that was never valid gets INVALID_AUTHENTICATION.
"""

from __future__ import annotations

import math
import secrets
from typing import TYPE_CHECKING

from bulkload.sandbox.answers import Answer, error, reply

if TYPE_CHECKING:
    from collections.abc import Mapping


MOST = 100_000


class Tokens:
    def __init__(
        self,
        only: str | None,
        life: float | None,
        refresh: str,
        now: float,
        *,
        client: tuple[str | None, str | None] = (None, None),
        rotate: bool = False,
    ) -> None:
        self.refreshes = 0
        self._only = only
        self._life = life
        self._refresh = refresh
        self._client = client  # id and secret; None: any that is not empty
        self._rotate = rotate
        self._ends: dict[str, float] = {}
        if only is not None and life is not None:
            self._ends[only] = now + life

    @property
    def oauth(self) -> bool:
        return self._life is not None

    def refuse(self, header: str | None, now: float) -> Answer | None:
        scheme, _, token = (header or "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            return _invalid()
        if token in self._ends:
            return _expired() if now >= self._ends[token] else None
        if self._only is not None and token != self._only:
            return _invalid()
        if self._only is None:  # any token will do: its life begins with its first use
            self._begin(token, now + (math.inf if self._life is None else self._life))
        return None

    def left(self, token: str, now: float) -> float | None:
        """Seconds that a token still has, inf where it has no end; None: unknown or ended."""
        if token in self._ends:
            left = self._ends[token] - now
            return left if left > 0 else None
        if not token or (self._only is not None and token != self._only):
            return None
        return math.inf if self._life is None else self._life

    def expire(self, now: float) -> None:
        """End every token now: those seen so far, and the one that was configured."""
        if self._only is not None:
            self._ends.setdefault(self._only, now)
        self._ends = {token: min(end, now) for token, end in self._ends.items()}

    def _begin(self, token: str, end: float) -> None:
        """Of more than `MOST` tokens the first are forgotten, and begin anew if they come again."""
        self._ends[token] = end
        if len(self._ends) > MOST:
            del self._ends[next(name for name in self._ends if name != self._only)]

    def refresh(self, form: Mapping[str, str], now: float) -> Answer:
        if form.get("grant_type") != "refresh_token":
            return _refused("BAD_GRANT_TYPE", "unknown grant type", "unsupported_grant_type")
        for name, wanted in zip(("client_id", "client_secret"), self._client, strict=True):
            given = form.get(name)
            if not given or wanted not in (None, given):
                words = name.replace("_", " ")
                return _refused(f"BAD_{name.upper()}", f"unknown {words}", "invalid_client")
        if form.get("refresh_token") != self._refresh:
            return _refused("BAD_REFRESH_TOKEN", "invalid refresh token", "invalid_grant")
        self.refreshes += 1
        if self._rotate:
            self._refresh = f"sandbox-refresh-{secrets.token_hex(12)}"
        life = self._life or 1800.0
        token = f"sandbox-{secrets.token_hex(12)}"
        self._begin(token, now + life)
        return reply(
            200,
            {
                "token_type": "bearer",
                "access_token": token,
                "refresh_token": self._refresh,
                "expires_in": max(1, int(life)),
            },
        )


def _refused(status: str, message: str, oauth: str) -> Answer:
    """OAuth's own errors have their category as `status`, and OAuth 2.0's word as `error`."""
    words = f"missing or {message}"
    return error(400, status, words, said=status, error=oauth, error_description=words)


def _invalid() -> Answer:
    return error(
        401,
        "INVALID_AUTHENTICATION",
        "Authentication credentials not found. This API supports OAuth 2.0 authentication "
        "and you can find more details at https://developers.hubspot.com/docs/methods/auth/"
        "oauth-overview",
    )


def _expired() -> Answer:
    return error(
        401,
        "EXPIRED_AUTHENTICATION",
        "The OAuth token used to make this call expired.",
    )
