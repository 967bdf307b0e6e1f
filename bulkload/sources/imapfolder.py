"""One folder on an IMAP server, as it is asked: which messages, how large, and the messages.

Laws kept here: nothing is marked as read (BODY.PEEK, RFC 3501 6.4.5); same source, or no resume:
each time the folder is opened its numbering is compared; one message that the server fails to give
costs no other one: it is found by halves, while the server answers for the rest.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from bulkload.errors import StoppedResumable
from bulkload.sources.imapnames import Sized, headers, letters
from bulkload.sources.imapserver import examined

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bulkload.sources.imapserver import Connections

    T = TypeVar("T")

WINDOW = 20_000
"""UIDs that are searched for at a time: an answer is one line, which may not be endless."""

GONE, KEPT_BACK = -1, -2
"""In place of a size: of a message that is deleted by now, of one that the server fails to give."""

_GMAIL = [b"X-GM-LABELS", b"X-GM-THRID"]

_FEW_TRIES = 2
"""For several messages: it may be that one of them is what breaks the line."""


class Folder(NamedTuple):
    """`name` is what messages call it; `folder` is the server's name for it."""

    name: str
    folder: str
    uidvalidity: int
    gmail: bool

    def examine(self, client: Any) -> int:
        """Open it, to be read; the UID that comes next there."""
        return examined(client, self.folder, self.uidvalidity, self.name)

    def uids(self, connections: Connections, first: int, last: int) -> array[int]:
        """Those of the messages that are there."""
        found = array("Q")
        for begin in range(first, last + 1, WINDOW):
            end = min(begin + WINDOW - 1, last)

            def search(client: Any, begin: int = begin, end: int = end) -> list[int]:
                self.examine(client)
                # A range whose end is past the last message is answered with that one.
                answer = client.search(["UID", f"{begin}:{end}"])
                return sorted(uid for uid in answer if begin <= uid <= end)

            found.extend(connections.patiently(self.name, search))
        return found

    def sizes(self, connections: Connections, uids: Sequence[int]) -> Iterator[Sized]:
        """Each of them, in their order."""

        def measure(client: Any, some: Sequence[int]) -> dict[int, Sized]:
            self.examine(client)
            wanted = [b"RFC822.SIZE", b"FLAGS", *(_GMAIL if self.gmail else ())]
            answers = client.fetch(some, wanted)
            return {
                uid: self._sized(uid, answer)
                for uid, answer in answers.items()
                if b"RFC822.SIZE" in answer
            }

        found = self._narrowed(connections, uids, measure)
        for uid in uids:
            yield found.get(uid, Sized(uid, GONE, "", b"")) or Sized(uid, KEPT_BACK, "", b"")

    def bodies(self, connections: Connections, uids: Sequence[int]) -> dict[int, bytes | None]:
        """The messages that are there; None for one that the server fails to give."""

        def fetch(client: Any, some: Sequence[int]) -> dict[int, bytes]:
            self.examine(client)
            answers = client.fetch(some, [b"BODY.PEEK[]"])
            return {
                uid: answer[b"BODY[]"] for uid, answer in answers.items() if b"BODY[]" in answer
            }

        return self._narrowed(connections, uids, fetch) if uids else {}

    def _narrowed(
        self,
        connections: Connections,
        uids: Sequence[int],
        ask: Callable[[Any, Sequence[int]], Mapping[int, T]],
    ) -> dict[int, T | None]:
        """What `ask` answers of them; None of one for which it fails while the folder is there."""
        several = len(uids) > 1
        try:
            return {
                **connections.patiently(
                    self.name,
                    lambda client: ask(client, uids),
                    _FEW_TRIES if several else None,
                )
            }
        except StoppedResumable:
            connections.patiently(self.name, self.examine)  # raises where it is the server
        if not several:
            return {uids[0]: None}
        half = len(uids) // 2
        return {
            **self._narrowed(connections, uids[:half], ask),
            **self._narrowed(connections, uids[half:], ask),
        }

    def _sized(self, uid: int, answer: dict[bytes, Any]) -> Sized:
        labelled = b""
        if self.gmail:
            from imapclient.imap_utf7 import decode  # noqa: PLC0415  # part of an extra

            labels = [decode(each) for each in answer[b"X-GM-LABELS"]]
            labelled = headers(labels, answer[b"X-GM-THRID"])
        return Sized(uid, int(answer[b"RFC822.SIZE"]), letters(answer[b"FLAGS"]), labelled)
