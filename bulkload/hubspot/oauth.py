"""OAuth: short-lived access tokens, fetched ahead of their end.

Laws kept here: one refresh for all workers, and one at a time for all processes that share the
file; a refresh token that the remote replaced is durable in the file before the access token that
came with it is used, since the old one may be dead; secrets stay in: of a refusal only a code that
is known beforehand is told.

Source: HubSpot's "OAuth tokens" (`POST /oauth/v1/token`, `expires_in` in seconds; that version
ends in February 2027) and RFC 6749, whose `error` newer answers carry beside HubSpot's `status`.

Pure at the top; then the shell that asks. The file is `oauthfile`'s.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any, NamedTuple

from bulkload.hubspot import paths, replies
from bulkload.hubspot.auth import Hidden, RenewalTrouble, Token, is_token, loop_time
from bulkload.hubspot.oauthfile import OAuthFile

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from bulkload.hubspot.auth import Clock
    from bulkload.hubspot.replies import Reply

    PostForm = Callable[[str, Mapping[str, str]], Awaitable[Reply]]

LIFE_S = 1800.0
"""What is taken for a token's life where the answer doesn't tell: HubSpot's own."""

LONGEST_LIFE_S = 86_400.0

MARGIN_S = 60.0
"""So long before a token's end the next one is fetched, but at most a tenth of its life."""

AGAIN_S = 5.0
"""Between two tries while the old token still lives, and after a refusal."""

SETTLE_S = 10.0
"""A token that is refused sooner after it was fetched is not replaced before that: whatever is
wrong, fetching one for each call would not mend it."""

CODES = frozenset(
    {
        "BAD_REFRESH_TOKEN", "BAD_CLIENT_ID", "BAD_CLIENT_SECRET", "BAD_GRANT_TYPE", "BAD_REQUEST",
        "BAD_HUB_ID", "BAD_USER_ID", "INVALID_AUTHENTICATION", "EXPIRED_AUTHENTICATION",
        "MISSING_SCOPES", "VALIDATION_ERROR", "UNAUTHORIZED", "FORBIDDEN", "invalid_request",
        "invalid_client", "invalid_grant", "invalid_scope", "unauthorized_client",
        "unsupported_grant_type", "access_denied",
    }
)  # fmt: skip
"""Codes that may be told: a text that is not known beforehand may quote a secret."""


class Grant(NamedTuple):
    """What a refresh brought. `refresh` None: the refresh token stays. `life_s` > 0."""

    access: Token
    refresh: Token | None
    life_s: float


def read_grant(reply: Reply, where: str = "the OAuth file") -> Grant:
    """The answer to a refresh. Raises RenewalTrouble, and nothing else, whatever it holds.

    `where`: what a person has to mend if it was refused.
    """
    status, answer = reply.status, replies.parsed(reply)
    if reply.hopeless:
        raise RenewalTrouble(reply.trouble, hopeless=True)
    if status == 0:
        raise RenewalTrouble(f"no answer to the OAuth refresh ({reply.trouble or 'no reason'})")
    if 200 <= status < 300:
        access, refresh = answer.get("access_token"), answer.get("refresh_token")
        if not isinstance(access, str) or not is_token(access):
            raise RenewalTrouble(f"the OAuth refresh was answered {status} without an access token")
        renewed = Token(refresh) if isinstance(refresh, str) and is_token(refresh) else None
        return Grant(Token(access), renewed, _life(answer.get("expires_in")))
    said = f"the OAuth refresh was answered {status}{_code(answer)}"
    blamed = any(isinstance(answer.get(name), str) for name in ("status", "error", "message"))
    if status in (400, 401, 403) and blamed:
        raise RenewalTrouble(
            f"{said}: check client id and secret in {where}, or authorise the app again and put "
            "its new refresh token there",
            hopeless=True,
        )
    if status in replies.NO_HANDLER or (status in (400, 401, 403) and replies.is_page(reply)):
        raise RenewalTrouble(
            f"{said}, and not by the remote as it seems: check --base-url and HTTPS_PROXY",
            hopeless=True,
        )
    raise RenewalTrouble(said, after=replies.retry_after(reply.headers))


def margin(life_s: float) -> float:
    """How long before its end a token is replaced."""
    return min(MARGIN_S, life_s / 10)


def _life(told: object) -> float:
    if isinstance(told, str) and told.isascii() and told.isdecimal():
        told = float(told[:12])
    if isinstance(told, bool) or not isinstance(told, int | float):
        return LIFE_S
    if not 0 < told < math.inf:
        return LIFE_S
    return float(min(max(told, 1), LONGEST_LIFE_S))


def _code(answer: dict[str, Any]) -> str:
    named = (answer.get(name) for name in ("status", "error", "category"))
    return next((f" {code}" for code in named if isinstance(code, str) and code in CODES), "")


class OAuth(Hidden):
    """Access tokens by a refresh token. `number` 0: none was fetched yet, and one is due.

    `post_form(path, form)`: one POST to the base URL, form-encoded, without Authorization; it
    answers a Reply. `clock`: seconds, the loop's own where none is given. A token's life is
    counted from before it was asked for.

    `warning` stands while a new refresh token can't be written to the file: the run goes on with
    the one in memory, but once it ends the file's may be worthless. Writing is tried again with
    every refresh and at `close`. A process that is killed between the remote's answer and the
    write loses a new refresh token: nothing here can help that.
    """

    __slots__ = (
        "_access", "_again_at", "_asked_at", "_clock", "_due_at", "_ends_at", "_file", "_number",
        "_post", "_trouble", "_under_way", "warning",
    )  # fmt: skip

    patience_s = 0.0

    def __init__(self, path: Path, post_form: PostForm, clock: Clock | None = None) -> None:
        self._file = OAuthFile(path)
        self._post = post_form
        self._clock = clock or loop_time
        self._access: Token | None = None
        self._number = 0
        self._asked_at = self._due_at = self._ends_at = self._again_at = float("-inf")
        self._trouble: RenewalTrouble | None = None
        self._under_way: asyncio.Task[RenewalTrouble | None] | None = None
        self.warning: str | None = None

    @property
    def number(self) -> int:
        return self._number

    def reveal(self) -> str:
        if self._access is None:
            raise RenewalTrouble("no access token was fetched yet")
        return self._access.reveal()

    def due(self) -> bool:
        now = self._clock()
        return now >= self._due_at and (now >= self._again_at or now >= self._ends_at)

    async def fresh(self) -> None:
        if not self.due():
            return
        trouble = await self._once()
        if trouble is not None and (trouble.hopeless or self._clock() >= self._ends_at):
            raise trouble

    async def renew(self, number: int) -> bool:
        if number != self._number:
            return True
        now = self._clock()
        settled = min(self._asked_at + SETTLE_S, self._ends_at)
        if now < settled and self._under_way is None:
            raise RenewalTrouble("a token just fetched was refused (401)", after=settled - now)
        self._due_at = self._ends_at = min(now, self._ends_at)  # it is dead, whatever was said
        trouble = await self._once()
        if trouble is not None:
            raise trouble
        return True

    async def close(self) -> None:
        if self._under_way is not None:
            await asyncio.shield(self._under_way)
        if self._file.unwritten():
            self._write()

    async def _once(self) -> RenewalTrouble | None:
        """One refresh for all who wait.

        It is a task of its own: a worker that is cancelled must not take a new refresh token with
        it.
        """
        now = self._clock()
        if self._under_way is None and self._trouble is not None and now < self._again_at:
            return _again(self._trouble, self._again_at - now)
        if self._under_way is None:
            self._under_way = asyncio.get_running_loop().create_task(self._refresh())
        trouble = await asyncio.shield(self._under_way)
        return None if trouble is None else _again(trouble, trouble.after)

    async def _refresh(self) -> RenewalTrouble | None:
        try:
            async with self._file.locked():
                await self._ask()
        except RenewalTrouble as trouble:
            now = self._clock()
            pause = AGAIN_S if trouble.hopeless or now < self._ends_at else 0.0
            self._again_at = now + max(trouble.after or 0.0, pause)
            self._trouble = trouble.with_traceback(None)
            return trouble
        finally:
            self._under_way = None
        return None

    async def _ask(self) -> None:
        self._file.look()
        try:
            grant, asked_at = await self._answered()
        except RenewalTrouble as trouble:
            if not trouble.hopeless or not self._file.look():
                raise
            grant, asked_at = await self._answered()  # somebody without our lock was quicker
        if grant.refresh is not None:
            self._file.refresh = grant.refresh
        if self._file.unwritten():
            self._write()
        self._access, self._trouble = grant.access, None
        self._number += 1
        self._asked_at, self._ends_at = asked_at, asked_at + grant.life_s
        self._due_at = self._ends_at - margin(grant.life_s)

    async def _answered(self) -> tuple[Grant, float]:
        asked_at = self._clock()
        try:
            reply = await self._post(paths.OAUTH_TOKEN, self._file.form())
        except Exception as error:  # noqa: BLE001  # whatever it is, its text may quote the form
            kind = type(error).__name__
        else:
            return read_grant(reply, str(self._file.path)), asked_at
        raise RenewalTrouble(f"no answer to the OAuth refresh ({kind})")

    def _write(self) -> None:
        why = self._file.write()
        self.warning = why and (
            f"{self._file.path}: the new refresh token can't be written ({why}); it is in memory "
            "only, and once this run ends the file's may be worthless: make room for it"
        )


def _again(trouble: RenewalTrouble, after: float | None) -> RenewalTrouble:
    """One for each who waits: a traceback of its own."""
    return RenewalTrouble(trouble.reason, after=after, hopeless=trouble.hopeless)
