"""Files on other machines: object stores (S3, Google's, Azure's), web servers, SFTP.

Each is a place, so that every format reads from there as from a disk. Law kept here: same source,
or no resume: what is read is bound to the ETag that it had at the start, or, where there is none,
to its size and its first and last MiB.
"""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from urllib.parse import unquote, urlsplit

from bulkload.errors import BulkloadError, RefusedToStart
from bulkload.sources import addresses, fingerprint, sftpfolders
from bulkload.sources.ranges import RangeFile, Ranges, RangeStream
from bulkload.sources.stores import KINDS, Store, changed, scheme, whole_only
from bulkload.sources.webranges import CheckedSession

if TYPE_CHECKING:
    from collections.abc import Hashable

    from bulkload.sources.streams import Beginning

_MARKS = ("etag", "ETag", "generation", "Last-Modified")
"""What an object is known by, where its store tells it; the first one that it does."""

_MAGIC = frozenset("*?[")


def public(address: str) -> str:
    """The address as it may be kept. Raises RefusedToStart where a resume could not use that."""
    if KINDS[scheme(address)].lists:
        return addresses.without_password(address)
    kept = addresses.public(address)
    if kept.partition("?")[2] != address.partition("?")[2]:
        raise RefusedToStart(
            f"{kept}: was named with a signature or a token in its query, which can't be kept for "
            "a resume. Fetch it first (curl -o FILE URL), and name the file."
        )
    return kept


def named(address: str) -> list[Remote]:
    """The files that an address names: one; of a glob, or a folder (it ends in /), those there are,
    sorted. Raises RefusedToStart.
    """
    place, lists = Remote(address), KINDS[scheme(address)].lists
    path = address.partition("://")[2]
    if path.endswith("/") and not lists:
        raise RefusedToStart(f"{place}: is a folder, which can't be listed there. Name files.")
    # A file whose own name has brackets in it is that file.
    if lists and (path.endswith("/") or (_MAGIC.intersection(path) and not place.is_there())):
        return place.listed()
    return [place]


class Remote:
    """One file there, by its address. Nothing is asked before it is needed.

    Raises RefusedToStart where a package is missing.
    """

    def __init__(self, address: str, secret: str | None = None) -> None:
        self._address = public(address)
        self._store = Store(self._address, unquote(urlsplit(address).password or "") or secret)
        self._bound: dict[str, Any] | None = None
        self._gives_ranges = False

    def __str__(self) -> str:
        return self._address

    @property
    def path(self) -> PurePosixPath:
        below = self._address.partition("://")[2]
        if self._store.scheme in ("s3", "gs", "az"):
            return PurePosixPath("/" + below)
        if self._store.web:
            below = below.partition("?")[0]
        return PurePosixPath("/" + below.partition("/")[2].lstrip("/"))

    @property
    def identity(self) -> Hashable:
        return self._address

    def open(self, name: str, extent: int | None = None) -> Beginning:
        return RangeStream(self._ranges(name), extent)

    def file(self, name: str) -> BinaryIO:
        return cast("BinaryIO", io.BufferedReader(RangeFile(self._ranges(name)), 1 << 20))

    def size(self) -> int | None:
        try:
            return int(self._info(self._address)["size"])
        except BulkloadError:
            return None

    def fingerprint(self, name: str, extent: int | None = None) -> dict[str, Any]:
        """`{"size"}` and the mark that its store gives it, else `{"size", "head", "tail"}`."""
        info = self._info(name)
        size = int(info["size"])
        if mark := _mark(info):
            self._bound = {"size": size, **mark}
            return self._bound
        with self.file(name) as file:
            return fingerprint.of_edges(file, size if extent is None else min(size, extent), name)

    def is_there(self) -> bool:
        """Whether there is a file of just this name."""
        return bool(self._store.asked(self._address, lambda: self._store.system.isfile(self._path)))

    def listed(self) -> list[Remote]:
        """The files below it, or that fit it; those without a byte are marks of folders."""
        store, folder = self._store, self._address.endswith("/")

        def look() -> dict[str, Any]:
            if store.scheme == "sftp":  # fsspec leaves out what it can't list
                return sftpfolders.below(store.system, self._path, str(self), glob=not folder)
            find = store.system.find if folder else store.system.glob
            found: dict[str, Any] = find(self._path, detail=True)
            return found

        host = self._address.partition("://")[2].partition("/")[0]
        where = f"sftp://{host}/" if store.scheme == "sftp" else f"{store.scheme}://"
        files = [
            Remote(where + name.lstrip("/"), store.secret)
            for name, info in sorted(store.asked(self._address, look).items())
            if info["type"] == "file" and info["size"]
        ]
        if not files:
            raise RefusedToStart(f"{self}: there is no such file. Check the bucket and the name.")
        return files

    def opened(self, size: int, mark: dict[str, str]) -> Any:
        """A file of fsspec's. Raises what that does; StoppedForGood where it is another by now."""
        if self._store.scheme == "sftp":
            return _quiet(self._store.system.open(self._path, "rb"))
        more: dict[str, Any] = {}
        if self._store.web:
            more["size"] = size
            if mark.get("etag", "").startswith('"'):  # a weak one matches nothing
                more["headers"] = {**self._store.headers(), "If-Match": mark["etag"]}
        # Each read is a range of its own. Of S3 each is bound to the ETag if no size is given.
        system = self._store.system
        file = system.open(self._path, "rb", cache_type="none", block_size=1, **more)
        if self._store.web:
            file.session = CheckedSession(file.session)
        now = _mark(getattr(file, "details", None) or {})
        if now and mark and now != mark:
            file.close()
            raise changed(self._address)
        return file

    @property
    def _path(self) -> str:
        """As fsspec has it."""
        if self._store.web:
            parts = urlsplit(self._address)
            return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        if self._store.scheme == "sftp":
            return str(self.path)
        return self._address.partition("://")[2]

    def _info(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self._store.asked(name, lambda: self._store.system.info(self._path))
        if found.get("type") == "directory":
            raise RefusedToStart(f"{name}: is a folder. With a / at its end all of it is loaded.")
        if found.get("size") is None or found.get("partial") is False:
            raise whole_only(name)
        return found

    def _ranges(self, name: str) -> Ranges:
        """Bound to what it was when the run took its fingerprint, or is now."""
        info = self._bound or self._info(name)
        size, store = int(info["size"]), self._store
        reader = _Reader(self, store, size, _mark(info))
        store.asked(name, reader.open)
        if store.web and not self._gives_ranges and size > 1:
            store.asked(name, lambda: reader.get(size - 1, size))
            self._gives_ranges = True
        return Ranges(name, size, reader.get, lambda error: store.final(name, error), reader.close)


class _Reader:
    """Ranges of one file, which is opened again where that is what a broken connection needs."""

    def __init__(self, place: Remote, store: Store, size: int, mark: dict[str, str]) -> None:
        self._place = place
        self._store = store
        self._what = size, mark
        self._file: Any = None

    def open(self) -> None:
        self._file = self._place.opened(*self._what)

    def get(self, start: int, end: int) -> bytes:
        if self._file is None:
            self.open()
        try:
            if hasattr(self._file, "readv"):  # SFTP: all of it is asked for at once
                return b"".join(self._file.readv([(start, end - start)]))
            self._file.seek(start)
            return bytes(self._file.read(end - start))
        except Exception:
            self.close()
            self._store.forget()
            raise

    def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with suppress(Exception):  # it was only read from
                file.close()


def _quiet(file: Any) -> Any:
    """Paramiko asks ahead in a thread, which has nobody to raise to: where the line breaks
    meanwhile, a traceback would be shown of what the reader sees anyway, who tries again.
    """
    asks = file._prefetch_thread  # noqa: SLF001  # paramiko gives no other way to it

    def ask(*what: Any) -> None:
        with suppress(OSError, EOFError):
            asks(*what)

    file._prefetch_thread = ask  # noqa: SLF001  # as above
    return file


def _mark(info: dict[str, Any]) -> dict[str, str]:
    for name in _MARKS:
        if info.get(name):
            return {name.lower(): str(info[name])}
    return {}
