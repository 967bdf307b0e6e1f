"""The sources read to their end: every record mapped in other processes, judged and counted here.

Blocking; for one thread. Laws kept here: nothing lost: every record read is counted; a duplicate is
what a load would skip as one, since the same reader and the same index of keys tell it.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Self

from bulkload.batch import Entry, Skip
from bulkload.checking.judging import Judge, Reasons, Verdict
from bulkload.checking.sampling import Sampler
from bulkload.checking.tally import Tally
from bulkload.errors import RefusedToStart, StoppedResumable
from bulkload.hubspot.wire import ENVELOPE_BYTES
from bulkload.model import Address
from bulkload.processes.parallel import Pool, grouped, processes
from bulkload.proposing.trying import Place, Shown
from bulkload.records.batching import batches
from bulkload.records.deciding import has_mail
from bulkload.records.making import Maker, lost, weight
from bulkload.records.reading import Reader, total_size
from bulkload.records.seen import Seen
from bulkload.records.supply import keys_seen

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from bulkload.hubspot.definitions import Definitions
    from bulkload.hubspot.lookup import Marks
    from bulkload.options import Options
    from bulkload.protocols import Source
    from bulkload.records.making import Numbered
    from bulkload.records.rules import Rules

REMEMBERED = 50_000
"""Addresses that were met last are known from memory."""


class Wanted(NamedTuple):
    """`sample`: so many mapped records; `mapped`: a file for all of them; `jobs`: processes."""

    sample: int = 0
    mapped: Path | None = None
    jobs: int | None = None


class Now(NamedTuple):
    """How far a scan is: records and bytes read; bytes in all, None where it is not known."""

    read: int
    consumed: int
    expected: int | None


class Addresses:
    """The distinct addresses of people, in the order in which they are asked for, in a file."""

    def __init__(self, folder: Path) -> None:
        self.count = 0
        self._new: set[str] = set()
        self._seen = Seen(folder, durable=False)
        self._file = (folder / "addresses").open("w+", encoding="utf-8", errors="surrogateescape")
        self._recent: set[str] = set()
        self._asked = 0

    def knows(self, address: str) -> bool:
        """Whether it was asked for before."""
        if address in self._recent:
            return True
        if address in self._new:
            return False
        self._asked += 1
        if self._seen.first(address, self._asked) is None:
            self._new.add(address)
            return False
        self._remember(address)
        return True

    def ask(self, addresses: Iterable[str]) -> None:
        """They are known from now on."""
        for address in addresses:
            self._new.discard(address)
            self._remember(address)
            self._file.write(address + "\n")
            self.count += 1

    def _remember(self, address: str) -> None:
        if len(self._recent) >= REMEMBERED:
            self._recent.clear()
        self._recent.add(address)

    def commit(self) -> None:
        """What was asked of the index leaves memory."""
        self._seen.commit()

    def __iter__(self) -> Iterator[str]:
        self._file.seek(0)
        return (line.rstrip("\n") for line in self._file)

    def close(self) -> None:
        self._seen.close()
        self._file.close()


@dataclass
class Scan:
    """One look at the sources. Use it as a context manager: it keeps temporary files.

    `interrupt` ends it early: `whole` is False then. `tell` is called after each group.
    """

    sources: Sequence[Source]
    rules: Rules
    options: Options
    definitions: Definitions
    marks: Marks | None
    wanted: Wanted
    interrupt: threading.Event
    tell: Callable[[Now], None]
    whole: bool = False
    tally: Tally = field(init=False)
    addresses: Addresses = field(init=False)
    _kept: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        place = self._kept.enter_context(tempfile.TemporaryDirectory(prefix="bulkload-check-"))
        folders = [Path(place, name) for name in ("addresses", "keys")]
        try:
            for folder in folders:
                folder.mkdir()
            self.addresses = self._kept.enter_context(closing(Addresses(folders[0])))
            keys = keys_seen(
                folders[1],
                self.options,
                mail=has_mail(self.sources),
                marked=bool(self.marks),
                durable=False,
            )
            self._seen = self._kept.enter_context(closing(keys))
            self._mapped = self._open_mapped()
        except BaseException:
            self._kept.close()
            raise
        options, names = self.options, tuple(source.name for source in self.sources)
        nouns = tuple(source.noun for source in self.sources)
        self._maker = Maker(
            "check", Reasons(), nouns, self.rules, options.max_batch_bytes, self.marks, options.key
        )
        self._judge = Judge(self._maker, self.definitions, names if self._mapped else ())
        self._samples: Sampler[Shown] = Sampler(self.wanted.sample)
        self.tally = Tally(names, nouns)
        return self

    def __exit__(self, *_: object) -> None:
        self._kept.close()

    @property
    def samples(self) -> list[Shown]:
        """Mapped records, spread over the sources."""
        return self._samples.sample()

    def run(self) -> None:
        """Read on to the end. Raises RefusedToStart, or StoppedResumable for a disk that fails."""
        options = self.options
        made = batches(
            self._judged(),
            max_records=options.batch_size,
            max_bytes=options.max_batch_bytes,
            overhead=ENVELOPE_BYTES,
            known=self.addresses.knows,
        )
        for batch in made:
            self.tally.send((entry.weight for entry in batch.entries), len(batch.asks))
            self.addresses.ask(person.email for person in batch.asks)
        if self._mapped is not None:
            try:
                self._mapped.flush()
                os.fsync(self._mapped.fileno())
            except OSError as error:
                raise self._unwritten(error) from None

    def _judged(self) -> Iterator[Entry | Skip]:
        """What would be sent, and what would not, which is no gap, in the order of reading."""
        reader = Reader(self.sources, self._maker.make, self._seen, limit=self.options.limit)
        expected = total_size(self.sources)
        pool = Pool(self._judge, lost, processes=processes(self.wanted.jobs, expected))
        with pool, closing(reader.numbered(0, 0, None)) as records:
            for group, verdicts in pool.map(grouped(records, weight)):
                for each, verdict in zip(group, verdicts, strict=True):
                    loaded = self._take(each, verdict)
                    yield _entry(each, verdict) if loaded else _skip(each)
                self._seen.commit()
                self.addresses.commit()
                self.tell(Now(self.tally.read, reader.consumed(self.tally.read), expected))
                if self.interrupt.is_set():
                    break
            else:
                self.whole = True

    def _take(self, each: Numbered, verdict: Verdict) -> bool:
        """Count one record. Returns whether it would be loaded."""
        ordinal, source, record = each
        first = self._seen.first(verdict.key, ordinal) if verdict.key else None
        options = self.options
        largest = options.max_attachment_bytes if options.attachments == "upload" else None
        if not self.tally.take(source, record.position, verdict, first, largest_file=largest):
            return False
        if self._mapped is not None:
            try:
                self._mapped.write(verdict.line)
            except OSError as error:
                raise self._unwritten(error) from None
        if self._samples.wants():
            self._samples.keep(self._sample(each))
        return True

    def _sample(self, each: Numbered) -> Shown:
        """Mapped once more, here: that is needed seldom, and what it makes is large."""
        _, source, record = each
        _, mapped = self._maker.look(*each)
        assert mapped is not None
        opened = self.sources[source]
        return Shown(Place(opened.name, opened.noun, record.position), mapped)

    def _open_mapped(self) -> BinaryIO | None:
        if (path := self.wanted.mapped) is None:
            return None
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise RefusedToStart(
                f"--mapped {path}: is there already, and is not overwritten; name another file"
            ) from None
        except OSError as error:
            raise RefusedToStart(
                f"--mapped {path}: can't be made: {error.strerror or error}"
            ) from None
        file = os.fdopen(descriptor, "wb", buffering=1 << 20)
        self._kept.callback(_close, file)
        return file

    def _unwritten(self, error: OSError) -> StoppedResumable:
        return StoppedResumable(
            f"--mapped {self.wanted.mapped}: can't be written ({error.strerror or error}). Make "
            "room, or name another place; what is there is not whole"
        )


def _entry(each: Numbered, verdict: Verdict) -> Entry:
    """One that weighs what the record's own would: batching looks at no more."""
    ordinal, source, record = each
    people = tuple(Address(address) for address in verdict.people)
    body = bytes(verdict.size)
    return Entry(ordinal, source, record.position, str(ordinal), body, record, people=people)


def _skip(each: Numbered) -> Skip:
    ordinal, source, record = each
    return Skip(ordinal, source, record.position)


def _close(file: BinaryIO) -> None:
    with suppress(OSError):  # a full disk, of which was told: what is in the buffer is lost
        file.close()
