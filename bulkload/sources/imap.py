"""Mail on an IMAP server: each folder is a source, each message known by its UID.

The folder ends with the greatest UID at its start; what is delivered later is none of it. What was
deleted since is not there, and is no fault. Laws kept here: nothing is changed on the server, no
message is marked as read (BODY.PEEK, RFC 3501 6.4.5); memory is bounded by a few groups of
messages, fetched ahead and given in their order; one that is too large is never fetched; same
source, or no resume: each time a folder is opened its numbering is compared.
"""

from __future__ import annotations

from array import array
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
from bulkload.sources.imapnames import GROUP_MESSAGES, Sized, grouped, headers, letters, shown
from bulkload.sources.imapserver import MOST, Account, Connections, examined
from bulkload.sources.lines import too_large
from bulkload.wording import there_is

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
    from concurrent.futures import Future

    from bulkload.protocols import Source
    from bulkload.sources.asked import Asked

public = without_password

WINDOW = 20_000
"""UIDs that are searched for at a time: an answer is one line, which may not be endless."""

SIZES = 1000
"""Messages whose sizes are asked for at a time, at most: so many as a group has are asked for
first, so that its messages are on their way soon."""

AHEAD = MOST + 1
"""Groups that are fetched, or on their way, at a time."""

_NO_FOLDER = frozenset({"\\noselect", "\\nonexistent"})
_USES = frozenset({"\\all", "\\sent", "\\drafts", "\\trash", "\\junk"})
_GMAIL = [b"X-GM-LABELS", b"X-GM-THRID"]


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
    server's name for it, `shown` the user's, `before` how many records the run has of it already.
    Nothing is asked before a record is.
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
    ) -> None:
        self._account = Account(address)
        where = f"{self._account.server.replace('://', f'://{quote(self._account.user)}@', 1)}"
        self.address = f"{where}/{quote(shown)}"
        self.name = name or f"{where}/{shown}"
        self.max_record_bytes = max_record_bytes
        self.folder, self.shown = folder, shown
        self.uidvalidity, self.first, self.last = uidvalidity, first, last
        self._before = before
        self._gmail = gmail
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
            "gmail": self._gmail,
        }

    def fingerprint(self) -> dict[str, Any]:
        if not self.looked:
            with closing(Connections(self._account, 1)) as connections:
                connections.patiently(self.name, self._examined)
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
            newest = connections.patiently(self.name, self._examined) - 1
        if newest <= self.last:
            return None
        before = max(self._before, last.number if last else 0)
        options = {**self.options(), "first": self.last + 1, "last": newest, "before": before}
        return type(self)(self.address, self.name, **options)

    def records(self, start: Position | None = None) -> Generator[Record, None, None]:
        first = int(start.at) if start else self.first
        number = start.number if start else self._before + 1
        connections = Connections(self._account)
        # Not a with statement: that would wait for what is on its way when nobody wants it.
        pool = ThreadPoolExecutor(MOST, thread_name_prefix="imap")
        waiting: deque[tuple[list[Sized], Future[dict[int, bytes]]]] = deque()
        try:
            groups = grouped(self._sized(connections, first), self.max_record_bytes)
            while True:
                for group in islice(groups, AHEAD - len(waiting)):
                    waiting.append((group, pool.submit(self._fetched, connections, group)))
                if not waiting:
                    return
                group, fetched = waiting.popleft()
                found = fetched.result()
                for message in group:
                    position = Position(message.uid, number)
                    if message.size > self.max_record_bytes:
                        flaw = too_large("message", message.size, self.max_record_bytes)
                        yield Record(position, "mail", None, None, flaw, self.shown, message.flags)
                    elif message.uid in found:
                        raw = message.before + found[message.uid]
                        yield Record(position, "mail", raw, None, None, self.shown, message.flags)
                    else:
                        continue
                    number += 1
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            connections.close()

    def _examined(self, client: Any) -> int:
        """Open the folder, to be read; the UID that comes next there."""
        return examined(client, self.folder, self.uidvalidity, self.name)

    def _sized(self, connections: Connections, first: int) -> Iterator[Sized]:
        many = GROUP_MESSAGES
        for begin in range(first, self.last + 1, WINDOW):
            end = min(begin + WINDOW - 1, self.last)
            found = connections.patiently(
                self.name,
                lambda client, b=begin, e=end: self._searched(client, b, e),  # type: ignore[misc]  # bound at once
            )
            at = 0
            while at < len(found):
                some = list(found[at : at + many])
                at, many = at + many, min(2 * many, SIZES)
                yield from connections.patiently(
                    self.name,
                    lambda client, s=some: self._measured(client, s),  # type: ignore[misc]  # as above
                )

    def _searched(self, client: Any, begin: int, end: int) -> Sequence[int]:
        self._examined(client)
        # A range whose end is past the last message is answered with that one.
        found = sorted(
            uid for uid in client.search(["UID", f"{begin}:{end}"]) if begin <= uid <= end
        )
        return array("Q", found)

    def _measured(self, client: Any, uids: list[int]) -> list[Sized]:
        self._examined(client)
        wanted = [b"RFC822.SIZE", b"FLAGS", *(_GMAIL if self._gmail else ())]
        answers = client.fetch(uids, wanted)
        return [
            Sized(
                uid,
                int(answer[b"RFC822.SIZE"]),
                letters(answer[b"FLAGS"]),
                self._labelled(answer) if self._gmail else b"",
            )
            for uid in uids
            if (answer := answers.get(uid)) and b"RFC822.SIZE" in answer
        ]

    def _labelled(self, answer: dict[bytes, Any]) -> bytes:
        from imapclient.imap_utf7 import decode  # noqa: PLC0415  # part of an extra

        return headers([decode(each) for each in answer[b"X-GM-LABELS"]], answer[b"X-GM-THRID"])

    def _fetched(self, connections: Connections, group: list[Sized]) -> dict[int, bytes]:
        uids = [message.uid for message in group if message.size <= self.max_record_bytes]
        if not uids:
            return {}

        def fetch(client: Any) -> dict[int, bytes]:
            self._examined(client)
            answers = client.fetch(uids, [b"BODY.PEEK[]"])
            return {
                uid: answer[b"BODY[]"] for uid, answer in answers.items() if b"BODY[]" in answer
            }

        return connections.patiently(self.name, fetch)
