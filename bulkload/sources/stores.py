"""What lies between a file on another machine and fsspec: how each kind of server is reached, what
lets one in, and what its errors mean.

Law kept here: no password is in what is shown. A server is believed only where its certificate, or
its SSH key, is known.
"""

from __future__ import annotations

import os
from base64 import b64encode
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

from bulkload.errors import BulkloadError, RefusedToStart, StoppedForGood, StoppedResumable
from bulkload.sources import addresses
from bulkload.sources.extras import needed

if TYPE_CHECKING:
    from collections.abc import Callable


class Kind(NamedTuple):
    """What is to be known of a scheme: the package's extra and the module that shows it is there;
    whether names can be listed there; which means of getting in there are.
    """

    extra: str
    module: str
    lists: bool
    entry: str


_LOGIN = f"user@ in the address and {addresses.PASSWORD}"

KINDS = {
    "s3": Kind(
        "s3",
        "s3fs",
        lists=True,
        entry="AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; AWS_ENDPOINT_URL for "
        "another server than Amazon's",
    ),
    "gs": Kind(
        "gs",
        "gcsfs",
        lists=True,
        entry="GOOGLE_APPLICATION_CREDENTIALS, or gcloud auth application-default login",
    ),
    "az": Kind(
        "az",
        "adlfs",
        lists=True,
        entry="AZURE_STORAGE_ACCOUNT_NAME, and AZURE_STORAGE_ACCOUNT_KEY or az login",
    ),
    "https": Kind("http", "fsspec", lists=False, entry=_LOGIN),
    "http": Kind("http", "fsspec", lists=False, entry=_LOGIN),
    "sftp": Kind(
        "sftp",
        "paramiko",
        lists=True,
        entry=f"{_LOGIN}, or instead of that an SSH agent or a key in ~/.ssh",
    ),
}

SILENCE_S = 60.0
"""A server that says nothing for so long is not there."""


class Store:
    """The server in an address, which is without a password. Nothing is asked before it is needed.

    Raises RefusedToStart where a package is missing.
    """

    def __init__(self, address: str, secret: str | None) -> None:
        self.scheme = scheme(address)
        self.web = self.scheme in ("http", "https")
        self.secret = secret or os.environ.get(addresses.PASSWORD)
        self._address = address
        self._kind = KINDS[self.scheme]
        for module in ("fsspec", self._kind.module):
            needed(module, self._kind.extra, f"{address}: a file there")

    @cached_property
    def system(self) -> Any:
        """A file system of fsspec's; those of one server share a connection."""
        parts = urlsplit(self._address)
        options: dict[str, Any] = {"use_listings_cache": False}
        if self.web:
            options = {"headers": self.headers()}
        elif self.scheme == "s3":
            options["anon"] = _is_nobody()
        elif self.scheme == "sftp":
            from bulkload.sources.sshhosts import KNOWN  # noqa: PLC0415  # imports paramiko

            options = {
                "host": parts.hostname,
                "port": parts.port or 22,
                "username": parts.username and unquote(parts.username),
                "password": self.secret,
                "host_key_policy": KNOWN,
                "timeout": SILENCE_S,
            }
        made = needed("fsspec", self._kind.extra, self._address).filesystem(self.scheme, **options)
        if self.scheme == "sftp":
            made.ftp.get_channel().settimeout(SILENCE_S)
        return made

    def forget(self) -> None:
        """The connection is broken: the next use makes another."""
        if self.scheme == "sftp" and "system" in self.__dict__:
            type(self.system).clear_instance_cache()
            del self.system

    def headers(self) -> dict[str, str]:
        """Of a request to a web server: the bytes as they are, and who asks."""
        headers = {"Accept-Encoding": "identity"}
        if user := urlsplit(self._address).username:
            login = f"{unquote(user)}:{self.secret or ''}".encode()
            headers["Authorization"] = f"Basic {b64encode(login).decode()}"
        return headers

    def asked(self, name: str, ask: Callable[[], Any]) -> Any:
        """What the library answers. Raises RefusedToStart, naming it, for whatever that raises."""
        while True:
            known = "system" in self.__dict__
            try:
                return ask()
            except Exception as error:  # noqa: BLE001  # a library for each store, each with its own
                if not known or self.scheme != "sftp" or isinstance(error, BulkloadError):
                    raise self._refused(name, error) from None
                self.forget()  # it may be that the connection broke since it was made

    def final(self, name: str, error: Exception) -> BulkloadError | None:
        """What no other try mends, in the midst of reading; None: another may."""
        status = getattr(error, "status", None)
        if type(error).__name__ == "FileExpired" or status == 412:
            return changed(name)
        if isinstance(error, ValueError) and "range" in str(error):
            return whole_only(name)
        if isinstance(error, FileNotFoundError):
            return StoppedResumable(f"{name}: is gone. Put it back, then resume.")
        if isinstance(error, PermissionError) or status in (401, 403):
            return StoppedResumable(f"{name}: access is denied. {self._entry()}; then resume.")
        return None

    def _refused(self, name: str, error: Exception) -> BulkloadError:
        if isinstance(error, BulkloadError):
            return error
        if self.web and isinstance(error.__cause__, Exception):
            error = error.__cause__  # whatever goes wrong there is a file that is not found
        kind, status = type(error).__name__, getattr(error, "status", None)
        if isinstance(error, ValueError) and "range" in str(error):
            return whole_only(name)
        if isinstance(error, FileNotFoundError):
            return RefusedToStart(f"{name}: there is no such file. Check the address.")
        if isinstance(error, PermissionError) or status in (401, 403) or "Authentication" in kind:
            return RefusedToStart(f"{name}: access is denied. {self._entry()}.")
        if "Credentials" in kind:
            return RefusedToStart(f"{name}: no credentials were found. {self._entry()}.")
        why = addresses.without_queries(error).rstrip(".")
        if self.secret:
            why = why.replace(self.secret, "***")
        return RefusedToStart(f"{name}: can't be read: {why}. Check the address and the network.")

    def _entry(self) -> str:
        return f"What lets one in there: {self._kind.entry}"


def scheme(address: str) -> str:
    """That of the address, in lower case."""
    return address.partition("://")[0].lower()


def changed(name: str) -> StoppedForGood:
    """For an object that is another by now."""
    return StoppedForGood(
        f"{name}: it changed since the run began to read it, so what was loaded is not what it is "
        "now. Put the old one back to resume"
    )


def whole_only(name: str) -> RefusedToStart:
    """For a server that gives no part of a file."""
    return RefusedToStart(
        f"{name}: the server gives it as a whole only, so that it can't be resumed. Fetch it "
        f"first, and name the file: curl -o FILE {name}"
    )


@cache
def _is_nobody() -> bool:
    """Whether there are no credentials for S3: a public bucket needs none."""
    sessions = needed("botocore.session", "s3", "a file on S3")
    return sessions.get_session().get_credentials() is None
