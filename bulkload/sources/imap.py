"""Mail on an IMAP server: each folder is a source, each message known by its UID.

The folder is what lay in it at its start, known by a list of UIDs; what is delivered later is none
of it. Laws kept here: nothing lost: what is deleted meanwhile keeps its place, as a record with a
flaw, or others would get its number, and count as settled; memory is bounded by a few groups of
messages, fetched ahead and given in their order, and eight bytes a message; one that is too large
is never fetched.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from bulkload.errors import RefusedToStart
from bulkload.model import Position, Record
from bulkload.sources.addresses import without_password
from bulkload.sources.asked import MAX_RECORD_BYTES
from bulkload.sources.imapfolder import KEPT_BACK, Folder
from bulkload.sources.imapnames import GROUP_MESSAGES, Sized, grouped, shown
from bulkload.sources.imapserver import MOST, Account, Connections
from bulkload.sources.lines import too_large
from bulkload.wording import there_is

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
    from concurrent.futures import Future

    from bulkload.protocols import Source
    from bulkload.sources.asked import Asked

public = without_password

SIZES = 1000
"""Messages whose sizes are asked for at a time, at most: so many as a group has are asked for
first, so that its messages are on their way soon."""

AHEAD = MOST + 1
"""Groups that are fetched, or on their way, at a time."""

_NO_FOLDER = frozenset({"\\noselect", "\\nonexistent"})
_USES = frozenset({"\\all", "\\sent", "\\drafts", "\\trash", "\\junk"})
_DELETED = "it was deleted on the server after the run began: no more is known of it"
_KEPT_BACK = (
    "the server fails to give it, though it gives others: look at it in a mail program, or ask who "
    "runs the server"
)


def opened(address: str, asked: Asked, say: Callable[[str], None]) -> list[Source]:
    """The folders that the address names: one, or all that hold a message. Raises RefusedToStart.

    Gmail shows a message in each folder that is one of its labels, and all of them in one: that is
    read, where no folder is named.
    """
    account = Account(address)
    if asked.format is not None:
        raise RefusedToStart(f"{account.address}: is mail, not {asked.format}. Leave --format out.")
    with closing(Connections(account, 1, at_first=True)) as connections:
        found: list[ImapSource] = connections.patiently(
            account.address, lambda client: _listed(client, account, asked, say)
        )
    if not found:
        raise RefusedToStart(f"{account.address}: holds no message: nothing to load.")
    return list(found)


def _listed(
    client: Any, account: Account, asked: Asked, say: Callable[[str], None]
) -> list[ImapSource]:
    listed = client.list_folders()
    gmail = client.has_capability("X-GM-EXT-1")
    folders: list[tuple[str, str, str]] = []
    for flags, delimiter, name in listed:
        marks = {flag.decode("ascii", "replace").lower() for flag in flags}
        if not marks & _NO_FOLDER:
            special = next(iter(sorted(marks & _USES)), "")
            folders.append((name, delimiter.decode() if delimiter else "", special))
    if account.folder:
        known = {
            shown(name, delimiter, ""): (name, delimiter, use) for name, delimiter, use in folders
        }
        if account.folder not in known:
            others = there_is(account.folder, known)
            raise RefusedToStart(f"{account.address}: has no folder {account.folder!r}{others}.")
        folders = [known[account.folder]]
    elif gmail and any(use == "\\all" for _, _, use in folders):
        say(f"{account.address}: read from the folder of all mail; spam and trash are not in it")
        folders = [each for each in folders if each[2] == "\\all"]
    sources = []
    for name, delimiter, use in folders:
        state = client.folder_status(name, ["UIDVALIDITY", "UIDNEXT", "MESSAGES"])
        if int(state[b"MESSAGES"]):
            source = ImapSource(
                account.address,
                max_record_bytes=asked.max_record_bytes,
                folder=name,
                shown=shown(name, delimiter, use),
                uidvalidity=int(state[b"UIDVALIDITY"]),
                last=int(state[b"UIDNEXT"]) - 1,
                gmail=gmail,
            )
            source.looked = True
            sources.append(source)
    return sources


class ImapSource:
    """One folder, from the UID `first` to `last`. `address` names the account; the folder is the
    server's name for it, `shown` the user's, `before` how many records the run has of it already,
    `listing` the UIDs that it had when the run began. Nothing is asked before it is needed.
    """

    format = "imap"
    noun = "message"

    looked: bool
    """Whether its numbering was asked for just now."""

    def __init__(
        self,
        address: str,
        name: str | None = None,
        *,
        max_record_bytes: int = MAX_RECORD_BYTES,
        folder: str,
        shown: str,
        uidvalidity: int,
        last: int,
        first: int = 1,
        before: int = 0,
        gmail: bool = False,
        listing: Sequence[str] | None = None,
    ) -> None:
        self._account = Account(address)
        where = f"{self._account.server.replace('://', f'://{quote(self._account.user)}@', 1)}"
        self.address = f"{where}/{quote(shown)}"
        self.name = name or f"{where}/{shown}"
        self.max_record_bytes = max_record_bytes
        self.folder, self.shown = folder, shown
        self.uidvalidity, self.first, self.last = uidvalidity, first, last
        self._before = before
        self._folder = Folder(self.name, folder, uidvalidity, gmail)
        self._uids = None if listing is None else array("Q", map(int, filter(None, listing)))
        self.looked = False

    def options(self) -> dict[str, Any]:
        return {
            "max_record_bytes": self.max_record_bytes,
            "folder": self.folder,
            "shown": self.shown,
            "uidvalidity": self.uidvalidity,
            "last": self.last,
            "first": self.first,
            "before": self._before,
            "gmail": self._folder.gmail,
        }

    def fingerprint(self) -> dict[str, Any]:
        if not self.looked:
            with closing(Connections(self._account, 1)) as connections:
                connections.patiently(self.name, self._folder.examine)
        self.looked = False
        return {
            "server": f"{self._account.host}:{self._account.port}",
            "user": self._account.user,
            "folder": self.folder,
            "uidvalidity": self.uidvalidity,
            "last": self.last,
        }

    def still(self, bound: dict[str, Any]) -> bool:  # noqa: ARG002  # as the protocol has it
        """Its numbering was compared each time it was opened."""
        return True

    def size(self) -> int | None:
        return None

    def consumed(self) -> int:
        return 0

    def extended(
        self,
        earlier: Iterable[Source],  # noqa: ARG002  # the number is all that is needed
        last: Position | None,
    ) -> Self | None:
        """What was delivered since; see `protocols.Growing`."""
        with closing(Connections(self._account, 1)) as connections:
            newest = connections.patiently(self.name, self._folder.examine) - 1
        if newest <= self.last:
            return None
        before = max(self._before, last.number if last else 0)
        options = {**self.options(), "first": self.last + 1, "last": newest, "before": before}
        return type(self)(self.address, self.name, **options)

    def listing(self) -> list[str]:
        """The UIDs of its messages; see `runs.sourcing`."""
        return list(map(str, self._listed()))

    def _listed(self) -> array[int]:
        if self._uids is None:
            with closing(Connections(self._account, 1)) as connections:
                self._uids = self._folder.uids(connections, self.first, self.last)
        return self._uids

    def records(self, start: Position | None = None) -> Generator[Record, None, None]:
        uids = self._listed()
        first = bisect_left(uids, int(start.at)) if start else 0
        number = start.number if start else self._before + 1
        connections = Connections(self._account)
        # Not a with statement: that would wait for what is on its way when nobody wants it.
        pool = ThreadPoolExecutor(MOST, thread_name_prefix="imap")
        waiting: deque[tuple[list[Sized], Future[dict[int, bytes | None]]]] = deque()
        try:
            groups = grouped(self._sized(connections, uids, first), self.max_record_bytes)
            while True:
                for group in islice(groups, AHEAD - len(waiting)):
                    asked = [m.uid for m in group if 0 <= m.size <= self.max_record_bytes]
                    fetched = pool.submit(self._folder.bodies, connections, asked)
                    waiting.append((group, fetched))
                if not waiting:
                    return
                group, fetched = waiting.popleft()
                found = fetched.result()
                for message in group:
                    yield self._record(message, found, number)
                    number += 1
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            connections.close()

    def _record(self, message: Sized, found: dict[int, bytes | None], number: int) -> Record:
        position, raw, flaw = Position(message.uid, number), None, None
        if message.size > self.max_record_bytes:
            flaw = too_large("message", message.size, self.max_record_bytes)
        elif message.size == KEPT_BACK or found.get(message.uid, b"") is None:
            flaw = _KEPT_BACK
        elif message.uid not in found:
            flaw = _DELETED
        else:
            raw = message.before + (found[message.uid] or b"")
        return Record(position, "mail", raw, None, flaw, self.shown, message.flags)

    def _sized(self, connections: Connections, uids: array[int], first: int) -> Iterator[Sized]:
        many = GROUP_MESSAGES
        while first < len(uids):
            some = list(uids[first : first + many])
            first, many = first + many, min(2 * many, SIZES)
            yield from self._folder.sizes(connections, some)
