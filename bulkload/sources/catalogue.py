"""A source as JSON for a run's journal, and back: no globs, no sniffing at a resume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from bulkload.errors import StoppedForGood
from bulkload.protocols import Stoppable
from bulkload.sources.archived import ArchivedSource
from bulkload.sources.arrow import ArrowSource
from bulkload.sources.csvs import CsvSource
from bulkload.sources.eml import EmlSource
from bulkload.sources.imap import ImapSource
from bulkload.sources.jsonarray import JsonArraySource
from bulkload.sources.letters import LettersSource
from bulkload.sources.maildir import MaildirSource
from bulkload.sources.mapped import MappedSource
from bulkload.sources.mbox import MboxSource
from bulkload.sources.mh import MhSource
from bulkload.sources.msg import MsgSource
from bulkload.sources.ndjson import NdjsonSource
from bulkload.sources.parquet import ParquetSource
from bulkload.sources.pst import PstSource
from bulkload.sources.sql import SqlSource

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from bulkload.model import Position, Record
    from bulkload.protocols import Source

_CLASSES: dict[str, Callable[..., Source]] = {
    source.format: source
    for source in (
        NdjsonSource,
        JsonArraySource,
        LettersSource,
        MappedSource,
        CsvSource,
        ParquetSource,
        ArrowSource,
        MboxSource,
        EmlSource,
        MaildirSource,
        MhSource,
        ArchivedSource,
        SqlSource,
        ImapSource,
        PstSource,
        MsgSource,
    )
}


@runtime_checkable
class _Kept(Protocol):
    @property
    def address(self) -> str:
        """What the class takes first, to find it again from anywhere; no password is in it."""
        ...

    def options(self) -> dict[str, Any]: ...


def describe(source: Source) -> dict[str, Any]:
    """`{"format", "path", "name", "noun", "options"}`: all that `reopen` needs."""
    assert isinstance(source, _Kept)
    return {
        "format": source.format,
        "path": source.address,
        "name": source.name,
        "noun": source.noun,
        "options": source.options(),
    }


def reopen(description: dict[str, Any], **more: Any) -> Source:
    """The source that `describe` described; `more`: what that had no room for.

    Raises StoppedForGood where its format is unknown to this version, RefusedToStart where
    a table's header can't be read any more.
    """
    form = description["format"]
    if form not in _CLASSES:
        raise StoppedForGood(f"{description['name']}: this version reads no format {form!r}.")
    options = {**description["options"], **more}
    return _CLASSES[form](description["path"], description["name"], **options)


class Settled:
    """A source whose records a run has settled, all of them: it may be gone by now, and is opened
    only where one of them is asked for again.
    """

    def __init__(self, description: dict[str, Any], open_again: Callable[[], Source]) -> None:
        self.name: str = description["name"]
        self.format: str = description["format"]
        self.noun: str = description["noun"]
        self._open_again = open_again
        self._opened: Source | None = None

    def source(self) -> Source:
        """It, opened. Raises as `reopen` does."""
        if self._opened is None:
            self._opened = self._open_again()
        return self._opened

    def fingerprint(self) -> dict[str, Any]:
        return self.source().fingerprint()

    def still(self, bound: dict[str, Any]) -> bool:  # noqa: ARG002  # what it was is settled
        return True

    def records(self, start: Position | None = None) -> Generator[Record, None, None]:
        return self.source().records(start)

    def stop(self) -> None:
        if self._opened is not None and isinstance(self._opened, Stoppable):
            self._opened.stop()

    def size(self) -> int:
        """What there is to read of it."""
        return 0

    def consumed(self) -> int:
        return 0
