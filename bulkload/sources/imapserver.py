"""Connections to an IMAP server: a few, each made when it is needed and again when it breaks.

Laws kept here: nothing is changed there: folders are opened to be read (EXAMINE, RFC 3501 6.3.2);
no password goes over a line that others can read; a server that has enough of us gets fewer
connections and more time.
"""

from __future__ import annotations

import imaplib
import os
import random
import socket
import ssl
import time
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from threading import Condition
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote, urlsplit

from bulkload.errors import BulkloadError, RefusedToStart, StoppedForGood, StoppedResumable
from bulkload.sources import addresses
from bulkload.sources.extras import needed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    T = TypeVar("T")

TOKEN = "BULKLOAD_SOURCE_TOKEN"  # noqa: S105  # where one is, not what it is
"""The variable with an OAuth access token, for servers that take no password (XOAUTH2)."""

MOST = 3
"""Connections at a time: Gmail allows 15 to an account, many servers 10 from one address, and the
user's own mail program needs some."""

TRIES = 7
WAIT_S = 1.0
"""Before the second try; each later one waits twice as long: a minute in all."""

SILENCE_S = 60.0
"""A server that says nothing for so long is not there."""

_PORTS = {"imaps": 993, "imap": 143}


class Account:
    """Whose mail it is, and where. `address` is without a password. Raises RefusedToStart."""

    def __init__(self, address: str) -> None:
        self._library = needed("imapclient", "imap", f"{addresses.without_password(address)}: mail")
        parts = urlsplit(address)
        try:
            port = parts.port
        except ValueError:
            port = 0
        if not parts.hostname or not parts.username or port == 0:
            raise RefusedToStart(
                f"{addresses.without_password(address)}: is no address of a mailbox. One is "
                "imaps://user@server, or imaps://user@server/Folder, where an @ in the user's name "
                "is written %40."
            )
        self.address = addresses.without_password(address)
        self.user = unquote(parts.username)
        self.host = parts.hostname
        self.port = port or _PORTS[parts.scheme.lower()]
        self.folder = unquote(parts.path.strip("/"))
        self.server = f"{parts.scheme.lower()}://{parts.netloc.rpartition('@')[2]}"
        self._tls = parts.scheme.lower() == "imaps"
        inside = unquote(parts.password or "")
        self._password = inside or os.environ.get(addresses.PASSWORD, "")
        self._token = "" if inside else os.environ.get(TOKEN, "")

    def connect(self) -> Any:
        """A client of imapclient's that is logged in. Raises RefusedToStart, or what is trouble."""
        context = ssl.create_default_context()
        client = self._library.IMAPClient(
            self.host,
            self.port,
            ssl=self._tls,
            ssl_context=context if self._tls else None,
            timeout=SILENCE_S,
        )
        try:
            if not self._tls:
                self._encrypt(client, context)
            self._log_in(client)
        except BaseException:
            with suppress(Exception):
                client.shutdown()
            raise
        return client

    def _encrypt(self, client: Any, context: ssl.SSLContext) -> None:
        if client.has_capability("STARTTLS"):
            client.starttls(context)
        elif not _is_here(self.host):
            raise RefusedToStart(
                f"{self.address}: the server offers no encryption, and a password does not go over "
                "an open line. Use imaps://."
            )

    def _log_in(self, client: Any) -> None:
        if self._token:
            client.oauth2_login(self.user, self._token)
        elif self._password:
            client.login(self.user, self._password)
        else:
            raise RefusedToStart(
                f"{self.address}: put the password into {addresses.PASSWORD}, or an OAuth token "
                f"into {TOKEN}. Gmail and others want an app password, made in the account."
            )

    def refusal(self, error: Exception, name: str) -> BulkloadError | None:
        """What no other try mends; None: another may."""
        if isinstance(error, BulkloadError):
            return error
        why = self.words(error)
        if self._said_no(error) and not is_busy(error):
            return RefusedToStart(
                f"{name}: the server does not let {self.user} in: {why}. Check the name and "
                f"{addresses.PASSWORD}; Gmail and others want an app password."
            )
        if isinstance(error, ssl.SSLCertVerificationError):
            return RefusedToStart(
                f"{name}: the server's certificate is not trusted: {error.verify_message}. If it "
                "is your own, name its authority's file in SSL_CERT_FILE."
            )
        if isinstance(error, socket.gaierror):
            return RefusedToStart(f"{name}: there is no server {self.host}. Check the address.")
        return None

    def enough(self, error: BaseException) -> bool:
        """Whether the server, which let us in before, wants no more connections of ours."""
        return self._said_no(error) or (isinstance(error, Exception) and is_busy(error))

    def _said_no(self, error: BaseException) -> bool:
        """Whether the server refused a login; a line that broke meanwhile is no refusal."""
        broke = isinstance(error.__context__, imaplib.IMAP4.abort)
        return isinstance(error, self._library.exceptions.LoginError) and not broke

    def words(self, error: Exception) -> str:
        """What an error says, without a secret."""
        said = error.args[0] if error.args else ""
        text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(error)
        for secret in filter(None, (self._password, self._token)):
            text = text.replace(secret, "***")
        return text.strip().partition("\n")[0].rstrip(".") or type(error).__name__


class Connections:
    """Those of one account, for several threads: at most `most`, fewer where the server wants."""

    def __init__(
        self,
        account: Account,
        most: int = MOST,
        *,
        at_first: bool = False,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.account = account
        self._at_first = at_first
        self._most = most
        self._sleep = sleep
        self._free: list[Any] = []
        self._made = 0
        self._closed = False
        self._changed = Condition()

    def patiently(self, name: str, ask: Callable[[Any], T], most_tries: int | None = None) -> T:
        """What `ask(client)` returns; asked again, on another connection, where a try failed.

        Raises RefusedToStart where it never will; where it stays out of reach StoppedResumable, or,
        `at_first`, RefusedToStart after the second try: a mistyped address is told at once.
        """
        tries = 2 if self._at_first else most_tries or TRIES
        for nth in range(tries):
            try:
                with self._borrowed() as client:
                    return ask(client)
            except Exception as error:  # noqa: BLE001  # imapclient's, imaplib's, the socket's
                if refusal := self.account.refusal(error, name):
                    raise refusal from None
                if nth == tries - 1 or self._closed:
                    why = f"{name}: the server can't be read from: {self.account.words(error)}"
                    if self._at_first:
                        raise RefusedToStart(f"{why}. Check the address and the network.") from None
                    raise StoppedResumable(f"{why}. Resume when it answers again.") from None
            self._sleep(WAIT_S * 2**nth * (0.5 + random.random()))  # noqa: S311  # jitter
        raise AssertionError("the last try returns or raises")

    def close(self) -> None:
        with self._changed:
            self._closed = True
            free, self._free = self._free, []
            self._made -= len(free)
            self._changed.notify_all()
        for client in free:
            with suppress(Exception):  # it is left, in good order or not
                client.logout()

    @contextmanager
    def _borrowed(self) -> Iterator[Any]:
        client = self._take()
        try:
            yield client
        except BaseException:
            with suppress(Exception):
                client.shutdown()
            with self._changed:
                self._made -= 1
                self._changed.notify()
            raise
        with self._changed:
            closed = self._closed
            if not closed:
                self._free.append(client)
                self._changed.notify()
        if closed:
            with suppress(Exception):  # as above
                client.logout()

    def _take(self) -> Any:
        while True:
            with self._changed:
                while not self._free and self._made >= self._most and not self._closed:
                    self._changed.wait()
                if self._closed:
                    raise StoppedResumable(f"{self.account.address}: is not read any more")
                if self._free:
                    return self._free.pop()
                self._made += 1
            try:
                return self.account.connect()
            except BaseException as error:
                with self._changed:
                    self._made -= 1
                    self._changed.notify()
                    if not self._made or not self.account.enough(error):
                        raise
                    self._most = self._made


def examined(client: Any, folder: str, uidvalidity: int, name: str) -> int:
    """Open the folder, to be read; the UID that comes next there (RFC 3501 2.3.1.1).

    Raises StoppedForGood where its messages have other numbers by now.
    """
    found = client.select_folder(folder, readonly=True)
    if int(found[b"UIDVALIDITY"]) != uidvalidity:
        raise StoppedForGood(
            f"{name}: the server numbers this folder's messages anew (UIDVALIDITY {uidvalidity} is "
            f"{int(found[b'UIDVALIDITY'])} by now), so which of them were loaded can't be told by "
            "their numbers. Load it as another run; with the portal's key property nothing is made "
            "twice"
        )
    return int(found[b"UIDNEXT"])


def is_busy(error: Exception) -> bool:
    """Whether the server says that it is not the moment, rather than no (RFC 5530)."""
    text = str(error).upper()
    marks = ("UNAVAILABLE", "LIMIT", "INUSE", "THROTTL", "OVERQUOTA", "MAXIMUM NUMBER", "TOO MANY")
    return any(mark in text for mark in marks)


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
