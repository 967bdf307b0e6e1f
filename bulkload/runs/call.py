"""How one process works on a run: what is not kept in the run itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bulkload import events
from bulkload.hubspot import route
from bulkload.hubspot.auth import token_of
from bulkload.hubspot.credentials import read_credentials

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from bulkload.events import Observer
    from bulkload.hubspot.auth import Credentials, Token
    from bulkload.hubspot.oauth import PostForm
    from bulkload.hubspot.replies import Reply


@dataclass(frozen=True, slots=True)
class Access:
    """With what the remote is spoken to. None of them: HUBSPOT_ACCESS_TOKEN, the system's trust.

    `token`: an access token; `token_file` holds one, and is read again when it changes;
    `oauth_file`: JSON with client_id, client_secret and refresh_token. One of the three.
    `ca_file`: certificates in PEM, trusted beside the system's.
    """

    token: Token | None = None
    token_file: Path | None = None
    oauth_file: Path | None = None
    ca_file: Path | None = None

    @classmethod
    def of(
        cls,
        token: str | None = None,
        token_file: str | Path | None = None,
        oauth_file: str | Path | None = None,
        ca_file: str | Path | None = None,
    ) -> Access:
        """As it is given. Raises RefusedToStart where the token is none."""
        files = (None if each is None else Path(each) for each in (token_file, oauth_file, ca_file))
        # One that is given and empty is none: the environment's may be another portal's.
        return cls(None if token is None else token_of(token, "the token"), *files)

    def flags(self) -> list[str]:
        """The files of it as a command line names them; a pipe can't be read again."""
        named = {
            "--token-file": self.token_file,
            "--oauth-file": self.oauth_file,
            "--ca-file": self.ca_file,
        }
        files = ((flag, path) for flag, path in named.items() if path and path.is_file())
        return [word for flag, path in files for word in (flag, str(path))]

    def check(self) -> None:
        """Raises RefusedToStart where it is of no use: before anything is left on the disk."""
        self.credentials()
        if self.ca_file is not None:
            route.trust(self.ca_file)

    def credentials(self, post_form: PostForm | None = None) -> Credentials:
        """`post_form` sends what gets a token by OAuth. Raises RefusedToStart."""
        return read_credentials(
            post_form or _nowhere,
            token=self.token,
            token_file=self.token_file,
            oauth_file=self.oauth_file,
        )


async def _nowhere(path: str, _form: Mapping[str, str]) -> Reply:
    raise AssertionError(f"{path}: nothing is sent before there is a client")


@dataclass(frozen=True, slots=True)
class Call:
    """One process's work: how the remote is spoken to, who is told. Set `interrupt` to drain.

    Raises RefusedToStart where an observer is none.
    """

    access: Access = Access()
    observers: tuple[Observer, ...] = ()
    interrupt: asyncio.Event | None = None

    def __post_init__(self) -> None:
        for observer in self.observers:
            events.check(observer)
