"""Who may call: bearer tokens that are known, and for how long. Pure: time is handed in.

Law: a token that was accepted is refused only because its life ended, and then with
EXPIRED_AUTHENTICATION; one that was never valid gets INVALID_AUTHENTICATION.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from bulkload.sandbox.answers import Answer, error, reply

if TYPE_CHECKING:
    from collections.abc import Mapping


class Tokens:
    def __init__(self, only: str | None, life: float | None, refresh: str, now: float) -> None:
        self._only = only
        self._life = life
        self._refresh = refresh
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
        if self._life is not None:  # any token will do: its life begins with its first use
            self._ends[token] = now + self._life
        return None

    def expire(self, now: float) -> None:
        """End every token now: those seen so far, and the one that was configured."""
        if self._only is not None:
            self._ends.setdefault(self._only, now)
        self._ends = {token: min(end, now) for token, end in self._ends.items()}

    def refresh(self, form: Mapping[str, str], now: float) -> Answer:
        if form.get("grant_type") != "refresh_token":
            return error(
                400, "BAD_REQUEST", "missing or unknown grant type", error="unsupported_grant_type"
            )
        if not form.get("client_id") or not form.get("client_secret"):
            return error(
                400, "BAD_CLIENT_ID", "missing or unknown client id", error="invalid_client"
            )
        if form.get("refresh_token") != self._refresh:
            return error(
                400,
                "BAD_REFRESH_TOKEN",
                "missing or invalid refresh token",
                error="invalid_grant",
            )
        life = self._life or 1800.0
        token = f"sandbox-{secrets.token_hex(12)}"
        self._ends[token] = now + life
        return reply(
            200,
            {
                "token_type": "bearer",
                "access_token": token,
                "refresh_token": self._refresh,
                "expires_in": max(1, int(life)),
            },
        )


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
